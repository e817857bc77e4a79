//! The requests of a `@fetch` on a field, each about one row: planned, claimed, and their answers committed.

pub mod brought;
pub mod claim;
pub mod commit;
pub mod rejected;
