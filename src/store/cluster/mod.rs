//! The processes that share one database: what they tell each other. Knows no rows of a definition.

pub mod attendance;
pub mod follow;
pub mod place;
