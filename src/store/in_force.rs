//! Whether the definition of a handle is in force: another process may have applied a layout that leaves no room for it. Knows
//! the record of layouts, and what a difference means for who writes and who reads; no rows.
//!
//! What writes for a definition asks for the newest record first, in the same transaction. The question touches the table of row
//! numbers, which whoever applies a layout takes for himself: so a layout waits for all that is under way, and who comes while it is
//! applied waits before his question sees anything, and finds it. The lock is one of the table and not of a row, because that
//! writes nothing, and because the one who waits for all others gets his turn however many of them come.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use tokio::sync::watch;

use crate::layout::steps::{Change, Step, Steps};

use super::{
    Inner, Store,
    db::{
        dialect::Dialect,
        pool::{Command, Line, get},
        readers::Taken,
    },
    error::{StoreError, failed},
    load::batch::Work,
    migrate::apply,
};

const NEWEST: &str = "SELECT id FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";
/// The same, not before the layout is whole that is being applied, nor any other after it until the transaction ends. A statement
/// locks its tables before it looks at them, also one of which it reads nothing.
const NEWEST_HELD: &str = "SELECT id FROM hayloft_applied_layout WHERE (SELECT next FROM hayloft_row_number LIMIT 0) IS NULL \
                           ORDER BY id DESC LIMIT 1";
const NEWEST_LAYOUT: &str = "SELECT id,layout FROM hayloft_applied_layout ORDER BY id DESC LIMIT 1";

/// What a handle's definition is to the newest one of its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is that one, or that one leaves room for it.
    #[default]
    InForce,
    /// It would leave behind what it does not know of, so it may not write; what it reads is still what it says.
    ReadsOnly,
    /// What it reads is gone, or means something else.
    Replaced,
}

impl Standing {
    /// That of a definition since whose layout these steps were done.
    pub(crate) fn after(since: &Steps, dialect: &dyn Dialect) -> Standing {
        // Where items lie in a table, queries name it.
        let stays = |step: &&Step| step.change == Change::RemovedListIndex && !dialect.keeps_items();
        let all = |holds: fn(&Step) -> bool| since.steps.iter().filter(|step| !stays(step)).all(holds);
        if all(leaves_room) {
            Standing::InForce
        } else if all(is_unseen) {
            Standing::ReadsOnly
        } else {
            Standing::Replaced
        }
    }

    fn writes(self) -> Result<(), StoreError> {
        match self {
            Standing::InForce => Ok(()),
            Standing::ReadsOnly | Standing::Replaced => Err(StoreError::Replaced),
        }
    }

    fn reads(self) -> Result<(), StoreError> {
        match self {
            Standing::InForce | Standing::ReadsOnly => Ok(()),
            Standing::Replaced => Err(StoreError::Replaced),
        }
    }
}

/// Whether who does not know of a step can go on: what is new may stay empty, and nothing that he knows has changed. Links,
/// nested rows and requests that he does not know of would be left behind when he deletes a row.
fn leaves_room(step: &Step) -> bool {
    match step.change {
        Change::NewType => step.refill.is_none(),
        Change::NewField { required } => !required && step.refill.as_ref().is_none_or(|refill| !refill.apart),
        Change::NewIndex | Change::RemovedIndex => true,
        _ => false,
    }
}

/// Whether who only reads sees nothing of a step: all that he asks for is there and as it was.
fn is_unseen(step: &Step) -> bool {
    matches!(
        step.change,
        Change::NewType
            | Change::NewField { .. }
            | Change::NewLinks
            | Change::NewIndex
            | Change::RemovedIndex
            | Change::Required
            | Change::Unique
    )
}

/// What a handle knows of its standing.
#[derive(Default)]
pub struct Seen {
    known: watch::Sender<Known>,
    /// The newest record made by this process, whichever of its handles did.
    own: Arc<AtomicI64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The newest record when it was looked at last.
    record: i64,
    standing: Standing,
}

impl Seen {
    /// That of another handle of the same process.
    pub fn beside(older: &Seen) -> Seen {
        Seen {
            known: watch::Sender::default(),
            own: Arc::clone(&older.own),
        }
    }

    /// Before the commit by which this handle's definition comes into force: other handles of the process look from now on.
    pub fn applying(&self, record: i64) {
        self.own.store(record, Ordering::Relaxed);
    }

    /// After that commit.
    pub fn applied(&self, record: i64) {
        let standing = Standing::InForce;
        self.known.send_replace(Known { record, standing });
    }

    fn of(&self, record: i64) -> Option<Standing> {
        let known = *self.known.borrow();
        (known.record == record).then_some(known.standing)
    }

