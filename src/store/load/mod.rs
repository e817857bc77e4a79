//! Loads: the rows of page groups, written where they differ. Knows the tables of a definition; not how runs begin or end.

pub mod absent;
pub mod again;
pub mod batch;
pub mod before;
pub mod children;
pub mod deferred;
pub mod delete;
pub mod find;
pub mod group;
pub mod key;
pub mod links;
pub mod page;
pub mod part;
pub mod print;
pub mod repeats;
pub mod rest;
pub mod single_links;
pub mod turns;
pub mod upsert;
pub mod write;
