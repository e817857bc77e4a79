//! The checked model of a definition: types, relations, sources, fetches. Knows no SQL, no HTTP and
//! no served GraphQL.
//!
//! [`build`](fn@build) turns a `Definition` into a `Valid<Catalog>` or into every fault at once;
//! what comes after takes the brand and checks nothing again.

mod auth;
mod body;
mod build;
mod by_record;
mod condition;
mod derived;
mod difference;
mod fetch;
mod function;
mod gives;
mod ids;
pub mod jq;
mod link;
mod model;
mod names;
mod own_keys;
mod rollup;
mod rollup_words;
mod schedule;
mod signature;
pub(crate) mod template;
#[cfg(test)]
pub(crate) mod testing;

pub use auth::{Auth, ClientCredentials, Login};
pub use body::{Body, Lookup, Node};
pub use build::{build, load};
pub(crate) use condition::ends_open;
pub use condition::{Compare, Condition, TextTest};
pub(crate) use derived::{ITEM, MEMBERS_MAX};
pub(crate) use difference::Difference;
pub use fetch::*;
pub use function::Function;
pub use ids::*;
pub use model::*;
pub(crate) use names::{NODE_ID, column_name, connection_name, list_of_connection, snake_case, table_name};
pub use rollup::{GroupBy, Groups, Kept, Rolled, Rollup};
pub use schedule::Chore;
