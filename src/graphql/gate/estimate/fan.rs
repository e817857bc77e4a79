//! How many rows are behind a link: of rows that are known by their keys, of any, and of those that
//! were reached by the same link. Knows how rows spread; no filter.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, PartOf},
    query::{Compare, Filter, Operand},
    store::Spread,
    value::Value,
};

use super::given::Estimate;

/// Links of a row when nothing better is known.
const LINKS_PER_ROW: f64 = 10.0;
/// How many times as many rows a closure is taken to lead to as one step does. Over all rows that
/// is the same in both directions.
const STEPS: f64 = 16.0;

/// A link, whichever side it is followed from: the type and field that hold it.
pub(super) type Link = (EntityId, FieldId);

/// Rows of one type that something is asked of.
pub(super) struct Rows<'a> {
    pub count: f64,
    /// Which they are, where that is known.
    pub keys: Option<Keys<'a>>,
    /// The link by which they were reached.
    pub by: Option<Link>,
    /// It is known of every filter on the way here how many rows it leaves; else they are as many
    /// as there can be.
    pub is_sure: bool,
}

/// Values that tell rows apart, in the order of these fields' leaves.
pub(super) struct Keys<'a> {
    pub fields: &'a [FieldId],
    each: Vec<Vec<&'a Value>>,
}

/// A link as it is followed from one of its sides.
pub(super) struct Fan<'a> {
    pub link: Link,
    pub target: EntityId,
    /// Rows on the side from which it is followed.
    owners: f64,
    /// Pairs of rows that it joins.
    pub pairs: f64,
    spread: Option<&'a Spread>,
    /// The fields by whose values the spread knows those rows.
    by: &'a [FieldId],
    many: bool,
}

impl Rows<'_> {
    /// So many of which nothing is known.
    pub(super) fn some(count: f64) -> Rows<'static> {
        Rows {
            count,
            keys: None,
            by: None,
            is_sure: true,
        }
    }
}

impl Fan<'_> {
    /// Rows on the other side of one, if all have as many.
    pub(super) fn mean(&self) -> f64 {
        self.pairs / self.owners.max(1.0)
    }
}

impl<'a> Keys<'a> {
    pub(super) fn len(&self) -> usize {
        self.each.len()
    }

    /// The rows that have one of these values in a link's columns.
    pub(super) fn rows_of(&self, spread: &Spread, values: f64) -> f64 {
        let each = self.each.iter();
        each.map(|key| {
            spread
                .many_of(key)
                .map_or_else(|| spread.light(values), |rows| rows as f64)
        })
        .sum()
    }
}

