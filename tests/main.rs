//! The one integration binary: real processes, real HTTP, real SQLite, a real browser.

mod harness;

mod browser;
mod countries;
mod definition;
mod farm;
mod faults;
mod kill;
mod start;
mod tidy;
