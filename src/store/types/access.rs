//! Whether a handle may write. Plain data.

/// Whether a handle may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    /// May write, and may do the steps of a changed definition that lose data.
    Destructive,
    Read,
    /// The same beside a definition that need not fit what is stored: only
    /// [`crate::store::Store::plan`] asks then.
    Compare,
}

impl Access {
    pub(crate) fn writes(self) -> bool {
        matches!(self, Access::Write | Access::Destructive)
    }
}
