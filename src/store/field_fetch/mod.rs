//! The requests of a field fetch, each about one row: planned, claimed, and their answers
//! committed.

pub(super) mod brought;
pub(super) mod claim;
pub(super) mod commit;
pub(super) mod refused;
