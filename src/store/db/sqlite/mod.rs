//! SQLite: its dialect, files, functions and write-ahead log. Knows its traps; no table of ours.

pub mod dialect;
pub mod file;
pub mod functions;
pub mod journal;
pub mod like;
