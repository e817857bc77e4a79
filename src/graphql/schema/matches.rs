//! The field of a row that shows where in it something of a search stands, and its types. Knows
//! their SDL and their names.

use super::text::Sdl;
use crate::{
    catalog::{Catalog, Entity},
    query::{AFTER, BEFORE, WORDS},
};

/// The field, of the rows of types that are searched.
pub(in crate::graphql) const FIELD: &str = "searchMatches";
/// What it gives for each field in which something stands.
pub(in crate::graphql) const TYPE: &str = "SearchMatch";
/// A part of the excerpt.
pub(in crate::graphql) const PART: &str = "SearchMatchPart";

/// Whether rows of a type have the field. One of the definition that has its name goes before it.
pub(in crate::graphql) fn has(entity: &Entity) -> bool {
    entity.fields.iter().any(|field| field.searched) && entity.shown_named(FIELD).is_none()
}

pub(super) fn write_field(sdl: &mut Sdl) {
    let about = "The fields in which something of what is searched for stands, with some words around it; only in \
                 lists with `search`. Empty where that is null.";
    let field = format!("{FIELD}(words: Int = {WORDS}): [{TYPE}!]!");
    sdl.member(Some(about), &field, None);
}

pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    if !catalog.entities.iter().any(has) {
        return;
    }
    let about = "A field in which something of what is searched for stands.";
    let html = format!("html(before: String = \"{BEFORE}\", after: String = \"{AFTER}\"): String!");
    let parts = format!("parts: [{PART}!]!");
    let block = [
        ("The name of the field.", "field: String!"),
        (
            "Some words of its text, `…` where more stands. Of a list, those of the item that has most of what is searched for.",
            "text: String!",
        ),
        (
            "The same for a page: signs that HTML knows are escaped, and `before` and `after` stand around what was found.",
            html.as_str(),
        ),
        (
            "The same one after the other: what was found apart from what stands between.",
            parts.as_str(),
        ),
    ];
    write_block(sdl, about, TYPE, &block);
    let block = [
        ("As it stands there.", "text: String!"),
        ("Whether it is searched for.", "found: Boolean!"),
    ];
    write_block(sdl, "A part of an excerpt.", PART, &block);
}

fn write_block(sdl: &mut Sdl, about: &str, name: &str, members: &[(&str, &str)]) {
    sdl.block(Some(about), &format!("type {name}"), |sdl| {
        for (description, member) in members {
            sdl.member(Some(description), member, None);
        }
    });
}
