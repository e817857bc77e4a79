//! The way from one layout to the next. Knows the stored tables and their steps; no runs.

pub(super) mod apply;
pub(super) mod build;
pub(super) mod carry;
pub(super) mod clear;
pub(super) mod count;
pub(super) mod history;
pub(super) mod index;
pub(super) mod indexes;
pub(super) mod items;
pub(super) mod migration;
pub(super) mod names;
pub(super) mod perform;
pub(super) mod reshape;
pub(super) mod search;
