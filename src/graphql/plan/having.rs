//! `having`. Knows which part of a condition speaks of what is computed; what its operators mean is
//! the filter's.

use super::{Planner, input::Input, internal};
use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    graphql::{ApiError, input_path::InputPath, names},
    query::{Function, Having, Measure},
    value::Scalar,
};

impl<'a> Planner<'a> {
    /// A `Having` input: all its members must hold.
    pub(super) fn having(&mut self, entity: EntityId, input: Input<'a>, place: &InputPath) -> Result<Having, ApiError> {
        // Groups are there, and ask for no null.
        self.conditions(input, place, false, &mut |planner, name, input, place| match name {
            "count" => planner.measure_having(entity, (Measure::Count, Scalar::Int), input, place),
            name => {
                let function = names::function(name).ok_or_else(|| internal("a condition that is not there"))?;
                planner.function_having(entity, (function, None), input, place)
            }
        })
    }

    /// Conditions on what one function gives of several fields, or of members of a value.
    fn function_having(
        &mut self,
        entity: EntityId,
        (function, within): (Function, Option<FieldId>),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Having, ApiError> {
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            self.one_condition_more()?;
            let field = self.measured(entity, within, name)?;
            let place = place.then(name);
            let FieldKind::Leaf { leaf, .. } = &self.catalog.entity(entity).field(field).kind else {
                all.push(self.function_having(entity, (function, Some(field)), input, &place)?);
                continue;
            };
            let scalar = function.of(*leaf);
            let scalar = scalar.ok_or_else(|| internal("a function that says nothing of its field"))?;
            let measure = (Measure::Of(function, field), scalar);
            all.push(self.measure_having(entity, measure, input, &place)?);
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
