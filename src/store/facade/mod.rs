//! What callers ask of the store, by subject: each method says which room does it. No SQL, no decisions.

pub mod redefine;
pub mod runs;
