//! What groups may cost: the rows that are gone through, and how many groups they make. Knows keys;
//! no page.

use crate::{
    catalog::{EntityId, FieldId, FieldKind, Leaf},
    query::{GroupKey, GroupValue, Grouped, GroupedBy, Led},
    value::Scalar,
};

use super::{
    fan::Rows,
    given::Estimate,
    guess::{Guess, LOOK, MAKE, SORT, WRITE_BYTE, steps_of},
};

/// Bytes of a member of a group: its key, marks, and a number or a name.
const MEMBER: f64 = 30.0;

impl<'a> Estimate<'a> {
    /// Groups of all rows that meet the filter.
    pub(super) fn groups(&self, grouped: &'a Grouped) -> Guess {
        let select = &grouped.select;
        let stored = self.stored(select.entity);
        let filter = select.filter.as_ref();
        let met = filter.map_or(stored, |filter| self.met(filter, select.entity, stored));
        let looked = filter.map_or(stored, |filter| self.led(filter, select.entity, stored));
        // The rows are looked for once more for each kind of other rows behind them.
        let times = 1.0 + grouped.led.len() as f64;
        let each = grouped
            .keys
            .iter()
            .map(|key| self.values_of(self.holds(select.entity, key), key));
        let known: Option<f64> = each.product();
        // How many there are is not known of every field; a list that is too long ends its
        // statement.
        let groups = known.unwrap_or_else(|| met.sqrt()).min(met);
        let wanted = groups.min(self.first(select).unwrap_or(f64::INFINITY));
        let bytes = wanted * self.group_width(grouped);
        let own = Guess {
            rows: wanted,
            bytes: if known.is_some() && filter.is_none() {
                bytes
            } else {
                0.0
            },
            filter_rows: 0.0,
            nanos: times * looked * LOOK + met * SORT + groups * SORT + wanted * MAKE + bytes * WRITE_BYTE,
        };
        // Each row that is a key is stepped to from the rows that are grouped, each time.
        let keys = grouped.keys.iter();
        let keys: usize = keys
            .map(|key| key.path.len() + usize::from(key.by == GroupedBy::Row))
            .sum();
        let rows = Rows {
            keys: self.keys_of(select),
            ..Rows::some(met)
        };
        let others: Vec<_> = grouped
            .led
            .iter()
            .map(|led| self.others(led, select.entity, &rows))
            .collect();
        // Each of the other rows stands beside the keys, too, and beside what orders them.
        let beside = Rows::some(met + others.iter().map(|(kept, _)| kept).sum::<f64>());
        let orders = grouped.orders();
        let orders = orders
            .iter()
            .map(|order| self.order_steps(order, select.entity, &beside));
        let steps = steps_of(times * met * keys as f64 + orders.sum::<f64>());
        let rows_behind = (0..grouped.keys.len()).map(|at| self.behind_key(grouped, at, wanted));
        let behind = rows_behind.fold(Guess::default(), Guess::plus);
        let behind = others.into_iter().map(|(_, guess)| guess).fold(behind, Guess::plus);
        own.plus(self.conditions(select, &Rows::some(looked)).times(times))
            .plus(steps)
            .plus(behind)
    }

    /// The type of the rows that have a key's field.
    fn holds(&self, entity: EntityId, key: &GroupKey) -> EntityId {
        let step = |at, field: &FieldId| self.catalog.entity(at).field(*field).kind.target().unwrap_or(at);
        key.path.iter().fold(entity, step)
    }

