//! A transaction that writes rows, and what it notes of them: changes, refusals, what is known to
//! be new. Writes none itself.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::{Deref, DerefMut},
};

use serde_json::Value as Json;

use crate::{
    catalog::{EntityId, FieldId, Part},
    change::Commit,
    layout::EntityTables,
    store::{
        commit::{self, Done, Evidence},
        context::Context,
        db::dialect::scalar_of,
        error::StoreError,
        history::{keep, written::Written},
        in_force,
        rollups::{
            settle::{self, Settled},
            touched::Touched,
        },
        state::key_filter::Added,
        system::{
            change_log::{Changes, Op},
            requests::{self, Remembered},
        },
        tx::Transaction,
        types::{Refused, Run, UpsertOutcome},
    },
    value::{Row, Scalar, Value},
};

use super::{deferred, mixed::Seed};

/// Room for a common key, so that noting it allocates once.
const KEY_BYTES: usize = 32;

/// A row with its place in its owner's list (0 for rows without an owner).
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub row: &'a Row,
    pub position: i64,
}

/// A transaction that writes rows, and what it notes of them. It is a transaction in all else, and
/// lends itself as one.
pub(crate) struct Batch<'a> {
    pub(crate) tx: Transaction<'a>,
    /// Keys of changed rows as JSON, in the order in which they will be numbered.
    pub changes: Changes,
    /// What of those rows changed.
    pub parts: BTreeSet<Part>,
    /// The group that is being written: what it changes comes after what those before it changed.
    pub step: u32,
    pub refused: Vec<Refused>,
    /// Rows with a child, or a child's child, that was refused.
    pub open: HashSet<(EntityId, i64)>,
    /// The only page of the run stands for so many rows, and none of them need be looked at.
    pub rests: Option<u64>,
    /// All keys that the table of a type has.
    pub added: Option<(EntityId, &'a Added)>,
    /// Hashes of those that this transaction has added to it.
    pub fresh: HashSet<u64, Seed>,
    /// What of it rollups are computed of.
    pub touched: Touched<'a>,
    /// What of it has a past that is kept.
    written: Written,
    /// Pages that ended and are not remembered yet, by their requests.
    pages: BTreeMap<String, Remembered>,
}

/// What a transaction has noted of its rows, kept while a savepoint may take back what comes next.
pub(crate) struct Notes<'a> {
    changes: Changes,
    parts: BTreeSet<Part>,
    touched: Touched<'a>,
}

impl<'a> Deref for Batch<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Transaction<'a> {
        &self.tx
    }
}

impl<'a> DerefMut for Batch<'a> {
    fn deref_mut(&mut self) -> &mut Transaction<'a> {
        &mut self.tx
    }
}

impl<'a> From<Transaction<'a>> for Batch<'a> {
    fn from(tx: Transaction<'a>) -> Batch<'a> {
        Batch {
            touched: Touched::of(tx.context),
            tx,
            changes: Changes::new(),
            parts: BTreeSet::new(),
            step: 0,
            refused: Vec::new(),
            open: HashSet::new(),
            rests: None,
            added: None,
            fresh: HashSet::with_hasher(Seed::random()),
            written: Written::default(),
            pages: BTreeMap::new(),
        }
    }
}

