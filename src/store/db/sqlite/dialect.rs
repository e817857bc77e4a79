//! SQLite's dialect. Knows SQLite's functions and their traps; no business.

use std::{borrow::Cow, collections::HashMap};

use sea_orm::DbBackend;

use crate::{
    layout::ColumnKind,
    query::TextTest,
    store::{
        db::{
            dialect::{Dialect, Numbered, RowsOf, SpansOf, full_width},
            inside::Inside,
            made::Bounds,
            params::{Kind, Params},
            pool::{ResultRow, get},
            search::Searches,
        },
        error::StoreError,
    },
    value::{MEAN_PLACES, Scalar},
};

use super::{
    functions::{self, totals::Totals},
    inside::ByFunctions,
    like::{ascii_prefix, prefix},
    search::Fts5,
    spans,
};

/// The collation of decimal columns, registered on every connection.
pub(crate) const DECIMAL_COLLATION: &str = "hayloft_decimal";

/// Rows of one statement, largest first. A remainder is put together from the smaller ones, so that
/// few texts are ever prepared and all of them stay in the statement cache.
const SIZES: [usize; 5] = [512, 64, 16, 4, 1];

pub(crate) struct Sqlite;

impl Dialect for Sqlite {
    fn params(&self) -> Params {
        Params::Sqlite(sqlx::sqlite::SqliteArguments::default())
    }

    fn max_params(&self) -> usize {
        // SQLITE_MAX_VARIABLE_NUMBER of the bundled build.
        32_766
    }

    fn row_sizes(&self, total: usize, width: usize) -> Vec<usize> {
        let most = (self.max_params().saturating_sub(8) / width.max(1)).max(1);
        let mut left = total;
        let mut out = Vec::new();
        while left > 0 {
            let fits = |size: &&usize| **size <= left && **size <= most;
            let size = SIZES.iter().find(fits).copied().unwrap_or(1);
            out.push(size);
            left -= size;
        }
        out
    }

