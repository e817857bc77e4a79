//! The requests of a `@fetch` on a field, each about one row: planned, claimed, and their answers committed.

pub mod brought;
pub mod commit;
pub mod rejected;
pub mod requests;
