//! What differs between databases in the SQL we write. Knows fragments of text; no rows, no runs,
//! no connection.

use std::borrow::Cow;

use sea_orm::DbBackend;

use crate::{
    catalog::Leaf,
    layout::ColumnKind,
    query::{Function, TextTest},
    store::error::StoreError,
    value::{MEAN_PLACES, Scalar, Unit, Zone},
};

use super::{
    inside::Inside,
    made::Bounds,
    params::{Kind, Params},
    pool::ResultRow,
    search::Searches,
};

/// Whether rows of parameters carry their place, from 0, as the first column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    Yes,
    No,
}

/// Spans of time of a column.
pub(crate) struct SpansOf<'z> {
    /// Of the values.
    pub kind: ColumnKind,
    pub unit: Unit,
    pub zone: Option<&'z Zone>,
    /// An expression for the microseconds by which they begin later.
    pub shift: Option<String>,
}

/// Where a list of rows stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsOf {
    /// In the answer itself.
    Answer,
    /// In a row, or in one below.
    Row,
}

/// Texts of one chain, 50 pairs of a key and a value: functions of PostgreSQL take 100 arguments,
/// those of older builds of SQLite 127, and parsers recurse over long chains of operators.
pub(crate) const CHAIN_MAX: usize = 100;
/// Stands between the type of a column and its order.
const COLLATE: &str = " COLLATE ";

/// Signs of a text that is a key by itself; a longer one might be more than an index holds.
pub(crate) const SHORT_MAX: usize = 200;

