//! What goes in and out of the store. Plain data; no driver, no SQL.

mod access;
mod answer;
mod change_log;
mod definition_status;
mod field_fetch;
mod figures;
mod group;
mod held;
mod layout_plan;
mod process;
mod quarantined;
mod run;
mod status;
mod told;
mod upsert;

pub(crate) use access::*;
pub(crate) use answer::*;
pub(crate) use change_log::*;
pub(crate) use definition_status::*;
pub(crate) use field_fetch::*;
pub(crate) use figures::*;
pub(crate) use group::*;
pub(crate) use held::*;
pub(crate) use layout_plan::*;
pub(crate) use process::*;
pub(crate) use quarantined::*;
pub(crate) use run::*;
pub(crate) use status::*;
pub(crate) use told::*;
pub(crate) use upsert::*;
