//! Whether a browser's request comes from a page of this server. Knows two headers.

use axum::http::{HeaderMap, header};

/// True without an `Origin` (no browser), or when its host and port are those the request was sent to. Browsers do not
/// ask before they open a socket to another origin, so the server has to look.
pub(super) fn is_own(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (own, host) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_host_or_none() {
        let cases = [
            (None, Some("127.0.0.1:4000"), true),
            (Some("http://127.0.0.1:4000"), Some("127.0.0.1:4000"), true),
            (Some("https://Data.example"), Some("data.example"), true),
            (Some("http://127.0.0.1:4001"), Some("127.0.0.1:4000"), false),
            (Some("http://evil.example"), Some("127.0.0.1:4000"), false),
            (Some("null"), Some("127.0.0.1:4000"), false),
            (Some("http://127.0.0.1:4000"), None, false),
        ];
        for (origin, host, want) in cases {
            let mut headers = HeaderMap::new();
            origin.map(|origin| headers.insert(header::ORIGIN, origin.parse().expect("a header")));
            host.map(|host| headers.insert(header::HOST, host.parse().expect("a header")));
            assert_eq!(is_own(&headers), want, "{origin:?} {host:?}");
        }
    }
}
