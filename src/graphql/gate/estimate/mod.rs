//! What a read may cost: rows and bytes of its answer, rows that its filters and orders look at,
//! and the time of all that. Knows the read, the values of its parameters and the figures of the
//! types; a guess, made before anything runs.
//!
//! A row that is known by its key counts as what it has; one of many counts as the mean, unless it
//! was reached by a link: then those with many links are reached more often.

mod fan;
mod filter;
mod given;
mod groups;
mod guess;
#[cfg(test)]
mod tests;
mod width;

use std::time::Duration;

use crate::{
    catalog::{Catalog, EntityId, FieldId, PartOf},
    graphql::statistics::Known,
    query::{Connection, Form, Operand, Order, Output, OutputValue, Read, RootValue, Select, visit_read},
    value::Value,
};

pub(in crate::graphql) use guess::Cost;

use fan::{Keys, Rows};
use filter::Letters;
use given::Estimate;
use guess::{Guess, LOOK, MAKE, SORT, STEP, WRITE_BYTE, steps_of};

/// The cost of all roots together.
pub(in crate::graphql) fn estimate(catalog: &Catalog, read: &Read, params: &[Value], known: &Known) -> Cost {
    let estimate = Estimate {
        catalog,
        params,
        known,
        is_past: false,
    };
    let guesses = read.roots.iter().map(|root| estimate.root(&root.value));
    let guess = guesses.fold(Guess::default(), Guess::plus);
    let mut cost = Cost {
        rows: guess.rows as u64,
        bytes: guess.bytes as u64,
        filter_rows: guess.filter_rows as u64,
        time: Duration::from_nanos(guess.nanos as u64),
        ..Cost::default()
    };
    let mut letters = Letters {
        estimate: &estimate,
        cost: &mut cost,
    };
    visit_read(read, &mut letters);
    cost
}

/// Versions that a row may have, for want of figures.
const VERSIONS: f64 = 10.0;

impl<'a> Estimate<'a> {
    fn root(&self, root: &'a RootValue) -> Guess {
        match root {
            RootValue::Json(json) => Guess {
                bytes: json.len() as f64,
                ..Guess::default()
            },
            RootValue::Freshness(_) => Guess {
                rows: self.catalog.entities.len() as f64,
                ..Guess::default()
            },
            RootValue::One(select) => self.one(select),
            RootValue::Many(select) => self.all(select),
            RootValue::Connection(connection) => self.pages(connection),
            RootValue::Grouped(grouped) => self.groups(grouped),
            // As many rows as there are now: no figures are made of versions.
            RootValue::Past(past) => {
                let then = Estimate { is_past: true, ..*self };
                then.root(&past.value)
            }
            RootValue::Versions(versions) => {
                let rows = self
                    .first(&versions.select)
                    .map_or(VERSIONS, |first| first.min(VERSIONS));
                let widths = versions
                    .rows()
                    .map(|outputs| self.width(outputs, versions.select.entity));
                let bytes = rows * widths.sum::<f64>();
                Guess {
                    rows,
                    bytes,
                    nanos: rows * MAKE + bytes * WRITE_BYTE,
                    ..Guess::default()
                }
            }
        }
    }

    /// One row by its key.
    fn one(&self, select: &'a Select) -> Guess {
        let rows = Rows {
            count: 1.0,
            keys: self.keys_of(select),
            by: None,
            is_sure: true,
        };
        let own = Guess {
            rows: 0.0,
            ..self.made(select, 1.0, true)
        };
        let filter = select.filter.as_ref();
        let looked = filter.filter(|_| self.is_past).map_or(0.0, |filter| {
            self.led(filter, select.entity, self.stored(select.entity))
        });
        let look = Guess {
            nanos: looked * LOOK,
            ..Guess::default()
        };
        own.plus(look)
            .plus(self.conditions(select, &Rows::some(1.0)))
            .plus(self.members(&select.output, select.entity, &rows))
    }

    /// A list of all rows that meet the filter.
    fn all(&self, select: &'a Select) -> Guess {
        let (rows, guess) = self.listed(select);
        guess
            .plus(self.made(select, rows.count, rows.is_sure))
            .plus(self.members(&select.output, select.entity, &rows))
    }

