//! The way from one layout to the next. Knows the stored tables and their steps; no runs.

pub mod apply;
pub mod build;
pub mod carry;
pub mod clear;
pub mod count;
pub mod index;
pub mod indexes;
pub mod items;
pub mod migration;
pub mod names;
pub mod perform;
pub mod reshape;
