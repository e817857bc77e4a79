//! The items of indexed lists, where a database indexes no lists: a table of each list, which
//! triggers keep within the statement that writes a row. Knows SQLite's words for that; not which
//! lists there are.
//!
//! Whoever writes the rows, also a process that knows nothing of the index, keeps the items with
//! them. The table is in the order of the rows, so that a load adds at its end; its index by value
//! is one like any other, and is left for the end of a first load.

use crate::{
    layout::ROW_COLUMN,
    store::db::dialect::{BETWEEN, Dialect},
};

/// The column of an item. It has no type: items are compared as `json_each` gives them.
pub(crate) const VALUE: &str = "value";

/// What the triggers of a list do things after.
const EVENTS: [&str; 3] = ["insert", "update", "delete"];

/// The table of the items of a list.
pub(crate) fn table_name(table: &str, column: &str) -> String {
    [table, column, "items"].join(BETWEEN)
}

/// Makes the table of a list, and what keeps it, and fills it from the rows that are there.
pub(crate) fn make(dialect: &dyn Dialect, table: &str, column: &str) -> Vec<String> {
    let items = table_name(table, column);
    let trigger = |event: &str| dialect.quote(&[&items, event].join(BETWEEN));
    let (row, value) = (dialect.quote(ROW_COLUMN), dialect.quote(VALUE));
    let (quoted, of, list) = (dialect.quote(&items), dialect.quote(table), dialect.quote(column));
    let [insert, update, delete] = EVENTS.map(trigger);
    let into = format!("INTO {quoted}({row},{value})");
    let add = format!(
        "INSERT {into} SELECT DISTINCT NEW.{row},e.value FROM json_each(NEW.{list}) AS e WHERE e.value IS NOT NULL"
    );
    let remove = format!("DELETE FROM {quoted} WHERE {row}=OLD.{row}");
    let mut statements = drop(dialect, table, column);
    statements.extend([
        format!("CREATE TABLE {quoted}({row} INTEGER NOT NULL,{value} NOT NULL,PRIMARY KEY({row},{value})) WITHOUT ROWID"),
        format!(
            "INSERT OR IGNORE {into} SELECT t.{row},e.value FROM {of} AS t CROSS JOIN json_each(t.{list}) AS e \
             WHERE e.value IS NOT NULL ORDER BY t.{row}"
        ),
        format!("CREATE TRIGGER {insert} AFTER INSERT ON {of} WHEN NEW.{list} IS NOT NULL BEGIN {add}; END"),
        format!(
            "CREATE TRIGGER {update} AFTER UPDATE OF {list} ON {of} WHEN OLD.{list} IS NOT NEW.{list} BEGIN {remove}; {add}; END"
        ),
        format!("CREATE TRIGGER {delete} AFTER DELETE ON {of} WHEN OLD.{list} IS NOT NULL BEGIN {remove}; END"),
    ]);
    statements
}

/// Drops the same.
pub(crate) fn drop(dialect: &dyn Dialect, table: &str, column: &str) -> Vec<String> {
    let items = table_name(table, column);
    let triggers = EVENTS.map(|event| dialect.quote(&[&items, event].join(BETWEEN)));
    let mut statements = triggers
        .map(|trigger| format!("DROP TRIGGER IF EXISTS {trigger}"))
        .to_vec();
    statements.push(format!("DROP TABLE IF EXISTS {}", dialect.quote(&items)));
    statements
}
