//! Filter, order and key inputs, and the custom scalars. Knows which operators a leaf has; `plan`
//! gives them meaning.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::{Catalog, EntityId, Field, FieldKind, Leaf, ValueId},
    graphql::{
        holder::Holder,
        names::{self, OrderBy},
    },
    value::Scalar,
};

use super::{
    grouped, json,
    text::{Sdl, quoted},
};

pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    let linked = one_targets(catalog);
    for holder in Holder::all(catalog) {
        write_filter(sdl, catalog, holder, &linked);
        write_order(sdl, catalog, holder);
        if let Holder::Rows(id) = holder {
            write_key(sdl, catalog, id);
        }
    }
    let (all, filtered) = (Holder::all(catalog), Holder::filtered(catalog));
    for holder in filtered.iter().filter(|holder| !all.contains(holder)) {
        write_filter(sdl, catalog, *holder, &linked);
    }
    for id in many_targets(catalog) {
        write_list_filter(sdl, &catalog.entity(id).name);
    }
    for value in listed(catalog) {
        write_items_filter(sdl, &catalog.value(value).name);
    }
    grouped::write_inputs(sdl, catalog);
    write_operators(sdl, catalog);
    json::write(sdl, catalog);
    write_sort(sdl, catalog);
    write_scalars(sdl, catalog);
}

const FILTER_DESCRIPTION: &str = "All given members must hold; `{}` matches every row. A member that leads to one row \
asks that the row exists and matches, so `not: {seller: {}}` finds rows without a seller.";
const VALUE_DESCRIPTION: &str = "All given members must hold; `{}` matches every value, and none. The members of a value \
that is null are null.";

fn write_filter(sdl: &mut Sdl, catalog: &Catalog, holder: Holder, linked: &BTreeSet<EntityId>) {
    let name = names::filter_input(holder.name(catalog));
    let (description, about_null) = match holder {
        Holder::Rows(id) => (FILTER_DESCRIPTION, linked.contains(&id).then_some(NO_ROW)),
        Holder::Value(_) => (VALUE_DESCRIPTION, Some("Whether there is no value.")),
    };
    let fields = holder.fields(catalog);
    sdl.block(Some(description), &format!("input {name}"), |sdl| {
        sdl.line(&format!("and: [{name}!]"));
        sdl.line(&format!("or: [{name}!]"));
        sdl.line(&format!("not: {name}"));
        // A field of that name goes before it.
        let is_free = fields.iter().all(|field| field.name != IS_NULL);
        if let Some(about) = about_null.filter(|_| is_free) {
            sdl.member(Some(about), &format!("{IS_NULL}: Boolean"), None);
        }
        for field in &fields {
            if let Some(input) = filter_of(catalog, field) {
                let member = format!("{}: {input}", field.name);
                sdl.member(None, &member, field.deprecated.as_deref());
            }
        }
    });
}

/// The member that asks for what is not there.
const IS_NULL: &str = "isNull";
const NO_ROW: &str = "Of the row behind a link alone: whether there is none.";

/// The input that filters by a field.
fn filter_of(catalog: &Catalog, field: &Field) -> Option<String> {
    match &field.kind {
        FieldKind::Leaf { leaf, list: None } => Some(names::operators_input(names::leaf_type(catalog, *leaf))),
        FieldKind::Leaf { leaf, list: Some(_) } => Some(names::list_operators_input(names::leaf_type(catalog, *leaf))),
        FieldKind::Value { value, list: None } => Some(names::filter_input(&catalog.value(*value).name)),
        FieldKind::Value { value, list: Some(_) } => Some(names::list_filter_input(&catalog.value(*value).name)),
        kind => {
            let target = catalog.entity(kind.target()?);
            let many = kind.is_to_many();
            Some(if many {
                names::list_filter_input(&target.name)
            } else {
                names::filter_input(&target.name)
            })
        }
    }
}

/// The values that something holds a list of.
fn listed(catalog: &Catalog) -> BTreeSet<ValueId> {
    let holders = Holder::filtered(catalog).into_iter();
    let fields = holders.flat_map(|holder| holder.fields(catalog));
    let values = fields.filter_map(|field| match &field.kind {
        FieldKind::Value { value, list: Some(_) } => Some(*value),
        _ => None,
    });
    values.collect()
}

fn write_items_filter(sdl: &mut Sdl, value: &str) {
    let filter = names::filter_input(value);
    let head = format!("input {}", names::list_filter_input(value));
    sdl.block(
        Some("All given members must hold; a list that is null has no item."),
        &head,
        |sdl| {
            sdl.member(Some("At least one item matches."), &format!("some: {filter}"), None);
            sdl.member(
                Some("No item fails to match; true of an empty list."),
                &format!("every: {filter}"),
                None,
            );
            sdl.member(
                Some("No item matches; true of an empty list."),
                &format!("none: {filter}"),
                None,
            );
            sdl.member(Some("Whether there is no list."), &format!("{IS_NULL}: Boolean"), None);
        },
    );
}

