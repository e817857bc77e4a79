//! Statements over many rows: how many rows one takes, and their texts. Knows shapes of SQL; no meaning.

use crate::store::dialect::Dialect;

/// Rows of one statement, largest first. A remainder is put together from the smaller ones, so that few texts are ever
/// prepared and all of them stay in the statement cache.
const SIZES: [usize; 4] = [512, 64, 8, 1];

/// Cuts `total` rows of `width` parameters into statements.
pub fn sizes(total: usize, width: usize, dialect: &dyn Dialect) -> Vec<usize> {
    let most = (dialect.max_params().saturating_sub(8) / width.max(1)).max(1);
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

/// `(?,?),(?,?)`; with `numbered`, each row begins with its place: `(0,?),(1,?)`.
pub fn values(rows: usize, width: usize, numbered: bool) -> String {
    let mut out = String::with_capacity(rows * (2 * width + 8));
    for row in 0..rows {
        out.push_str(if row == 0 { "(" } else { ",(" });
        if numbered {
            out.push_str(&row.to_string());
            out.push(',');
        }
        for at in 0..width {
            out.push_str(if at == 0 { "?" } else { ",?" });
        }
        out.push(')');
    }
    out
}

/// Quoted names with commas.
pub fn names<'a>(dialect: &dyn Dialect, names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| dialect.quote(name))
        .collect::<Vec<_>>()
        .join(",")
}
