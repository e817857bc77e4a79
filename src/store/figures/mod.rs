//! What is known of the rows of a type without looking at them: measured, kept, read. Knows
//! statistics; no runs.

pub(super) mod measure;
pub(super) mod read;
pub(super) mod sides;
pub(super) mod statistics;
