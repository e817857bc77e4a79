//! Reads: compiled to one statement, and run. Writes nothing.

pub mod compile;
pub mod dangling;
pub mod filter;
pub mod freshness;
pub mod has;
pub mod items;
pub mod output;
pub mod relation;
pub mod run;
