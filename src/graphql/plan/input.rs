//! Arguments, whether written in the query or given by variables, behind one face. Knows coercion;
//! knows no filter.

use apollo_compiler::{Node, ast::Value as Literal, response::JsonValue};

use crate::{catalog::Leaf, query::Operand, value::Scalar, value::Value};

use super::{
    Planner,
    params::{self, Param, ParamKind, Step, length, literal},
};
use crate::graphql::{ApiError, input_path::InputPath};

/// An argument's value, or a part of one. Variables are resolved: never a `Literal::Variable`.
#[derive(Clone, Debug)]
pub(super) enum Input<'a> {
    Literal(&'a Node<Literal>),
    Variable { value: &'a JsonValue, origin: Origin<'a> },
}

/// Where in the variables a value stands.
#[derive(Clone, Debug)]
pub(super) struct Origin<'a> {
    pub variable: &'a str,
    pub steps: Vec<Step>,
}

impl Origin<'_> {
    fn then(&self, step: Step) -> Self {
        let mut next = self.clone();
        next.steps.push(step);
        next
    }
}

impl Input<'_> {
    pub(super) fn is_null(&self) -> bool {
        match self {
            Input::Literal(node) => node.is_null(),
            Input::Variable { value, .. } => value.is_null(),
        }
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Input::Literal(node) => node.to_bool(),
            Input::Variable { value, .. } => value.as_bool(),
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Input::Literal(node) => node.as_str(),
            Input::Variable { value, .. } => value.as_str(),
        }
    }

    /// The name of an enum's value.
    pub(super) fn as_enum(&self) -> Option<&str> {
        match self {
            Input::Literal(node) => node.as_enum().map(|name| name.as_str()),
            Input::Variable { value, .. } => value.as_str(),
        }
    }
}

