//! The columns of one type in two layouts: which are the same, which can be kept, which are
//! emptied. Knows columns.

use std::collections::BTreeSet;

use super::{
    Change, Condition, Loss, Origin, Touch,
    cast::{self, Fit, fit},
    pairs::{Comparison, Pair, all_of, field_name, field_refill},
};
use crate::{catalog::FieldId, layout::Column};

/// For each new column, the stored one of the same field.
pub(super) struct Columns {
    from: Vec<Option<usize>>,
}

impl Columns {
    /// Columns of the same name are the same, then those that had the name before. A field with
    /// several columns keeps all of them or none.
    pub(super) fn pair(pair: &Pair<'_>) -> Columns {
        let (old, new) = (&pair.old.table.columns, &pair.new.table.columns);
        let at = |name: &str| old.iter().position(|column| column.name == name);
        let mut from: Vec<Option<usize>> = new.iter().map(|column| at(&column.name)).collect();
        let mut taken: BTreeSet<usize> = from.iter().flatten().copied().collect();
        for (column, from) in new.iter().zip(&mut from).filter(|(_, from)| from.is_none()) {
            let former = column
                .before
                .iter()
                .find_map(|name| at(name).filter(|at| !taken.contains(at)));
            taken.extend(former);
            *from = former;
        }
        let fields: BTreeSet<FieldId> = new.iter().map(|column| column.field).collect();
        for field in fields {
            let own = |(place, column): (usize, &Column)| (column.field == field).then_some(place);
            let places: Vec<usize> = new.iter().enumerate().filter_map(own).collect();
            if places.iter().any(|place| from.get(*place).is_none_or(Option::is_none)) {
                for place in places {
                    from.get_mut(place).map(Option::take);
                }
            }
        }
        Columns { from }
    }

    pub(super) fn of(&self, at: usize) -> Option<usize> {
        self.from.get(at).copied().flatten()
    }
}

/// Whether all stored values can be kept as they are or by a cast.
pub(super) fn keeps(comparison: &Comparison<'_>, old: &Column, new: &Column) -> bool {
    let fits = fit(&old.meaning, &new.meaning, |name| comparison.former(name)) == Fit::Same;
    cast::casts(old.kind, new.kind) && is_filled_alike(old, new) && fits
}

/// Whether the values come the same way.
fn is_filled_alike(old: &Column, new: &Column) -> bool {
    old.fetched == new.fetched && old.rollup == new.rollup
}

/// The same, but for values that are no more and are taken out.
fn may_keep(comparison: &Comparison<'_>, old: &Column, new: &Column) -> bool {
    let fits = fit(&old.meaning, &new.meaning, |name| comparison.former(name)) != Fit::Other;
    cast::casts(old.kind, new.kind) && is_filled_alike(old, new) && fits
}

/// Tells the steps of a type's fields; gives where each new column comes from.
pub(super) fn compare(
    comparison: &mut Comparison<'_>,
    pair: &Pair<'_>,
    columns: Columns,
    emptied: bool,
) -> Vec<Origin> {
    let new = &pair.new.table.columns;
    let mut origins = Vec::with_capacity(new.len());
    let mut used = BTreeSet::new();
    for (at, column) in new.iter().enumerate() {
        let field = Field {
            pair,
            column,
            name: field_name(pair.new, column.field),
            emptied,
        };
        let places: Vec<usize> = (0..new.len())
            .filter(|at| new.get(*at).is_some_and(|one| one.field == column.field))
            .collect();
        let stored = |place: &usize| {
            columns
                .of(*place)
                .and_then(|from| Some((new.get(*place)?, pair.old.table.columns.get(from)?)))
        };
        // A field with several columns is kept or emptied as a whole.
        let kept = places
            .iter()
            .filter_map(stored)
            .all(|(column, old)| may_keep(comparison, old, column));
        used.extend(columns.of(at));
        origins.push(
            match columns
                .of(at)
                .and_then(|from| Some((from, pair.old.table.columns.get(from)?)))
            {
                Some((from, old)) if kept => {
                    field.kept(comparison, old);
                    Origin::Stored(from)
                }
                Some((_, old)) => {
                    let names = places.iter().filter_map(stored).map(|(_, old)| old.name.clone());
                    field.lose(comparison, old, names.collect());
                    Origin::Nothing
                }
                None => {
                    used.extend(field.added(comparison));
                    Origin::Nothing
                }
            },
        );
    }
    removed(comparison, pair, &used, emptied);
    origins
}

/// Fields of which no column is left.
fn removed(comparison: &mut Comparison<'_>, pair: &Pair<'_>, used: &BTreeSet<usize>, emptied: bool) {
    let old = pair.old.table.columns.iter().enumerate();
    let gone: Vec<&Column> = old
        .filter(|(at, _)| !used.contains(at))
        .map(|(_, column)| column)
        .collect();
    let fields: BTreeSet<FieldId> = gone.iter().map(|column| column.field).collect();
    for id in fields {
        let mut names = gone.iter().filter(|column| column.field == id);
        // What is computed can be computed again.
        let kept = names.clone().all(|column| column.rollup.is_none());
        let touch = Touch {
            table: pair.old.table.name.clone(),
            when: Condition::NotNull(names.by_ref().map(|column| column.name.clone()).collect()),
            loss: Loss::Value,
        };
        let name = field_name(pair.old, id);
        // The reference of a nested row to its owner is nobody's field.
        if !name.starts_with('_') {
            let touch = (!emptied && kept).then_some(touch);
            comparison.tell(Change::RemovedField, &pair.new.name, Some(&name), touch, None);
        }
    }
}

