//! Why a request failed: its status, its words, its certificate. Knows HTTP's answers; decides
//! nothing about trying again.

use std::{
    error::Error,
    time::{Duration, SystemTime},
};

use reqwest::{Response, StatusCode};
use rustls::CertificateError;

use super::wait::asked;
use crate::harvest::{
    charset,
    error::PageFault,
    html::begins_html,
    limits::{READ_TIMEOUT, WORDS_BYTES, WORDS_SHOWN},
    secrets::Secrets,
};

/// A failed try: whether another may help, and how long the upstream asks to wait.
pub(super) struct Failure {
    pub fault: PageFault,
    pub again: bool,
    /// The upstream itself says that there is to be another try, and after how long.
    pub after: Option<Duration>,
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
    pub(super) fn passing(fault: PageFault) -> Failure {
        Failure {
            fault,
            again: true,
            after: None,
        }
    }
}

/// Whether a status carries data. A part of a body in bytes is no page; parts in items or rows are
/// pages.
pub(super) fn carries_data(response: &Response) -> bool {
    let range = response.headers().get("content-range");
    let cut = range
        .and_then(|range| range.to_str().ok())
        .is_some_and(|range| range.trim_start().starts_with("bytes") && !is_whole(range));
    match response.status().as_u16() {
        200 | 203 => true,
        206 => !cut,
        _ => false,
    }
}

/// `bytes 0-9/10`.
fn is_whole(range: &str) -> bool {
    let whole = || {
        let (part, all) = range.trim().strip_prefix("bytes")?.trim().split_once('/')?;
        let (first, last) = part.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let all: u64 = all.parse().ok()?;
        Some(first == 0 && last.checked_add(1)? == all)
    };
    whole().unwrap_or(false)
}

/// The failure of an answer that carries no data, with the upstream's own words.
pub(super) async fn of_status(response: Response, place: &str, secrets: &Secrets) -> Failure {
    let status = response.status();
    let asked = asked(status, response.headers(), SystemTime::now());
    let again = match status.as_u16() {
        202 | 408 | 425 | 429 => true,
        // A refusal that only lasts.
        403 => asked.limited,
        _ => status.is_server_error(),
    };
    let after = match status {
        // An answer that is being made is asked for again, also when it is not said when.
        StatusCode::ACCEPTED => Some(asked.after.unwrap_or_default()),
        _ => asked.after.filter(|_| again),
    };
    Failure {
        fault: status_fault(status, place, words(response, secrets).await),
        again,
        after,
    }
}

pub(super) fn status_fault(status: StatusCode, place: &str, said: String) -> PageFault {
    let hint = match status.as_u16() {
        401 | 403 => "; check the source's headers and credentials",
        404 | 410 => "; check the source's url and the fetch's path",
        202 => "; the upstream was still making the answer, harvest again later",
        206 => "; the upstream sent a part only, which nobody asked for",
        408 | 425 | 500.. => "; the upstream is in trouble, harvest again later",
        429 => "; the upstream wants fewer requests: lower the source's rate",
        204 => " (no content), which is no page",
        300..=399 => " without an address to go to",
        _ => "; data comes with 200, 203 or 206",
    };
    PageFault::Status {
        place: place.to_owned(),
        status: status.as_u16(),
        said,
        hint,
    }
}

/// What the body of a failed answer says, on one line: of a web page its title. Whatever goes wrong
/// with it is no news.
async fn words(mut response: Response, secrets: &Secrets) -> String {
    let media = response.headers().get(reqwest::header::CONTENT_TYPE).cloned();
    let mut body = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= WORDS_BYTES {
                return;
            }
        }
    };
    // What has come by then is said.
    let _ = tokio::time::timeout(READ_TIMEOUT / 3, reading).await;
    body.truncate(WORDS_BYTES);
    let body = charset::utf8(body.into(), media.as_ref().and_then(|media| media.to_str().ok()));
    // Before it is cut: the beginning of a secret tells something, too.
    let text = secrets.mask(&String::from_utf8_lossy(&body));
    match begins_html(text.as_bytes()) {
        true => one_line(&title(&text).map_or_else(|| without_tags(&text), str::to_owned)),
        false => one_line(&text),
    }
}

fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let begin = lower.find("<title")?;
    let begin = begin + lower.get(begin..)?.find('>')? + 1;
    let end = begin + lower.get(begin..)?.find("</title")?;
    page.get(begin..end)
}

