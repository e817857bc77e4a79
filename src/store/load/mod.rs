//! Loads: the rows of page groups, written where they differ. Knows the tables of a definition; not
//! how runs begin or end.

pub(super) mod absent;
pub(super) mod again;
pub(super) mod batch;
pub(super) mod before;
pub(super) mod children;
pub(super) mod deferred;
pub(super) mod delete;
pub(super) mod differ;
pub(super) mod find;
pub(super) mod group;
pub(super) mod key;
pub(super) mod links;
pub(super) mod mixed;
pub(super) mod page;
pub(super) mod part;
pub(super) mod print;
pub(super) mod repeats;
pub(super) mod rest;
pub(super) mod single_links;
pub(super) mod together;
pub(super) mod turns;
pub(super) mod upsert;
pub(super) mod write;
