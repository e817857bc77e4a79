//! The columns of a table: their names, and which of them are looked for. Knows no cells.

use bytes::Bytes;
use jaq_json::Val;

use crate::harvest::error::{PageFault, rows_fault};

/// Columns of a table: more are none.
pub(super) const COLUMNS_MAX: usize = 10_000;
/// Names that a fault shows.
const NAMES_SHOWN: usize = 12;

pub(super) struct Columns {
    /// Their names; none: its cells are left out.
    pub names: Vec<Option<Val>>,
    /// For each name that is looked for the column that has it, where nothing else is asked of a
    /// record.
    pub sought: Option<Vec<Option<usize>>>,
}

impl Columns {
    /// Columns of these names, of which the sought ones matter; `advice`: where to look when there
    /// is none of them.
    pub(super) fn of(
        names: &[String],
        sought: Option<Vec<String>>,
        place: &str,
        advice: &str,
    ) -> Result<Columns, PageFault> {
        if names.len() > COLUMNS_MAX {
            return Err(rows_fault(place, format!("it has more than {COLUMNS_MAX} columns")));
        }
        let again = |at: usize| {
            let name = &names[at];
            let first = names[..at].iter().position(|before| before == name)?;
            (!name.is_empty()).then_some((name, first + 1, at + 1))
        };
        if let Some((name, first, second)) = (0..names.len()).find_map(again) {
            let message = format!(
                "columns {first} and {second} are both called `{name}`; leave the row of names out and name the columns \
                 yourself, with `table: {{skip: 1, columns: [\"…\", …]}}`"
            );
            return Err(rows_fault(place, message));
        }
        let column = |wanted: &String| names.iter().position(|name| name == wanted);
        let places: Option<Vec<Option<usize>>> = sought.as_ref().map(|sought| sought.iter().map(column).collect());
        if let (Some(sought), Some(places)) = (&sought, &places)
            && places.iter().all(Option::is_none)
        {
            let message = format!(
                "none of its columns has a name that is looked for ({}); they are {}; {advice}",
                shown(sought),
                shown(names)
            );
            return Err(rows_fault(place, message));
        }
        let value = |name: &String| (!name.is_empty()).then(|| Val::utf8_str(Bytes::copy_from_slice(name.as_bytes())));
        Ok(Columns {
            names: names.iter().map(value).collect(),
            sought: places,
        })
    }

    /// Why a row of so many cells is no record.
    pub(super) fn misfit(&self, cells: usize) -> Option<String> {
        let names = self.names.len();
        let word = if cells == 1 { "cell" } else { "cells" };
        (cells != names).then(|| format!("{cells} {word}, but there are {names} columns"))
    }
}

/// Names as a fault shows them.
fn shown(names: &[String]) -> String {
    let one = |name: &String| format!("`{}`", name.chars().take(40).collect::<String>());
    let some: Vec<String> = names.iter().take(NAMES_SHOWN).map(one).collect();
    let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}
