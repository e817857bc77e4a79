//! The steps to a changed definition as a caller sees them, with what each touches in the database.
//! Plain data.

use crate::layout::steps::Step;

/// A step of a changed definition, with what it touches in the database.
#[derive(Clone, Debug)]
pub(crate) struct PlannedStep {
    pub step: Step,
    /// Stored rows that lose something.
    pub rows: u64,
    /// Rows are there that only a run brings the values for.
    pub refills: bool,
    /// The database goes through all rows of the type for it, and queries of the type wait
    /// meanwhile.
    pub holds_up: bool,
}

impl PlannedStep {
    /// A step of which nobody counted anything.
    pub(crate) fn uncounted(step: Step) -> PlannedStep {
        PlannedStep {
            step,
            rows: 0,
            refills: false,
            holds_up: false,
        }
    }

    /// Whether stored data is lost by it.
    pub(crate) fn is_lossy(&self) -> bool {
        self.rows > 0
    }

    pub(crate) fn needs_refill(&self) -> bool {
        self.refills
    }

    /// `- Item.price: field removed; the value of 12 rows is removed`.
    pub(crate) fn words(&self) -> String {
        let step = &self.step;
        let mut out = format!("{} {}: {}", step.sign(), step.subject(), step.words());
        if let Some(touch) = step.touch.as_ref().filter(|_| self.is_lossy()) {
            out.push_str("; ");
            out.push_str(&touch.words(self.rows));
        }
        out
    }
}

/// What lies between a database and a definition.
#[derive(Clone, Debug)]
pub(crate) struct LayoutPlan {
    pub steps: Vec<PlannedStep>,
    /// The definition is an earlier one of this database, and compatible with it: nothing is to be
    /// done. The steps are those of going back to it, which only who allows what is destructive
    /// wants.
    pub former: bool,
    /// What waits for its index to be built beside whoever reads and writes, as in `Item.price`.
    pub indexes: Vec<String>,
    /// Fetches that are read in another way now, by no step of the layout, and so harvested again.
    pub rereads: Vec<String>,
}

impl LayoutPlan {
    /// Whether data is lost unless someone refuses.
    pub(crate) fn is_lossy(&self) -> bool {
        !self.former && self.lossy() > 0
    }

    /// How many steps lose data.
    pub(crate) fn lossy(&self) -> usize {
        self.steps.iter().filter(|step| step.is_lossy()).count()
    }

    /// The fetches that steps owe a run.
    pub(crate) fn refilled(&self) -> impl Iterator<Item = &String> {
        let owing = self.steps.iter().filter(|step| step.refills);
        owing.flat_map(|step| step.step.refill.iter().flat_map(|refill| &refill.fetches))
    }
}
