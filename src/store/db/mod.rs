//! The two databases behind one face: pools, transactions, rows, parameters, dialects, retries. Knows sqlx; no table of ours.

pub mod away;
pub mod deadline;
pub mod dialect;
pub mod failpoint;
pub mod guard;
pub mod made;
pub mod open_error;
pub mod params;
pub mod pool;
pub mod postgres;
pub mod readers;
pub mod retry;
pub mod rows;
pub mod sqlite;
