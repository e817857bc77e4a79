//! A read over the catalog: what to select, filter, order and cut. Knows neither GraphQL nor SQL.
//!
//! `graphql::plan` makes a [`Read`], `store::read` compiles it to one statement. Operands are
//! constants or numbered parameters, so that one compiled statement serves every request that
//! differs only in its scalar variables.

mod entities;
mod filter;
mod freshness;
mod params;
mod read;
mod visit;

pub(crate) use filter::{Compare, Filter, Operand, Quantifier, TextTest};
pub(crate) use freshness::{FreshnessOutput, FreshnessValue};
pub(crate) use params::renumber;
pub(crate) use read::{
    Direction, Nulls, Order, Output, OutputValue, Read, Root, RootValue, Select, ValueOutput, ValueOutputValue,
};
pub(crate) use visit::{Visitor, visit_outputs, visit_read};
