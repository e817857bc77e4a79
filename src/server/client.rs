//! Who asks: the address of the connection, or what a trusted proxy says of it. Knows two headers
//! and no limit.
//!
//! A proxy writes its own entry at the end of what it was given, so the entries are believed from
//! the end, as long as they are of trusted proxies; the first that is not is the client.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use super::lists::entries;
use crate::{config::TrustedProxy, graphql::Client};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Entries that are looked at: more proxies than these stand in no row.
const ENTRIES_MAX: usize = 16;
/// Bits of an IPv6 address that tell one client from another: each has a network of its own to take
/// addresses from.
const NETWORK_BITS: u32 = 64;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub SocketAddr);

/// The client of a request.
pub(super) fn of(peer: Option<&Peer>, headers: &HeaderMap, trusted: &[TrustedProxy]) -> Client {
    let Some(Peer(peer)) = peer else {
        return Client::default();
    };
    let peer = peer.ip().to_canonical();
    address(peer, headers, trusted).map_or_else(|Doubtful| doubtful(peer), number)
}

/// Who is at the other end of a connection, whoever it speaks for.
pub(super) fn of_peer(peer: SocketAddr) -> Client {
    number(peer.ip().to_canonical())
}

/// A proxy says two things of who asks.
#[derive(Debug, PartialEq)]
struct Doubtful;

/// Its address. Where both headers are there and do not agree, neither is believed: a proxy writes
/// one of them, and passes on the other as anybody may have written it.
fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[TrustedProxy]) -> Result<IpAddr, Doubtful> {
    let forwarded = believed(peer, trusted, entries(headers, &header::FORWARDED).map(forwarded_for));
    let listed = believed(peer, trusted, entries(headers, &X_FORWARDED_FOR).map(node));
    match (forwarded, listed) {
        (Some(one), Some(other)) if one != other => Err(Doubtful),
        (Some(client), _) | (None, Some(client)) => Ok(client),
        (None, None) => Ok(peer),
    }
}

/// The last address of a row that is no trusted proxy's; none when the peer is not trusted or said
/// nothing.
fn believed(
    peer: IpAddr,
    trusted: &[TrustedProxy],
    entries: impl DoubleEndedIterator<Item = Option<IpAddr>>,
) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|proxy| proxy.includes(address));
    if !is_trusted(peer) {
        return None;
    }
    let mut last = None;
    // What cannot be read (`unknown`, a made-up name) ends the row: the proxy before it stands for
    // its clients.
    for entry in entries.rev().take(ENTRIES_MAX).map_while(|entry| entry) {
        last = Some(entry);
        if !is_trusted(entry) {
            break;
        }
    }
    last
}

/// The `for` of an entry such as `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(entry: &str) -> Option<IpAddr> {
    let mut pairs = entry.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    node(value.trim().trim_matches('"'))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address| address.to_canonical())
}

/// All of whom a proxy says two things. They are nobody else: whoever writes a header of his own
/// takes nothing from the proxy, or from those of whom it says nothing.
fn doubtful(proxy: IpAddr) -> Client {
    let Client(number) = number(proxy);
    Client(!number)
}

fn number(address: IpAddr) -> Client {
    Client(match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() >> (128 - NETWORK_BITS) << (128 - NETWORK_BITS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Peer, `Forwarded`, `X-Forwarded-For`, and the client, with private addresses trusted.
    #[test]
    fn who_a_proxy_says_it_is() {
        let cases = [
            ("8.8.8.8", "for=1.2.3.4", "1.2.3.4", "8.8.8.8"),
            ("127.0.0.1", "", "", "127.0.0.1"),
            ("127.0.0.1", "for=1.2.3.4", "", "1.2.3.4"),
            (
                "10.0.0.1",
                "For=\"[2001:db8::1]:4711\";proto=https;by=_me",
                "",
                "2001:db8::1",
            ),
            ("10.0.0.1", "", "1.2.3.4:80", "1.2.3.4"),
            // The client wrote the first itself.
            ("10.0.0.1", "for=6.6.6.6, for=1.2.3.4", "", "1.2.3.4"),
            ("10.0.0.1", "", "6.6.6.6, 1.2.3.4, 192.168.0.9", "1.2.3.4"),
            ("10.0.0.1", "for=192.168.0.9, for=10.0.0.2", "", "192.168.0.9"),
            ("10.0.0.1", "for=unknown, for=10.0.0.2", "", "10.0.0.2"),
            ("10.0.0.1", "for=_hidden", "", "10.0.0.1"),
            ("10.0.0.1", "for=1.2.3.4", "1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "for=6.6.6.6", "1.2.3.4", "doubtful"),
        ];
        for (peer, forwarded, listed, want) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::FORWARDED, forwarded), (X_FORWARDED_FOR, listed)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().expect("a header"));
                }
            }
            let peer = peer.parse().expect("an address");
            let got = address(peer, &headers, &[TrustedProxy::Private]);
            let got = got.map_or("doubtful".to_owned(), |address| address.to_string());
            assert_eq!(got, want, "{peer} {forwarded} {listed}");
            assert_eq!(address(peer, &headers, &[]), Ok(peer), "nobody is trusted");
        }
        // Several headers are one list.
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, "6.6.6.6".parse().expect("a header"));
        headers.append(X_FORWARDED_FOR, "1.2.3.4".parse().expect("a header"));
        let got = address(
            "127.0.0.1".parse().expect("an address"),
            &headers,
            &[TrustedProxy::Private],
        );
        assert_eq!(got, Ok("1.2.3.4".parse().expect("an address")));
    }

    /// Nor do they get a share for each word they make up.
    #[test]
    fn who_contradicts_the_proxy_shares_with_his_like() {
        let peer = Peer("10.0.0.1:80".parse().expect("an address"));
        let client = |headers: &[(HeaderName, &str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.parse().expect("a header")))
                .collect();
            of(Some(&peer), &headers, &[TrustedProxy::Private])
        };
        let listed = (X_FORWARDED_FOR, "1.2.3.4");
        let [one, other] =
            ["for=6.6.6.6", "for=7.7.7.7"].map(|word| client(&[(header::FORWARDED, word), listed.clone()]));
        assert_eq!(one, other);
        for distinct in [
            client(&[]),
            client(&[listed]),
            client(&[(header::FORWARDED, "for=6.6.6.6")]),
        ] {
            assert_ne!(one, distinct);
        }
    }

    #[test]
    fn a_network_is_one_client() {
        let client = |text: &str| number(text.parse().expect("an address"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::2:3"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
    }
}
