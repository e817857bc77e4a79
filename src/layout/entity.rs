//! What one entity needs: its table, and those of its links and nested rows. Knows how they are
//! stored; not how they come of a catalog, and no SQL.

use crate::{
    catalog::{EntityId, FieldId},
    value::Apart,
};

use super::table::{Column, Index, IndexKind, IndexedList, Table};

/// What one entity needs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EntityTables {
    /// The type's name; layouts that were stored before names were kept have none.
    #[serde(default)]
    pub name: String,
    /// The name that the type had before (`@was`).
    #[serde(skip)]
    pub was: Option<String>,
    /// The names of the type's fields, by [`FieldId`].
    #[serde(default)]
    pub fields: Vec<String>,
    /// The fetches whose runs bring the rows: its own or that of the outermost owner first, then
    /// those of fields that lead there.
    #[serde(skip)]
    pub filled_by: Vec<String>,
    /// The owner of a nested type.
    #[serde(skip)]
    pub owner: Option<EntityId>,
    pub table: Table,
    /// One per `Links` field, in field order.
    pub joins: Vec<JoinTable>,
    /// One per `Nested` field, in field order.
    pub nested: Vec<NestedTable>,
    /// Whether rows carry [`POSITION_COLUMN`]: the entity is nested.
    pub positioned: bool,
    /// Whether the position is the last part of the key.
    #[serde(default)]
    pub positional: bool,
    /// Fields whose links or values rollups go by, in either direction: their indexes are there at
    /// all times.
    #[serde(skip)]
    pub counted: Vec<FieldId>,
    /// Past versions of the rows are kept beside them (`@history`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history: bool,
    /// Of such a type: what a read takes for these tables that asks for a moment in the past.
    #[serde(skip)]
    pub past: Option<Box<EntityTables>>,
}

/// The links of one `Links` field: owner's key, position, target's leaves. A dangling target is
/// allowed.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct JoinTable {
    pub name: String,
    pub field: FieldId,
    pub target: EntityId,
    /// Named `owner_…`, in the order of the owner's key leaves.
    pub owner: Vec<Column>,
    /// Named `target_…`, in the order of the target's `by` leaves.
    pub targets: Vec<Column>,
    /// Names that the table can have been stored under, by `@was`.
    #[serde(skip)]
    pub before: Vec<String>,
    /// Filled by requests of its own (`@fetch` on the field): what the owner's record says leaves
    /// it alone.
    #[serde(default)]
    pub fetched: bool,
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NestedTable {
    pub field: FieldId,
    pub child: EntityId,
}

impl EntityTables {
    /// The positions of a field's columns in [`Table::columns`]: one for most, none for to-many
    /// fields.
    pub fn columns_of(&self, field: FieldId) -> Vec<usize> {
        self.table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.field == field)
            .map(|(position, _)| position)
            .collect()
    }

    /// Whether an index, or that of the key, leads to the rows with a value of a field.
    pub(crate) fn leads_by(&self, field: FieldId) -> bool {
        let Some(place) = self.columns_of(field).first().copied() else {
            return false;
        };
        let indexes = self.table.indexes.iter().filter(|index| match index.kind {
            IndexKind::Key | IndexKind::Unique | IndexKind::Reference | IndexKind::Field | IndexKind::Fields => true,
            IndexKind::List(_) | IndexKind::Targets | IndexKind::Search => false,
        });
        let mut firsts = indexes.map(|index| index.columns.first().copied());
        firsts.any(|first| first == Some(place)) || self.table.key.first().copied() == Some(place)
    }

    /// The columns that requests of their own fill.
    pub fn fetched(&self) -> impl Iterator<Item = &Column> {
        self.table.columns.iter().filter(|column| column.fetched)
    }

    /// Whether its rows are groups of another type's: no record brings anything of them.
    pub(crate) fn is_of_groups(&self) -> bool {
        self.table.columns.iter().all(|column| column.rollup.is_some())
    }

    /// Whether rollups go by the index of this subject, such as `Item.seller`.
    pub(crate) fn is_counted(&self, subject: Option<&str>) -> bool {
        let mut names = self.counted.iter().filter_map(|field| self.fields.get(field.index()));
        names.any(|name| subject == Some(&*format!("{}.{name}", self.name)))
    }

    /// The places of what no record of the type says.
    pub fn apart(&self) -> Apart {
        let columns = self.table.columns.iter().enumerate();
        let joins = self.joins.iter().enumerate();
        Apart {
            values: columns
                .filter(|(_, column)| !column.is_recorded())
                .map(|(at, _)| at)
                .collect(),
            links: joins.filter(|(_, join)| join.fetched).map(|(at, _)| at).collect(),
        }
    }

    /// An index of several fields as a definition has it: `npc, reward DESC`.
    pub(crate) fn words_of(&self, index: &Index) -> String {
        let mut parts: Vec<(FieldId, bool)> = Vec::new();
        for at in &index.columns {
            let Some(column) = self.table.columns.get(*at) else {
                continue;
            };
            let part = (column.field, index.descending.contains(at));
            if parts.last() != Some(&part) {
                parts.push(part);
            }
        }
        let words = parts.into_iter().map(|(field, descending)| {
            let name = self.fields.get(field.index()).map_or("", |name| name.as_str());
            format!("{name}{}", if descending { " DESC" } else { "" })
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The indexed list of a field.
    pub fn list_of(&self, field: FieldId) -> Option<IndexedList> {
        let own = |list: &IndexedList| {
            let column = self.table.columns.get(list.column);
            column.is_some_and(|column| column.field == field)
        };
        self.table.lists().find(own)
    }

    /// The join table of a `Links` field.
    pub fn join_of(&self, field: FieldId) -> Option<&JoinTable> {
        self.joins.iter().find(|join| join.field == field)
    }
}
