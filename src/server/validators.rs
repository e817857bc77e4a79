//! What HTTP caches are told: `ETag` and `Vary` of an answer, and which answers of its own a client
//! names in `If-None-Match`. Knows these headers and codings; knows no answer.
//!
//! An answer that is sent packed is another representation, so its tag has the coding's name behind
//! it. A client that names it gets 304 only if it takes that coding still.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{lists, negotiate::Media};
use crate::graphql::Tag;

/// Codings that answers are sent in.
const CODINGS: [&str; 4] = ["gzip", "br", "zstd", "deflate"];
/// Headers of an answer without a body, all in all.
const HEADERS: usize = 12;
/// Tags that are looked at: a cache has a few variants of one answer.
const TAGS_MAX: usize = 32;

/// The answers that a client says it has.
#[derive(Debug, Default)]
pub(super) struct Named {
    tags: Vec<(Tag, HeaderValue)>,
    /// `*`: any there is.
    pub any: bool,
}

impl Named {
    /// Those of a request that may be sent in this media type.
    pub(super) fn of(headers: &HeaderMap, media: Media) -> Named {
        let entries = || lists::entries(headers, &header::IF_NONE_MATCH).take(TAGS_MAX);
        let tag = |entry: &str| {
            let strong = entry.strip_prefix("W/").unwrap_or(entry);
            let text = strong.strip_prefix('"')?.strip_suffix('"')?;
            let (tag, coding) = text
                .split_once('-')
                .map_or((text, None), |(tag, coding)| (tag, Some(coding)));
            let takes = |coding: &str| CODINGS.contains(&coding) && lists::takes_coding(headers, coding);
            coding.is_none_or(takes).then_some(())?;
            let number = tag.strip_suffix(letter(media))?;
            let number = u128::from_str_radix(number, 16).ok().filter(|_| number.len() == 32)?;
            Some((Tag(number), HeaderValue::from_str(&format!("\"{text}\"")).ok()?))
        };
        Named {
            tags: entries().filter_map(tag).collect(),
            any: entries().any(|entry| entry == "*"),
        }
    }

    pub(super) fn tags(&self) -> Vec<Tag> {
        self.tags.iter().map(|(tag, _)| *tag).collect()
    }

    /// How the client wrote a tag.
    pub(super) fn written(&self, tag: Tag) -> Option<HeaderValue> {
        let found = self.tags.iter().find(|(named, _)| *named == tag);
        found.map(|(_, written)| written.clone())
    }
}

/// Two media types of one answer are two representations.
fn letter(media: Media) -> &'static str {
    match media {
        Media::Json => "j",
        Media::GraphqlResponse => "g",
    }
}

/// The name of an answer that is not packed.
pub(super) fn etag(tag: Tag, media: Media) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{:032x}{}\"", tag.0, letter(media))).ok()
}

/// Names an answer, which may then be kept, and used as `lasting` says.
pub(super) fn name(headers: &mut HeaderMap, tag: Tag, media: Media, lasting: HeaderValue) {
    if let Some(etag) = etag(tag, media) {
        headers.insert(header::ETAG, etag);
        headers.insert(header::CACHE_CONTROL, lasting);
    }
}

/// The answer to a client that has it: its own name for it, and what a whole one would say to
/// caches.
pub(super) fn not_modified(etag: Option<HeaderValue>, lasting: HeaderValue) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    let headers = response.headers_mut();
    // Those of pages and browsers come to it, too.
    headers.reserve(HEADERS);
    headers.extend(etag.map(|etag| (header::ETAG, etag)));
    headers.insert(header::CACHE_CONTROL, lasting);
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

/// Names the coding behind the tag of an answer that was packed on its way.
pub(super) async fn coded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let (Some(etag), Some(coding)) = (headers.get(header::ETAG), headers.get(header::CONTENT_ENCODING)) else {
        return response;
    };
    let (etag, coding) = (etag.to_str().unwrap_or_default(), coding.to_str().unwrap_or_default());
    if let Some(tag) = etag.strip_suffix('"').filter(|_| CODINGS.contains(&coding))
        && let Ok(etag) = HeaderValue::from_str(&format!("{tag}-{coding}\""))
    {
        headers.insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a header")));
        pairs.collect()
    }

    #[test]
    fn clients_name_what_they_have() {
        let tag = format!("{:032x}", 7);
        let named = |given: &str, takes: &str, media| {
            let headers = headers(&[(header::IF_NONE_MATCH, given), (header::ACCEPT_ENCODING, takes)]);
            Named::of(&headers, media).tags()
        };
        let have = vec![Tag(7)];
        assert_eq!(named(&format!("\"{tag}j\""), "", Media::Json), have);
        assert_eq!(named(&format!("\"x\", W/\"{tag}j\""), "", Media::Json), have);
        assert_eq!(named(&format!("\"{tag}j\""), "", Media::GraphqlResponse), []);
        assert_eq!(named(&format!("\"{tag}j-gzip\""), "br, gzip", Media::Json), have);
        assert_eq!(named(&format!("\"{tag}j-gzip\""), "*", Media::Json), have);
        for takes in ["br", "gzip;q=0", ""] {
            assert_eq!(named(&format!("\"{tag}j-gzip\""), takes, Media::Json), [], "{takes}");
        }
        for given in [
            "*",
            "7j",
            "\"7j\"",
            "\"\"",
            "\"zzj\"",
            "W/",
            &format!("\"{tag}j-lzma\""),
        ] {
            assert_eq!(named(given, "lzma", Media::Json), [], "{given}");
        }
        let any = |given: &str| Named::of(&headers(&[(header::IF_NONE_MATCH, given)]), Media::Json).any;
        assert!(any("*") && any(" * ") && !any("\"*\"") && !any("W/*"));
        let mut headers = HeaderMap::new();
        name(&mut headers, Tag(7), Media::Json, HeaderValue::from_static("no-cache"));
        assert_eq!(headers[header::ETAG], format!("\"{tag}j\""));
    }
}
