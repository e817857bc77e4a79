//! From a record to a row, exactly as the layout lays it out. Knows catalog and layout; pure, and
//! knows no network or database.

mod build;
mod model;

use std::collections::HashSet;

use bytes::Bytes;
use jaq_json::Val;

use super::{
    extent::Extent,
    index_size, json,
    keys::{reference, targets},
    leaf::Values,
    limits::ROW_MEMORY,
    refusal::{Unfit, refusal},
};
use crate::{
    catalog::{Catalog, EntityId},
    layout::Layout,
    store::Refused,
    value::{Absent, Children, Kept, Key, Row, Value},
};

use model::{EntityShape, FieldShape, Record, What, put};

/// The compiled shapes of a whole catalog; made once, used by every run.
#[derive(Debug)]
pub(super) struct Shaper {
    entities: Vec<EntityShape>,
    values: Values,
}

/// The row of a record, if it became one, and every refused record: the record itself or children
/// of it.
pub(super) type Shaped = (Option<Row>, Vec<Refused>);

impl Shaper {
    pub(super) fn new(catalog: &Catalog, layout: &Layout) -> Shaper {
        let entities = catalog.entity_ids();
        let entities = entities.map(|id| build::entity_shape(catalog, id, layout.entity(id)));
        Shaper {
            entities: entities.collect(),
            values: Values::new(catalog),
        }
    }

    /// Whether an array (or null) can be no record of this entity: the mistake is then the page's,
    /// not the record's.
    pub(super) fn needs_object(&self, entity: EntityId) -> bool {
        self.shape(entity).is_ok_and(|shape| shape.needs_object)
    }

    /// Shapes one record of a fetched entity.
    pub(super) fn record(&self, entity: EntityId, record: &Val) -> Shaped {
        self.shaped(entity, record, Extent::OwnPart)
    }

    /// The same for a record that comes another way than by the type's own fetch.
    pub(super) fn part(&self, entity: EntityId, record: &Val) -> Shaped {
        self.shaped(entity, record, Extent::Part)
    }

    /// The row of a record that is not parsed as a whole, where that is all there is to it. `None`:
    /// it is to be parsed, which tells what it is. `found` is room that is used again and again.
    pub(super) fn plain(&self, entity: EntityId, text: &Bytes, found: &mut Vec<Option<Val>>) -> Option<Row> {
        json::members(text, self.names(entity)?, found)?;
        self.named(entity, found)
    }

    /// The names of all that a record has of a row, where nothing but names is looked for.
    pub(super) fn names(&self, entity: EntityId) -> Option<&[String]> {
        self.entities.get(entity.index())?.names.as_deref()
    }

    /// The row of the values under these names, where that is all there is to it.
    pub(super) fn named(&self, entity: EntityId, found: &[Option<Val>]) -> Option<Row> {
        let mut refused = Vec::new();
        let row = self.row(entity, Record::Named(found), Extent::Whole, &[], &mut refused);
        row.ok().filter(|row| refused.is_empty() && row.size() <= ROW_MEMORY)
    }

    fn shaped(&self, entity: EntityId, record: &Val, extent: Extent) -> Shaped {
        let mut refused = Vec::new();
        let shared = self.entities.get(entity.index()).is_some_and(|shape| shape.shared);
        let extent = if shared { extent } else { Extent::Whole };
        let row = match self.row(entity, Record::Whole(record), extent, &[], &mut refused) {
            Ok(row) => Some(row),
            Err(unfit) => {
                // Children go with their owner: refusing them apart would say the same twice.
                refused.clear();
                refused.push(refusal(unfit, record));
                None
            }
        };
        (row, refused)
    }

    /// A record that is not stored for another reason than its fields; its key as far as it can be
    /// read.
    pub(super) fn refuse(&self, entity: EntityId, record: &Val, reason: String) -> Refused {
        let (row, refused) = self.record(entity, record);
        let id = row.and_then(|row| self.key_of(entity, &row));
        let known = refused.into_iter().next().map(|known| (known.key, known.id));
        let (key, id) = id.map_or(known.unwrap_or_default(), |id| (Some(id.to_string()), Some(id)));
        refusal(Unfit { key, id, reason }, record)
    }

    /// The key that a value is, for values that are no records: a scalar, or an array of a
    /// composite key's parts.
    pub(super) fn key(&self, entity: EntityId, value: &Val) -> Result<Key, String> {
        let shape = self.shape(entity).map_err(|unfit| unfit.reason)?;
        let key = reference(&shape.key_leaves, value)?;
        let key = key.ok_or_else(|| "expected a record or a key, found null".to_owned())?;
        index_size::of_key(&key).map_err(|reason| format!("the key: {reason}"))?;
        Ok(key)
    }

    pub(super) fn key_of_record(&self, entity: EntityId, record: &Val) -> Option<Key> {
        self.shape(entity).ok()?.readable_key(&self.values, record, &[]).1
    }

    /// The key of a row that was shaped here.
    pub(super) fn key_of(&self, entity: EntityId, row: &Row) -> Option<Key> {
        self.shape(entity).ok().map(|shape| shape.key_of(row))
    }

    fn shape(&self, entity: EntityId) -> Result<&EntityShape, Unfit> {
        let missing = || Unfit {
            reason: "its type is not in the definition".to_owned(),
            ..Unfit::default()
        };
        self.entities.get(entity.index()).ok_or_else(missing)
    }

