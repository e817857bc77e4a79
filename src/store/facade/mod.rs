//! What callers ask of the store, by subject: each method says which room does it. No SQL, no decisions.

pub mod administration;
pub mod definition;
pub mod fields;
pub mod processes;
pub mod reads;
pub mod runs;
