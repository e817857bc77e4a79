//! PostgreSQL: its dialect, connections and sessions. Knows its functions, codes and traps; no
//! table of ours.

mod bounded;
pub(crate) mod connect;
pub(crate) mod copy;
pub(crate) mod dialect;
pub(crate) mod inside;
pub(crate) mod pooler;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod spans;
pub(crate) mod texts;
pub(crate) mod totals;
