//! Sums and means as PostgreSQL writes them. Knows its numbers; no statement.

use crate::value::{BEYOND, FLOAT_PLACES, MEAN_PLACES, SMALLEST, Scalar};

/// The sum or mean of a column's values, as `value::Total` has it. The server computes each
/// aggregate once, however often it is named.
pub(super) fn total(mean: bool, column: &str, scalar: Scalar) -> String {
    let (sum, count) = (format!("sum({column})"), format!("count({column})"));
    match (scalar, mean) {
        (Scalar::Int, false) => format!("({sum})::bigint"),
        (Scalar::Int, true) => mean_float(&sum, &count),
        (Scalar::BigInt | Scalar::Decimal, false) => {
            format!("(CASE WHEN scale({sum})>0 THEN rtrim(rtrim({sum}::text,'0'),'.')::numeric ELSE {sum} END)")
        }
        (Scalar::BigInt | Scalar::Decimal, true) => {
            let places = format!("greatest({MEAN_PLACES},scale({sum}))");
            let whole = rounded(&sum, &format!("2*abs({sum})*('1e'||{places})::numeric"), &count);
            format!("rtrim(rtrim(({whole}*('1e-'||{places})::numeric)::text,'0'),'.')::numeric")
        }
        // The digits that are shown, so that the order of the rows makes no difference.
        (Scalar::Float, true) => mean_float(&format!("sum({column}::text::numeric)"), &count),
        (Scalar::Float, false) => {
            let sum = format!("sum({column}::text::numeric)");
            double(&sum, &sum, "1")
        }
        (Scalar::Duration, false) => {
            let (least, most) = (i64::MIN, i64::MAX);
            format!("(CASE WHEN {sum} BETWEEN {least} AND {most} THEN {sum}::bigint END)")
        }
        (Scalar::Duration, true) => {
            let whole = rounded(&sum, &format!("2*abs({sum})"), &count);
            format!("({whole})::bigint")
        }
        _ => "NULL".to_owned(),
    }
}

/// The double nearest to the mean: its digits as far as one may lie between two doubles, and
/// another one that says whether there are more.
fn mean_float(sum: &str, count: &str) -> String {
    let size = format!("abs({sum})*'1e{FLOAT_PLACES}'::numeric");
    let whole = format!("div({size},{count})");
    let places = FLOAT_PLACES + 1;
    let mean =
        format!("(sign({sum})*({whole}*10+CASE WHEN {whole}*{count}<{size} THEN 1 ELSE 0 END)*'1e-{places}'::numeric)");
    double(&mean, sum, count)
}

/// A number of the size of `sum / count` as a double; none where that is infinite.
fn double(number: &str, sum: &str, count: &str) -> String {
    format!(
        "(CASE WHEN abs({sum})>={BEYOND}::numeric*{count} THEN NULL::float8 \
         WHEN abs({sum})<{SMALLEST}::numeric*{count} THEN 0::float8 ELSE ({number})::float8 END)"
    )
}

/// A sum, of which twice the size is given, divided and rounded half away from zero.
fn rounded(sum: &str, twice: &str, count: &str) -> String {
    format!("(sign({sum})*div({twice}+{count},2*{count}))")
}
