//! The requests of a `@fetch` on a field, each about one row: planned, claimed, and their answers
//! committed.

pub(super) mod brought;
pub(super) mod claim;
pub(super) mod commit;
pub(super) mod rejected;
