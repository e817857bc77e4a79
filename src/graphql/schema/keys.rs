//! By what rows can be grouped: values, rows, times, and what lies behind them. Knows the catalog
//! and names; writes no SDL.

use std::borrow::Cow;

use super::times::Times;
use crate::{
    catalog::{Catalog, EntityId, Field, FieldKind, Leaf, ValueId},
    graphql::{holder::Holder, names},
    value::Scalar,
};

/// What rows are grouped by when they are grouped by a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::graphql) enum KeyKind {
    /// Its value.
    Value(Leaf),
    /// The row that it leads to.
    Row(EntityId),
    /// The span of time that its value falls into, or the value.
    Times(Times),
    /// Members of the value that it holds.
    Within(ValueId),
    /// What the row that it leads to could be grouped by.
    Behind(EntityId),
}

/// What a field is as a key; none for what has too many values, or none to compare.
pub(in crate::graphql) fn key_kind(catalog: &Catalog, field: &Field) -> Option<KeyKind> {
    match &field.kind {
        _ if !field.served => None,
        FieldKind::Leaf {
            leaf: Leaf::Scalar(Scalar::Json),
            ..
        } => None,
        FieldKind::Leaf { leaf, list: None } => Some(Times::of(*leaf).map_or(KeyKind::Value(*leaf), KeyKind::Times)),
        FieldKind::Value { value, list: None } => {
            is_grouped(catalog, Holder::Value(*value)).then_some(KeyKind::Within(*value))
        }
        FieldKind::Reference { target, .. }
        | FieldKind::Inverse {
            source: target,
            many: false,
            ..
        } => Some(KeyKind::Row(*target)),
        _ => None,
    }
}

/// What keys behind a link are, which stand beside the key that is its row.
pub(in crate::graphql) fn behind_kind(catalog: &Catalog, link: &Field) -> Option<KeyKind> {
    match key_kind(catalog, link)? {
        KeyKind::Row(target) if is_grouped(catalog, Holder::Rows(target)) => Some(KeyKind::Behind(target)),
        _ => None,
    }
}

/// A member by which there can be groups: its name, its field, and what it is.
pub(super) type KeyField<'c> = (String, Cow<'c, Field>, KeyKind);

/// What rows can be grouped by of their own, or the members of a value.
pub(super) fn own_keys(catalog: &Catalog, holder: Holder) -> Vec<KeyField<'_>> {
    let fields = holder.fields(catalog).into_iter();
    fields
        .filter_map(|field| {
            let kind = key_kind(catalog, &field)?;
            Some((field.name.clone(), field, kind))
        })
        .collect()
}

/// The same, and what they can be grouped by behind links. A field of such a name goes before it.
pub(super) fn keys(catalog: &Catalog, holder: Holder) -> Vec<KeyField<'_>> {
    let fields = holder.fields(catalog);
    let mut all = own_keys(catalog, holder);
    let behind = fields.iter().filter_map(|field| {
        let (name, kind) = (names::keys_behind(&field.name), behind_kind(catalog, field)?);
        let is_free = fields.iter().all(|other| other.name != name);
        is_free.then(|| (name, field.clone(), kind))
    });
    all.extend(behind);
    all
}

/// Whether there can be groups by what is in it.
pub(super) fn is_grouped(catalog: &Catalog, holder: Holder) -> bool {
    !own_keys(catalog, holder).is_empty()
}
