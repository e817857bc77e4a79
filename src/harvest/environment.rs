//! `$env` as a filter sees it. Knows templates and variables; knows nothing of what they are for.

use bytes::Bytes;
use jaq_json::{Map, Val};

use crate::{catalog::template::Template, config::Environment};

/// `$env` as jq sees it: an object of the names that the template uses.
pub(super) fn environment_object(template: &Template, environment: &Environment) -> Val {
    let names = template.env_names().iter();
    let fields: Map = names
        .map(|name| (text(name), environment.get(name).map_or(Val::Null, text)))
        .collect();
    Val::obj(fields)
}

/// A text as a filter sees it.
pub(super) fn text(value: &str) -> Val {
    Val::utf8_str(Bytes::copy_from_slice(value.as_bytes()))
}
