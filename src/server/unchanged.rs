//! Who has the answer already is told so before any route is looked for. Knows headers and
//! addresses that were asked for before; reads no request.
//!
//! Most requests of caches and of sites that are built anew are such, and what they need is little:
//! whether this page may ask, and whether the name of the answer is one of theirs. All else goes
//! the whole way, which says the same in the same words.

use axum::{
    http::{HeaderMap, Method, Request, header, uri::Authority},
    response::Response,
};

use super::{
    headers,
    lasting::lasting,
    negotiate::{self, Media},
    origin,
    shared::{Shared, principal},
    validators::{self, Named},
};

/// The answer to a request whose answer is known to be one that the client has.
pub(super) fn answer<B>(shared: &Shared, request: &Request<B>) -> Option<Response> {
    let given = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let asks = reads && given.contains_key(header::IF_NONE_MATCH) && !given.contains_key(header::UPGRADE);
    if !asks || shared.shutdown.is_cancelled() {
        return None;
    }
    let uri = request.uri();
    let media = media(uri.path(), given)?;
    let asker = origin::welcome(shared, given, uri.authority().map(Authority::as_str))?;
    let named = Named::of(given, media);
    let address = uri.path_and_query()?.as_str();
    let tag = shared.context.api.same(address, principal(given), &named.tags())?;
    let mut response = validators::not_modified(named.written(tag), lasting(shared, uri, given));
    origin::tell(response.headers_mut(), asker);
    headers::add(response.headers_mut());
    shared.statuses.count(response.status());
    Some(response)
}

/// The media type of an answer at this path.
fn media(path: &str, given: &HeaderMap) -> Option<Media> {
    match path {
        "/graphql" => negotiate::answer_media(given),
        _ if path.starts_with("/q/") => Some(Media::Json),
        _ => None,
    }
}