/// One database's way of writing what the store needs. Small on purpose, and without any business
/// logic.
pub(crate) trait Dialect: Send + Sync + 'static {
    /// Parameters for this database, none yet.
    fn params(&self) -> Params;
    /// The most parameters that one statement may have.
    fn max_params(&self) -> usize;
    /// Cuts `total` rows of `width` cells into statements.
    fn row_sizes(&self, total: usize, width: usize) -> Vec<usize>;
    /// A name as the database can keep it.
    fn name<'n>(&self, name: &'n str) -> Cow<'n, str>;
    /// A quoted identifier.
    fn quote(&self, name: &str) -> String;
    /// Quoted names with commas.
    fn names(&self, names: &[&str]) -> String {
        names.iter().map(|name| self.quote(name)).collect::<Vec<_>>().join(",")
    }
    /// The same to be read, of a table or its alias: exact numbers as the text that they are
    /// elsewhere.
    fn read_names(&self, table: &str, columns: &[(&str, Kind)]) -> String {
        let read = |(name, kind): &(&str, Kind)| match kind {
            Kind::Decimal => format!("CAST({table}.{} AS TEXT)", self.quote(name)),
            _ => format!("{table}.{}", self.quote(name)),
        };
        columns.iter().map(read).collect::<Vec<_>>().join(",")
    }
    /// The parameter with this number, counted from 1, as a value of this kind.
    fn param(&self, number: usize, kind: Kind) -> String;
    /// The placeholder in statements of many rows, whose parameters stand in the order of their
    /// numbers.
    fn bulk_param(&self, number: usize) -> String;
    /// Rows of [`super::rows::Rows`] as a table, the first of their parameters being `first`.
    fn rows(&self, kinds: &[Kind], first: usize, count: usize, numbered: Numbered) -> String;
    /// The same for numbers alone, in a statement that has parameters before them, which are
    /// numbered.
    fn numbers(&self, first: usize, count: usize) -> String {
        self.rows(&[Kind::Int], first, count, Numbered::No)
    }
    /// The same for keys, whose parameters may stand anywhere in the statement; with their places.
    fn keys(&self, kinds: &[Kind], first: usize, count: usize) -> String;
    /// Whether so many new rows are copied into a table and not inserted.
    fn copies(&self, _rows: usize) -> bool {
        false
    }
    /// Adds `count` rows to a table; `kinds` are those of its columns.
    fn add_rows(&self, table: &str, columns: &[&str], kinds: &[Kind], count: usize) -> String {
        let (table, names) = (self.quote(table), self.names(columns));
        format!(
            "INSERT INTO {table}({names}) {}",
            self.rows(kinds, 1, count, Numbered::No)
        )
    }
    /// Begins a transaction that finds rows by their keys only, where that is said.
    fn begin_load(&self) -> Option<&'static str>;
    /// By which sea-query writes its statements.
    fn backend(&self) -> DbBackend;
    /// The column's type, collation included.
    fn column_type(&self, kind: ColumnKind) -> &'static str;
    /// No value, in the type and the order of a column.
    fn null(&self, kind: ColumnKind) -> String {
        let whole = self.column_type(kind);
        match whole.split_once(COLLATE) {
            Some((of, order)) => format!("CAST(NULL AS {of}){COLLATE}{order}"),
            None => format!("CAST(NULL AS {whole})"),
        }
    }
    /// The type of a table's column of row numbers, which are never handed out twice.
    fn row_number_type(&self, table: &str) -> Cow<'static, str>;
    /// The name of a table's primary key, where keys stand among the tables under a name.
    fn key_constraint(&self, table: &str) -> Option<String>;
    /// After a table was renamed: its primary key follows.
    fn rename_key(&self, old: &str, new: &str) -> Option<String>;
    /// What ends the definition of a join table.
    fn join_table_end(&self) -> &'static str;
    /// What follows an expression that is compared or ordered, for kinds that do not compare as
    /// they are stored.
    fn collate(&self, kind: ColumnKind) -> &'static str;
    /// The wire form of a column as JSON text that is never SQL null.
    fn wire(&self, column: &str, kind: ColumnKind, nullable: bool) -> String;
    /// A text as a SQL literal. A backslash is one in both: PostgreSQL has
    /// `standard_conforming_strings` set by each connection of ours.
    fn literal(&self, text: &str) -> String {
        format!("'{}'", text.replace('\'', "''"))
    }
    /// Several texts put together by one expression; none of them is null.
    fn concatenation(&self, parts: &[String]) -> String;
    /// Texts put together; none of them is null. Long lists in parts, so that no call has too many
    /// arguments and no expression is too deep.
    fn concat(&self, parts: &[String]) -> String {
        match parts {
            [] => "''".to_owned(),
            [one] => one.clone(),
            _ if parts.len() <= CHAIN_MAX => self.concatenation(parts),
            _ => {
                let chunks: Vec<String> = parts.chunks(CHAIN_MAX).map(|chunk| self.concat(chunk)).collect();
                self.concat(&chunks)
            }
        }
    }
    /// Aggregates the text expression `text` over ordered rows to a JSON array.
    fn array(&self, text: &str, from: &str) -> String;
    /// The same of rows of the answer, which ends the statement when they are too many.
    fn rows_array(&self, text: &str, from: &str, of: RowsOf, bounds: Bounds) -> String;
    /// How many rows such a list is to have at most, when the read says `first`; none: as many as
    /// there are.
    fn cut(&self, first: Option<&str>, _bounds: Bounds) -> Option<String> {
        first.map(str::to_owned)
    }
    /// A text of the answer that stands for itself, where such lie beside the rows.
    fn beside(&self, text: &str) -> String {
        text.to_owned()
    }
    /// Whether two values are the same, or both null. Not every database does that by an index.
    fn same(&self, left: &str, right: &str) -> String;
    /// A text that is short enough for a key: itself, or of a longer one its hash.
    fn short(&self, text: &str) -> String;
    /// The cursor with this signature and these values as JSON text: what `query::sealed` makes of
    /// the two, in quotation marks; null for null.
    fn cursor(&self, signature: &str, values: &str) -> String;
    /// A function of a column's values over many rows, and the kind of what it gives: null where
    /// there is nothing to give.
    fn measure(&self, function: Function, column: &str, kind: ColumnKind) -> (String, ColumnKind) {
        let end = |name: &str| match kind {
            // Zero has one sign.
            ColumnKind::Scalar(Scalar::Float) => format!("({name}({column})+0.0)"),
            _ => format!("{name}({column})"),
        };
        let scalar = scalar_of(kind);
        let given = function.of(Leaf::Scalar(scalar)).unwrap_or(scalar);
        match function {
            Function::CountDistinct => (format!("count(DISTINCT {column})"), ColumnKind::Scalar(Scalar::Int)),
            Function::Min => (end("min"), kind),
            Function::Max => (end("max"), kind),
            Function::Sum => (self.total(false, column, scalar), ColumnKind::Scalar(given)),
            Function::Avg => (self.total(true, column, scalar), ColumnKind::Scalar(given)),
        }
    }
    /// The sum, or the mean, of a column of numbers: null of nothing, and of what its type cannot
    /// hold.
    fn total(&self, mean: bool, column: &str, scalar: Scalar) -> String;
    /// The sum of a column of numbers with all its digits, whatever their type; null of nothing.
    fn exact_sum(&self, column: &str) -> String {
        // The digits that are shown, so that the order of the rows makes no difference.
        self.total(
            false,
            &format!("CAST(CAST({column} AS TEXT) AS NUMERIC)"),
            Scalar::Decimal,
        )
    }
    /// Whether a decimal number has more places behind the point than a mean has at least.
    fn is_fine(&self, column: &str) -> String {
        format!("scale({column})>{MEAN_PLACES}")
    }
    /// The span of time that a value falls into, as a value that can be compared.
    fn span(&self, column: &str, spans: &SpansOf<'_>) -> String;
    /// Where a span begins as JSON text that is never SQL null.
    fn span_wire(&self, span: &str, kind: ColumnKind) -> String {
        self.wire(span, kind, true)
    }
    /// `SELECT b …` of the spans from the least to the greatest one in a column of a table, at most
    /// a few more than `most`.
    fn spans(&self, table: &str, column: &str, spans: &SpansOf<'_>, most: u64) -> String;
    /// A condition that is true, or ends the statement where a count is larger than an answer may
    /// have rows.
    fn within(&self, count: &str, bounds: Bounds) -> String;
    /// The same where there are more steps than the closure of this name may have.
    fn steps_within(&self, steps: &str, most: u32, closure: &str) -> String;
    /// Rows, each there once, for a condition that looks others up among all of them: the planner
    /// is told to keep them where a row is found at once.
    fn to_look_up(&self, _columns: &str, rows: String) -> String {
        rows
    }
    /// Aggregates a text expression to one text with commas between, in any order.
    fn join_texts(&self, text: &str) -> String;
    /// The member `name` of the JSON object `document`: JSON text or SQL null.
    fn member(&self, document: &str, name: &str) -> String;
    /// A member of the value object `document`, by the names on the way to it, in the form in which
    /// a column of this kind holds it; null where there is none.
    fn value_member(&self, document: &str, way: &[String], kind: ColumnKind) -> String;
    /// The elements of the JSON array `document` as rows of `alias` with the columns `key` and
    /// `value`.
    fn elements(&self, document: &str, alias: &str) -> String;
    /// `contains`, `startsWith`, `endsWith`, `like` and `ilike`; `whole` is the operand a second
    /// time, where [`Dialect::takes_whole_patterns`].
    fn text_test(&self, column: &str, test: TextTest, param: &str, whole: Option<&str>) -> String;
    /// The operand of a test in the form that [`Dialect::text_test`] expects.
    fn pattern(&self, test: TextTest, text: &str) -> String;
    /// Whether a test is given its operand a second time, as [`Dialect::whole_pattern`] has it.
    fn takes_whole_patterns(&self, _test: TextTest) -> bool {
        false
    }
    /// The operand of a pattern as it was written, or what else the test needs of it.
    fn whole_pattern<'t>(&self, text: &'t str) -> Cow<'t, str> {
        text.into()
    }
    /// The word for "there is a row" in the filter of a statement with an `OFFSET`.
    fn exists_beside_offset(&self) -> &'static str {
        "EXISTS"
    }
    /// Whether what is selected is made of rows that an `OFFSET` skips, too.
    fn makes_skipped(&self) -> bool {
        false
    }
    /// Whether the planner begins at the rows behind a condition where that is sooner.
    fn turns_conditions(&self) -> bool {
        false
    }
    /// Whether a join goes on in the order of a table within its `FROM`.
    fn keeps_order_within(&self) -> bool {
        false
    }
    /// Whether the row that another one leads to is found sooner by a join than by a subquery.
    fn joins_rows(&self) -> bool {
        false
    }
    /// Joins a table of links with the table behind it, links first.
    fn chain(&self) -> &'static str;
    /// Stands between a table and a chain of them that follows it, the table first.
    fn before_chain(&self) -> &'static str;
    /// The `LIMIT` that is none, where an `OFFSET` needs one.
    fn no_limit(&self) -> &'static str;
    /// The database's clock as RFC 3339 text in UTC with milliseconds, `seconds` from now.
    fn now(&self, seconds: i64) -> String;
    /// Ends a `SELECT` inside a transaction whose rows nobody else may change until it ends; waits
    /// for who has them.
    fn for_update(&self) -> &'static str;
    /// The same, but leaves out the rows that somebody else has.
    fn skip_locked(&self) -> &'static str;
    /// Tells other processes of a commit when it happens; the parameter is the text to tell. None
    /// where there are none.
    fn announce(&self) -> Option<&'static str> {
        None
    }
    /// What to ask for the parts of the database's place, for those that may be restored or copied
    /// while nobody looks.
    fn place(&self) -> Option<[&'static str; 4]> {
        None
    }
    /// What lets a commit that loses nothing by a crash of the server go on before it is on the
    /// disk.
    fn early_commit(&self) -> Option<&'static str>;
    /// A new random text of 16 hexadecimal digits.
    fn epoch(&self) -> &'static str;
    /// Whether type and nullability of a column can be altered in place.
    fn alters_columns(&self) -> bool;
    /// What begins the steps of a layout: waits until nobody writes for a definition, and keeps out
    /// who would.
    fn before_migration(&self) -> &'static [&'static str];
    /// Whether a read is quicker for many sets of operands in one statement, joined with them as
    /// with a table, than for one after the other.
    fn joins_operands(&self) -> bool {
        false
    }
    /// Gives all usable indexes where our tables are: name, table, columns with commas between, and
    /// 1 for unique ones.
    fn indexes(&self) -> &'static str;
    /// Creates the index by which [`Dialect::list_test`] finds rows by the items of a list; none
    /// where the items are kept in a table.
    fn list_index(&self, _index: &str, _table: &str, _column: &str, _items: ColumnKind) -> Option<String> {
        None
    }
    /// Whether a list has all (or any) of these texts, as such an index finds it; none where
    /// another test is better.
    fn list_test(&self, _column: &str, _items: ColumnKind, _all: bool, _params: &[String]) -> Option<String> {
        None
    }
    /// Whether the items of indexed lists are kept in a table, as `store::ddl::items` says.
    fn keeps_items(&self) -> bool {
        false
    }
    /// How rows are searched by their words.
    fn searches(&self) -> &'static dyn Searches;
    /// How it looks into JSON, and at letters without their case.
    fn inside(&self) -> &'static dyn Inside;
    /// Whether each index of a table of links ends with the table's key by itself.
    fn links_end_with_key(&self) -> bool {
        false
    }
    /// What puts nulls last among the columns of an index that come from their end, where they
    /// would not be.
    fn nulls_last(&self) -> &'static str {
        ""
    }
    /// Gives an index another name; `sql` creates it under that.
    fn rename_index(&self, old: &str, new: &str, sql: &str) -> Vec<String>;
    /// Gives about how many rows a table has, where an index can be built beside writers; `None`:
    /// it cannot.
    fn rows_estimate(&self, table: &str) -> Option<String>;
    /// Makes a transaction wait for each of its locks only for so long, where it waits for any.
    fn lock_wait(&self, _seconds: u32) -> Option<String> {
        None
    }
    /// What begins the transaction that holds the turn to build.
    fn before_build(&self) -> &'static [&'static str];
    /// Builds an index beside writers, in the place of one that was cut off; `None`: only in a
    /// transaction like any other.
    fn build_beside(&self, index: &str, sql: &str) -> Option<[String; 2]>;
    /// Gives the bytes of a table, where an index can be built beside writers.
    fn table_bytes(&self, _table: &str) -> Option<String> {
        None
    }
    /// What lets the connection that writes sort more than fits into its memory, and what forbids
    /// it again: then it would use files for what is small, too.
    fn spill(&self) -> Option<[&'static str; 2]> {
        None
    }
    /// What a connection does before it goes through whole tables and indexes.
    fn before_measure(&self) -> Option<&'static str> {
        None
    }
    /// What begins a transaction that drops indexes: it does not wait for long for who reads.
    fn before_drop(&self) -> &'static [&'static str];
    /// Gives the rows that a table had when its statistics were made: none, nothing or a negative
    /// number when there are none.
    fn known_rows(&self, table: &str) -> String;
    /// Asks what the database's own statistics say of these columns of a table: the name, the part
    /// of nulls, how many different values (negative: a part of the rows), the most common ones and
    /// their parts of the rows, both as JSON. `None`: it has none.
    fn spreads(&self, _table: &str, _columns: &[&str]) -> Option<String> {
        None
    }
    /// Makes the statistics of these tables, whose names are quoted, and lets readers know.
    fn analyze(&self, tables: &[String]) -> Vec<String>;
    /// Before `old` is dropped for `new`: its highest row number stays known.
    fn keep_row_numbers(&self, old: &str, new: &str) -> Vec<String>;
    /// After a table was renamed: its highest row number stays known.
    fn rename_row_numbers(&self, old: &str, new: &str) -> Vec<String>;
    /// Whether the process that may write is the only one.
    fn exclusive(&self) -> bool;
    /// Whether a statement that failed spoils its transaction, unless a savepoint stands before it.
    fn savepoints(&self) -> bool;
    /// Gives the names of all tables where ours are, one per row.
    fn table_names(&self) -> &'static str;
    /// Asks for the plan of a statement.
    fn explain(&self, sql: &str) -> String;
    /// Reads what [`Dialect::explain`] gave: a line per step, indented by depth.
    fn plan(&self, rows: &[ResultRow]) -> Result<Vec<String>, StoreError>;
}

