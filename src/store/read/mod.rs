//! Reads: compiled to one statement, and run. Writes nothing.

pub mod compile;
pub mod compiler;
pub mod counts;
pub mod dangling;
pub mod each;
pub mod filter;
pub mod freshness;
pub mod has;
pub mod items;
pub mod operands;
pub mod output;
pub mod relation;
pub mod run;
pub mod statement;
