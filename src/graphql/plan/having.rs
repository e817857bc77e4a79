//! `having`. Knows which part of a condition speaks of what is computed; what its operators mean is
//! the filter's.

use super::{Planner, conditions::joined, input::Input, internal};
use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    graphql::{ApiError, input_path::InputPath, names},
    query::{Function, GroupMeasure, Having, Led, Measure},
    value::Scalar,
};

/// The rows of which something is computed: those of a group, or others, and their type.
type Of = (Option<usize>, EntityId);

impl<'a> Planner<'a> {
    /// A `Having` input: all its members must hold.
    pub(super) fn having(
        &mut self,
        entity: EntityId,
        led: &mut Vec<Led>,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Having, ApiError> {
        // Groups are there, and ask for no null.
        self.conditions(input, place, false, &mut |planner, name, input, place| {
            if names::led_field(name).is_none() {
                return planner.one_having((None, entity), name, input, place);
            }
            let of = planner.led(entity, led, (name, None), place)?;
            let target = led.get(of).map_or(entity, |led| led.entity);
            let mut all = Vec::new();
            for (name, input) in planner.stated(&input) {
                planner.one_condition_more()?;
                all.push(planner.one_having((Some(of), target), name, input, &place.then(name))?);
            }
            Ok(joined(all))
        })
    }

    /// A condition on a number of rows, or on what a function gives.
    fn one_having(&mut self, of: Of, name: &str, input: Input<'a>, place: &InputPath) -> Result<Having, ApiError> {
        match name {
            "count" => self.measure_having(of, (Measure::Count, Scalar::Int), input, place),
            name => {
                let function = names::function(name).ok_or_else(|| internal("a condition that is not there"))?;
                self.function_having(of, (function, None), input, place)
            }
        }
    }

    /// Conditions on what one function gives of several fields, or of members of a value.
    fn function_having(
        &mut self,
        of: Of,
        (function, within): (Function, Option<FieldId>),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Having, ApiError> {
        let entity = of.1;
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            self.one_condition_more()?;
            let field = self.measured(entity, within, name)?;
            let place = place.then(name);
            let FieldKind::Leaf { leaf, .. } = &self.catalog.entity(entity).field(field).kind else {
                all.push(self.function_having(of, (function, Some(field)), input, &place)?);
                continue;
            };
            let scalar = function.of(*leaf);
            let scalar = scalar.ok_or_else(|| internal("a function that says nothing of its field"))?;
            let measure = (Measure::Of(function, field), scalar);
            all.push(self.measure_having(of, measure, input, &place)?);
        }
        Ok(Having::And(all))
    }

    fn measure_having(
        &mut self,
        (of, entity): Of,
        (measure, scalar): (Measure, Scalar),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Having, ApiError> {
        // As if a field of that scalar were asked: no operator looks at the field itself.
        let field = measure.field().unwrap_or(FieldId(0));
        let filter = self.operators(entity, (field, Leaf::Scalar(scalar)), input, place)?;
        let measure = GroupMeasure { of, measure };
        Having::of(filter, measure).ok_or_else(|| internal("a condition on what is no measure"))
    }
}