fn write_list_filter(sdl: &mut Sdl, of: &str) {
    let filter = names::filter_input(of);
    let head = format!("input {}", names::list_filter_input(of));
    sdl.block(None, &head, |sdl| {
        sdl.member(Some("At least one row matches."), &format!("some: {filter}"), None);
        sdl.member(
            Some("No row fails to match; true of an empty list."),
            &format!("every: {filter}"),
            None,
        );
        sdl.member(
            Some("No row matches; true of an empty list."),
            &format!("none: {filter}"),
            None,
        );
    });
}

/// The entities that some to-many field leads to.
fn many_targets(catalog: &Catalog) -> BTreeSet<EntityId> {
    targets(catalog, FieldKind::is_to_many)
}

/// The entities that some to-one field leads to.
fn one_targets(catalog: &Catalog) -> BTreeSet<EntityId> {
    targets(catalog, |kind| !kind.is_to_many())
}

fn targets(catalog: &Catalog, of: impl Fn(&FieldKind) -> bool) -> BTreeSet<EntityId> {
    let fields = catalog.entities.iter().flat_map(|entity| &entity.fields);
    let led = fields.filter(|field| field.served && of(&field.kind));
    led.filter_map(|field| field.kind.target()).collect()
}

fn write_order(sdl: &mut Sdl, catalog: &Catalog, holder: Holder) {
    let Some(name) = names::order_input(catalog, holder) else {
        return;
    };
    let head = format!("input {name} @oneOf");
    let description = "Exactly one member. Nulls come last unless the direction says otherwise; the key breaks ties.";
    sdl.block(Some(description), &head, |sdl| {
        for field in holder.fields(catalog) {
            let order = match names::order_of(&field) {
                Some(OrderBy::Value) => Some("Sort".to_owned()),
                Some(OrderBy::Json) => Some(json::BY_JSON.to_owned()),
                Some(OrderBy::Count) => Some(BY_COUNT.to_owned()),
                Some(OrderBy::Within(inner)) => names::order_input(catalog, inner),
                None => None,
            };
            if let Some(order) = order {
                let member = format!("{}: {order}", field.name);
                sdl.member(None, &member, field.deprecated.as_deref());
            }
        }
    });
}

/// The input of an order by a number of rows.
const BY_COUNT: &str = "ByCount";

fn write_key(sdl: &mut Sdl, catalog: &Catalog, id: EntityId) {
    let keys = names::unique_keys(catalog, id);
    if keys.is_empty() {
        return;
    }
    let head = format!("input {} @oneOf", names::key_input(catalog.entity(id)));
    sdl.block(Some("Exactly one member."), &head, |sdl| {
        for (_, key) in &keys {
            sdl.line(&format!("{}: {}", key.name, names::leaf_type(catalog, key.leaf)));
        }
    });
}

/// One filter per leaf type in use, and one per type that is used in lists.
fn write_operators(sdl: &mut Sdl, catalog: &Catalog) {
    let mut single: BTreeMap<&str, Leaf> = BTreeMap::new();
    let mut lists: BTreeMap<&str, Leaf> = BTreeMap::new();
    let holders = Holder::filtered(catalog).into_iter();
    for field in holders.flat_map(|holder| holder.fields(catalog)) {
        if let FieldKind::Leaf { leaf, list } = &field.kind {
            let types = if list.is_some() { &mut lists } else { &mut single };
            types.insert(names::leaf_type(catalog, *leaf), *leaf);
        }
    }
    let compared = grouped::compared(catalog).into_iter();
    single.extend(compared.map(|scalar| (scalar.name(), Leaf::Scalar(scalar))));
    for (name, leaf) in single {
        let head = format!("input {}", names::operators_input(name));
        sdl.block(Some("All given members must hold."), &head, |sdl| {
            write_operators_of(sdl, name, leaf);
        });
    }
    for (name, leaf) in lists {
        let head = format!("input {}", names::list_operators_input(name));
        sdl.block(Some("All given members must hold."), &head, |sdl| {
            write_list_operators(sdl, name, leaf);
        });
    }
}

