//! What callers ask of the store, by subject: each method says which room does it. No SQL, no
//! decisions.

pub(super) mod administration;
pub(super) mod definition;
pub(super) mod fields;
pub(super) mod processes;
pub(super) mod reads;
pub(super) mod runs;
pub(super) mod versions;
