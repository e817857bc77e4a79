//! Tables, columns and indexes for a catalog. Knows names and kinds; knows no SQL and no database.
//!
//! One table per entity, snake_case (with a `$` before it where a database keeps that name for
//! itself); a reference is its target's leaves; to-many references are a join table with a
//! position. Column order is the contract between `harvest` (which fills [`crate::value::Row`]) and
//! `store`.

mod entity;
mod meaning;
mod past;
pub mod steps;
mod table;

use crate::catalog::{Catalog, Entity, EntityId, Field, FieldId, FieldKind, Leaf, Valid};

pub use entity::{EntityTables, JoinTable, NestedTable};
pub(crate) use meaning::Meaning;
pub(crate) use past::{BEGIN_COLUMN, FROM_COLUMN, GONE_COLUMN, UNTIL_COLUMN, history_name, past_name};
pub use table::{Column, ColumnKind, Index, IndexKind, IndexedList, Table};

pub(crate) use crate::catalog::{column_name, snake_case, table_name};

/// Columns of every entity's table beside the data: a row number that never changes or returns, and
/// the row's hash.
pub const ROW_COLUMN: &str = "_row";
pub const HASH_COLUMN: &str = "_hash";
/// The words of a row, where fields of its type are searched.
pub const WORDS_COLUMN: &str = "_words";
/// The place in the owner's (or the upstream's) list: on nested tables and join tables.
pub const POSITION_COLUMN: &str = "_position";

/// Names that one column or table can have had: each renamed field on the way to a key's leaf
/// doubles them, and more than four at once are not worth guessing.
const FORMER_NAMES_MAX: usize = 16;

/// The tables of a whole catalog, by [`EntityId`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    pub entities: Vec<EntityTables>,
}

impl Layout {
    /// Lays out a catalog. Cannot fail: what could is refused by `catalog::build`.
    pub fn of(catalog: &Valid<Catalog>) -> Layout {
        Layout {
            entities: catalog.entity_ids().map(|id| entity_tables(catalog, id)).collect(),
        }
    }

    /// Finds the owners of nested types where they were not recorded: each stands in its own tables
    /// alone.
    #[must_use]
    pub fn with_owners(mut self) -> Layout {
        let nested = self.entities.iter().enumerate().flat_map(|(at, tables)| {
            let owner = EntityId(at as u32);
            tables.nested.iter().map(move |nested| (nested.child, owner))
        });
        for (child, owner) in nested.collect::<Vec<_>>() {
            if let Some(tables) = self.entities.get_mut(child.index()) {
                tables.owner = Some(owner);
            }
        }
        self
    }

    /// An entity and all that is nested in it: what a run of its fetch may write.
    pub fn family(&self, entity: EntityId) -> Vec<EntityId> {
        let mut all = vec![entity];
        let mut at = 0;
        // Nesting has no circles: each type has one owner.
        while let Some(next) = all.get(at) {
            let nested = &self.entity(*next).nested;
            all.extend(nested.iter().map(|nested| nested.child));
            at += 1;
        }
        all
    }

    pub fn entity(&self, id: EntityId) -> &EntityTables {
        &self.entities[id.index()]
    }
}

fn entity_tables(catalog: &Catalog, id: EntityId) -> EntityTables {
    let entity = catalog.entity(id);
    let columns: Vec<Column> = entity
        .field_ids()
        .flat_map(|field| field_columns(catalog, id, field))
        .collect();
    let positions = |field: FieldId| {
        let owned = columns.iter().enumerate();
        owned
            .filter(move |(_, column)| column.field == field)
            .map(|(position, _)| position)
            .collect::<Vec<_>>()
    };
    let key: Vec<usize> = entity.key.iter().flat_map(|field| positions(*field)).collect();
    let sets = entity.field_ids().map(|id| (entity.field(id), positions(id)));
    let mut indexes: Vec<Index> = sets.filter_map(|(field, set)| index(field, set, &key)).collect();
    indexes.extend(entity.indexes.iter().map(|of| {
        let parts = of.fields.iter().map(|part| (positions(part.field), part.descending));
        Index {
            kind: IndexKind::Fields,
            columns: parts.clone().flat_map(|(columns, _)| columns).collect(),
            descending: parts
                .filter(|(_, descending)| *descending)
                .flat_map(|(columns, _)| columns)
                .collect(),
        }
    }));
    let searched = entity.field_ids().filter(|id| entity.field(*id).searched);
    let searched: Vec<usize> = searched.flat_map(positions).collect();
    indexes.extend((!searched.is_empty()).then(|| Index::of(IndexKind::Search, searched)));
    indexes.sort_by_key(|index| match index.kind {
        IndexKind::Key | IndexKind::Unique => 0,
        IndexKind::Reference | IndexKind::Field | IndexKind::Targets => 1,
        IndexKind::List(_) => 2,
        IndexKind::Fields => 3,
        IndexKind::Search => 4,
    });
    let tables = EntityTables {
        name: entity.name.clone(),
        was: entity.was.clone(),
        fields: entity.fields.iter().map(|field| field.name.clone()).collect(),
        filled_by: filled_by(catalog, id),
        owner: entity.owner.map(|owner| owner.entity),
        joins: joins(catalog, id),
        nested: nested(entity),
        positioned: entity.owner.is_some(),
        positional: entity.positional,
        counted: counted(catalog, id),
        table: Table {
            name: entity.names.table.clone(),
            columns,
            key,
            indexes,
        },
        history: entity.history,
        past: None,
    };
    EntityTables {
        past: entity.history.then(|| Box::new(past::of(&tables))),
        ..tables
    }
}

