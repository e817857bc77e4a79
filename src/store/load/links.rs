//! Links of rows: read, inserted, replaced. Knows tables of links; no runs, no unique values.

use std::collections::HashMap;

use crate::{
    catalog::EntityId,
    layout::{Column, JoinTable, POSITION_COLUMN},
    store::{
        bulk,
        db::{dialect::scalar_of, params::Kind, rows::Rows},
        error::StoreError,
        tx::{Transaction, read_value},
        types::UpsertOutcome,
    },
    value::{Key, Value},
};

use super::batch::{Batch, Item};

/// The links that are stored now, by owner.
pub(crate) async fn stored_links(
    tx: &mut Transaction<'_>,
    join: &JoinTable,
    lists: &[(&[Value], &[Key])],
) -> Result<HashMap<Key, Vec<Key>>, StoreError> {
    let dialect = tx.context.dialect;
    let owner: Vec<&str> = join.owner.iter().map(|column| column.name.as_str()).collect();
    let owner = dialect.names(&owner);
    let columns: Vec<(&str, Kind)> = bulk::named(&join.owner)
        .into_iter()
        .chain(bulk::named(&join.targets))
        .collect();
    let read = dialect.read_names(&tx.quote(&join.name), &columns);
    let position = tx.quote(POSITION_COLUMN);
    let mut found: HashMap<Key, Vec<Key>> = HashMap::with_capacity(lists.len());
    let mut from = 0;
    let kinds: Vec<Kind> = join.owner.iter().map(|column| Kind::of(column.kind)).collect();
    for size in dialect.row_sizes(lists.len(), kinds.len()) {
        let mut wanted = Rows::new(tx.params(), &kinds, size);
        for value in lists.iter().skip(from).take(size).flat_map(|(owner, _)| owner.iter()) {
            wanted.value(value)?;
        }
        from += size;
        let sql = format!(
            "SELECT {read} FROM {} WHERE ({owner}) IN ({}) ORDER BY {owner},{position}",
            tx.quote(&join.name),
            tx.rows(&kinds, size)
        );
        for line in tx.all(wanted.bind()?, sql).await? {
            let values = |columns: &[Column], at: usize| -> Result<Key, StoreError> {
                let read = |(place, column): (usize, &Column)| read_value(&line, at + place, scalar_of(column.kind));
                Ok(Key(columns.iter().enumerate().map(read).collect::<Result<_, _>>()?))
            };
            let link = values(&join.targets, join.owner.len())?;
            found.entry(values(&join.owner, 0)?).or_default().push(link);
        }
    }
    Ok(found)
}

/// An owner by its key, and its links.
type List<'r> = (Vec<Value>, &'r [Key]);

/// The same of one that is stored, with its number.
type Stored<'r> = (i64, List<'r>);

/// Replaces the links of changed rows where they differ, and inserts those of new ones.
pub(crate) async fn links(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    outcomes: &[UpsertOutcome],
) -> Result<(), StoreError> {
    for (at, join) in batch.tables(entity).joins.iter().enumerate() {
        if join.fetched {
            continue;
        }
        let (mut lists, mut changed): (Vec<List<'_>>, Vec<Stored<'_>>) = (Vec::new(), Vec::new());
        for (item, outcome) in items.iter().zip(outcomes) {
            let links = item.row.links.get(at).map(Vec::as_slice).unwrap_or_default();
            match outcome {
                UpsertOutcome::New(_) => lists.push((batch.key_of(entity, *item), links)),
                UpsertOutcome::Changed(row) => changed.push((*row, (batch.key_of(entity, *item), links))),
                UpsertOutcome::Same(_) | UpsertOutcome::Open(_) | UpsertOutcome::Refused(_) => {}
            }
        }
        let wanted = changed.iter().map(|(_, (owner, links))| (&owner[..], *links));
        let wanted: Vec<(&[Value], &[Key])> = wanted.collect();
        let stored = stored_links(batch, join, &wanted).await?;
        changed.retain(|(_, (owner, links))| stored.get(&Key(owner.clone())).map_or(&[][..], Vec::as_slice) != *links);
        batch
            .before_links(entity, join.field, changed.iter().map(|(row, _)| *row))
            .await?;
        let owners: Vec<Vec<Value>> = changed.iter().map(|(_, (owner, _))| owner.clone()).collect();
        bulk::delete_where(batch, &join.name, &bulk::named(&join.owner), &owners).await?;
        lists.extend(changed.into_iter().map(|(_, list)| list));
        let mut lines: Vec<(Vec<Value>, i64, &[Value])> = Vec::new();
        for (owner, links) in &lists {
            let numbered = (0..).zip(*links);
            lines.extend(numbered.map(|(position, link)| (owner.clone(), position, link.0.as_slice())));
        }
        if !owners.is_empty() || !lines.is_empty() {
            batch.touch(entity, join.field);
        }
        insert_links(batch, join, lines).await?;
    }
    Ok(())
}

pub(crate) async fn insert_links(
    tx: &mut Transaction<'_>,
    join: &JoinTable,
    lines: Vec<(Vec<Value>, i64, &[Value])>,
) -> Result<(), StoreError> {
    let owner = join.owner.iter().map(|column| column.name.as_str());
    let targets = join.targets.iter().map(|column| column.name.as_str());
    let columns: Vec<&str> = owner.chain([POSITION_COLUMN]).chain(targets).collect();
    let owner = join.owner.iter().map(|column| Kind::of(column.kind));
    let targets = join.targets.iter().map(|column| Kind::of(column.kind));
    let kinds: Vec<Kind> = owner.chain([Kind::Int]).chain(targets).collect();
    bulk::add(tx, (&join.name, &columns, &kinds), lines.len(), |at, rows| {
        let Some((key, position, target)) = lines.get(at) else {
            return Ok(());
        };
        key.iter().try_for_each(|value| rows.value(value))?;
        rows.int(*position)?;
        target.iter().try_for_each(|value| rows.value(value))
    })
    .await
}
