//! Rows in groups. Knows the arguments and members of a group; its keys and its conditions are told
//! beside it, and what it computes is the query's.

use apollo_compiler::executable::Field;

use super::{
    Planner,
    connection::sets,
    input::Input,
    internal,
    keys::{At, KEYS_MAX, key_at},
    order::plain_sort,
    select::first,
};
use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    graphql::{
        ApiError,
        input_path::InputPath,
        names,
        schema::{keys::KeyKind, led::led_to, times},
    },
    query::{Filter, GroupKey, GroupMeasure, GroupOrder, GroupTerm, GroupValue, Grouped, Led, Measure, Member},
};

impl<'a> Planner<'a> {
    /// `itemsGrouped(…)`.
    pub(super) fn grouped(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Grouped, ApiError> {
        let field = first(fields)?;
        let mut select = self.rows_where(entity, field, at)?;
        select.first = self.count(self.argument(field, "first"), &at.then("first"))?;
        select.offset = self.count(self.argument(field, "offset"), &at.then("offset"))?;
        let keys = self.group_keys(entity, self.argument(field, "by"), &at.then("by"))?;
        let mut led = Vec::new();
        let having = match self.argument(field, "having").filter(|input| !input.is_null()) {
            Some(input) => Some(self.having(entity, &mut led, input, &at.then("having"))?),
            None => None,
        };
        let order = match self.argument(field, "orderBy").filter(|input| !input.is_null()) {
            Some(input) => self.group_orders(entity, &keys, &mut led, &input, &at.then("orderBy"))?,
            None => Vec::new(),
        };
        let output = self.group_output(entity, &keys, &mut led, fields, at)?;
        Ok(Grouped {
            select,
            keys,
            led,
            having,
            order,
            output,
        })
    }

    /// The rows behind a field, by the name of the member that computes something of them, among
    /// those that the groups have so far.
    pub(super) fn led(
        &self,
        entity: EntityId,
        led: &mut Vec<Led>,
        (member, filter): (&str, Option<Filter>),
        place: &InputPath,
    ) -> Result<usize, ApiError> {
        let field = names::led_field(member).and_then(|name| self.part(entity, None, name));
        let field = field.ok_or_else(|| internal("a member of a group that is not there"))?;
        let target = led_to(self.catalog, self.catalog.entity(entity).field(field));
        let new = Led {
            field,
            entity: target.ok_or_else(|| internal("rows of which nothing is computed"))?,
            filter,
        };
        if let Some(at) = led.iter().position(|known| *known == new) {
            return Ok(at);
        }
        if led.len() == KEYS_MAX {
            let message = format!("something is computed of more than {KEYS_MAX} kinds of other rows");
            return Err(ApiError::input(place, format!("{message}; ask in several queries")));
        }
        led.push(new);
        Ok(led.len() - 1)
    }

    fn group_orders(
        &mut self,
        entity: EntityId,
        keys: &[GroupKey],
        led: &mut Vec<Led>,
        input: &Input<'a>,
        place: &InputPath,
    ) -> Result<Vec<GroupOrder>, ApiError> {
        let items = self.items(input);
        if items.len() > KEYS_MAX {
            let message = format!("{} orders, at most {KEYS_MAX} are allowed", items.len());
            return Err(ApiError::input(place, message));
        }
        let items = items.iter().enumerate();
        items
            .map(|(at, item)| match item {
                Some(item) => self.group_order(entity, keys, led, item, &place.item(at)),
                None => Err(ApiError::input(place.item(at), "its variable was not given")),
            })
            .collect()
    }

    fn group_order(
        &self,
        entity: EntityId,
        keys: &[GroupKey],
        led: &mut Vec<Led>,
        input: &Input<'a>,
        place: &InputPath,
    ) -> Result<GroupOrder, ApiError> {
        let (name, value) = self.only_member(input, place)?;
        let place = place.then(name);
        if name == "keys" {
            return self.key_order(&At::of(entity), keys, &value, &place);
        }
        if names::led_field(name).is_some() {
            let of = self.led(entity, led, (name, None), &place)?;
            let target = led.get(of).map_or(entity, |led| led.entity);
            let (name, value) = self.only_member(&value, &place)?;
            return self.measure_order((Some(of), target), name, value, &place.then(name));
        }
        self.measure_order((None, entity), name, value, &place)
    }

    /// By what is computed of rows of a type.
    fn measure_order(
        &self,
        (of, entity): (Option<usize>, EntityId),
        name: &str,
        value: Input<'a>,
        place: &InputPath,
    ) -> Result<GroupOrder, ApiError> {
        let by = |measure, value: &Input| ordered(GroupTerm::Measure(GroupMeasure { of, measure }), value, place);
        if name == "count" {
            return by(Measure::Count, &value);
        }
        let function = names::function(name).ok_or_else(|| internal("an order that is not there"))?;
        let (mut value, mut within) = (value, None);
        loop {
            let (name, inner) = self.only_member(&value, place)?;
            let field = self.measured(entity, within, name)?;
            match self.catalog.entity(entity).field(field).kind {
                FieldKind::Value { .. } => (value, within) = (inner, Some(field)),
                _ => return by(Measure::Of(function, field), &inner),
            }
        }
    }

    fn key_order(
        &self,
        at: &At,
        keys: &[GroupKey],
        input: &Input<'a>,
        place: &InputPath,
    ) -> Result<GroupOrder, ApiError> {
        let (name, value) = self.only_member(input, place)?;
        let place = place.then(name);
        let (field, kind) = self.key_field(at, name)?;
        let key = |unit, place: &InputPath| key_at(self.catalog, keys, (at, field, kind), unit, place);
        match kind {
            KeyKind::Within(_) => self.key_order(&at.within(field), keys, &value, &place),
            KeyKind::Behind(target) => self.key_order(&at.behind(field, target), keys, &value, &place),
            KeyKind::Value(_) => ordered(GroupTerm::Key(key(None, &place)?), &value, &place),
            KeyKind::Times(_) => {
                let (member, value) = self.only_member(&value, &place)?;
                let unit = times::member(member).ok_or_else(|| internal("an order by no unit"))?;
                ordered(
                    GroupTerm::Key(key(unit, &place.then(member))?),
                    &value,
                    &place.then(member),
                )
            }
            KeyKind::Row(target) => {
                let key = key(None, &place)?;
                let order = self.one_order(target, &value, &place)?;
                Ok(GroupOrder {
                    by: GroupTerm::Behind {
                        key,
                        path: order.path,
                        field: order.field,
                        form: order.form,
                    },
                    direction: order.direction,
                    nulls: order.nulls,
                })
            }
        }
    }

    fn group_output(
        &mut self,
        entity: EntityId,
        keys: &[GroupKey],
        led: &mut Vec<Led>,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Vec<Member<GroupValue>>, ApiError> {
        let type_name = names::group_type(self.catalog.entity(entity));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&type_name, &sets(fields)) {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => GroupValue::Text(type_name.clone()),
                "keys" => GroupValue::Keys(self.keys_output(&At::of(entity), keys, &fields, &at.below(key))?),
                "count" => GroupValue::Count,
                "aggregate" => GroupValue::Aggregate(self.aggregate(entity, &fields)?),
                name => self.led_output(entity, led, name, &fields, &at.below(key))?,
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(output)
    }

    /// `requiredForAggregate(where: …)`
    fn led_output(
        &mut self,
        entity: EntityId,
        led: &mut Vec<Led>,
        name: &str,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<GroupValue, ApiError> {
        let field = names::led_field(name).and_then(|name| self.part(entity, None, name));
        let field = field.ok_or_else(|| internal("a member of a group that is not there"))?;
        let target = self.catalog.entity(entity).field(field).kind.target();
        let target = target.ok_or_else(|| internal("a member of a group that leads nowhere"))?;
        let filter = self.rows_where(target, first(fields)?, at)?.filter;
        let of = self.led(entity, led, (name, filter), at)?;
        Ok(GroupValue::Led(of, self.aggregate(target, fields)?))
    }

    /// A field that is measured, or a member of a value, by its name.
    pub(super) fn measured(&self, entity: EntityId, within: Option<FieldId>, name: &str) -> Result<FieldId, ApiError> {
        let field = self.part(entity, within, name);
        field.ok_or_else(|| internal("a function of a field that the catalog does not have"))
    }
}

fn ordered(by: GroupTerm, value: &Input, place: &InputPath) -> Result<GroupOrder, ApiError> {
    let (direction, nulls) = plain_sort(value, place)?;
    Ok(GroupOrder { by, direction, nulls })
}
