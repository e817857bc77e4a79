//! The only module that calls out: one request, with pace, retries, redirects and bounds. Knows
//! HTTP; knows no rows.

mod body;
mod call;
mod failure;
mod token;
mod wait;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(super) use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, ClientBuilder, Response, StatusCode, header, redirect};
use url::Url;

use super::{
    allocation::{Allocations, ConcurrencyLimit},
    error::{HarvestError, PageFault},
    html::begins_html,
    limits::{ASKED_MAX, CONNECT_TIMEOUT, PAGE_TIMEOUT, READ_TIMEOUT, REDIRECTS_MAX, RETRY_AFTER_MAX, TRIES},
    pace::{Pace, backoff, is_settled, next_link},
    secrets::Secrets,
    spool::Spools,
};
use crate::{catalog::Source, store::RequestState};
pub(super) use body::Text;
use body::Whole;
pub(super) use call::{By, Call};
use failure::{Failure, carries_data, chain, of_status, status_fault};
use token::{Given, Token, Tokens, may_be_renewed};
pub(super) use token::{Take, TokenRequest};
use wait::asked;
pub(super) use wire::Wire;
use wire::ends_with_connection;

/// An HTTP source: its client, credentials, pace and concurrency limit.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client,
    /// Leaves bodies as they are packed, and so the headers that say where they end.
    plain: Client,
    headers: HeaderMap,
    secrets: Arc<Secrets>,
    pace: Pace,
    limit: ConcurrencyLimit,
    allocations: Arc<Allocations>,
    /// Where a token has to be asked for.
    tokens: Option<Tokens>,
    /// The way to the network, or to what takes its place.
    wire: Wire,
}

/// How a body is received.
#[derive(Clone, Copy)]
pub(super) struct How<'s> {
    /// With these it may be large, and is on disk then.
    pub spools: Option<&'s Arc<Spools>>,
    /// Its text tells where it ends.
    pub ends_by_itself: bool,
    /// Stands in the place of the answer's `Content-Type`, as far as that tells its charset.
    pub media: Option<&'s str>,
    /// A web page is what is wanted.
    pub web_page: bool,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Fetched {
    /// 304: the body was not sent again.
    NotModified(Head),
    /// The same bytes as before.
    Same {
        bytes: u64,
        head: Head,
    },
    Body(Body),
}

/// What the headers of an answer say, whatever became of its body.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub etag: Option<String>,
    /// Only when it is old enough to tell one state from the next.
    pub last_modified: Option<String>,
    pub links: Links,
    /// The body ends with its connection, so that nothing tells a whole one from one that was cut.
    pub open: bool,
}

/// What an answer says of the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// There was no `Link` header. A 304 need not repeat it.
    Silent,
    /// The target of `Link: <…>; rel="next"`, if one of the links is that.
    Next(Option<String>),
}

impl Links {
    /// The next page's address, by an answer that says all it has to say.
    pub(super) fn next(self) -> Option<String> {
        match self {
            Links::Silent => None,
            Links::Next(next) => next,
        }
    }
}

/// A page as it arrived.
#[derive(Debug)]
pub(super) struct Body {
    pub text: Text,
    pub hash: u64,
    pub head: Head,
}

/// The clients that all sources share.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    usual: Client,
    plain: Client,
}

impl Clients {
    pub(super) fn new() -> Result<Clients, HarvestError> {
        // Another part of the process may have installed a provider first: any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Clients {
            usual: client(|builder| builder)?,
            plain: client(|builder| builder.no_gzip().no_brotli().no_zstd())?,
        })
    }
}

