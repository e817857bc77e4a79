//! PostgreSQL's dialect. Knows PostgreSQL's functions and their traps; no business.

use std::borrow::Cow;

use sea_orm::DbBackend;
use sqlx::postgres::PgArguments;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    layout::ColumnKind,
    query::TextTest,
    store::{
        db::{
            dialect::{Dialect, Numbered, RowsOf, SHORT_MAX, SpansOf, closed_pattern},
            inside::Inside,
            made::{Bounds, ROWS_MARK, STEPS_MARK},
            params::{Kind, Params},
            pool::{ResultRow, get},
            search::Searches,
        },
        error::StoreError,
    },
    value::{Scalar, folded, replaced},
};

use super::{
    bounded,
    inside::ByExpressions,
    search::Words,
    spans,
    texts::{self, INDEXES, TABLES, array_of, items_index, key_name, rows_estimate, sealed, spreads, texts},
    totals::total,
};

/// Bytes of an identifier (NAMEDATALEN less one); the server cuts longer ones.
const NAME_MAX: usize = 63;
/// Bytes that a longer name keeps; an underscore and a hash of the whole follow.
const NAME_KEPT: usize = 46;
/// Rows of one statement: round trips are few already, and its arrays stay below some megabytes.
const ROWS_MAX: usize = 4_096;

/// Operands of a test of an indexed list: without the index each is looked for in each list.
const LISTED_MAX: usize = 50;
/// Rows from which on a copy is worth its second round trip.
const COPY_MIN: usize = if cfg!(test) { 2 } else { 64 };

/// The dialect of one connection's kind.
pub(crate) struct Postgres {
    /// Many new rows are copied: the server then writes them by pages and not one by one, a quarter
    /// quicker.
    copies: bool,
}

impl Postgres {
    /// A copy is two messages in a row. The driver (sqlx 0.9.0) leaves Nagle's algorithm on, so
    /// that over TCP the second one may wait 40 ms for the server to confirm the first.
    pub(crate) const OVER_TCP: Postgres = Postgres { copies: false };
    pub(crate) const OVER_SOCKET: Postgres = Postgres { copies: true };
}

impl Dialect for Postgres {
    fn params(&self) -> Params {
        Params::Postgres(PgArguments::default())
    }

    fn max_params(&self) -> usize {
        // The protocol counts them in 16 bits; drivers have failed beyond the signed half.
        32_767
    }

    fn row_sizes(&self, total: usize, _width: usize) -> Vec<usize> {
        let mut sizes = vec![ROWS_MAX; total / ROWS_MAX];
        sizes.extend(Some(total % ROWS_MAX).filter(|rest| *rest > 0));
        sizes
    }

