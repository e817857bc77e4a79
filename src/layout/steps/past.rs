//! What becomes of past versions of rows (`@history`) between two layouts. Knows columns; what
//! becomes of the rows themselves is told beside it.

use super::{
    Change, Condition, Loss, Origin, Touch,
    cast::{Fit, fit},
    pairs::{Comparison, Pair, all_of, field_name},
    step::shown,
};
use crate::layout::{Column, EntityTables, history_name};

/// Tells that the past of a type goes with it.
pub(super) fn removed(comparison: &mut Comparison<'_>, old: &EntityTables) {
    if old.history {
        let touch = all_of(&history_name(&old.table.name), Loss::Version);
        comparison.tell(Change::NoHistory, shown(old), None, Some(touch), None);
    }
}

/// Tells the steps of a type's past; gives whether its versions go over.
pub(super) fn compare(
    comparison: &mut Comparison<'_>,
    pair: &Pair<'_>,
    (origins, joins): (&[Origin], &[Option<usize>]),
    emptied: bool,
) -> bool {
    let versions = || Some(all_of(&history_name(&pair.old.table.name), Loss::Version));
    let change = match (pair.old.history, pair.new.history) {
        (false, false) => return false,
        (false, true) => (Change::History, None),
        (true, false) => (Change::NoHistory, versions()),
        (true, true) if emptied || lacks_values(comparison, pair, origins) => (Change::HistoryAnew, versions()),
        (true, true) => {
            forgotten(comparison, pair, origins);
            forgotten_links(comparison, pair, joins);
            return true;
        }
    };
    comparison.tell(change.0, &pair.new.name, None, change.1, None);
    false
}

fn pairs<'p>(pair: &Pair<'p>, origins: &[Origin]) -> Vec<(Option<&'p Column>, &'p Column)> {
    let stored = |origin: &Origin| match origin {
        Origin::Stored(from) => pair.old.table.columns.get(*from),
        Origin::Nothing => None,
    };
    let columns = pair.new.table.columns.iter().zip(origins);
    let columns = columns.filter(|(column, _)| column.rollup.is_none());
    columns.map(|(column, origin)| (stored(origin), column)).collect()
}

/// Whether a field must have a value that versions may lack: nobody could be shown them.
fn lacks_values(comparison: &Comparison<'_>, pair: &Pair<'_>, origins: &[Origin]) -> bool {
    pairs(pair, origins).into_iter().any(|(old, column)| {
        let stays = old.is_some_and(|old| !old.nullable && gone(comparison, old, column).is_none());
        !column.nullable && !stays
    })
}

/// Values that a column can no longer have.
fn gone(comparison: &Comparison<'_>, old: &Column, column: &Column) -> Option<Vec<String>> {
    match fit(&old.meaning, &column.meaning, |name| comparison.former(name)) {
        Fit::Narrowed(gone) => Some(gone),
        _ => None,
    }
}

/// Tells of fields whose values in versions cannot stay.
fn forgotten(comparison: &mut Comparison<'_>, pair: &Pair<'_>, origins: &[Origin]) {
    let table = history_name(&pair.old.table.name);
    let mut lost: Vec<(String, Condition)> = Vec::new();
    for (old, column) in pairs(pair, origins) {
        let Some(old) = old else { continue };
        if let Some(values) = gone(comparison, old, column) {
            let column = old.name.clone();
            lost.push((field_name(pair.old, old.field), Condition::OneOf { column, values }));
        }
    }
    let stays = |at: usize| origins.contains(&Origin::Stored(at));
    let columns = pair.old.table.columns.iter().enumerate();
    for (_, old) in columns.filter(|(at, old)| !stays(*at) && old.rollup.is_none()) {
        let name = field_name(pair.old, old.field);
        lost.push((name, Condition::NotNull(vec![old.name.clone()])));
    }
    for (field, when) in lost {
        let touch = Touch {
            table: table.clone(),
            when,
            loss: Loss::PastValue,
        };
        // The reference of a nested row to its owner is nobody's field.
        if !field.starts_with('_') {
            comparison.tell(Change::ForgetsPast, &pair.new.name, Some(&field), Some(touch), None);
        }
    }
}

/// Tells of links whose past goes with their table.
fn forgotten_links(comparison: &mut Comparison<'_>, pair: &Pair<'_>, joins: &[Option<usize>]) {
    let links = pair.old.joins.iter().enumerate();
    for (_, join) in links.filter(|(place, _)| !joins.contains(&Some(*place))) {
        let (name, touch) = (
            field_name(pair.old, join.field),
            all_of(&history_name(&join.name), Loss::PastValue),
        );
        comparison.tell(Change::ForgetsPast, &pair.new.name, Some(&name), Some(touch), None);
    }
}
