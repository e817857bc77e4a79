//! What lies inside a stored text, by functions of ours. Knows their names; they stand in
//! `functions::inside`.

use crate::{
    store::db::inside::{Inside, Place},
    value::{JsonPath, Value},
};

use super::functions::inside::{FOLDED, HAS_ITEM, HAS_MEMBER, JSON, KEY, TEXT};

pub(crate) struct ByFunctions;

impl Inside for ByFunctions {
    /// The functions take a path as a whole.
    fn steps(&self, path: &JsonPath) -> Vec<Value> {
        vec![Value::Text(path.to_json())]
    }

    fn json(&self, place: Place<'_>) -> String {
        call(JSON, place, None)
    }

    fn key(&self, place: Place<'_>) -> String {
        call(KEY, place, None)
    }

    fn text(&self, place: Place<'_>) -> String {
        call(TEXT, place, None)
    }

    fn has_member(&self, place: Place<'_>, name: &str) -> String {
        call(HAS_MEMBER, place, Some(name))
    }

    fn has_item(&self, place: Place<'_>, key: &str) -> String {
        call(HAS_ITEM, place, Some(key))
    }

    fn folded(&self, text: &str) -> String {
        format!("{FOLDED}({text})")
    }
}

fn call(function: &str, place: Place<'_>, more: Option<&str>) -> String {
    let more = more.map_or(String::new(), |more| format!(",{more}"));
    format!("{function}({},{}{more})", place.document, place.steps.join(","))
}
