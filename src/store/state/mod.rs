//! What a process remembers of its runs and of its database. Plain data; asks nobody.

pub mod changed;
pub mod deferred;
pub mod heard;
pub mod in_force;
pub mod key_filter;
pub mod later;
pub mod print;
pub mod row_set;
pub mod run_memory;
pub mod writable;
