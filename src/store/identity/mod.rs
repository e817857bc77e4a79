//! Which database this is, and whether it still is that one. Knows places and generations; no rows.

pub(super) mod guard;
pub(super) mod place;
