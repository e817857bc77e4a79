//! A token that lasts for a while: who has it, when it is asked for anew, and what an answer must
//! be to give one. Knows no sources; how the request is made is the caller's affair.

use std::time::Duration;

use bytes::Bytes;
use jaq_json::Val;
use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tokio::{sync::Mutex, time::Instant};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    call::{By, Call},
    failure::Failure,
};
use crate::{
    catalog::{jq::Filter, template::Template},
    config::Environment,
    harvest::{
        environment::{environment_object, text},
        error::PageFault,
        json,
        limits::{TOKEN_FAILED, TOKEN_MAX},
    },
};

/// What a token is asked for with, and how it is sent.
#[derive(Debug)]
pub(in crate::harvest) struct TokenRequest {
    pub call: Call,
    pub headers: HeaderMap,
    /// How errors name it: holds no secret.
    pub place: String,
    pub take: Take,
    pub header: HeaderName,
    pub value: Template,
    pub environment: Environment,
}

impl TokenRequest {
    /// Tells who logs in, and not how.
    pub(in crate::harvest) fn print(&self) -> u64 {
        let mut told = Vec::from(self.call.url.as_str());
        if let By::Form(body) | By::Post(Some(body)) = &self.call.by {
            told.extend_from_slice(body);
        }
        for (name, value) in &self.headers {
            told.extend_from_slice(name.as_str().as_bytes());
            told.extend_from_slice(value.as_bytes());
        }
        xxh3_64(&told)
    }
}

/// Where a token stands in its answer.
#[derive(Debug)]
pub(in crate::harvest) enum Take {
    Jq(Filter),
    /// As OAuth 2 has it, with the time that it lasts.
    OAuth2,
}

/// The token of a source; one at a time asks for it.
#[derive(Debug)]
pub(super) struct Tokens {
    pub request: TokenRequest,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Token>,
    given: u64,
    /// A refusal: those who waited do not ask again at once, which would lock an account.
    refused: Option<(Instant, PageFault)>,
}

/// A token as it is sent.
#[derive(Clone)]
pub(super) struct Token {
    /// Told from those before and after.
    number: u64,
    pub value: HeaderValue,
    until: Option<Instant>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Token({})", self.number)
    }
}

/// A token's text, and how long it lasts.
pub(super) struct Given {
    pub text: String,
    lasts: Option<Duration>,
}

impl Tokens {
    pub(super) fn new(request: TokenRequest) -> Tokens {
        Tokens {
            request,
            held: Mutex::default(),
        }
    }

    /// The token in hand, or another one than `old`, which was refused.
    pub(super) async fn get<F>(&self, old: Option<&Token>, ask: impl FnOnce() -> F) -> Result<Token, Failure>
    where
        F: Future<Output = Result<Given, Failure>>,
    {
        let mut held = self.held.lock().await;
        let lasts = |token: &&Token| token.until.is_none_or(|until| until > Instant::now());
        let other = |token: &&Token| old.is_none_or(|old| old.number != token.number);
        if let Some(token) = held.token.as_ref().filter(lasts).filter(other) {
            return Ok(token.clone());
        }
        held.token = None;
        if let Some((_, fault)) = held.refused.as_ref().filter(|(at, _)| at.elapsed() < TOKEN_FAILED) {
            return Err(fault.clone().into());
        }
        let given = match ask().await {
            Ok(given) => given,
            Err(failure) => {
                if !failure.again {
                    held.refused = Some((Instant::now(), failure.fault.clone()));
                }
                return Err(failure);
            }
        };
        held.refused = None;
        held.given += 1;
        let token = Token {
            number: held.given,
            value: self.value(&given)?,
            // Renewed a little before its end, and never at once.
            until: given.lasts.map(|lasts| Instant::now() + lasts.mul_f64(0.9)),
        };
        held.token = Some(token.clone());
        Ok(token)
    }

    fn value(&self, given: &Given) -> Result<HeaderValue, PageFault> {
        let request = &self.request;
        let lookup = |name: &str| match name {
            "token" => Some(text(&given.text)),
            "env" => Some(environment_object(&request.value, &request.environment)),
            _ => None,
        };
        let rendered = request
            .value
            .render(&lookup)
            .map_err(|error| self.fault(error.message))?;
        let cannot = |_| self.fault("the token cannot be sent in a header".to_owned());
        let mut value = HeaderValue::from_str(&rendered).map_err(cannot)?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn fault(&self, message: String) -> PageFault {
        PageFault::Token {
            place: self.request.place.clone(),
            message,
        }
    }

    /// The token in an answer of success.
    pub(super) async fn read(&self, response: Response) -> Result<Given, PageFault> {
        let body = small(response).await;
        let body = body.map_err(|message| self.fault(message.to_owned()))?;
        self.given(&Bytes::from(body))
    }

    /// Whether the address of the request is the source's own: of another one no question is made,
    /// for it may be another one when it is replayed.
    pub(super) fn is_elsewhere(&self) -> bool {
        matches!(self.request.take, Take::OAuth2)
    }

    /// The token in the body of an answer.
    pub(super) fn given(&self, body: &Bytes) -> Result<Given, PageFault> {
        let page = json::parse(body, 0)
            .map_err(|_| self.fault("the answer is no JSON; is it the address where tokens are given?".to_owned()))?;
        let found = match &self.request.take {
            Take::Jq(filter) => filter.run(&page, &[]).map_err(|error| self.fault(error.message))?,
            Take::OAuth2 => member(&page, "access_token").cloned().into_iter().collect(),
        };
        let token = match &found[..] {
            [Val::TStr(token)] if !token.is_empty() => String::from_utf8_lossy(token).into_owned(),
            [number @ Val::Num(_)] => number.to_string(),
            // What was found instead is not shown: it may be a part of a credential.
            _ => {
                let names = match &self.request.take {
                    Take::Jq(filter) => format!("jq `{}`", filter.text()),
                    Take::OAuth2 => "`access_token`".to_owned(),
                };
                return Err(self.fault(format!("{names} finds no token in the answer")));
            }
        };
        let lasts = match (&self.request.take, member(&page, "expires_in")) {
            (Take::OAuth2, Some(seconds)) => seconds.to_string().trim_matches('"').parse::<u32>().ok(),
            _ => None,
        };
        Ok(Given {
            text: token,
            lasts: lasts.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }
}

/// Whether a request was refused in a way that a new token may mend.
pub(super) fn may_be_renewed(response: &Response) -> bool {
    matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PRECONDITION_FAILED
    )
}

/// An answer with a token is a small one.
async fn small(mut response: Response) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| "the answer broke off")? {
        body.extend_from_slice(&chunk);
        if body.len() > TOKEN_MAX {
            return Err("the answer is far too large for one with a token");
        }
    }
    Ok(body)
}

fn member<'v>(value: &'v Val, name: &str) -> Option<&'v Val> {
    let Val::Obj(members) = value else { return None };
    members.get(&text(name))
}
