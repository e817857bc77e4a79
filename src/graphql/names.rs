//! Names that the served schema derives from the catalog's. Knows the catalog; builds no text of a
//! schema.

use super::holder::Holder;
use crate::{
    catalog::{Catalog, Entity, EntityId, EnumId, Field, FieldId, FieldKind, Leaf},
    query::Function,
    value::Scalar,
};

pub(super) fn filter_input(of: &str) -> String {
    format!("{of}Where")
}

pub(super) fn list_filter_input(of: &str) -> String {
    format!("{of}ListWhere")
}

/// None where rows cannot be ordered: an input must have a member.
pub(super) fn order_input(catalog: &Catalog, holder: Holder) -> Option<String> {
    is_ordered(catalog, holder, &mut Vec::new()).then(|| format!("{}Order", holder.name(catalog)))
}

/// Whether there is a value to order by, be it behind links to one row or in a value.
fn is_ordered(catalog: &Catalog, holder: Holder, seen: &mut Vec<Holder>) -> bool {
    if seen.contains(&holder) {
        return false;
    }
    seen.push(holder);
    holder.fields(catalog).iter().any(|field| match order_of(field) {
        Some(OrderBy::Value | OrderBy::Json | OrderBy::Count) => true,
        Some(OrderBy::Within(inner)) => is_ordered(catalog, inner, seen),
        None => false,
    })
}

/// How rows are ordered by a field.
pub(super) enum OrderBy {
    Value,
    /// By what stands in a JSON value.
    Json,
    /// By how many rows it leads to.
    Count,
    /// By what orders the row that it leads to, or the value that it holds.
    Within(Holder),
}

/// None where they cannot be.
pub(super) fn order_of(field: &Field) -> Option<OrderBy> {
    match &field.kind {
        FieldKind::Leaf {
            leaf: Leaf::Scalar(Scalar::Json),
            list: None,
        } => Some(OrderBy::Json),
        FieldKind::Leaf { leaf, list: None } => {
            let has_order = match leaf {
                Leaf::Scalar(scalar) => scalar.is_ordered() || *scalar == Scalar::Boolean,
                Leaf::Enum(_) => true,
            };
            has_order.then_some(OrderBy::Value)
        }
        FieldKind::Value { value, list: None } => Some(OrderBy::Within(Holder::Value(*value))),
        kind if kind.is_to_many() => Some(OrderBy::Count),
        kind => kind.target().map(|target| OrderBy::Within(Holder::Rows(target))),
    }
}

/// `orderBy` with its type and what stands behind it in a list of arguments.
pub(super) fn order_argument(catalog: &Catalog, entity: EntityId) -> String {
    let entity = Holder::Rows(entity);
    order_input(catalog, entity).map_or_else(String::new, |order| format!("orderBy: [{order}!], "))
}

/// The same of `search`, where fields of a type are searched.
pub(super) fn search_argument(entity: &Entity) -> &'static str {
    match entity.fields.iter().any(|field| field.searched) {
        true => "search: String, ",
        false => "",
    }
}

/// The same of the moment that is asked for, where the past of a type is kept; it stands at the
/// end.
pub(super) fn past_arguments(entity: &Entity) -> &'static str {
    match entity.history {
        true => ", asOf: DateTime, ago: String",
        false => "",
    }
}

/// The type of the versions of a row.
pub(super) fn version_type(entity: &Entity) -> String {
    format!("{}Version", entity.name)
}

pub(super) fn connection_type(entity: &Entity) -> String {
    format!("{}Connection", entity.name)
}

pub(super) fn edge_type(entity: &Entity) -> String {
    format!("{}Edge", entity.name)
}

pub(super) fn aggregate_type(entity: &Entity) -> String {
    format!("{}Aggregate", entity.name)
}

/// The type of what a function gives of the fields of a type.
pub(super) fn function_type(of: &str, function: Function) -> String {
    format!("{of}{}", function_suffix(function))
}

/// The input of conditions on what a function gives of a group.
pub(super) fn function_having(of: &str, function: Function) -> String {
    format!("{}{}", having_input(of), function_suffix(function))
}

/// The input of orders by what a function gives of a group.
pub(super) fn function_order(of: &str, function: Function) -> String {
    format!("{}Order", function_type(of, function))
}

fn function_suffix(function: Function) -> &'static str {
    match function {
        Function::CountDistinct => "CountDistinct",
        Function::Sum => "Sum",
        Function::Avg => "Avg",
        Function::Min | Function::Max => "MinMax",
    }
}

/// What is added to the name of a field that leads to rows, and to that of a link.
const LED: &str = "Aggregate";
const KEYS: &str = "Keys";

/// A group of rows.
pub(super) fn group_type(entity: &Entity) -> String {
    format!("{}Group", entity.name)
}

pub(super) fn group_keys_type(of: &str) -> String {
    format!("{of}GroupKeys")
}

/// What rows can be grouped by.
pub(super) fn group_by_input(of: &str) -> String {
    format!("{of}GroupBy")
}

