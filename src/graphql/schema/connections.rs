//! Lists in pages: the fields that give them, and their types. Knows their SDL and their names.

use super::{aggregates, text::Sdl};
use crate::{
    catalog::{Catalog, Entity, EntityId, Field, connection_name},
    graphql::{holder::Holder, names},
    query::PageInfoValue,
};

/// The type that says what lies around a page.
pub(in crate::graphql) const PAGE_INFO: &str = "PageInfo";

/// The root fields, which are asked and not listened to: a page is no live answer.
pub(super) fn write_roots(sdl: &mut Sdl, catalog: &Catalog) {
    for id in catalog.entity_ids() {
        let entity = catalog.entity(id);
        let description = format!("The rows of `{}` in pages.", entity.names.many);
        let member = member(catalog, &entity.names.connection, id, names::past_arguments(entity));
        sdl.member(Some(&description), &member, None);
    }
}

/// What stands beside a list of rows.
pub(super) fn write_companion(sdl: &mut Sdl, catalog: &Catalog, field: &Field) {
    let target = field.kind.target().filter(|_| field.kind.is_to_many());
    if let Some(target) = target {
        let description = format!("The rows of `{}` in pages.", field.name);
        let member = member(catalog, &connection_name(&field.name), target, "");
        sdl.member(Some(&description), &member, field.deprecated.as_deref());
    }
}

fn member(catalog: &Catalog, name: &str, id: EntityId, past: &str) -> String {
    let of = catalog.entity(id);
    let (filter, order) = (names::filter_input(&of.name), names::order_argument(catalog, id));
    let search = names::search_argument(of);
    let arguments =
        format!("where: {filter}, {order}{search}first: Int, after: String, last: Int, before: String{past}");
    format!("{name}({arguments}): {}!", names::connection_type(of))
}

pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    for holder in Holder::all(catalog) {
        match holder {
            Holder::Rows(id) => {
                write_types(sdl, catalog.entity(id));
                aggregates::write(sdl, catalog, id);
            }
            Holder::Value(_) => aggregates::write_functions(sdl, catalog, holder),
        }
    }
    let about = "What lies around a page.";
    sdl.block(Some(about), &format!("type {PAGE_INFO}"), |sdl| {
        for (description, member) in [
            ("Whether there are rows behind this page.", "hasNextPage: Boolean!"),
            ("Whether there are rows before this page.", "hasPreviousPage: Boolean!"),
            (
                "The cursor of the first row; null when the page is empty.",
                "startCursor: String",
            ),
            (
                "The cursor of the last row; null when the page is empty.",
                "endCursor: String",
            ),
        ] {
            sdl.member(Some(description), member, None);
        }
    });
}

fn write_types(sdl: &mut Sdl, entity: &Entity) {
    let (name, edge) = (&entity.name, names::edge_type(entity));
    let about = format!("A page of rows of `{name}`.");
    sdl.block(
        Some(&about),
        &format!("type {}", names::connection_type(entity)),
        |sdl| {
            for (description, member) in [
                ("The rows of the page with their cursors.", format!("edges: [{edge}!]!")),
                ("The rows of the page.", format!("nodes: [{name}!]!")),
                ("What lies around the page.", format!("pageInfo: {PAGE_INFO}!")),
                (
                    "How many rows there are on all pages together. Counted only when it is asked for.",
                    "totalCount: Int!".to_owned(),
                ),
                (
                    "What is computed of the rows on all pages together.",
                    format!("aggregate: {}!", names::aggregate_type(entity)),
                ),
            ] {
                sdl.member(Some(description), &member, None);
            }
        },
    );
    let about = format!("A row of `{name}` and its place.");
    sdl.block(Some(&about), &format!("type {edge}"), |sdl| {
        let cursor = "Its place in the order, for `after` and `before`.";
        sdl.member(Some(cursor), "cursor: String!", None);
        sdl.member(None, &format!("node: {name}!"), None);
    });
}

/// What a member of `PageInfo` stands for.
pub(in crate::graphql) fn page_info(name: &str) -> Option<PageInfoValue> {
    Some(match name {
        "__typename" => PageInfoValue::Text(PAGE_INFO.to_owned()),
        "hasNextPage" => PageInfoValue::HasNextPage,
        "hasPreviousPage" => PageInfoValue::HasPreviousPage,
        "startCursor" => PageInfoValue::StartCursor,
        "endCursor" => PageInfoValue::EndCursor,
        _ => return None,
    })
}
