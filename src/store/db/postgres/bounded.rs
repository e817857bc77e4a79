//! Bounds of what a statement may make, in PostgreSQL's words. Knows numbers of rows, bytes and
//! steps; not whose.

use crate::store::db::made::{BYTES_MARK, Bounds, ROWS_MARK};

/// A JSON array of rows; `whole` is the same without bounds. What the server cannot stop by itself,
/// it is asked to read as a number. Not as a constant: that it would do before it begins.
pub(super) fn rows_array(whole: &str, text: &str, from: &str, bounds: Bounds) -> String {
    if bounds == Bounds::ENDLESS {
        return whole.to_owned();
    }
    let rows = format!("string_agg({text},',')");
    let stop =
        |mark: &str, count: &str, most: u64| format!("WHEN {count}>{most} THEN CAST('{mark}'||{count} AS BIGINT)");
    format!(
        "(SELECT concat('[',{rows},']',CASE {} {} END) FROM ({from}) AS a)",
        stop(ROWS_MARK, "count(*)", bounds.rows),
        stop(BYTES_MARK, &format!("octet_length({rows})"), bounds.bytes),
    )
}

/// One more than may be, which is seen.
pub(super) fn cut(first: Option<&str>, bounds: Bounds) -> Option<String> {
    let most = i64::try_from(bounds.rows).ok().and_then(|rows| rows.checked_add(1));
    match (first, most) {
        (Some(first), Some(most)) => Some(format!("least({first},{most})")),
        (first, most) => first.map(str::to_owned).or(most.map(|most| most.to_string())),
    }
}

/// True of a count up to `most`; a greater one ends the statement and is told by its mark.
pub(super) fn within(count: &str, most: u64, mark: &str) -> String {
    format!("CASE WHEN {count}>{most} THEN CAST('{mark}'||{count} AS BIGINT) ELSE 1 END=1")
}
