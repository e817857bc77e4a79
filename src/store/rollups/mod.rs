//! Rollups (`@rollup`): columns that are computed of other rows, brought up to date in the
//! transaction that changes those. Knows how rows lead to each other; not who writes them, nor why.

mod bring;
pub(super) mod computed;
mod group_keys;
mod groups;
mod lists;
mod named;
pub(super) mod settle;
pub(super) mod touched;
