//! Longer expressions of PostgreSQL's dialect. Knows its functions; no statement.

use crate::{
    layout::ColumnKind,
    query::MARK,
    store::db::{
        dialect::{BETWEEN, full_width},
        params::Kind,
    },
    value::Scalar,
};

/// All usable indexes, as `Dialect::indexes` says. Those of lists are of an expression, which
/// depends on its column.
pub(crate) const INDEXES: &str = "SELECT CAST(c.relname AS TEXT),CAST(t.relname AS TEXT),CASE WHEN i.indexprs IS NULL THEN \
         (SELECT string_agg(CAST(a.attname AS TEXT),',' ORDER BY k.n) FROM unnest(CAST(i.indkey AS INT2[])) WITH ORDINALITY AS k(at,n) \
         JOIN pg_catalog.pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=k.at) ELSE \
         (SELECT string_agg(CAST(a.attname AS TEXT),',' ORDER BY a.attnum) FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attribute a \
         ON a.attrelid=d.refobjid AND a.attnum=d.refobjsubid WHERE d.classid='pg_catalog.pg_class'::regclass AND d.objid=i.indexrelid \
         AND d.refclassid='pg_catalog.pg_class'::regclass AND d.refobjid=i.indrelid AND d.refobjsubid>0) END,\
         CASE WHEN i.indisunique THEN 1::bigint ELSE 0::bigint END \
         FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid=i.indexrelid JOIN pg_catalog.pg_class t ON t.oid=i.indrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid=c.relnamespace \
         WHERE n.nspname=current_schema() AND i.indisvalid AND i.indpred IS NULL";

/// The names of all tables where ours are, as `Dialect::table_names` says.
pub(crate) const TABLES: &str = "SELECT CAST(c.relname AS TEXT) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid=c.relnamespace \
         WHERE n.nspname=current_schema() AND c.relkind IN ('r','p','v','m','f') AND NOT EXISTS \
         (SELECT 1 FROM pg_catalog.pg_depend d WHERE d.classid='pg_catalog.pg_class'::regclass AND d.objid=c.oid AND d.deptype='e')";

/// The elements of the array that carries a column of many rows, and what makes values of them.
pub(crate) fn array_of(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Int => ("bigint", ""),
        Kind::Float => ("float8", ""),
        Kind::Bool => ("boolean", ""),
        Kind::Decimal => ("text", "::numeric"),
        Kind::Text => ("text", ""),
        Kind::Bytes => ("bytea", ""),
    }
}

/// A list of which the server can index the items: they are texts. Numbers and truth values become
/// such, as they are compared elsewhere, too; none of them has a comma or a bracket.
pub(crate) fn texts(list: &str, items: ColumnKind) -> String {
    match items {
        ColumnKind::Scalar(Scalar::Int | Scalar::Float | Scalar::Boolean) => {
            format!("(replace(replace(replace({list},'[','[\"'),']','\"]'),',','\",\"')::jsonb)")
        }
        _ => format!("({list}::jsonb)"),
    }
}

/// The index of such lists, without the list of what is to be put into it, through which each
/// search would go.
pub(crate) fn items_index([index, table, list]: &[String; 3], items: ColumnKind) -> String {
    let texts = texts(list, items);
    format!("CREATE INDEX {index} ON {table} USING gin (({texts})) WITH (fastupdate=off)")
}

/// What `value::duration_text` gives, as JSON. The parts are taken apart before `abs`, which fails
/// on the smallest integer.
fn duration(column: &str) -> String {
    let part = |count: &str, unit: &str| format!("CASE WHEN {count}=0 THEN '' ELSE abs({count})||'{unit}' END");
    let days = part(&format!("({column}/86400000000)"), "D");
    let hours = part(&format!("({column}/3600000000%24)"), "H");
    let minutes = part(&format!("({column}/60000000%60)"), "M");
    let seconds = format!(
        "CASE WHEN {column}%60000000=0 AND {column}<>0 THEN '' ELSE \
         rtrim(rtrim(abs({column}/1000000%60)||'.'||lpad(abs({column}%1000000)::text,6,'0'),'0'),'.')||'S' END"
    );
    let clock =
        format!("CASE WHEN {column}%86400000000=0 AND {column}<>0 THEN '' ELSE 'T'||{hours}||{minutes}||{seconds} END");
    format!("(CASE WHEN {column}<0 THEN '\"-P' ELSE '\"P' END||{days}||{clock}||'\"')")
}