    /// Its rows, looked for and not made.
    fn listed(&self, select: &'a Select) -> (Rows<'a>, Guess) {
        let stored = self.stored(select.entity);
        let filter = select.filter.as_ref();
        let met = filter.map_or(stored, |filter| self.met(filter, select.entity, stored));
        let led = filter.map_or(stored, |filter| self.led(filter, select.entity, stored));
        let first = self.first(select).unwrap_or(f64::INFINITY);
        let rows = Rows {
            count: met.min(first),
            // With `first` it is some of them.
            keys: self.keys_of(select).filter(|keys| keys.len() as f64 <= first),
            by: None,
            is_sure: filter.is_none_or(|filter| self.is_known(filter, select.entity)),
        };
        // The first rows in the order of an index are found at once.
        let skipped = self.offset(select);
        let looked = match filter.is_none() && self.in_order(select) {
            true => led.min(first + skipped),
            false => led,
        };
        let sorted = if self.in_order(select) { 0.0 } else { led * SORT };
        let look = Guess {
            nanos: looked * LOOK + sorted,
            ..Guess::default()
        };
        (rows, look.plus(self.conditions(select, &Rows::some(led))))
    }

    /// Pages of all rows that meet the filter.
    fn pages(&self, connection: &'a Connection) -> Guess {
        let select = &connection.select;
        let (rows, guess) = self.listed(select);
        let guess = guess.plus(self.of_page(connection, &rows));
        if !connection.counts_all() {
            return guess;
        }
        let stored = self.stored(select.entity);
        let filter = select.filter.as_ref();
        let led = filter.map_or(stored, |filter| self.led(filter, select.entity, stored));
        let look = Guess {
            nanos: led * LOOK,
            ..Guess::default()
        };
        guess.plus(look).plus(self.conditions(select, &Rows::some(led)))
    }

    /// What is wanted of the rows of a page. Those that are only counted are none of the answer's.
    fn of_page(&self, connection: &'a Connection, rows: &Rows<'a>) -> Guess {
        let select = &connection.select;
        let made = match connection.gives_rows() || connection.has_cursors() {
            true => self.made(select, rows.count, rows.is_sure),
            false => Guess::default(),
        };
        made.plus(self.of_rows(connection, rows))
    }

    fn of_rows(&self, connection: &'a Connection, rows: &Rows<'a>) -> Guess {
        let entity = connection.select.entity;
        let each = connection.rows().map(|outputs| {
            let bytes = rows.count * self.width(outputs, entity);
            let own = Guess {
                bytes: if rows.is_sure { bytes } else { 0.0 },
                nanos: bytes * WRITE_BYTE,
                ..Guess::default()
            };
            own.plus(self.members(outputs, entity, rows))
        });
        each.fold(Guess::default(), Guess::plus)
    }

    /// Rows of the answer, and their bytes but for those of lists in them, if their number is sure.
    fn made(&self, select: &Select, rows: f64, is_sure: bool) -> Guess {
        let bytes = rows * self.width(&select.output, select.entity);
        Guess {
            rows,
            bytes: if is_sure { bytes } else { 0.0 },
            filter_rows: 0.0,
            nanos: rows * MAKE + bytes * WRITE_BYTE,
        }
    }

    /// The filter and the orders of a select, asked of so many rows.
    fn conditions(&self, select: &Select, rows: &Rows<'_>) -> Guess {
        let filter = select.filter.as_ref();
        let filter = filter.map_or(Guess::default(), |filter| self.filter(filter, select.entity, rows));
        // What stands in a text is looked for in each of them.
        let formed = select.order.iter().filter(|order| order.form != Form::Value);
        let formed = formed.map(|order| match order.path.is_empty() {
            true => self.read(select.entity, order.field, rows.count),
            false => steps_of(rows.count),
        });
        let filter = formed.fold(filter, Guess::plus);
        let orders = select.order.iter();
        let steps = orders.map(|order| self.order_steps(order, select.entity, rows));
        filter.plus(steps_of(steps.sum()))
    }

    /// The rows that an order steps to: those behind its links, and those that it counts.
    fn order_steps(&self, order: &Order, entity: EntityId, rows: &Rows<'_>) -> f64 {
        let behind = Rows::some(rows.count);
        let from = if order.path.is_empty() { rows } else { &behind };
        let steps = rows.count * order.path.len() as f64;
        let counted = self
            .counted(order, entity)
            .map_or(0.0, |fan| rows.count + self.reached(&fan, from, 1.0, f64::INFINITY));
        steps + counted
    }