impl<'a> Batch<'a> {
    /// Begins to load rows, for a definition that is in force and stays so until the end.
    pub(crate) async fn begin(context: &'a Context) -> Result<Batch<'a>, StoreError> {
        in_force::begin_load(context).await.map(Batch::from)
    }

    /// Writes the change log and commits.
    pub(crate) async fn finish(mut self, run: &Run, evidence: Evidence<'_>) -> Result<Option<Commit>, StoreError> {
        self.settle().await?;
        keep::keep(&mut self.tx, std::mem::take(&mut self.written)).await?;
        let done = Done {
            changes: self.changes,
            parts: self.parts,
        };
        commit::finish(self.tx, done, run, evidence).await
    }

    /// Brings rollups to what the rows are now: the last of what is written.
    async fn settle(&mut self) -> Result<(), StoreError> {
        let touched = std::mem::take(&mut self.touched);
        deferred::before_rollups(&mut self.tx, &touched.read_anew()).await?;
        let settled = settle::settle(&mut self.tx, touched, &self.parts).await?;
        self.note_settled(settled);
        Ok(())
    }

    /// Computes all groups of a type; gives how many are new, changed and gone.
    pub(crate) async fn compute_groups(&mut self, groups: EntityId) -> Result<[u64; 3], StoreError> {
        let settled = settle::groups_anew(&mut self.tx, groups).await?;
        let kinds = [&settled.new, &settled.keys, &settled.gone];
        let counts = kinds.map(|of| of.iter().map(|(_, keys)| keys.len() as u64).sum());
        self.note_settled(settled);
        Ok(counts)
    }

    /// Notes what became of what is computed.
    fn note_settled(&mut self, settled: Settled) {
        self.step += 1;
        for (entity, field) in settled.fields {
            self.touch(entity, field);
        }
        for (entity, _) in settled.new.iter().chain(&settled.gone) {
            self.tx.wrote.insert(*entity);
            self.parts.insert(Part::rows(*entity));
        }
        let kinds = [
            (Op::Gone, settled.gone),
            (Op::New, settled.new),
            (Op::Changed, settled.keys),
        ];
        for (op, all) in kinds {
            for (entity, keys) in all {
                for key in keys {
                    self.note(entity, op, key.iter());
                }
            }
        }
    }

    /// Before the columns of stored rows are written.
    pub(crate) async fn before(
        &mut self,
        entity: EntityId,
        rows: impl Iterator<Item = i64> + Send + Clone,
    ) -> Result<(), StoreError> {
        self.written.stored(&self.tx.context.catalog, entity, rows.clone());
        let rows: Vec<i64> = rows.collect();
        self.touched.before(&mut self.tx, entity, &rows, None).await
    }

    /// The same after [`super::differ::note`] has noted which of the columns change.
    pub(crate) async fn before_noted(
        &mut self,
        entity: EntityId,
        rows: impl Iterator<Item = i64> + Send + Clone,
    ) -> Result<(), StoreError> {
        self.written.stored(&self.tx.context.catalog, entity, rows.clone());
        let rows: Vec<i64> = rows.collect();
        self.touched
            .before(&mut self.tx, entity, &rows, Some(&self.parts))
            .await
    }

    /// After rows were written that were not there before.
    pub(crate) fn are_new(
        &mut self,
        entity: EntityId,
        items: &[Item<'_>],
        outcomes: &[UpsertOutcome],
    ) -> Result<(), StoreError> {
        self.written.added(&self.tx.context.catalog, entity, outcomes);
        let new = items.iter().zip(outcomes).filter_map(|(item, outcome)| match outcome {
            UpsertOutcome::New(row) => Some((*row, item.row.values.as_slice())),
            _ => None,
        });
        self.touched.added(entity, new)
    }

    /// Before the links of stored rows in a field are written.
    pub(crate) async fn before_links(
        &mut self,
        entity: EntityId,
        field: FieldId,
        rows: impl Iterator<Item = i64> + Send + Clone,
    ) -> Result<(), StoreError> {
        self.written.stored(&self.tx.context.catalog, entity, rows.clone());
        self.touched.relinked(entity, field, rows.clone());
        let rows: Vec<i64> = rows.collect();
        self.touched.before(&mut self.tx, entity, &rows, None).await
    }

    /// Before nested rows of stored ones are written: also of open ones, which are the same
    /// otherwise.
    pub(crate) fn before_children(&mut self, entity: EntityId, rows: impl Iterator<Item = i64>) {
        self.written.stored(&self.tx.context.catalog, entity, rows);
    }

    /// The key of a row, position included where it belongs to the key.
    pub(crate) fn key_of(&self, entity: EntityId, item: Item<'_>) -> Vec<Value> {
        let tables = self.tables(entity);
        let values = tables
            .table
            .key
            .iter()
            .filter_map(|at| item.row.values.get(*at))
            .cloned();
        values
            .chain(tables.positional.then_some(Value::Int(item.position)))
            .collect()
    }

    /// Notes that the values or links of a field change.
    pub(crate) fn touch(&mut self, entity: EntityId, field: FieldId) {
        self.parts.insert(Part::field(entity, field));
    }

    /// Notes that rows of a type come or go, or change their places.
    pub(crate) fn touch_rows(&mut self, entity: EntityId) {
        self.parts.insert(Part::rows(entity));
    }

    /// Notes a change for the log.
    pub(crate) fn note<'v>(&mut self, entity: EntityId, op: Op, key: impl Iterator<Item = &'v Value>) {
        let json = key_json(self.tables(entity), key);
        self.changes.entry((self.step, entity, op)).or_default().push(json);
    }

    /// What is noted so far.
    pub(crate) fn notes(&self) -> Notes<'a> {
        Notes {
            changes: self.changes.clone(),
            parts: self.parts.clone(),
            touched: self.touched.clone(),
        }
    }