/// A column's type as a person reads it, and whether its record brings the value.
fn shown(column: &Column) -> String {
    let name = cast::name(column.kind, &column.meaning);
    match (column.fetched, &column.rollup) {
        (true, _) => format!("{name} @fetch"),
        (_, Some(_)) => format!("{name} @rollup"),
        _ => name,
    }
}

/// A new column in its surroundings.
struct Field<'a> {
    pair: &'a Pair<'a>,
    column: &'a Column,
    name: String,
    /// All rows are removed anyway.
    emptied: bool,
}

impl Field<'_> {
    fn tell(&self, comparison: &mut Comparison<'_>, change: Change, touch: Option<Touch>, filled: bool) {
        if !self.emptied {
            let filled = filled && self.column.rollup.is_none();
            let refill = filled.then(|| field_refill(self.pair, &self.name, self.column.fetched));
            comparison.tell(change, &self.pair.new.name, Some(&self.name), touch, refill);
        }
    }

    /// What nobody declared is told of its type.
    fn recomputed(&self, comparison: &mut Comparison<'_>) {
        match self.name.starts_with('_') {
            true if self.emptied => {}
            true => comparison.tell(Change::Recomputed, &self.pair.new.name, None, None, None),
            false => self.tell(comparison, Change::Recomputed, None, false),
        }
    }

    fn touch(&self, when: Condition, loss: Loss) -> Option<Touch> {
        Some(Touch {
            table: self.pair.old.table.name.clone(),
            when,
            loss,
        })
    }

    /// A required field without values takes its rows with it.
    fn without_values(&self) -> Option<Touch> {
        let all = all_of(&self.pair.old.table.name, Loss::Row);
        (!self.column.nullable && self.column.rollup.is_none()).then_some(all)
    }

    /// Columns that the field had under another shape, so that they are not told as removed.
    fn added(&self, comparison: &mut Comparison<'_>) -> Vec<usize> {
        let old = &self.pair.old.table.columns;
        let former = |column: &Column| {
            let name = field_name(self.pair.old, column.field);
            name == self.name || self.column.before.contains(&column.name)
        };
        let places: Vec<usize> = (0..old.len()).filter(|at| old.get(*at).is_some_and(former)).collect();
        let Some(first) = places.first().and_then(|at| old.get(*at)) else {
            let change = match self.column.rollup {
                Some(_) => Change::NewRollup,
                None => Change::NewField {
                    required: !self.column.nullable,
                },
            };
            self.tell(comparison, change.clone(), self.without_values(), true);
            if self.emptied {
                comparison.tell(change, &self.pair.new.name, Some(&self.name), None, None);
            }
            return places;
        };
        let names = places
            .iter()
            .filter_map(|at| old.get(*at))
            .map(|column| column.name.clone());
        self.lose(comparison, first, names.collect());
        places
    }

    /// The stored values cannot be kept.
    fn lose(&self, comparison: &mut Comparison<'_>, old: &Column, names: Vec<String>) {
        if old.rollup.is_some() && self.column.rollup.is_some() {
            return self.recomputed(comparison);
        }
        let values = self.touch(Condition::NotNull(names), Loss::Value);
        let values = values.filter(|_| old.rollup.is_none());
        let change = Change::Emptied {
            from: shown(old),
            to: shown(self.column),
        };
        self.tell(comparison, change, self.without_values().or(values), true);
    }

    /// Tells how a stored column whose values can be kept becomes this one.
    fn kept(&self, comparison: &mut Comparison<'_>, old: &Column) {
        let from = field_name(self.pair.old, old.field);
        let hidden = from.starts_with('_') || self.name.starts_with('_');
        let known = !self.pair.old.fields.is_empty() || old.name != self.column.name;
        if from != self.name && known && !hidden {
            self.tell(comparison, Change::RenamedField { from }, None, false);
        }
        if old.kind != self.column.kind {
            let change = Change::Cast {
                from: cast::kind(old.kind).to_owned(),
                to: cast::kind(self.column.kind).to_owned(),
            };
            self.tell(comparison, change, None, false);
        }
        match fit(&old.meaning, &self.column.meaning, |name| comparison.former(name)) {
            Fit::Narrowed(gone) => self.narrow(comparison, old, gone),
            Fit::Widened(new) => self.tell(comparison, Change::Widened { new }, None, true),
            _ => {}
        }
        match (old.nullable, self.column.nullable) {
            (true, false) => {
                let touch = self.touch(Condition::Null(vec![old.name.clone()]), Loss::Row);
                self.tell(comparison, Change::Required, touch, true);
            }
            (false, true) => self.tell(comparison, Change::Nullable, None, false),
            _ => {}
        }
    }

    fn narrow(&self, comparison: &mut Comparison<'_>, old: &Column, gone: Vec<String>) {
        let when = Condition::OneOf {
            column: old.name.clone(),
            values: gone.clone(),
        };
        // A key's value cannot be null either; a required one takes its row with it.
        let loss = if self.column.nullable { Loss::Value } else { Loss::Row };
        let touch = self.touch(when, loss);
        self.tell(comparison, Change::Narrowed { gone }, touch, true);
    }
}
