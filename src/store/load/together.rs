//! Small pages whose rows are all new, written at once: a statement for each would cost several
//! times what it writes. Knows when that comes to the same as one after the other; what is noted of
//! each page is told in `group`.

use std::collections::{HashSet, VecDeque};

use crate::{
    catalog::EntityId,
    store::{
        error::StoreError,
        types::{Group, Run, UpsertOutcome},
    },
};

use super::{
    batch::{Batch, Item},
    key::KeyOf,
};

/// Writes the first of these groups together, as many as may be, and gives what became of their
/// rows, by group; none where that is only one, or none.
pub(crate) async fn write(
    batch: &mut Batch<'_>,
    run: &Run,
    groups: &[Group],
) -> Result<VecDeque<Vec<UpsertOutcome>>, StoreError> {
    if groups.len() < 2 {
        return Ok(VecDeque::new());
    }
    let count = all_new(batch, run.entity, groups);
    let Some((groups, _)) = groups.split_at_checked(count).filter(|_| count > 1) else {
        return Ok(VecDeque::new());
    };
    let rows = groups.iter().flat_map(|group| &group.rows);
    let items: Vec<Item<'_>> = rows.map(|row| Item { row, position: 0 }).collect();
    batch.fits(run.entity, &items)?;
    let outcomes = batch.put(run.entity, &items, vec![None; items.len()]).await?;
    let mut left = outcomes.into_iter();
    let of_each = groups
        .iter()
        .map(|group| left.by_ref().take(group.rows.len()).collect());
    Ok(of_each.collect())
}

/// How many groups from the first one on bring nothing but rows whose keys neither the table nor a
/// group before them has. No row of theirs may be refused, or be written in several steps: those of
/// one page come before those of the next one, for whoever reads the log.
fn all_new(batch: &Batch<'_>, entity: EntityId, groups: &[Group]) -> usize {
    let tables = batch.tables(entity);
    let added = batch.added.filter(|(of, _)| *of == entity).map(|(_, added)| added);
    let Some(added) = added.filter(|_| tables.table.unique().next().is_none() && tables.nested.is_empty()) else {
        return 0;
    };
    let mut here = HashSet::new();
    let mut is_new = |group: &&Group| {
        let hashes = group.rows.iter().map(|row| {
            let hash = KeyOf::new(tables, Item { row, position: 0 }).hash64();
            let new = row.part.is_none() && !added.may_have(hash) && !batch.fresh.contains(&hash);
            new && here.insert(hash)
        });
        group.unchanged.is_none() && group.refused.is_empty() && hashes.into_iter().all(|new| new)
    };
    groups.iter().take_while(|group| is_new(group)).count()
}
