//! The interface of all rows that have a key, and the root field that finds one by its own id.
//! Knows their SDL and their names.

use super::text::Sdl;
use crate::{catalog::Catalog, graphql::names};

pub(in crate::graphql) use crate::catalog::NODE_ID as ID;

/// The interface.
pub(in crate::graphql) const TYPE: &str = "Node";
/// The root field, which can be asked and listened to.
pub(in crate::graphql) const ROOT: &str = "node";

/// Whether any type has such rows.
pub(super) fn is_there(catalog: &Catalog) -> bool {
    catalog.entities.iter().any(names::is_node)
}

pub(super) fn write_root(sdl: &mut Sdl) {
    let about = "The row that has this `nodeId`, of whatever type, or null.";
    sdl.member(Some(about), &format!("{ROOT}({ID}: ID!): {TYPE}"), None);
}

pub(super) fn write(sdl: &mut Sdl) {
    let about = "A row that can be found again by its `nodeId`.";
    sdl.block(Some(about), &format!("interface {TYPE}"), write_id);
}

/// The field that all these rows have.
pub(super) fn write_id(sdl: &mut Sdl) {
    let about = "The row's own id among those of all types, without a meaning for clients; `node` finds the row by it.";
    sdl.member(Some(about), &format!("{ID}: ID!"), None);
}
