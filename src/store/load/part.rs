//! Rows that several fetches bring: each record writes what it has, and leaves what the others have
//! brought. Knows the SQL of that; which records are parts of rows is told by the rows themselves.

use std::collections::{BTreeMap, HashMap, HashSet};

use xxhash_rust::xxh3::Xxh3;

use crate::{
    catalog::EntityId,
    layout::{Column, EntityTables, HASH_COLUMN, POSITION_COLUMN, ROW_COLUMN},
    store::{
        bulk::{delete_where, named},
        db::{
            params::Kind,
            pool::{Taken, get},
            rows::Rows,
        },
        error::{StoreError, failed},
        system::change_log::Op,
        types::{Refused, UpsertOutcome},
        words,
    },
    value::{Absent, Key, Row, SHARED_BIT, Value},
};

use super::{
    batch::{Batch, Item},
    children, differ,
    find::Found,
    links::{insert_links, stored_links},
    write,
};

/// A part of a row that is stored.
#[derive(Clone, Copy)]
struct Stored {
    /// Its place in the items.
    place: usize,
    row: i64,
    hash: i64,
}

/// As [`Batch::put`], for parts of rows.
pub(crate) async fn put(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    found: Vec<Option<Found>>,
) -> Result<Vec<UpsertOutcome>, StoreError> {
    let differing = found
        .iter()
        .flatten()
        .filter(|found| !found.same)
        .map(|found| found.row);
    let hashes = hashes(batch, entity, &differing.collect::<Vec<_>>()).await?;
    let mut outcomes = vec![UpsertOutcome::Refused(None); items.len()];
    let (mut whole, mut parts) = (Vec::new(), Vec::new());
    for ((place, item), (outcome, found)) in items.iter().enumerate().zip(outcomes.iter_mut().zip(found)) {
        let owner = item.row.part.as_ref().is_none_or(|part| part.owner);
        let all = item
            .row
            .part
            .as_ref()
            .is_none_or(|part| part.absent == Absent::default());
        match found {
            Some(old) if old.same => *outcome = UpsertOutcome::Same(old.row),
            Some(old) => {
                let (row, hash) = (old.row, hashes.get(&old.row).copied().unwrap_or_default());
                // Of a row without a hash nobody knows who wrote it.
                let is_owners = hash != 0 && hash & SHARED_BIT == 0;
                match old.open || owner && (all || is_owners) {
                    true => whole.push((place, item.row.hash, found)),
                    false => parts.push(Stored { place, row, hash }),
                }
            }
            None => match lacking(batch, entity, item) {
                Some(column) => {
                    let refused = incomplete(batch, entity, item, column);
                    batch.refused.push(refused);
                }
                None if owner => whole.push((place, item.row.hash, None)),
                None => whole.push((place, mixed(0, item.row.hash), None)),
            },
        }
    }
    as_whole(batch, entity, items, &whole, &mut outcomes).await?;
    beside(batch, entity, items, &parts, &mut outcomes).await?;
    Ok(outcomes)
}

/// Writes these as the whole rows that they are for now, each with a hash.
async fn as_whole(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    places: &[(usize, i64, Option<Found>)],
    outcomes: &mut [UpsertOutcome],
) -> Result<(), StoreError> {
    let picked = |(place, hash, _): &(usize, i64, Option<Found>)| {
        let item = items.get(*place)?;
        let row = Row {
            hash: *hash,
            part: None,
            ..item.row.clone()
        };
        Some((row, item.position))
    };
    let rows: Vec<(Row, i64)> = places.iter().filter_map(picked).collect();
    let written: Vec<Item<'_>> = rows
        .iter()
        .map(|(row, position)| Item {
            row,
            position: *position,
        })
        .collect();
    if written.is_empty() {
        return Ok(());
    }
    let found = places.iter().map(|(_, _, found)| *found).collect();
    for ((place, ..), outcome) in places.iter().zip(batch.put(entity, &written, found).await?) {
        settle(outcomes, *place, outcome);
    }
    Ok(())
}

