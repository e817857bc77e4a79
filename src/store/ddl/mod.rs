//! The statements that make the tables of a layout. Knows DDL; no rows, no connection.

pub mod items;
pub mod tables;
