//! PostgreSQL: its dialect, connections and sessions. Knows its functions, codes and traps; no table of ours.

pub mod connect;
pub mod copy;
pub mod dialect;
pub mod pooler;
pub mod session;
pub mod texts;