    /// Other rows, each of which is stepped to, asked whether it meets the filter, and sorted into
    /// its group: how many are left, and what that costs.
    fn others(&self, led: &'a Led, entity: EntityId, rows: &Rows<'a>) -> (f64, Guess) {
        let Some(fan) = self.fan(entity, led.field) else {
            return (0.0, Guess::default());
        };
        let found = Rows {
            by: Some(fan.link),
            ..Rows::some(self.reached(&fan, rows, 1.0, f64::INFINITY))
        };
        let filter = led.filter.as_ref();
        let stored = self.stored(led.entity).max(1.0);
        let part = filter.map_or(1.0, |filter| self.met(filter, led.entity, stored) / stored);
        let kept = found.count * part;
        // From the far side of a list each pair is taken once, which is made sure of for all pairs.
        let pairs = if self.is_named_by_lists(entity, led.field) {
            fan.pairs
        } else {
            0.0
        };
        let sorted = Guess {
            nanos: (found.count + pairs) * LOOK + (kept + pairs) * SORT,
            ..Guess::default()
        };
        let asked = filter.map_or(Guess::default(), |filter| self.filter(filter, led.entity, &found));
        let guess = sorted.plus(steps_of(rows.count + found.count.max(pairs))).plus(asked);
        (kept, guess)
    }

    /// Whether a field leads to rows whose lists lead here.
    fn is_named_by_lists(&self, entity: EntityId, field: FieldId) -> bool {
        match self.catalog.entity(entity).field(field).kind {
            FieldKind::Inverse {
                source, field: back, ..
            } => matches!(self.catalog.entity(source).field(back).kind, FieldKind::Links { .. }),
            _ => false,
        }
    }

    /// How many different values a key may have, null included.
    fn values_of(&self, entity: EntityId, key: &GroupKey) -> Option<f64> {
        let field = self.catalog.entity(entity).field(key.field);
        match (&key.by, &field.kind) {
            (GroupedBy::Row, kind) => kind.target().map(|target| self.stored(target) + 1.0),
            (_, FieldKind::Leaf { leaf, .. }) => match leaf {
                Leaf::Enum(id) => Some(self.catalog.enumeration(*id).values.len() as f64 + 1.0),
                Leaf::Scalar(Scalar::Boolean) => Some(3.0),
                Leaf::Scalar(_) => self.values_known(entity, key.field),
            },
            _ => None,
        }
    }

    fn values_known(&self, entity: EntityId, field: FieldId) -> Option<f64> {
        let own = self.catalog.entity(entity);
        if own.key == [field] || own.field(field).unique {
            return Some(self.stored(entity));
        }
        let values = self.spread_of(entity, field)?.values?;
        Some(values as f64 + 1.0)
    }

    fn group_width(&self, grouped: &Grouped) -> f64 {
        let entity = grouped.select.entity;
        let members = grouped.output.iter().map(|member| match &member.value {
            GroupValue::Aggregate(aggregate) | GroupValue::Led(_, aggregate) => {
                aggregate.measures().len() as f64 * MEMBER
            }
            GroupValue::Keys(keys) => keys.len() as f64 * MEMBER,
            GroupValue::Text(_) | GroupValue::Count => MEMBER,
        });
        let rows = grouped.keys.iter().enumerate().map(|(at, key)| {
            let held = self.catalog.entity(self.holds(entity, key));
            let target = held.field(key.field).kind.target();
            let width = |target| {
                grouped
                    .rows_of(at)
                    .into_iter()
                    .map(|outputs| self.width(outputs, target))
                    .sum::<f64>()
            };
            target.map_or(0.0, width)
        });
        members.sum::<f64>() + rows.sum::<f64>()
    }

    /// What is in the rows that are a key.
    fn behind_key(&self, grouped: &'a Grouped, at: usize, wanted: f64) -> Guess {
        let target = grouped.keys.get(at).and_then(|key| {
            let held = self.holds(grouped.select.entity, key);
            self.catalog.entity(held).field(key.field).kind.target()
        });
        let Some(target) = target else {
            return Guess::default();
        };
        let each = grouped
            .rows_of(at)
            .into_iter()
            .map(|outputs| self.members(outputs, target, &Rows::some(wanted)));
        each.fold(Guess::default(), Guess::plus)
    }
}