/// The index that a field needs beside the key, if it does; `set` are its columns.
fn index(field: &Field, set: Vec<usize>, key: &[usize]) -> Option<Index> {
    if set.is_empty() || set == key {
        return None;
    }
    let is_reference = matches!(field.kind, FieldKind::Reference { .. });
    let (kind, columns) = if field.unique {
        (IndexKind::Unique, set)
    } else if is_reference && !key.starts_with(&set) {
        // The rows behind an inverse come in the order of their key, which the index then has
        // already.
        let rest = key.iter().filter(|column| !set.contains(column));
        (IndexKind::Reference, set.iter().chain(rest).copied().collect())
    } else if let Some(items) = listed(field) {
        (IndexKind::List(items), set)
    } else if field.indexed && !key.starts_with(&set) {
        (IndexKind::Field, set)
    } else {
        return None;
    };
    Some(Index::of(kind, columns))
}

/// What the items of an indexed list are.
fn listed(field: &Field) -> Option<ColumnKind> {
    match &field.kind {
        FieldKind::Leaf { leaf, list: Some(_) } if field.indexed => Some(leaf_kind(*leaf)),
        _ => None,
    }
}

/// The fields whose links or values rollups go by.
fn counted(catalog: &Catalog, id: EntityId) -> Vec<FieldId> {
    let rollups = catalog.entities.iter().flat_map(|entity| {
        let rollups = entity.fields.iter().filter_map(|field| field.rollup.as_ref()?.of);
        rollups.map(move |of| &entity.field(of).kind)
    });
    let there = rollups.filter_map(|kind| match kind {
        FieldKind::Inverse { source, field, .. } if *source == id => Some(*field),
        _ => None,
    });
    let own = catalog
        .entity(id)
        .fields
        .iter()
        .filter_map(|field| field.rollup.as_ref()?.of);
    let groups = catalog.entities.iter().filter_map(|entity| entity.groups.as_ref());
    let groups = groups.filter(|groups| groups.of == id);
    let by = groups.flat_map(|groups| catalog.grouped_by(groups));
    let by = by.map(|(_, of)| catalog.entity(id).base(of));
    there.chain(own).chain(by).collect()
}

/// Nested types end at a type that is not nested: one that is nested in itself is refused.
fn filled_by(catalog: &Catalog, entity: EntityId) -> Vec<String> {
    let mut outermost = entity;
    while let Some(owner) = catalog.entity(outermost).owner {
        outermost = owner.entity;
    }
    let mut fetches: Vec<_> = catalog
        .fetch_ids()
        .filter(|id| catalog.fetch(*id).entity == outermost)
        .collect();
    fetches.sort_by_key(|id| catalog.fetch(*id).field_fetch.is_some());
    fetches.into_iter().map(|id| catalog.fetch_name(id)).collect()
}

