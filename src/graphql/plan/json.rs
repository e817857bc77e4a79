//! Conditions on what stands in a JSON value. Knows the way into one; what operators
//! mean of it is told by `query::JsonTest`.

use apollo_compiler::{ast::Value as Literal, response::JsonValue};

use crate::{
    catalog::{Compare, EntityId, FieldId},
    query::{Filter, JsonTest, TextTest},
    value::{JsonPath, JsonStep},
};

use super::{
    Planner,
    conditions::{IS_NULL, joined},
    filter::{compare, negated},
    input::Input,
    internal,
};
use crate::graphql::{ApiError, input_path::InputPath};

pub(super) const PATH: &str = "path";

impl<'a> Planner<'a> {
    /// The operators on a JSON value; all speak of what stands at the same place.
    pub(super) fn json_operators(
        &mut self,
        (entity, field): (EntityId, FieldId),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let given = self.given(&input, place)?;
        let path = match given.iter().find(|(name, _)| *name == PATH) {
            Some((name, input)) => json_path(input, &place.then(name))?,
            None => JsonPath::default(),
        };
        let mut all = Vec::new();
        for (name, input) in given.iter().filter(|(name, _)| *name != PATH) {
            let place = place.then(name);
            if *name == IS_NULL && path == JsonPath::default() {
                all.push(self.is_null(entity, field, input, &place)?);
                continue;
            }
            let (negate, test) = self.json_test(name, input.clone(), &place)?;
            let path = path.clone();
            all.push(negated(negate, Filter::Json { field, path, test }));
        }
        if all.is_empty() && !given.is_empty() {
            let message = "a path alone is no condition, and every row would match; say what stands there: `exists: true`, \
                           `eq: …`";
            return Err(ApiError::input(place, message));
        }
        Ok(joined(all))
    }

    /// A test, and whether its complement is meant.
    fn json_test(&mut self, name: &str, input: Input<'a>, place: &InputPath) -> Result<(bool, JsonTest), ApiError> {
        let stated = |input: &Input<'a>| {
            let stated = input.as_bool();
            stated.ok_or_else(|| ApiError::input(place, "expected true or false, found null"))
        };
        if let Some(test) = TextTest::named(name) {
            let operand = self.text_operand(test, input, place)?;
            return Ok((false, JsonTest::Text { test, operand }));
        }
        Ok(match name {
            "exists" => (!stated(&input)?, JsonTest::Exists),
            IS_NULL => (!stated(&input)?, JsonTest::IsNull),
            "in" | "notIn" => {
                if input.is_null() {
                    return Err(ApiError::input(place, "null is no list of values; use isNull"));
                }
                let items = self.items(&input).into_iter().enumerate();
                let operands = items.map(|(at, item)| self.json_operand(item, &place.item(at)));
                let operands = operands.collect::<Result<_, _>>()?;
                (name == "notIn", JsonTest::In { operands })
            }
            "has" => {
                let operand = self.json_operand(Some(input), place)?;
                (false, JsonTest::Has { operand })
            }
            "hasKey" => {
                let operand = self.text(input, place)?;
                (false, JsonTest::HasKey { operand })
            }
            name => {
                let compare = compare(name).ok_or_else(|| internal("an unknown operator of JSON"))?;
                let operand = self.json_operand(Some(input), place)?;
                let negate = name == "ne" && compare == Compare::Eq;
                (negate, JsonTest::Compare { compare, operand })
            }
        })
    }
}

/// A path, as a text or as a list of names and numbers.
pub(super) fn json_path(input: &Input<'_>, place: &InputPath) -> Result<JsonPath, ApiError> {
    let fail = |message: String| ApiError::input(place, message);
    if let Some(text) = input.as_text() {
        return JsonPath::parse(text).map_err(fail);
    }
    let wrong = || fail("expected a path such as `a.b[0]`, or a list of names and numbers".to_owned());
    let steps: Option<Vec<JsonStep>> = match input {
        Input::Literal(node) => {
            let items = node.as_list().ok_or_else(wrong)?.iter();
            if items.clone().any(|item| item.as_variable().is_some()) {
                return Err(fail(
                    "a step of a path cannot be a variable; give the whole path as one".to_owned(),
                ));
            }
            items.map(|item| literal_step(item)).collect()
        }
        Input::Variable { value, .. } => {
            let items = value.as_array().ok_or_else(wrong)?.iter();
            items.map(step).collect()
        }
    };
    JsonPath::of(steps.ok_or_else(wrong)?).map_err(fail)
}

fn literal_step(item: &Literal) -> Option<JsonStep> {
    match item {
        Literal::String(name) => Some(JsonStep::Member(name.clone())),
        Literal::Int(number) => Some(JsonStep::Item(number.as_str().parse().ok()?)),
        _ => None,
    }
}

fn step(item: &JsonValue) -> Option<JsonStep> {
    match item {
        JsonValue::String(name) => Some(JsonStep::Member(name.as_str().to_owned())),
        JsonValue::Number(number) => Some(JsonStep::Item(u32::try_from(number.as_u64()?).ok()?)),
        _ => None,
    }
}