fn client(change: fn(ClientBuilder) -> ClientBuilder) -> Result<Client, HarvestError> {
    let builder = Client::builder()
        .user_agent(concat!("hayloft/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT);
    change(builder).build().map_err(|error| {
        tracing::error!(error = chain(&error), "the HTTP client cannot be made");
        HarvestError::Client
    })
}

impl Upstream {
    pub(super) fn new(
        Clients { usual: client, plain }: Clients,
        source: &Source,
        headers: HeaderMap,
        token: Option<TokenRequest>,
        secrets: Arc<Secrets>,
        allocations: Arc<Allocations>,
        wire: Wire,
    ) -> Upstream {
        Upstream {
            client,
            plain,
            headers,
            secrets,
            pace: Pace::new(source.rate),
            limit: ConcurrencyLimit::new(source.concurrency),
            allocations,
            tokens: token.map(Tokens::new),
            wire,
        }
    }

    /// Gets one page; `before` gives the validators of its last known form.
    pub(super) async fn get(
        &self,
        call: &Call,
        place: &str,
        before: Option<&RequestState>,
        how: How<'_>,
    ) -> Result<Fetched, PageFault> {
        let (mut tried, mut asked, mut waited) = (0, 0, Duration::ZERO);
        loop {
            let failure = match self.attempt(call, place, before, how).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failure,
            };
            if let Some(asked) = failure.after.filter(|asked| *asked > RETRY_AFTER_MAX) {
                return Err(PageFault::RetryAfter {
                    place: place.to_owned(),
                    asked,
                });
            }
            // Who is asked to come back does not try in vain, but does not wait for ever either.
            match failure.after {
                Some(_) => asked += 1,
                None => tried += 1,
            }
            let wait = backoff(tried.max(asked)).max(failure.after.unwrap_or_default());
            waited += failure.after.map_or(Duration::ZERO, |_| wait);
            if !failure.again || tried >= TRIES || asked >= ASKED_MAX || waited > RETRY_AFTER_MAX {
                return Err(failure.fault);
            }
            let fault = self.secrets.mask(&failure.fault.to_string());
            tracing::warn!(%fault, tried, asked, ?wait, "a request failed and is tried again");
            if let Some(after) = failure.after.filter(|_| self.wire.is_live()) {
                self.pace.hold(tokio::time::Instant::now() + after);
            }
            // What is recorded does not come sooner or later.
            if self.wire.is_live() {
                tokio::time::sleep(wait).await;
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        place: &str,
        before: Option<&RequestState>,
        how: How<'_>,
    ) -> Result<Fetched, Failure> {
        let _permit = self.limit.take(&self.allocations).await;
        self.turn().await;
        match tokio::time::timeout(PAGE_TIMEOUT, self.ask(call, place, before, how)).await {
            Ok(asked) => self.read(asked?, place, before, how).await,
            Err(_) => Err(Failure::passing(PageFault::Timeout {
                place: place.to_owned(),
                after: PAGE_TIMEOUT,
            })),
        }
    }

    async fn read(
        &self,
        (response, head): (Response, Head),
        place: &str,
        before: Option<&RequestState>,
        how: How<'_>,
    ) -> Result<Fetched, Failure> {
        if response.status() == StatusCode::NOT_MODIFIED && before.is_some() {
            return Ok(Fetched::NotModified(head));
        }
        if !carries_data(&response) {
            return Err(of_status(response, place, &self.secrets).await);
        }
        let html = is_html_type(response.headers());
        let media = response.headers().get(header::CONTENT_TYPE).cloned();
        let media = how.media.or(media.as_ref().and_then(|media| media.to_str().ok()));
        let Whole { text, begin, hash } = body::read(response, place, media, how.spools, &self.secrets).await?;
        if before.and_then(|before| before.body_hash.as_deref()) == Some(hash_text(hash).as_str()) {
            let bytes = text.bytes();
            return Ok(Fetched::Same { bytes, head });
        }
        let text = text.utf8(media, place).await?;
        // What is served as a web page may be JSON all the same; a web page begins like one.
        let begin = text.memory().unwrap_or(&begin);
        let is_page = || begins_html(begin) || (html && begin.trim_ascii_start().starts_with(b"<"));
        if !how.web_page && is_page() {
            return Err(PageFault::Html {
                place: place.to_owned(),
            }
            .into());
        }
        let text = text.covered(&self.secrets);
        Ok(Fetched::Body(Body { text, hash, head }))
    }

    /// Asks for a page. Of a text that does not end by itself only the headers say whether all of
    /// it has come, so it is not unpacked on the way, which would hide these.
    async fn ask(
        &self,
        call: &Call,
        place: &str,
        before: Option<&RequestState>,
        how: How<'_>,
    ) -> Result<(Response, Head), Failure> {
        let before = before.filter(|_| call.is_conditional());
        let headers = self.request_headers(before);
        let told = |response: Response| {
            let mut head = head(response.headers());
            if !call.is_conditional() {
                (head.etag, head.last_modified) = (None, None);
            }
            (response, head)
        };
        if how.ends_by_itself {
            return self.send(&self.client, call, place, headers).await.map(told);
        }
        let mut plain = headers.clone();
        plain.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let response = self.send(&self.plain, call, place, plain).await?;
        // It ends by itself, as each way of packing does.
        if is_packed_otherwise(&response) {
            return self.send(&self.client, call, place, headers).await.map(told);
        }
        let open = ends_with_connection(&response);
        let (response, head) = told(response);
        Ok((response, Head { open, ..head }))
    }

    /// Waits for its turn where an upstream is asked.
    async fn turn(&self) {
        if self.wire.is_live() {
            self.pace.turn(&self.allocations).await;
        }
    }

    /// Sends the request with the token that the source wants, once more with a new one where that
    /// is refused.
    async fn send(&self, client: &Client, call: &Call, place: &str, headers: HeaderMap) -> Result<Response, Failure> {
        let Some(tokens) = &self.tokens else {
            return self.follow(client, call, place, headers, None).await;
        };
        let with = |token: &Token| {
            let mut headers = headers.clone();
            headers.insert(tokens.request.header.clone(), token.value.clone());
            headers
        };
        let token = tokens.get(None, || self.token(tokens)).await?;
        let response = self.follow(client, call, place, with(&token), None).await?;
        let limited = asked(response.status(), response.headers(), SystemTime::now()).limited;
        if !may_be_renewed(&response) || limited {
            return Ok(response);
        }
        let token = tokens.get(Some(&token), || self.token(tokens)).await?;
        self.turn().await;
        self.follow(client, call, place, with(&token), None).await
    }

    /// Asks for a token.
    async fn token(&self, tokens: &Tokens) -> Result<Given, Failure> {
        let request = &tokens.request;
        self.turn().await;
        let (call, headers) = (&request.call, request.headers.clone());
        let asked = self.follow(&self.client, call, &request.place, headers, Some(tokens));
        let response = asked.await?;
        if !response.status().is_success() {
            return Err(of_status(response, &request.place, &self.secrets).await);
        }
        let given = tokens.read(response).await?;
        // Before it is sent: whoever is told it may repeat it.
        self.secrets.learn(&given.text);
        Ok(given)
    }

    /// Sends the request and follows redirects within its host; `login` is what it asks a token
    /// for.
    async fn follow(
        &self,
        client: &Client,
        call: &Call,
        place: &str,
        headers: HeaderMap,
        login: Option<&Tokens>,
    ) -> Result<Response, Failure> {
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let request = call.to(client, url.clone(), headers.clone());
            let sent = self.wire.send(request, place, login).await;
            let response = sent.map_err(|unsent| unsent.failure(place, &self.secrets))?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let status = response.status();
            url = redirect_target(&url, &response, place)?;
            // By the others it would become a GET without its body, which asks for something else.
            let keeps = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
            if !keeps && call.by != By::Get {
                url.set_query(None);
                return Err(PageFault::RedirectBody {
                    place: place.to_owned(),
                    status: status.as_u16(),
                    to: url.to_string(),
                }
                .into());
            }
        }
        Err(PageFault::RedirectLoop {
            place: place.to_owned(),
        }
        .into())
    }

    fn request_headers(&self, before: Option<&RequestState>) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static(
            "application/json, application/x-ndjson;q=0.9, */*;q=0.1",
        ));
        let mut validator = |name, value: Option<&String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        };
        let before = before.filter(|_| !self.wire.asks_in_full());
        validator(header::IF_NONE_MATCH, before.and_then(|before| before.etag.as_ref()));
        validator(
            header::IF_MODIFIED_SINCE,
            before.and_then(|before| before.last_modified.as_ref()),
        );
        headers
    }
}