    /// Remembers what was found, and tells it when it is something else than before.
    fn note(&self, record: i64, standing: Standing) {
        let before = self.known.send_replace(Known { record, standing });
        // A newer definition of this process itself is told of by who exchanges them.
        if before.record != record && self.own.load(Ordering::Relaxed) != record {
            tell(before.standing, standing);
        }
    }
}

fn tell(before: Standing, now: Standing) {
    match (before, now) {
        (Standing::InForce, Standing::InForce) => {
            tracing::info!("another process has put a newer definition in force, which leaves room for this one");
        }
        (_, Standing::InForce) => tracing::info!("the definition in force leaves room for this one again; it goes on"),
        (before, now) if before == now => {}
        (_, Standing::ReadsOnly) => {
            tracing::error!(
                "{}; nothing is harvested here until then, and queries are answered",
                StoreError::Replaced
            );
        }
        (_, Standing::Replaced) => {
            tracing::error!(
                "{}; nothing is harvested or answered here until then",
                StoreError::Replaced
            );
        }
    }
}

/// Refuses to write for a definition that is not in force; otherwise it stays in force until the transaction ends.
pub async fn hold(work: &mut Work<'_>) -> Result<(), StoreError> {
    let inner = work.inner;
    let newest = match inner.dialect.exclusive() {
        // Only this process writes, and one transaction at a time.
        true => inner.seen.own.load(Ordering::Relaxed),
        false => number(&work.all(work.params(), NEWEST_HELD.to_owned()).await?)?,
    };
    let standing = match inner.seen.of(newest) {
        Some(standing) => standing,
        None => judge(inner, &work.all(work.params(), NEWEST_LAYOUT.to_owned()).await?)?,
    };
    standing.writes()
}

/// The standing at this moment.
pub async fn look(inner: &Inner) -> Result<Standing, StoreError> {
    let newest = inner.own.take().await?.fetch(inner.params().query(NEWEST)).await?;
    by_number(inner, number(&newest)?).await
}

/// The standing when the newest record has this number.
pub async fn by_number(inner: &Inner, newest: i64) -> Result<Standing, StoreError> {
    if let Some(standing) = inner.seen.of(newest) {
        return Ok(standing);
    }
    let layout = inner.params().query(NEWEST_LAYOUT);
    judge(inner, &inner.own.take().await?.fetch(layout).await?)
}

fn number(lines: &[Line]) -> Result<i64, StoreError> {
    lines.first().map_or(Ok(0), |line| get(line, 0))
}

/// Compares the newest record with the handle's own layout.
fn judge(inner: &Inner, lines: &[Line]) -> Result<Standing, StoreError> {
    let Some(line) = lines.first() else {
        return Ok(Standing::InForce);
    };
    let record = get(line, 0)?;
    let newest = apply::parse(get(line, 1)?)?;
    let standing = Standing::after(&Steps::between(&inner.layout, &newest), inner.dialect);
    if inner.dialect.exclusive() {
        inner.seen.applying(record);
    }
    inner.seen.note(record, standing);
    Ok(standing)
}

/// Runs a statement about the rows of the definition. What fails because the tables are others now is named as that.
pub async fn read(inner: &Inner, mut reader: Taken, command: Command) -> Result<Vec<Line>, StoreError> {
    inner.seen.known.borrow().standing.reads()?;
    let error = match reader.run(command).await? {
        Ok(rows) => return Ok(rows),
        Err(error) => error,
    };
    if !is_of_tables(&error) {
        return Err(reader.error(error));
    }
    // The look needs a reader, which may be this one.
    drop(reader);
    match look(inner).await? {
        Standing::Replaced => Err(StoreError::Replaced),
        Standing::InForce | Standing::ReadsOnly => Err(failed(error)),
    }
}

/// PostgreSQL's class of errors about names and types, and SQLite's words for the former: our statements are right by the
/// layout that they were made for.
fn is_of_tables(error: &sqlx::Error) -> bool {
    let Some(cause) = error.as_database_error() else {
        return false;
    };
    let is_class = |code: &str| code.len() == 5 && code.starts_with("42");
    let gone = ["no such column", "no such table"];
    cause.code().as_deref().is_some_and(is_class) || gone.iter().any(|words| cause.message().starts_with(words))
}

impl Store {
    /// Whether the definition of this handle is in force; asks the database.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        look(&self.inner).await
    }

    /// Waits until it is known that the definition of this handle is not in force any more.
    pub async fn replaced(&self) {
        let mut known = self.inner.seen.known.subscribe();
        // The sender lives as long as this handle, so there is always an answer.
        let _ = known.wait_for(|known| known.standing != Standing::InForce).await;
    }
}
