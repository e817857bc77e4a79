//! What an estimate is made of: the catalog, the values of the parameters, and the figures of the
//! types. Knows no read.

use crate::{
    catalog::{Catalog, EntityId, Field},
    graphql::statistics::Known,
    query::Operand,
    store::Figures,
    value::Value,
};

/// What an estimate is made of.
pub(super) struct Estimate<'a> {
    pub catalog: &'a Catalog,
    pub params: &'a [Value],
    pub known: &'a Known,
    /// Rows as they were: of their versions no index is there but those of keys and links.
    pub is_past: bool,
}

impl<'a> Estimate<'a> {
    pub(super) fn figures(&self, entity: EntityId) -> Option<&'a Figures> {
        self.known.of(entity)
    }

    pub(super) fn stored(&self, entity: EntityId) -> f64 {
        self.figures(entity).map_or(0.0, |figures| figures.rows as f64)
    }

    /// Whether an index has the values of a field beside those of keys and links.
    pub(super) fn is_indexed(&self, field: &Field) -> bool {
        !self.is_past && (field.indexed || field.unique)
    }

    /// Its value; none where it was not given.
    pub(super) fn operand<'o>(&'o self, operand: &'o Operand) -> Option<&'o Value> {
        match operand {
            Operand::Value(value) => Some(value),
            Operand::Param(at) => self.params.get(*at),
        }
    }
}
