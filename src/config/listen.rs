//! Where to serve and to whom: addresses, host names, origins, proxies. Knows their forms; asks no
//! network.

use std::{convert::Infallible, fmt, net::IpAddr, str::FromStr};

use clap::{Args, builder::BoolishValueParser};

use super::settings::{Age, Size};

/// Where to serve.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListenSetting {
    /// The address to serve on
    #[arg(long, env = "HAYLOFT_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4000")]
    pub listen: String,

    /// A host name to answer to, for a reverse proxy or on an address that others reach, or * for
    /// all; repeatable. The names of this machine's loopback address are always answered to, and
    /// beyond loopback so are addresses
    #[arg(long, env = "HAYLOFT_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<AllowedHost>,

    /// An origin whose pages may use the API (CORS, sockets), such as https://my.page, or * for
    /// all; repeatable. On a loopback address those of this machine may, whatever their port
    #[arg(long, env = "HAYLOFT_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allow_origin: Vec<AllowedOrigin>,

    /// Proxies whose word on who asks is taken (Forwarded, or X-Forwarded-For): an address, a
    /// network such as 10.0.0.0/8, or
    /// `private` for loopback and private ones, which is what the flag alone means; repeatable
    #[arg(
        long,
        env = "HAYLOFT_TRUST_PROXY",
        value_name = "NETWORK",
        value_delimiter = ',',
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "private"
    )]
    pub trust_proxy: Vec<TrustedProxy>,

    /// How long the port stays open at the end, so that balancers see it and new requests are told
    /// (503), such as 10s [default: 5s, and 0s on a loopback address]
    #[arg(long, env = "HAYLOFT_DRAIN", value_name = "TIME")]
    pub drain: Option<Age>,

    /// Memory for answers that are kept until something that they show has changed, such as 64MB;
    /// 0 keeps none
    #[arg(long, env = "HAYLOFT_ANSWER_CACHE", value_name = "SIZE", default_value = "64MB")]
    pub answer_cache: Size,

    /// Let caches keep the answer to a GET for so long without asking, such as 60s, and no longer
    /// than until the next scheduled harvest of what it shows; 0s has them ask each time
    #[arg(long, env = "HAYLOFT_MAX_AGE", value_name = "TIME", default_value = "0s")]
    pub max_age: Age,

    /// Do not tell the schema: __schema and __type are refused, and errors suggest no names
    #[arg(long, env = "HAYLOFT_NO_INTROSPECTION", value_parser = BoolishValueParser::new())]
    pub no_introspection: bool,

    /// Tell whoever asks for `extensions.explain` how an answer comes to be: SQL and plans. On a
    /// loopback address it is told without this, if no proxy is trusted and no `*` lets all hosts
    /// or origins in
    #[arg(long, env = "HAYLOFT_EXPLAIN", value_parser = BoolishValueParser::new())]
    pub explain: bool,

    /// Tell what is counted at /metrics, for Prometheus. On a loopback address it is told without
    /// this, if no proxy is trusted and no `*` lets all hosts or origins in
    #[arg(long, env = "HAYLOFT_METRICS", value_parser = BoolishValueParser::new())]
    pub metrics: bool,

    /// Answer with the statuses of the newest draft of GraphQL over HTTP: 422 for what does not fit
    /// the schema, the types of variables or the limits, also as application/json, and 294 where an
    /// operation has begun and failed
    #[arg(long, env = "HAYLOFT_HTTP_DRAFT", value_parser = BoolishValueParser::new())]
    pub http_draft: bool,

    /// Do not serve the page with GraphiQL
    #[arg(long, env = "HAYLOFT_NO_GRAPHIQL", value_parser = BoolishValueParser::new())]
    pub no_graphiql: bool,
}

/// A name that requests may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedHost {
    /// Whatever they name.
    Any,
    /// One name, without a port.
    Name(String),
}

impl FromStr for AllowedHost {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<AllowedHost, Self::Err> {
        Ok(match text {
            "*" => AllowedHost::Any,
            name => AllowedHost::Name(name.to_owned()),
        })
    }
}

/// Whose pages may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AllowedOrigin {
    /// Everybody's.
    Any,
    /// Those of one origin, written as browsers do.
    Exact(String),
}

