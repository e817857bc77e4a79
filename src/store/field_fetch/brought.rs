//! What is remembered of the rows that an answer to one row's request brought, so that an unchanged
//! answer vouches only for rows that still are so. Knows their spans and prints; no requests, no
//! links.

use std::collections::{HashMap, HashSet};

use crate::{
    store::{
        error::StoreError,
        load::batch::{Batch, Item},
        state::print::{Print, spans},
        system::field_requests::answers,
        tx::Transaction,
        types::{ParentAnswer, ParentOutcome, Run},
    },
    value::{Key, Row},
};

/// The rows of an answer, as they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brought {
    /// `7+3,12`: the numbers 7 to 10, and 12.
    pub rows: String,
    pub print: i64,
}

/// Of unchanged answers: what is remembered, by the row asked about, and those that have to be read
/// again in full, because their rows are not what they wrote any more.
#[derive(Default)]
pub(crate) struct Known {
    pub brought: HashMap<i64, Brought>,
    pub stale: HashSet<i64>,
}

/// Looks up what unchanged answers vouch for, and whether they may.
pub(crate) async fn known(tx: &mut Transaction<'_>, run: &Run, answers: &[&ParentAnswer]) -> Result<Known, StoreError> {
    let same = answers
        .iter()
        .filter(|answer| matches!(answer.outcome, ParentOutcome::Same(_)));
    let mut stale: HashSet<i64> = same.map(|answer| answer.parent.row).collect();
    let asked: Vec<i64> = stale.iter().copied().collect();
    let brought = vouched(tx, run, &asked).await?;
    stale.retain(|row| !brought.contains_key(row));
    Ok(Known { brought, stale })
}

/// Those of the remembered answers about some rows that may vouch for what they brought.
pub(crate) async fn vouched(
    tx: &mut Transaction<'_>,
    run: &Run,
    about: &[i64],
) -> Result<HashMap<i64, Brought>, StoreError> {
    let found = answers::remembered(tx, run, about).await?.into_iter();
    let mut found: HashMap<i64, Brought> = found.map(|(row, rows, print)| (row, Brought { rows, print })).collect();
    let parents: Vec<i64> = found.keys().copied().collect();
    let lists: Option<Vec<Vec<(i64, i64)>>> = found.values().map(|brought| unfold(&brought.rows)).collect();
    let lists = lists.ok_or_else(|| StoreError::Internal("a remembered answer is damaged".to_owned()))?;
    let prints = tx.prints(run.entity, &lists).await?;
    let prints: HashMap<i64, i64> = parents.into_iter().zip(prints.into_iter().map(Print::folded)).collect();
    found.retain(|row, brought| prints.get(row) == Some(&brought.print));
    Ok(found)
}

/// What answers brought, by the row asked about. `written` are the rows as they were written in the
/// end, with their numbers: an answer that another one of the same commit contradicts vouches for
/// nothing.
pub(crate) async fn of_answers(
    batch: &mut Batch<'_>,
    run: &Run,
    answers: &[&ParentAnswer],
    written: &HashMap<Key, (&Row, i64)>,
) -> Result<HashMap<i64, Brought>, StoreError> {
    let (mut parents, mut lists) = (Vec::new(), Vec::new());
    for answer in answers {
        let ParentOutcome::Read {
            rows, state: Some(_), ..
        } = &answer.outcome
        else {
            continue;
        };
        let number = |row: &Row| {
            let key = Key(batch.key_of(run.entity, Item { row, position: 0 }));
            let (last, number) = written.get(&key)?;
            row.says_the_same(last).then_some(*number)
        };
        let numbers: Option<Vec<i64>> = rows.iter().map(number).collect();
        if let Some(mut numbers) = numbers {
            numbers.sort_unstable();
            numbers.dedup();
            parents.push(answer.parent.row);
            lists.push(spans(&numbers));
        }
    }
    let prints = batch.prints(run.entity, &lists).await?;
    let brought = lists.iter().zip(prints).map(|(list, print)| Brought {
        rows: fold(list),
        print: print.folded(),
    });
    Ok(parents.into_iter().zip(brought).collect())
}

fn fold(spans: &[(i64, i64)]) -> String {
    let span = |(first, last): &(i64, i64)| match last - first {
        0 => first.to_string(),
        more => format!("{first}+{more}"),
    };
    spans.iter().map(span).collect::<Vec<_>>().join(",")
}

fn unfold(text: &str) -> Option<Vec<(i64, i64)>> {
    let span = |part: &str| {
        let (first, more) = part.split_once('+').unwrap_or((part, "0"));
        let first: i64 = first.parse().ok()?;
        Some((first, first.checked_add(more.parse().ok()?)?))
    };
    text.split(',').filter(|part| !part.is_empty()).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_folded_and_unfolded() {
        for (spans, text) in [(vec![], ""), (vec![(7, 7)], "7"), (vec![(7, 10), (12, 12)], "7+3,12")] {
            assert_eq!(fold(&spans), text);
            assert_eq!(unfold(text), Some(spans));
        }
        assert_eq!(unfold("7+"), None);
    }
}
