//! How well a search is found, counted in the words of a row. Knows SQLite's function interface; no
//! tables.

use rusqlite::{
    Connection, Error,
    functions::{Context, FunctionFlags},
};

use crate::store::db::search::{BEGIN, LENGTH, WORTH};

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
    let mut length = 0;
    for word in words.split(' ') {
        length += 1;
        for ((begins, wanted), count) in terms.iter().zip(&mut counts) {
            let is_it = if *begins {
                word.starts_with(wanted)
            } else {
                word == *wanted
            };
            *count += i64::from(is_it);
        }
    }
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
        assert_eq!(rank_of(&"x ".repeat(640), "=x"), 1_000 * 640 / 651);
        assert_eq!(rank_of("", "=a"), 0);
    }
}