impl FromStr for AllowedOrigin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<AllowedOrigin, Self::Err> {
        const FORM: &str = "an origin is written https://host or http://host:port, without a path; * stands for all";
        if text == "*" {
            return Ok(AllowedOrigin::Any);
        }
        let url = url::Url::parse(text).map_err(|_| FORM)?;
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let is_public = url.username().is_empty() && url.password().is_none();
        let Some(host) = url.host_str().filter(|host| !host.contains('*')) else {
            return Err(FORM);
        };
        if !is_bare || !is_public {
            return Err(FORM);
        }
        // Of programs with pages of their own (`app://`, `chrome-extension://`), as they call
        // themselves.
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Ok(AllowedOrigin::Exact(format!("{}://{host}{port}", url.scheme())))
    }
}

/// From whom a request's word on its client is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrustedProxy {
    /// Loopback and private addresses.
    Private,
    /// Addresses whose first bits are those of this one.
    Network(IpAddr, u32),
}

impl TrustedProxy {
    /// Whether this address is one of them. Mapped addresses (`::ffff:10.0.0.1`) are to be given as
    /// what they stand for.
    pub(crate) fn includes(&self, address: IpAddr) -> bool {
        match (self, address) {
            (TrustedProxy::Private, IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
            (TrustedProxy::Private, IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
            (TrustedProxy::Network(IpAddr::V4(network), bits), IpAddr::V4(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs.checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (TrustedProxy::Network(IpAddr::V6(network), bits), IpAddr::V6(address)) => {
                let differs = network.to_bits() ^ address.to_bits();
                differs.checked_shr(128 - bits).unwrap_or(0) == 0
            }
            (TrustedProxy::Network(..), _) => false,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<TrustedProxy, Self::Err> {
        const FORM: &str = "a proxy is an address such as 10.0.0.7, a network such as 10.0.0.0/8, or the word private";
        if text == "private" {
            return Ok(TrustedProxy::Private);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| FORM)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| FORM)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        match bits.unwrap_or(most) {
            bits if bits <= most => Ok(TrustedProxy::Network(address, bits)),
            _ => Err(FORM),
        }
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustedProxy::Private => out.write_str("private addresses"),
            TrustedProxy::Network(address, bits) => write!(out, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let exact = |origin: &str| Ok(AllowedOrigin::Exact(origin.to_owned()));
        for (text, want) in [
            ("*", Ok(AllowedOrigin::Any)),
            ("https://my.page", exact("https://my.page")),
            ("HTTPS://My.Page:443/", exact("https://my.page")),
            ("http://localhost:5173", exact("http://localhost:5173")),
            ("http://[::1]:80", exact("http://[::1]")),
            ("https://b\u{fc}cher.example", exact("https://xn--bcher-kva.example")),
            ("chrome-extension://abc", exact("chrome-extension://abc")),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
        for text in [
            "",
            "my.page",
            "https://my.page/app",
            "https://*.my.page",
            "https://me@my.page",
            "null",
            "https://a?b",
        ] {
            assert!(text.parse::<AllowedOrigin>().is_err(), "{text}");
        }
    }

    #[test]
    fn proxies() {
        for (text, inside, outside) in [
            (
                "private",
                "10.1.2.3 127.0.0.1 192.168.0.1 172.16.9.9 ::1 fd00::1",
                "8.8.8.8 172.32.0.1 2001:db8::1",
            ),
            ("10.0.0.0/8", "10.9.9.9", "11.0.0.0 ::1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1 10.0.0.1"),
            ("0.0.0.0/0", "8.8.8.8", "::1"),
        ] {
            let proxy: TrustedProxy = text.parse().expect(text);
            for (addresses, want) in [(inside, true), (outside, false)] {
                for address in addresses.split(' ') {
                    let parsed = address.parse().expect("an address");
                    assert_eq!(proxy.includes(parsed), want, "{text} {address}");
                }
            }
        }
        for text in ["", "proxy.example", "10.0.0.0/33", "10.0.0.0/", "::/129", "10.0.0.1:80"] {
            assert!(text.parse::<TrustedProxy>().is_err(), "{text}");
        }
    }
}
