//! The steps from one layout to the next: what is new, what goes, what can be kept. Knows two
//! layouts; knows no SQL and counts nothing: each step says what has to be counted to know what it
//! costs.
//!
//! A step that would take something away names the rows that it touches. Where there are none, it
//! takes nothing away.

mod cast;
mod compare;
mod fields;
mod pairs;
mod past;
mod step;
mod words;

use std::collections::BTreeSet;

use super::Layout;
use crate::catalog::EntityId;

pub use step::{Change, Condition, Loss, Origin, Refill, Reshape, Step, Steps, Touch};

/// The types whose stored rows must not count as unchanged in the next run, because one of these
/// steps needs values: those types, and their owners, without whom nobody would look at a nested
/// row.
pub fn stale<'s>(new: &Layout, steps: impl Iterator<Item = &'s Step>) -> BTreeSet<EntityId> {
    let named = |step: &Step| new.entities.iter().position(|tables| tables.name == step.entity);
    let in_the_record = |step: &&Step| step.refill.as_ref().is_none_or(|refill| !refill.apart);
    let mut open: Vec<EntityId> = steps
        .filter(in_the_record)
        .filter_map(named)
        .filter_map(|at| u32::try_from(at).ok().map(EntityId))
        .collect();
    let mut found = BTreeSet::new();
    while let Some(entity) = open.pop() {
        if found.insert(entity) {
            open.extend(new.entities.get(entity.index()).and_then(|tables| tables.owner));
        }
    }
    found
}

impl Steps {
    /// Compares two layouts. `new` carries the renames (`@was`) of its definition.
    pub fn between(stored: &Layout, new: &Layout) -> Steps {
        compare::run(stored, new)
    }
}