/// Writes what differs of what these have, and leaves the rest of their rows.
async fn beside(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    parts: &[Stored],
    outcomes: &mut [UpsertOutcome],
) -> Result<(), StoreError> {
    let mut changed: HashSet<i64> = parts
        .iter()
        .filter(|part| part.hash == 0)
        .map(|part| part.row)
        .collect();
    let mut kept_out = HashSet::new();
    for (absent, parts) in alike(items, parts) {
        for (part, taken) in columns(batch, entity, items, &absent, &parts, &mut changed).await? {
            kept_out.insert(part.row);
            if let Some(item) = items.get(part.place) {
                let refused = write::refusal(batch, entity, item, &taken);
                batch.refused.push(refused);
            }
        }
    }
    let fit: Vec<Stored> = parts
        .iter()
        .filter(|part| !kept_out.contains(&part.row))
        .copied()
        .collect();
    links(batch, entity, items, &fit, &mut changed).await?;
    children(batch, entity, items, &fit, &mut changed).await?;
    // Who lacks a child that was refused got another hash for that, which is not one of several.
    let turned = |part: &&Stored| changed.contains(&part.row) || batch.open.contains(&(entity, part.row));
    let turned: Vec<Stored> = fit.iter().filter(turned).copied().collect();
    // What is as it was disturbs nobody's page.
    if rehash(batch, entity, items, &turned).await? || !changed.is_empty() {
        batch.wrote.insert(entity);
    }
    for part in parts {
        let outcome = match (kept_out.contains(&part.row), changed.contains(&part.row)) {
            (true, _) => UpsertOutcome::Refused(Some(part.row)),
            (_, true) => UpsertOutcome::Changed(part.row),
            _ => UpsertOutcome::Same(part.row),
        };
        settle(outcomes, part.place, outcome);
        if let (UpsertOutcome::Changed(_), Some(item)) = (outcome, items.get(part.place)) {
            let key = batch.key_of(entity, *item);
            batch.note(entity, Op::Changed, key.iter());
        }
    }
    Ok(())
}

fn settle(outcomes: &mut [UpsertOutcome], place: usize, outcome: UpsertOutcome) {
    if let Some(slot) = outcomes.get_mut(place) {
        *slot = outcome;
    }
}

/// The hash of a row that one of several has written: no owner's row has it.
fn mixed(stored: i64, part: i64) -> i64 {
    let mut hash = Xxh3::new();
    hash.update(&stored.to_le_bytes());
    hash.update(&part.to_le_bytes());
    hash.digest().cast_signed() | SHARED_BIT
}

/// A column that a new row needs and the record does not have.
fn lacking<'w>(batch: &Batch<'w>, entity: EntityId, item: &Item<'_>) -> Option<&'w Column> {
    let columns = &batch.tables(entity).table.columns;
    let absent = item.row.part.iter().flat_map(|part| &part.absent.values);
    let mut absent = absent.filter_map(|at| columns.get(*at));
    absent.find(|column| !column.nullable && column.is_recorded())
}

fn incomplete(batch: &Batch<'_>, entity: EntityId, item: &Item<'_>, column: &Column) -> Refused {
    let model = batch.context.catalog.entity(entity);
    let field = &model.field(column.field).name;
    Refused {
        key: Some(Key(batch.key_of(entity, *item)).to_string()),
        // No row stands in its place.
        id: None,
        reason: format!(
            "{field}: required, but this record of a part of {0} does not have it, and no {0} with this key is stored yet",
            model.name
        ),
        record: write::as_json(batch, entity, item.row),
    }
}

/// The hashes of stored rows.
async fn hashes(batch: &mut Batch<'_>, entity: EntityId, rows: &[i64]) -> Result<HashMap<i64, i64>, StoreError> {
    let (row, hash) = (batch.quote(ROW_COLUMN), batch.quote(HASH_COLUMN));
    let table = batch.quote(&batch.tables(entity).table.name);
    let mut found = HashMap::with_capacity(rows.len());
    let mut from = 0;
    for size in batch.context.dialect.row_sizes(rows.len(), 1) {
        let mut wanted = Rows::new(batch.params(), &[Kind::Int], size);
        rows.iter().skip(from).take(size).try_for_each(|row| wanted.int(*row))?;
        from += size;
        let sql = format!(
            "SELECT {row},{hash} FROM {table} WHERE {row} IN ({})",
            batch.rows(&[Kind::Int], size)
        );
        for row in batch.all(wanted.bind()?, sql).await? {
            found.insert(get(&row, 0)?, get(&row, 1)?);
        }
    }
    Ok(found)
}