fn head(headers: &HeaderMap) -> Head {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let links = headers.get_all(header::LINK).iter();
    Head {
        etag: text(header::ETAG).map(str::to_owned),
        last_modified: text(header::LAST_MODIFIED)
            .filter(|modified| is_settled(modified, text(header::DATE), SystemTime::now()))
            .map(str::to_owned),
        links: match headers.contains_key(header::LINK) {
            true => Links::Next(next_link(links.filter_map(|value| value.to_str().ok()))),
            false => Links::Silent,
        },
        open: false,
    }
}

/// Packed in another way than was asked for, as stored files may be: the other client knows it.
fn is_packed_otherwise(response: &Response) -> bool {
    let coding = response.headers().get(header::CONTENT_ENCODING);
    coding.is_some_and(|coding| !matches!(coding.as_bytes(), b"gzip" | b"x-gzip" | b"identity"))
}

/// The form of a body's hash in [`RequestState::body_hash`].
pub(super) fn hash_text(hash: u64) -> String {
    format!("{hash:016x}")
}

/// A redirect stays on its host; it may only become safer (http to https).
fn redirect_target(from: &Url, response: &Response, place: &str) -> Result<Url, Failure> {
    let location = response.headers().get(header::LOCATION);
    let target = location
        .and_then(|value| value.to_str().ok())
        .and_then(|location| from.join(location).ok());
    let Some(to) = target else {
        return Err(status_fault(response.status(), place, String::new()).into());
    };
    let upgraded = from.scheme() == "http" && to.scheme() == "https" && from.host_str() == to.host_str();
    if from.origin() != to.origin() && !upgraded {
        return Err(PageFault::RedirectHost {
            place: place.to_owned(),
            from: from.origin().ascii_serialization(),
            to: to.origin().ascii_serialization(),
        }
        .into());
    }
    Ok(to)
}

fn is_html_type(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("text/html") || media.eq_ignore_ascii_case("application/xhtml+xml")
    })
}
