//! The index of the words of rows, where a database keeps it as a table: a table of FTS5, which
//! triggers keep within the statement that writes a row. Knows SQLite's words for that; not which
//! types are searched, nor which words a row has.
//!
//! The words stand in the rows' own table; FTS5 keeps where each of them is, and no text. It takes
//! them apart at blanks alone: the end of a field counts as a word, everything beyond ASCII as
//! letters. What words begin with is kept as well, by two and three letters: FTS5 would gather the
//! places of all such words, and no deadline stops it meanwhile.

use crate::{
    layout::{ROW_COLUMN, WORDS_COLUMN},
    store::db::dialect::{BETWEEN, Dialect},
};

/// What the triggers do things after.
const EVENTS: [&str; 3] = ["insert", "update", "delete"];

/// The table of the words of a type's rows.
pub(crate) fn table_name(table: &str) -> String {
    [table, "search"].join(BETWEEN)
}

/// Makes the table and what keeps it, and fills it from the rows that are there.
pub(crate) fn make(dialect: &dyn Dialect, table: &str) -> Vec<String> {
    let name = table_name(table);
    let trigger = |event: &str| dialect.quote(&[&name, event].join(BETWEEN));
    let (row, words) = (dialect.quote(ROW_COLUMN), dialect.quote(WORDS_COLUMN));
    let (quoted, of) = (dialect.quote(&name), dialect.quote(table));
    let [insert, update, delete] = EVENTS.map(trigger);
    let add = format!("INSERT INTO {quoted}(rowid,{words}) VALUES (NEW.{row},NEW.{words})");
    let remove = format!("INSERT INTO {quoted}({quoted},rowid,{words}) VALUES ('delete',OLD.{row},OLD.{words})");
    let mut statements = drop(dialect, table);
    statements.extend([
        format!(
            "CREATE VIRTUAL TABLE {quoted} USING fts5({words},content={of},content_rowid={row},columnsize=0,prefix='2 3',\
             tokenize=\"ascii tokenchars '|'\")"
        ),
        format!("INSERT INTO {quoted}({quoted}) VALUES ('rebuild')"),
        format!("CREATE TRIGGER {insert} AFTER INSERT ON {of} BEGIN {add}; END"),
        format!(
            "CREATE TRIGGER {update} AFTER UPDATE OF {words} ON {of} WHEN OLD.{words} IS NOT NEW.{words} BEGIN {remove}; {add}; END"
        ),
        format!("CREATE TRIGGER {delete} AFTER DELETE ON {of} BEGIN {remove}; END"),
    ]);
    statements
}

/// Drops the same.
pub(crate) fn drop(dialect: &dyn Dialect, table: &str) -> Vec<String> {
    let name = table_name(table);
    let triggers = EVENTS.map(|event| dialect.quote(&[&name, event].join(BETWEEN)));
    let mut statements = triggers
        .map(|trigger| format!("DROP TRIGGER IF EXISTS {trigger}"))
        .to_vec();
    statements.push(format!("DROP TABLE IF EXISTS {}", dialect.quote(&name)));
    statements
}
