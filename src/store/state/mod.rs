//! What a process remembers of its runs and of its database. Plain data; asks nobody.

pub(super) mod changed;
pub(super) mod deferred;
pub(super) mod heard;
pub(super) mod in_force;
pub(super) mod key_filter;
pub(super) mod later;
pub(super) mod print;
pub(super) mod row_set;
pub(super) mod run_memory;
pub(super) mod writable;
