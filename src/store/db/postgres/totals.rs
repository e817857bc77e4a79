//! Sums and means as PostgreSQL writes them. Knows its numbers; no statement.

use crate::value::{LARGEST, MEAN_PLACES, SMALLEST, Scalar};

use super::texts::duration;

/// The sum or mean of a column's values as JSON, as `value::Total` has it. The server computes
/// each aggregate once, however often it is named.
pub(super) fn total(mean: bool, column: &str, scalar: Scalar) -> String {
    let (sum, count) = (format!("sum({column})"), format!("count({column})"));
    match (scalar, mean) {
        (Scalar::Int, false) => format!("coalesce('\"'||{sum}||'\"','null')"),
        (Scalar::Int, true) => format!("coalesce(({sum}::float8/{count}::float8)::text,'null')"),
        (Scalar::BigInt | Scalar::Decimal, false) => {
            let text = format!("CASE WHEN scale({sum})>0 THEN rtrim(rtrim({sum}::text,'0'),'.') ELSE {sum}::text END");
            format!("coalesce('\"'||{text}||'\"','null')")
        }
        (Scalar::BigInt | Scalar::Decimal, true) => {
            let places = format!("greatest({MEAN_PLACES},scale({sum}))");
            let whole = rounded(&sum, &format!("2*abs({sum})*('1e'||{places})::numeric"), &count);
            format!("coalesce('\"'||rtrim(rtrim(({whole}*('1e-'||{places})::numeric)::text,'0'),'.')||'\"','null')")
        }
        (Scalar::Float, mean) => {
            // The digits that are shown, so that the order of the rows makes no difference.
            let sum = format!("sum({column}::text::numeric)");
            let double = match mean {
                true => format!("({sum}::float8/{count}::float8)"),
                false => format!("{sum}::float8"),
            };
            format!(
                "CASE WHEN {sum} IS NULL OR abs({sum})>{LARGEST}::numeric THEN 'null' \
                 WHEN abs({sum})<{SMALLEST}::numeric THEN '0' ELSE {double}::text END"
            )
        }
        (Scalar::Duration, false) => {
            let (least, most) = (i64::MIN, i64::MAX);
            let text = duration(&format!("({sum}::bigint)"));
            format!("CASE WHEN {sum} BETWEEN {least} AND {most} THEN {text} ELSE 'null' END")
        }
        (Scalar::Duration, true) => {
            let whole = rounded(&sum, &format!("2*abs({sum})"), &count);
            format!("coalesce({},'null')", duration(&format!("({whole}::bigint)")))
        }
        _ => "'null'".to_owned(),
    }
}

/// A sum, of which twice the size is given, divided and rounded half away from zero.
fn rounded(sum: &str, twice: &str, count: &str) -> String {
    format!("(sign({sum})*div({twice}+{count},2*{count}))")
}
