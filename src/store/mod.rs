//! The only place that speaks SQL: layout, reads, loads, the ledger. Knows nothing of HTTP, jq or GraphQL.

mod all_refused;
mod answer;
mod applied;
mod away;
mod backup;
mod bind;
mod changes;
mod connect;
mod copy;
pub mod crash;
mod dangling;
mod deferred;
mod dialect;
mod driver;
mod error;
mod fan_out;
mod figures;
mod follow;
mod functions;
mod ground;
mod held;
mod in_line;
mod indexes;
mod items;
mod journal;
mod ledger;
mod like;
mod load;
mod made;
mod migrate;
mod open;
mod parents;
mod place;
mod plan;
mod pooler;
mod postgres;
mod processes;
mod read;
mod reader;
mod reading;
mod redefine;
mod rejected;
mod replay;
mod rows;
mod runs;
mod session;
mod sqlite;
mod standing;
mod statistics;
mod status;
mod sure;
mod system;
mod tables;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod told;
mod types;
mod writable;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    catalog::{Catalog, EntityId, FetchId, FieldId, Valid},
    change::Bus,
    config::DatabaseUrl,
    layout::Layout,
    query::{Output, Read},
    value::{Key, Value},
};

use bind::Params;
use connect::Plans;
use dialect::Dialect;
use driver::Pool;
use error::failed;
use in_line::in_line;
use ledger::Memories;
use open::Door;

pub use backup::{Backup, Restored};
pub use dangling::Dangling;
pub use figures::{Figures, Links, Spread};
pub use held::{Decision, HeldDeletion};
pub use made::{Beyond, Bounds};
pub use parents::*;
pub use plan::{LayoutPlan, PlannedStep};
pub use processes::{Attendance, ProcessSeen};
pub use reading::Reading;
pub use rejected::{Rejected, RejectedFilter, RejectedRuns};
pub use standing::Standing;
pub use told::Told;
pub use types::*;

/// How long one read may take when nothing else is said.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers for operations at least, also on a machine of one core: a slow query must not hold up the fast ones.
const READERS_MIN: usize = 4;
/// Readers beyond the processors: some operations leave so many to others, and no processor should rest for that.
const READERS_MORE: usize = 2;
/// Loads by key take microseconds; two connections saturate any machine that we know.
const LOOKUP_READERS: usize = 2;
/// The ledger asks little.
const OWN_READERS: usize = 1;

/// What all handles to one database share.
struct Inner {
    catalog: Arc<Valid<Catalog>>,
    layout: Arc<Layout>,
    dialect: &'static dyn Dialect,
    /// The database as errors name it.
    place: String,
    /// None for `Access::Read`.
    writer: Option<Pool>,
    /// For the answers to operations.
    readers: Arc<reader::Readers>,
    /// For loads by key, which are quick and must not wait behind what is slow.
    lookups: Arc<reader::Readers>,
    /// For the ledger and the state of health: slow operations must not stop the harvest.
    own: Arc<reader::Readers>,
    bus: Bus,
    ground: Arc<ground::Ground>,
    /// What is known of commits that are not our own.
    heard: follow::Heard,
    /// Whether the definition is in force.
    seen: standing::Seen,
    /// The types whose indexes are built later.
    deferred: deferred::Deferred,
    /// Whether there was room for the last rows that were harvested.
    writable: Arc<writable::Writable>,
    /// SQLite's, kept short.
    journal: Arc<journal::Journal>,
    /// What was written since statistics were made.
    changed: statistics::Changed,
    /// The runs that this process has under way, by number and fence.
    runs: Mutex<Memories>,
    /// The name of this process in the ledger.
    process: Arc<str>,
    retention: Mutex<Retention>,
    /// Set: no other process writes to this database.
    lock: Option<Arc<open::WriterLock>>,
    #[cfg(test)]
    clock: Option<testing::Clock>,
}

impl Inner {
    /// Makes or checks the tables.
    async fn prepare(&self, access: Access) -> Result<(), StoreError> {
        if self.writer.is_none() {
            return match access {
                Access::Compare => Ok(()),
                _ => applied::check(self).await,
            };
        }
        applied::refuse_foreign(self).await?;
        system::bring_up(self).await?;
        applied::apply(self, access == Access::Destructive, &|| {}).await?;
        crash::point("open::layout");
        place::check(self).await?;
        follow::begin(self).await?;
        if self.is_alone() {
            ledger::interrupt_all(self).await?;
            deferred::find(self).await?;
        }
        crash::point("open::done");
        Ok(())
    }

    /// Parameters for a statement of this database.
    fn params(&self) -> Params {
        self.dialect.params()
    }

    /// The database's clock as SQL, `seconds` from now. Times are compared by the database alone.
    fn now(&self, seconds: i64) -> String {
        #[cfg(test)]
        if let Some(clock) = &self.clock {
            return clock.literal(seconds);
        }
        self.dialect.now(seconds)
    }

    /// Whether a lock proves that no other process harvests into this database.
    fn is_alone(&self) -> bool {
        self.lock.is_some()
    }

