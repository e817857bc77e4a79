//! The runs with a request per row at which this process is at work. Knows their numbers; knows
//! nothing of what is done for them.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// The runs at which this process is at work, whether it holds them or helps.
#[derive(Debug, Default)]
pub(in crate::harvest) struct Helped(Mutex<HashSet<i64>>);

/// A run in [`Helped`], until it is dropped.
pub(in crate::harvest) struct AtWork<'h> {
    helped: &'h Helped,
    run: Option<i64>,
}

impl Helped {
    /// Notes that this process is at work on a run.
    pub(in crate::harvest) fn begin(&self, run: i64) -> AtWork<'_> {
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(run);
        AtWork {
            helped: self,
            run: new.then_some(run),
        }
    }

    /// Whether it is not.
    pub(super) fn is_new(&self, run: i64) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&run)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run {
            let mut runs = self.helped.0.lock().unwrap_or_else(PoisonError::into_inner);
            runs.remove(&run);
        }
    }
}
