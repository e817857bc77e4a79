//! The system tables, a file each: its SQL and what its rows mean. Knows no rows of a definition.

pub mod change_log;
pub mod held;
pub mod migrations;
pub mod processes;
pub mod quarantine;
pub mod readings;
pub mod row_numbers;
