//! Rows that are written as a whole: new ones, those that differ, and what belongs to them. Knows
//! the order of the steps.

use futures_util::future::BoxFuture;

use crate::{
    catalog::{EntityId, Part},
    layout::EntityTables,
    store::{
        db::failpoint,
        error::StoreError,
        system::{change_log::Op, row_numbers},
        types::UpsertOutcome,
    },
    value::Value,
};

use super::{
    batch::{Batch, Item, key_json},
    children,
    find::Found,
    key::KeyOf,
    links, part, write,
};

impl Batch<'_> {
    /// Writes rows whose keys differ among themselves.
    pub(crate) async fn upsert(
        &mut self,
        entity: EntityId,
        items: &[Item<'_>],
    ) -> Result<Vec<UpsertOutcome>, StoreError> {
        self.fits(entity, items)?;
        let found = self.find(entity, items).await?;
        self.put(entity, items, found).await
    }

    /// The same for rows that were looked for already.
    pub(crate) fn put<'w>(
        &'w mut self,
        entity: EntityId,
        items: &'w [Item<'w>],
        found: Vec<Option<Found>>,
    ) -> BoxFuture<'w, Result<Vec<UpsertOutcome>, StoreError>> {
        Box::pin(async move {
            if items.iter().any(|item| item.row.part.is_some()) {
                return part::put(self, entity, items, found).await;
            }
            let mut outcomes = Vec::with_capacity(items.len());
            let mut next = row_numbers::next_row(self, entity).await?;
            for found in found {
                outcomes.push(match found {
                    Some(old) if old.open => UpsertOutcome::Open(old.row),
                    Some(old) if old.same => UpsertOutcome::Same(old.row),
                    Some(old) => UpsertOutcome::Changed(old.row),
                    None => {
                        next += 1;
                        UpsertOutcome::New(next - 1)
                    }
                });
            }
            self.next.insert(entity, next);
            if outcomes
                .iter()
                .any(|outcome| !matches!(outcome, UpsertOutcome::Same(_)))
            {
                self.wrote.insert(entity);
            }
            let (tables, hopes) = (self.tables(entity), outcomes.clone());
            // The database writes the rows meanwhile.
            let keys = log_keys(tables, items, &hopes);
            let (written, mut keys) = tokio::join!(write::rows(self, entity, items, &mut outcomes), keys);
            written?;
            self.are_new(entity, items, &outcomes)?;
            failpoint::point("load::links");
            links::links(self, entity, items, &outcomes).await?;
            failpoint::point("load::children");
            children::children(self, entity, items, &mut outcomes).await?;
            for (at, (item, outcome)) in items.iter().zip(&outcomes).enumerate() {
                let op = match outcome {
                    UpsertOutcome::New(_) => {
                        self.parts.insert(Part::rows(entity));
                        Op::New
                    }
                    UpsertOutcome::Changed(_) => Op::Changed,
                    UpsertOutcome::Same(_) | UpsertOutcome::Open(_) | UpsertOutcome::Refused(_) => continue,
                };
                // An owner that was open is a changed one only now.
                let json = keys.get_mut(at).and_then(Option::take);
                let json = json.unwrap_or_else(|| log_key(tables, *item));
                self.changes.entry((self.step, entity, op)).or_default().push(json);
            }
            Ok(outcomes)
        })
    }
}

/// Keys of rows that are made at once, before the database is asked whether it waits for more rows.
const KEYS_AT_ONCE: usize = 500;

/// The keys of rows that are to be written, as the log has them.
async fn log_keys(tables: &EntityTables, items: &[Item<'_>], outcomes: &[UpsertOutcome]) -> Vec<Option<String>> {
    let is_written = |outcome: &UpsertOutcome| matches!(outcome, UpsertOutcome::New(_) | UpsertOutcome::Changed(_));
    let mut keys = Vec::with_capacity(items.len());
    for (items, outcomes) in items.chunks(KEYS_AT_ONCE).zip(outcomes.chunks(KEYS_AT_ONCE)) {
        tokio::task::yield_now().await;
        let pairs = items.iter().zip(outcomes);
        keys.extend(pairs.map(|(item, outcome)| is_written(outcome).then(|| log_key(tables, *item))));
    }
    keys
}

fn log_key(tables: &EntityTables, item: Item<'_>) -> String {
    let position = tables.positional.then_some(Value::Int(item.position));
    key_json(tables, KeyOf::new(tables, item).values().chain(&position))
}
