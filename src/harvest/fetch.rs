//! The only module that calls out: one request, with pace, retries, redirects and bounds. Knows HTTP; knows no rows.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
pub(super) use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, header, redirect};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    charset,
    error::{HarvestError, PageFault},
    limits::{BODY_MAX, CONNECT_TIMEOUT, PAGE_TIMEOUT, READ_TIMEOUT, REDIRECTS_MAX, RETRY_AFTER_MAX, TRIES},
    pace::{Pace, backoff, is_settled, next_link, retry_after},
    packed,
    share::{Places, Shares},
};
use crate::{catalog::Source, store::RequestState};

/// An HTTP source: its client, credentials, pace and places.
#[derive(Debug)]
pub(super) struct Upstream {
    client: Client,
    headers: HeaderMap,
    pace: Pace,
    places: Places,
    shares: Arc<Shares>,
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
    pub bytes: Bytes,
    pub hash: u64,
    pub head: Head,
}

/// A failed try: whether another may help, and how long the upstream asks to wait.
struct Failure {
    fault: PageFault,
    again: bool,
    after: Option<Duration>,
}

impl From<PageFault> for Failure {
    fn from(fault: PageFault) -> Failure {
        Failure {
            fault,
            again: false,
            after: None,
        }
    }
}

impl Failure {
    fn passing(fault: PageFault) -> Failure {
        Failure {
            fault,
            again: true,
            after: None,
        }
    }
}

/// Makes the one client that all sources share.
pub(super) fn client() -> Result<Client, HarvestError> {
    // Another part of the process may have installed a provider first: any will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("hayloft/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
        .map_err(|error| {
            tracing::error!(error = chain(&error), "the HTTP client cannot be made");
            HarvestError::Client
        })
}

impl Upstream {
    pub(super) fn new(client: Client, source: &Source, headers: HeaderMap, shares: Arc<Shares>) -> Upstream {
        Upstream {
            client,
            headers,
            pace: Pace::new(source.rate),
            places: Places::new(source.concurrency),
            shares,
        }
    }

    /// Gets one page; `before` gives the validators of its last known form.
    pub(super) async fn get(
        &self,
        url: &Url,
        place: &str,
        before: Option<&RequestState>,
    ) -> Result<Fetched, PageFault> {
        let mut tried = 0;
        loop {
            tried += 1;
            let failure = match self.attempt(url, place, before).await {
                Ok(fetched) => return Ok(fetched),
                Err(failure) => failure,
            };
            if let Some(asked) = failure.after.filter(|asked| *asked > RETRY_AFTER_MAX) {
                return Err(PageFault::RetryAfter {
                    place: place.to_owned(),
                    asked,
                });
            }
            if !failure.again || tried >= TRIES {
                return Err(failure.fault);
            }
            let wait = backoff(tried).max(failure.after.unwrap_or(Duration::ZERO));
            tracing::warn!(fault = %failure.fault, tried, ?wait, "a request failed and is tried again");
            if let Some(after) = failure.after {
                self.pace.hold(tokio::time::Instant::now() + after);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn attempt(&self, url: &Url, place: &str, before: Option<&RequestState>) -> Result<Fetched, Failure> {
        let _place = self.places.take(&self.shares).await;
        self.pace.turn(&self.shares).await;
        match tokio::time::timeout(PAGE_TIMEOUT, self.exchange(url, place, before)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::passing(PageFault::Timeout {
                place: place.to_owned(),
                after: PAGE_TIMEOUT,
            })),
        }
    }

    async fn exchange(&self, url: &Url, place: &str, before: Option<&RequestState>) -> Result<Fetched, Failure> {
        let response = self.follow(url, place, before).await?;
        if response.status() == StatusCode::NOT_MODIFIED && before.is_some() {
            return Ok(Fetched::NotModified(head(response.headers())));
        }
        check_status(&response, place)?;
        let html = is_html_type(response.headers());
        let head = head(response.headers());
        let media = response.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = body(response, place).await?;
        if html || begins_html(&bytes) {
            return Err(PageFault::Html {
                place: place.to_owned(),
            }
            .into());
        }
        let hash = xxh3_64(&bytes);
        if before.and_then(|before| before.body_hash.as_deref()) == Some(hash_text(hash).as_str()) {
            return Ok(Fetched::Same {
                bytes: bytes.len() as u64,
                head,
            });
        }
        let media = media.as_ref().and_then(|media| media.to_str().ok());
        let bytes = charset::utf8(packed::unpacked(bytes, place).await?, media);
        Ok(Fetched::Body(Body { bytes, hash, head }))
    }

    /// Sends the request and follows redirects within its host.
    async fn follow(&self, url: &Url, place: &str, before: Option<&RequestState>) -> Result<Response, Failure> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let request = self.client.get(url.clone()).headers(self.request_headers(before));
            let response = request.send().await.map_err(|error| failure_of(&error, place))?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            url = redirect_target(&url, &response, place)?;
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
    }
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
        return Err(status_fault(response.status(), place).into());
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

fn check_status(response: &Response, place: &str) -> Result<(), Failure> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let again =
        matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) || status.is_server_error();
    let value = response.headers().get(header::RETRY_AFTER);
    let after = value
        .and_then(|value| value.to_str().ok())
        .and_then(|value| retry_after(value, SystemTime::now()));
    Err(Failure {
        fault: status_fault(status, place),
        again,
        after: after.filter(|_| again),
    })
}

fn status_fault(status: StatusCode, place: &str) -> PageFault {
    let hint = match status.as_u16() {
        401 | 403 => "; check the source's headers and credentials",
        404 | 410 => "; check the source's url and the fetch's path",
        408 | 500.. => "; the upstream is in trouble, harvest again later",
        429 => "; the upstream wants fewer requests: lower the source's rate",
        204 => " (no content), which is no page",
        300..=399 => " without an address to go to",
        _ => "; data comes with 200 only",
    };
    PageFault::Status {
        place: place.to_owned(),
        status: status.as_u16(),
        hint,
    }
}

/// Reads a body up to its limit, counted after decompression.
async fn body(mut response: Response, place: &str) -> Result<Bytes, Failure> {
    let too_large = || PageFault::TooLarge {
        place: place.to_owned(),
    };
    if response.content_length().is_some_and(|length| length > BODY_MAX) {
        return Err(too_large().into());
    }
    let mut whole = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error, place))? {
        if whole.len() as u64 + chunk.len() as u64 > BODY_MAX {
            return Err(too_large().into());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

fn failure_of(error: &reqwest::Error, place: &str) -> Failure {
    tracing::debug!(error = chain(error), place, "a request failed");
    let place = place.to_owned();
    let fault = if error.is_connect() {
        PageFault::Connect { place }
    } else if error.is_timeout() {
        PageFault::Timeout {
            place,
            after: READ_TIMEOUT,
        }
    } else if error.is_body() || error.is_decode() || error.is_request() {
        PageFault::CutOff { place }
    } else {
        return PageFault::Request { place }.into();
    };
    Failure::passing(fault)
}

/// An error with its causes, for the log; without the URL, which may hold a secret.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn is_html_type(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("text/html") || media.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

/// Whether a body is a web page, whatever its type claims.
pub(super) fn begins_html(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let begins = |tag: &[u8]| {
        body.get(..tag.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
    };
    begins(b"<!doctype html") || begins(b"<html")
}
