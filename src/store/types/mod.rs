//! What goes in and out of the store. Plain data; no driver, no SQL.

mod access;
mod answer;
mod change_log;
mod field_fetch;
mod figures;
mod group;
mod held;
mod layout_plan;
mod process;
mod rejected;
mod run;
mod standing;
mod status;
mod told;
mod upsert;

pub use access::*;
pub use answer::*;
pub use change_log::*;
pub use field_fetch::*;
pub use figures::*;
pub use group::*;
pub use held::*;
pub use layout_plan::*;
pub use process::*;
pub use rejected::*;
pub use run::*;
pub use standing::*;
pub use status::*;
pub use told::*;
pub use upsert::*;
