//! What can be computed of many values. Plain data.

/// What is computed of the values of one field, over many rows; nulls do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
}
