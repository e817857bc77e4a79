//! The two databases behind one face: pools, transactions, rows, parameters, dialects, retries.
//! Knows sqlx; no table of ours.

pub(super) mod away;
pub(super) mod deadline;
pub(super) mod dialect;
pub(crate) mod failpoint;
pub(super) mod guard;
pub(super) mod inside;
pub(super) mod lent;
pub(super) mod made;
pub(super) mod open_error;
pub(super) mod params;
pub(super) mod pool;
pub(super) mod postgres;
pub(super) mod readers;
pub(super) mod retry;
pub(super) mod rows;
pub(super) mod search;
pub(super) mod sqlite;