    /// Recursion ends with the record's own depth, which the parser limits.
    fn row(
        &self,
        entity: EntityId,
        record: Record<'_>,
        extent: Extent,
        parent: &[Value],
        refused: &mut Vec<Refused>,
    ) -> Result<Row, Unfit> {
        let shape = self.shape(entity)?;
        let unfit = |reason| {
            let key = record
                .whole()
                .map(|record| shape.readable_key(&self.values, record, parent));
            let (key, id) = key.unwrap_or_default();
            Unfit { key, id, reason }
        };
        let mut values = vec![Value::Null; shape.columns];
        for (column, value) in shape.parent.iter().zip(parent) {
            put(&mut values, *column, value.clone());
        }
        let mut links = vec![Vec::new(); shape.joins];
        let mut absent = Absent::default();
        for field in &shape.fields {
            let found = self.field(field, record, extent, &mut values, &mut links);
            let is_there = found.map_err(|reason| unfit(format!("{}{reason}", field.name)))?;
            if !is_there {
                field.leave_out(&mut absent);
            }
        }
        shape.index_size.check(&values, &links).map_err(unfit)?;
        if shape.nested == 0 {
            return Ok(extent.of(Row::beside(&shape.apart, values, links, Vec::new()), absent));
        }
        let key: Vec<Value> = shape
            .key
            .iter()
            .filter_map(|column| values.get(*column))
            .cloned()
            .collect();
        let mut children = vec![Vec::new(); shape.nested];
        let mut kept = vec![Vec::new(); shape.nested];
        for field in &shape.fields {
            if let What::Nested { list, child } = &field.what {
                let found = self
                    .children(field, *child, record, extent, &key, refused)
                    .map_err(|reason| Unfit {
                        key: Some(Key(key.clone()).to_string()),
                        id: (!shape.positional).then(|| Key(key.clone())),
                        reason: format!("{}: {reason}", field.name),
                    })?;
                match (found, children.get_mut(*list), kept.get_mut(*list)) {
                    (Some(found), Some(slot), Some(kept)) => (*slot, *kept) = found,
                    _ => field.leave_out(&mut absent),
                }
            }
        }
        let row = Row::beside(&shape.apart, values, links, children).keeping(kept);
        Ok(extent.of(row, absent))
    }

    /// Fills in what a record says of a field; false when it says nothing.
    fn field(
        &self,
        field: &FieldShape,
        record: Record<'_>,
        extent: Extent,
        values: &mut [Value],
        links: &mut [Vec<Key>],
    ) -> Result<bool, String> {
        if matches!(field.what, What::Nested { .. }) {
            return Ok(true);
        }
        let colon = |reason: String| format!(": {reason}");
        let Some(found) = field.find(record, extent).map_err(colon)? else {
            return Ok(false);
        };
        match &field.what {
            What::Leaf { column, leaf } => {
                let value = leaf.convert(found.one().map_err(colon)?).map_err(colon)?;
                put(values, *column, field.checked(value)?);
            }
            What::Document { column, document } => {
                let value = self.values.document(document, &found)?;
                let value = value.map_or(Value::Null, Value::Text);
                put(values, *column, field.checked(value)?);
            }
            What::Reference { columns, leaves } => {
                let target = reference(leaves, found.one().map_err(colon)?).map_err(colon)?;
                field.checked(target.as_ref().map_or(Value::Null, |_| Value::Bool(true)))?;
                let target = target.map_or_else(Vec::new, |key| key.0);
                for (column, value) in columns.iter().zip(target) {
                    put(values, *column, value);
                }
            }
            What::Links { join, leaves } => {
                if let Some(slot) = links.get_mut(*join) {
                    *slot = targets(leaves, &found)?;
                }
            }
            What::Nested { .. } => {}
        }
        Ok(true)
    }

    /// The child rows under a field, if the record has it, and those that are bad: each is refused
    /// alone, and what is stored of it stays.
    fn children(
        &self,
        field: &FieldShape,
        child: EntityId,
        record: Record<'_>,
        extent: Extent,
        parent: &[Value],
        refused: &mut Vec<Refused>,
    ) -> Result<Option<Children>, String> {
        let Some(found) = field.find(record, extent)? else {
            return Ok(None);
        };
        let items = found.items().unwrap_or(&[]);
        let shape = self.shape(child).map_err(|unfit| unfit.reason)?;
        let mut rows = Vec::with_capacity(items.len());
        let mut kept = Vec::new();
        let mut seen = HashSet::new();
        for (position, item) in items.iter().enumerate() {
            let place = format!("{}[{position}]", field.name);
            let owner = || format!(" (of {})", Key(parent.to_vec()));
            match self.row(child, Record::Whole(item), extent, parent, refused) {
                Ok(row) if !shape.positional && !seen.insert(shape.key_of(&row)) => {
                    let key = shape.key_of(&row).to_string();
                    let reason = format!("{place}: the key {key} appears twice{}", owner());
                    let unfit = Unfit {
                        key: Some(key),
                        id: None,
                        reason,
                    };
                    refused.push(refusal(unfit, item));
                }
                Ok(row) => rows.push(row),
                Err(unfit) => {
                    let reason = format!("{place}.{}{}", unfit.reason, owner());
                    kept.push(Kept {
                        position,
                        key: unfit.id,
                    });
                    // Its owner arrived: no row of the fetched type is at stake.
                    let unfit = Unfit {
                        id: None,
                        key: unfit.key,
                        reason,
                    };
                    refused.push(refusal(unfit, item));
                }
            }
        }
        Ok(Some((rows, kept)))
    }
}
