//! Numbered parameters: where their values are found in the variables, and the checks that each
//! must pass.

use std::sync::Arc;

use apollo_compiler::{
    ast::Value as Literal,
    response::{JsonMap, JsonValue},
};
use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Utc};

use crate::{
    catalog::{Catalog, EntityId},
    query::{MARK_MAX, Search, WORDS_MAX, ends_open},
    value::{Scalar, Unit, Value, duration_text, interval_micros, json_text},
};

use super::cursor::CursorForm;
use crate::graphql::{ApiError, digits::kept_number, literals::Literals, node_id::NodeForm};

/// A way into a variable's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::graphql) enum Step {
    Member(String),
    Item(usize),
}

/// Where a parameter's value is found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::graphql) enum Origin {
    /// In a variable's value, a way into it.
    Variable(String, Vec<Step>),
    /// In the document: the literal of this number.
    Literal(usize),
    /// In neither.
    Moment,
}

/// A parameter of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::graphql) struct Param {
    pub origin: Origin,
    pub kind: ParamKind,
    /// The argument it was first used for, for errors: `items.where.price.gt`.
    pub place: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::graphql) enum ParamKind {
    Scalar(Scalar),
    /// `like` or `ilike`.
    Pattern,
    /// What is searched for.
    Search,
    /// A text, a number or a truth value, as JSON with all its digits.
    Json,
    /// Words of an excerpt.
    Words,
    /// What stands around a word that was found.
    Mark,
    /// `first`, `last` or `offset`.
    Count,
    /// By how much spans of this unit begin later; of days, whole ones.
    Shift(Unit, bool),
    /// One of the values of a cursor, by its number.
    Cursor(Arc<CursorForm>, usize),
    /// One of the parts of the key in a row's own id, by its number.
    Node(Arc<NodeForm>, usize),
    /// The instant so long ago as a text says: the time of the request less that.
    Ago,
    /// The same of so many microseconds that the operation itself says.
    AgoBy(i64),
    /// An instant that is not yet to come.
    Moment,
    /// The same that the operation itself says.
    MomentAt(String),
    /// When a type is harvested next: no variable, but the time of the request.
    NextHarvest(EntityId),
}

/// Signs of `%` in a pattern: PostgreSQL's matching recurses at each, and its stack ends at about
/// twice as many.
const ANY_MAX: usize = 10_000;

impl ParamKind {
    fn scalar(&self) -> Scalar {
        match self {
            ParamKind::Scalar(scalar) => *scalar,
            ParamKind::Shift(..) => Scalar::Duration,
            ParamKind::Node(..) => Scalar::Id,
            ParamKind::Json => Scalar::Json,
            ParamKind::Moment | ParamKind::MomentAt(_) => Scalar::DateTime,
            ParamKind::Pattern | ParamKind::Search | ParamKind::Mark | ParamKind::Cursor(..) | ParamKind::Ago => {
                Scalar::String
            }
            ParamKind::Count | ParamKind::Words | ParamKind::NextHarvest(_) | ParamKind::AgoBy(_) => Scalar::Int,
        }
    }

    /// A count must not be negative, nor a pattern be one that a database cannot match.
    pub(crate) fn check(&self, value: Option<Value>, place: &impl std::fmt::Display) -> Result<Value, ApiError> {
        match (self, value) {
            (ParamKind::Count, Some(Value::Int(count))) if count < 0 => {
                Err(ApiError::input(place, format!("{count} is negative; give 0 or more")))
            }
            (ParamKind::Pattern, Some(Value::Text(like))) if ends_open(&like) => Err(ApiError::input(
                place,
                "the pattern ends in a `\\` with nothing behind it that it could be the escape of; write it twice for a backslash",
            )),
            (ParamKind::Words, Some(Value::Int(words))) if !(1..=WORDS_MAX).contains(&words) => Err(ApiError::input(
                place,
                format!("an excerpt has 1 to {WORDS_MAX} words, not {words}"),
            )),
            (ParamKind::Mark, Some(Value::Text(mark))) if mark.len() > MARK_MAX => Err(ApiError::input(
                place,
                format!("it has {} bytes, at most {MARK_MAX} are allowed", mark.len()),
            )),
            (ParamKind::Pattern, Some(Value::Text(like))) => match like.bytes().filter(|byte| *byte == b'%').count() {
                found if found > ANY_MAX => Err(ApiError::input(
                    place,
                    format!("a pattern with {found} signs of %, at most {ANY_MAX} are allowed"),
                )),
                _ => Ok(Value::Text(like)),
            },
            (ParamKind::Search, Some(Value::Text(search))) => match Search::parse(&search) {
                Ok(_) => Ok(Value::Text(search)),
                Err(error) => Err(ApiError::input(place, error)),
            },
            (ParamKind::Shift(unit, whole_days), Some(Value::Int(shift))) => match fits(*unit, *whole_days, shift) {
                Ok(()) => Ok(Value::Int(shift)),
                Err(error) => Err(ApiError::input(place, error)),
            },
            (ParamKind::Cursor(form, at), Some(Value::Text(cursor))) => {
                let values = form.read(&cursor).map_err(|error| ApiError::input(place, error))?;
                Ok(values.into_iter().nth(*at).unwrap_or(Value::Null))
            }
            (ParamKind::Node(form, at), Some(Value::Text(id))) => {
                let key = form.read(&id).map_err(|error| ApiError::input(place, error))?;
                Ok(key.into_iter().nth(*at).unwrap_or(Value::Null))
            }
            (_, Some(value)) => Ok(value),
            (_, None) => Err(ApiError::input(place, "the value is missing")),
        }
    }
}

