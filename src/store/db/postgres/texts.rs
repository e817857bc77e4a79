//! Longer expressions of PostgreSQL's dialect. Knows its functions; no statement.

use crate::{
    layout::ColumnKind,
    query::MARK,
    store::db::{dialect::BETWEEN, params::Kind},
    value::Scalar,
};

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

/// What `value::duration_text` gives, as JSON. The parts are taken apart before `abs`, which fails
/// on the smallest integer.
pub(crate) fn duration(column: &str) -> String {
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
