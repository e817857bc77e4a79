//! The root field `freshness` and its types. Knows their SDL and their names.

use super::text::Sdl;
use crate::query::FreshnessValue;

/// The root field, which is asked and not listened to.
pub(super) const ROOT: &str = "freshness";
/// The type of its rows.
pub(in crate::graphql) const TYPE: &str = "Freshness";
const OUTCOME: &str = "HarvestState";

pub(super) fn write_root(sdl: &mut Sdl) {
    let description = "How fresh the rows of each type are.";
    sdl.member(Some(description), &format!("{ROOT}: [{TYPE}!]!"), None);
}

pub(super) fn write(sdl: &mut Sdl) {
    sdl.leaf_types.insert("DateTime".to_owned());
    sdl.block(Some("How fresh the rows of a type are."), &format!("type {TYPE}"), |sdl| {
        for (description, member) in [
            ("The name of the type.", "name: String!"),
            ("How many rows are stored.", "rows: Int!"),
            (
                "When the last complete harvest ended, or groups with `every` were last computed; null: there was none yet, so rows may be missing.",
                "completeAt: DateTime",
            ),
            ("When the last harvest began, complete or not.", "triedAt: DateTime"),
            ("How that one ended, if it has.", "outcome: HarvestState"),
            (
                "When it is harvested or computed next, by its schedule; null: when another one has ended, or by hand.",
                "nextAt: DateTime",
            ),
            (
                "Where the log of changes stood when this was answered: `epoch:number`. Equal cursors mean that no row of any type has changed.",
                "cursor: String!",
            ),
        ] {
            sdl.member(Some(description), member, None);
        }
    });
    sdl.block(Some("How a harvest stands."), &format!("enum {OUTCOME}"), |sdl| {
        for (description, value) in [
            ("It is under way.", "RUNNING"),
            ("It has seen every row.", "COMPLETE"),
            ("Its pages were read, but rows may be missing.", "DOUBTFUL"),
            ("It could not go on; what it had read is stored.", "FAILED"),
            ("It was stopped, and goes on or begins anew.", "INTERRUPTED"),
        ] {
            sdl.member(Some(description), value, None);
        }
    });
}

/// What a member of the type stands for, but for `nextAt`, which has operands.
pub(in crate::graphql) fn member(name: &str) -> Option<FreshnessValue> {
    Some(match name {
        "__typename" => FreshnessValue::Text(TYPE.to_owned()),
        "name" => FreshnessValue::Name,
        "rows" => FreshnessValue::Rows,
        "completeAt" => FreshnessValue::CompleteAt,
        "triedAt" => FreshnessValue::TriedAt,
        "outcome" => FreshnessValue::Outcome,
        "cursor" => FreshnessValue::Cursor,
        _ => return None,
    })
}