pub(super) fn group_order_input(entity: &Entity) -> String {
    format!("{}GroupOrder", entity.name)
}

pub(super) fn group_keys_order_input(of: &str) -> String {
    format!("{of}GroupKeysOrder")
}

/// Conditions on groups.
pub(super) fn having_input(of: &str) -> String {
    format!("{of}Having")
}

/// Orders of groups by what is computed of other rows.
pub(super) fn aggregate_order_input(of: &str) -> String {
    format!("{of}AggregateOrder")
}

/// Conditions on what is computed of other rows of a group.
pub(super) fn aggregate_having_input(of: &str) -> String {
    format!("{of}AggregateHaving")
}

/// What is computed of all rows that a field of the rows of a group leads to.
pub(super) fn led_member(field: &str) -> String {
    format!("{field}{LED}")
}

/// The field whose rows a member of a group computes something of.
pub(super) fn led_field(member: &str) -> Option<&str> {
    member.strip_suffix(LED)
}

/// The keys that are values of the row behind a link.
pub(super) fn keys_behind(field: &str) -> String {
    format!("{field}{KEYS}")
}

/// The link behind whose row the keys of such a member are.
pub(super) fn link_of_keys(member: &str) -> Option<&str> {
    member.strip_suffix(KEYS)
}

pub(super) fn function_field(function: Function) -> &'static str {
    match function {
        Function::CountDistinct => "countDistinct",
        Function::Sum => "sum",
        Function::Avg => "avg",
        Function::Min => "min",
        Function::Max => "max",
    }
}

/// The function that a member of an aggregate is called by.
pub(super) fn function(name: &str) -> Option<Function> {
    Function::ALL
        .into_iter()
        .find(|function| function_field(*function) == name)
}

pub(super) fn key_input(entity: &Entity) -> String {
    format!("{}Key", entity.name)
}

/// The name of a leaf's type: `Float`, `Rarity`.
pub(super) fn leaf_type(catalog: &Catalog, leaf: Leaf) -> &str {
    match leaf {
        Leaf::Scalar(scalar) => scalar.name(),
        Leaf::Enum(id) => enum_name(catalog, id),
    }
}

fn enum_name(catalog: &Catalog, id: EnumId) -> &str {
    &catalog.enumeration(id).name
}

pub(super) fn operators_input(type_name: &str) -> String {
    format!("{type_name}Filter")
}

pub(super) fn list_operators_input(type_name: &str) -> String {
    format!("{type_name}ListFilter")
}

/// Whether rows of a type have an id of their own among all rows: not those that are known by their
/// place in a list, which may be another row's tomorrow.
pub(super) fn is_node(entity: &Entity) -> bool {
    !entity.positional
}

/// An argument of `item(id:)`, or a member of `ItemKey`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyArgument {
    pub name: String,
    pub leaf: Leaf,
}

/// The arguments that make up a key, in the order of its leaves; none when a row has no key that a
/// client could know: a positional nested row, or one whose owner reference is hidden.
pub(super) fn key_arguments(catalog: &Catalog, id: EntityId) -> Vec<KeyArgument> {
    let entity = catalog.entity(id);
    let hidden = entity.key.iter().any(|field| !entity.field(*field).served);
    if entity.positional || hidden {
        return Vec::new();
    }
    entity
        .key
        .iter()
        .flat_map(|field| field_arguments(catalog, entity, *field))
        .collect()
}

/// One argument named like the field, or, for a reference of several leaves, one for each:
/// `questId`, `questPart`.
fn field_arguments(catalog: &Catalog, entity: &Entity, id: FieldId) -> Vec<KeyArgument> {
    let field = entity.field(id);
    let leaves = catalog.named_leaves(entity, id);
    let single = leaves.len() == 1;
    leaves
        .into_iter()
        .map(|(path, leaf, _)| KeyArgument {
            name: if single { field.name.clone() } else { path },
            leaf,
        })
        .collect()
}

/// The keys of one column by which `itemBy` finds a row: every `@unique` field and, beside those,
/// the key itself.
pub(super) fn unique_keys(catalog: &Catalog, id: EntityId) -> Vec<(FieldId, KeyArgument)> {
    let entity = catalog.entity(id);
    let is_key = |field: FieldId| entity.key == [field] && !entity.positional;
    let served = entity.field_ids().filter(|field| entity.field(*field).served);
    let keys = served.filter(|field| entity.field(*field).unique || is_key(*field));
    let found: Vec<_> = keys
        .filter_map(|field| {
            let [leaf] = catalog.leaves_of(id, &[field])[..] else {
                return None;
            };
            let is_list = matches!(entity.field(field).kind, FieldKind::Leaf { list: Some(_), .. });
            let name = entity.field(field).name.clone();
            (!is_list).then_some((field, KeyArgument { name, leaf }))
        })
        .collect();
    let beside_the_key = found.iter().any(|(field, _)| !is_key(*field));
    if beside_the_key { found } else { Vec::new() }
}
