//! Runs: how they begin, wait and end, and what is told of them. Knows states and fences.

pub mod all_refused;
pub mod claim;
pub mod finish;
pub mod replay;
pub mod slots;
pub mod status;
