//! Which rows are stored already: looked up by key, many at once. Knows the SQL of that; writes
//! nothing.

use crate::{
    catalog::EntityId,
    layout::{HASH_COLUMN, POSITION_COLUMN, ROW_COLUMN},
    store::{
        db::{dialect::Numbered, params::Kind, pool::get, rows::Rows},
        error::StoreError,
    },
    value::Key,
};

use super::{
    batch::{Batch, Item},
    key::KeyOf,
};

/// A stored row as the lookup finds it.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub row: i64,
    /// Hash and position are those of the item.
    pub same: bool,
    /// They would be, if all its children could have been written.
    pub open: bool,
}

impl Batch<'_> {
    /// The stored rows with the keys of these, by their place in `items`. What the run knows to be
    /// new is not looked for.
    pub(crate) async fn find(
        &mut self,
        entity: EntityId,
        items: &[Item<'_>],
    ) -> Result<Vec<Option<Found>>, StoreError> {
        let Some((_, added)) = self.added.filter(|(of, _)| *of == entity) else {
            return self.look_up(entity, items).await;
        };
        let tables = self.tables(entity);
        let hashes: Vec<u64> = items.iter().map(|item| KeyOf::new(tables, *item).hash64()).collect();
        // Nothing else between these: the filter does not fit into a processor's cache, and its
        // lines come several at a time.
        let old: Vec<bool> = hashes.iter().map(|hash| added.may_have(*hash)).collect();
        let known = |at: usize, hash: &u64| old.get(at) == Some(&true) || self.fresh.contains(hash);
        let (places, doubtful): (Vec<usize>, Vec<Item<'_>>) = (0..)
            .zip(&hashes)
            .filter(|(at, hash)| known(*at, hash))
            .filter_map(|(at, _)| Some((at, *items.get(at)?)))
            .unzip();
        let mut found = vec![None; items.len()];
        for (place, row) in places.into_iter().zip(self.look_up(entity, &doubtful).await?) {
            if let Some(found) = found.get_mut(place) {
                *found = row;
            }
        }
        Ok(found)
    }

    async fn look_up(&mut self, entity: EntityId, items: &[Item<'_>]) -> Result<Vec<Option<Found>>, StoreError> {
        let tables = self.tables(entity);
        let mut kinds = vec![Kind::Int];
        kinds.extend(tables.positioned.then_some(Kind::Int));
        kinds.extend(self.key_kinds(entity));
        let mut found = Vec::with_capacity(items.len());
        let mut from = 0;
        for size in self.context.dialect.row_sizes(items.len(), kinds.len()) {
            let sql = self.find_sql(entity, &kinds, size);
            let mut wanted = Rows::new(self.params(), &kinds, size);
            for item in items.iter().skip(from).take(size) {
                wanted.int(item.row.hash)?;
                if tables.positioned {
                    wanted.int(item.position)?;
                }
                KeyOf::new(tables, *item).bind(&mut wanted)?;
            }
            let rows = self.all(wanted.bind()?, sql).await?;
            let text: Option<&str> = rows.first().map_or(Ok(None), |row| get(row, 0))?;
            found.resize(from + size, None);
            let part = found.get_mut(from..).unwrap_or_default();
            read_found(text.unwrap_or_default(), part).ok_or_else(|| {
                StoreError::Internal("the database gave a list of rows that cannot be read".to_owned())
            })?;
            from += size;
        }
        Ok(found)
    }

    /// Gives one text for all rows, `place:row,…`, the row negative when it differs, `~` before it
    /// when it is open: a result row each would cost more than the whole lookup.
    fn find_sql(&self, entity: EntityId, kinds: &[Kind], size: usize) -> String {
        let names = self.key_names(entity);
        let dialect = self.context.dialect;
        let mut wanted = vec!["h".to_owned()];
        let mut same = format!("t.{}=wanted.h", self.quote(HASH_COLUMN));
        if self.tables(entity).positioned {
            wanted.push("p".to_owned());
            same.push_str(&format!(" AND t.{}=wanted.p", self.quote(POSITION_COLUMN)));
        }
        wanted.extend((0..names.len()).map(|at| format!("k{at}")));
        let conditions: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("t.{}=wanted.k{at}", self.quote(name)))
            .collect();
        let row = self.quote(ROW_COLUMN);
        let open = same.replace("wanted.h", &open_hash("wanted.h"));
        let place = match self.tables(entity).nested.is_empty() {
            true => format!("wanted.n||':'||CASE WHEN {same} THEN t.{row} ELSE -t.{row} END"),
            false => format!(
                "wanted.n||CASE WHEN {open} THEN '~' ELSE ':' END||CASE WHEN {same} THEN t.{row} ELSE -t.{row} END"
            ),
        };
        format!(
            "WITH _wanted(n,{}) AS ({}) SELECT {} FROM _wanted AS wanted {} {} AS t ON {}",
            wanted.join(","),
            dialect.rows(kinds, 1, size, Numbered::Yes),
            dialect.join_texts(&place),
            dialect.chain(),
            self.quote(&self.tables(entity).table.name),
            conditions.join(" AND ")
        )
    }

    /// The numbers of the stored rows with these keys.
    pub(crate) async fn rows_of(&mut self, entity: EntityId, keys: &[&Key]) -> Result<Vec<i64>, StoreError> {
        let kinds = self.key_kinds(entity);
        if keys.iter().any(|key| key.0.len() != kinds.len()) {
            let name = &self.context.catalog.entity(entity).name;
            return Err(StoreError::Internal(format!(
                "a key of {name} needs {} values",
                kinds.len()
            )));
        }
        let head = format!(
            "SELECT {} FROM {} WHERE ({}) IN (",
            self.quote(ROW_COLUMN),
            self.quote(&self.tables(entity).table.name),
            self.context.dialect.names(&self.key_names(entity))
        );
        let mut found = Vec::new();
        let mut from = 0;
        for size in self.context.dialect.row_sizes(keys.len(), kinds.len()) {
            let mut wanted = Rows::new(self.params(), &kinds, size);
            for value in keys.iter().skip(from).take(size).flat_map(|key| &key.0) {
                wanted.value(value)?;
            }
            let sql = format!("{head}{})", self.rows(&kinds, size));
            for row in self.all(wanted.bind()?, sql).await? {
                found.push(get(&row, 0)?);
            }
            from += size;
        }
        Ok(found)
    }
}

/// The hash, as SQL, of a row some of whose children could not be written: never that of the row
/// itself, so that it is looked at again, and still one by which its record is known.
pub(crate) fn open_hash(hash: &str) -> String {
    format!("(-1-{hash})")
}

/// Reads the text of a lookup into the places that it names.
fn read_found(text: &str, places: &mut [Option<Found>]) -> Option<()> {
    for entry in text.split(',').filter(|entry| !entry.is_empty()) {
        let (open, (place, row)) = match entry.split_once(':') {
            Some(parts) => (false, parts),
            None => (true, entry.split_once('~')?),
        };
        let row: i64 = row.parse().ok()?;
        *places.get_mut(place.parse::<usize>().ok()?)? = Some(Found {
            row: row.abs(),
            same: row > 0,
            open,
        });
    }
    Some(())
}