    fn name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if name.len() <= NAME_MAX {
            return Cow::Borrowed(name);
        }
        let cut = (0..=NAME_KEPT).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        let (kept, _) = name.split_at(cut);
        Cow::Owned(format!("{kept}_{:016x}", xxh3_64(name.as_bytes())))
    }

    fn quote(&self, name: &str) -> String {
        format!("\"{}\"", self.name(name).replace('"', "\"\""))
    }

    fn param(&self, number: usize, kind: Kind) -> String {
        match kind {
            Kind::Decimal => format!("${number}::numeric"),
            _ => format!("${number}"),
        }
    }

    fn bulk_param(&self, number: usize) -> String {
        format!("${number}")
    }

    fn rows(&self, kinds: &[Kind], first: usize, _count: usize, numbered: Numbered) -> String {
        let mut cells = Vec::with_capacity(kinds.len() + 1);
        let mut arrays = Vec::with_capacity(kinds.len());
        let mut names = Vec::with_capacity(kinds.len() + 1);
        if numbered == Numbered::Yes {
            cells.push("u.n-1".to_owned());
        }
        for (at, kind) in kinds.iter().enumerate() {
            let (array, cast) = array_of(*kind);
            cells.push(format!("u.c{at}{cast}"));
            arrays.push(format!("${}::{array}[]", first + at));
            names.push(format!("c{at}"));
        }
        let ordinality = match numbered {
            Numbered::Yes => {
                names.push("n".to_owned());
                " WITH ORDINALITY"
            }
            Numbered::No => "",
        };
        format!(
            "SELECT {} FROM unnest({}){ordinality} AS u({})",
            cells.join(","),
            arrays.join(","),
            names.join(",")
        )
    }

    fn keys(&self, kinds: &[Kind], first: usize, count: usize) -> String {
        self.rows(kinds, first, count, Numbered::Yes)
    }

    /// Each would be planned, and has its way there and back.
    fn joins_operands(&self) -> bool {
        true
    }

    fn copies(&self, rows: usize) -> bool {
        self.copies && rows >= COPY_MIN
    }

    /// The arrays are unnested among the columns and not as a table, of which the server makes a
    /// copy first: a fifth quicker.
    fn add_rows(&self, table: &str, columns: &[&str], kinds: &[Kind], count: usize) -> String {
        if self.copies(count) {
            return format!("COPY {}({}) FROM STDIN", self.quote(table), self.names(columns));
        }
        let cells = kinds.iter().enumerate().map(|(at, kind)| {
            let (array, cast) = array_of(*kind);
            format!("unnest(${}::{array}[]){cast}", at + 1)
        });
        format!(
            "INSERT INTO {}({}) SELECT {}",
            self.quote(table),
            self.names(columns),
            cells.collect::<Vec<_>>().join(",")
        )
    }

    /// One plan for all values, by indexes: the planner does not know how many rows an array holds,
    /// nor that those of a table that grows meanwhile need not all be read.
    fn begin_load(&self) -> Option<&'static str> {
        Some(
            "BEGIN;SET LOCAL plan_cache_mode=force_generic_plan;SET LOCAL enable_seqscan=off;\
             SET LOCAL enable_hashjoin=off;SET LOCAL enable_mergejoin=off",
        )
    }

    fn backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    fn column_type(&self, kind: ColumnKind) -> &'static str {
        match Kind::of(kind) {
            Kind::Int => "BIGINT",
            Kind::Float => "DOUBLE PRECISION",
            Kind::Bool => "BOOLEAN",
            Kind::Decimal => "NUMERIC",
            // The order of bytes, which is that of code points, and the same on every machine.
            Kind::Text => "TEXT COLLATE \"C\"",
            Kind::Bytes => "BYTEA",
        }
    }

    /// Numbers are handed out by `hayloft_row_number`, inside the transaction.
    fn row_number_type(&self, table: &str) -> Cow<'static, str> {
        let key = self.quote(&key_name(table));
        Cow::Owned(format!("BIGINT NOT NULL CONSTRAINT {key} PRIMARY KEY"))
    }

    /// The one that the server chooses could be that of a later table.
    fn key_constraint(&self, table: &str) -> Option<String> {
        Some(self.name(&key_name(table)).into_owned())
    }

    /// Older tables have a name that the server chose.
    fn rename_key(&self, old: &str, new: &str) -> Option<String> {
        let (old, new) = (self.quote(&key_name(old)), self.quote(&key_name(new)));
        Some(format!("ALTER INDEX IF EXISTS {old} RENAME TO {new}"))
    }

    fn join_table_end(&self) -> &'static str {
        ""
    }

    fn collate(&self, _kind: ColumnKind) -> &'static str {
        ""
    }

    fn wire(&self, column: &str, kind: ColumnKind, nullable: bool) -> String {
        texts::wire(column, kind, nullable)
    }

    fn same(&self, left: &str, right: &str) -> String {
        format!("({left}={right} OR ({left} IS NULL AND {right} IS NULL))")
    }

    fn short(&self, text: &str) -> String {
        format!(
            "CASE WHEN length({text})<={SHORT_MAX} THEN {text} ELSE encode(sha256(convert_to({text},'UTF8')),'hex') END"
        )
    }

    /// A tenth faster than the function `concat`.
    fn concatenation(&self, parts: &[String]) -> String {
        format!("({})", parts.join("||"))
    }

    fn array(&self, text: &str, from: &str) -> String {
        // The rows of an ordered subquery are aggregated in its order; nothing runs in parallel
        // here, which could change that.
        format!("(SELECT concat('[',string_agg({text},','),']') FROM ({from}) AS a)")
    }

    fn rows_array(&self, text: &str, from: &str, _of: RowsOf, bounds: Bounds) -> String {
        bounded::rows_array(&self.array(text, from), text, from, bounds)
    }

    fn cut(&self, first: Option<&str>, bounds: Bounds) -> Option<String> {
        bounded::cut(first, bounds)
    }

    fn cursor(&self, signature: &str, values: &str) -> String {
        sealed(&format!("{}||{values}", self.literal(signature)))
    }

    fn total(&self, mean: bool, column: &str, scalar: Scalar) -> String {
        total(mean, column, scalar)
    }

    fn span(&self, column: &str, spans: &SpansOf<'_>) -> String {
        spans::span(column, spans)
    }

    fn span_wire(&self, span: &str, kind: ColumnKind) -> String {
        self.wire(&spans::stored(span, kind), kind, true)
    }

    fn spans(&self, table: &str, column: &str, spans: &SpansOf<'_>, most: u64) -> String {
        spans::spans(table, column, spans, most)
    }

    fn within(&self, count: &str, bounds: Bounds) -> String {
        bounded::within(count, bounds.rows, ROWS_MARK)
    }

    fn steps_within(&self, steps: &str, most: u32, closure: &str) -> String {
        bounded::within(steps, u64::from(most), &format!("{STEPS_MARK}{closure}:"))
    }

    fn to_look_up(&self, columns: &str, rows: String) -> String {
        // It expects millions of rows of any recursion, which it would go through for each row that
        // is asked. Of a column whose values it knows nothing of, it expects 200 different ones.
        format!("SELECT DISTINCT {columns} FROM ({rows}) AS w")
    }

    fn join_texts(&self, text: &str) -> String {
        format!("string_agg({text},',')")
    }

    fn member(&self, document: &str, name: &str) -> String {
        format!("(({document})::json->'{name}')::text")
    }

    fn value_member(&self, document: &str, way: &[String], kind: ColumnKind) -> String {
        texts::value_member(document, way, kind)
    }

    fn elements(&self, document: &str, alias: &str) -> String {
        format!("json_array_elements_text(({document})::json) WITH ORDINALITY AS {alias}(value,key)")
    }

    fn text_test(&self, column: &str, test: TextTest, param: &str, whole: Option<&str>) -> String {
        match test {
            TextTest::Contains => format!("position({param} in {column})>0"),
            TextTest::StartsWith => format!("starts_with({column},{param})"),
            TextTest::EndsWith => format!("right({column},length({param}))={param}"),
            TextTest::Like => format!("{column} LIKE {param}"),
            TextTest::ILike => texts::like_folded(column, param, whole.unwrap_or("''")),
        }
    }

    fn pattern(&self, test: TextTest, text: &str) -> String {
        match test {
            TextTest::Like => closed_pattern(text),
            TextTest::ILike => closed_pattern(&folded(text)),
            TextTest::Contains | TextTest::StartsWith | TextTest::EndsWith => text.to_owned(),
        }
    }

    /// The letters that `ilike` replaces.
    fn takes_whole_patterns(&self, test: TextTest) -> bool {
        test == TextTest::ILike
    }

    fn whole_pattern<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replaced(&folded(text)).into()
    }

    fn before_chain(&self) -> &'static str {
        ","
    }

    fn chain(&self) -> &'static str {
        "JOIN"
    }

    fn no_limit(&self) -> &'static str {
        "ALL"
    }

    fn now(&self, seconds: i64) -> String {
        // The collation goes over to what it is compared with: times are compared as bytes.
        format!(
            "to_char(statement_timestamp() AT TIME ZONE 'UTC'+interval '{seconds} seconds','YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') COLLATE \"C\""
        )
    }

    fn early_commit(&self) -> Option<&'static str> {
        Some("SET LOCAL synchronous_commit=off")
    }

    fn epoch(&self) -> &'static str {
        "substr(md5(random()::text||clock_timestamp()::text||pg_backend_pid()::text),1,16)"
    }

    fn for_update(&self) -> &'static str {
        " FOR UPDATE"
    }

    fn skip_locked(&self) -> &'static str {
        " FOR UPDATE SKIP LOCKED"
    }

    fn announce(&self) -> Option<&'static str> {
        Some("SELECT pg_notify('hayloft_commit',$1)")
    }

    fn place(&self) -> Option<[&'static str; 4]> {
        Some([
            "SELECT system_identifier::text FROM pg_control_system()",
            // The first eight digits of a journal file's name are its timeline, from the moment of
            // a promotion on. A standby has none yet.
            "SELECT CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()),1,8) END",
            "SELECT oid::text FROM pg_database WHERE datname=current_database()",
            "SELECT 'hayloft_feed_head'::regclass::oid::text",
        ])
    }

    fn alters_columns(&self) -> bool {
        true
    }

    /// Loads begin with their row numbers, so that none is under way in these tables then, and none
    /// waits for another.
    fn before_migration(&self) -> &'static [&'static str] {
        &["LOCK TABLE hayloft_row_number IN ACCESS EXCLUSIVE MODE"]
    }

    fn indexes(&self) -> &'static str {
        INDEXES
    }

    fn list_index(&self, index: &str, table: &str, column: &str, items: ColumnKind) -> Option<String> {
        Some(items_index(&[index, table, column].map(|name| self.quote(name)), items))
    }

    fn inside(&self) -> &'static dyn Inside {
        &ByExpressions
    }

    fn searches(&self) -> &'static dyn Searches {
        &Words
    }

    fn list_test(&self, column: &str, items: ColumnKind, all: bool, params: &[String]) -> Option<String> {
        let sign = if all { "?&" } else { "?|" };
        let test = format!("{} {sign} ARRAY[{}]::text[]", texts(column, items), params.join(","));
        (params.len() <= LISTED_MAX).then_some(test)
    }

    fn rename_index(&self, old: &str, new: &str, _sql: &str) -> Vec<String> {
        vec![format!("ALTER INDEX {} RENAME TO {}", self.quote(old), self.quote(new))]
    }

    fn rows_estimate(&self, table: &str) -> Option<String> {
        Some(rows_estimate(&self.literal(&self.name(table))))
    }

    /// The transaction that holds the turn to build lies idle meanwhile.
    fn before_build(&self) -> &'static [&'static str] {
        &["SET LOCAL idle_in_transaction_session_timeout=0"]
    }

    fn lock_wait(&self, seconds: u32) -> Option<String> {
        Some(format!("SET LOCAL lock_timeout='{seconds}s'"))
    }

    fn build_beside(&self, index: &str, sql: &str) -> Option<[String; 2]> {
        let beside = sql.replacen("INDEX ", "INDEX CONCURRENTLY ", 1);
        Some([format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"), beside])
    }

    fn makes_skipped(&self) -> bool {
        true
    }

    fn turns_conditions(&self) -> bool {
        true
    }

    /// What comes after it in the order is sorted in groups.
    fn keeps_order_within(&self) -> bool {
        true
    }

    fn nulls_last(&self) -> &'static str {
        " NULLS LAST"
    }

    fn table_bytes(&self, table: &str) -> Option<String> {
        let table = self.literal(&self.quote(table));
        Some(format!("SELECT pg_relation_size(to_regclass({table}))"))
    }

    fn before_drop(&self) -> &'static [&'static str] {
        &["SET LOCAL lock_timeout='200ms'"]
    }

    fn known_rows(&self, table: &str) -> String {
        self.rows_estimate(table).unwrap_or_default()
    }

    fn spreads(&self, table: &str, columns: &[&str]) -> Option<String> {
        let table = self.literal(&self.name(table));
        let columns: Vec<String> = columns.iter().map(|name| self.literal(&self.name(name))).collect();
        Some(spreads(&table, &columns.join(",")))
    }

    /// Who vacuums or looks at the same table already is not waited for.
    fn analyze(&self, tables: &[String]) -> Vec<String> {
        vec![format!("ANALYZE (SKIP_LOCKED) {}", tables.join(","))]
    }

    /// They are kept by the name of the table.
    fn keep_row_numbers(&self, _old: &str, _new: &str) -> Vec<String> {
        Vec::new()
    }

    fn rename_row_numbers(&self, old: &str, new: &str) -> Vec<String> {
        let (old, new) = (self.literal(old), self.literal(new));
        vec![
            format!("DELETE FROM hayloft_row_number WHERE name={new}"),
            format!("UPDATE hayloft_row_number SET name={new} WHERE name={old}"),
        ]
    }

    fn exclusive(&self) -> bool {
        false
    }

    fn savepoints(&self) -> bool {
        true
    }

    fn table_names(&self) -> &'static str {
        TABLES
    }

    fn explain(&self, sql: &str) -> String {
        format!("EXPLAIN {sql}")
    }

    fn plan(&self, rows: &[ResultRow]) -> Result<Vec<String>, StoreError> {
        rows.iter().map(|row| get(row, 0)).collect()
    }
}

#[cfg(test)]
mod tests;
