//! From a record to a row, exactly as the layout lays it out. Knows catalog and layout; pure, and knows no network or database.

use std::collections::HashSet;

use jaq_json::Val;

use super::{
    keys::{reference, targets},
    leaf::{Document, Item, LeafShape, Values},
    limits::RECORD_MAX,
    room::{self, Room},
    select::Take,
};
use crate::{
    catalog::{Catalog, EntityId, Field, FieldId, FieldKind, Leaf},
    layout::{EntityTables, Layout},
    store::Refused,
    value::{Apart, Kept, Key, Row, Value},
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

/// Why a record is no row, and its key: as far as it could be read, and whole.
#[derive(Debug, Default)]
struct Unfit {
    key: Option<String>,
    id: Option<Key>,
    reason: String,
}

/// The row of a record, if it became one, and every refused record: the record itself or children of it.
pub(super) type Shaped = (Option<Row>, Vec<Refused>);

impl Shaper {
    pub(super) fn new(catalog: &Catalog, layout: &Layout) -> Shaper {
        let entities = catalog.entity_ids();
        Shaper {
            entities: entities
                .map(|id| entity_shape(catalog, id, layout.entity(id)))
                .collect(),
            values: Values::new(catalog),
        }
    }

    /// Whether an array (or null) can be no record of this entity: the mistake is then the page's, not the record's.
    pub(super) fn needs_object(&self, entity: EntityId) -> bool {
        self.shape(entity).is_ok_and(|shape| shape.needs_object)
    }

    /// Shapes one record of a fetched entity.
    pub(super) fn record(&self, entity: EntityId, record: &Val) -> Shaped {
        let mut refused = Vec::new();
        let row = match self.row(entity, record, &[], &mut refused) {
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

    /// The key that a value is, for values that are no records: a scalar, or an array of a composite key's parts.
    pub(super) fn key(&self, entity: EntityId, value: &Val) -> Result<Key, String> {
        let shape = self.shape(entity).map_err(|unfit| unfit.reason)?;
        let key = reference(&shape.key_leaves, value)?;
        let key = key.ok_or_else(|| "expected a record or a key, found null".to_owned())?;
        room::of_key(&key).map_err(|reason| format!("the key: {reason}"))?;
        Ok(key)
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
    fn row(&self, entity: EntityId, record: &Val, parent: &[Value], refused: &mut Vec<Refused>) -> Result<Row, Unfit> {
        let shape = self.shape(entity)?;
        let mut values = vec![Value::Null; shape.columns];
        for (column, value) in shape.parent.iter().zip(parent) {
            put(&mut values, *column, value.clone());
        }
        let mut links = vec![Vec::new(); shape.joins];
        for field in &shape.fields {
            self.field(field, record, &mut values, &mut links).map_err(|reason| {
                let (key, id) = shape.readable_key(&self.values, record, parent);
                let reason = format!("{}{reason}", field.name);
                Unfit { key, id, reason }
            })?;
        }
        shape.room.check(&values, &links).map_err(|reason| {
            let (key, id) = shape.readable_key(&self.values, record, parent);
            Unfit { key, id, reason }
        })?;
        if shape.nested == 0 {
            return Ok(Row::beside(&shape.apart, values, links, Vec::new()));
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
                let (rows, refused) = self
                    .children(field, *child, record, &key, refused)
                    .map_err(|reason| Unfit {
                        key: Some(Key(key.clone()).to_string()),
                        id: (!shape.positional).then(|| Key(key.clone())),
                        reason: format!("{}: {reason}", field.name),
                    })?;
                if let (Some(slot), Some(kept)) = (children.get_mut(*list), kept.get_mut(*list)) {
                    (*slot, *kept) = (rows, refused);
                }
            }
        }
        Ok(Row::beside(&shape.apart, values, links, children).keeping(kept))
    }

    fn field(
        &self,
        field: &FieldShape,
        record: &Val,
        values: &mut [Value],
        links: &mut [Vec<Key>],
    ) -> Result<(), String> {
        if matches!(field.what, What::Nested { .. }) {
            return Ok(());
        }
        let colon = |reason: String| format!(": {reason}");
        let found = field.take.find(record).map_err(colon)?;
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
        Ok(())
    }

    /// The child rows under a field, and those that are bad: each is refused alone, and what is stored of it stays.
    fn children(
        &self,
        field: &FieldShape,
        child: EntityId,
        record: &Val,
        parent: &[Value],
        refused: &mut Vec<Refused>,
    ) -> Result<(Vec<Row>, Vec<Kept>), String> {
        let found = field.take.find(record)?;
        let items = found.items()?.unwrap_or(&[]);
        let shape = self.shape(child).map_err(|unfit| unfit.reason)?;
        let mut rows = Vec::with_capacity(items.len());
        let mut kept = Vec::new();
        let mut seen = HashSet::new();
        for (position, item) in items.iter().enumerate() {
            let place = format!("{}[{position}]", field.name);
            let owner = || format!(" (of {})", Key(parent.to_vec()));
            match self.row(child, item, parent, refused) {
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
        Ok((rows, kept))
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

/// A value that is neither a record nor a key.
pub(super) fn refused_value(reason: String, value: &Val) -> Refused {
    let unfit = Unfit {
        reason,
        ..Unfit::default()
    };
    refusal(unfit, value)
}

fn refusal(unfit: Unfit, record: &Val) -> Refused {
    let Unfit { key, id, mut reason } = unfit;
    let mut text = record.to_string();
    if text.len() > RECORD_MAX {
        let mut end = RECORD_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        reason.push_str(" (the record is cut at 64 KiB)");
    }
    Refused {
        key,
        id,
        reason,
        record: text,
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
