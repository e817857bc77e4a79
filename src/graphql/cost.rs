//! What is refused before it runs, by its estimate, and with what words; and what of it is told on
//! request. Knows limits; how an estimate comes to be is `gate`'s matter.

use bytes::Bytes;
use serde_json::json;

use super::{
    ApiError, Limits,
    error::{TOO_LARGE, TOO_MANY},
    gate::Cost,
};

/// An answer is refused when it is estimated to be so many times as large as it may be: widths are
/// means, and the rows that are meant may be small ones. What slips through is stopped while it is
/// made.
const BYTES_TIMES: u64 = 4;

/// An estimate as `extensions.cost` of an answer, each number under the name of the limit that
/// bounds it.
pub(super) fn told(cost: &Cost, fields: usize, limits: &Limits) -> Bytes {
    let told = json!({
        "estimatedRows": cost.rows,
        "estimatedFilterRows": cost.filter_rows,
        "estimatedBytes": cost.bytes,
        "estimatedMilliseconds": cost.time.as_micros() as f64 / 1_000.0,
        "fields": fields,
        "limits": {
            "rows": limits.rows,
            "filter_rows": limits.filter_rows,
            "answer_bytes": limits.answer_bytes,
            "fields": limits.fields,
        },
    });
    told.to_string().into()
}

/// Refuses what is estimated to be too much. The error says by how much, by which limit, and how to
/// ask for less.
pub(super) fn check(cost: &Cost, limits: &Limits) -> Result<(), ApiError> {
    for (what, found, limit, knob) in [
        (
            "letters of a text to look for",
            cost.text_letters,
            limits.text_letters,
            "text_letters",
        ),
        (
            "letters of a pattern",
            cost.pattern_letters,
            limits.pattern_letters,
            "pattern_letters",
        ),
    ] {
        if found > limit {
            return Err(ApiError::over(what, found, limit, knob));
        }
    }
    if cost.rows > limits.rows {
        let error = ApiError::over("estimated rows of the answer", cost.rows, limits.rows, "rows");
        return Err(error.with(TOO_MANY));
    }
    if cost.filter_rows > limits.filter_rows {
        let what =
            "estimated rows that where and orderBy look at: those in other types, and those whose texts are searched";
        let error = ApiError::over(what, cost.filter_rows, limits.filter_rows, "filter_rows");
        return Err(error.with(", take fewer steps into other types, or filter by a key or an indexed field, too"));
    }
    let most = limits.answer_bytes as u64;
    if cost.bytes > most.saturating_mul(BYTES_TIMES) {
        let error = ApiError::over("estimated bytes of the answer", cost.bytes, most, "answer_bytes");
        return Err(error.with(TOO_LARGE));
    }
    Ok(())
}
