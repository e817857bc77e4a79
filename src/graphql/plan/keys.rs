//! What rows are grouped by, and the members of a group that say it again. Knows `by` and `keys`;
//! no function and no condition.

use std::sync::Arc;

use apollo_compiler::executable::Field;

use super::{Planner, connection::sets, input::Input, internal, params::ParamKind, select::first};
use crate::{
    catalog::{Catalog, EntityId, FieldId},
    definition::did_you_mean,
    graphql::{
        ApiError,
        holder::Holder,
        input_path::InputPath,
        names,
        schema::{
            keys::{KeyKind, behind_kind, key_kind},
            times::{self, Times},
        },
    },
    query::{GroupKey, GroupedBy, KeyValue, Member, Span, TimeKey},
    value::{Unit, Zone},
};

/// Keys of one grouping, orders of its groups, and other rows of which something is computed:
/// nobody looks at more together.
pub(super) const KEYS_MAX: usize = 10;

/// Links that the keys of one grouping lead through: each joins a table, and SQLite takes 64.
const LINKS_MAX: usize = 20;

/// Where a key stands: in the rows that are grouped, in a value that one of their fields holds, or
/// in a row behind links.
#[derive(Clone)]
pub(super) struct At {
    root: EntityId,
    path: Vec<FieldId>,
    entity: EntityId,
    within: Option<FieldId>,
}

impl At {
    pub(super) fn of(entity: EntityId) -> At {
        At {
            root: entity,
            path: Vec::new(),
            entity,
            within: None,
        }
    }

    pub(super) fn within(&self, field: FieldId) -> At {
        At {
            within: Some(field),
            ..self.clone()
        }
    }

    pub(super) fn behind(&self, field: FieldId, entity: EntityId) -> At {
        let mut at = At {
            entity,
            within: None,
            ..self.clone()
        };
        at.path.push(field);
        at
    }
}

