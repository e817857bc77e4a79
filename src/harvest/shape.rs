//! From a record to a row, exactly as the layout lays it out. Knows catalog and layout; pure, and knows no network or database.

use std::collections::HashSet;

use jaq_json::Val;

use super::{
    extent::Extent,
    keys::{reference, targets},
    leaf::{Document, Item, LeafShape, Values},
    refusal::{Unfit, refusal},
    room::{self, Room},
    select::{Found, Take},
};
use crate::{
    catalog::{Catalog, EntityId, Field, FieldId, FieldKind, Leaf},
    layout::{EntityTables, Layout},
    store::Refused,
    value::{Absent, Apart, Children, Kept, Key, Row, Value},
};

/// The compiled shapes of a whole catalog; made once, used by every run.
#[derive(Debug)]
pub(super) struct Shaper {
    entities: Vec<EntityShape>,
    values: Values,
}

#[derive(Debug)]
struct EntityShape {
    columns: usize,
    joins: usize,
    nested: usize,
    fields: Vec<FieldShape>,
    /// Positions of the key's columns.
    key: Vec<usize>,
    /// What the values of a key are converted to.
    key_leaves: Vec<LeafShape>,
    /// Columns of the reference to the owner, in the order of the owner's key.
    parent: Vec<usize>,
    /// Child rows are told apart by position alone.
    positional: bool,
    /// Some field is taken by its key, so that a record must be an object.
    needs_object: bool,
    /// Several fetches bring its rows.
    shared: bool,
    room: Room,
    /// What no record says.
    apart: Apart,
}

#[derive(Debug)]
struct FieldShape {
    name: String,
    required: bool,
    in_key: bool,
    take: Take,
    what: What,
}

#[derive(Debug)]
enum What {
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

/// The row of a record, if it became one, and every refused record: the record itself or children of it.
pub(super) type Shaped = (Option<Row>, Vec<Refused>);

impl Shaper {
    pub(super) fn new(catalog: &Catalog, layout: &Layout) -> Shaper {
        let entities = catalog.entity_ids();
        let entities = entities.map(|id| entity_shape(catalog, id, layout.entity(id)));
        Shaper {
            entities: entities.collect(),
            values: Values::new(catalog),
        }
    }

    /// Whether an array (or null) can be no record of this entity: the mistake is then the page's, not the record's.
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

