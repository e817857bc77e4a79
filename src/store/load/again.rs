//! Rows that could not be written because a unique value is taken: kept until their run ends, and tried again there. The row
//! that holds the value may have given it up by then, or go with what the run did not see. Knows runs; no SQL of tables.

use std::{collections::HashMap, sync::Arc};

use crate::{
    catalog::EntityId,
    store::{
        error::StoreError,
        state::row_set::RowSet,
        types::{Refused, Run},
    },
    value::{Key, Row},
};

use super::{
    batch::{Fate, Item, Work},
    group::insert_refused,
};

/// Rows that one run keeps, and their bytes: more than that are no matter of values that move. What is beyond stays refused
/// until the next run, which reads its pages again.
const ROWS_MAX: usize = 10_000;
const BYTES_MAX: usize = 16 << 20;

/// What a run tries again at its end.
#[derive(Clone, Default)]
pub struct Later {
    rows: HashMap<Key, Waiting>,
    bytes: usize,
    /// Rows so far, whatever became of them: their order.
    count: u64,
    /// What the quarantine says of them.
    told: Vec<Told>,
}

/// A row of the run's type that was refused, or one of its children.
#[derive(Clone)]
struct Waiting {
    row: Arc<Row>,
    order: u64,
    counted: Counted,
}

/// Among which rows of its run a row was counted; one that waits for its copies was not yet, as one that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Refused,
    Written,
    Same,
}

impl Counted {
    fn of(fate: Fate) -> Counted {
        match fate {
            Fate::Refused(_) => Counted::Refused,
            Fate::New(_) | Fate::Changed(_) => Counted::Written,
            Fate::Same(_) | Fate::Open(_) => Counted::Same,
        }
    }
}

/// An entry of the quarantine.
#[derive(Clone)]
struct Told {
    id: i64,
    key: Option<String>,
    reason: String,
}

impl Told {
    fn is_of(&self, refused: &Refused) -> bool {
        self.key == refused.key && self.reason == refused.reason
    }
}

/// What a group adds, once it is committed.
#[derive(Default)]
pub struct Rest {
    /// Rows that it brought anew: what they were before counts no more.
    again: Vec<Key>,
    rows: Vec<(Key, Row, Counted)>,
    /// Rows that wait for their last copy. For them there is room.
    held: Vec<(Key, Row)>,
    told: Vec<Told>,
}

impl Rest {
    /// Adds rows that are not written yet, as others with their keys may come.
    pub fn hold(&mut self, work: &Work<'_>, entity: EntityId, items: &[Item<'_>]) {
        let held = items
            .iter()
            .map(|item| (Key(work.key_of(entity, *item)), item.row.clone()));
        self.held.extend(held);
    }

    /// What is left of rows that were written.
    pub fn of(work: &Work<'_>, entity: EntityId, items: &[Item<'_>], fates: &[Fate], later: &Later) -> Rest {
        let mut rest = Rest::default();
        for (item, fate) in items.iter().zip(fates) {
            let whole = work.is_whole(entity, *fate);
            if whole && later.rows.is_empty() {
                continue;
            }
            let key = Key(work.key_of(entity, *item));
            match whole {
                true if later.rows.contains_key(&key) => rest.again.push(key),
                true => {}
                false => rest.rows.push((key, item.row.clone(), Counted::of(*fate))),
            }
        }
        rest
    }

    pub fn is_empty(&self) -> bool {
        self.again.is_empty() && self.rows.is_empty() && self.held.is_empty() && self.told.is_empty()
    }

    /// Notes an entry of the quarantine about one of the rows.
    pub fn tell(&mut self, id: i64, refused: &Refused) {
        self.told.push(Told {
            id,
            key: refused.key.clone(),
            reason: refused.reason.clone(),
        });
    }
}

impl Later {
    /// Adds what a committed group left, as long as there is room for all of it.
    pub fn add(&mut self, rest: Rest) {
        let written = rest.rows.iter().map(|(key, ..)| key);
        let held = rest.held.iter().map(|(key, _)| key);
        for key in rest.again.iter().chain(written).chain(held) {
            if let Some(old) = self.rows.remove(key) {
                self.bytes -= old.row.size();
            }
        }
        for (key, row) in rest.held {
            self.wait(key, row, Counted::Refused);
        }
        if !self.has_room(rest.rows.iter().map(|(_, row, _)| row)) {
            tracing::warn!(
                rows = rest.rows.len(),
                "too many rows were refused for values that are taken: these are tried again by the next run"
            );
            return;
        }
        self.told.extend(rest.told);
        for (key, row, counted) in rest.rows {
            self.wait(key, row, counted);
        }
    }

