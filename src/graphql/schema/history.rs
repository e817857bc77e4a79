//! The versions of a row: their root fields and types. Knows their SDL and their names.

use super::text::Sdl;
use crate::{
    catalog::{Catalog, EntityId},
    graphql::names,
    query::VersionValue,
};

/// How a version began.
const BEGIN: &str = "VersionBegin";

/// The types whose rows' versions can be asked for: by their key.
fn all(catalog: &Catalog) -> impl Iterator<Item = EntityId> {
    let kept = catalog.entity_ids().filter(|id| catalog.entity(*id).history);
    kept.filter(|id| !names::key_arguments(catalog, *id).is_empty())
}

/// The root fields, which are asked and not listened to: what has passed is no live answer.
pub(super) fn write_roots(sdl: &mut Sdl, catalog: &Catalog) {
    for id in all(catalog) {
        let entity = catalog.entity(id);
        let arguments = names::key_arguments(catalog, id).into_iter();
        let arguments = arguments.map(|one| format!("{}: {}!, ", one.name, names::leaf_type(catalog, one.leaf)));
        let arguments: String = arguments.collect();
        let member = format!(
            "{}({arguments}first: Int, offset: Int): [{}!]!",
            entity.names.history,
            names::version_type(entity)
        );
        let about = "The versions of one row by its key, the newest one first, also of one that was deleted.";
        sdl.member(Some(about), &member, None);
    }
}

pub(super) fn write(sdl: &mut Sdl, catalog: &Catalog) {
    for id in all(catalog) {
        let entity = catalog.entity(id);
        let about = format!("A version of a row of `{}`.", entity.name);
        sdl.leaf_types.insert("DateTime".to_owned());
        sdl.block(Some(&about), &format!("type {}", names::version_type(entity)), |sdl| {
            for (description, member) in [
                ("The moment of the commit that made it.", "from: DateTime!".to_owned()),
                (
                    "The moment of the commit that ended it; null of the present version.",
                    "until: DateTime".to_owned(),
                ),
                ("How it began.", format!("began: {BEGIN}!")),
                ("Whether it ended because the row was deleted.", "deleted: Boolean!".to_owned()),
                (
                    "The fields that differ from the version that it ended; none where there is none.",
                    "changed: [String!]!".to_owned(),
                ),
                (
                    "The row as it was: its own values. Rows behind links are read by the other root fields `asOf` its `from`.",
                    format!("row: {}!", entity.name),
                ),
            ] {
                sdl.member(Some(description), &member, None);
            }
        });
    }
    if all(catalog).next().is_some() {
        sdl.block(Some("How a version of a row began."), &format!("enum {BEGIN}"), |sdl| {
            for (description, value) in [
                ("The row was there when its past began to be kept.", "KNOWN"),
                ("The row was new.", "NEW"),
                ("The row got other values, links or nested rows.", "CHANGED"),
                ("A changed definition changed what is stored of it.", "DEFINITION"),
            ] {
                sdl.member(Some(description), value, None);
            }
        });
    }
}

/// What a member of a version stands for; none for the row itself.
pub(in crate::graphql) fn member(name: &str, of: impl FnOnce() -> String) -> Option<VersionValue> {
    Some(match name {
        "__typename" => VersionValue::Text(of()),
        "from" => VersionValue::From,
        "until" => VersionValue::Until,
        "began" => VersionValue::Begin,
        "deleted" => VersionValue::Deleted,
        "changed" => VersionValue::Changed,
        _ => return None,
    })
}