fn write_operators_of(sdl: &mut Sdl, name: &str, leaf: Leaf) {
    let scalar = match leaf {
        Leaf::Scalar(scalar) => Some(scalar),
        Leaf::Enum(_) => None,
    };
    let is_json = scalar == Some(Scalar::Json);
    if is_json {
        json::write_operators(sdl);
    } else {
        sdl.line(&format!("eq: {name}"));
        sdl.member(Some("Not equal; true of null."), &format!("ne: {name}"), None);
        sdl.line(&format!("in: [{name}!]"));
        sdl.member(Some("None of these; true of null."), &format!("notIn: [{name}!]"), None);
    }
    if scalar.is_some_and(Scalar::is_ordered) {
        for operator in ["gt", "gte", "lt", "lte"] {
            sdl.line(&format!("{operator}: {name}"));
        }
    }
    if scalar == Some(Scalar::DateTime) {
        let about = "At most so long before the time of the request: `24h`, `7d`, `PT30M`.";
        sdl.member(Some(about), "since: String", None);
        sdl.member(Some("Longer before it."), "until: String", None);
    }
    if is_json || scalar.is_some_and(Scalar::is_textual) {
        for operator in ["contains", "startsWith", "endsWith"] {
            sdl.line(&format!("{operator}: String"));
        }
        sdl.member(
            Some("`%` any text, `_` one character, `\\` before either for itself."),
            "like: String",
            None,
        );
        sdl.member(
            Some("`like` without regard to case, in every script."),
            "ilike: String",
            None,
        );
    }
    sdl.line("isNull: Boolean");
}

fn write_list_operators(sdl: &mut Sdl, name: &str, leaf: Leaf) {
    if leaf != Leaf::Scalar(Scalar::Json) {
        sdl.line(&format!("has: {name}"));
        sdl.line(&format!("hasSome: [{name}!]"));
        sdl.line(&format!("hasEvery: [{name}!]"));
    }
    sdl.line("isNull: Boolean");
}

fn write_sort(sdl: &mut Sdl, catalog: &Catalog) {
    if !many_targets(catalog).is_empty() {
        let about = "An order by how many rows there are behind a field.";
        sdl.block(Some(about), &format!("input {BY_COUNT} @oneOf"), |sdl| {
            sdl.line("count: Sort");
        });
    }
    sdl.block(None, "enum Sort", |sdl| {
        for direction in [
            "ASC",
            "DESC",
            "ASC_NULLS_FIRST",
            "ASC_NULLS_LAST",
            "DESC_NULLS_FIRST",
            "DESC_NULLS_LAST",
        ] {
            sdl.line(direction);
        }
        let about = "Without regard to case, in every script; of texts alone.";
        sdl.member(Some(about), "ASC_IGNORE_CASE", None);
        for direction in [
            "DESC_IGNORE_CASE",
            "ASC_IGNORE_CASE_NULLS_FIRST",
            "ASC_IGNORE_CASE_NULLS_LAST",
            "DESC_IGNORE_CASE_NULLS_FIRST",
            "DESC_IGNORE_CASE_NULLS_LAST",
        ] {
            sdl.line(direction);
        }
    });
    sdl.description(Some("Exactly one member of the input must be given."));
    sdl.line("directive @oneOf on INPUT_OBJECT");
}

/// The custom scalars in use, wherever: in objects, values and keys.
fn write_scalars(sdl: &mut Sdl, catalog: &Catalog) {
    let mut used = sdl.leaf_types.clone();
    for id in catalog.entity_ids() {
        let keys = names::key_arguments(catalog, id);
        used.extend(keys.iter().map(|key| names::leaf_type(catalog, key.leaf).to_owned()));
    }
    let custom = Scalar::ALL.into_iter().filter(|scalar| !scalar.is_builtin());
    for scalar in custom.filter(|scalar| used.contains(scalar.name())) {
        let (description, specification) = about(scalar);
        sdl.description(description);
        let specified = specification.map(|url| format!(" @specifiedBy(url: {})", quoted(url)));
        sdl.line(&format!("scalar {}{}", scalar.name(), specified.unwrap_or_default()));
    }
}

fn about(scalar: Scalar) -> (Option<&'static str>, Option<&'static str>) {
    match scalar {
        Scalar::BigInt => (Some("A signed 64-bit integer, as a string."), None),
        Scalar::Decimal => (Some("An exact decimal number, as a string."), None),
        Scalar::DateTime => (
            Some("An instant, RFC 3339 in UTC: `2026-11-21T03:20:00Z`."),
            Some("https://www.rfc-editor.org/rfc/rfc3339#section-5.6"),
        ),
        Scalar::Date => (
            Some("A calendar day: `2026-11-21`."),
            Some("https://www.rfc-editor.org/rfc/rfc3339#section-5.6"),
        ),
        Scalar::Time => (
            Some("A time of day: `03:20:00`."),
            Some("https://www.rfc-editor.org/rfc/rfc3339#section-5.6"),
        ),
        Scalar::Duration => (
            Some("A length of time, ISO 8601: `PT90S`."),
            Some("https://www.rfc-editor.org/rfc/rfc3339#appendix-A"),
        ),
        Scalar::Uuid => (
            Some("A UUID, lower case."),
            Some("https://www.rfc-editor.org/rfc/rfc9562"),
        ),
        Scalar::Url => (Some("An absolute URL."), Some("https://www.rfc-editor.org/rfc/rfc3986")),
        Scalar::Json => (Some("Any JSON value."), Some("https://www.rfc-editor.org/rfc/rfc8259")),
        Scalar::Id | Scalar::String | Scalar::Int | Scalar::Float | Scalar::Boolean => (None, None),
    }
}
