//! What filters leave over, and what they look at. Knows conditions; no lists of an answer.

use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    query::{Compare, Filter, JsonTest, Operand, Quantifier, Search, TextTest, Visitor},
    value::Value,
};

use super::{
    fan::Rows,
    given::Estimate,
    guess::{Cost, Guess, READ_BYTE, TEXT_OF_ROW, steps_of},
};

/// The part of the rows that a range of an indexed field is taken to leave.
const RANGE: f64 = 1.0 / 3.0;
/// The part of the rows that a search is taken to find.
const FOUND: f64 = 0.05;
/// Nanoseconds to rank one of them.
const RANK: f64 = 2_000.0;
/// Nanoseconds for each row of a type to gather the places of words that begin with something.
const BEGIN: f64 = 100.0;
/// Nanoseconds to call a test of a text.
const TEST: f64 = 100.0;

impl<'a> Estimate<'a> {
    /// How many of so many rows meet a filter, at most as far as that is known.
    pub(super) fn met(&self, filter: &'a Filter, entity: EntityId, all: f64) -> f64 {
        match filter {
            Filter::Many {
                field,
                quantifier: Quantifier::Some,
                filter,
            }
            | Filter::One { field, filter } => self.linked(filter, entity, *field).map_or(all, |rows| rows.min(all)),
            Filter::And(filters) => {
                let each = filters.iter().map(|filter| self.met(filter, entity, all));
                each.fold(all, f64::min)
            }
            Filter::Or(filters) => {
                let each = filters.iter().map(|filter| self.met(filter, entity, all));
                each.sum::<f64>().min(all)
            }
            Filter::Compare {
                field,
                compare: Compare::Eq,
                operand,
            } => self.equal(entity, *field, std::slice::from_ref(operand), all),
            Filter::In { field, operands } => self.equal(entity, *field, operands, all),
            Filter::IsNull { field } => match self.spread_of(entity, *field) {
                Some(spread) => (all - spread.rows as f64).max(0.0),
                None => all,
            },
            Filter::Key { .. } => all.min(1.0),
            Filter::Search { .. } => all * FOUND,
            _ => all,
        }
    }

    /// How many of so many rows the database looks at for a filter, if it is led by an index where
    /// one leads.
    pub(super) fn led(&self, filter: &'a Filter, entity: EntityId, all: f64) -> f64 {
        let leads = |field: FieldId| {
            let own = self.catalog.entity(entity);
            let Some(field) = self.held(entity, field) else {
                return false;
            };
            let of = own.field(field);
            let is_link = matches!(of.kind, FieldKind::Reference { .. });
            is_link || self.is_indexed(of) || own.key.first() == Some(&field)
        };
        match filter {
            Filter::And(filters) => {
                let each = filters.iter().map(|filter| self.led(filter, entity, all));
                each.fold(all, f64::min)
            }
            Filter::Or(filters) => {
                let each = filters.iter().map(|filter| self.led(filter, entity, all));
                each.sum::<f64>().min(all)
            }
            Filter::Compare {
                field,
                compare: Compare::Eq,
                ..
            }
            | Filter::In { field, .. }
            | Filter::IsNull { field }
                if leads(*field) =>
            {
                self.met(filter, entity, all)
            }
            Filter::Compare { field, .. } if leads(*field) => all * RANGE,
            // By a unique field that no index of versions has.
            Filter::Key { fields, .. } if self.is_past && !fields.iter().copied().all(leads) => all,
            Filter::Key { .. } => all.min(1.0),
            Filter::Search { .. } => all * FOUND,
            Filter::Many {
                field,
                quantifier: Quantifier::Some,
                ..
            } if self.is_closure(entity, *field) => self.met(filter, entity, all),
            _ => all,
        }
    }

    fn is_closure(&self, entity: EntityId, field: FieldId) -> bool {
        self.catalog.entity(entity).field(field).kind.is_closure()
    }

    /// Whether [`Estimate::met`] knows how many rows a filter leaves, at least by some of its
    /// conditions.
    pub(super) fn is_known(&self, filter: &'a Filter, entity: EntityId) -> bool {
        const MANY: f64 = 1e15;
        match filter {
            // Nothing to meet, or another condition that may leave few of those.
            Filter::And(filters) => filters.iter().all(|filter| self.is_known(filter, entity)),
            // Who knows how many rows have a word.
            Filter::Search { .. } => false,
            filter => self.met(filter, entity, MANY) < MANY,
        }
    }

    fn equal(&self, entity: EntityId, field: FieldId, operands: &'a [Operand], all: f64) -> f64 {
        let own = self.catalog.entity(entity);
        if own.key == [field] && !own.positional || own.field(field).unique {
            return all.min(operands.len() as f64);
        }
        let Some(spread) = self.spread_of(entity, field) else {
            return all;
        };
        let values = spread.values.unwrap_or(1) as f64;
        let each = operands.iter().map(|operand| {
            let value = self.operand(operand).unwrap_or(&Value::Null);
            spread
                .many_of(&[value])
                .map_or_else(|| spread.light(values), |rows| rows as f64)
        });
        each.sum::<f64>().min(all)
    }

