//! The system tables, a file each: its SQL and what its rows mean. Knows no rows of a definition.

pub mod change_log;
pub mod clock;
pub mod fetches;
pub mod field_requests;
pub mod held;
pub mod layouts;
pub mod migrations;
pub mod processes;
pub mod quarantine;
pub mod readings;
pub mod refills;
pub mod requests;
pub mod row_numbers;
pub mod run_seen;
pub mod runs;
