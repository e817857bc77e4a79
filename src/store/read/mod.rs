//! Reads: compiled to one statement, and run. Writes nothing.

pub(super) mod aggregate;
pub(super) mod compile;
pub(super) mod compiler;
pub(super) mod connection;
pub(super) mod counts;
pub(super) mod cut;
pub(super) mod dangling;
pub(super) mod each;
pub(super) mod filter;
pub(super) mod freshness;
pub(super) mod group_rows;
pub(super) mod grouped;
pub(super) mod has;
pub(super) mod items;
pub(super) mod joins;
pub(super) mod many;
pub(super) mod operands;
pub(super) mod output;
pub(super) mod pace;
pub(super) mod places;
pub(super) mod relation;
pub(super) mod run;
pub(super) mod search;
pub(super) mod statement;
