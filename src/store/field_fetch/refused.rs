//! Records of answers about rows that were refused: they stay for as long as the answer is the last
//! good one and its row is there. Knows their part of `hayloft_quarantine`; no links, no requests.

use std::collections::HashMap;

use crate::{
    store::{
        error::StoreError,
        load::batch::{Batch, Item},
        state::later::Rest,
        system::quarantine,
        tx::Transaction,
        types::{ParentAnswer, ParentOutcome, Refused, Run},
    },
    value::{Key, Row},
};

/// Puts what is refused of answers in the place of what was refused before; `stored` is what the
/// database refused. Gives how many there are.
pub(crate) async fn replace(
    batch: &mut Batch<'_>,
    run: &Run,
    answers: &[&ParentAnswer],
    stored: &[Refused],
    rest: &mut Rest,
) -> Result<u64, StoreError> {
    let mut parents: Vec<i64> = Vec::new();
    let mut refused: Vec<(Option<i64>, &Refused)> = Vec::new();
    let mut by_key: HashMap<String, i64> = HashMap::new();
    for answer in answers {
        let (rows, own): (&[Row], _) = match &answer.outcome {
            ParentOutcome::Read { rows, refused, .. } => (rows, refused),
            ParentOutcome::Failed { refused, .. } if !refused.is_empty() => (&[], refused),
            ParentOutcome::Failed { .. } | ParentOutcome::Same(_) => continue,
        };
        parents.push(answer.parent.row);
        refused.extend(own.iter().map(|record| (Some(answer.parent.row), record)));
        for row in rows.iter().filter(|_| !stored.is_empty()) {
            let key = Key(batch.key_of(run.entity, Item { row, position: 0 })).to_string();
            by_key.insert(key, answer.parent.row);
        }
    }
    let parent_of = |record: &Refused| record.key.as_ref().and_then(|key| by_key.get(key)).copied();
    quarantine::forget_of(batch, &run.fetch, &parents).await?;
    for (parent, record) in &refused {
        insert(batch, run, *parent, record).await?;
    }
    for record in stored {
        let number = insert(batch, run, parent_of(record), record).await?;
        rest.tell(number, record);
    }
    Ok((refused.len() + stored.len()) as u64)
}

/// The number of the new entry.
async fn insert(tx: &mut Transaction<'_>, run: &Run, parent: Option<i64>, record: &Refused) -> Result<i64, StoreError> {
    let number = quarantine::insert_refused(tx, run, record).await?;
    quarantine::name_parent(tx, number, parent).await?;
    Ok(number)
}