/// What would only name other spans is refused.
fn fits(unit: Unit, whole_days: bool, shift: i64) -> Result<(), String> {
    let (shortest, day) = (unit.shortest(), Unit::Day.shortest());
    if shift.unsigned_abs() >= shortest.unsigned_abs() {
        let (shift, shortest) = (duration_text(shift), duration_text(shortest));
        return Err(format!(
            "an offset of {shift} is too long for {}; give one shorter than {shortest}",
            unit.name()
        ));
    }
    match whole_days && shift % day != 0 {
        true => Err(format!(
            "{} is no number of whole days, and a date has no hours",
            duration_text(shift)
        )),
        false => Ok(()),
    }
}

impl Param {
    /// Whether its value is another one at another time, whatever the variables.
    pub(crate) fn is_of_the_moment(&self) -> bool {
        match self.kind {
            ParamKind::NextHarvest(_) | ParamKind::Ago | ParamKind::AgoBy(_) => true,
            ParamKind::Scalar(_)
            | ParamKind::Pattern
            | ParamKind::Search
            | ParamKind::Json
            | ParamKind::Words
            | ParamKind::Mark
            | ParamKind::Count
            | ParamKind::Shift(..)
            | ParamKind::Cursor(..)
            | ParamKind::Moment
            | ParamKind::MomentAt(_)
            | ParamKind::Node(..) => false,
        }
    }

    /// The number of the literal whose value it has.
    pub(crate) fn literal(&self) -> Option<usize> {
        match self.origin {
            Origin::Literal(number) => Some(number),
            Origin::Variable(..) | Origin::Moment => None,
        }
    }

    /// Its value in these variables and this document, at this time.
    pub(crate) fn bind(
        &self,
        variables: &JsonMap,
        literals: &Literals,
        catalog: &Catalog,
        now: DateTime<Utc>,
    ) -> Result<Value, ApiError> {
        let value = self.value(variables, literals, catalog, now)?;
        match (&self.kind, &value) {
            (ParamKind::Moment | ParamKind::MomentAt(_), Value::Text(moment)) if *moment > instant_text(now) => {
                let message = format!("{moment} is still to come; it is {} now", instant_text(now));
                Err(ApiError::input(&self.place, message))
            }
            _ => Ok(value),
        }
    }

    fn value(
        &self,
        variables: &JsonMap,
        literals: &Literals,
        catalog: &Catalog,
        now: DateTime<Utc>,
    ) -> Result<Value, ApiError> {
        if let ParamKind::MomentAt(moment) = &self.kind {
            return Ok(Value::Text(moment.clone()));
        }
        if let ParamKind::NextHarvest(id) = &self.kind {
            let next = catalog.next_harvest(*id, now);
            let text = next.map(|next| next.to_rfc3339_opts(SecondsFormat::Micros, true));
            return Ok(text.map_or(Value::Null, Value::Text));
        }
        if let ParamKind::AgoBy(micros) = self.kind {
            return ago(now, micros).map_err(|error| ApiError::input(&self.place, error));
        }
        let (variable, steps) = match &self.origin {
            Origin::Variable(variable, steps) => (variable, steps),
            Origin::Literal(number) => {
                let Some(node) = literals.get(*number) else {
                    return self.kind.check(None, &self.place);
                };
                return literal(&self.kind, self.kind.scalar(), node, &self.place);
            }
            Origin::Moment => return self.kind.check(None, &self.place),
        };
        let found = variables.get(variable.as_str());
        let found = steps.iter().fold(found, |value, step| step.follow(value?));
        let place = format!("{} (${variable})", self.place);
        let Some(json) = found else {
            return self.kind.check(None, &place);
        };
        if self.kind == ParamKind::Json {
            return json_operand(given_json(json), &place);
        }
        let value = self
            .kind
            .scalar()
            .from_input(&to_json(json))
            .map_err(|error| ApiError::input(&place, error))?;
        if let (ParamKind::Ago, Value::Text(text)) = (&self.kind, &value) {
            let instant = length(text).and_then(|micros| ago(now, micros));
            return instant.map_err(|error| ApiError::input(&place, error));
        }
        self.kind.check(Some(value), &place)
    }
}

