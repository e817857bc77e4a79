//! The processes that share one database: what they tell each other. Knows no rows of a definition.

pub(super) mod attendance;
pub(super) mod follow;
pub(super) mod look;
pub(super) mod place;
