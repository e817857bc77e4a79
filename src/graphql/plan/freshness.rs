//! The selection of `freshness`. Knows its members; what they mean in a database is the store's.

use apollo_compiler::executable::{Field, SelectionSet};

use super::{
    Planner, internal,
    params::{Origin, Param, ParamKind},
};
use crate::{
    graphql::{ApiError, schema::freshness},
    query::{FreshnessOutput, FreshnessValue, Operand},
};

impl<'a> Planner<'a> {
    pub(super) fn freshness(&mut self, fields: &[&'a Field]) -> Result<Vec<FreshnessOutput>, ApiError> {
        let sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        let mut output = Vec::new();
        for (key, fields) in self.collect(freshness::TYPE, &sets) {
            let name = fields.first().map_or("", |field| field.name.as_str());
            let value = match freshness::member(name) {
                Some(value) => value,
                None if name == "nextAt" => FreshnessValue::NextAt(self.next_harvests()),
                None => return Err(internal("a member of freshness that is not there")),
            };
            output.push(FreshnessOutput {
                key: key.to_owned(),
                value,
            });
        }
        Ok(output)
    }

    /// The next harvest of each type: a plan is kept for longer than they are to come.
    fn next_harvests(&mut self) -> Vec<Operand> {
        let catalog = self.catalog;
        let next = catalog.entity_ids().map(|id| {
            let kind = ParamKind::NextHarvest(id);
            if let Some(known) = self.params.iter().position(|param| param.kind == kind) {
                return Operand::Param(known);
            }
            self.params.push(Param {
                origin: Origin::Moment,
                kind,
                place: String::new(),
            });
            Operand::Param(self.params.len() - 1)
        });
        next.collect()
    }
}