    fn name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        Cow::Borrowed(name)
    }

    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    fn param(&self, number: usize, _kind: Kind) -> String {
        format!("?{number}")
    }

    /// Without a number: numbered ones are looked up by name, one by one, at every binding.
    fn bulk_param(&self, _number: usize) -> String {
        "?".to_owned()
    }

    fn rows(&self, kinds: &[Kind], first: usize, count: usize, numbered: Numbered) -> String {
        values(kinds.len(), count, numbered, |at| self.bulk_param(first + at))
    }

    /// Those without a number are counted from the first one on, whatever has numbers.
    fn numbers(&self, first: usize, count: usize) -> String {
        match first {
            1 => self.rows(&[Kind::Int], 1, count, Numbered::No),
            _ => values(1, count, Numbered::No, |at| format!("?{}", first + at)),
        }
    }

    fn keys(&self, kinds: &[Kind], first: usize, count: usize) -> String {
        values(kinds.len(), count, Numbered::Yes, |at| format!("?{}", first + at))
    }

    /// Its planner goes by what it knows of the indexes, and the statements say the rest.
    fn begin_load(&self) -> Option<&'static str> {
        None
    }

    fn backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    fn column_type(&self, kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Scalar(Scalar::Int | Scalar::BigInt | Scalar::Duration | Scalar::Boolean) => "INTEGER",
            ColumnKind::Scalar(Scalar::Float) => "REAL",
            ColumnKind::Scalar(Scalar::Decimal) => "TEXT COLLATE hayloft_decimal",
            _ => "TEXT",
        }
    }

    fn row_number_type(&self, _table: &str) -> Cow<'static, str> {
        Cow::Borrowed("integer NOT NULL PRIMARY KEY AUTOINCREMENT")
    }

    fn key_constraint(&self, _table: &str) -> Option<String> {
        None
    }

    fn rename_key(&self, _old: &str, _new: &str) -> Option<String> {
        None
    }

    /// The rows themselves are then kept in the order of the key.
    fn join_table_end(&self) -> &'static str {
        "WITHOUT ROWID"
    }

    fn collate(&self, kind: ColumnKind) -> &'static str {
        match kind {
            ColumnKind::Scalar(Scalar::Decimal) => " COLLATE hayloft_decimal",
            _ => "",
        }
    }

    fn wire(&self, column: &str, kind: ColumnKind, nullable: bool) -> String {
        let or_null = |text: String| {
            if nullable {
                format!("coalesce({text},'null')")
            } else {
                text
            }
        };
        match kind {
            ColumnKind::Document | ColumnKind::Scalar(Scalar::Json) => or_null(column.to_owned()),
            ColumnKind::Scalar(Scalar::Int) => or_null(column.to_owned()),
            ColumnKind::Scalar(Scalar::BigInt) => or_null(format!("'\"'||{column}||'\"'")),
            ColumnKind::Scalar(Scalar::Boolean) => {
                format!("CASE {column} WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE 'null' END")
            }
            ColumnKind::Scalar(Scalar::DateTime | Scalar::Time) => format!("{}({column})", functions::TIME),
            ColumnKind::Scalar(Scalar::Duration) => format!("{}({column})", functions::DURATION),
            ColumnKind::Scalar(Scalar::Float) => format!("{}({column})", functions::FLOAT),
            ColumnKind::Scalar(_) | ColumnKind::Enum => format!("json_quote({column})"),
        }
    }

    fn same(&self, left: &str, right: &str) -> String {
        format!("{left} IS {right}")
    }

    fn short(&self, text: &str) -> String {
        format!("{}({text})", functions::SHORT)
    }

    /// One call instead of a chain of `||`: one copy.
    fn concatenation(&self, parts: &[String]) -> String {
        format!("concat({})", parts.join(","))
    }

    fn array(&self, text: &str, from: &str) -> String {
        // SQLite keeps the order of a subquery for aggregates whose result depends on it; a test
        // holds it to that.
        format!("(SELECT concat('[',group_concat({text}),']') FROM ({from}))")
    }

    /// A function of ours, which counts as it goes.
    fn rows_array(&self, text: &str, from: &str, of: RowsOf, _bounds: Bounds) -> String {
        let function = match of {
            RowsOf::Answer => functions::ROOT_ROWS,
            RowsOf::Row => functions::ROWS,
        };
        format!("(SELECT {function}({text}) FROM ({from}))")
    }

    fn beside(&self, text: &str) -> String {
        format!("{}({text})", functions::BESIDE)
    }

    fn cursor(&self, signature: &str, values: &str) -> String {
        format!("{}({},{values})", functions::CURSOR, self.literal(signature))
    }

    fn total(&self, mean: bool, column: &str, scalar: Scalar) -> String {
        let totals = match (scalar, mean) {
            (Scalar::Int, false) => return format!("sum({column})"),
            (Scalar::BigInt | Scalar::Decimal, false) => Totals::SumDecimal,
            (Scalar::BigInt | Scalar::Decimal, true) => Totals::AvgDecimal,
            (Scalar::Float, false) => Totals::SumFloat,
            (Scalar::Int | Scalar::Float, true) => Totals::AvgFloat,
            (Scalar::Duration, false) => Totals::SumDuration,
            (Scalar::Duration, true) => Totals::AvgDuration,
            _ => return "NULL".to_owned(),
        };
        format!("{}({column})", totals.name())
    }

    fn exact_sum(&self, column: &str) -> String {
        self.total(false, column, Scalar::Decimal)
    }

    fn is_fine(&self, column: &str) -> String {
        format!("length({column})-instr({column}||'.','.')>{MEAN_PLACES}")
    }

    fn span(&self, column: &str, spans: &SpansOf<'_>) -> String {
        spans::span(column, spans)
    }

    fn spans(&self, table: &str, column: &str, spans: &SpansOf<'_>, _most: u64) -> String {
        spans::spans(table, column, spans)
    }

    fn within(&self, count: &str, _bounds: Bounds) -> String {
        format!("{}({count})", functions::spans::WITHIN)
    }

    fn steps_within(&self, steps: &str, most: u32, closure: &str) -> String {
        format!("{}({steps},{most},{})", functions::spans::STEPS, self.literal(closure))
    }

    fn join_texts(&self, text: &str) -> String {
        format!("group_concat({text})")
    }

    fn member(&self, document: &str, name: &str) -> String {
        format!("({document}->'$.\"{name}\"')")
    }

    fn value_member(&self, document: &str, way: &[String], kind: ColumnKind) -> String {
        let names: Vec<String> = way.iter().map(|name| format!(".\"{name}\"")).collect();
        let way = self.literal(&format!("${}", names.concat()));
        let (text, json) = (format!("({document}->>{way})"), format!("({document}->{way})"));
        match kind {
            ColumnKind::Document | ColumnKind::Scalar(Scalar::Json) => format!("nullif({json},'null')"),
            ColumnKind::Scalar(Scalar::Float) => format!("{}({json})", functions::NUMBER),
            ColumnKind::Scalar(Scalar::Duration) => format!("{}({text})", functions::MICROS),
            ColumnKind::Scalar(Scalar::BigInt) => format!("CAST({text} AS INTEGER)"),
            ColumnKind::Scalar(Scalar::DateTime | Scalar::Time) => full_width(&text, kind),
            ColumnKind::Scalar(_) | ColumnKind::Enum => text,
        }
    }

    fn elements(&self, document: &str, alias: &str) -> String {
        format!("json_each({document}) AS {alias}")
    }

    /// Patterns are matched by functions of ours; by the begin of its texts an index finds them.
    fn text_test(&self, column: &str, test: TextTest, param: &str, whole: Option<&str>) -> String {
        let whole = |function: &str| whole.map_or(String::new(), |whole| format!(" AND {function}({whole},{column})"));
        match test {
            TextTest::Contains => format!("{}({param},{column})", functions::CONTAINS),
            TextTest::StartsWith => format!("substr({column},1,length({param}))={param}"),
            TextTest::EndsWith => {
                format!("({column} IS NOT NULL AND ({param}='' OR substr({column},-length({param}))={param}))")
            }
            TextTest::Like => format!("({column} GLOB {param}{})", whole(functions::LIKE)),
            TextTest::ILike => format!("({column} LIKE {param} ESCAPE '\\'{})", whole(functions::ILIKE)),
        }
    }

    fn pattern(&self, test: TextTest, text: &str) -> String {
        match test {
            TextTest::Like => begins(&prefix(text), '*', |letter| match letter {
                '*' | '?' | '[' => Some(('[', Some(']'))),
                _ => None,
            }),
            TextTest::ILike => begins(&ascii_prefix(text), '%', |letter| match letter {
                '%' | '_' | '\\' => Some(('\\', None)),
                _ => None,
            }),
            TextTest::Contains | TextTest::StartsWith | TextTest::EndsWith => text.to_owned(),
        }
    }

    fn takes_whole_patterns(&self, test: TextTest) -> bool {
        matches!(test, TextTest::Like | TextTest::ILike)
    }

    /// The sign keeps SQLite from making a join of it, as 3.51 does: each row that matches in there
    /// would count as one row to skip, and not the row that it is asked about.
    fn exists_beside_offset(&self) -> &'static str {
        "+EXISTS"
    }

    /// Both are nested loops, and a subquery is begun and ended for each row.
    fn joins_rows(&self) -> bool {
        true
    }

    /// Keeps SQLite's planner on that way.
    fn before_chain(&self) -> &'static str {
        " CROSS JOIN "
    }

    fn chain(&self) -> &'static str {
        "CROSS JOIN"
    }

    fn no_limit(&self) -> &'static str {
        "-1"
    }

    fn now(&self, seconds: i64) -> String {
        format!("strftime('%Y-%m-%dT%H:%M:%fZ','now','{seconds} seconds')")
    }

    /// A transaction that writes has the whole database.
    fn for_update(&self) -> &'static str {
        ""
    }

    fn skip_locked(&self) -> &'static str {
        ""
    }

    /// The next write would wait for the disk all the same.
    fn early_commit(&self) -> Option<&'static str> {
        None
    }

    fn epoch(&self) -> &'static str {
        "lower(hex(randomblob(8)))"
    }

    fn alters_columns(&self) -> bool {
        false
    }

    /// There is one writer, and we are it.
    fn before_migration(&self) -> &'static [&'static str] {
        &[]
    }

    fn indexes(&self) -> &'static str {
        "SELECT m.name,m.tbl_name,(SELECT group_concat(name) FROM (SELECT i.name FROM pragma_index_info(m.name) AS i ORDER BY i.seqno)),\
         l.\"unique\" FROM sqlite_master AS m JOIN pragma_index_list(m.tbl_name) AS l ON l.name=m.name \
         WHERE m.type='index' AND m.sql IS NOT NULL AND l.partial=0"
    }

    /// They are tables without row numbers, whose rows an index names by their key.
    fn links_end_with_key(&self) -> bool {
        true
    }

    fn inside(&self) -> &'static dyn Inside {
        &ByFunctions
    }

    fn searches(&self) -> &'static dyn Searches {
        &Fts5
    }

    fn keeps_items(&self) -> bool {
        true
    }

    /// It knows no other way.
    fn rename_index(&self, old: &str, _new: &str, sql: &str) -> Vec<String> {
        vec![format!("DROP INDEX {}", self.quote(old)), sql.to_owned()]
    }

    fn rows_estimate(&self, _table: &str) -> Option<String> {
        None
    }

    fn before_build(&self) -> &'static [&'static str] {
        &[]
    }

    fn build_beside(&self, _index: &str, _sql: &str) -> Option<[String; 2]> {
        None
    }

    /// What is sorted goes to a file whenever it is as large as the cache, so a small one is
    /// enough.
    fn spill(&self) -> Option<[&'static str; 2]> {
        Some([
            "PRAGMA temp_store=file;PRAGMA cache_size=-4096",
            "PRAGMA temp_store=memory;PRAGMA cache_size=-16384",
        ])
    }

    /// Pages that are mapped count as this process's memory once they were visited: here that would
    /// be the whole file.
    fn before_measure(&self) -> Option<&'static str> {
        Some("PRAGMA mmap_size=0")
    }

    fn before_drop(&self) -> &'static [&'static str] {
        &[]
    }

    /// The text begins with the number of rows.
    fn known_rows(&self, table: &str) -> String {
        let table = self.literal(table);
        format!("SELECT max(CAST(stat AS INTEGER)) FROM sqlite_stat1 WHERE tbl={table}")
    }

    /// Other connections read statistics with the schema only, and that only when it has changed.
    fn analyze(&self, tables: &[String]) -> Vec<String> {
        let analyze = tables.iter().map(|table| format!("ANALYZE {table}"));
        let changes = ["CREATE VIEW hayloft_analyzed AS SELECT 1", "DROP VIEW hayloft_analyzed"];
        analyze.chain(changes.map(str::to_owned)).collect()
    }

    fn keep_row_numbers(&self, old: &str, new: &str) -> Vec<String> {
        let (old, new) = (self.literal(old), self.literal(new));
        vec![
            format!("DELETE FROM sqlite_sequence WHERE name={new}"),
            format!("UPDATE sqlite_sequence SET name={new} WHERE name={old}"),
        ]
    }

    /// SQLite renames its own note of it.
    fn rename_row_numbers(&self, _old: &str, _new: &str) -> Vec<String> {
        Vec::new()
    }

    fn exclusive(&self) -> bool {
        true
    }

    fn savepoints(&self) -> bool {
        false
    }

    fn table_names(&self) -> &'static str {
        "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    }

    fn explain(&self, sql: &str) -> String {
        format!("EXPLAIN QUERY PLAN {sql}")
    }

    fn plan(&self, rows: &[ResultRow]) -> Result<Vec<String>, StoreError> {
        let mut depths: HashMap<i64, usize> = HashMap::new();
        let mut plan = Vec::new();
        for row in rows {
            let (id, parent): (i64, i64) = (get(row, 0)?, get(row, 1)?);
            let depth = depths.get(&parent).map_or(0, |depth| depth + 1);
            depths.insert(id, depth);
            plan.push(format!("{}{}", "  ".repeat(depth), get::<String>(row, 3)?));
        }
        Ok(plan)
    }
}

/// The pattern of all texts that begin so. `LIKE` of SQLite knows no case, `GLOB` does; `special`
/// gives what stands before and after a letter that would not stand for itself.
fn begins(prefix: &str, any: char, special: impl Fn(char) -> Option<(char, Option<char>)>) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 4);
    for letter in prefix.chars() {
        let around = special(letter);
        pattern.extend(around.map(|(before, _)| before));
        pattern.push(letter);
        pattern.extend(around.and_then(|(_, after)| after));
    }
    pattern.push(any);
    pattern
}

/// `VALUES (…),(…)`; `param` writes the cell with this number, from 0.
fn values(width: usize, count: usize, numbered: Numbered, param: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(count * (2 * width + 8) + 8);
    out.push_str("VALUES ");
    for row in 0..count {
        out.push_str(if row == 0 { "(" } else { ",(" });
        if numbered == Numbered::Yes {
            out.push_str(&row.to_string());
            out.push(',');
        }
        for at in 0..width {
            if at > 0 {
                out.push(',');
            }
            out.push_str(&param(row * width + at));
        }
        out.push(')');
    }
    out
}
