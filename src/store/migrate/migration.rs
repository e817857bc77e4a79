//! Two layouts, and what lies between them. Plain data.

use crate::{
    layout::{Layout, steps::Steps},
    store::{ddl::tables::IndexPlan, types::PlannedStep},
};

/// One index, as it is until the tables have their new names, and as it is then.
pub(crate) struct Carried {
    pub before: IndexPlan,
    pub after: IndexPlan,
}

/// Two layouts, and what lies between them.
pub(crate) struct Migration<'a> {
    pub stored: &'a Layout,
    pub new: &'a Layout,
    pub steps: &'a Steps,
    /// The same steps, with what they touch.
    pub planned: &'a [PlannedStep],
}
