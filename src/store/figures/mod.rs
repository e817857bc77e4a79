//! What is known of the rows of a type without looking at them: measured, kept, read. Knows statistics; no runs.

pub mod measure;
pub mod read;
pub mod sides;
pub mod statistics;
