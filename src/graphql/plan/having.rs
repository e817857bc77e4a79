//! `having`. Knows which part of a condition speaks of what is computed; what its operators mean is
//! the filter's.

use super::{Planner, input::Input, internal};
use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    graphql::{ApiError, input_path::InputPath, names},
    query::{Having, Measure},
    value::Scalar,
};

impl<'a> Planner<'a> {
    /// A `Having` input: all its members must hold.
    pub(super) fn having(&mut self, entity: EntityId, input: Input<'a>, place: &InputPath) -> Result<Having, ApiError> {
        self.may_go_on(&input, place)?;
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            self.one_condition_more()?;
            let place = place.then(name);
            all.push(match name {
                "and" => Having::And(self.havings(entity, input, &place)?),
                "or" => Having::Or(self.havings(entity, input, &place)?),
                "not" => Having::Not(Box::new(self.having(entity, input, &place)?)),
                "count" => self.measure_having(entity, (Measure::Count, Scalar::Int), input, &place)?,
                name => self.function_having(entity, name, input, &place)?,
            });
        }
        Ok(Having::And(all))
    }

    fn havings(&mut self, entity: EntityId, input: Input<'a>, place: &InputPath) -> Result<Vec<Having>, ApiError> {
        let items = self.items(&input).into_iter().enumerate();
        items
            .map(|(at, item)| {
                let place = place.item(at);
                let item = item.ok_or_else(|| ApiError::input(&place, "its variable was not given"))?;
                self.having(entity, item, &place)
            })
            .collect()
    }

    /// Conditions on what one function gives of several fields.
    fn function_having(
        &mut self,
        entity: EntityId,
        name: &str,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Having, ApiError> {
        let function = names::function(name).ok_or_else(|| internal("a condition that is not there"))?;
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            self.one_condition_more()?;
            let field = self.measured(entity, name)?;
            let FieldKind::Leaf { leaf, .. } = &self.catalog.entity(entity).field(field).kind else {
                return Err(internal("a function of a link"));
            };
            let scalar = function.of(*leaf);
            let scalar = scalar.ok_or_else(|| internal("a function that says nothing of its field"))?;
            let measure = (Measure::Of(function, field), scalar);
            all.push(self.measure_having(entity, measure, input, &place.then(name))?);
        }
        Ok(Having::And(all))
    }

    fn measure_having(
        &mut self,
        entity: EntityId,
        (measure, scalar): (Measure, Scalar),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Having, ApiError> {
        // As if a field of that scalar were asked: no operator looks at the field itself.
        let field = measure.field().unwrap_or(FieldId(0));
        let filter = self.operators(entity, (field, Leaf::Scalar(scalar)), input, place)?;
        Having::of(filter, measure).ok_or_else(|| internal("a condition on what is no measure"))
    }
}
