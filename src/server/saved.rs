//! Saved queries by their addresses: `GET /q/<name>.json?variable=…`. Knows paths and statuses;
//! knows no document.

use axum::{
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{
    graphql::{self, Form},
    intake,
    negotiate::Media,
    parameters,
    refusals::refused,
    shared::Shared,
};

/// What a saved query's address ends with.
const ENDING: &str = ".json";

/// The answer to a saved query. Its status tells how it went, for programs that look at nothing
/// else.
pub(super) async fn get(State(shared): State<Shared>, Path(file): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let faulty = |status, message: &str| refused(status, Media::Json, message);
    let Some(name) = file.strip_suffix(ENDING) else {
        let message = "a saved query is asked for as /q/<name>.json";
        return faulty(StatusCode::NOT_FOUND, message);
    };
    let address = graphql::address(&shared, &parts);
    let saved = match shared.context.api.saved(name) {
        Ok(saved) => saved,
        Err(error) => return faulty(StatusCode::NOT_FOUND, &error.message),
    };
    let mut share = shared.received.none(shared.client(&parts));
    let request = match parameters::of::<Vec<(String, String)>>(&parts.uri) {
        Ok(parameters) => {
            for (_, text) in &parameters {
                if let Err(denied) = intake::weigh_all(&mut share, text.as_bytes()) {
                    return graphql::unread(Media::Json, intake::Fault::Denied(denied));
                }
            }
            shared.context.api.request(&saved, parameters)
        }
        Err(error) => Err(error),
    };
    match request {
        Ok(request) => graphql::answer(&shared, &parts, request.at(address), share, Form::Saved).await,
        Err(error) => faulty(StatusCode::BAD_REQUEST, &error),
    }
}

/// Other methods.
pub(super) async fn other() -> Response {
    let message = "a saved query is asked for by GET; by POST it is asked for at /graphql, with \"documentId\"";
    let mut response = refused(StatusCode::METHOD_NOT_ALLOWED, Media::Json, message);
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
