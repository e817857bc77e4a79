//! How much of a row a record is. Knows no records.

use crate::value::{Absent, Part, Row};

/// How much of a row a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All: what it does not have is null.
    Whole,
    /// What the type's own fetch knows of a row that others bring, too.
    OwnPart,
    /// What one of the others knows.
    Part,
}

impl Extent {
    /// The row of a record of which this is known.
    pub(super) fn of(self, row: Row, absent: Absent) -> Row {
        let owner = self == Extent::OwnPart;
        match self {
            Extent::Whole => row,
            _ => row.into_part(Part { absent, owner }),
        }
    }
}