impl<'a> Estimate<'a> {
    /// A field that leads to other rows.
    pub(super) fn fan(&self, entity: EntityId, field: FieldId) -> Option<Fan<'a>> {
        let catalog = self.catalog;
        let own = catalog.entity(entity);
        let kind = &own.field(field).kind;
        let target = kind.target()?;
        let owners = self.stored(entity);
        let fan = |link: Link, spread, pairs: f64, by| Fan {
            link,
            target,
            owners,
            pairs,
            spread,
            by,
            many: kind.is_to_many(),
        };
        Some(match kind {
            FieldKind::Links { .. } => {
                let (spread, pairs) = self.links((entity, field), Side::Owners);
                fan((entity, field), spread, pairs, &own.key)
            }
            FieldKind::Inverse {
                source, field: back, ..
            } => match &catalog.entity(*source).field(*back).kind {
                FieldKind::Links { by, .. } => {
                    let (spread, pairs) = self.links((*source, *back), Side::Targets);
                    fan((*source, *back), spread, pairs, by)
                }
                FieldKind::Reference { by, .. } => {
                    let (spread, pairs) = self.values((*source, *back));
                    fan((*source, *back), spread, pairs, by)
                }
                _ => return None,
            },
            FieldKind::Nested { child } => {
                let parent = catalog.entity(*child).owner?.parent;
                let (spread, pairs) = self.values((*child, parent));
                fan((*child, parent), spread, pairs, &own.key)
            }
            FieldKind::Reference { .. } => fan((entity, field), None, owners, &[]),
            FieldKind::Closure { of, .. } => {
                let each = self.fan(entity, *of)?.pairs / owners.max(1.0);
                fan((entity, field), None, owners * (each * STEPS).min(owners), &[])
            }
            FieldKind::Leaf { .. } | FieldKind::Value { .. } => return None,
        })
    }

    fn links(&self, (entity, field): Link, side: Side) -> (Option<&'a Spread>, f64) {
        let links = self.figures(entity).and_then(|figures| figures.links.get(&field));
        let pairs = links.map_or_else(|| self.stored(entity) * LINKS_PER_ROW, |links| links.rows as f64);
        let spread = links.and_then(|links| match side {
            Side::Owners => links.by_owner.as_ref(),
            Side::Targets => links.by_target.as_ref(),
        });
        (spread, pairs)
    }

    /// A reference seen from what it leads to.
    fn values(&self, (entity, field): Link) -> (Option<&'a Spread>, f64) {
        let spread = self.spread_of(entity, field);
        let pairs = spread.map_or_else(|| self.stored(entity), |spread| spread.rows as f64);
        (spread, pairs)
    }

    pub(super) fn spread_of(&self, entity: EntityId, field: FieldId) -> Option<&'a Spread> {
        let field = self.held(entity, field)?;
        self.figures(entity).and_then(|figures| figures.fields.get(&field))
    }

    /// The field whose values are those of a part of it: of a link whose key is one value, that
    /// link. None for one part of several.
    pub(super) fn held(&self, entity: EntityId, field: FieldId) -> Option<FieldId> {
        let own = self.catalog.entity(entity);
        let Some(derived) = own.derived(field) else {
            return Some(field);
        };
        let is_whole = self.catalog.leaves_of(entity, &[derived.base]).len() == 1;
        (is_whole && matches!(derived.part, PartOf::Key(_))).then_some(derived.base)
    }

    /// How many rows are reached over a link in all, if of those behind each row this part counts,
    /// and so many at most.
    pub(super) fn reached(&self, fan: &Fan<'_>, from: &Rows<'_>, part: f64, most: f64) -> f64 {
        if !fan.many {
            return from.count * part.min(most);
        }
        let cut = |rows: f64| (rows * part).min(most);
        let none = Spread::default();
        let spread = fan.spread.unwrap_or(&none);
        let pairs = fan.pairs;
        let heavy_pairs: f64 = spread.heavy().map(|rows| rows as f64).sum::<f64>().min(pairs);
        let light_owners = (fan.owners - spread.heavy().len() as f64).max(1.0);
        let light = (pairs - heavy_pairs) / light_owners;
        if let Some(keys) = from.keys.as_ref().filter(|keys| keys.fields == fan.by) {
            let each = keys.each.iter();
            return each
                .map(|key| cut(spread.many_of(key).map_or(light, |rows| rows as f64)))
                .sum();
        }
        let mean = match from.by == Some(fan.link) && pairs > 0.0 {
            // Back over the link by which it came: each row is met as often as it is linked.
            true => {
                let heavy: f64 = spread.heavy().map(|rows| rows as f64 * cut(rows as f64)).sum();
                (heavy + (pairs - heavy_pairs) * cut(light)) / pairs
            }
            false => {
                let heavy: f64 = spread.heavy().map(|rows| cut(rows as f64)).sum();
                let all = (spread.heavy().len() as f64 + light_owners).max(1.0);
                (heavy + light_owners * cut(light)) / all
            }
        };
        from.count * mean
    }

    /// The keys that a filter names, if whatever meets it has one of them.
    pub(super) fn keys(&self, filter: &'a Filter, entity: EntityId) -> Option<Keys<'a>> {
        let own = self.catalog.entity(entity);
        let is_unique = |field: FieldId| own.key == [field] && !own.positional || own.field(field).unique;
        match filter {
            Filter::Key { fields, operands } => Some(Keys {
                fields,
                each: vec![operands.iter().map(|operand| self.value(operand)).collect()],
            }),
            Filter::Compare {
                field,
                compare: Compare::Eq,
                operand,
            } if is_unique(*field) => Some(Keys {
                fields: std::slice::from_ref(field),
                each: vec![vec![self.value(operand)]],
            }),
            Filter::In { field, operands } if is_unique(*field) => Some(Keys {
                fields: std::slice::from_ref(field),
                each: operands.iter().map(|operand| vec![self.value(operand)]).collect(),
            }),
            Filter::And(filters) => {
                let each = filters.iter().filter_map(|filter| self.keys(filter, entity));
                each.min_by_key(Keys::len)
            }
            Filter::Or(filters) => {
                let mut all: Option<Keys<'a>> = None;
                for filter in filters {
                    let keys = self.keys(filter, entity)?;
                    match &mut all {
                        Some(all) if all.fields == keys.fields => all.each.extend(keys.each),
                        Some(_) => return None,
                        None => all = Some(keys),
                    }
                }
                all
            }
            _ => None,
        }
    }

    fn value(&self, operand: &'a Operand) -> &'a Value {
        match operand {
            Operand::Value(value) => value,
            Operand::Param(at) => self.params.get(*at).unwrap_or(&Value::Null),
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Owners,
    Targets,
}
