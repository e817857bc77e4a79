//! What a running run has seen; also in the database, from where a resumed run reads it. Knows
//! numbers of rows; asks nobody.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::{error::StoreError, types::Run};

use super::{key_filter::Added, later::Later, print::Print, row_set::RowSet};

/// Rows that come several times in each run, and are written once for all of them: what is beyond
/// is written each time.
pub(crate) const REPEATING_MAX: usize = 10_000;

/// What a running run has seen; also in the database, from where a resumed run reads it.
#[derive(Default)]
pub(crate) struct RunMemory {
    /// Rows of the pages that ended.
    pub seen: RowSet,
    /// Rows of the page under way, from its groups so far.
    pub page_rows: Vec<i64>,
    /// Of them as they were stored when they came.
    pub page_print: Print,
    /// A row of the page was refused by the database.
    pub unfit: bool,
    /// The page's first entry in the quarantine.
    pub page_refused: Option<i64>,
    /// The number of the last part of `hayloft_run_seen`.
    pub part: i64,
    /// How often the type was written when the run last compared its first page with what is
    /// stored, with what the run wrote since: it is more by now where others wrote, too.
    pub written: Option<i64>,
    /// What it has added to a table that was empty.
    pub added: Added,
    /// Rows of the page under way, as a set.
    pub page: RowSet,
    /// Rows whose key came several times in the last complete run: they are written when all of
    /// this run is there.
    pub repeating: RowSet,
    /// Those that came several times in this one, the first [`REPEATING_MAX`].
    pub copied: Vec<i64>,
    /// What was refused because a value is taken, and is tried again at the end.
    pub later: Later,
    /// Indexes of what the run writes are missing, as far as that is known.
    pub lacks_indexes: bool,
    pub indexes_known: bool,
}

impl RunMemory {
    /// From now on a row of this page that comes again comes from another one.
    pub(crate) fn end_page(&mut self) {
        self.page_print = Print::default();
        for row in std::mem::take(&mut self.page_rows) {
            self.seen.insert(row);
        }
        self.page = RowSet::default();
    }
}

/// By number, fence and generation.
type ByClaim = HashMap<(i64, i64, u64), Arc<tokio::sync::Mutex<RunMemory>>>;

/// Of the runs under way in this process.
#[derive(Default)]
pub(crate) struct Memories(Mutex<ByClaim>);

impl Memories {
    /// Whether this process works at a run.
    pub(crate) fn has(&self, run: i64, fence: i64, generation: u64) -> bool {
        self.all().contains_key(&(run, fence, generation))
    }

    /// From now on this process works at a run, of which it knows so much.
    pub(crate) fn remember(&self, run: &Run, memory: RunMemory) {
        let memory = Arc::new(tokio::sync::Mutex::new(memory));
        self.all().insert((run.id, run.fence, run.generation), memory);
    }

    /// The memory of a run that this process started.
    pub(crate) fn of(&self, run: &Run) -> Result<Arc<tokio::sync::Mutex<RunMemory>>, StoreError> {
        let memory = self.all().get(&(run.id, run.fence, run.generation)).cloned();
        memory.ok_or(StoreError::Fenced)
    }

    /// This process works at the run no more.
    pub(crate) fn release(&self, run: &Run) {
        self.all().remove(&(run.id, run.fence, run.generation));
    }

    fn all(&self) -> MutexGuard<'_, ByClaim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