    fn writer(&self) -> Result<&Pool, StoreError> {
        let writer = self.writer.as_ref();
        writer.ok_or_else(|| StoreError::Refused("the database was opened for reading only".to_owned()))
    }
}

/// A handle to one database; cloning gives another handle to the same pools.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the database, takes the writer's lock (`Access::Write`), migrates the system tables and applies the layout.
    ///
    /// `Access::Read` opens an existing database beside a running writer and changes nothing.
    pub async fn open(
        url: &DatabaseUrl,
        access: Access,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
    ) -> Result<Store, StoreError> {
        Self::open_within(url, access, catalog, layout, None).await
    }

    /// The same with a limit for each read, unless the address has one.
    pub async fn open_within(
        url: &DatabaseUrl,
        access: Access,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        timeout: Option<Duration>,
    ) -> Result<Store, StoreError> {
        let door = Door::open(url, access.writes()).await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (pool, own_timeout) = match url {
            DatabaseUrl::Postgres(url) => (url.pool, url.statement_timeout),
            DatabaseUrl::Sqlite(_) => (None, None),
        };
        let timeout = own_timeout.or(timeout).unwrap_or(STATEMENT_TIMEOUT);
        let readers = |count, plans| Arc::new(reader::Readers::new(&door.source, plans, timeout, count));
        let inner = Inner {
            catalog,
            layout,
            dialect: door.dialect,
            place: door.place,
            readers: readers(pool.unwrap_or((cores + READERS_MORE).max(READERS_MIN)), Plans::ByValue),
            lookups: readers(LOOKUP_READERS, Plans::ByKey),
            own: readers(OWN_READERS, Plans::ByValue),
            writer: door.writer,
            bus: Bus::default(),
            ground: door.ground,
            heard: follow::Heard::default(),
            seen: standing::Seen::default(),
            deferred: deferred::Deferred::default(),
            writable: Arc::default(),
            journal: journal::Journal::of(&door.source),
            changed: statistics::Changed::default(),
            runs: Mutex::default(),
            process: processes::name(),
            retention: Mutex::default(),
            lock: door.lock.map(Arc::new),
            #[cfg(test)]
            clock: None,
        };
        let ready = inner.prepare(access).await;
        if let Some(setup) = door.setup {
            connect::close(setup).await;
        }
        ready?;
        Ok(Store { inner: Arc::new(inner) })
    }

    /// What opening for writing would change, and what that costs; nothing is written. A database that is not there yet
    /// is none to be opened: everything is new then.
    pub async fn plan(
        url: &DatabaseUrl,
        catalog: Arc<Valid<Catalog>>,
        layout: Arc<Layout>,
        timeout: Option<Duration>,
    ) -> Result<LayoutPlan, StoreError> {
        if let DatabaseUrl::Sqlite(path) = url
            && open::is_new(path)
        {
            return Ok(applied::plan_of_new(&layout));
        }
        let store = Self::open_within(url, Access::Compare, catalog, layout, timeout).await?;
        let plan = applied::plan_own(&store.inner).await;
        store.close().await;
        plan
    }

    /// Announces every commit that changed rows.
    pub fn bus(&self) -> &Bus {
        &self.inner.bus
    }

    /// Compiles a read to one statement. Pure; fails only beyond a database's own limits.
    pub fn compile(&self, read: &Read) -> Result<Statement, StoreError> {
        self.compiler().compile(read)
    }

    /// Runs a compiled read: one statement, one snapshot. `params` are the operands `Operand::Param(n)`.
    pub async fn read(&self, statement: &Statement, params: &[Value]) -> Result<Answer, StoreError> {
        self.ready(&statement.types).await;
        answer::read(&self.inner, statement, params).await
    }

    /// Compiles a load of rows by key: `by` are the key (or one unique field) of the entity. `None` when it has too many
    /// operands to be joined with others.
    pub fn compile_keyed(
        &self,
        entity: EntityId,
        by: &[FieldId],
        output: &[Output],
    ) -> Result<Option<KeyedStatement>, StoreError> {
        self.compiler().compile_keyed(entity, by, output)
    }

    fn compiler(&self) -> read::Base<'_> {
        read::Base {
            catalog: &self.inner.catalog,
            layout: &self.inner.layout,
            dialect: self.inner.dialect,
            bounds: self.inner.readers.bounds(),
        }
    }

    /// What answers may have from now on, for all handles to these connections. What is compiled before keeps to what was said then.
    pub fn bound_answers(&self, bounds: Bounds) {
        self.inner.readers.bound(bounds);
        self.inner.lookups.bound(bounds);
    }

    /// Loads many rows by key in one statement. `params` are the operands `Operand::Param(n)` of what is selected, the same for
    /// all keys.
    pub async fn load(&self, statement: &KeyedStatement, params: &[Value], keys: &[Key]) -> Result<Loaded, StoreError> {
        self.ready(&statement.types).await;
        answer::load(&self.inner, statement, params, keys).await
    }

    /// The database's own plan for a statement.
    pub async fn explain(&self, statement: &Statement, params: &[Value]) -> Result<Explanation, StoreError> {
        answer::explain(&self.inner, statement, params).await
    }

    /// Records the start of a run in slot `slot`, or `None` when that slot was already taken.
    ///
    /// An interrupted run of the same fetch whose last heartbeat is at most [`RESUME_MAX`] old is taken over instead, if
    /// `StartRun::resume` allows it: `Run::checkpoint` is then set. Any other is closed as interrupted.
    pub async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        in_line!(ledger::claim::start(&self.inner, start).await)
    }

    /// Lets the rule say which slots of a fetch the ledger lacks, queues them, and gives what is known of the fetch then.
    /// Whoever asks at the same time waits for his turn: the rule sees what the other wrote.
    pub async fn plan_slots(&self, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
        in_line!(ledger::slots::plan(&self.inner, fetch, rule).await)
    }

    /// Starts the next run of a fetch: goes on with an interrupted one as [`Store::start_run`] does, else takes the oldest
    /// slot that waits. `None` when there is none, or a run of the fetch is in other hands.
    pub async fn claim_run(&self, claim: &Claim) -> Result<Option<Run>, StoreError> {
        in_line!(ledger::claim::claim(&self.inner, claim).await)
    }

    /// Says that this process works at the run no more, however that came. Without it the run would count as under way here.
    pub fn release_run(&self, run: &Run) {
        self.inner.release(run);
    }

    /// The name of this process in the ledger.
    pub fn name(&self) -> &str {
        &self.inner.process
    }

    /// A sign of life of this process; tells its place among those that harvest from this database.
    pub async fn attend(&self, by_hand: bool) -> Result<Attendance, StoreError> {
        in_line!(processes::attend(&self.inner, by_hand).await)
    }

    /// The live processes that harvest, and the name of this one among them. Empty where only one can.
    pub async fn processes(&self) -> Result<Vec<ProcessSeen>, StoreError> {
        processes::all(&self.inner).await
    }

    /// The change log's epoch, its first change that is kept, and its newest.
    pub async fn log_head(&self) -> Result<LogHead, StoreError> {
        changes::head(&self.inner).await
    }

    /// How much of the change log is kept from now on.
    pub fn keep_changes(&self, retention: Retention) {
        *self.inner.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// Keeps the lease of a run; an error of kind `Fenced` means that another process has taken it over.
    pub async fn heartbeat(&self, run: &Run) -> Result<(), StoreError> {
        in_line!(ledger::heartbeat(&self.inner, run).await)
    }

    /// What is remembered of an earlier answer to the same request under the same definition.
    pub async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
        status::request_state(&self.inner, fetch, request).await
    }

    /// The newest run of each fetch, and the newest complete one: what `status` and the scheduler read.
    pub async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        status::fetch_status(&self.inner).await
    }

    /// Plans the requests of a run of a field's fetch: those that an earlier run left, and those that `when` asks for.
    pub async fn plan_parents(&self, run: &Run, fetch: FetchId) -> Result<u64, StoreError> {
        in_line!(fan_out::plan(&self.inner, run, fetch).await)
    }

    /// Takes some of these requests for `owner`, a name that no other process has.
    pub async fn claim_parents(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<Parent>, StoreError> {
        in_line!(fan_out::claim(&self.inner, run, fetch, owner, limit).await)
    }

    /// Renews the claims of `owner`, who is still at work.
    pub async fn keep_parents(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        in_line!(fan_out::keep(&self.inner, fetch, owner).await)
    }

    /// Gives back what `owner` claimed and has not answered.
    pub async fn let_go_parents(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        in_line!(fan_out::let_go(&self.inner, fetch, owner).await)
    }

    /// Whether requests of a run are still to be made, by whichever process.
    pub async fn left_parents(&self, run: &Run) -> Result<Left, StoreError> {
        fan_out::left(&self.inner, run).await
    }

    /// Requests of a field's fetch by state; of one run, or of all.
    pub async fn parent_counts(&self, fetch: &str, run: Option<i64>) -> Result<FanOutCounts, StoreError> {
        fan_out::counts(&self.inner, fetch, run).await
    }

    /// What is to be told of the answers of a field's fetch that stand.
    pub async fn answers_told(&self, fetch: &str) -> Result<AnswersTold, StoreError> {
        fan_out::told(&self.inner, fetch).await
    }

    /// The runs, in whichever process, whose requests this one may help with.
    pub async fn open_fan_outs(&self) -> Result<Vec<OpenFanOut>, StoreError> {
        fan_out::open(&self.inner).await
    }

    /// The database's own clock.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        status::now(&self.inner).await
    }

    /// Checkpoints and closes; commits under way are finished first.
    pub async fn close(self) {
        let inner = &self.inner;
        if inner.writer.is_some()
            && let Err(error) = processes::leave(inner).await
        {
            tracing::debug!(%error, "the others will notice by themselves that this process has ended");
        }
        tokio::join!(inner.readers.close(), inner.lookups.close(), inner.own.close());
        if let Ok(writer) = self.inner.writer() {
            open::fold(writer).await;
            writer.close().await;
        }
    }
}
