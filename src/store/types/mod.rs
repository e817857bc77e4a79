//! What goes in and out of the store. Plain data; no driver, no SQL.

mod field_fetch;
mod figures;
mod layout_plan;
mod run;
mod told;

pub use field_fetch::*;
pub use figures::*;
pub use layout_plan::*;
pub use run::*;
pub use told::*;
