//! One step from a layout to the next, and all of them. Plain data.

use crate::{catalog::EntityId, layout::EntityTables, value::Language};

/// Everything that lies between two layouts.
#[derive(Debug, Default)]
pub struct Steps {
    /// In the words of the definition, for a person; types in the order of the new layout, what is
    /// removed last.
    pub steps: Vec<Step>,
    /// How the tables that stay become those of the new layout, every one of them.
    pub kept: Vec<Reshape>,
    /// The types that get new tables.
    pub created: Vec<EntityId>,
    /// Positions, in the stored layout, of types that are gone.
    pub removed: Vec<usize>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub change: Change,
    /// The type, by its new name; by its old one when it is removed.
    pub entity: String,
    pub field: Option<String>,
    /// What is lost where the condition holds.
    pub touch: Option<Touch>,
    pub refill: Option<Refill>,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    NewType,
    RenamedType {
        from: String,
    },
    RemovedType,
    /// Rows are told apart by something else: they are all harvested again.
    NewKey,
    NewField {
        required: bool,
    },
    /// One that is computed of other rows.
    NewRollup,
    /// It is computed of other rows than before, or in another way.
    Recomputed,
    RenamedField {
        from: String,
    },
    RemovedField,
    /// The stored values become values of the new type, without loss.
    Cast {
        from: String,
        to: String,
    },
    /// The stored values mean nothing in the new type.
    Emptied {
        from: String,
        to: String,
    },
    /// Values of an enum that are no more.
    Narrowed {
        gone: Vec<String>,
    },
    /// Members of a value object that are new.
    Widened {
        new: Vec<String>,
    },
    Required,
    Nullable,
    NewLinks,
    RenamedLinks {
        from: String,
    },
    RemovedLinks,
    /// Tables or columns of the type had names that a database keeps for itself.
    Respelled,
    /// They lead to other rows, or by other values.
    EmptiedLinks,
    NewIndex,
    RemovedIndex,
    /// The same of a list, whose items may lie in a table of their own, which goes with it.
    RemovedListIndex,
    Unique,
    NotUnique,
    /// The words of the field are searched now: they are found in what is stored.
    Searched {
        language: Option<Language>,
    },
    NotSearched,
    /// They are searched in another language, or in none: found anew in what is stored.
    SearchedIn {
        language: Option<Language>,
    },
    /// Past versions of the rows are kept from now on.
    History,
    NoHistory,
    /// What was kept has no value for a field that must have one, or is of rows with another key:
    /// the past begins now.
    HistoryAnew,
    /// Values of a field mean nothing any more, or have no column: those of past versions go, too.
    ForgetsPast,
}

/// Stored rows that a step takes something from.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    /// The stored table's name.
    pub table: String,
    pub when: Condition,
    pub loss: Loss,
}

/// Which rows of a stored table; columns by their stored names.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    All,
    Null(Vec<String>),
    NotNull(Vec<String>),
    OneOf {
        column: String,
        values: Vec<String>,
    },
    /// All but the oldest row of each set of equal values.
    Repeated(Vec<String>),
}

/// What is lost of a touched row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The whole row, with its links and its children.
    Row,
    /// One field's value.
    Value,
    /// The links of one field.
    Links,
    /// The past of a whole row.
    Version,
    /// One field's value in the past of a row.
    PastValue,
}

/// Values that only a full run of each of these fetches can bring.
#[derive(Clone, Debug, PartialEq)]
pub struct Refill {
    /// None: no fetch fills the type.
    pub fetches: Vec<String>,
    /// Requests of its own bring the values: the owner's record, and so its row's hash, has nothing
    /// to do with them.
    pub apart: bool,
    /// What it fills, as `status` tells it: `price`, or `QuestItem.quantity` for a nested type.
    pub field: String,
    /// The stored table without whose rows there is nothing to fill.
    pub table: String,
}

/// How a stored type's tables become the new ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape {
    /// Position in the stored layout.
    pub stored: usize,
    pub entity: EntityId,
    /// Where the values of each new column come from.
    pub origins: Vec<Origin>,
    /// The stored join table, by position, that each new one is made of; the others are made anew.
    pub joins: Vec<Option<usize>>,
    /// All rows are removed first.
    pub emptied: bool,
    /// The past versions of its rows go over to the new layout.
    pub past: bool,
}

/// Where a new column's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the stored column at this position; its kind may be another one.
    Stored(usize),
    /// From nowhere: null until a run fills it.
    Nothing,
}

impl Step {
    /// Whether it needs a run only when rows were touched; the others need one as soon as there are
    /// rows.
    pub fn refills_touched_only(&self) -> bool {
        matches!(
            self.change,
            Change::Required | Change::Unique | Change::Narrowed { .. } | Change::NewKey
        )
    }
}

impl Steps {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The name that a person knows a stored type by.
pub(super) fn shown(tables: &EntityTables) -> &str {
    if tables.name.is_empty() {
        &tables.table.name
    } else {
        &tables.name
    }
}
