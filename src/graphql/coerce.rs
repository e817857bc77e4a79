//! A request's variables against their types: strict, and with the path of what does not fit. Knows
//! types and scalars; knows no plan.

use apollo_compiler::{
    Name, Schema,
    ast::{Type, VariableDefinition},
    executable::Operation,
    parser::SourceMap,
    response::{JsonMap, JsonValue},
    schema::{ExtendedType, InputObjectType},
};

use super::{ApiError, input_path::InputPath, plan::to_json};
use crate::{definition::did_you_mean, value::Scalar};

/// `CoerceVariableValues` of the specification: what was given or stands as a default
/// ([`super::digits::settled`] has put that in), as its type wants it. Variables that the operation
/// does not declare are left out.
pub(super) fn coerce(
    schema: &Schema,
    operation: &Operation,
    given: &JsonMap,
    sources: &SourceMap,
) -> Result<JsonMap, ApiError> {
    let coercion = Coercion { schema };
    let mut coerced = JsonMap::new();
    for variable in &operation.variables {
        let value = coercion.variable(variable, given);
        if let Some(value) = value.map_err(|error| error.at(variable.location(), sources))? {
            coerced.insert(variable.name.as_str(), value);
        }
    }
    Ok(coerced)
}

struct Coercion<'a> {
    schema: &'a Schema,
}

impl Coercion<'_> {
    fn variable(&self, variable: &VariableDefinition, given: &JsonMap) -> Result<Option<JsonValue>, ApiError> {
        let name = format!("${}", variable.name);
        let at = InputPath::root(&name);
        match given.get(variable.name.as_str()) {
            Some(value) => self.value(&variable.ty, value, &at).map(Some),
            None if variable.ty.is_non_null() => Err(ApiError::input(
                &at,
                format!("a value of type {} must be given", variable.ty),
            )),
            None => Ok(None),
        }
    }

    fn value(&self, ty: &Type, value: &JsonValue, at: &InputPath) -> Result<JsonValue, ApiError> {
        if value.is_null() {
            return match ty.is_non_null() {
                true => Err(unfit(ty, value, at)),
                false => Ok(JsonValue::Null),
            };
        }
        if !ty.is_list() {
            return self.named(ty, value, at);
        }
        // A single value stands for a list of itself.
        let Some(items) = value.as_array() else {
            return Ok(JsonValue::Array(vec![self.value(ty.item_type(), value, at)?]));
        };
        let items = items.iter().enumerate();
        let items = items.map(|(number, item)| self.value(ty.item_type(), item, &at.item(number)));
        Ok(JsonValue::Array(items.collect::<Result<_, _>>()?))
    }

    fn named(&self, ty: &Type, value: &JsonValue, at: &InputPath) -> Result<JsonValue, ApiError> {
        let name = ty.inner_named_type();
        match self.schema.types.get(name) {
            Some(ExtendedType::InputObject(input)) => match value.as_object() {
                Some(members) => self.object(input, members, at),
                None => Err(unfit(ty, value, at)),
            },
            Some(ExtendedType::Enum(values)) => match value.as_str() {
                Some(given) if values.values.contains_key(given) => Ok(value.clone()),
                Some(given) => {
                    let near = near(given, values.values.keys());
                    Err(ApiError::input(at, format!("{name} has no value `{given}`{near}")))
                }
                None => Err(unfit(ty, value, at)),
            },
            _ => {
                // Any JSON is good JSON; of other scalars each knows its own.
                let scalar = Scalar::from_name(name).filter(|scalar| *scalar != Scalar::Json);
                let checked = scalar.map_or(Ok(()), |scalar| scalar.from_input(&to_json(value)).map(|_| ()));
                checked.map_err(|error| ApiError::input(at, error))?;
                Ok(value.clone())
            }
        }
    }

    fn object(&self, input: &InputObjectType, members: &JsonMap, at: &InputPath) -> Result<JsonValue, ApiError> {
        let name = &input.name;
        let mut coerced = JsonMap::new();
        for (member, value) in members {
            let Some(definition) = input.fields.get(member.as_str()) else {
                let near = near(member.as_str(), input.fields.keys());
                let message = format!("{name} has no member `{}`{near}", member.as_str());
                return Err(ApiError::input(at, message));
            };
            let value = self.value(&definition.ty, value, &at.then(member.as_str()))?;
            coerced.insert(member.clone(), value);
        }
        if input.directives.has("oneOf") {
            let stated = coerced.iter().filter(|(_, value)| !value.is_null()).count();
            if members.len() != 1 || stated != 1 {
                let message = format!("exactly one member with a value must be given, found {stated}");
                return Err(ApiError::input(at, message));
            }
        }
        // No member of the served inputs has a default.
        let missing = input
            .fields
            .iter()
            .find(|(member, definition)| definition.ty.is_non_null() && !coerced.contains_key(member.as_str()));
        if let Some((member, definition)) = missing {
            let message = format!("a value of type {} must be given", definition.ty);
            return Err(ApiError::input(at.then(member), message));
        }
        Ok(JsonValue::Object(coerced))
    }
}

fn unfit(ty: &Type, value: &JsonValue, at: &InputPath) -> ApiError {
    let found = match value {
        JsonValue::Array(_) => "a list".to_owned(),
        JsonValue::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    };
    ApiError::input(at, format!("expected a value of type {ty}, found {found}"))
}

/// `; did you mean …?` or nothing.
fn near<'n>(word: &str, names: impl Iterator<Item = &'n Name>) -> String {
    let near = did_you_mean(word, names.map(|name| name.as_str()));
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
