//! `where`. Knows what each operator means. A null operand is an error; anything else that is null
//! is as good as left out, and an empty object matches everything.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, ITEM, Leaf},
    query::{Compare, Filter, Operand, Quantifier, TextTest},
    value::Scalar,
};

use super::{
    Planner,
    conditions::{IS_NULL, joined},
    input::Input,
    internal,
};
use crate::graphql::{ApiError, input_path::InputPath};

impl<'a> Planner<'a> {
    /// A `Where` input: all its members must hold.
    pub(super) fn filter(&mut self, entity: EntityId, input: Input<'a>, place: &InputPath) -> Result<Filter, ApiError> {
        let is_free = self.catalog.entity(entity).shown_named(IS_NULL).is_none();
        self.conditions(input, place, is_free, &mut |planner, name, input, place| match planner
            .catalog
            .entity(entity)
            .shown_named(name)
        {
            Some(field) => planner.condition((entity, field), input, place),
            None if name == IS_NULL => Err(no_link(place)),
            None => Err(internal("a filter by a field that the catalog does not have")),
        })
    }

    /// A member that names a field.
    fn condition(
        &mut self,
        (entity, field): (EntityId, FieldId),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let catalog = self.catalog;
        let found = catalog.entity(entity).field(field);
        match (&found.kind, found.kind.target()) {
            (FieldKind::Leaf { leaf, list: None }, _) if *leaf == Leaf::Scalar(Scalar::Json) => {
                self.json_operators((entity, field), input, place)
            }
            (FieldKind::Leaf { leaf, list: None }, _) => self.operators(entity, (field, *leaf), input, place),
            (FieldKind::Leaf { leaf, list: Some(_) }, _) => self.list_operators(entity, (field, *leaf), input, place),
            (FieldKind::Value { list: None, .. }, _) => self.members_of(entity, field, input, place),
            (kind, Some(target)) if kind.is_to_many() => self.quantified(&found.name, (field, target), input, place),
            (_, Some(target)) => self.row_behind((entity, field), target, input, place),
            (FieldKind::Value { .. }, _) => self.items_of((entity, field), input, place),
            (_, None) => Err(internal("a filter by what leads nowhere")),
        }
    }

    /// Conditions on a value object: on its members, or on whether there is one.
    fn members_of(
        &mut self,
        entity: EntityId,
        value: FieldId,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let is_free = self.part(entity, Some(value), IS_NULL).is_none();
        self.conditions(input, place, is_free, &mut |planner, name, input, place| {
            let owner = planner.catalog.entity(entity);
            match owner.part_named(&format!("{}.{name}", owner.field(value).name)) {
                Some(member) => planner.condition((entity, member), input, place),
                None if name == IS_NULL => planner.is_null(entity, value, &input, place),
                None => Err(internal("a filter by a member that no value has")),
            }
        })
    }

    /// Conditions on the items of a list of values.
    fn items_of(
        &mut self,
        (entity, field): (EntityId, FieldId),
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let owner = self.catalog.entity(entity);
        let item = owner.part_named(&format!("{}{ITEM}", owner.field(field).name));
        let item = item.ok_or_else(|| internal("a list whose items nobody knows"))?;
        self.null_is_said(&input, place)?;
        let mut all = Vec::new();
        for (name, input) in self.stated(&input) {
            let place = place.then(name);
            if name == IS_NULL {
                all.push(self.is_null(entity, field, &input, &place)?);
                continue;
            }
            all.push(Filter::Items {
                field,
                quantifier: quantifier(name)?,
                filter: Box::new(self.members_of(entity, item, input, &place)?),
            });
        }
        Ok(joined(all))
    }

    /// Conditions on the row that a link leads to: that there is one, unless `isNull` alone says
    /// that there is none.
    fn row_behind(
        &mut self,
        (entity, field): (EntityId, FieldId),
        target: EntityId,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let name = &self.catalog.entity(entity).field(field).name;
        let is_free = self.catalog.entity(target).shown_named(IS_NULL).is_none();
        if is_free {
            self.null_is_said(&input, place)?;
        }
        let stated = self.stated(&input);
        if let Some((_, wanted)) = stated.iter().find(|(name, _)| *name == IS_NULL && is_free) {
            if stated.len() > 1 {
                let message =
                    "a row that is not there meets no other condition; give isNull alone, and put `or` around the link";
                return Err(ApiError::input(place.then(IS_NULL), message));
            }
            let wanted = wanted.as_bool();
            let wanted = wanted.ok_or_else(|| ApiError::input(place.then(IS_NULL), "expected true or false"))?;
            let filter = Box::new(Filter::And(Vec::new()));
            return Ok(negated(wanted, Filter::One { field, filter }));
        }
        let without = format!("not: {{{name}: {{}}}}");
        let filter = Box::new(self.behind(without, target, input, place)?);
        Ok(Filter::One { field, filter })
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
            let quantifier = quantifier(name)?;
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
        if let Some(test) = TextTest::named(name) {
            let operand = self.text_operand(test, input, place)?;
            return Ok(Filter::Text { field, test, operand });
        }
        let compare = compare(name).ok_or_else(|| internal("an unknown operator"))?;
        let operand = match name {
            "since" | "until" => self.ago(input, place)?,
            _ => self.operand(leaf, Some(input), place)?,
        };
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

    /// The operand of a text predicate: any text, whatever the column's scalar asks of whole
    /// values.
    pub(super) fn text_operand(
        &mut self,
        test: TextTest,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Operand, ApiError> {
        match test {
            TextTest::Like | TextTest::ILike => self.pattern(input, place),
            _ => self.text(input, place),
        }
    }

    pub(super) fn text(&mut self, input: Input<'a>, place: &InputPath) -> Result<Operand, ApiError> {
        self.operand(Leaf::Scalar(Scalar::String), Some(input), place)
    }

    /// The members of an operators object: none of its variables may be missing.
    pub(super) fn given(&self, input: &Input<'a>, place: &InputPath) -> Result<Vec<(&'a str, Input<'a>)>, ApiError> {
        // GraphQL would leave the operator out, and a condition without operators is true of every
        // row.
        if let Some((name, variable)) = self.left_out(input, |_| true) {
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

    pub(super) fn is_null(
        &self,
        entity: EntityId,
        field: FieldId,
        input: &Input,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
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

/// Rows that are asked for are there, and those of a list as well.
fn no_link(place: &InputPath) -> ApiError {
    ApiError::input(
        place,
        "isNull stands alone, right below a link to one row; elsewhere rows are there; put `or` around the link",
    )
}

fn quantifier(name: &str) -> Result<Quantifier, ApiError> {
    match name {
        "some" => Ok(Quantifier::Some),
        "every" => Ok(Quantifier::Every),
        "none" => Ok(Quantifier::None),
        _ => Err(internal("an unknown quantifier")),
    }
}

pub(super) fn negated(negate: bool, filter: Filter) -> Filter {
    if negate { Filter::Not(Box::new(filter)) } else { filter }
}

pub(super) fn compare(name: &str) -> Option<Compare> {
    match name {
        "eq" | "ne" => Some(Compare::Eq),
        "gt" => Some(Compare::Gt),
        "gte" | "since" => Some(Compare::Gte),
        "lt" | "until" => Some(Compare::Lt),
        "lte" => Some(Compare::Lte),
        _ => None,
    }
}
