//! Whether a browser's request comes from a page that may send it. Knows two headers.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::{graphql, negotiate::Media, shared::Shared};

const NOT_LOCAL: &str = "this server listens on a loopback address, so it answers to localhost, 127.0.0.1 and [::1] only, in \
    Host and in Origin; name what a reverse proxy passes on with --allow-host, or listen on another address (--listen)";

/// On a loopback address, refuses what was sent to another name: a page of anybody can have its own name lead here
/// (DNS rebinding), and would then be of the same origin as we are.
pub(super) async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let host = request.uri().authority().map(Authority::as_str);
    if shared.is_loopback && !is_allowed(request.headers(), host, &shared.context.allowed_hosts) {
        return graphql::refused(StatusCode::FORBIDDEN, Media::Json, NOT_LOCAL);
    }
    next.run(request).await
}

/// Whether both headers name this machine or an allowed host; HTTP/2 has the host in the address. Without them it is no
/// browser.
fn is_allowed(headers: &HeaderMap, authority: Option<&str>, allowed: &[String]) -> bool {
    let text = |name: header::HeaderName| headers.get_all(name).into_iter().map(|value| value.to_str().ok());
    let mut hosts = text(header::HOST).chain(authority.map(Some));
    let mut origins = text(header::ORIGIN).map(|origin| origin?.split_once("://").map(|(_, host)| host));
    let is_good = |host: Option<&str>| host.is_some_and(|host| is_good_name(host, allowed));
    hosts.all(is_good) && origins.all(is_good)
}

/// `host:port`; a port that is none is not looked at.
fn is_good_name(authority: &str, allowed: &[String]) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().to_ascii_lowercase();
    if allowed.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
        return true;
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

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

    #[test]
    fn allowed_names() {
        let allowed = ["Data.example".to_owned()];
        for (host, want) in [
            ("data.example:443", true),
            ("localhost", true),
            ("evil.data.example", false),
        ] {
            assert_eq!(is_good_name(host, &allowed), want, "{host}");
        }
    }

    #[test]
    fn loopback_names() {
        let cases = [
            ("localhost:4000", true),
            ("LocalHost", true),
            ("farm.localhost:4000", true),
            ("127.0.0.1:4000", true),
            ("127.8.9.10", true),
            ("[::1]:4000", true),
            ("evil.example:4000", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evillocalhost", false),
            ("192.168.1.2", false),
            ("[::2]", false),
            ("", false),
            ("localhost@evil.example", false),
        ];
        for (host, want) in cases {
            assert_eq!(is_good_name(host, &[]), want, "{host}");
        }
    }
}
