//! What is asked of JSON values: the way into them, operators, orders. Knows names and
//! descriptions; `plan` gives them meaning.

use crate::{
    catalog::Catalog,
    graphql::{
        holder::Holder,
        names::{self, OrderBy},
    },
};

use super::text::Sdl;

/// A way into a JSON value. Its value is a part of a plan.
pub(in crate::graphql) const PATH: &str = "JSONPath";
/// The input of an order by what stands in a JSON value.
pub(super) const BY_JSON: &str = "ByJSON";

/// The input of an order, and the scalar, where they are in use.
pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    let is_there = |holders: Vec<Holder>| {
        let mut fields = holders.into_iter().flat_map(|holder| holder.fields(catalog));
        fields.any(|field| matches!(names::order_of(&field), Some(OrderBy::Json)))
    };
    if is_there(Holder::all(catalog)) {
        let about = "An order by what stands in a JSON value: false, true, numbers, texts, lists, objects. What is null or \
                     not there counts as null.";
        sdl.block(Some(about), &format!("input {BY_JSON}"), |sdl| {
            sdl.member(Some(WHERE_IN_IT), &format!("path: {PATH}"), None);
            sdl.line("sort: Sort!");
        });
    }
    if is_there(Holder::filtered(catalog)) {
        let about = "A way into a JSON value: `a.b[0]`, or the same as a list of names and numbers, `[\"a\", \"b\", 0]`, for \
                     names with other signs.";
        sdl.description(Some(about));
        sdl.line(&format!("scalar {PATH}"));
    }
}

const WHERE_IN_IT: &str = "Where in the value; the value itself if it is left out.";

/// The operators, beside `isNull`.
pub(super) fn write_operators(sdl: &mut Sdl) {
    sdl.member(Some(WHERE_IN_IT), &format!("path: {PATH}"), None);
    sdl.member(
        Some("Whether anything stands there, null included."),
        "exists: Boolean",
        None,
    );
    let about = "The same text, number (`1` and `1.0` are one) or truth value.";
    sdl.member(Some(about), "eq: JSON", None);
    let about = "Not the same; true of null, and of whatever else stands there.";
    sdl.member(Some(about), "ne: JSON", None);
    sdl.line("in: [JSON!]");
    sdl.member(Some("None of these; true of null."), "notIn: [JSON!]", None);
    let about = "Numbers compare with numbers, texts with texts, truth values with such.";
    sdl.member(Some(about), "gt: JSON", None);
    for operator in ["gte", "lt", "lte"] {
        sdl.line(&format!("{operator}: JSON"));
    }
    sdl.member(Some("A list with such an item."), "has: JSON", None);
    sdl.member(Some("An object with a member of this name."), "hasKey: String", None);
}
