//! The one integration binary: real processes, real HTTP, both databases, a real browser.

// A test that cannot go on has to stop, and says why in the panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nothing uses this crate; the harness is shared by path.
#![allow(unreachable_pub)]

mod harness;

mod backup;
mod beyond;
mod bounds;
mod browser;
mod changes;
mod chaos;
mod clients;
mod cluster;
mod computed;
mod control;
mod countries;
mod definition;
mod disk;
mod documents;
mod edits;
mod equal;
mod examples;
mod exchange;
mod farm;
mod faults;
mod field_fetch;
mod follow;
mod formats;
mod frames;
mod grouped;
mod http;
mod kill;
mod lists;
mod live;
mod loads;
mod names;
mod numbers;
mod outages;
mod pages;
mod panics;
mod parts;
mod places;
mod reload;
mod repeats;
mod replaced;
mod searched;
mod secrets;
mod shapes;
mod shapes_computed;
mod start;
mod starts;
mod steps;
mod systems;
mod taken;
mod tidy;
mod told;
mod tools;
mod unchanged;