impl<'a> Planner<'a> {
    /// A value with its variable looked up; none when that variable was left out.
    pub(super) fn resolve(&self, node: &'a Node<Literal>) -> Option<Input<'a>> {
        let Some(variable) = node.as_variable() else {
            return Some(Input::Literal(node));
        };
        let variable = variable.as_str();
        let value = self.variables.get(variable)?;
        let origin = Origin {
            variable,
            steps: Vec::new(),
        };
        Some(Input::Variable { value, origin })
    }

    /// The members of an input object, those left out through a variable without.
    pub(super) fn members(&self, input: &Input<'a>) -> Vec<(&'a str, Input<'a>)> {
        match input {
            Input::Literal(node) => {
                let members = node.as_object().unwrap_or_default().iter();
                members
                    .filter_map(|(name, node)| Some((name.as_str(), self.resolve(node)?)))
                    .collect()
            }
            Input::Variable { value, origin } => {
                let members = value.as_object().into_iter().flatten();
                members
                    .map(|(name, value)| {
                        let origin = origin.then(Step::Member(name.as_str().to_owned()));
                        (name.as_str(), Input::Variable { value, origin })
                    })
                    .collect()
            }
        }
    }

    /// The first of these members, and its variable, that was left out because the variable was not
    /// given.
    pub(super) fn left_out(&self, input: &Input<'a>, of: impl Fn(&str) -> bool) -> Option<(&'a str, &'a str)> {
        let Input::Literal(node) = input else {
            return None;
        };
        node.as_object()?.iter().find_map(|(name, node)| {
            let variable = node.as_variable()?.as_str();
            let is_missing = of(name) && !self.variables.contains_key(variable);
            is_missing.then_some((name.as_str(), variable))
        })
    }

    /// The items of a list, none for a variable that was left out; a single value stands for a list
    /// of itself.
    pub(super) fn items(&self, input: &Input<'a>) -> Vec<Option<Input<'a>>> {
        match input {
            Input::Literal(node) => match node.as_list() {
                Some(nodes) => nodes.iter().map(|node| self.resolve(node)).collect(),
                None => vec![Some(input.clone())],
            },
            Input::Variable { value, origin } => match value.as_array() {
                Some(values) => values
                    .iter()
                    .enumerate()
                    .map(|(at, value)| {
                        let origin = origin.then(Step::Item(at));
                        Some(Input::Variable { value, origin })
                    })
                    .collect(),
                None => vec![Some(input.clone())],
            },
        }
    }

    /// The only member of a `@oneOf` input.
    pub(super) fn only_member(&self, input: &Input<'a>, place: &InputPath) -> Result<(&'a str, Input<'a>), ApiError> {
        let mut members = self.members(input);
        match (members.len(), members.pop()) {
            (1, Some((name, value))) if !value.is_null() => Ok((name, value)),
            (found, _) => {
                let message = format!("exactly one member with a value must be given, found {found}");
                Err(ApiError::input(place, message))
            }
        }
    }

    /// An operand: a constant, or the number of a parameter for a scalar that a variable gives.
    pub(super) fn operand(
        &mut self,
        leaf: Leaf,
        input: Option<Input<'a>>,
        place: &InputPath,
    ) -> Result<Operand, ApiError> {
        let kind = match leaf {
            Leaf::Scalar(scalar) => ParamKind::Scalar(scalar),
            Leaf::Enum(_) => ParamKind::Scalar(Scalar::String),
        };
        self.operand_as(kind, leaf, input, place)
    }

    /// The pattern of `like` or `ilike`.
    pub(super) fn pattern(&mut self, input: Input<'a>, place: &InputPath) -> Result<Operand, ApiError> {
        self.operand_as(ParamKind::Pattern, Leaf::Scalar(Scalar::String), Some(input), place)
    }

    /// A text, a number or a truth value that is compared with one in JSON.
    pub(super) fn json_operand(&mut self, input: Option<Input<'a>>, place: &InputPath) -> Result<Operand, ApiError> {
        self.operand_as(ParamKind::Json, Leaf::Scalar(Scalar::Json), input, place)
    }

    /// What is searched for.
    pub(super) fn search(&mut self, input: Input<'a>, place: &InputPath) -> Result<Operand, ApiError> {
        self.operand_as(ParamKind::Search, Leaf::Scalar(Scalar::String), Some(input), place)
    }

    /// The instant of a time ago, which is another one for each request.
    pub(super) fn ago(&mut self, input: Input<'a>, place: &InputPath) -> Result<Operand, ApiError> {
        if self.operation.is_subscription() {
            let message = "a live query is run again when rows change, and not as time passes; compare with a time, \
                           such as `gte`, or ask again now and then";
            return Err(ApiError::input(place, message));
        }
        if let Input::Literal(node) = &input
            && let Some(text) = node.as_str()
        {
            let micros = length(text).map_err(|error| ApiError::input(place, error))?;
            return Ok(self.param_of(params::Origin::Moment, ParamKind::AgoBy(micros), place));
        }
        self.operand_as(ParamKind::Ago, Leaf::Scalar(Scalar::String), Some(input), place)
    }

    /// A moment that has passed.
    pub(super) fn moment(&mut self, input: Input<'a>, place: &InputPath) -> Result<Operand, ApiError> {
        let leaf = Leaf::Scalar(Scalar::DateTime);
        match self.operand_as(ParamKind::Moment, leaf, Some(input), place)? {
            // Also one that stands in the operation is compared with the time of each request.
            Operand::Value(Value::Text(moment)) => {
                Ok(self.param_of(params::Origin::Moment, ParamKind::MomentAt(moment), place))
            }
            operand => Ok(operand),
        }
    }

    /// A part of the key that a row's own id holds.
    pub(super) fn node_key(
        &mut self,
        kind: ParamKind,
        input: Option<Input<'a>>,
        place: &InputPath,
    ) -> Result<Operand, ApiError> {
        self.operand_as(kind, Leaf::Scalar(Scalar::Id), input, place)
    }

    /// `offset` of spans of time.
    pub(super) fn shift(&mut self, kind: ParamKind, input: Input<'a>, place: &InputPath) -> Result<Operand, ApiError> {
        self.operand_as(kind, Leaf::Scalar(Scalar::Duration), Some(input), place)
    }

    pub(super) fn operand_as(
        &mut self,
        kind: ParamKind,
        leaf: Leaf,
        input: Option<Input<'a>>,
        place: &InputPath,
    ) -> Result<Operand, ApiError> {
        self.operands += 1;
        if self.operands > self.limits.operands {
            let limit = self.limits.operands;
            return Err(ApiError::over(
                "operands of the filters",
                self.operands,
                limit,
                "operands",
            ));
        }
        let Some(input) = input.filter(|input| !input.is_null()) else {
            return Err(ApiError::input(place, "null is no value to compare with; use isNull"));
        };
        match (leaf, input) {
            (Leaf::Enum(_), input) => match input.as_enum() {
                Some(name) => Ok(Operand::Value(Value::Text(name.to_owned()))),
                None => Err(ApiError::input(place, "expected an enum value")),
            },
            (Leaf::Scalar(Scalar::Boolean), input) => match input.as_bool() {
                Some(value) => Ok(Operand::Value(Value::Bool(value))),
                None => Err(ApiError::input(place, "expected a Boolean")),
            },
            (Leaf::Scalar(_), Input::Variable { origin, .. }) => Ok(self.param(origin, kind, place)),
            (Leaf::Scalar(scalar), Input::Literal(node)) => {
                let value = literal(&kind, scalar, node, place)?;
                Ok(match self.literals.and_then(|literals| literals.number(node)) {
                    Some(number) => self.param_of(params::Origin::Literal(number), kind, place),
                    None => Operand::Value(value),
                })
            }
        }
    }

    /// `first` or `offset`: no operand when left out or null, an error when negative.
    pub(super) fn count(&mut self, input: Option<Input<'a>>, place: &InputPath) -> Result<Option<Operand>, ApiError> {
        match input.filter(|input| !input.is_null()) {
            None => Ok(None),
            Some(Input::Variable { origin, .. }) => Ok(Some(self.param(origin, ParamKind::Count, place))),
            Some(Input::Literal(node)) => {
                let value = node.to_i32().map(i64::from);
                let checked = ParamKind::Count.check(value.map(Value::Int), place)?;
                Ok(Some(Operand::Value(checked)))
            }
        }
    }

    /// The number of the parameter for a place in the variables.
    pub(super) fn param(&mut self, origin: Origin<'a>, kind: ParamKind, place: &InputPath) -> Operand {
        let origin = params::Origin::Variable(origin.variable.to_owned(), origin.steps);
        self.param_of(origin, kind, place)
    }

    /// The number of a parameter; one place used twice alike is one parameter.
    fn param_of(&mut self, origin: params::Origin, kind: ParamKind, place: &InputPath) -> Operand {
        // By a map: a list may be of thousands.
        let known = self.by_origin.entry(origin.clone()).or_default();
        let same = |at: &&usize| self.params.get(**at).is_some_and(|param| param.kind == kind);
        if let Some(at) = known.iter().find(same) {
            return Operand::Param(*at);
        }
        let at = self.params.len();
        known.push(at);
        self.params.push(Param {
            origin,
            kind,
            place: place.to_string(),
        });
        Operand::Param(at)
    }
}
