//! What a process remembers of its runs and of its database. Plain data; asks nobody.

pub mod key_filter;
pub mod row_set;
pub mod writable;
