//! Headers that every answer carries. Knows browsers' defences; knows no content.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};

/// Everything comes from this origin. Monaco styles inline; its icon font and GraphiQL's images are
/// data URIs.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; \
                      img-src 'self' data:; worker-src 'self'; connect-src 'self'; frame-ancestors 'none'; \
                      base-uri 'self'; form-action 'self'; object-src 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

pub(super) async fn secure(mut response: Response) -> Response {
    add(response.headers_mut());
    response
}

/// Adds what is not there.
pub(super) fn add(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
