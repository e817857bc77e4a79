//! Over what the rows of a type spread: the columns by which links are followed from one side or
//! the other, and those that are searched by their index. Knows the layout; no rows.

use crate::{
    catalog::{Catalog, EntityId, FieldId, FieldKind},
    layout::{Column, ColumnKind, EntityTables, Layout},
};

/// What a spread is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The values of a field.
    Field(FieldId),
    /// The owners in the join table of a field.
    Owners(FieldId),
    /// What is linked to there.
    Targets(FieldId),
}

/// Columns whose values rows spread over.
#[derive(Clone, Debug)]
pub(crate) struct Side<'l> {
    pub place: Place,
    pub table: &'l str,
    pub columns: Vec<&'l str>,
    /// No row lacks them.
    pub required: bool,
    /// An index leads there, so that all of them can be counted.
    pub indexed: bool,
}

/// All sides of a type's tables.
pub(crate) fn sides<'l>(catalog: &Catalog, layout: &'l Layout, entity: EntityId) -> Vec<Side<'l>> {
    let tables = layout.entity(entity);
    let fields = catalog.entity(entity).field_ids();
    let own = fields.filter_map(|field| of_field(catalog, tables, entity, field));
    let joins = tables.joins.iter().flat_map(|join| {
        let side = |place, columns: &'l [Column]| Side {
            place,
            table: &join.name,
            columns: names(columns.iter()),
            required: true,
            indexed: true,
        };
        [
            side(Place::Owners(join.field), &join.owner),
            side(Place::Targets(join.field), &join.targets),
        ]
    });
    own.chain(joins).collect()
}

fn of_field<'l>(catalog: &Catalog, tables: &'l EntityTables, entity: EntityId, field: FieldId) -> Option<Side<'l>> {
    let at = tables.columns_of(field);
    let columns: Vec<&Column> = at.iter().filter_map(|at| tables.table.columns.get(*at)).collect();
    let is_reference = matches!(catalog.entity(entity).field(field).kind, FieldKind::Reference { .. });
    let indexed = tables.table.indexed().any(|set| set.starts_with(&at));
    let is_enum = columns.iter().any(|column| column.kind == ColumnKind::Enum);
    // Of a unique field or a key each row has its own.
    let own = tables.table.key == at || catalog.entity(entity).field(field).unique;
    let wanted = is_reference || (indexed && !own) || is_enum;
    (wanted && !columns.is_empty()).then(|| Side {
        place: Place::Field(field),
        table: &tables.table.name,
        columns: names(columns.iter().copied()),
        required: columns.iter().all(|column| !column.nullable),
        indexed,
    })
}

fn names<'l>(columns: impl Iterator<Item = &'l Column>) -> Vec<&'l str> {
    columns.map(|column| column.name.as_str()).collect()
}
