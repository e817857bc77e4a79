//! The one integration binary: real processes, real HTTP, real SQLite, a real browser.

// A test that cannot go on has to stop, and says why in the panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod harness;

mod browser;
mod countries;
mod definition;
mod examples;
mod farm;
mod faults;
mod http;
mod kill;
mod live;
mod start;
mod tidy;