/// The scalar whose wire form a column's values have.
pub(crate) fn scalar_of(kind: ColumnKind) -> Scalar {
    match kind {
        ColumnKind::Scalar(scalar) => scalar,
        ColumnKind::Enum => Scalar::String,
        ColumnKind::Document => Scalar::Json,
    }
}

/// An instant or a time of day as it is stored, of the text in which a document has it: without the
/// zeros that end its fraction.
pub(crate) fn full_width(text: &str, kind: ColumnKind) -> String {
    let (seconds, end) = match kind {
        ColumnKind::Scalar(Scalar::DateTime) => ("2026-11-21T03:20:00".len(), "||'Z'"),
        _ => ("03:20:00".len(), ""),
    };
    let fraction = format!("rtrim(substr({text},{}),'Z')", seconds + 2);
    format!("(substr({text},1,{seconds})||'.'||substr({fraction}||'000000',1,6){end})")
}

/// A `LIKE` pattern whose escapes are whole: a backslash at its end stands for itself.
pub(crate) fn closed_pattern(like: &str) -> String {
    let escapes = like.bytes().rev().take_while(|byte| *byte == b'\\').count();
    match escapes % 2 {
        0 => like.to_owned(),
        _ => format!("{like}\\"),
    }
}

/// Stands between the parts of an index's name. Nothing that a definition names has it, so no two
/// indexes have one name, nor an index and a table.
pub(crate) const BETWEEN: &str = "$";
