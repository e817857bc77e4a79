//! Where past versions of rows are kept (`@history`): their columns, and the names under which a
//! read takes those of one moment for the rows. Knows names; no SQL.
//!
//! Beside the table of a type, and beside each of its tables of links, stands one of versions. Its
//! columns are those of the rows but for what is computed, all of which may be null, and some of
//! its own.

use super::{
    entity::{EntityTables, JoinTable},
    table::{Column, Table},
};

/// The moment of the commit that made a version, and of the one that ended it: null of a version
/// that is the row's present one.
pub(crate) const FROM_COLUMN: &str = "_from";
pub(crate) const UNTIL_COLUMN: &str = "_until";
/// How a version began, as a number: `store::history` says which.
pub(crate) const BEGIN_COLUMN: &str = "_begin";
/// Whether it ended because its row was deleted.
pub(crate) const GONE_COLUMN: &str = "_gone";

/// The name of the table of versions beside another one. Nothing that a definition names has a `$`
/// in it.
pub(crate) fn history_name(table: &str) -> String {
    format!("{table}$history")
}

/// The name of the rows of one moment, in a statement. No table of a definition begins so.
pub(crate) fn past_name(table: &str) -> String {
    format!("_past_{table}")
}

/// The tables of a type as a read of the past sees them: no index of the rows helps it.
pub(super) fn of(tables: &EntityTables) -> EntityTables {
    let joins = tables.joins.iter().map(|join| JoinTable {
        name: past_name(&join.name),
        ..join.clone()
    });
    EntityTables {
        joins: joins.collect(),
        table: Table {
            name: past_name(&tables.table.name),
            indexes: Vec::new(),
            ..tables.table.clone()
        },
        ..tables.clone()
    }
}

impl EntityTables {
    /// The columns that versions of its rows have: what is computed is not kept.
    pub(crate) fn kept_columns(&self) -> impl Iterator<Item = &Column> {
        self.table.columns.iter().filter(|column| column.rollup.is_none())
    }
}
