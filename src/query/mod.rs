//! A read over the catalog: what to select, filter, order and cut. Knows neither GraphQL nor SQL.
//!
//! `graphql::plan` makes a [`Read`], `store::read` compiles it to one statement. Operands are
//! constants or numbered parameters, so that one compiled statement serves every request that
//! differs only in its scalar variables.

mod aggregate;
mod cursor;
mod entities;
mod excerpt;
mod filter;
mod freshness;
mod grouped;
mod matches;
mod member;
mod params;
mod parts;
mod plain;
mod read;
mod roots;
mod search;
mod terms;
mod versions;
mod visit;

pub(crate) use crate::catalog::{Compare, Function, TextTest, ends_open};
pub(crate) use aggregate::{Aggregate, AggregateValue, Aggregated, Measure};
pub(crate) use cursor::{MARK, mark, opened, sealed};
pub(crate) use excerpt::{Excerpt, Sought};
pub(crate) use filter::{Filter, JsonTest, Operand, Quantifier};
pub(crate) use freshness::{FreshnessOutput, FreshnessValue};
pub(crate) use grouped::{
    GroupKey, GroupMeasure, GroupOrder, GroupTerm, GroupValue, Grouped, GroupedBy, Having, KeyValue, Led, Span, TimeKey,
};
pub(crate) use matches::{AFTER, BEFORE, MARK_MAX, MatchValue, Matches, PartValue, WORDS, WORDS_MAX};
pub(crate) use member::Member;
pub(crate) use params::renumber;
pub(crate) use plain::is_plain;
pub(crate) use read::{
    Connection, ConnectionValue, Direction, EdgeValue, Form, Nulls, Order, Output, OutputValue, PageInfoValue, Place,
    Select, ValueOutput, ValueOutputValue,
};
pub(crate) use roots::{Past, Read, Root, RootValue};
pub(crate) use search::{Search, SearchTerm};
pub(crate) use terms::{Term, Through, terms};
pub(crate) use versions::{VersionValue, Versions};
pub(crate) use visit::{To, Visitor, visit_outputs, visit_read, visit_root};
