//! How long caches may keep an answer without asking whether it is still the one. Knows the setting
//! and addresses; knows no answer.
//!
//! By itself no answer is good for a time: a commit may come at any moment. Who serves may allow
//! caches to be late by so much. Whatever was allowed, they ask again when a schedule has what the
//! answer shows harvested.

use axum::http::{HeaderMap, HeaderValue, Uri};

use super::shared::{Shared, principal};

const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// `Cache-Control` of the named answer to what is asked for here. Called when that is known.
pub(super) fn lasting(shared: &Shared, uri: &Uri, headers: &HeaderMap) -> HeaderValue {
    let most = shared.context.max_age;
    let address = uri.path_and_query().filter(|_| !most.is_zero());
    let time = address.and_then(|address| shared.context.api.good_for(address.as_str(), principal(headers), most));
    match time.map_or(0, |time| time.as_secs()) {
        0 => ASK_AGAIN,
        seconds => HeaderValue::from_str(&format!("max-age={seconds}, must-revalidate")).unwrap_or(ASK_AGAIN),
    }
}
