//! The only place that speaks SQL: layout, reads, loads, the ledger. Knows nothing of HTTP, jq or GraphQL.

mod cluster;
mod commit;
mod db;
mod ddl;
mod error;
mod facade;
mod field_fetch;
mod figures;
mod identity;
mod in_force;
mod load;
mod migrate;
mod read;
mod runs;
mod sqlite_backup;
mod state;
mod system;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod types;

pub use db::{
    failpoint as crash,
    made::{Beyond, Bounds},
};
pub use error::StoreError;
pub use in_force::Standing;
pub use read::dangling::Dangling;
pub use sqlite_backup::{Backup, Restored};
pub use system::{
    held::{Decision, HeldDeletion},
    processes::{Attendance, ProcessSeen},
    quarantine::{Rejected, RejectedFilter, RejectedRuns},
    readings::Reading,
};
pub use types::*;

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

use cluster::follow;
use db::{
    dialect::Dialect,
    failpoint,
    params::Params,
    pool::Pool,
    postgres::connect::{self, Plans},
    readers,
    retry::in_line,
    sqlite::{
        file::{self, Door},
        journal,
    },
};
use field_fetch::requests;
use figures::statistics;
use identity::{guard, place};
use load::deferred;
use migrate::apply;
use read::{compile, run};
use runs::{
    claim,
    finish::{self, Memories},
    slots, status,
};
use state::writable;
use system::{change_log, migrations, processes};

/// How long one read may take when nothing else is said.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Readers for operations at least, also on a machine of one core: a slow query must not hold up the fast ones.
const READERS_MIN: usize = 4;
/// Loads by key take microseconds; two connections saturate any machine that we know.
const LOOKUP_READERS: usize = 2;
/// The ledger asks little.
const OWN_READERS: usize = 1;

/// What all handles to one database share.
pub(crate) struct Inner {
    catalog: Arc<Valid<Catalog>>,
    layout: Arc<Layout>,
    dialect: &'static dyn Dialect,
    /// The database as errors name it.
    place: String,
    /// None for `Access::Read`.
    writer: Option<Pool>,
    /// For the answers to operations.
    readers: Arc<readers::Readers>,
    /// For loads by key, which are quick and must not wait behind what is slow.
    lookups: Arc<readers::Readers>,
    /// For the ledger and the state of health: slow operations must not stop the harvest.
    own: Arc<readers::Readers>,
    bus: Bus,
    ground: Arc<guard::Ground>,
    /// What is known of commits that are not our own.
    heard: follow::Heard,
    /// Whether the definition is in force.
    seen: in_force::Seen,
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
    lock: Option<Arc<file::WriterLock>>,
    #[cfg(test)]
    clock: Option<testing::Clock>,
}

impl Inner {
    /// Makes or checks the tables.
    async fn prepare(&self, access: Access) -> Result<(), StoreError> {
        if self.writer.is_none() {
            return match access {
                Access::Compare => Ok(()),
                _ => apply::check(self).await,
            };
        }
        apply::refuse_foreign(self).await?;
        migrations::bring_up(self).await?;
        apply::apply(self, access == Access::Destructive, &|| {}).await?;
        failpoint::point("open::layout");
        place::check(self).await?;
        follow::begin(self).await?;
        if self.is_alone() {
            finish::interrupt_all(self).await?;
            deferred::find(self).await?;
        }
        failpoint::point("open::done");
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
        let readers = |count, plans| Arc::new(readers::Readers::new(&door.source, plans, timeout, count));
        let inner = Inner {
            catalog,
            layout,
            dialect: door.dialect,
            place: door.place,
            readers: readers(pool.unwrap_or(cores.max(READERS_MIN)), Plans::ByValue),
            lookups: readers(LOOKUP_READERS, Plans::ByKey),
            own: readers(OWN_READERS, Plans::ByValue),
            writer: door.writer,
            bus: Bus::default(),
            ground: door.ground,
            heard: follow::Heard::default(),
            seen: in_force::Seen::default(),
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
            && file::is_new(path)
        {
            return Ok(apply::plan_of_new(&layout));
        }
        let store = Self::open_within(url, Access::Compare, catalog, layout, timeout).await?;
        let plan = apply::plan_own(&store.inner).await;
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
        run::read(&self.inner, statement, params).await
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

    fn compiler(&self) -> compile::Base<'_> {
        compile::Base {
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
        run::load(&self.inner, statement, params, keys).await
    }

    /// The database's own plan for a statement.
    pub async fn explain(&self, statement: &Statement, params: &[Value]) -> Result<Explanation, StoreError> {
        run::explain(&self.inner, statement, params).await
    }

    /// Records the start of a run in slot `slot`, or `None` when that slot was already taken.
    ///
    /// An interrupted run of the same fetch whose last heartbeat is at most [`RESUME_MAX`] old is taken over instead, if
    /// `StartRun::resume` allows it: `Run::checkpoint` is then set. Any other is closed as interrupted.
    pub async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        in_line!(claim::start(&self.inner, start).await)
    }

    /// Lets the rule say which slots of a fetch the ledger lacks, queues them, and gives what is known of the fetch then.
    /// Whoever asks at the same time waits for his turn: the rule sees what the other wrote.
    pub async fn plan_slots(&self, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
        in_line!(slots::plan(&self.inner, fetch, rule).await)
    }

    /// Starts the next run of a fetch: goes on with an interrupted one as [`Store::start_run`] does, else takes the oldest
    /// slot that waits. `None` when there is none, or a run of the fetch is in other hands.
    pub async fn claim_run(&self, claim: &Claim) -> Result<Option<Run>, StoreError> {
        in_line!(claim::claim(&self.inner, claim).await)
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
        change_log::head(&self.inner).await
    }

    /// How much of the change log is kept from now on.
    pub fn keep_changes(&self, retention: Retention) {
        *self.inner.retention.lock().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    /// Keeps the lease of a run; an error of kind `Fenced` means that another process has taken it over.
    pub async fn heartbeat(&self, run: &Run) -> Result<(), StoreError> {
        in_line!(finish::heartbeat(&self.inner, run).await)
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
        in_line!(requests::plan(&self.inner, run, fetch).await)
    }

    /// Takes some of these requests for `owner`, a name that no other process has.
    pub async fn claim_parents(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<Parent>, StoreError> {
        in_line!(requests::claim(&self.inner, run, fetch, owner, limit).await)
    }

    /// Renews the claims of `owner`, who is still at work.
    pub async fn keep_parents(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        in_line!(requests::keep(&self.inner, fetch, owner).await)
    }

    /// Gives back what `owner` claimed and has not answered.
    pub async fn let_go_parents(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        in_line!(requests::let_go(&self.inner, fetch, owner).await)
    }

    /// Whether requests of a run are still to be made, by whichever process.
    pub async fn left_parents(&self, run: &Run) -> Result<Left, StoreError> {
        requests::left(&self.inner, run).await
    }

    /// Requests of a field's fetch by state; of one run, or of all.
    pub async fn parent_counts(&self, fetch: &str, run: Option<i64>) -> Result<FanOutCounts, StoreError> {
        requests::counts(&self.inner, fetch, run).await
    }

    /// What is to be told of the answers of a field's fetch that stand.
    pub async fn answers_told(&self, fetch: &str) -> Result<AnswersTold, StoreError> {
        requests::told(&self.inner, fetch).await
    }

    /// The runs, in whichever process, whose requests this one may help with.
    pub async fn open_fan_outs(&self) -> Result<Vec<OpenFanOut>, StoreError> {
        requests::open(&self.inner).await
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
            file::fold(writer).await;
            writer.close().await;
        }
    }
}