/// Microseconds of a time that has passed.
pub(super) fn length(text: &str) -> Result<i64, String> {
    let micros = interval_micros(text).filter(|micros| *micros >= 0);
    micros.ok_or_else(|| format!("expected a time such as 30s, 5m, 24h, 7d or PT30M, found {text:?}"))
}

/// An instant as it is stored. None is before the year 0.
fn ago(now: DateTime<Utc>, micros: i64) -> Result<Value, String> {
    let instant = now.checked_sub_signed(TimeDelta::microseconds(micros));
    let instant = instant.filter(|instant| instant.year() >= 0);
    let instant = instant.ok_or_else(|| format!("{} ago is before the year 0", duration_text(micros)))?;
    Ok(Value::Text(instant_text(instant)))
}

fn instant_text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Step {
    fn follow<'v>(&self, value: &'v JsonValue) -> Option<&'v JsonValue> {
        match self {
            Step::Member(name) => value.as_object()?.get(name.as_str()),
            // A single value stands for a list of itself; coercion has already wrapped it.
            Step::Item(at) => value.as_array()?.get(*at),
        }
    }
}

/// What a literal stands for, where a scalar is wanted.
pub(super) fn literal(
    kind: &ParamKind,
    scalar: Scalar,
    node: &Literal,
    place: &impl std::fmt::Display,
) -> Result<Value, ApiError> {
    if *kind == ParamKind::Json {
        return json_operand(written_json(node), place);
    }
    let json = literal_json(scalar, node).ok_or_else(|| ApiError::input(place, "expected one value"))?;
    let value = scalar
        .from_input(&json)
        .map_err(|error| ApiError::input(place, error))?;
    kind.check(Some(value), place)
}

fn json_operand(json: Option<String>, place: &impl std::fmt::Display) -> Result<Value, ApiError> {
    let json = json.ok_or_else(|| {
        let message = "expected a text, a number or a truth value; of a list or an object compare what stands in it, by \
                       its path";
        ApiError::input(place, message)
    })?;
    match json_text(&json).is_some_and(|text| text.contains('\0')) {
        true => Err(ApiError::input(
            place,
            "a text with the character U+0000, which no stored text has",
        )),
        false => Ok(Value::Text(json)),
    }
}

/// A literal as JSON. All of GraphQL's numbers are such.
fn written_json(node: &Literal) -> Option<String> {
    match node {
        Literal::String(text) => Some(serde_json::Value::from(text.as_str()).to_string()),
        Literal::Int(number) => Some(number.as_str().to_owned()),
        Literal::Float(number) => Some(number.as_str().to_owned()),
        Literal::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// What a variable gives as JSON: numbers with all their digits.
fn given_json(value: &JsonValue) -> Option<String> {
    match value {
        JsonValue::Bool(value) => Some(value.to_string()),
        JsonValue::Number(number) => Some(number.to_string()),
        JsonValue::String(text) => Some(match kept_number(text.as_str()) {
            Some(number) => number.to_owned(),
            None => serde_json::Value::from(text.as_str()).to_string(),
        }),
        JsonValue::Null | JsonValue::Array(_) | JsonValue::Object(_) => None,
    }
}

/// A literal as the JSON that a variable would carry. Numbers for exact scalars keep their text.
fn literal_json(scalar: Scalar, node: &Literal) -> Option<serde_json::Value> {
    let exact = matches!(scalar, Scalar::Decimal | Scalar::BigInt | Scalar::Id);
    match node {
        Literal::String(text) => Some(text.as_str().into()),
        Literal::Int(number) if exact => Some(number.as_str().into()),
        Literal::Float(number) if exact && scalar != Scalar::Id => Some(number.as_str().into()),
        Literal::Int(number) => serde_json::from_str(number.as_str()).ok(),
        Literal::Float(number) => serde_json::from_str(number.as_str()).ok(),
        Literal::Boolean(value) => Some((*value).into()),
        _ => None,
    }
}

/// Operands are scalars; whatever else a client sends in their place is shown as text in the error.
pub(in crate::graphql) fn to_json(value: &JsonValue) -> serde_json::Value {
    match value {
        JsonValue::Null => serde_json::Value::Null,
        JsonValue::Bool(value) => (*value).into(),
        JsonValue::Number(number) => number.clone().into(),
        JsonValue::String(text) => text.as_str().into(),
        JsonValue::Array(_) => serde_json::json!([]),
        JsonValue::Object(_) => serde_json::json!({}),
    }
}