/// Parts that lack the same columns: one statement writes them.
fn alike(items: &[Item<'_>], parts: &[Stored]) -> BTreeMap<Vec<usize>, Vec<Stored>> {
    let mut alike: BTreeMap<Vec<usize>, Vec<Stored>> = BTreeMap::new();
    for part in parts {
        let row = items.get(part.place).and_then(|item| item.row.part.as_ref());
        let absent = row.map(|part| part.absent.values.clone()).unwrap_or_default();
        alike.entry(absent).or_default().push(*part);
    }
    alike
}

/// The columns that such parts have, by position. Those of the key are what they were found by.
fn present(tables: &EntityTables, absent: &[usize]) -> Vec<usize> {
    let columns = tables.table.columns.iter().enumerate();
    columns
        .filter(|(at, column)| column.is_recorded() && !absent.contains(at) && !tables.table.key.contains(at))
        .map(|(at, _)| at)
        .collect()
}

/// Writes the columns of parts that lack the same ones, and notes the rows that differed; gives the
/// parts whose unique value is taken.
async fn columns(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    absent: &[usize],
    parts: &[Stored],
    changed: &mut HashSet<i64>,
) -> Result<Vec<(Stored, Taken)>, StoreError> {
    let tables = batch.tables(entity);
    let has = present(tables, absent);
    let width = 1 + has.len() + usize::from(tables.positioned);
    if width == 1 {
        return Ok(Vec::new());
    }
    let stored = parts
        .iter()
        .filter_map(|part| Some((part.row, *items.get(part.place)?)));
    let stored: Vec<(i64, Item<'_>)> = stored.collect();
    differ::note(batch, entity, &has, &stored).await?;
    batch.before_noted(entity, stored.iter().map(|(row, _)| *row)).await?;
    let mut left = Vec::new();
    let mut from = 0;
    for size in batch.context.dialect.row_sizes(parts.len(), width) {
        let chunk = parts.get(from..from + size).unwrap_or_default();
        from += size;
        match set(batch, entity, items, &has, chunk).await? {
            Ok(rows) => changed.extend(rows),
            Err(_) => left.extend(chunk),
        }
    }
    // One by one; a second time for those whose value another one gave up meanwhile.
    let mut taken = Vec::new();
    for _ in 0..2 {
        taken.clear();
        for part in std::mem::take(&mut left) {
            match set(batch, entity, items, &has, &[part]).await? {
                Ok(rows) => changed.extend(rows),
                Err(value) => taken.push((part, value)),
            }
        }
        left.extend(taken.iter().map(|(part, _)| *part));
    }
    if has.iter().any(|at| tables.table.searched().contains(at)) {
        let written: Vec<i64> = parts.iter().map(|part| part.row).collect();
        words::renew(batch, &tables.table, &written).await?;
    }
    Ok(taken)
}

/// Sets columns where they differ; gives the rows that did, or the unique value that is taken.
async fn set(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    has: &[usize],
    parts: &[Stored],
) -> Result<Result<Vec<i64>, Taken>, StoreError> {
    let tables = batch.tables(entity);
    let columns = has.iter().filter_map(|at| tables.table.columns.get(*at));
    let mut names: Vec<&str> = columns.clone().map(|column| column.name.as_str()).collect();
    let mut kinds = vec![Kind::Int];
    kinds.extend(columns.map(|column| Kind::of(column.kind)));
    names.extend(tables.positioned.then_some(POSITION_COLUMN));
    kinds.extend(tables.positioned.then_some(Kind::Int));
    let mut rows = Rows::new(batch.params(), &kinds, parts.len());
    for (part, item) in parts.iter().filter_map(|part| Some((part, items.get(part.place)?))) {
        rows.int(part.row)?;
        let values = has.iter().filter_map(|at| item.row.values.get(*at));
        values.into_iter().try_for_each(|value| rows.value(value))?;
        if tables.positioned {
            rows.int(item.position)?;
        }
    }
    let params = rows.bind()?;
    let sql = set_sql(batch, &tables.table.name, &names, &kinds, parts.len());
    let guarded = batch.context.dialect.savepoints() && tables.table.unique().next().is_some();
    if guarded {
        batch.plain("SAVEPOINT part").await?;
    }
    let done = match batch.driver.fetch_all(params.query(sql)).await {
        Ok(rows) => Ok(rows
            .iter()
            .map(|row| get(row, 0))
            .collect::<Result<Vec<i64>, StoreError>>()?),
        Err(error) => Err(Taken::of(&error).ok_or_else(|| failed(error))?),
    };
    if guarded {
        let end = match done {
            Ok(_) => "RELEASE SAVEPOINT part",
            Err(_) => "ROLLBACK TO SAVEPOINT part",
        };
        batch.plain(end).await?;
    }
    Ok(done)
}

fn set_sql(batch: &Batch<'_>, table: &str, names: &[&str], kinds: &[Kind], count: usize) -> String {
    let row = batch.quote(ROW_COLUMN);
    let cells: Vec<String> = (0..names.len()).map(|at| format!("c{at}")).collect();
    let pairs = || names.iter().map(|name| batch.quote(name)).zip(&cells);
    let sets: Vec<String> = pairs().map(|(name, cell)| format!("{name}=one.{cell}")).collect();
    let tests = pairs().map(|(name, cell)| format!("t.{name} IS DISTINCT FROM one.{cell}"));
    let tests: Vec<String> = tests.collect();
    format!(
        "WITH _one(r,{}) AS ({}) UPDATE {} AS t SET {} FROM _one AS one WHERE t.{row}=one.r AND ({}) RETURNING {row}",
        cells.join(","),
        batch.rows(kinds, count),
        batch.quote(table),
        sets.join(","),
        tests.join(" OR ")
    )
}

/// Replaces the lists of links that these have and that differ.
async fn links(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    parts: &[Stored],
    changed: &mut HashSet<i64>,
) -> Result<(), StoreError> {
    for (at, join) in batch
        .tables(entity)
        .joins
        .iter()
        .enumerate()
        .filter(|(_, join)| !join.fetched)
    {
        let items = parts.iter().filter_map(|part| Some((part.row, items.get(part.place)?)));
        let has = items.filter(|(_, item)| {
            item.row
                .part
                .as_ref()
                .is_none_or(|part| !part.absent.links.contains(&at))
        });
        let lists: Vec<(i64, Vec<Value>, &[Key])> = has
            .map(|(row, item)| {
                let links = item.row.links.get(at).map(Vec::as_slice).unwrap_or_default();
                (row, batch.key_of(entity, *item), links)
            })
            .collect();
        let wanted: Vec<(&[Value], &[Key])> = lists.iter().map(|(_, key, links)| (&key[..], *links)).collect();
        let stored = stored_links(batch, join, &wanted).await?;
        let mut owners = Vec::new();
        let mut lines: Vec<(Vec<Value>, i64, &[Value])> = Vec::new();
        let differing = lines_that_differ(&lists, &stored);
        batch
            .before_links(entity, join.field, differing.iter().map(|(row, ..)| *row))
            .await?;
        for (row, key, links) in &differing {
            changed.insert(*row);
            owners.push(key.clone());
            let numbered = (0..).zip(*links);
            lines.extend(numbered.map(|(position, link)| (key.clone(), position, link.0.as_slice())));
        }
        if !owners.is_empty() {
            batch.touch(entity, join.field);
        }
        delete_where(batch, &join.name, &named(&join.owner), &owners).await?;
        insert_links(batch, join, lines).await?;
    }
    Ok(())
}

type List<'r> = (i64, Vec<Value>, &'r [Key]);

fn lines_that_differ<'r>(lists: &[List<'r>], stored: &HashMap<Key, Vec<Key>>) -> Vec<List<'r>> {
    let differs = |(_, key, links): &&List<'r>| stored.get(&Key(key.clone())).map_or(&[][..], Vec::as_slice) != *links;
    lists.iter().filter(differs).cloned().collect()
}

