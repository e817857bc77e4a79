//! Compiled statements and their operands. Plain data.

use crate::{
    catalog::EntityId,
    layout::ColumnKind,
    query::{Operand, TextTest},
    store::db::{params::Kind, postgres::connect::Plans},
    value::{Key, Languages, Scalar, Value},
};

use super::{pace::Pace, shown::Shown};

/// Rows of a list, at most, to which an index leads sooner than all rows are gone through: whoever
/// wants most of a table should have a plan for that.
const LED_MOST: i64 = 1_000;

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
    /// What becomes of texts that are searched, after it.
    pub(crate) shown: std::sync::Arc<Shown>,
    /// The same for many sets of operands at once, where that is quicker.
    pub(crate) many: Option<std::sync::Arc<Many>>,
    /// How many rows each of its lists wants, where indexes lead to all of them whatever the values
    /// are.
    pub(crate) led: Option<std::sync::Arc<[Operand]>>,
}

/// A compiled read for many sets of operands: gives the number of each, from 0, with its rows.
#[derive(Debug)]
pub(crate) struct Many {
    pub sql: std::sync::Arc<str>,
    /// Those of the operands that may differ ([`Bind::may_differ`]).
    pub kinds: std::sync::Arc<[Kind]>,
    pub pace: Pace,
}

impl Statement {
    /// How a server plans it with these values.
    pub(crate) fn plans(&self, values: &[Value]) -> Plans {
        let few = |wanted: &Operand| {
            let wanted = match wanted {
                Operand::Value(value) => Some(value),
                Operand::Param(number) => values.get(*number),
            };
            matches!(wanted, Some(Value::Int(count)) if *count <= LED_MOST)
        };
        match &self.led {
            Some(wanted) if wanted.iter().all(few) => Plans::Led,
            _ => Plans::Custom,
        }
    }

    /// The values that have to be the same in all runs that go in one statement.
    pub(crate) fn alike(&self, values: &[Value]) -> Key {
        let binds = self.many.as_ref().map_or(&[][..], |_| &self.binds);
        let same = binds.iter().filter(|bind| !bind.may_differ());
        let value = |bind: &Bind| match &bind.operand {
            Operand::Value(_) => None,
            Operand::Param(number) => values.get(*number).cloned(),
        };
        Key(same.filter_map(value).collect())
    }
}

/// An operand and the form in which it is bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bind {
    pub operand: Operand,
    pub form: BindForm,
}

impl Bind {
    /// The kind as which it is bound.
    pub(crate) fn kind(&self) -> Kind {
        match self.form {
            BindForm::Column(kind) => Kind::of(kind),
            BindForm::Count => Kind::Int,
            BindForm::Test(_)
            | BindForm::Whole
            | BindForm::Wire(_)
            | BindForm::Search(_)
            | BindForm::Rank(_)
            | BindForm::JsonKey => Kind::Text,
        }
    }

    /// Whether runs that go in one statement may have other values of it. A number of rows is the
    /// same in all: where a planner does not know it, it takes it for a tenth of what there is, and
    /// looks for the first ones of few in the order of all.
    pub(crate) fn may_differ(&self) -> bool {
        matches!(self.operand, Operand::Param(_)) && self.form != BindForm::Count
    }
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
    /// What is searched for in rows with these languages, as the database finds rows by it.
    Search(Languages),
    /// The same, as it ranks them.
    Rank(Languages),
    /// A JSON value as it compares with others.
    JsonKey,
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
