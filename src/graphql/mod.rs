//! The data API: the catalog served as GraphQL. Knows GraphQL and the store's contract; knows no SQL, no HTTP, no harvest.
//!
//! The way of a request: [`gate`] refuses what is too large, `plan` turns an operation into a `query::Read`, `execute`
//! runs it as one statement, `keyed` joins loads by key into one statement, `live` runs it again when its rows change and tells `listeners`,
//! `current` exchanges the whole for that of a newer definition, `exchange` says which answers one fell into.

pub mod changes;
mod coerce;
mod cost;
mod current;
mod describe;
mod digits;
mod error;
mod exchange;
mod execute;
mod fingerprint;
pub mod gate;
mod kept;
mod keyed;
mod limits;
mod listeners;
mod live;
mod lock;
mod names;
mod plan;
mod prepare;
mod request;
mod respond;
pub mod schema;
mod shares;
mod statistics;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod together;
mod trail;
mod turns;

pub use current::Current;
pub use digits::keep_digits;
pub use error::{ApiError, Code};
pub use exchange::Exchange;
pub use execute::DataApi;
pub use kept::Data;
pub(crate) use kept::FILES_MAX;
pub use limits::{LimitError, Limits};
pub use request::ApiRequest;
pub use respond::{ApiResponse, Kind, Parts};
pub use schema::{SchemaError, Served};
pub use shares::{Client, Denied, Share, Shares};