    /// The link whose rows an order counts, if it is an order by a count.
    fn counted(&self, order: &Order, entity: EntityId) -> Option<fan::Fan<'a>> {
        let mut path = order.path.iter();
        let last = path.try_fold(entity, |at, field| self.catalog.entity(at).field(*field).kind.target())?;
        let part = self.catalog.entity(last).derived(order.field)?;
        match part.part {
            PartOf::Count => self.fan(last, part.base),
            PartOf::Member(_) | PartOf::Item { .. } | PartOf::Key(_) => None,
        }
    }

    /// The lists below one level.
    fn members(&self, output: &'a [Output], entity: EntityId, rows: &Rows<'a>) -> Guess {
        let lists = output.iter().map(|member| match &member.value {
            OutputValue::Many { field, select } => match self.listed_below(select, entity, *field, rows) {
                Some((below, guess)) => guess
                    .plus(self.made(select, below.count, below.is_sure))
                    .plus(self.members(&select.output, select.entity, &below)),
                None => Guess::default(),
            },
            OutputValue::Connection { field, connection } => {
                let select = &connection.select;
                let Some((below, guess)) = self.listed_below(select, entity, *field, rows) else {
                    return Guess::default();
                };
                let all = match connection.counts_all() {
                    true => self.looked_below(select, entity, *field, rows),
                    false => Guess::default(),
                };
                guess.plus(self.of_page(connection, &below)).plus(all)
            }
            OutputValue::One { field, output } => {
                let Some(fan) = self.fan(entity, *field) else {
                    return Guess::default();
                };
                let behind = Rows {
                    count: rows.count,
                    keys: None,
                    by: Some(fan.link),
                    is_sure: rows.is_sure,
                };
                let steps = Guess {
                    nanos: rows.count * STEP,
                    ..Guess::default()
                };
                steps.plus(self.members(output, fan.target, &behind))
            }
            OutputValue::Text(_)
            | OutputValue::NodeId(_)
            | OutputValue::Leaf(_)
            | OutputValue::Value { .. }
            | OutputValue::Matches(_) => Guess::default(),
        });
        lists.fold(Guess::default(), Guess::plus)
    }

    /// A list in each row: its rows, looked for and not made.
    fn listed_below(
        &self,
        select: &'a Select,
        entity: EntityId,
        field: FieldId,
        rows: &Rows<'a>,
    ) -> Option<(Rows<'a>, Guess)> {
        let fan = self.fan(entity, field)?;
        let stored = self.stored(fan.target).max(1.0);
        let met = select.filter.as_ref();
        let met = met.map_or(1.0, |filter| self.met(filter, fan.target, stored) / stored);
        let kept = self.reached(&fan, rows, met, self.first(select).unwrap_or(f64::INFINITY));
        let filter = select.filter.as_ref();
        let is_sure = rows.is_sure && filter.is_none_or(|filter| self.is_known(filter, fan.target));
        let below = Rows {
            count: kept,
            keys: None,
            by: Some(fan.link),
            is_sure,
        };
        Some((below, self.looked_below(select, entity, field, rows)))
    }

    /// A list in each row, looked through as a whole.
    fn looked_below(&self, select: &'a Select, entity: EntityId, field: FieldId, rows: &Rows<'a>) -> Guess {
        let Some(fan) = self.fan(entity, field) else {
            return Guess::default();
        };
        let found = self.reached(&fan, rows, 1.0, f64::INFINITY);
        let look = Guess {
            nanos: rows.count * STEP + found * STEP,
            ..Guess::default()
        };
        let found = Rows {
            count: found,
            keys: None,
            by: Some(fan.link),
            is_sure: rows.is_sure,
        };
        look.plus(self.conditions(select, &found))
    }

    /// Whether an index has the order, so that nothing is sorted.
    fn in_order(&self, select: &Select) -> bool {
        let entity = self.catalog.entity(select.entity);
        match select.order.as_slice() {
            [] => true,
            // Behind a link the field is another type's; no index has a part of a value.
            [order, ..] if order.own().is_none() => false,
            [order, ..] => {
                let field = entity.field(order.field);
                // The values of an enum have another order in an index.
                let is_enum = order.enumeration(self.catalog, select.entity).is_some();
                !is_enum && (self.is_indexed(field) || entity.key.first() == Some(&order.field))
            }
        }
    }

    fn first(&self, select: &Select) -> Option<f64> {
        select.first.as_ref().and_then(|operand| self.count(operand))
    }

    fn offset(&self, select: &Select) -> f64 {
        let offset = select.offset.as_ref();
        offset.and_then(|operand| self.count(operand)).unwrap_or(0.0)
    }

    fn count(&self, operand: &Operand) -> Option<f64> {
        match self.operand(operand) {
            Some(Value::Int(count)) => u64::try_from(*count).ok().map(|count| count as f64),
            _ => None,
        }
    }

    fn keys_of(&self, select: &'a Select) -> Option<Keys<'a>> {
        self.keys(select.filter.as_ref()?, select.entity)
    }
}
