//! Compiled statements and their operands. Plain data.

use crate::{
    catalog::EntityId,
    layout::ColumnKind,
    query::{Operand, TextTest},
    store::db::params::Kind,
    value::Scalar,
};

/// A compiled read.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub sql: std::sync::Arc<str>,
    /// The operands in the order of their numbers in the statement.
    pub(crate) binds: std::sync::Arc<[Bind]>,
    /// The members of the answer's object.
    pub(crate) roots: std::sync::Arc<[RootShape]>,
    /// The types whose rows it reads or goes by.
    pub(crate) types: std::sync::Arc<[EntityId]>,
}

/// An operand and the form in which it is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bind {
    pub operand: Operand,
    pub form: BindForm,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BindForm {
    /// A value that is compared with a column.
    Column(ColumnKind),
    /// A number of rows.
    Count,
    /// The operand of a test of text, as the dialect wants it.
    Test(TextTest),
    /// The operand of a test of texts as it was written.
    Whole,
    /// The wire form, as list columns hold it.
    Wire(Scalar),
}

#[derive(Clone, Debug)]
pub(crate) struct RootShape {
    /// The response key as JSON text with its colon.
    pub key: String,
    /// JSON that needs no row; everything else comes from the statement.
    pub constant: Option<String>,
}

/// A compiled load by key.
#[derive(Clone, Debug)]
pub(crate) struct KeyedStatement {
    /// The statement for one key.
    pub sql: std::sync::Arc<str>,
    /// What follows the list of keys.
    pub(crate) tail: std::sync::Arc<str>,
    /// Constants and parameters of the statement; the keys' values are numbered after them.
    pub(crate) binds: std::sync::Arc<[Bind]>,
    /// The columns of one key.
    pub(crate) kinds: std::sync::Arc<[Kind]>,
    /// The types whose rows it reads or goes by.
    pub(crate) types: std::sync::Arc<[EntityId]>,
}
