//! What a definition is to the newest one of its database. Knows the steps between layouts; asks
//! nobody.

use crate::{
    layout::steps::{Change, Step, Steps},
    store::error::StoreError,
};

/// What a handle's definition is to the newest one of its database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DefinitionStatus {
    /// It is that one, or is compatible with it.
    #[default]
    InForce,
    /// It would leave behind what it does not know of, so it may not write; what it reads is still
    /// what it says.
    ReadsOnly,
    /// What it reads is gone, or means something else.
    Replaced,
}

impl DefinitionStatus {
    /// That of a definition since whose layout these steps were done.
    pub(crate) fn after(since: &Steps, keeps_items: bool) -> DefinitionStatus {
        // Where items lie in a table, queries name it.
        let stays = |step: &&Step| step.change == Change::RemovedListIndex && !keeps_items;
        let all = |holds: fn(&Step) -> bool| since.steps.iter().filter(|step| !stays(step)).all(holds);
        if all(leaves_room) {
            DefinitionStatus::InForce
        } else if all(is_unseen) {
            DefinitionStatus::ReadsOnly
        } else {
            DefinitionStatus::Replaced
        }
    }

    pub(crate) fn writes(self) -> Result<(), StoreError> {
        match self {
            DefinitionStatus::InForce => Ok(()),
            DefinitionStatus::ReadsOnly | DefinitionStatus::Replaced => Err(StoreError::Replaced),
        }
    }

    pub(crate) fn reads(self) -> Result<(), StoreError> {
        match self {
            DefinitionStatus::InForce | DefinitionStatus::ReadsOnly => Ok(()),
            DefinitionStatus::Replaced => Err(StoreError::Replaced),
        }
    }
}

/// Whether who does not know of a step can go on: what is new may stay empty, and nothing that he
/// knows has changed. Links, nested rows and requests that he does not know of would be left behind
/// when he deletes a row, and a rollup that he does not know of when he writes any.
fn leaves_room(step: &Step) -> bool {
    match step.change {
        Change::NewType => step.refill.is_none(),
        Change::NewField { required } => !required && step.refill.as_ref().is_none_or(|refill| !refill.apart),
        Change::NewIndex | Change::RemovedIndex => true,
        _ => false,
    }
}

/// Whether who only reads sees nothing of a step: all that he asks for is there and as it was.
fn is_unseen(step: &Step) -> bool {
    matches!(
        step.change,
        Change::NewType
            | Change::NewField { .. }
            | Change::NewRollup
            | Change::NewLinks
            | Change::NewIndex
            | Change::RemovedIndex
            | Change::Required
            | Change::Unique
            | Change::Searched { .. }
            | Change::History
    )
}