/// A member of a value object, as `Dialect::value_member` says. The text that is taken from it has
/// the order of the database, not ours.
pub(crate) fn value_member(document: &str, way: &[String], kind: ColumnKind) -> String {
    let (last, before) = way.split_last().map_or(("", way), |(last, before)| (last, before));
    let before: String = before.iter().map(|name| format!("->'{name}'")).collect();
    let text = format!("({document}::json{before}->>'{last}')");
    match kind {
        ColumnKind::Document | ColumnKind::Scalar(Scalar::Json) => {
            format!("nullif(({document}::json{before}->'{last}')::text,'null')")
        }
        ColumnKind::Scalar(Scalar::Int | Scalar::BigInt) => format!("{text}::bigint"),
        ColumnKind::Scalar(Scalar::Float) => format!("{text}::float8"),
        ColumnKind::Scalar(Scalar::Boolean) => format!("{text}::boolean"),
        ColumnKind::Scalar(Scalar::Decimal) => format!("{text}::numeric"),
        ColumnKind::Scalar(Scalar::Duration) => micros(&text),
        ColumnKind::Scalar(Scalar::DateTime | Scalar::Time) => format!("({} COLLATE \"C\")", full_width(&text, kind)),
        ColumnKind::Scalar(_) | ColumnKind::Enum => format!("({text} COLLATE \"C\")"),
    }
}

/// A text as [`duration`] writes it, in microseconds. The sign is taken apart: the server reads
/// none before a whole interval. So are the parts: before version 14 seconds are a double.
fn micros(text: &str) -> String {
    let of = |part: &str, times: i64| format!("extract({part} FROM ltrim({text},'-')::interval)::numeric*{times}");
    format!(
        "CAST(CASE WHEN {text} LIKE '-%' THEN -1 ELSE 1 END*({}+{}+{}+{}) AS bigint)",
        of("day", 86_400_000_000),
        of("hour", 3_600_000_000),
        of("minute", 60_000_000),
        of("microseconds", 1)
    )
}

/// What `query::sealed` makes of a text, as JSON.
pub(crate) fn sealed(text: &str) -> String {
    let mark = format!("left(encode(sha256(convert_to({text},'UTF8')),'hex'),{MARK})");
    // The server breaks lines.
    format!("'\"'||translate(encode(convert_to({mark}||{text},'UTF8'),'base64'),E'+/=\\n','-_')||'\"'")
}

/// Primary keys stand among the tables and indexes: no table is called so, and no index of ours.
pub(crate) fn key_name(table: &str) -> String {
    format!("{table}{BETWEEN}row")
}

/// What the server's statistics say of columns of a table, as `Dialect::spreads` says; the names
/// are literals.
pub(crate) fn spreads(table: &str, columns: &str) -> String {
    format!(
        "SELECT CAST(attname AS TEXT),CAST(null_frac AS FLOAT8),CAST(n_distinct AS FLOAT8),\
         CAST(array_to_json(CAST(CAST(most_common_vals AS TEXT) AS TEXT[])) AS TEXT),CAST(array_to_json(most_common_freqs) AS TEXT) \
         FROM pg_catalog.pg_stats WHERE schemaname=current_schema() AND tablename={table} AND NOT inherited AND attname IN ({columns})"
    )
}

/// About how many rows a table has, whose name is a literal.
pub(crate) fn rows_estimate(table: &str) -> String {
    format!(
        "SELECT CAST(c.reltuples AS BIGINT) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
         ON n.oid=c.relnamespace WHERE n.nspname=current_schema() AND c.relname={table}"
    )
}

/// Whether a text is like a pattern in whatever case. In the collation "C" only the letters of
/// ASCII have a case. Of the others those are replaced that the pattern has in another case
/// (`letters`: those, then what replaces each); the server's own case depends on how it was built.
pub(super) fn like_folded(column: &str, pattern: &str, letters: &str) -> String {
    let half = format!("length({letters})/2");
    let replaced = format!("translate({column},left({letters},{half}),right({letters},{half}))");
    format!("{replaced} COLLATE \"C\" ILIKE {pattern}")
}

/// A column's JSON; where it may be null, null is `null`.
pub(super) fn wire(column: &str, kind: ColumnKind, nullable: bool) -> String {
    let or_null = |text: String| {
        if nullable {
            format!("coalesce({text},'null')")
        } else {
            text
        }
    };
    match kind {
        ColumnKind::Document | ColumnKind::Scalar(Scalar::Json) => or_null(column.to_owned()),
        ColumnKind::Scalar(Scalar::Int | Scalar::Float) => or_null(format!("{column}::text")),
        ColumnKind::Scalar(Scalar::BigInt | Scalar::Decimal | Scalar::Date | Scalar::Uuid) => {
            or_null(format!("'\"'||{column}||'\"'"))
        }
        ColumnKind::Scalar(Scalar::Boolean) => or_null(format!("{column}::text")),
        ColumnKind::Scalar(Scalar::DateTime) => or_null(format!("'\"'||rtrim(rtrim({column},'Z0'),'.')||'Z\"'")),
        ColumnKind::Scalar(Scalar::Time) => or_null(format!("'\"'||rtrim(rtrim({column},'0'),'.')||'\"'")),
        ColumnKind::Scalar(Scalar::Duration) => or_null(duration(column)),
        ColumnKind::Scalar(_) | ColumnKind::Enum => or_null(format!("to_json({column})::text")),
    }
}
