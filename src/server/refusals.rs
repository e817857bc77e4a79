//! What is said instead of an answer, in the form of GraphQL errors. Knows statuses and words;
//! knows no request.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::negotiate::Media;
use crate::graphql::{Code, Denied};

/// When to try again, in seconds.
pub(super) const SOON: HeaderValue = HeaderValue::from_static("1");

/// No answer in a form that the client takes.
pub(super) fn not_acceptable() -> Response {
    let message = "Accept must allow application/json or application/graphql-response+json";
    refused(StatusCode::NOT_ACCEPTABLE, Media::Json, message)
}

/// A refusal because the server ends: another one may have taken its place already.
pub(super) fn stopping(media: Media) -> Response {
    let mut response = refused(
        StatusCode::SERVICE_UNAVAILABLE,
        media,
        "the server is stopping; ask again in a second",
    );
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, SOON);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A refusal of one too many; `what` there are too many of, and the limit that says so.
pub(super) fn busy(media: Media, denied: Denied, what: &str, knob: &str) -> Response {
    let message = match denied {
        Denied::All => format!("too many {what}; try again in a second, or raise it with --limit {knob}=…"),
        Denied::Client => format!(
            "too many {what} of your address, what is free is for others; try again in a second, or raise it with \
             --limit {knob}=… (behind a proxy, --trust-proxy tells its clients apart)"
        ),
    };
    let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, media, &message);
    response.headers_mut().insert(header::RETRY_AFTER, SOON);
    response
}

/// A refusal before there was a GraphQL request, in the form of one's errors.
pub(super) fn refused(status: StatusCode, media: Media, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": code(status) } }] });
    with_body(status, media, Body::from(body.to_string()))
}

/// What kind of failure a status is: where an operation can fail so too, by the same word.
fn code(status: StatusCode) -> &'static str {
    match status {
        // Nothing else is looked for before there is a request.
        StatusCode::NOT_FOUND => Code::DocumentNotFound.as_str(),
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed.as_str(),
        StatusCode::SERVICE_UNAVAILABLE => Code::Overloaded.as_str(),
        StatusCode::FORBIDDEN => "FORBIDDEN",
        _ => "BAD_REQUEST",
    }
}

/// An answer that no cache keeps.
pub(super) fn with_body(status: StatusCode, media: Media, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media.content_type()),
        (header::VARY, "Accept"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
