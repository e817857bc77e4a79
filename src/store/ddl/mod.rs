//! The statements that make the tables of a layout. Knows DDL; no rows, no connection.

pub(super) mod history;
pub(super) mod items;
pub(super) mod search;
pub(super) mod tables;
