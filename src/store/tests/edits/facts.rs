//! What a database holds, read back as text: its own schema, and every row of a table. Knows the
//! databases' catalogs.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    layout::{Column, POSITION_COLUMN, ROW_COLUMN},
    store::tests::changes::lines,
};

use super::super::*;

const PG_COLUMNS: &str = "SELECT concat_ws(' ',c.relname,a.attname,format_type(a.atttypid,a.atttypmod),a.attnotnull,co.collname) \
    FROM pg_attribute a JOIN pg_class c ON c.oid=a.attrelid JOIN pg_namespace n ON n.oid=c.relnamespace \
    LEFT JOIN pg_collation co ON co.oid=a.attcollation \
    WHERE n.nspname=current_schema() AND c.relkind='r' AND a.attnum>0 AND NOT a.attisdropped AND c.relname NOT LIKE 'hayloft%'";
const PG_INDEXES: &str = "SELECT CASE WHEN i.indisprimary THEN concat_ws(' ',t.relname,regexp_replace(pg_get_indexdef(i.indexrelid),'^.* USING','')) \
    ELSE pg_get_indexdef(i.indexrelid) END FROM pg_index i JOIN pg_class t ON t.oid=i.indrelid \
    JOIN pg_namespace n ON n.oid=t.relnamespace WHERE n.nspname=current_schema() AND t.relname NOT LIKE 'hayloft%' AND i.indisvalid";
const SQLITE: &str = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'hayloft%' AND tbl_name NOT LIKE 'sqlite%'";

/// The database's own schema; the order of columns does not matter.
pub(super) async fn schema(store: &Store) -> BTreeSet<String> {
    if store.context.dialect.exclusive() {
        return lines(store, SQLITE).await.iter().flat_map(|sql| parts(sql)).collect();
    }
    let columns = lines(store, PG_COLUMNS).await;
    columns.into_iter().chain(lines(store, PG_INDEXES).await).collect()
}

/// A statement of SQLite's schema: an index as it is, a table as one text for each of its columns.
fn parts(sql: &str) -> Vec<String> {
    let sql = sql
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("( ", "(")
        .replace(" )", ")");
    let (Some(open), Some(close), true) = (sql.find('('), sql.rfind(')'), sql.starts_with("CREATE TABLE")) else {
        return vec![sql];
    };
    let (head, tail) = (sql[..open].trim(), &sql[close + 1..]);
    let mut depth = 0;
    let mut out = vec![String::new()];
    for letter in sql[open + 1..close].chars() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        match letter {
            ',' if depth == 0 => out.push(String::new()),
            _ => out.last_mut().expect("one").push(letter),
        }
    }
    out.iter()
        .map(|part| format!("{head} {} {tail}", part.trim()))
        .collect()
}

/// The rows of a type by number, a text for each column; null is `~`.
pub(super) async fn rows(store: &Store, table: &str, columns: &[Column]) -> BTreeMap<i64, Vec<String>> {
    let quote = |name: &str| store.context.dialect.quote(name);
    let mut cells = vec![quote(ROW_COLUMN)];
    cells.extend(
        columns
            .iter()
            .map(|column| format!("coalesce(CAST({} AS TEXT),'~')", quote(&column.name))),
    );
    let sql = format!("SELECT concat_ws('|',{}) FROM {}", cells.join(","), quote(table));
    let split = |line: String| {
        let mut cells = line.split('|').map(str::to_owned);
        let row = cells.next().and_then(|row| row.parse().ok()).expect("a number");
        (row, cells.collect())
    };
    lines(store, &sql).await.into_iter().map(split).collect()
}

/// The links of a join table: owner, and the whole line.
pub(super) async fn links(
    store: &Store,
    name: &str,
    owner: &[Column],
    targets: &[Column],
) -> BTreeSet<(String, String)> {
    let text = |columns: &[Column]| {
        let cells = columns
            .iter()
            .map(|column| format!("CAST({} AS TEXT)", store.context.dialect.quote(&column.name)));
        cells.collect::<Vec<_>>().join(",")
    };
    let sql = format!(
        "SELECT concat_ws('|',{}) || '=' || concat_ws('|',{},{}) FROM {}",
        text(owner),
        store.context.dialect.quote(POSITION_COLUMN),
        text(targets),
        store.context.dialect.quote(name)
    );
    let split = |line: String| {
        let (owner, _) = line.split_once('=').expect("two parts");
        (owner.to_owned(), line.clone())
    };
    lines(store, &sql).await.into_iter().map(split).collect()
}
