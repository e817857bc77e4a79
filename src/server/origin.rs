//! Whether a browser's request comes from a page that may send it, and what its browser is told
//! (CORS). Knows headers; knows no query.
//!
//! One rule serves all of it: requests, the questions that browsers ask before them, and sockets,
//! before which they ask nothing.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{negotiate::Media, refusals::refused, shared::Shared};
use crate::config::{AllowedHost, AllowedOrigin};

const NOT_LOCAL: &str = "this server listens on a loopback address, so it answers to localhost, 127.0.0.1 and [::1] only; name \
    what a reverse proxy passes on with --allow-host, or listen on another address (--listen)";
const NOT_NAMED: &str = "this server does not answer to that host name, only to addresses, to localhost, and to what --allow-host \
    names; name the host by which it is reached, such as --allow-host data.example";

/// How long a browser need not ask again, in seconds: the most that any of them keeps.
const REMEMBERED: &str = "7200";
const PRIVATE_NETWORK_ASKED: &str = "access-control-request-private-network";
const PRIVATE_NETWORK: &str = "access-control-allow-private-network";

/// What a request's `Origin` says of who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// No page, or one of this server.
    Own,
    /// A page of another origin that may use the API; what its browser is told.
    Guest(HeaderValue),
    /// Any other page, of this origin.
    Stranger(String),
}

/// Refuses what pages may not send, and tells browsers what they may.
///
/// What was sent to another name is refused first: a page of anybody can have its own name lead
/// here (DNS rebinding), and would then be of the same origin as we are. Nobody can make an address
/// lead elsewhere, so beyond loopback addresses are names enough.
pub(super) async fn guard(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(Authority::as_str);
    let rules = Rules::of(&shared);
    if !rules.answers_to(request.headers(), authority) {
        let message = if shared.is_loopback { NOT_LOCAL } else { NOT_NAMED };
        return refused(StatusCode::FORBIDDEN, Media::Json, message);
    }
    let asker = rules.asker(request.headers(), authority);
    let preflight = is_preflight(&request);
    let mut response = match &asker {
        // Its page could not read the answer, but its readers would all have us work for it.
        Asker::Stranger(origin) => refused(StatusCode::FORBIDDEN, Media::Json, &not_allowed(origin)),
        Asker::Guest(_) if preflight => may_ask(request.headers()),
        _ => {
            request.extensions_mut().insert(asker.clone());
            next.run(request).await
        }
    };
    tell(response.headers_mut(), asker);
    response
}

/// Who asks, if it is somebody whose requests are answered.
pub(super) fn welcome(shared: &Shared, headers: &HeaderMap, authority: Option<&str>) -> Option<Asker> {
    let rules = Rules::of(shared);
    let answers = rules.answers_to(headers, authority);
    let asker = answers.then(|| rules.asker(headers, authority));
    asker.filter(|asker| !matches!(asker, Asker::Stranger(_)))
}

/// Tells a browser what it may show to whom.
pub(super) fn tell(headers: &mut HeaderMap, asker: Asker) {
    if let Asker::Guest(told) = asker {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, told);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("retry-after"),
        );
    }
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

/// Whether a page may open a socket: browsers send its origin, but do not ask before.
pub(super) fn may_open(parts: &Parts) -> Result<(), String> {
    match parts.extensions.get::<Asker>() {
        Some(Asker::Own | Asker::Guest(_)) => Ok(()),
        Some(Asker::Stranger(origin)) => Err(not_allowed(origin)),
        None => Err(not_allowed("an unknown origin")),
    }
}

fn not_allowed(origin: &str) -> String {
    format!(
        "pages of {origin} may not use this API; name their origin with --allow-origin, such as --allow-origin https://my.page"
    )
}

