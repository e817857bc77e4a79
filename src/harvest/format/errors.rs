//! What an answer of a GraphQL API tells of its failure, also with a status of success. Knows the
//! form of such answers; knows no rows.

use bytes::Bytes;
use jaq_json::Val;

use crate::{
    catalog::{Body, Fetch},
    harvest::{error::PageFault, limits::WORDS_SHOWN},
};

/// Errors whose words are shown.
const SHOWN: usize = 3;

/// The fault of a page that lists errors. Data that comes with them is not used: nobody could tell
/// what is missing of it.
pub(super) fn check(fetch: &Fetch, page: &Val, place: &str) -> Result<(), PageFault> {
    if !fetch.body.as_ref().is_some_and(Body::is_graphql) {
        return Ok(());
    }
    let errors = match member(page, "errors") {
        Some(Val::Arr(errors)) if !errors.is_empty() => errors,
        _ => return Ok(()),
    };
    let mut said: Vec<String> = errors.iter().take(SHOWN).map(words).collect();
    if let Some(more) = errors.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        said.push(format!("and {more} more"));
    }
    let said = said.join("; ");
    let cut = said.char_indices().nth(WORDS_SHOWN);
    Err(PageFault::Errors {
        place: place.to_owned(),
        said: match cut {
            Some((at, _)) => format!("{}…", said.get(..at).unwrap_or_default()),
            None => said,
        },
    })
}

fn member<'v>(value: &'v Val, name: &str) -> Option<&'v Val> {
    let Val::Obj(members) = value else { return None };
    members.get(&Val::utf8_str(Bytes::copy_from_slice(name.as_bytes())))
}

/// The message of an error, and what else there is where it has none.
fn words(error: &Val) -> String {
    let message = match error {
        Val::TStr(text) => Some(text),
        error => match member(error, "message") {
            Some(Val::TStr(text)) => Some(text),
            _ => None,
        },
    };
    let text = message.map_or_else(|| error.to_string(), |text| String::from_utf8_lossy(text).into_owned());
    // On one line, and without what moves a terminal's cursor.
    let parts = text.split(|sign: char| sign.is_whitespace() || sign.is_control());
    parts.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
