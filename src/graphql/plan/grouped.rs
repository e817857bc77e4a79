//! Rows in groups. Knows the arguments and members of a group; what its conditions mean is told
//! beside it, and what it computes is the query's.

use std::sync::Arc;

use apollo_compiler::executable::Field;

use super::{Planner, connection::sets, input::Input, internal, order::sort, params::ParamKind, select::first};
use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    definition::did_you_mean,
    graphql::{
        ApiError,
        input_path::InputPath,
        names,
        schema::{
            grouped::{KeyKind, key_kind},
            times::{self, Times},
        },
    },
    query::{
        GroupKey, GroupOrder, GroupTerm, GroupValue, Grouped, GroupedBy, KeyValue, Measure, Member, Span, TimeKey,
    },
    value::{Unit, Zone},
};

/// Keys of one grouping, and orders of its groups: nobody looks at more together.
const KEYS_MAX: usize = 10;

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
        let having = match self.argument(field, "having").filter(|input| !input.is_null()) {
            Some(input) => Some(self.having(entity, input, &at.then("having"))?),
            None => None,
        };
        let order = match self.argument(field, "orderBy").filter(|input| !input.is_null()) {
            Some(input) => self.group_orders(entity, &keys, &input, &at.then("orderBy"))?,
            None => Vec::new(),
        };
        Ok(Grouped {
            output: self.group_output(entity, &keys, fields, at)?,
            select,
            keys,
            having,
            order,
        })
    }

    fn group_keys(
        &mut self,
        entity: EntityId,
        input: Option<Input<'a>>,
        place: &InputPath,
    ) -> Result<Vec<GroupKey>, ApiError> {
        let items = input.map_or_else(Vec::new, |input| self.items(&input));
        if items.is_empty() || items.len() > KEYS_MAX {
            let message = match items.len() {
                0 => {
                    "no key is given; give one, or ask `aggregate` of the connection for totals of all rows".to_owned()
                }
                found => format!("{found} keys, at most {KEYS_MAX} are allowed"),
            };
            return Err(ApiError::input(place, message));
        }
        let mut keys: Vec<GroupKey> = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let place = place.item(at);
            let item = item
                .as_ref()
                .ok_or_else(|| ApiError::input(&place, "its variable was not given"))?;
            let (name, value) = self.only_member(item, &place)?;
            let key = self.group_key(entity, None, (name, value), &place.then(name))?;
            if keys.iter().any(|known| name_of(known) == name_of(&key)) {
                let name = &self.catalog.entity(entity).field(key.field).name;
                let unit = name_of(&key)
                    .1
                    .map_or(String::new(), |unit| format!("{} of ", unit.name()));
                let message = format!("rows are grouped by {unit}`{name}` already; leave one of the two out");
                return Err(ApiError::input(&place, message));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn group_key(
        &mut self,
        entity: EntityId,
        within: Option<FieldId>,
        (name, value): (&str, Input<'a>),
        place: &InputPath,
    ) -> Result<GroupKey, ApiError> {
        let (field, kind) = self.key_field(entity, within, name)?;
        let by = match kind {
            KeyKind::Value(_) => GroupedBy::Value,
            KeyKind::Row(_) => GroupedBy::Row,
            KeyKind::Times(times) => self.time_key(times, value, place)?,
            KeyKind::Within(_) => {
                let (name, value) = self.only_member(&value, place)?;
                return self.group_key(entity, Some(field), (name, value), &place.then(name));
            }
        };
        Ok(GroupKey { field, by })
    }

    fn key_field(&self, entity: EntityId, within: Option<FieldId>, name: &str) -> Result<(FieldId, KeyKind), ApiError> {
        let field = self.part(entity, within, name);
        let field = field.ok_or_else(|| internal("a key that the catalog does not have"))?;
        let kind = key_kind(self.catalog, self.catalog.entity(entity).field(field));
        Ok((field, kind.ok_or_else(|| internal("a key that is none"))?))
    }

    /// `{bucket: DAY, tz: …}`.
    fn time_key(&mut self, kind: Times, input: Input<'a>, place: &InputPath) -> Result<GroupedBy, ApiError> {
        let members = self.stated(&input);
        let unit = members.iter().find(|(name, _)| *name == "bucket");
        let unit = unit.and_then(|(_, value)| value.as_enum().map(str::to_owned));
        let unit = unit.ok_or_else(|| internal("spans without a unit"))?;
        let Some(unit) = times::unit(&unit) else {
            return match members.iter().find(|(name, _)| *name != "bucket") {
                None => Ok(GroupedBy::Value),
                Some((name, _)) => {
                    let message = format!("a {} is no span of time; leave `{name}` out", times::VALUE);
                    Err(ApiError::input(place, message))
                }
            };
        };
        let mut span = Span {
            unit,
            zone: None,
            shift: None,
            fill: false,
        };
        for (name, value) in members {
            let place = place.then(name);
            match name {
                "tz" => span.zone = Some(zone(&value, &place)?),
                "offset" => {
                    let kind = ParamKind::Shift(unit, kind == Times::Date);
                    span.shift = Some(self.shift(kind, value, &place)?);
                }
                "fill" => span.fill = value.as_bool().unwrap_or_default(),
                _ => {}
            }
        }
        Ok(GroupedBy::Span(span))
    }

    /// The place of a key.
    fn key_at(
        &self,
        keys: &[GroupKey],
        (field, kind): (FieldId, KeyKind),
        unit: Option<Unit>,
        place: &InputPath,
        entity: EntityId,
    ) -> Result<usize, ApiError> {
        keys.iter()
            .position(|known| name_of(known) == (field, unit))
            .ok_or_else(|| {
                // Members of values are named with the way to them.
                let names = self.catalog.entity(entity).field(field).name.split('.');
                let by = names
                    .rev()
                    .fold(asked(kind, unit), |by, name| format!("{{{name}: {by}}}"));
                let message = format!("rows are not grouped by that; add {by} to `by`");
                ApiError::input(place, message)
            })
    }

    fn group_orders(
        &mut self,
        entity: EntityId,
        keys: &[GroupKey],
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
                Some(item) => self.group_order(entity, keys, item, &place.item(at)),
                None => Err(ApiError::input(place.item(at), "its variable was not given")),
            })
            .collect()
    }

    fn group_order(
        &self,
        entity: EntityId,
        keys: &[GroupKey],
        input: &Input<'a>,
        place: &InputPath,
    ) -> Result<GroupOrder, ApiError> {
        let (name, value) = self.only_member(input, place)?;
        let place = place.then(name);
        let by = match name {
            "keys" => return self.key_order(entity, None, keys, &value, &place),
            "count" => return by_measure(Measure::Count, &value),
            name => names::function(name).ok_or_else(|| internal("an order that is not there"))?,
        };
        let (mut value, mut within) = (value, None);
        loop {
            let (name, inner) = self.only_member(&value, &place)?;
            let field = self.measured(entity, within, name)?;
            match self.catalog.entity(entity).field(field).kind {
                FieldKind::Value { .. } => (value, within) = (inner, Some(field)),
                _ => return by_measure(Measure::Of(by, field), &inner),
            }
        }
    }

    fn key_order(
        &self,
        entity: EntityId,
        within: Option<FieldId>,
        keys: &[GroupKey],
        input: &Input<'a>,
        place: &InputPath,
    ) -> Result<GroupOrder, ApiError> {
        let (name, value) = self.only_member(input, place)?;
        let place = place.then(name);
        let key @ (field, kind) = self.key_field(entity, within, name)?;
        match kind {
            KeyKind::Within(_) => self.key_order(entity, Some(field), keys, &value, &place),
            KeyKind::Value(_) => {
                let key = self.key_at(keys, key, None, &place, entity)?;
                ordered(GroupTerm::Key(key), &value)
            }
            KeyKind::Times(_) => {
                let (member, value) = self.only_member(&value, &place)?;
                let unit = times::member(member).ok_or_else(|| internal("an order by no unit"))?;
                let key = self.key_at(keys, key, unit, &place.then(member), entity)?;
                ordered(GroupTerm::Key(key), &value)
            }
            KeyKind::Row(target) => {
                let key = self.key_at(keys, key, None, &place, entity)?;
                let order = self.one_order(target, &value, &place)?;
                Ok(GroupOrder {
                    by: GroupTerm::Behind {
                        key,
                        path: order.path,
                        field: order.field,
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
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Vec<Member<GroupValue>>, ApiError> {
        let type_name = names::group_type(self.catalog.entity(entity));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&type_name, &sets(fields)) {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => GroupValue::Text(type_name.clone()),
                "keys" => GroupValue::Keys(self.keys_output((entity, None), keys, &fields, &at.below(key))?),
                "count" => GroupValue::Count,
                "aggregate" => GroupValue::Aggregate(self.aggregate(entity, &fields)?),
                _ => return Err(internal("a member of a group that is not there")),
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(output)
    }

    fn keys_output(
        &mut self,
        (entity, within): (EntityId, Option<FieldId>),
        keys: &[GroupKey],
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Vec<Member<KeyValue>>, ApiError> {
        let type_name = names::group_keys_type(self.holder(entity, within)?.name(self.catalog));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&type_name, &sets(fields)) {
            let at = at.below(key);
            let value = match first(&fields)?.name.as_str() {
                "__typename" => KeyValue::Text(type_name.clone()),
                name => self.key_output((entity, within), keys, name, &fields, &at)?,
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(output)
    }

    fn key_output(
        &mut self,
        (entity, within): (EntityId, Option<FieldId>),
        keys: &[GroupKey],
        name: &str,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<KeyValue, ApiError> {
        let key @ (field, kind) = self.key_field(entity, within, name)?;
        Ok(match kind {
            KeyKind::Within(_) => KeyValue::Within(self.keys_output((entity, Some(field)), keys, fields, at)?),
            KeyKind::Value(_) => KeyValue::Leaf(self.key_at(keys, key, None, at, entity)?),
            KeyKind::Row(target) => {
                let key = self.key_at(keys, key, None, at, entity)?;
                KeyValue::Row(key, self.output(target, fields, at)?)
            }
            KeyKind::Times(times) => {
                let type_name = times.keys_type();
                let mut output = Vec::new();
                for (name, fields) in self.collect(&type_name, &sets(fields)) {
                    let value = match first(&fields)?.name.as_str() {
                        "__typename" => TimeKey::Text(type_name.clone()),
                        member => {
                            let unit = times::member(member).ok_or_else(|| internal("a key of no unit"))?;
                            TimeKey::Leaf(self.key_at(keys, key, unit, &at.below(name), entity)?)
                        }
                    };
                    output.push(Member {
                        key: name.to_owned(),
                        value,
                    });
                }
                KeyValue::Times(output)
            }
        })
    }

    /// A field that is measured, or a member of a value, by its name.
    pub(super) fn measured(&self, entity: EntityId, within: Option<FieldId>, name: &str) -> Result<FieldId, ApiError> {
        let field = self.part(entity, within, name);
        field.ok_or_else(|| internal("a function of a field that the catalog does not have"))
    }
}

/// What tells keys apart in an answer: the field, and the unit of its spans.
type KeyName = (FieldId, Option<Unit>);

fn name_of(key: &GroupKey) -> KeyName {
    match &key.by {
        GroupedBy::Value | GroupedBy::Row => (key.field, None),
        GroupedBy::Span(span) => (key.field, Some(span.unit)),
    }
}

/// How one asks for a key in `by`.
fn asked(kind: KeyKind, unit: Option<Unit>) -> String {
    match kind {
        KeyKind::Value(_) => "VALUE".to_owned(),
        KeyKind::Row(_) | KeyKind::Within(_) => "ROW".to_owned(),
        KeyKind::Times(_) => format!("{{bucket: {}}}", unit.map_or(times::VALUE, Unit::name)),
    }
}

/// The zone of a name.
fn zone(input: &Input, place: &InputPath) -> Result<Arc<Zone>, ApiError> {
    let name = input
        .as_text()
        .ok_or_else(|| ApiError::input(place, "expected the name of a time zone"))?;
    Zone::named(name).ok_or_else(|| {
        let near = did_you_mean(name, Zone::names());
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        ApiError::input(place, format!("there is no time zone `{name}`{near}"))
    })
}

fn by_measure(measure: Measure, value: &Input) -> Result<GroupOrder, ApiError> {
    ordered(GroupTerm::Measure(measure), value)
}

fn ordered(by: GroupTerm, value: &Input) -> Result<GroupOrder, ApiError> {
    let (direction, nulls) = sort(value).ok_or_else(|| internal("an unknown sort direction"))?;
    Ok(GroupOrder { by, direction, nulls })
}
