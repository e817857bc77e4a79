//! Runs: how they begin, wait and end, and what is told of them. Knows states and fences.

pub(super) mod all_refused;
pub(super) mod claim;
pub(super) mod finish;
pub(super) mod groups;
pub(super) mod replay;
pub(super) mod slots;
pub(super) mod status;
