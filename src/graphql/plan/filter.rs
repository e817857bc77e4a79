//! `where`. Knows what each operator means. A null operand is an error; anything else that is null
//! is as good as left out, and an empty object matches everything.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    query::{Compare, Filter, Operand, Quantifier, TextTest},
    value::Scalar,
};

use super::{Planner, input::Input, internal};
use crate::graphql::{ApiError, input_path::InputPath};

impl<'a> Planner<'a> {
    /// A `Where` input: all its members must hold.
    pub(super) fn filter(&mut self, entity: EntityId, input: Input<'a>, place: &InputPath) -> Result<Filter, ApiError> {
        self.may_go_on(&input, place)?;
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            self.one_condition_more()?;
            let place = place.then(name);
            all.push(match name {
                "and" => Filter::And(self.filters(entity, input, &place)?),
                "or" => Filter::Or(self.filters(entity, input, &place)?),
                "not" => Filter::Not(Box::new(self.filter(entity, input, &place)?)),
                name => self.condition(entity, name, input, &place)?,
            });
        }
        Ok(joined(all))
    }

    /// Whether a filter may be gone into so far.
    pub(super) fn may_go_on(&self, input: &Input<'a>, place: &InputPath) -> Result<(), ApiError> {
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

    fn filters(&mut self, entity: EntityId, input: Input<'a>, place: &InputPath) -> Result<Vec<Filter>, ApiError> {
        let items = self.items(&input).into_iter().enumerate();
        items
            .map(|(at, item)| {
                let place = place.item(at);
                let item = item.ok_or_else(|| ApiError::input(&place, "its variable was not given"))?;
                self.filter(entity, item, &place)
            })
            .collect()
    }

    /// The members that are not null: clients send null for what they have no wish about.
    pub(super) fn stated(&self, input: &Input<'a>) -> Vec<(&'a str, Input<'a>)> {
        let mut members = self.members(input);
        members.retain(|(_, input)| !input.is_null());
        members
    }

    /// A member that names a field.
    fn condition(
        &mut self,
        entity: EntityId,
        name: &str,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let catalog = self.catalog;
        let found = catalog.entity(entity).field_named(name);
        let field = found.ok_or_else(|| internal("a filter by a field that the catalog does not have"))?;
        let kind = &catalog.entity(entity).field(field).kind;
        match (kind, kind.target()) {
            (FieldKind::Leaf { leaf, list: None }, _) => self.operators(entity, (field, *leaf), input, place),
            (FieldKind::Leaf { leaf, list: Some(_) }, _) => self.list_operators(entity, (field, *leaf), input, place),
            (kind, Some(target)) if kind.is_to_many() => self.quantified(name, (field, target), input, place),
            (_, Some(target)) => {
                let without = format!("not: {{{name}: {{}}}}");
                let filter = Box::new(self.behind(without, target, input, place)?);
                Ok(Filter::One { field, filter })
            }
            (_, None) => Err(internal("a filter by a value object")),
        }
    }

    /// A filter of the rows behind a link; `without` asks for rows whose link leads nowhere.
    fn behind(
        &mut self,
        without: String,
        target: EntityId,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        self.links.push(without);
        let filter = self.filter(target, input, place);
        self.links.pop();
        filter
    }

    fn quantified(
        &mut self,
        link: &str,
        (field, target): (FieldId, EntityId),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            let quantifier = match name {
                "some" => Quantifier::Some,
                "every" => Quantifier::Every,
                "none" => Quantifier::None,
                _ => return Err(internal("an unknown quantifier")),
            };
            let without = format!("{link}: {{none: {{}}}}");
            let filter = Box::new(self.behind(without, target, input, &place.then(name))?);
            all.push(Filter::Many {
                field,
                quantifier,
                filter,
            });
        }
        Ok(joined(all))
    }

    pub(super) fn operators(
        &mut self,
        entity: EntityId,
        (field, leaf): (FieldId, Leaf),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let mut all = Vec::new();
        for (name, input) in self.given(&input, place)? {
            let place = place.then(name);
            all.push(match name {
                "in" | "notIn" => {
                    let operands = self.operands(leaf, &input, &place)?;
                    negated(name == "notIn", Filter::In { field, operands })
                }
                "isNull" => self.is_null(entity, field, &input, &place)?,
                name => self.comparison(field, leaf, name, input, &place)?,
            });
        }
        Ok(joined(all))
    }

    fn comparison(
        &mut self,
        field: FieldId,
        leaf: Leaf,
        name: &str,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        if let Some(test) = text_test(name) {
            // The operand of a text predicate is any text, whatever the column's scalar asks of
            // whole values.
            let operand = match test {
                TextTest::Like | TextTest::ILike => self.pattern(input, place)?,
                _ => self.operand(Leaf::Scalar(Scalar::String), Some(input), place)?,
            };
            return Ok(Filter::Text { field, test, operand });
        }
        let compare = compare(name).ok_or_else(|| internal("an unknown operator"))?;
        let operand = self.operand(leaf, Some(input), place)?;
        let filter = Filter::Compare {
            field,
            compare,
            operand,
        };
        Ok(negated(name == "ne", filter))
    }

    fn list_operators(
        &mut self,
        entity: EntityId,
        (field, leaf): (FieldId, Leaf),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let mut all = Vec::new();
        for (name, input) in self.given(&input, place)? {
            let place = place.then(name);
            all.push(match name {
                "isNull" => self.is_null(entity, field, &input, &place)?,
                "has" => Filter::Has {
                    field,
                    all: true,
                    operands: vec![self.operand(leaf, Some(input), &place)?],
                },
                name => Filter::Has {
                    field,
                    all: name == "hasEvery",
                    operands: self.operands(leaf, &input, &place)?,
                },
            });
        }
        Ok(joined(all))
    }

    /// The members of an operators object: none of its variables may be missing.
    fn given(&self, input: &Input<'a>, place: &InputPath) -> Result<Vec<(&'a str, Input<'a>)>, ApiError> {
        // GraphQL would leave the operator out, and a condition without operators is true of every
        // row.
        if let Some((name, variable)) = self.left_out(input) {
            let message = format!(
                "${variable} was not given, and without it every row would match; give it, or leave the operator out"
            );
            return Err(ApiError::input(place.then(name), message));
        }
        Ok(self.members(input))
    }

    fn operands(&mut self, leaf: Leaf, input: &Input<'a>, place: &InputPath) -> Result<Vec<Operand>, ApiError> {
        if input.is_null() {
            return Err(ApiError::input(place, "null is no list of values; use isNull"));
        }
        let items = self.items(input).into_iter().enumerate();
        items
            .map(|(at, item)| self.operand(leaf, item, &place.item(at)))
            .collect()
    }

    fn is_null(&self, entity: EntityId, field: FieldId, input: &Input, place: &InputPath) -> Result<Filter, ApiError> {
        let Some(wanted) = input.as_bool() else {
            return Err(ApiError::input(place, "expected true or false, found null"));
        };
        let owner = self.catalog.entity(entity);
        let never = owner.field(field).required || owner.key.contains(&field);
        match self.links.last() {
            // Whoever asks so means the link, not the row behind it, and would get nothing without
            // a word.
            Some(without) if wanted && never => {
                let name = &owner.field(field).name;
                let message = format!(
                    "`{name}` of {} is never null, so nothing would match; for rows whose link leads nowhere, ask {without}",
                    owner.name
                );
                Err(ApiError::input(place, message))
            }
            _ => Ok(negated(!wanted, Filter::IsNull { field })),
        }
    }
}

/// One filter needs no `And` around it.
fn joined(mut filters: Vec<Filter>) -> Filter {
    match (filters.len(), filters.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            filters.extend(last);
            Filter::And(filters)
        }
    }
}

fn negated(negate: bool, filter: Filter) -> Filter {
    if negate { Filter::Not(Box::new(filter)) } else { filter }
}

fn compare(name: &str) -> Option<Compare> {
    match name {
        "eq" | "ne" => Some(Compare::Eq),
        "gt" => Some(Compare::Gt),
        "gte" => Some(Compare::Gte),
        "lt" => Some(Compare::Lt),
        "lte" => Some(Compare::Lte),
        _ => None,
    }
}

fn text_test(name: &str) -> Option<TextTest> {
    match name {
        "contains" => Some(TextTest::Contains),
        "startsWith" => Some(TextTest::StartsWith),
        "endsWith" => Some(TextTest::EndsWith),
        "like" => Some(TextTest::Like),
        "ilike" => Some(TextTest::ILike),
        _ => None,
    }
}
