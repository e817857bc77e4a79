//! What `and`, `or` and `not` put together, whatever it is about. Knows the limits of conditions;
//! no field and no measure.

use super::{Planner, input::Input};
use crate::{
    graphql::{ApiError, input_path::InputPath},
    query::{Filter, Having},
};

/// Asks for what is not there; a field of that name goes before it.
pub(super) const IS_NULL: &str = "isNull";

/// A condition that may consist of others.
pub(super) trait Condition: Sized {
    fn and(all: Vec<Self>) -> Self;
    fn or(all: Vec<Self>) -> Self;
    fn not(condition: Self) -> Self;
}

impl Condition for Filter {
    fn and(all: Vec<Self>) -> Self {
        Filter::And(all)
    }
    fn or(all: Vec<Self>) -> Self {
        Filter::Or(all)
    }
    fn not(condition: Self) -> Self {
        Filter::Not(Box::new(condition))
    }
}

impl Condition for Having {
    fn and(all: Vec<Self>) -> Self {
        Having::And(all)
    }
    fn or(all: Vec<Self>) -> Self {
        Having::Or(all)
    }
    fn not(condition: Self) -> Self {
        Having::Not(Box::new(condition))
    }
}

/// Plans a member that is none of the three.
type Member<'m, 'a, C> = &'m mut dyn FnMut(&mut Planner<'a>, &'a str, Input<'a>, &InputPath) -> Result<C, ApiError>;

impl<'a> Planner<'a> {
    /// An input of conditions: all its members must hold. `isNull` is free where no field has that
    /// name.
    pub(super) fn conditions<C: Condition>(
        &mut self,
        input: Input<'a>,
        place: &InputPath,
        is_free: bool,
        member: Member<'_, 'a, C>,
    ) -> Result<C, ApiError> {
        self.may_go_on(&input, place)?;
        if is_free {
            self.null_is_said(&input, place)?;
        }
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            self.one_condition_more()?;
            let place = place.then(name);
            all.push(match name {
                "and" => C::and(self.each_of(input, &place, is_free, &mut *member)?),
                "or" => C::or(self.each_of(input, &place, is_free, &mut *member)?),
                "not" => C::not(self.conditions(input, &place, is_free, &mut *member)?),
                name => member(self, name, input, &place)?,
            });
        }
        Ok(joined(all))
    }

    fn each_of<C: Condition>(
        &mut self,
        input: Input<'a>,
        place: &InputPath,
        is_free: bool,
        member: Member<'_, 'a, C>,
    ) -> Result<Vec<C>, ApiError> {
        let mut all = Vec::new();
        for (at, item) in self.items(&input).into_iter().enumerate() {
            let place = place.item(at);
            let item = item.ok_or_else(|| ApiError::input(&place, "its variable was not given"))?;
            all.push(self.conditions(item, &place, is_free, &mut *member)?);
        }
        Ok(all)
    }

    /// Without its operand the test for null is left out like other members. Where it stands alone,
    /// every row would match.
    pub(super) fn null_is_said(&self, input: &Input<'a>, place: &InputPath) -> Result<(), ApiError> {
        let is_left_out = self.left_out(input, |name| name == IS_NULL).is_some();
        let members = self.members(input);
        if members.iter().any(|(_, value)| !value.is_null()) {
            return Ok(());
        }
        match is_left_out || members.iter().any(|(name, value)| *name == IS_NULL && value.is_null()) {
            true => Err(ApiError::input(
                place.then(IS_NULL),
                "expected true or false, found null",
            )),
            false => Ok(()),
        }
    }

    /// Whether a filter may be gone into so far.
    fn may_go_on(&self, input: &Input<'a>, place: &InputPath) -> Result<(), ApiError> {
        if input.is_null() {
            return Err(ApiError::input(place, "null is no filter; leave it out of the list"));
        }
        let (depth, limit) = (place.depth(), self.limits.filter_depth);
        match depth > limit {
            true => Err(ApiError::over("steps into a filter", depth, limit, "filter_depth")),
            false => Ok(()),
        }
    }

    pub(super) fn one_condition_more(&mut self) -> Result<(), ApiError> {
        self.conditions += 1;
        let (found, limit) = (self.conditions, self.limits.conditions);
        match found > limit {
            true => Err(ApiError::over("conditions of the filters", found, limit, "conditions")),
            false => Ok(()),
        }
    }

    /// The members that are not null: clients send null for what they have no wish about.
    pub(super) fn stated(&self, input: &Input<'a>) -> Vec<(&'a str, Input<'a>)> {
        let mut members = self.members(input);
        members.retain(|(_, input)| !input.is_null());
        members
    }
}

/// One condition needs no `And` around it.
pub(super) fn joined<C: Condition>(mut all: Vec<C>) -> C {
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            all.extend(last);
            C::and(all)
        }
    }
}