fn field_columns(catalog: &Catalog, owner: EntityId, id: FieldId) -> Vec<Column> {
    let entity = catalog.entity(owner);
    let field = entity.field(id);
    // Key columns are never null even when the reference that they hold may dangle.
    let nullable = !field.required && !entity.key.contains(&id);
    let columns = match &field.kind {
        FieldKind::Leaf { list: Some(_), .. } | FieldKind::Value { .. } => {
            vec![(names_of(field), ColumnKind::Document)]
        }
        FieldKind::Leaf { leaf, list: None } => vec![(names_of(field), leaf_kind(*leaf))],
        FieldKind::Reference { target, by } => leaf_columns(catalog, *target, by, &names_of(field)),
        FieldKind::Links { .. } | FieldKind::Inverse { .. } | FieldKind::Nested { .. } | FieldKind::Closure { .. } => {
            Vec::new()
        }
    };
    let meaning = Meaning::of(catalog, field);
    let rollup = catalog.computed_words(owner, id);
    let columns = columns.into_iter().filter_map(|(names, kind)| {
        let (name, before) = in_database(&names, column_name)?;
        Some(Column {
            name,
            field: id,
            kind,
            nullable,
            meaning: meaning.clone(),
            before,
            fetched: field.fetch.is_some(),
            rollup: rollup.clone(),
            language: field.language,
        })
    });
    columns.collect()
}

/// The name of a field's column, then those it can have had.
fn names_of(field: &Field) -> Vec<String> {
    let names = [Some(&field.name), field.was.as_ref()].into_iter().flatten();
    names.map(|name| snake_case(name)).collect()
}

/// The first of these names as databases take it, and the others that there can be: each also in
/// its plain form, which earlier versions used for all.
fn in_database(names: &[String], spell: fn(&str) -> String) -> Option<(String, Vec<String>)> {
    let name = spell(names.first()?);
    let mut before = Vec::new();
    for other in names.iter().flat_map(|plain| [spell(plain), plain.clone()]) {
        if other != name && !before.contains(&other) {
            before.push(other);
        }
    }
    Some((name, before))
}

/// Names put together, the first ones being the present name.
fn combined(prefixes: &[String], names: &[String]) -> Vec<String> {
    let pairs = prefixes
        .iter()
        .flat_map(|prefix| names.iter().map(move |name| format!("{prefix}_{name}")));
    pairs.take(FORMER_NAMES_MAX).collect()
}

/// Names and kinds of the columns that hold `by` of `target` under a prefix: `giver_slug`,
/// `quest_id`.
fn leaf_columns(
    catalog: &Catalog,
    target: EntityId,
    by: &[FieldId],
    prefixes: &[String],
) -> Vec<(Vec<String>, ColumnKind)> {
    let entity = catalog.entity(target);
    by.iter()
        .flat_map(|id| {
            let field = entity.field(*id);
            let names = combined(prefixes, &names_of(field));
            match &field.kind {
                FieldKind::Reference { target, by } => leaf_columns(catalog, *target, by, &names),
                FieldKind::Leaf { leaf, .. } => vec![(names, leaf_kind(*leaf))],
                _ => Vec::new(),
            }
        })
        .collect()
}

fn leaf_kind(leaf: Leaf) -> ColumnKind {
    match leaf {
        Leaf::Scalar(scalar) => ColumnKind::Scalar(scalar),
        Leaf::Enum(_) => ColumnKind::Enum,
    }
}

fn joins(catalog: &Catalog, owner: EntityId) -> Vec<JoinTable> {
    let entity = catalog.entity(owner);
    let names = [Some(&entity.name), entity.was.as_ref()].into_iter().flatten();
    let tables: Vec<String> = names.map(|name| snake_case(name)).collect();
    let join = |id: FieldId| {
        let field = entity.field(id);
        let FieldKind::Links { target, by } = &field.kind else {
            return None;
        };
        let (name, before) = in_database(&combined(&tables, &names_of(field)), table_name)?;
        Some(JoinTable {
            name,
            field: id,
            target: *target,
            owner: join_columns(catalog, owner, &entity.key, "owner", id),
            targets: join_columns(catalog, *target, by, "target", id),
            before,
            fetched: field.fetch.is_some(),
        })
    };
    entity.field_ids().filter_map(join).collect()
}

fn join_columns(catalog: &Catalog, entity: EntityId, by: &[FieldId], prefix: &str, field: FieldId) -> Vec<Column> {
    let columns = leaf_columns(catalog, entity, by, &[prefix.to_owned()]).into_iter();
    let columns = columns.filter_map(|(names, kind)| {
        let (name, before) = names.split_first()?;
        Some(Column {
            name: name.clone(),
            field,
            kind,
            nullable: false,
            meaning: Meaning::Link(catalog.entity(entity).name.clone()),
            before: before.to_vec(),
            fetched: false,
            rollup: None,
            language: None,
        })
    });
    columns.collect()
}

fn nested(entity: &Entity) -> Vec<NestedTable> {
    let fields = entity.field_ids();
    fields
        .filter_map(|field| match entity.field(field).kind {
            FieldKind::Nested { child } => Some(NestedTable { field, child }),
            _ => None,
        })
        .collect()
}
