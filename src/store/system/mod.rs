//! The system tables, a file each: its SQL and what its rows mean. Knows no rows of a definition.

pub(super) mod asking;
pub(super) mod change_log;
pub(super) mod clock;
pub(super) mod entities;
pub(super) mod fetch_signatures;
pub(super) mod fetches;
pub(super) mod field_requests;
pub(super) mod figures;
pub(super) mod held;
pub(super) mod histories;
pub(super) mod layouts;
pub(super) mod migrations;
pub(super) mod processes;
pub(super) mod quarantine;
pub(super) mod refills;
pub(super) mod requests;
pub(super) mod row_numbers;
pub(super) mod run_seen;
pub(super) mod runs;
pub(super) mod versions;
