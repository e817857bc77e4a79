//! Hayloft harvests linked data into a database and serves it as one GraphQL API.
//!
//! The modules are listed in the order in which the data passes through them; `docs/ARCHITECTURE.md` is the map.

pub mod config;

pub mod value;

pub mod definition;

pub mod catalog;

pub mod layout;

pub mod query;

pub mod change;

pub mod store;

pub mod harvest;

pub mod graphql;

pub mod server;

pub mod demo;

pub mod app;

pub mod command;

pub mod telemetry;

/// What bounds the memory of filters counts in the unit tests as it does in the program.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: command::Allocator = command::Allocator;

#[cfg(test)]
mod tests;
