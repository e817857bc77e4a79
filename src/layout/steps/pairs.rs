//! Which type of a layout goes on as which of the next one, and what was found out so far. Knows
//! layouts; compares none of their columns.

use super::step::{Change, Condition, Loss, Refill, Step, Steps, Touch};
use crate::{
    catalog::{FieldId, snake_case, table_name},
    layout::{EntityTables, Layout},
};

/// Two layouts and what was found out so far.
pub(super) struct Comparison<'a> {
    pub stored: &'a Layout,
    pub new: &'a Layout,
    /// For each new type, the stored one that it continues.
    pub pairs: Vec<Option<usize>>,
    pub out: Steps,
}

/// One type in both layouts.
pub(super) struct Pair<'a> {
    pub old: &'a EntityTables,
    pub new: &'a EntityTables,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(stored: &'a Layout, new: &'a Layout) -> Comparison<'a> {
        let named = |name: &str| stored.entities.iter().position(|old| old.table.name == name);
        let pair = |tables: &EntityTables| {
            // A name in its plain form is that of a table from before names that databases keep
            // were spelled otherwise.
            let either = |name: &str| named(&table_name(&snake_case(name))).or_else(|| named(&snake_case(name)));
            let own = named(&tables.table.name).or_else(|| either(&tables.name));
            own.or_else(|| either(tables.was.as_deref()?))
        };
        Comparison {
            stored,
            new,
            pairs: new.entities.iter().map(pair).collect(),
            out: Steps::default(),
        }
    }

    /// The name that a type of the new layout had before.
    pub(super) fn former(&self, name: &str) -> Option<String> {
        let found = self.new.entities.iter().find(|tables| tables.name == name)?;
        found.was.clone()
    }

    pub(super) fn tell(
        &mut self,
        change: Change,
        entity: &str,
        field: Option<&str>,
        touch: Option<Touch>,
        refill: Option<Refill>,
    ) {
        let step = Step {
            change,
            entity: entity.to_owned(),
            field: field.map(str::to_owned),
            touch,
            refill,
        };
        // A field with several columns says it with each of them.
        let same = |other: &Step| other.code() == step.code() && other.subject() == step.subject();
        if step.field.is_none() || !self.out.steps.iter().any(same) {
            self.out.steps.push(step);
        }
    }
}

pub(super) fn all_of(table: &str, loss: Loss) -> Touch {
    Touch {
        table: table.to_owned(),
        when: Condition::All,
        loss,
    }
}

/// The run that brings a field's values, or the type's rows, to where they are missing.
pub(super) fn refill(pair: &Pair<'_>, field: Option<&str>) -> Refill {
    let name = &pair.new.name;
    let own = pair.new.filled_by.iter().eq([name]);
    Refill {
        fetches: pair.new.filled_by.clone(),
        apart: false,
        field: match field {
            Some(field) if own => field.to_owned(),
            Some(field) => format!("{name}.{field}"),
            None => name.clone(),
        },
        table: pair.old.table.name.clone(),
    }
}

/// The same for a field that requests of its own may fill: they are called by the field.
pub(super) fn field_refill(pair: &Pair<'_>, field: &str, fetched: bool) -> Refill {
    match fetched {
        true => Refill {
            fetches: vec![format!("{}.{field}", pair.new.name)],
            apart: true,
            ..refill(pair, Some(field))
        },
        false => refill(pair, Some(field)),
    }
}

/// A field's name; of layouts that were stored before names were kept, that of its column or table.
pub(super) fn field_name(tables: &EntityTables, id: FieldId) -> String {
    let column = || tables.table.columns.iter().find(|column| column.field == id);
    let join = || tables.joins.iter().find(|join| join.field == id);
    let stored = || {
        column()
            .map(|column| &column.name)
            .or_else(|| join().map(|join| &join.name))
    };
    tables
        .fields
        .get(id.index())
        .or_else(stored)
        .cloned()
        .unwrap_or_default()
}
