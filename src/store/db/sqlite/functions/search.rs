//! How well a search is found, counted in the words of a row. Knows SQLite's function interface; no
//! tables.

use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
};

use crate::store::db::search::{BEGIN, COUNTED, LENGTH, WORTH};

/// `hayloft_rank(words,search)`: the rank of a row, as `store::db::search` says; 0 for SQL null.
pub(crate) const RANK: &str = "hayloft_rank";

pub(super) fn install(connection: &Connection, flags: FunctionFlags) -> Result<(), Error> {
    connection.create_scalar_function(RANK, 2, flags, rank)
}

fn rank(context: &Context<'_>) -> Result<i64, Error> {
    let (Some(words), Some(search)) = (
        context.get_raw(0).as_str_or_null()?,
        context.get_raw(1).as_str_or_null()?,
    ) else {
        return Ok(0);
    };
    Ok(rank_of(words, search))
}

fn rank_of(words: &str, search: &str) -> i64 {
    let terms: Vec<(bool, &str)> = search
        .lines()
        .map(|line| (line.starts_with(BEGIN), line.get(1..).unwrap_or_default()))
        .collect();
    let mut counts = vec![0_i64; terms.len()];
    let end = words.char_indices().nth(COUNTED).map_or(words.len(), |(end, _)| end);
    for word in words.get(..end).unwrap_or_default().split(' ') {
        for ((begins, wanted), count) in terms.iter().zip(&mut counts) {
            let is_it = if *begins {
                word.starts_with(wanted)
            } else {
                word == *wanted
            };
            *count += i64::from(is_it);
        }
    }
    let length = i64::try_from(words.len()).unwrap_or(i64::MAX);
    let worth = counts.iter().map(|count| WORTH * count / (count + 1 + length / LENGTH));
    worth.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        assert_eq!(rank_of("a b a |", "=a"), 666);
        assert_eq!(rank_of("a b a |", "=a\n=b"), 666 + 500);
        assert_eq!(rank_of("ab abc b |", "^ab\n=c"), 666);
        assert_eq!(rank_of(&"x ".repeat(640), "=x"), 1_000 * 640 / 643);
        // What stands far behind is not counted, and what a text is long is.
        let long = format!("{}y", "x ".repeat(2_000));
        assert_eq!(rank_of(&long, "=y"), 0);
        assert_eq!(rank_of(&long, "=x"), 1_000 * 2_000 / 2_008);
        assert_eq!(rank_of("", "=a"), 0);
    }
}
