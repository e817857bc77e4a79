//! SQLite: its dialect, files, functions and write-ahead log. Knows its traps; no table of ours.

pub(crate) mod dialect;
pub(crate) mod file;
pub(crate) mod functions;
pub(crate) mod inside;
pub(crate) mod journal;
pub(crate) mod like;
pub(crate) mod reader;
pub(crate) mod search;
pub(crate) mod spans;
