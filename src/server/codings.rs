//! Which coding an answer is sent in where a client takes several. Knows what clients say; packs
//! nothing.
//!
//! Zstandard is the newest, and some clients say that they take it where they cannot unpack it
//! (JavaScript's, on a Node without it). So it is for those who take no other one as gladly.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
};

use super::lists;

const NEWEST: &str = "zstd";

/// The request as if it had not said that it takes the newest one, where another is as welcome.
pub(super) async fn older_first(mut request: Request) -> Request {
    if let Some(instead) = without_newest(request.headers()) {
        request.headers_mut().insert(header::ACCEPT_ENCODING, instead);
    }
    request
}

fn without_newest(headers: &HeaderMap) -> Option<HeaderValue> {
    let said = |name: &str| {
        let mut entries = lists::wanted(headers, &header::ACCEPT_ENCODING);
        entries.find(|(entry, _)| entry.eq_ignore_ascii_case(name))
    };
    let welcome = |coding: &str| said(coding).or_else(|| said("*")).map_or(0.0, |(_, quality)| quality);
    let newest = welcome(NEWEST);
    if newest <= 0.0 || welcome("br").max(welcome("gzip")) < newest {
        return None;
    }
    let entries = lists::entries(headers, &header::ACCEPT_ENCODING);
    let name = |entry: &str| entry.split(';').next().unwrap_or_default().trim().to_owned();
    let others = entries.filter(|entry| !entry.is_empty() && !name(entry).eq_ignore_ascii_case(NEWEST));
    let others: Vec<&str> = others.collect();
    // Who takes all of them does not take this one.
    HeaderValue::from_str(&format!("{}, {NEWEST};q=0", others.join(", "))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_for_who_takes_no_other_as_gladly() {
        for (given, want) in [
            ("gzip, deflate, br, zstd", Some("gzip, deflate, br, zstd;q=0")),
            ("zstd, gzip", Some("gzip, zstd;q=0")),
            ("ZSTD;q=0.5, gzip", Some("gzip, zstd;q=0")),
            ("*", Some("*, zstd;q=0")),
            ("*;q=0.5, zstd", None),
            ("zstd", None),
            ("zstd, gzip;q=0.9", None),
            ("zstd, br;q=0", None),
            ("gzip, br", None),
            ("zstd;q=0, gzip", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, given.parse().expect("a header"));
            let found = without_newest(&headers);
            assert_eq!(found, want.map(HeaderValue::from_static), "{given}");
        }
    }
}
