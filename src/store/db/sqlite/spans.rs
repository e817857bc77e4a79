//! Spans of time as SQLite finds them: by functions of ours, which see instants. Knows how days and
//! times of day become such; no calendar.

use crate::{layout::ColumnKind, store::db::dialect::SpansOf, value::Scalar};

use super::functions::spans::{SPAN, SPANS};

pub(super) fn span(column: &str, spans: &SpansOf<'_>) -> String {
    let found = format!("{SPAN}({},{})", instant(column, spans), arguments(spans));
    shown(&found, spans)
}

pub(super) fn spans(table: &str, column: &str, spans: &SpansOf<'_>) -> String {
    let end = |end: &str| match (format!("(SELECT {end}({column}) FROM {table})"), spans.unit.is_number()) {
        (number, true) => number,
        (value, false) => instant(&value, spans),
    };
    let ends = ["min", "max"].map(end);
    let all = format!("json_each({SPANS}({},{},{}))", ends[0], ends[1], arguments(spans));
    format!("SELECT {} AS b FROM {all}", shown("value", spans))
}

/// What the functions are told of the spans.
fn arguments(spans: &SpansOf<'_>) -> String {
    let zone = spans.zone.map_or("", |zone| zone.name());
    let shift = spans.shift.as_deref().unwrap_or("0");
    format!("'{}','{zone}',{shift}", spans.unit.name())
}

/// A value as a stored instant.
fn instant(value: &str, spans: &SpansOf<'_>) -> String {
    match spans.kind {
        ColumnKind::Scalar(Scalar::Date) => format!("({value}||'T00:00:00.000000Z')"),
        ColumnKind::Scalar(Scalar::Time) => format!("('1970-01-01T'||{value}||'Z')"),
        _ => value.to_owned(),
    }
}

/// An instant as a value.
fn shown(instant: &str, spans: &SpansOf<'_>) -> String {
    match spans.kind {
        _ if spans.unit.is_number() => instant.to_owned(),
        ColumnKind::Scalar(Scalar::Date) => format!("substr({instant},1,10)"),
        ColumnKind::Scalar(Scalar::Time) => format!("substr({instant},12,15)"),
        _ => instant.to_owned(),
    }
}
