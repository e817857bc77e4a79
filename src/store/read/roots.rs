//! The roots of an answer put together to one JSON text, and why rows that came are no answer. Runs
//! nothing.

use crate::store::error::StoreError;

use super::statement::RootShape;

/// A moment from before the past of a type was kept.
pub(super) fn unkept(told: &str) -> StoreError {
    let (of, began) = told.split_once(' ').unwrap_or_default();
    StoreError::BeforeHistory {
        of: of.to_owned(),
        began: began.to_owned(),
    }
}

/// A list that should lie beside the rows, and does not: a fault of this program.
pub(super) fn lost() -> StoreError {
    StoreError::Internal("a list of the answer was lost".to_owned())
}

/// The answer's object: each root's JSON under its key; `null` for a row that was not found.
pub(super) fn assemble(roots: &[RootShape], found: &[Option<&str>]) -> String {
    let values = roots
        .iter()
        .zip(found)
        .map(|(root, found)| root.constant.as_deref().or(*found).unwrap_or("null"));
    let size: usize = roots
        .iter()
        .zip(values.clone())
        .map(|(root, value)| root.key.len() + value.len() + 1)
        .sum();
    let mut json = String::with_capacity(size + 2);
    json.push('{');
    for (at, (root, value)) in roots.iter().zip(values).enumerate() {
        if at > 0 {
            json.push(',');
        }
        json.push_str(&root.key);
        json.push_str(value);
    }
    json.push('}');
    json
}