    /// The rows that are linked to those that a filter names by their keys.
    fn linked(&self, filter: &'a Filter, entity: EntityId, field: FieldId) -> Option<f64> {
        let kind = &self.catalog.entity(entity).field(field).kind;
        let target = kind.target()?;
        let keys = self.keys(filter, target)?;
        let (spread, by) = match kind {
            FieldKind::Reference { by, .. } => (self.spread_of(entity, field)?, by),
            FieldKind::Links { by, .. } => {
                let links = self.figures(entity)?.links.get(&field)?;
                (links.by_target.as_ref()?, by)
            }
            FieldKind::Closure { .. } => return Some(keys.len() as f64 * self.fan(entity, field)?.mean()),
            _ => return None,
        };
        (keys.fields == by.as_slice()).then(|| keys.rows_of(spread, self.stored(target)))
    }

    /// What a filter looks at that is asked of these rows: rows of other types, and texts. The
    /// database may stop at the first one that decides; when none does, it looks at all.
    pub(super) fn filter(&self, asked: &Filter, entity: EntityId, rows: &Rows<'_>) -> Guess {
        match asked {
            Filter::And(filters) | Filter::Or(filters) => {
                let each = filters.iter().map(|filter| self.filter(filter, entity, rows));
                each.fold(Guess::default(), Guess::plus)
            }
            Filter::Not(filter) => self.filter(filter, entity, rows),
            Filter::Many { field, filter, .. } if self.is_closure(entity, *field) => {
                // Followed back from the rows that meet it, once for all that are asked.
                let stored = self.stored(entity);
                let walked = self.linked(filter, entity, *field).unwrap_or(stored).min(stored);
                steps_of(walked).plus(self.filter(filter, entity, &Rows::some(stored)))
            }
            Filter::One { field, filter } | Filter::Many { field, filter, .. } => {
                let Some(fan) = self.fan(entity, *field) else {
                    return Guess::default();
                };
                let behind = Rows {
                    count: self.reached(&fan, rows, 1.0, f64::INFINITY),
                    keys: None,
                    by: Some(fan.link),
                    is_sure: true,
                };
                steps_of(behind.count).plus(self.filter(filter, fan.target, &behind))
            }
            Filter::Items { field, filter, .. } => {
                let documents = self.read(entity, *field, rows.count);
                documents.plus(self.filter(filter, entity, rows))
            }
            Filter::Json { field, .. } => self.read(entity, *field, rows.count),
            Filter::Text { field, test, operand } => self.search(entity, *field, *test, operand, rows.count),
            Filter::Search { operand, .. } => Guess {
                nanos: rows.count * RANK + self.begins(operand) * self.stored(entity) * BEGIN,
                ..Guess::default()
            },
            Filter::Compare { .. }
            | Filter::In { .. }
            | Filter::IsNull { .. }
            | Filter::Has { .. }
            | Filter::Key { .. } => Guess::default(),
        }
    }

    /// How many begins of words a search has.
    fn begins(&self, operand: &Operand) -> f64 {
        let Some(Value::Text(text)) = self.operand(operand) else {
            return 0.0;
        };
        let terms = Search::parse(text).map(|search| search.terms).unwrap_or_default();
        terms.iter().filter(|term| term.begins).count() as f64
    }

    /// A test of texts. Without an index each of them is read.
    fn search(&self, entity: EntityId, field: FieldId, test: TextTest, operand: &Operand, rows: f64) -> Guess {
        let begins = match (test, self.operand(operand)) {
            (TextTest::StartsWith, Some(Value::Text(text))) => !text.is_empty(),
            (TextTest::Like, Some(Value::Text(like))) => !like.is_empty() && !like.starts_with(['%', '_']),
            _ => false,
        };
        if begins && !self.is_past && self.catalog.entity(entity).field(field).indexed {
            return Guess::default();
        }
        self.read(entity, field, rows)
    }

    /// Of each row the text in a field is gone through.
    pub(super) fn read(&self, entity: EntityId, field: FieldId, rows: f64) -> Guess {
        let width = self.value_width(entity, field);
        Guess {
            filter_rows: rows * (width / TEXT_OF_ROW).ceil().max(1.0),
            nanos: rows * (TEST + width * READ_BYTE),
            ..Guess::default()
        }
    }
}

/// Looks for the longest operands of all tests of texts.
pub(super) struct Letters<'e, 'a> {
    pub estimate: &'e Estimate<'a>,
    pub cost: &'e mut Cost,
}

impl Visitor for Letters<'_, '_> {
    fn filter(&mut self, filter: &Filter) {
        let (Filter::Text { test, operand, .. }
        | Filter::Json {
            test: JsonTest::Text { test, operand },
            ..
        }) = filter
        else {
            return;
        };
        let Some(Value::Text(text)) = self.estimate.operand(operand) else {
            return;
        };
        let longest = match test {
            TextTest::Like | TextTest::ILike => &mut self.cost.pattern_letters,
            TextTest::Contains | TextTest::StartsWith | TextTest::EndsWith => &mut self.cost.text_letters,
        };
        *longest = text.chars().count().max(*longest);
    }
}