/// Whether a browser asks if a page may send something.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Yes: with any header, as none of them gives a page any right.
fn may_ask(asked: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    // A page of the internet asks this before it asks a machine of its reader's own network.
    if asked.get(PRIVATE_NETWORK_ASKED).is_some_and(|value| value == "true") {
        headers.insert(PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    headers.append(header::VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    (StatusCode::NO_CONTENT, headers).into_response()
}

struct Rules<'a> {
    is_loopback: bool,
    hosts: &'a [AllowedHost],
    origins: &'a [AllowedOrigin],
}

impl Rules<'_> {
    fn of(shared: &Shared) -> Rules<'_> {
        Rules {
            is_loopback: shared.is_loopback,
            hosts: &shared.context.allowed_hosts,
            origins: &shared.context.allowed_origins,
        }
    }

    /// Whether a request was sent to a name that we answer to; HTTP/2 has the name in the address.
    /// Without any it is no browser.
    fn answers_to(&self, headers: &HeaderMap, authority: Option<&str>) -> bool {
        let hosts = headers
            .get_all(header::HOST)
            .into_iter()
            .map(|value| value.to_str().ok());
        let mut hosts = hosts.chain(authority.map(Some));
        let all_named = self.hosts.contains(&AllowedHost::Any);
        let answers = |host: &str| {
            let of_machine = if self.is_loopback {
                is_loopback_name(host)
            } else {
                is_loopback_name(host) || is_address(host)
            };
            of_machine || self.is_named(host)
        };
        all_named || hosts.all(|host| host.is_some_and(answers))
    }

    fn asker(&self, headers: &HeaderMap, authority: Option<&str>) -> Asker {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else {
            return Asker::Own;
        };
        let text = origin.to_str().unwrap_or_default();
        if origins.next().is_some() {
            return Asker::Stranger("several origins".to_owned());
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(authority);
        // The scheme is not looked at: a reverse proxy may speak TLS for us.
        let page = text.split_once("://").map(|(_, page)| page);
        let is_own =
            page.is_some_and(|page| self.is_named(page) || host.is_some_and(|host| host.eq_ignore_ascii_case(page)));
        if is_own {
            return Asker::Own;
        }
        let is_listed = |allowed: &AllowedOrigin| matches!(allowed, AllowedOrigin::Exact(known) if known.eq_ignore_ascii_case(text));
        // What a reverse proxy shows to the world is none of this machine's pages' business.
        let is_local = self.is_loopback && host.is_some_and(is_loopback_name) && page.is_some_and(is_loopback_name);
        if self.origins.contains(&AllowedOrigin::Any) {
            Asker::Guest(HeaderValue::from_static("*"))
        } else if is_local || self.origins.iter().any(is_listed) {
            Asker::Guest(origin.clone())
        } else {
            Asker::Stranger(text.to_owned())
        }
    }

    /// Whether `host:port` is one of the hosts that were named; the port is not looked at.
    fn is_named(&self, authority: &str) -> bool {
        let Ok(authority) = authority.parse::<Authority>() else {
            return false;
        };
        self.hosts
            .iter()
            .any(|known| matches!(known, AllowedHost::Name(name) if name.eq_ignore_ascii_case(authority.host())))
    }
}

/// `host:port`, the host being an IP address.
fn is_address(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let bare = authority.host().trim_start_matches('[').trim_end_matches(']');
    bare.parse::<std::net::IpAddr>().is_ok()
}

/// `host:port`, the host being this machine; the port is not looked at.
fn is_loopback_name(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules<'a>(is_loopback: bool, hosts: &'a [AllowedHost], origins: &'a [AllowedOrigin]) -> Rules<'a> {
        Rules {
            is_loopback,
            hosts,
            origins,
        }
    }

    fn headers(host: &str, origins: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !host.is_empty() {
            headers.insert(header::HOST, host.parse().expect("a header"));
        }
        for origin in origins {
            headers.append(header::ORIGIN, origin.parse().expect("a header"));
        }
        headers
    }

    /// Host, origin, and who that is on a loopback address, on a public one, with a list, with `*`.
    #[test]
    fn who_asks() {
        let hosts = [AllowedHost::Name("Data.example".to_owned())];
        let listed = ["https://app.example", "http://localhost:9999"].map(|origin| origin.parse().expect("an origin"));
        let any = [AllowedOrigin::Any];
        let cases = [
            ("127.0.0.1:4000", "", "own own own own"),
            ("127.0.0.1:4000", "http://127.0.0.1:4000", "own own own own"),
            ("data.example", "https://Data.example", "own own own own"),
            // A reverse proxy that passes on our own address.
            ("127.0.0.1:4000", "https://data.example", "own own own own"),
            (
                "127.0.0.1:4000",
                "http://127.0.0.1:4001",
                "guest stranger stranger guest",
            ),
            (
                "localhost:4000",
                "http://localhost:5173",
                "guest stranger stranger guest",
            ),
            (
                "[::1]:4000",
                "http://farm.localhost:5173",
                "guest stranger stranger guest",
            ),
            // Seen from the world, a page of somebody's own machine is a stranger.
            (
                "data.example",
                "http://localhost:5173",
                "stranger stranger stranger guest",
            ),
            ("data.example", "http://localhost:9999", "stranger stranger guest guest"),
            ("127.0.0.1:4000", "https://app.example", "stranger stranger guest guest"),
            ("127.0.0.1:4000", "HTTPS://APP.example", "stranger stranger guest guest"),
            (
                "127.0.0.1:4000",
                "https://app.example:8443",
                "stranger stranger stranger guest",
            ),
            (
                "127.0.0.1:4000",
                "http://app.example",
                "stranger stranger stranger guest",
            ),
            (
                "127.0.0.1:4000",
                "https://evil.app.example",
                "stranger stranger stranger guest",
            ),
            (
                "127.0.0.1:4000",
                "http://evil.example",
                "stranger stranger stranger guest",
            ),
            (
                "127.0.0.1:4000",
                "http://localhost.evil.example",
                "stranger stranger stranger guest",
            ),
            (
                "127.0.0.1:4000",
                "http://localhost@evil.example",
                "stranger stranger stranger guest",
            ),
            ("127.0.0.1:4000", "null", "stranger stranger stranger guest"),
            ("", "http://127.0.0.1:4000", "stranger stranger stranger guest"),
        ];
        for (host, origin, want) in cases {
            let all = [origin];
            let origins = if origin.is_empty() { &[] } else { all.as_slice() };
            let headers = headers(host, origins);
            let each = [
                rules(true, &hosts, &[]),
                rules(false, &hosts, &[]),
                rules(false, &hosts, &listed),
                rules(false, &hosts, &any),
            ];
            let got = each.map(|rules| match rules.asker(&headers, None) {
                Asker::Own => "own",
                Asker::Guest(_) => "guest",
                Asker::Stranger(_) => "stranger",
            });
            assert_eq!(got.join(" "), want, "{host} {origin}");
        }
        let two = headers("127.0.0.1:4000", &["http://127.0.0.1:4000", "http://evil.example"]);
        let asker = rules(true, &hosts, &listed).asker(&two, None);
        assert_eq!(asker, Asker::Stranger("several origins".to_owned()));
        // HTTP/2 has the host in the address.
        let page = headers("", &["http://127.0.0.1:4000"]);
        assert_eq!(
            rules(true, &hosts, &[]).asker(&page, Some("127.0.0.1:4000")),
            Asker::Own
        );
    }

    #[test]
    fn names_that_are_answered_to() {
        let hosts = [AllowedHost::Name("Data.example".to_owned())];
        let any_host = [AllowedHost::Any];
        for (host, on_loopback, beyond) in [
            ("", true, true),
            ("data.example:443", true, true),
            ("localhost", true, true),
            ("evil.data.example", false, false),
            ("evil.example:4000", false, false),
            ("192.0.2.7:4000", false, true),
            ("[2001:db8::1]:4000", false, true),
            ("192.0.2.7.evil.example", false, false),
            ("192.0.2.7@evil.example", false, false),
        ] {
            let headers = headers(host, &[]);
            assert_eq!(
                rules(true, &hosts, &[]).answers_to(&headers, None),
                on_loopback,
                "{host}"
            );
            // Whoever lets everybody's pages in still answers to its own names only.
            let any = [AllowedOrigin::Any];
            assert_eq!(
                rules(true, &hosts, &any).answers_to(&headers, None),
                on_loopback,
                "{host}"
            );
            assert_eq!(rules(false, &hosts, &[]).answers_to(&headers, None), beyond, "{host}");
            assert!(rules(true, &any_host, &[]).answers_to(&headers, None), "{host}");
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
            assert_eq!(is_loopback_name(host), want, "{host}");
        }
    }
}