    /// Forgets what was noted since.
    pub(crate) fn back_to(&mut self, notes: Notes<'a>) {
        self.changes = notes.changes;
        self.parts = notes.parts;
        self.touched = notes.touched;
    }

    /// Notes a page that ended; the last end of a request counts.
    pub(crate) fn end_page(&mut self, page: Remembered) {
        self.pages.insert(page.state.request.clone(), page);
    }

    /// Remembers the pages that have ended so far: before anything is asked or said of any.
    pub(crate) async fn remember_pages(&mut self, run: &Run) -> Result<(), StoreError> {
        let pages: Vec<Remembered> = std::mem::take(&mut self.pages).into_values().collect();
        requests::remember(self, run, &pages).await
    }

    /// How many changes are noted so far.
    pub(crate) fn count_changes(&self) -> usize {
        self.changes.values().map(Vec::len).sum()
    }

    /// Refuses rows that are of another layout.
    pub(crate) fn fits(&self, entity: EntityId, items: &[Item<'_>]) -> Result<(), StoreError> {
        let width = self.tables(entity).table.columns.len();
        match items.iter().all(|item| item.row.values.len() == width) {
            true => Ok(()),
            false => Err(StoreError::Internal(format!(
                "a row of {} needs {width} values",
                self.context.catalog.entity(entity).name
            ))),
        }
    }

    /// Whether all that a row brings is stored: itself and all rows nested in it.
    pub(crate) fn is_whole(&self, entity: EntityId, outcome: UpsertOutcome) -> bool {
        match outcome {
            UpsertOutcome::Refused(_) => false,
            outcome => outcome.row().is_none_or(|row| !self.open.contains(&(entity, row))),
        }
    }
}

/// A key as a JSON array.
pub(crate) fn key_json<'v>(tables: &EntityTables, key: impl Iterator<Item = &'v Value>) -> String {
    let columns = tables.table.key.iter().filter_map(|at| tables.table.columns.get(*at));
    let kinds = columns.map(|column| scalar_of(column.kind)).chain([Scalar::Int]);
    let mut json = String::with_capacity(KEY_BYTES);
    json.push('[');
    for (at, (kind, value)) in kinds.zip(key).enumerate() {
        if at > 0 {
            json.push(',');
        }
        match kind.to_wire(value) {
            Json::String(text) if is_plain(&text) => json.extend(["\"", &text, "\""]),
            other => json.push_str(&other.to_string()),
        }
    }
    json.push(']');
    json
}

/// Whether a text stands in JSON as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}
