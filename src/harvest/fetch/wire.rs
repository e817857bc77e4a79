//! How a request leaves: to its upstream, or to a cassette in its place; and what is kept of it.
//! Knows requests and answers as they are sent; knows no pages.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use reqwest::{
    Body, Request, RequestBuilder, Response, Version,
    header::{self, HeaderMap},
};
use serde_json::Value as Json;
use url::Url;

use super::{
    failure::{Failure, of_error},
    token::Tokens,
};
use crate::harvest::{
    cassette::{ANSWER_MAX, Exchange, ORIGIN, Question, TOKEN, Tape},
    error::PageFault,
    packed,
    secrets::{Secrets, is_credential},
};

/// What stands in the place of what is not kept.
const HIDDEN: &str = "{hidden}";
/// Headers that say how an answer was sent, or when, and nothing of what is in it.
const UNKEPT: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "keep-alive",
    "server",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "via",
];

/// The way of a source's requests.
#[derive(Debug, Default)]
pub(in crate::harvest) struct Wire {
    tape: Tape,
    source: String,
    /// The source's address, which no question repeats: it may be another one when it is replayed.
    base: String,
    secrets: Arc<Secrets>,
}

/// Why there is no answer.
pub(super) enum Unsent {
    Http(reqwest::Error),
    Fault(PageFault),
}

impl Unsent {
    pub(super) fn failure(self, place: &str, secrets: &Secrets) -> Failure {
        match self {
            Unsent::Http(error) => of_error(&error, place, secrets),
            Unsent::Fault(fault) => fault.into(),
        }
    }
}

impl From<reqwest::Error> for Unsent {
    fn from(error: reqwest::Error) -> Unsent {
        Unsent::Http(error)
    }
}

impl Wire {
    pub(in crate::harvest) fn new(tape: &Tape, source: &str, base: &Url, secrets: &Arc<Secrets>) -> Wire {
        Wire {
            tape: tape.clone(),
            source: source.to_owned(),
            base: base.as_str().trim_end_matches('/').to_owned(),
            secrets: Arc::clone(secrets),
        }
    }

    /// Whether an upstream is asked, which wants its pace and its pauses.
    pub(super) fn is_live(&self) -> bool {
        self.tape.replay.is_none()
    }

    /// Whether each answer has to be whole: what is remembered of it is not where it is replayed.
    pub(super) fn asks_in_full(&self) -> bool {
        !self.is_live() || self.tape.keep.as_ref().is_some_and(|keep| keep.bodies())
    }

