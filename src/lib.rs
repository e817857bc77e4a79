//! Hayloft harvests linked data into a database and serves it as one GraphQL API.
//!
//! The modules are listed in the order in which the data passes through them;
//! `docs/ARCHITECTURE.md` is the map.

mod config;

pub mod value;

pub mod definition;

pub mod catalog;

pub mod layout;

mod query;

mod change;

mod store;

mod harvest;

pub mod graphql;

mod server;

pub mod demo;

mod app;

pub mod command;

mod telemetry;

/// What bounds the memory of filters counts in the unit tests as it does in the program.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: command::Allocator = command::Allocator;

#[cfg(test)]
mod tests;
