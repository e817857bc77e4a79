//! Rollups (`@rollup`): columns that are computed of other rows, brought up to date in the
//! transaction that changes those. Knows how rows lead to each other; not who writes them, nor why.

mod anew;
mod bring;
mod columns;
pub(super) mod computed;
mod conditions;
mod group_keys;
mod groups;
mod lists;
mod named;
pub(super) mod settle;
mod tallied;
mod tally;
mod totals;
pub(super) mod touched;