    fn shaped(&self, entity: EntityId, record: &Val, extent: Extent) -> Shaped {
        let mut refused = Vec::new();
        let shared = self.entities.get(entity.index()).is_some_and(|shape| shape.shared);
        let extent = if shared { extent } else { Extent::Whole };
        let row = match self.row(entity, record, extent, &[], &mut refused) {
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

    /// A record that is not stored for another reason than its fields; its key as far as it can be read.
    pub(super) fn refuse(&self, entity: EntityId, record: &Val, reason: String) -> Refused {
        let (row, refused) = self.record(entity, record);
        let id = row.and_then(|row| self.key_of(entity, &row));
        let known = refused.into_iter().next().map(|known| (known.key, known.id));
        let (key, id) = id.map_or(known.unwrap_or_default(), |id| (Some(id.to_string()), Some(id)));
        refusal(Unfit { key, id, reason }, record)
    }

    /// The key that a value is, for values that are no records: a scalar, or an array of a composite key's parts.
    pub(super) fn key(&self, entity: EntityId, value: &Val) -> Result<Key, String> {
        let shape = self.shape(entity).map_err(|unfit| unfit.reason)?;
        let key = reference(&shape.key_leaves, value)?;
        let key = key.ok_or_else(|| "expected a record or a key, found null".to_owned())?;
        room::of_key(&key).map_err(|reason| format!("the key: {reason}"))?;
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
        record: &Val,
        extent: Extent,
        parent: &[Value],
        refused: &mut Vec<Refused>,
    ) -> Result<Row, Unfit> {
        let shape = self.shape(entity)?;
        let mut values = vec![Value::Null; shape.columns];
        for (column, value) in shape.parent.iter().zip(parent) {
            put(&mut values, *column, value.clone());
        }
        let mut links = vec![Vec::new(); shape.joins];
        let mut absent = Absent::default();
        for field in &shape.fields {
            let found = self.field(field, record, extent, &mut values, &mut links);
            let is_there = found.map_err(|reason| {
                let (key, id) = shape.readable_key(&self.values, record, parent);
                let reason = format!("{}{reason}", field.name);
                Unfit { key, id, reason }
            })?;
            if !is_there {
                field.leave_out(&mut absent);
            }
        }
        shape.room.check(&values, &links).map_err(|reason| {
            let (key, id) = shape.readable_key(&self.values, record, parent);
            Unfit { key, id, reason }
        })?;
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
        record: &Val,
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

    /// The child rows under a field, if the record has it, and those that are bad: each is refused alone, and what is stored of
    /// it stays.
    fn children(
        &self,
        field: &FieldShape,
        child: EntityId,
        record: &Val,
        extent: Extent,
        parent: &[Value],
        refused: &mut Vec<Refused>,
    ) -> Result<Option<Children>, String> {
        let Some(found) = field.find(record, extent)? else {
            return Ok(None);
        };
        let items = found.items()?.unwrap_or(&[]);
        let shape = self.shape(child).map_err(|unfit| unfit.reason)?;
        let mut rows = Vec::with_capacity(items.len());
        let mut kept = Vec::new();
        let mut seen = HashSet::new();
        for (position, item) in items.iter().enumerate() {
            let place = format!("{}[{position}]", field.name);
            let owner = || format!(" (of {})", Key(parent.to_vec()));
            match self.row(child, item, extent, parent, refused) {
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

impl EntityShape {
    fn key_of(&self, row: &Row) -> Key {
        Key(self
            .key
            .iter()
            .filter_map(|column| row.values.get(*column))
            .cloned()
            .collect())
    }

    /// The key of a record that was refused: what could be read of it as text, and all of it, its owner's with it, if that was
    /// possible.
    fn readable_key(&self, values: &Values, record: &Val, parent: &[Value]) -> (Option<String>, Option<Key>) {
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
    /// What a record has of the field; `None` when it is a part of a row that says nothing of it. A key is never left out.
    fn find<'r>(&self, record: &'r Val, extent: Extent) -> Result<Option<Found<'r>>, String> {
        match extent {
            Extent::Part if !self.in_key => self.take.find_in_part(record, false),
            // The owner has to have what is required; lists of rows may be empty.
            Extent::OwnPart if !self.in_key && (!self.required || self.is_of_rows()) => {
                self.take.find_in_part(record, true)
            }
            _ => self.take.find(record).map(Some),
        }
    }

    fn is_of_rows(&self) -> bool {
        matches!(self.what, What::Links { .. } | What::Nested { .. })
    }

    fn leave_out(&self, absent: &mut Absent) {
        match &self.what {
            What::Leaf { column, .. } | What::Document { column, .. } => absent.values.push(*column),
            What::Reference { columns, .. } => absent.values.extend(columns),
            What::Links { join, .. } => absent.links.push(*join),
            What::Nested { list, .. } => absent.children.push(*list),
        }
    }

    /// The columns that this field of a key fills; `None` when it cannot be read.
    fn key_part(&self, values: &Values, record: &Val) -> Option<Vec<(usize, Value)>> {
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
    fn checked(&self, value: Value) -> Result<Value, String> {
        match value {
            Value::Null if self.in_key => Err(format!(": the key is missing or null ({})", self.take.sought())),
            Value::Null if self.required => Err(format!(": required, but missing or null ({})", self.take.sought())),
            value => Ok(value),
        }
    }
}

fn put(values: &mut [Value], column: usize, value: Value) {
    if let Some(slot) = values.get_mut(column) {
        *slot = value;
    }
}

fn entity_shape(catalog: &Catalog, id: EntityId, tables: &EntityTables) -> EntityShape {
    let entity = catalog.entity(id);
    let parent = entity.owner.map(|owner| owner.parent);
    let fields: Vec<FieldShape> = entity
        .field_ids()
        .filter(|field| Some(*field) != parent)
        .filter_map(|field| field_shape(catalog, id, field, tables))
        .collect();
    EntityShape {
        columns: tables.table.columns.len(),
        joins: tables.joins.len(),
        nested: tables.nested.len(),
        shared: catalog.is_shared(id),
        needs_object: fields.iter().any(|field| matches!(field.take, Take::Keys(_))),
        fields,
        key: tables.table.key.clone(),
        key_leaves: leaf_shapes(catalog, catalog.leaves_of(id, &entity.key)),
        parent: parent.map(|field| tables.columns_of(field)).unwrap_or_default(),
        positional: entity.positional,
        room: Room::of(entity, tables),
        apart: tables.apart(),
    }
}

fn leaf_shapes(catalog: &Catalog, leaves: Vec<Leaf>) -> Vec<LeafShape> {
    leaves.into_iter().map(|leaf| LeafShape::new(catalog, leaf)).collect()
}

/// `None` for fields that no record fills: inverses, and those with requests of their own.
fn field_shape(catalog: &Catalog, id: EntityId, field_id: FieldId, tables: &EntityTables) -> Option<FieldShape> {
    let entity = catalog.entity(id);
    let field: &Field = entity.field(field_id);
    let columns = tables.columns_of(field_id);
    let leaves = |leaves: Vec<Leaf>| leaf_shapes(catalog, leaves);
    let what = match &field.kind {
        FieldKind::Leaf { leaf, list: None } => What::Leaf {
            column: *columns.first()?,
            leaf: LeafShape::new(catalog, *leaf),
        },
        FieldKind::Leaf { leaf, list } => What::Document {
            column: *columns.first()?,
            document: Document {
                item: Item::Leaf(LeafShape::new(catalog, *leaf)),
                list: *list,
            },
        },
        FieldKind::Value { value, list } => What::Document {
            column: *columns.first()?,
            document: Document {
                item: Item::Value(*value),
                list: *list,
            },
        },
        FieldKind::Reference { target, by } => What::Reference {
            columns,
            leaves: leaves(catalog.leaves_of(*target, by)),
        },
        FieldKind::Links { target, by } => What::Links {
            join: tables.joins.iter().position(|join| join.field == field_id)?,
            leaves: leaves(catalog.leaves_of(*target, by)),
        },
        FieldKind::Nested { child } => What::Nested {
            list: tables.nested.iter().position(|nested| nested.field == field_id)?,
            child: *child,
        },
        FieldKind::Inverse { .. } => return None,
    };
    if field.fetch.is_some() {
        return None;
    }
    Some(FieldShape {
        name: field.name.clone(),
        required: field.required,
        in_key: entity.key.contains(&field_id),
        take: if field.kind.is_list() {
            Take::of_items(&field.selection)
        } else {
            Take::new(&field.selection)
        },
        what,
    })
}
