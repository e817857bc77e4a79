//! Rows that could not be written because a unique value is taken: kept until their run ends, and
//! tried again there. The row that holds the value may have given it up by then, or go with what
//! the run did not see. Knows runs; no SQL of tables.

use crate::{
    catalog::EntityId,
    store::{
        error::StoreError,
        state::{
            later::{Counted, Later, Rest, Told, Waiting},
            row_set::RowSet,
        },
        system::{quarantine, runs},
        types::{Refused, Run, UpsertOutcome},
    },
    value::Key,
};

use super::batch::{Batch, Item};

/// Adds rows that are not written yet, as others with their keys may come.
pub(crate) fn hold(rest: &mut Rest, batch: &Batch<'_>, entity: EntityId, items: &[Item<'_>]) {
    let held = items
        .iter()
        .map(|item| (Key(batch.key_of(entity, *item)), item.row.clone()));
    rest.held.extend(held);
}

/// What is left of rows that were written.
pub(crate) fn left(
    batch: &Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    outcomes: &[UpsertOutcome],
    later: &Later,
) -> Rest {
    let mut rest = Rest::default();
    for (item, outcome) in items.iter().zip(outcomes) {
        let whole = batch.is_whole(entity, *outcome);
        if whole && later.rows.is_empty() {
            continue;
        }
        let key = Key(batch.key_of(entity, *item));
        match whole {
            true if later.rows.contains_key(&key) => rest.again.push(key),
            true => {}
            false => rest.rows.push((key, item.row.clone(), Counted::of(*outcome))),
        }
    }
    rest
}

/// The end of a run: its rows tried again, and what the ledger says of them put right.
pub(crate) struct Again {
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) told: Vec<Told>,
    /// What is refused still.
    pub(crate) refused: Vec<Refused>,
}

impl Again {
    pub(crate) fn new(later: &Later) -> Again {
        let mut waiting: Vec<Waiting> = later.rows.values().cloned().collect();
        waiting.sort_by_key(|waiting| waiting.order);
        Again {
            waiting,
            told: later.told.clone(),
            refused: Vec::new(),
        }
    }

    /// Tries all that wait once more, all together: among themselves they may exchange values.
    /// `seen` gets the new rows.
    pub(crate) async fn write(
        &mut self,
        batch: &mut Batch<'_>,
        run: &Run,
        seen: &mut RowSet,
    ) -> Result<(), StoreError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let items: Vec<Item<'_>> = self
            .waiting
            .iter()
            .map(|waiting| Item {
                row: &waiting.row,
                position: 0,
            })
            .collect();
        batch.open.clear();
        let outcomes = batch.upsert(run.entity, &items).await?;
        let mut counts = Counts::default();
        let mut still = Vec::new();
        for (waiting, outcome) in self.waiting.iter().zip(outcomes) {
            outcome.row().into_iter().for_each(|row| {
                seen.insert(row);
            });
            counts.add(waiting.counted, outcome);
            if !batch.is_whole(run.entity, outcome) {
                let counted = match (waiting.counted, Counted::of(outcome)) {
                    (Counted::Written, _) => Counted::Written,
                    (_, now) => now,
                };
                still.push(Waiting {
                    counted,
                    ..waiting.clone()
                });
            }
        }
        self.waiting = still;
        self.refused = std::mem::take(&mut batch.refused);
        counts.write(batch, run).await
    }

    /// Leaves in the quarantine what is refused still.
    pub(crate) async fn tell(self, batch: &mut Batch<'_>, run: &Run) -> Result<(), StoreError> {
        let mut refused = self.refused;
        let mut kept = 0;
        for told in &self.told {
            match refused.iter().position(|refused| told.is_of(refused)) {
                Some(at) => {
                    refused.swap_remove(at);
                    kept += 1;
                }
                None => quarantine::forget(batch, told.id).await?,
            }
        }
        for refused in &refused {
            quarantine::insert_refused(batch, run, refused).await?;
        }
        let now = kept + refused.len();
        runs::counts::correct_refused(batch, run, now as i64 - self.told.len() as i64).await
    }
}

/// By how much the counts of a run change.
#[derive(Default)]
struct Counts {
    pub(crate) new: i64,
    pub(crate) changed: i64,
    pub(crate) same: i64,
}

impl Counts {
    pub(crate) fn add(&mut self, before: Counted, outcome: UpsertOutcome) {
        match (before, outcome) {
            (Counted::Refused, UpsertOutcome::New(_)) => self.new += 1,
            (Counted::Refused, UpsertOutcome::Changed(_)) => self.changed += 1,
            (Counted::Refused, UpsertOutcome::Same(_) | UpsertOutcome::Open(_)) => self.same += 1,
            (Counted::Same, UpsertOutcome::Changed(_)) => {
                self.changed += 1;
                self.same -= 1;
            }
            _ => {}
        }
    }

    pub(crate) async fn write(&self, batch: &mut Batch<'_>, run: &Run) -> Result<(), StoreError> {
        runs::counts::correct(batch, run, [self.new, self.changed, self.same]).await
    }
}
