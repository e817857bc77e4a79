//! What an index can hold. Knows layouts and sizes of values; pure, and knows no database.
//!
//! A value in an index is stored there once more, and PostgreSQL's pages hold no entry above 2,704
//! bytes. SQLite takes any, but a row that only one database takes would be no row of the same
//! definition.

use crate::{
    catalog::{Entity, FieldId},
    layout::EntityTables,
    value::{Key, Value},
};

/// Bytes of text in one entry of an index. The rest of what PostgreSQL allows is for its own,
/// numbers and lengths.
const BYTES_MAX: usize = 2_600;

/// The indexes of one entity, as far as their entries have no fixed size.
#[derive(Debug)]
pub(super) struct IndexSize {
    indexes: Vec<Entry>,
    key: Vec<usize>,
    /// The fields of the links, in the order of a row's lists.
    links: Vec<String>,
}

/// What one index holds of a row.
#[derive(Debug)]
struct Entry {
    fields: String,
    columns: Vec<usize>,
}

impl IndexSize {
    pub(super) fn of(entity: &Entity, tables: &EntityTables) -> IndexSize {
        let table = &tables.table;
        let entry = |columns: Vec<usize>| {
            let fields = columns.iter().filter_map(|at| table.columns.get(*at));
            let mut fields: Vec<FieldId> = fields.map(|column| column.field).collect();
            fields.dedup();
            let names: Vec<&str> = fields.iter().map(|id| entity.field(*id).name.as_str()).collect();
            Entry {
                fields: names.join(" and "),
                columns,
            }
        };
        let links = tables.joins.iter();
        IndexSize {
            indexes: table.indexed().map(entry).collect(),
            key: table.key.clone(),
            links: links.map(|join| entity.field(join.field).name.clone()).collect(),
        }
    }

    /// Refuses a row that an index could not take, with the field that is too long.
    pub(super) fn check(&self, values: &[Value], links: &[Vec<Key>]) -> Result<(), String> {
        for index in &self.indexes {
            let held = index.columns.iter().filter_map(|at| values.get(*at));
            check(bytes(held)).map_err(|reason| format!("{}: {reason}", index.fields))?;
        }
        let own = bytes(self.key.iter().filter_map(|at| values.get(*at)));
        for (field, keys) in self.links.iter().zip(links) {
            for (position, key) in keys.iter().enumerate() {
                // An index holds both ends of a link.
                let both = check(own + bytes(&key.0));
                both.map_err(|reason| format!("{field}[{position}]: {reason}"))?;
            }
        }
        Ok(())
    }
}

/// The same for a key that comes without its row.
pub(super) fn of_key(key: &Key) -> Result<(), String> {
    check(bytes(&key.0))
}

fn bytes<'v>(values: impl IntoIterator<Item = &'v Value>) -> usize {
    let sizes = values.into_iter().map(|value| match value {
        Value::Text(text) => text.len(),
        _ => 0,
    });
    sizes.sum()
}

fn check(bytes: usize) -> Result<(), String> {
    match bytes > BYTES_MAX {
        true => Err(format!(
            "{bytes} bytes are too many for an index, which holds {BYTES_MAX}"
        )),
        false => Ok(()),
    }
}
