//! GraphQL over HTTP, to the letter of its specification. Knows methods, media types, status codes;
//! knows no schema.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    response::Response,
};

use crate::graphql::{
    Address, Answered, ApiRequest, ApiResponse, Denied, Draft, Kind, Members, Share, near_parameter, read_json,
};

use super::{
    handshake,
    intake::{self, Fault, MESSAGE_MAX, Whole},
    lasting::lasting,
    negotiate::{self, Media},
    origin, parameters,
    progress::{PATIENCE, STEP},
    refusals::{SOON, busy, not_acceptable, refused, stopping, with_body},
    sending::{self, Answers},
    shared::{Shared, principal},
    validators::{self, Named},
};

/// The draft's own status.
const PARTIAL_SUCCESS: u16 = 294;
/// The mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// `GET`: one query, or the beginning of a WebSocket.
pub(super) async fn get(State(shared): State<Shared>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    if upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return upgrade_to_socket(shared, &mut parts);
    }
    let Some(media) = negotiate::answer_media(&parts.headers) else {
        return not_acceptable();
    };
    let address = address(&shared, &parts);
    let mut share = shared.received.none(shared.client(&parts));
    let request = match query_parameters(&parts, &mut share) {
        Ok(request) => request.at(address),
        Err(Unfit::Faulty(message)) => return refused(StatusCode::BAD_REQUEST, media, &message),
        Err(Unfit::Denied(denied)) => return unread(media, Fault::Denied(denied)),
    };
    answer(&shared, &parts, request, share, Form::Graphql(media)).await
}

/// Where something is asked for; called before any document is looked up.
pub(super) fn address(shared: &Shared, parts: &Parts) -> Option<Address> {
    let text = parts.uri.path_and_query()?.as_str();
    shared.context.api.address(text)
}

fn upgrade_to_socket(shared: Shared, parts: &mut Parts) -> Response {
    match origin::may_open(parts) {
        Ok(()) => handshake::accept(parts, shared),
        Err(message) => refused(StatusCode::FORBIDDEN, Media::Json, &message),
    }
}

/// Why the parameters of a GET request are no request.
enum Unfit {
    Faulty(String),
    Denied(Denied),
}

/// The parameters of a GET request, as the specification encodes them; `share` grows by what their
/// values take.
fn query_parameters(parts: &Parts, share: &mut Share) -> Result<ApiRequest, Unfit> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Parameters {
        query: Option<String>,
        document_id: Option<String>,
        operation_name: Option<String>,
        variables: Option<String>,
        extensions: Option<String>,
    }
    let given: Parameters = parameters::of(&parts.uri).map_err(Unfit::Faulty)?;
    misspelled(&parts.uri).map_err(Unfit::Faulty)?;
    for json in [&given.variables, &given.extensions].into_iter().flatten() {
        intake::weigh_all(share, json.as_bytes()).map_err(Unfit::Denied)?;
    }
    let variables = json_parameter("variables", given.variables).map_err(Unfit::Faulty)?;
    let extensions = json_parameter("extensions", given.extensions).map_err(Unfit::Faulty)?;
    let members = Members::of(
        given.query,
        given.document_id,
        given.operation_name,
        variables,
        extensions,
    );
    members.and_then(ApiRequest::try_from).map_err(Unfit::Faulty)
}

/// Others may be there: the specification lets clients add some, and caches are told apart by such.
/// One that looks like one of ours is an error that nobody would see.
fn misspelled(uri: &Uri) -> Result<(), String> {
    let given: Vec<(String, String)> = parameters::of(uri)?;
    for (name, _) in given {
        if let Some(near) = near_parameter(&name) {
            return Err(format!(
                "there is no parameter `{}`; did you mean `{near}`?",
                name.escape_debug()
            ));
        }
    }
    Ok(())
}

fn json_parameter(name: &str, text: Option<String>) -> Result<Draft, String> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => read_json(text.as_bytes()).map_err(|error| format!("the parameter `{name}` is no JSON: {error}")),
        None => Ok(Draft::default()),
    }
}

/// `POST`: a JSON body with one request.
pub(super) async fn post(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = negotiate::answer_media(&parts.headers) else {
        return not_acceptable();
    };
    if let Err(message) = negotiate::readable(&parts.headers) {
        let mut response = refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, media, &message);
        let plain = HeaderValue::from_static("identity");
        response.headers_mut().insert(header::ACCEPT_ENCODING, plain);
        return response;
    }
    let read = intake::read(body, &shared.received, shared.client(&parts)).await;
    let Whole { bytes: body, share } = match read {
        Ok(whole) => whole,
        Err(fault) => return unread(media, fault),
    };
    // Some clients begin a text with the mark, and JSON may be read without it.
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&body);
    if text.trim_ascii_start().starts_with(b"[") {
        let message = "batches are not supported; send one request, it may have several root fields";
        return refused(StatusCode::BAD_REQUEST, media, message);
    }
    let request = read_json::<ApiRequest>(text);
    drop(body);
    match request {
        Ok(request) => answer(&shared, &parts, request, share, Form::Graphql(media)).await,
        Err(error) => refused(
            StatusCode::BAD_REQUEST,
            media,
            &format!("the body is no GraphQL request: {error}"),
        ),
    }
}