    fn wait(&mut self, key: Key, row: Row, counted: Counted) {
        self.count += 1;
        self.bytes += row.size();
        let order = self.count;
        let row = Arc::new(row);
        self.rows.insert(key, Waiting { row, order, counted });
    }

    /// Whether these fit in beside what waits already.
    pub fn has_room<'r>(&self, rows: impl Iterator<Item = &'r Row>) -> bool {
        let (count, bytes) = rows.fold((0, 0), |(count, bytes), row| (count + 1, bytes + row.size()));
        self.rows.len() + count <= ROWS_MAX && self.bytes + bytes <= BYTES_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.told.is_empty()
    }
}

/// The end of a run: its rows tried again, and what the ledger says of them put right.
pub(crate) struct Again {
    waiting: Vec<Waiting>,
    told: Vec<Told>,
    /// What is refused still.
    refused: Vec<Refused>,
}

impl Again {
    pub fn new(later: &Later) -> Again {
        let mut waiting: Vec<Waiting> = later.rows.values().cloned().collect();
        waiting.sort_by_key(|waiting| waiting.order);
        Again {
            waiting,
            told: later.told.clone(),
            refused: Vec::new(),
        }
    }

    /// Tries all that wait once more, all together: among themselves they may exchange values. `seen` gets the new rows.
    pub async fn write(&mut self, work: &mut Work<'_>, run: &Run, seen: &mut RowSet) -> Result<(), StoreError> {
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
        work.open.clear();
        let fates = work.upsert(run.entity, &items).await?;
        let mut counts = Counts::default();
        let mut still = Vec::new();
        for (waiting, fate) in self.waiting.iter().zip(fates) {
            fate.row().into_iter().for_each(|row| {
                seen.insert(row);
            });
            counts.add(waiting.counted, fate);
            if !work.is_whole(run.entity, fate) {
                let counted = match (waiting.counted, Counted::of(fate)) {
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
        self.refused = std::mem::take(&mut work.refused);
        counts.write(work, run).await
    }

    /// Leaves in the quarantine what is refused still.
    pub async fn tell(self, work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
        let mut refused = self.refused;
        let mut kept = 0;
        for told in &self.told {
            match refused.iter().position(|refused| told.is_of(refused)) {
                Some(at) => {
                    refused.swap_remove(at);
                    kept += 1;
                }
                None => forget(work, told.id).await?,
            }
        }
        for refused in &refused {
            insert_refused(work, run, refused).await?;
        }
        let now = kept + refused.len();
        let mut params = work.params();
        params.add(run.id)?;
        params.add(now as i64 - self.told.len() as i64)?;
        let sql = "UPDATE hayloft_run SET refused_rows=refused_rows+$2 WHERE id=$1".to_owned();
        work.run(params, sql).await?;
        Ok(())
    }
}

async fn forget(work: &mut Work<'_>, id: i64) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(id)?;
    work.run(params, "DELETE FROM hayloft_quarantine WHERE id=$1".to_owned())
        .await?;
    Ok(())
}

/// By how much the counts of a run change.
#[derive(Default)]
struct Counts {
    new: i64,
    changed: i64,
    same: i64,
}

impl Counts {
    fn add(&mut self, before: Counted, fate: Fate) {
        match (before, fate) {
            (Counted::Refused, Fate::New(_)) => self.new += 1,
            (Counted::Refused, Fate::Changed(_)) => self.changed += 1,
            (Counted::Refused, Fate::Same(_) | Fate::Open(_)) => self.same += 1,
            (Counted::Same, Fate::Changed(_)) => {
                self.changed += 1;
                self.same -= 1;
            }
            _ => {}
        }
    }

    async fn write(&self, work: &mut Work<'_>, run: &Run) -> Result<(), StoreError> {
        let mut params = work.params();
        params.add(run.id)?;
        for count in [self.new, self.changed, self.same] {
            params.add(count)?;
        }
        let sql = "UPDATE hayloft_run SET new_rows=new_rows+$2,changed_rows=changed_rows+$3,same_rows=same_rows+$4 WHERE id=$1";
        work.run(params, sql.to_owned()).await?;
        Ok(())
    }
}
