//! GraphQL over HTTP, to the letter of its specification. Knows methods, media types, status codes; knows no schema.

use axum::{
    body::Body,
    extract::{Query, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::graphql::{ApiRequest, ApiResponse, Denied, Kind, keep_digits};

use super::{
    negotiate::{self, Media},
    origin,
    shared::Shared,
    socket,
};

/// Bytes of a request body: a query of 32 KiB, and variables with some thousand values.
const BODY_MAX: usize = 1024 * 1024;

/// `GET`: one query, or the beginning of a WebSocket.
pub(super) async fn get(State(shared): State<Shared>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    if upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return upgrade_to_socket(shared, &mut parts).await;
    }
    let Some(media) = answer_media(&parts.headers) else {
        return not_acceptable();
    };
    let request = match query_parameters(&parts) {
        Ok(request) => request,
        Err(message) => return refused(StatusCode::BAD_REQUEST, media, &message),
    };
    answer(&shared, &parts, request, media).await
}

async fn upgrade_to_socket(shared: Shared, parts: &mut Parts) -> Response {
    match origin::may_open(parts) {
        Ok(()) => socket::accept(parts, shared).await,
        Err(message) => refused(StatusCode::FORBIDDEN, Media::Json, &message),
    }
}

/// The parameters of a GET request, as the specification encodes them.
fn query_parameters(parts: &Parts) -> Result<ApiRequest, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Parameters {
        query: Option<String>,
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }
    let Query(given) = Query::<Parameters>::try_from_uri(&parts.uri).map_err(|error| error.body_text())?;
    let query = given.query.ok_or("the parameter `query` is missing")?;
    let body = json!({
        "query": query,
        "operationName": given.operation_name.filter(|name| !name.is_empty()),
        "variables": json_parameter("variables", given.variables)?,
        "extensions": json_parameter("extensions", given.extensions)?,
    });
    serde_json::from_value(body).map_err(|error| error.to_string())
}

fn json_parameter(name: &str, text: Option<String>) -> Result<serde_json::Value, String> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => serde_json::from_slice(&keep_digits(text.as_bytes()))
            .map_err(|error| format!("the parameter `{name}` is no JSON: {error}")),
        None => Ok(serde_json::Value::Null),
    }
}

/// `POST`: a JSON body with one request.
pub(super) async fn post(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = answer_media(&parts.headers) else {
        return not_acceptable();
    };
    if !negotiate::is_json_body(text_header(&parts.headers, header::CONTENT_TYPE)) {
        let message = "the body must be JSON, announced by Content-Type: application/json";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, message);
    }
    let limit = shared.context.api.newest().limits().request_timeout;
    let body = match tokio::time::timeout(limit, axum::body::to_bytes(body, BODY_MAX)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let message = format!("the body could not be read, or is larger than {BODY_MAX} bytes");
            return refused(StatusCode::PAYLOAD_TOO_LARGE, media, &message);
        }
        Err(_) => return refused(StatusCode::REQUEST_TIMEOUT, media, "the body did not arrive in time"),
    };
    if body.trim_ascii_start().starts_with(b"[") {
        let message = "batches are not supported; send one request, it may have several root fields";
        return refused(StatusCode::BAD_REQUEST, media, message);
    }
    match serde_json::from_slice::<ApiRequest>(&keep_digits(&body)) {
        Ok(request) => answer(&shared, &parts, request, media).await,
        Err(error) => refused(
            StatusCode::BAD_REQUEST,
            media,
            &format!("the body is no GraphQL request: {error}"),
        ),
    }
}

/// Other methods.
pub(super) async fn other(headers: HeaderMap) -> Response {
    let media = answer_media(&headers).unwrap_or(Media::Json);
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, media, "use GET or POST");
    let allowed = HeaderValue::from_static("GET, POST");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

async fn answer(shared: &Shared, parts: &Parts, request: ApiRequest, media: Media) -> Response {
    let _share = match shared.requests.take(shared.client(parts)) {
        Ok(share) => share,
        Err(denied) => return busy(media, denied, "requests are under way", "requests"),
    };
    let answer = shared.context.api.execute(request).await;
    let status = status(&answer, media, &parts.method);
    let mut response = with_body(status, media, Body::from(answer.body()));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("POST");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

fn status(answer: &ApiResponse, media: Media, method: &Method) -> StatusCode {
    match (answer.kind(), media) {
        (Kind::NotAllowed, _) if method == Method::GET => StatusCode::METHOD_NOT_ALLOWED,
        (Kind::RequestError | Kind::NotAllowed, Media::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (_, Media::Json) | (Kind::Ok | Kind::Failed, _) => StatusCode::OK,
    }
}

fn answer_media(headers: &HeaderMap) -> Option<Media> {
    // Several Accept headers mean the same as one with commas.
    let all: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    negotiate::answer_media(Some(&all.join(",")))
}

fn text_header(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn not_acceptable() -> Response {
    let message = "Accept must allow application/json or application/graphql-response+json";
    refused(StatusCode::NOT_ACCEPTABLE, Media::Json, message)
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
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A refusal before there was a GraphQL request, in the form of one's errors.
pub(super) fn refused(status: StatusCode, media: Media, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": "BAD_REQUEST" } }] });
    with_body(status, media, Body::from(body.to_string()))
}

fn with_body(status: StatusCode, media: Media, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, media.content_type()),
        (header::VARY, "Accept"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
