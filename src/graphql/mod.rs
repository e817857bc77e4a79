//! The data API: the catalog served as GraphQL. Knows GraphQL and the store's contract; knows no
//! SQL, no HTTP, no harvest.
//!
//! The way of a request: [`gate`] refuses what is too large, `documents` knows the text of what was
//! asked for by name, `plan` turns an operation into a `query::Read`, `execute` runs it as one
//! statement, `keyed` joins loads by key into one statement, `live` runs it again when its rows
//! change and tells `listeners`, `current` exchanges the whole for that of a newer definition,
//! `exchange` says which answers one fell into.

mod addresses;
mod admission;
mod advice;
mod answers;
pub mod changes;
mod coerce;
mod cost;
mod counted;
mod current;
mod describe;
mod digits;
mod documents;
mod error;
mod exchange;
mod execute;
mod explain;
mod fingerprint;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub(crate) mod gate;
mod groups;
mod holder;
mod input_path;
mod kept;
mod keyed;
mod known;
mod limits;
mod listeners;
mod literals;
mod live;
mod lock;
mod names;
mod node_id;
mod object;
mod plan;
mod prepare;
mod principal;
mod request;
mod respond;
pub(crate) mod schema;
mod shares;
mod statistics;
mod tag;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod together;
mod turns;

pub(crate) use admission::admits;
pub(crate) use answers::CacheFigures;
pub(crate) use current::Current;
pub(crate) use digits::{read_json, was_number};
pub(crate) use documents::Saved;
pub(crate) use error::{ApiError, Code};
pub(crate) use exchange::Exchange;
pub(crate) use execute::DataApi;
pub(crate) use kept::FILES_MAX;
pub(crate) use limits::Limits;
pub(crate) use prepare::PlanFigures;
pub(crate) use principal::Principal;
pub(crate) use request::{Address, ApiRequest, Draft, Members, near_parameter};
pub(crate) use respond::{Answered, ApiResponse, Kind, Parts};
pub(crate) use schema::SchemaError;
pub use schema::Served;
pub(crate) use shares::{Client, Denied, Share, Shares};
pub(crate) use tag::Tag;