/// What a page says that has no title.
fn without_tags(page: &str) -> String {
    let texts = page.split('<').filter_map(|part| part.split_once('>'));
    texts.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

/// Without what moves a terminal's cursor, and only its beginning.
fn one_line(text: &str) -> String {
    if matches!(text.trim(), "{}" | "[]" | "null" | "\"\"") {
        return String::new();
    }
    let words: Vec<&str> = text
        .split(|sign: char| sign.is_whitespace() || sign.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(WORDS_SHOWN) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// The failure of a request that got no whole answer. The log has the cause.
pub(super) fn of_error(error: &reqwest::Error, place: &str, secrets: &Secrets) -> Failure {
    tracing::debug!(error = secrets.mask(&chain(error)), place, "a request failed");
    let place = place.to_owned();
    if let Some(reason) = tls_reason(error) {
        return PageFault::Tls { place, reason }.into();
    }
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

/// What is wrong with the upstream's TLS, if that is why it cannot be asked.
fn tls_reason(error: &reqwest::Error) -> Option<&'static str> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(tls) = tls_inside(error) {
            return reason(tls);
        }
        cause = error.source();
    }
    None
}

/// Errors of reading and writing carry others, which are not among their sources.
fn tls_inside<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    let carried = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    tls_inside(carried)
}

/// `None` for what passes, such as a connection that was closed while hands were shaken.
fn reason(error: &rustls::Error) -> Option<&'static str> {
    use CertificateError as Bad;
    Some(match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired; the upstream has to renew it",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet; is the clock of this machine right?"
            }
            Bad::UnknownIssuer => {
                "its certificate is of an issuer that this machine does not trust; install the issuer's certificate here, if \
                 it is meant"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is of another name; does the source's url have the right host?"
            }
            Bad::Revoked => "its certificate was revoked",
            _ => "its certificate is not valid; the log has the cause",
        },
        rustls::Error::InvalidMessage(_) => "it does not speak TLS; is its address http:// instead of https://?",
        rustls::Error::PeerIncompatible(_) => "it speaks no version of TLS that is safe (1.2 or 1.3)",
        rustls::Error::AlertReceived(_) => "it refused the TLS connection; the log has the cause",
        _ => return None,
    })
}

/// An error with its causes, for the log; without the URL, which may hold a secret.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_one_line() {
        assert_eq!(one_line(" a\n\tb\u{1b}[2J\r\nc "), "a b [2J c");
        assert_eq!(one_line(&"ä".repeat(500)), format!("{}…", "ä".repeat(WORDS_SHOWN)));
        assert_eq!(one_line(" {}\n"), "");
        let page = "<!doctype html><HTML><head><Title lang=en>502 Bad\nGateway</TITLE>…";
        assert_eq!(title(page).map(one_line).as_deref(), Some("502 Bad Gateway"));
        assert_eq!(title("<html>no title"), None);
        assert_eq!(one_line(&without_tags("<html><h1 a=b>Not</h1>\n<p>found")), "Not found");
    }

    #[test]
    fn parts_of_bodies() {
        for (range, whole) in [
            ("bytes 0-9/10", true),
            ("bytes 0-9/20", false),
            ("bytes 10-19/20", false),
            ("bytes 0-9/*", false),
        ] {
            assert_eq!(is_whole(range), whole, "{range}");
        }
    }

    #[test]
    fn what_is_wrong_with_tls() {
        let bad = |bad| reason(&rustls::Error::InvalidCertificate(bad));
        let time = rustls::pki_types::UnixTime::since_unix_epoch(Duration::ZERO);
        let name = rustls::pki_types::ServerName::try_from("shop.example").expect("a name");
        let (not_after, not_before) = (time, time);
        for (reason, want) in [
            (bad(CertificateError::Expired), "has expired"),
            (bad(CertificateError::ExpiredContext { time, not_after }), "has expired"),
            (
                bad(CertificateError::NotValidYetContext { time, not_before }),
                "not valid yet",
            ),
            (bad(CertificateError::UnknownIssuer), "of an issuer"),
            (
                bad(CertificateError::NotValidForNameContext {
                    expected: name,
                    presented: Vec::new(),
                }),
                "of another name",
            ),
            (bad(CertificateError::NotValidForName), "of another name"),
            (bad(CertificateError::Revoked), "revoked"),
            (bad(CertificateError::BadSignature), "not valid; the log"),
            (
                reason(&rustls::Error::InvalidMessage(
                    rustls::InvalidMessage::InvalidContentType,
                )),
                "http:// instead",
            ),
        ] {
            assert!(reason.is_some_and(|reason| reason.contains(want)), "{want}: {reason:?}");
        }
        assert_eq!(reason(&rustls::Error::General("gone".to_owned())), None);
    }
}