/// Brings the children of these to what they say, where they say something.
async fn children(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    parts: &[Stored],
    changed: &mut HashSet<i64>,
) -> Result<(), StoreError> {
    if batch.tables(entity).nested.is_empty() {
        return Ok(());
    }
    for part in parts {
        let Some(item) = items.get(part.place) else { continue };
        let before = batch.count_changes();
        children::children(batch, entity, &[*item], &mut [UpsertOutcome::Changed(part.row)]).await?;
        if batch.count_changes() > before {
            changed.insert(part.row);
        }
    }
    Ok(())
}

/// Gives written rows hashes that say that they are not what their owner wrote; whether any had
/// another one.
async fn rehash(
    batch: &mut Batch<'_>,
    entity: EntityId,
    items: &[Item<'_>],
    parts: &[Stored],
) -> Result<bool, StoreError> {
    const KINDS: [Kind; 2] = [Kind::Int, Kind::Int];
    let mut from = 0;
    let mut any = false;
    for size in batch.context.dialect.row_sizes(parts.len(), KINDS.len()) {
        let mut rows = Rows::new(batch.params(), &KINDS, size);
        for part in parts.iter().skip(from).take(size) {
            let hash = items.get(part.place).map_or(0, |item| item.row.hash);
            rows.int(part.row)?;
            rows.int(mixed(part.hash, hash))?;
        }
        from += size;
        let sql = set_sql(batch, &batch.tables(entity).table.name, &[HASH_COLUMN], &KINDS, size);
        any |= !batch.all(rows.bind()?, sql).await?.is_empty();
    }
    Ok(any)
}