/// The answer to a body that was not read to its end.
pub(super) fn unread(media: Media, fault: Fault) -> Response {
    let (status, message) = match fault {
        Fault::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {MESSAGE_MAX} bytes"),
        ),
        Fault::Late => (
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body did not arrive in time: {STEP} bytes of it, or its end, have to come within {PATIENCE:?}"
            ),
        ),
        Fault::Broken(cause) => {
            tracing::debug!(cause, "a body was not sent to its end");
            (StatusCode::BAD_REQUEST, "the body was not sent to its end".to_owned())
        }
        Fault::Denied(denied) => return busy(media, denied, "bytes of requests are being read", "received_bytes"),
    };
    refused(status, media, &message)
}

/// Other methods.
pub(super) async fn other(headers: HeaderMap) -> Response {
    not_allowed(&headers, "use GET or POST", "GET, POST")
}

/// The same where sockets are opened.
pub(super) async fn only_get(headers: HeaderMap) -> Response {
    let message = "use GET here, or POST at /graphql";
    not_allowed(&headers, message, "GET, HEAD")
}

fn not_allowed(headers: &HeaderMap, message: &str, allowed: &'static str) -> Response {
    let media = negotiate::answer_media(headers).unwrap_or(Media::Json);
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, media, message);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// How an answer's status is chosen.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As the specification has it for this media type.
    Graphql(Media),
    /// As those expect it who ask for a file.
    Saved,
}

impl Form {
    fn media(self) -> Media {
        match self {
            Form::Graphql(media) => media,
            Form::Saved => Media::Json,
        }
    }
}

/// `received` is the request's part of the budget; both it and its place are kept until the answer
/// is sent.
pub(super) async fn answer(
    shared: &Shared,
    parts: &Parts,
    request: ApiRequest,
    received: Share,
    form: Form,
) -> Response {
    let media = form.media();
    if shared.shutdown.is_cancelled() {
        return stopping(media);
    }
    let client = shared.client(parts);
    let place = match shared.requests.take(client) {
        Ok(place) => place,
        Err(denied) => return busy(media, denied, "requests are under way", "requests"),
    };
    let request = request.by(client, principal(&parts.headers));
    let api = &shared.context.api;
    let lasts = || lasting(shared, &parts.uri, &parts.headers);
    let (answer, tag, has_any) = match parts.method {
        Method::POST => (api.execute(request).await, None, false),
        // Caches know answers by their addresses.
        _ => {
            let named = Named::of(&parts.headers, media);
            match api.answer(request, named.tags()).await {
                Answered::Same(tag) => return validators::not_modified(named.written(tag), lasts()),
                Answered::New(answer, tag) => (answer, tag, named.any),
            }
        }
    };
    // There is an answer, which is known only now; whoever has any has it.
    if has_any && answer.kind() == Kind::Ok {
        return validators::not_modified(tag.and_then(|tag| validators::etag(tag, media)), lasts());
    }
    let status = match shared.context.http_draft {
        true => drafted(&answer, form, &parts.method),
        false => status(&answer, form, &parts.method),
    };
    let beside = parts.extensions.get::<Arc<Answers>>().cloned();
    let body = sending::body(answer.into_parts(), [place, received], beside);
    let mut response = with_body(status, media, body);
    if let Some(tag) = tag {
        validators::name(response.headers_mut(), tag, media, lasts());
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, SOON);
    }
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("POST");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

fn status(answer: &ApiResponse, form: Form, method: &Method) -> StatusCode {
    match (answer.kind(), form) {
        (Kind::Overloaded, _) => StatusCode::SERVICE_UNAVAILABLE,
        (Kind::RequestError | Kind::Unfit | Kind::NotAllowed, Form::Saved) => StatusCode::BAD_REQUEST,
        (Kind::Failed, Form::Saved) => StatusCode::INTERNAL_SERVER_ERROR,
        (Kind::NotAllowed, _) if method != Method::POST => StatusCode::METHOD_NOT_ALLOWED,
        (Kind::RequestError | Kind::Unfit | Kind::NotAllowed, Form::Graphql(Media::GraphqlResponse)) => {
            StatusCode::BAD_REQUEST
        }
        (_, Form::Graphql(Media::Json)) | (Kind::Ok | Kind::Failed, _) => StatusCode::OK,
    }
}

/// The same as the newest draft of GraphQL over HTTP has it. What is asked for as a file has no
/// part in it.
fn drafted(answer: &ApiResponse, form: Form, method: &Method) -> StatusCode {
    match (answer.kind(), form) {
        (Kind::Unfit, Form::Graphql(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        (Kind::RequestError, Form::Graphql(_)) => StatusCode::BAD_REQUEST,
        (Kind::NotAllowed, Form::Graphql(_)) if method == Method::POST => StatusCode::BAD_REQUEST,
        // It has begun: `data` that is null is a part of the answer, too.
        (Kind::Failed, Form::Graphql(Media::GraphqlResponse)) => {
            StatusCode::from_u16(PARTIAL_SUCCESS).unwrap_or(StatusCode::OK)
        }
        _ => status(answer, form, method),
    }
}
