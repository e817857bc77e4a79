//! What is known of a type and its fields to make rows of its records, and what a field finds in
//! one. Knows selections and places of columns; makes no row.

use jaq_json::Val;

use crate::{
    catalog::EntityId,
    harvest::{
        extent::Extent,
        index_size::IndexSize,
        keys::reference,
        leaf::{Document, LeafShape, Values},
        select::{Found, NULL, Take},
    },
    value::{Absent, Apart, Key, Row, Value},
};

#[derive(Debug)]
pub(super) struct EntityShape {
    pub columns: usize,
    pub joins: usize,
    pub nested: usize,
    pub fields: Vec<FieldShape>,
    /// Positions of the key's columns.
    pub key: Vec<usize>,
    /// What the values of a key are converted to.
    pub key_leaves: Vec<LeafShape>,
    /// Columns of the reference to the owner, in the order of the owner's key.
    pub parent: Vec<usize>,
    /// Child rows are told apart by position alone.
    pub positional: bool,
    /// Some field is taken by its key, so that a record must be an object.
    pub needs_object: bool,
    /// Several fetches bring its rows.
    pub shared: bool,
    /// The names of all that a record has of a row, where nothing but names is looked for.
    pub names: Option<Vec<String>>,
    pub index_size: IndexSize,
    /// What no record says.
    pub apart: Apart,
}

#[derive(Debug)]
pub(super) struct FieldShape {
    pub name: String,
    pub required: bool,
    pub in_key: bool,
    /// Of its own names among those of [`EntityShape::names`].
    pub places: Vec<usize>,
    pub take: Take,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Leaf {
        column: usize,
        leaf: LeafShape,
    },
    Document {
        column: usize,
        document: Document,
    },
    Reference {
        columns: Vec<usize>,
        leaves: Vec<LeafShape>,
    },
    Links {
        join: usize,
        leaves: Vec<LeafShape>,
    },
    Nested {
        list: usize,
        child: EntityId,
    },
}

/// A record, as far as it is read.
#[derive(Clone, Copy)]
pub(super) enum Record<'r> {
    Whole(&'r Val),
    /// The values under the names of its entity; what is wrong with it, if something is, the whole
    /// tells.
    Named(&'r [Option<Val>]),
}

impl<'r> Record<'r> {
    pub(super) fn whole(self) -> Option<&'r Val> {
        match self {
            Record::Whole(record) => Some(record),
            Record::Named(_) => None,
        }
    }
}

impl EntityShape {
    pub(super) fn key_of(&self, row: &Row) -> Key {
        Key(self
            .key
            .iter()
            .filter_map(|column| row.values.get(*column))
            .cloned()
            .collect())
    }

    /// The key of a record that was refused: what could be read of it as text, and all of it, its
    /// owner's with it, if that was possible.
    pub(super) fn readable_key(
        &self,
        values: &Values,
        record: &Val,
        parent: &[Value],
    ) -> (Option<String>, Option<Key>) {
        let mut columns = vec![Value::Null; self.columns];
        for (column, value) in self.parent.iter().zip(parent) {
            put(&mut columns, *column, value.clone());
        }
        let mut shown: Vec<String> = Vec::new();
        for field in self.fields.iter().filter(|field| field.in_key) {
            for (column, value) in field.key_part(values, record).unwrap_or_default() {
                if !value.is_null() {
                    shown.push(value.to_string());
                    put(&mut columns, column, value);
                }
            }
        }
        let parts = self.key.iter().filter_map(|column| columns.get(*column));
        let parts: Vec<Value> = parts.filter(|value| !value.is_null()).cloned().collect();
        let whole = !parts.is_empty() && parts.len() == self.key.len() && !self.positional;
        (
            (!shown.is_empty()).then(|| shown.join(" / ")),
            whole.then_some(Key(parts)),
        )
    }
}

impl FieldShape {
    /// What a record has of the field; `None` when it is a part of a row that says nothing of it. A
    /// key is never left out.
    pub(super) fn find<'r>(&self, record: Record<'r>, extent: Extent) -> Result<Option<Found<'r>>, String> {
        let record = match record {
            Record::Whole(record) => record,
            Record::Named(found) => return self.find_named(found).map(Some),
        };
        match extent {
            Extent::Part if !self.in_key => self.take.find_in_part(record, false),
            // The owner has to have what is required; lists of rows may be empty.
            Extent::OwnPart if !self.in_key && (!self.required || self.is_of_rows()) => {
                self.take.find_in_part(record, true)
            }
            _ => self.take.find(record).map(Some),
        }
    }

    /// The same among the values under the names of its entity.
    pub(super) fn find_named<'r>(&self, found: &'r [Option<Val>]) -> Result<Found<'r>, String> {
        let mut own = self.places.iter().map(|at| found.get(*at).and_then(Option::as_ref));
        match &self.take {
            Take::Keys(_) => Ok(Found::One(own.flatten().next().unwrap_or(NULL))),
            Take::Jq(filter) => {
                let keys = filter.keys().unwrap_or_default().iter();
                let members = keys
                    .zip(&mut own)
                    .filter_map(|(key, value)| Some((key.clone(), value?.clone())));
                Take::outputs(filter, &Val::obj(members.collect()))
            }
        }
    }

    pub(super) fn is_of_rows(&self) -> bool {
        matches!(self.what, What::Links { .. } | What::Nested { .. })
    }

    pub(super) fn leave_out(&self, absent: &mut Absent) {
        match &self.what {
            What::Leaf { column, .. } | What::Document { column, .. } => absent.values.push(*column),
            What::Reference { columns, .. } => absent.values.extend(columns),
            What::Links { join, .. } => absent.links.push(*join),
            What::Nested { list, .. } => absent.children.push(*list),
        }
    }

    /// The columns that this field of a key fills; `None` when it cannot be read.
    pub(super) fn key_part(&self, values: &Values, record: &Val) -> Option<Vec<(usize, Value)>> {
        let found = self.take.find(record).ok()?;
        let one = found.one().ok()?;
        match &self.what {
            What::Leaf { column, leaf } => Some(vec![(*column, leaf.convert(one).ok()?)]),
            What::Reference { columns, leaves } => {
                let key = reference(leaves, one).ok()??;
                Some(columns.iter().copied().zip(key.0).collect())
            }
            What::Document { column, document } => {
                let json = values.document(document, &found).ok()??;
                Some(vec![(*column, Value::Text(json))])
            }
            What::Links { .. } | What::Nested { .. } => None,
        }
    }

    /// A null where the definition allows none is a reason.
    pub(super) fn checked(&self, value: Value) -> Result<Value, String> {
        match value {
            Value::Null if self.in_key => Err(format!(": the key is missing or null ({})", self.take.sought())),
            Value::Null if self.required => Err(format!(": required, but missing or null ({})", self.take.sought())),
            value => Ok(value),
        }
    }
}

pub(super) fn put(values: &mut [Value], column: usize, value: Value) {
    if let Some(slot) = values.get_mut(column) {
        *slot = value;
    }
}