    /// Sends a request, and keeps what comes of it; `login` is what it asks a token for.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        place: &str,
        login: Option<&Tokens>,
    ) -> Result<Response, Unsent> {
        if self.tape.keep.is_none() && self.is_live() {
            return Ok(request.send().await?);
        }
        let (client, request) = request.build_split();
        let request = request?;
        let (question, mut asked) = (self.question(&request, login), self.headers(request.headers()));
        // What was unpacked on the way has lost the headers that told its end.
        let as_sent = request.headers().contains_key(header::ACCEPT_ENCODING);
        asked.insert(0, (ORIGIN.to_owned(), request.url().origin().ascii_serialization()));
        let response = match &self.tape.replay {
            None => client.execute(request).await?,
            Some(player) => {
                let exchange = player.answer(&question).map_err(|nearest| {
                    let nearest = nearest.map_or(String::new(), |nearest| format!("; the nearest there is {nearest}"));
                    let place = place.to_owned();
                    Unsent::Fault(PageFault::NotRecorded { place, nearest })
                })?;
                answer(&exchange, &self.secrets).ok_or(Unsent::Fault(PageFault::Internal))?
            }
        };
        let Some(keep) = &self.tape.keep else {
            return Ok(response);
        };
        // Of a login nothing is looked at.
        if login.is_some() && !keep.bodies() {
            return Ok(response);
        }
        let exchange = Exchange {
            status: response.status().as_u16(),
            headers: self.headers(response.headers()),
            open: as_sent && ends_with_connection(&response),
            question,
            asked,
            body: Bytes::new(),
        };
        let not_kept = |message: String| {
            let place = place.to_owned();
            Unsent::Fault(PageFault::NotKept { place, message })
        };
        if !keep.bodies() {
            keep.keep(exchange).map_err(not_kept)?;
            return Ok(response);
        }
        let (head, body) = whole(response).await.map_err(|error| match error {
            Cut::Http(error) => Unsent::Http(error),
            Cut::TooLarge => not_kept(format!(
                "it is larger than {ANSWER_MAX} bytes; ask for smaller pages while you record"
            )),
        })?;
        let unpacked = packed::unpacked(body.clone(), place).await.map_err(Unsent::Fault)?;
        let body_kept = self.body(unpacked, login);
        keep.keep(Exchange {
            body: body_kept,
            ..exchange
        })
        .map_err(not_kept)?;
        Ok(http::Response::from_parts(head, Body::from(body)).into())
    }

    fn question(&self, request: &Request, login: Option<&Tokens>) -> Question {
        let mut url = request.url().clone();
        // Nobody is named in an address by these two calls: it has a host.
        let _ = (url.set_username(""), url.set_password(None));
        let base = Url::parse(&self.base).ok();
        let bare = base.map(|mut base| {
            let _ = (base.set_username(""), base.set_password(None));
            base.as_str().trim_end_matches('/').to_owned()
        });
        let bare = bare.unwrap_or_default();
        let below = url.as_str().strip_prefix(&bare);
        let below = below.filter(|below| below.is_empty() || below.starts_with(['/', '?']));
        let path = match login.is_some_and(Tokens::is_elsewhere) {
            true => TOKEN,
            false => below.unwrap_or(url.as_str()),
        };
        let body = request.body().and_then(Body::as_bytes).unwrap_or_default();
        Question {
            source: self.source.clone(),
            method: request.method().to_string(),
            path: self.secrets.mask(if path.is_empty() { "/" } else { path }),
            body: self.secrets.mask(&String::from_utf8_lossy(body)),
        }
    }

    /// Headers by name, without what lets somebody in.
    fn headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let kept = headers.iter().filter(|(name, _)| !UNKEPT.contains(&name.as_str()));
        let named = kept.map(|(name, value)| {
            let open = !value.is_sensitive() && !is_credential(name.as_str());
            let value = open.then(|| value.to_str().ok()).flatten();
            let value = value.map_or_else(|| HIDDEN.to_owned(), |value| self.secrets.mask(value));
            (name.as_str().to_owned(), value)
        });
        let mut named: Vec<(String, String)> = named.collect();
        // In one order, whatever the upstream's.
        named.sort();
        named
    }

    /// A body without secrets; of an answer to a login also without those that it gives.
    fn body(&self, body: Bytes, login: Option<&Tokens>) -> Bytes {
        let Some(tokens) = login else {
            return self.secrets.cover_all(body);
        };
        // Known before it is kept. That there is none is told by whoever reads it.
        if let Ok(given) = tokens.given(&body) {
            self.secrets.learn(&given.text);
        }
        let covered = self.secrets.cover_all(body);
        match serde_json::from_slice::<Json>(&covered) {
            Ok(mut answer) => {
                hide(&mut answer);
                serde_json::to_vec(&answer).map_or(covered, Bytes::from)
            }
            Err(_) => covered,
        }
    }
}

/// Hides what a login's answer calls a credential, such as the token by which another one is given.
fn hide(answer: &mut Json) {
    match answer {
        Json::Object(members) => {
            for (name, value) in members {
                match value {
                    // A marker says already what it was.
                    Json::String(text) if text.starts_with('{') && text.ends_with('}') => {}
                    Json::String(_) | Json::Number(_) if is_credential(name) => *value = HIDDEN.into(),
                    _ => hide(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

enum Cut {
    Http(reqwest::Error),
    TooLarge,
}

/// The head of an answer, and its whole body.
async fn whole(mut response: Response) -> Result<(http::response::Parts, Bytes), Cut> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Cut::Http)? {
        if (body.len() + chunk.len()) as u64 > ANSWER_MAX {
            return Err(Cut::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    let (head, _) = http::Response::from(response).into_parts();
    Ok((head, body.freeze()))
}

/// An answer as if it had come just now; an address in a header leads where it led.
fn answer(exchange: &Exchange, secrets: &Secrets) -> Option<Response> {
    let mut response = http::Response::builder().status(exchange.status);
    for (name, value) in &exchange.headers {
        response = response.header(name, secrets.reveal(value));
    }
    if !exchange.open {
        response = response.header(header::CONTENT_LENGTH, exchange.body.len());
    }
    response
        .body(Body::from(exchange.body.clone()))
        .ok()
        .map(Response::from)
}

/// Whether the end of a body is only that nothing more comes: before HTTP/2 without a length and
/// without chunks, of which the last one is empty. What was unpacked on the way has lost its
/// headers.
pub(super) fn ends_with_connection(response: &Response) -> bool {
    let headers = response.headers();
    let told = headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
    response.version() <= Version::HTTP_11 && !told
}
