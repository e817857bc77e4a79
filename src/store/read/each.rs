//! Runs a compiled read with many sets of values. Knows statements of SQLite (through rusqlite),
//! and what ends one; compiles nothing.
//!
//! A short statement takes less time than its way to the database and back. So SQLite's run on a
//! thread that is lent the reader's connection, and go there only once. Each is a statement and a
//! snapshot of its own, in the time and the bounds that one may have, and ends when nobody waits
//! for it any more. PostgreSQL's take more time to plan than to run, too: those that are short go
//! in one statement, which is planned once. What is slow so, or fails, goes alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::{
    store::{
        context::Context,
        db::{deadline::Heard, dialect::Dialect, lent::Lent, readers::Taken},
        error::StoreError,
        in_force,
        types::Answer,
    },
    value::Value,
};

use super::{
    many, matches, on_file, operands, run,
    statement::{Many, Statement},
};

/// What runs in one statement may take before each goes alone.
const TOGETHER_MAX: Duration = Duration::from_millis(if cfg!(test) { 5_000 } else { 250 });
/// How often it is looked whether anybody waits for a statement of PostgreSQL's. SQLite looks by
/// itself.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The runs of one statement, in the order in which they begin. Several may be under way.
pub(crate) trait Runs: Send + 'static {
    /// The values of the next one; none when enough have run.
    fn next(&mut self) -> Option<Arc<[Value]>>;
    /// What came of the first one under way, which ends with that; it need not be listened to
    /// where nobody waits for it any more.
    fn done(&mut self, answer: Result<Answer, StoreError>);
    /// Says at any time whether somebody waits for the first one under way.
    fn heard(&self) -> Heard;
}

/// The error is of one that does not end though its time is over: whoever waits for it has to be
/// told by somebody else, because its thread has the runs.
pub(crate) async fn read_each(context: &Context, statement: &Statement, mut runs: impl Runs) -> Result<(), StoreError> {
    let heard = runs.heard();
    if !context.readers.lends() {
        asked_of_server(context, statement, runs).await;
        return Ok(());
    }
    loop {
        let reader = match reader(context).await {
            Ok(reader) => reader,
            Err(error) => {
                fail(runs, error);
                return Ok(());
            }
        };
        let (statement_there, dialect) = (statement.clone(), context.dialect);
        let work = move |connection: &Connection, lent| {
            let left = run_all(connection, lent, &statement_there, dialect, &mut runs);
            (runs, left)
        };
        let (back, left) = reader.lend(heard.clone(), work).await?;
        runs = back;
        // What failed otherwise than by its time or its bounds is run as a statement alone, which
        // can say why.
        match left {
            Some(values) => alone(context, statement, &values, &mut runs).await,
            None => return Ok(()),
        }
    }
}

/// A few at a time, in one statement where that is quicker. What the server plans for all values
/// may be bad for some: so they are given little time, in which more than that is not lost, and
/// then each goes alone, with a plan of its own.
async fn asked_of_server(context: &Context, statement: &Statement, mut runs: impl Runs) {
    let mut other = None;
    while let Some(first) = other.take().or_else(|| runs.next()) {
        let count = statement.many.as_ref().map_or(1, |many| many.pace.count());
        let alike = statement.alike(&first);
        let mut taken = vec![first];
        while taken.len() < count && other.is_none() {
            match runs.next() {
                Some(values) if statement.alike(&values) == alike => taken.push(values),
                Some(values) => other = Some(values),
                None => break,
            }
        }
        let answers = match (&*taken, &statement.many) {
            ([_, _, ..], Some(many)) => together(context, statement, many, &taken).await,
            _ => None,
        };
        match answers {
            Some(answers) => answers.into_iter().for_each(|answer| runs.done(Ok(answer))),
            None => {
                for values in taken {
                    alone(context, statement, &values, &mut runs).await;
                }
            }
        }
    }
}

/// Their answers, unless they take long together, or one of them fails: it is found out alone why.
async fn together(
    context: &Context,
    statement: &Statement,
    many: &Many,
    taken: &[Arc<[Value]>],
) -> Option<Vec<Answer>> {
    let read = tokio::time::timeout(TOGETHER_MAX, many::read(context, statement, many, taken));
    let answers = read.await.ok().and_then(Result::ok);
    match answers.as_deref() {
        Some([first, ..]) => many.pace.went_together(first.took),
        _ => {
            tracing::debug!("runs of a statement go alone for a while");
            many.pace.failed();
        }
    }
    answers
}

/// Runs it as a statement alone while somebody waits for it.
async fn alone(context: &Context, statement: &Statement, values: &[Value], runs: &mut impl Runs) {
    let heard = runs.heard();
    let unheard = async {
        while heard() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        read = run::read(context, statement, values) => {
            if let (Some(many), Ok(answer)) = (&statement.many, &read) {
                many.pace.went_alone(answer.took, answer.json.len());
            }
            runs.done(read);
        }
        () = unheard => {
            tracing::debug!("nobody waits for a statement any more");
            runs.done(Err(StoreError::Timeout(context.readers.limit())));
        }
    }
}

async fn reader(context: &Context) -> Result<Taken, StoreError> {
    let reader = context.readers.take().await?;
    // Asked only now: the wait may have been long.
    in_force::may_read(context)?;
    Ok(reader)
}

fn fail(mut runs: impl Runs, error: StoreError) {
    if runs.next().is_some() {
        runs.done(Err(error));
    }
}

/// Runs until there are no more, or one fails for a reason that is found out elsewhere: its values.
fn run_all(
    connection: &Connection,
    mut lent: Lent,
    statement: &Statement,
    dialect: &dyn Dialect,
    runs: &mut impl Runs,
) -> Option<Arc<[Value]>> {
    let mut prepared = connection.prepare_cached(&statement.sql).ok();
    while let Some(values) = runs.next() {
        let Some(prepared) = prepared.as_mut().filter(|_| lent.begin()) else {
            return Some(values);
        };
        let began = Instant::now();
        let Ok(cells) = operands::cells(&statement.binds, &values, dialect) else {
            return Some(values);
        };
        let ran = on_file::one(prepared, lent.made(), &statement.roots, &cells)
            .ok()
            .and_then(Result::ok);
        let shown = ran.map(|(head, json)| (head, matches::put(json, &statement.shown, &values)));
        match shown {
            Some((head, Ok(json))) => runs.done(Ok(Answer {
                json,
                head,
                took: began.elapsed(),
            })),
            _ => match lent.ended_by() {
                Some(error) => runs.done(Err(error)),
                None => return Some(values),
            },
        }
    }
    None
}
