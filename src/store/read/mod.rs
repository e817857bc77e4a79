//! Reads: compiled to one statement, and run. Writes nothing.

pub(super) mod aggregate;
pub(super) mod closure;
pub(super) mod compile;
pub(super) mod compiler;
pub(super) mod connection;
pub(super) mod counts;
pub(super) mod cut;
pub(super) mod dangling;
pub(super) mod directions;
pub(super) mod each;
pub(super) mod filter;
pub(super) mod first_rows;
pub(super) mod freshness;
pub(super) mod group_rows;
pub(super) mod grouped;
pub(super) mod has;
pub(super) mod items;
pub(super) mod joins;
pub(super) mod json;
pub(super) mod led;
pub(super) mod led_by_links;
pub(super) mod many;
pub(super) mod matches;
pub(super) mod on_file;
pub(super) mod operands;
pub(super) mod output;
pub(super) mod pace;
pub(super) mod past;
pub(super) mod places;
pub(super) mod relation;
pub(super) mod roots;
pub(super) mod run;
pub(super) mod search;
pub(super) mod shown;
pub(super) mod statement;
pub(super) mod two_ways;

/// The SQL of a read on both databases, of which neither is opened.
#[cfg(any(test, fuzzing))]
pub(crate) fn compiled(
    catalog: &crate::catalog::Catalog,
    layout: &crate::layout::Layout,
    read: &crate::query::Read,
) -> Result<[String; 2], super::error::StoreError> {
    use super::db::{dialect::Dialect, made::Bounds, postgres::dialect::Postgres, sqlite::dialect::Sqlite};
    let of = |dialect: &dyn Dialect| {
        let bounds = Bounds::ENDLESS;
        let base = compiler::Base {
            catalog,
            layout,
            dialect,
            bounds,
        };
        base.compile(read).map(|statement| statement.sql.to_string())
    };
    Ok([of(&Sqlite)?, of(&Postgres::OVER_TCP)?])
}