impl<'a> Planner<'a> {
    pub(super) fn group_keys(
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
            let key = self.group_key(&At::of(entity), (name, value), &place.then(name))?;
            if keys.iter().any(|known| name_of(known) == name_of(&key)) {
                let name = way(self.catalog, entity, &key.path, key.field).join(".");
                let unit = name_of(&key)
                    .2
                    .map_or(String::new(), |unit| format!("{} of ", unit.name()));
                let message = format!("rows are grouped by {unit}`{name}` already; leave one of the two out");
                return Err(ApiError::input(&place, message));
            }
            keys.push(key);
        }
        let links: usize = keys.iter().map(|key| key.path.len()).sum();
        match links > LINKS_MAX {
            true => {
                let message = format!("its keys lead through {links} links, at most {LINKS_MAX} are allowed");
                Err(ApiError::input(place, message))
            }
            false => Ok(keys),
        }
    }

    fn group_key(
        &mut self,
        at: &At,
        (name, value): (&str, Input<'a>),
        place: &InputPath,
    ) -> Result<GroupKey, ApiError> {
        let (field, kind) = self.key_field(at, name)?;
        let by = match kind {
            KeyKind::Value(_) => GroupedBy::Value,
            KeyKind::Row(_) => GroupedBy::Row,
            KeyKind::Times(times) => self.time_key(times, value, place)?,
            KeyKind::Within(_) | KeyKind::Behind(_) => {
                let at = match kind {
                    KeyKind::Behind(target) => at.behind(field, target),
                    _ => at.within(field),
                };
                let (name, value) = self.only_member(&value, place)?;
                return self.group_key(&at, (name, value), &place.then(name));
            }
        };
        let path = at.path.clone();
        Ok(GroupKey { path, field, by })
    }

    /// The field that a member is about, and what it is as a key.
    pub(super) fn key_field(&self, at: &At, name: &str) -> Result<(FieldId, KeyKind), ApiError> {
        let named = |name: &str| {
            let field = self.part(at.entity, at.within, name)?;
            Some((field, self.catalog.entity(at.entity).field(field)))
        };
        let own = named(name).and_then(|(id, field)| Some((id, key_kind(self.catalog, field)?)));
        let found = own.or_else(|| {
            let (id, link) = named(names::link_of_keys(name)?)?;
            Some((id, behind_kind(self.catalog, link)?))
        });
        found.ok_or_else(|| internal("a key that the catalog does not have"))
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

    pub(super) fn keys_output(
        &mut self,
        at: &At,
        keys: &[GroupKey],
        fields: &[&'a Field],
        place: &InputPath,
    ) -> Result<Vec<Member<KeyValue>>, ApiError> {
        let holder = match at.within {
            None => Holder::Rows(at.entity),
            within => self.holder(at.entity, within)?,
        };
        let type_name = names::group_keys_type(holder.name(self.catalog));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&type_name, &sets(fields)) {
            let place = place.below(key);
            let value = match first(&fields)?.name.as_str() {
                "__typename" => KeyValue::Text(type_name.clone()),
                name => self.key_output(at, keys, name, &fields, &place)?,
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(output)
    }

    fn key_output(
        &mut self,
        at: &At,
        keys: &[GroupKey],
        name: &str,
        fields: &[&'a Field],
        place: &InputPath,
    ) -> Result<KeyValue, ApiError> {
        let (field, kind) = self.key_field(at, name)?;
        let key = |unit, place: &InputPath| key_at(self.catalog, keys, (at, field, kind), unit, place);
        Ok(match kind {
            KeyKind::Within(_) => KeyValue::Within(self.keys_output(&at.within(field), keys, fields, place)?),
            KeyKind::Behind(target) => {
                KeyValue::Within(self.keys_output(&at.behind(field, target), keys, fields, place)?)
            }
            KeyKind::Value(_) => KeyValue::Leaf(key(None, place)?),
            KeyKind::Row(target) => KeyValue::Row(key(None, place)?, self.output(target, fields, place)?),
            KeyKind::Times(times) => {
                let type_name = times.keys_type();
                let mut output = Vec::new();
                for (name, fields) in self.collect(&type_name, &sets(fields)) {
                    let value = match first(&fields)?.name.as_str() {
                        "__typename" => TimeKey::Text(type_name.clone()),
                        member => {
                            let unit = times::member(member).ok_or_else(|| internal("a key of no unit"))?;
                            TimeKey::Leaf(key(unit, &place.below(name))?)
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
}

/// What tells keys apart in an answer: the way to the field, the field, and the unit of its spans.
type KeyName<'k> = (&'k [FieldId], FieldId, Option<Unit>);

fn name_of(key: &GroupKey) -> KeyName<'_> {
    let unit = match &key.by {
        GroupedBy::Value | GroupedBy::Row => None,
        GroupedBy::Span(span) => Some(span.unit),
    };
    (&key.path, key.field, unit)
}

/// The names of the links of a path, and that of the field behind them.
fn way<'c>(catalog: &'c Catalog, entity: EntityId, path: &[FieldId], field: FieldId) -> Vec<&'c str> {
    let mut at = entity;
    let mut names = Vec::new();
    for link in path {
        let link = catalog.entity(at).field(*link);
        names.push(link.name.as_str());
        at = link.kind.target().unwrap_or(at);
    }
    names.push(&catalog.entity(at).field(field).name);
    names
}

/// The place of a key among those that are given.
pub(super) fn key_at(
    catalog: &Catalog,
    keys: &[GroupKey],
    (at, field, kind): (&At, FieldId, KeyKind),
    unit: Option<Unit>,
    place: &InputPath,
) -> Result<usize, ApiError> {
    let wanted = (at.path.as_slice(), field, unit);
    keys.iter().position(|known| name_of(known) == wanted).ok_or_else(|| {
        let mut way = way(catalog, at.root, &at.path, field);
        // Members of values are named with the way to them.
        let own = way.pop().unwrap_or_default().split('.').map(str::to_owned);
        let names: Vec<String> = way.into_iter().map(names::keys_behind).chain(own).collect();
        let by = names.iter().rev();
        let by = by.fold(asked(kind, unit), |by, name| format!("{{{name}: {by}}}"));
        let message = format!("rows are not grouped by that; add {by} to `by`");
        ApiError::input(place, message)
    })
}

/// How one asks for a key in `by`.
fn asked(kind: KeyKind, unit: Option<Unit>) -> String {
    match kind {
        KeyKind::Value(_) => "VALUE".to_owned(),
        KeyKind::Row(_) | KeyKind::Within(_) | KeyKind::Behind(_) => "ROW".to_owned(),
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
