//! Media types of GraphQL over HTTP: which one to answer with, and which bodies to read. Knows two
//! headers.

use axum::http::{HeaderMap, header};

use super::lists;

/// The two media types of a GraphQL answer. They differ in status codes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status tells whether the request was good.
    GraphqlResponse,
    /// `application/json`: 200 for every well-formed request.
    Json,
}

impl Media {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Media::Json => "application/json; charset=utf-8",
        }
    }

    fn nearness(self, entry: &str) -> Option<Nearness> {
        let content_type = self.content_type();
        let name = content_type.split(';').next().unwrap_or(content_type);
        match entry {
            "*/*" => Some(Nearness::Any),
            _ if entry.eq_ignore_ascii_case("application/*") => Some(Nearness::Application),
            _ => entry.eq_ignore_ascii_case(name).then_some(Nearness::Named),
        }
    }
}

/// How near an entry of `Accept` comes to a media type.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Nearness {
    Any,
    Application,
    Named,
}

/// The better of the two media types for the `Accept` headers; none when they allow neither.
///
/// Of each, the entry that comes nearest to it says how much it is wanted. Where that is the same
/// for both, it is the one that is named, and `application/json` where neither is: clients that say
/// nothing expect that.
pub(super) fn answer_media(headers: &HeaderMap) -> Option<Media> {
    let mut wishes = [(Media::Json, None), (Media::GraphqlResponse, None)];
    let mut is_said = false;
    for (entry, quality) in lists::wanted(headers, &header::ACCEPT) {
        is_said = true;
        for (media, wish) in &mut wishes {
            let nearness = media.nearness(entry);
            if let Some(nearness) = nearness.filter(|nearness| wish.is_none_or(|(before, _)| *nearness > before)) {
                *wish = Some((nearness, quality));
            }
        }
    }
    if !is_said {
        return Some(Media::Json);
    }
    let mut best: Option<(Media, Nearness, f32)> = None;
    for (media, wish) in wishes {
        let Some((nearness, quality)) = wish.filter(|(_, quality)| *quality > 0.0) else {
            continue;
        };
        let is_better = best.is_none_or(|(_, near, most)| {
            quality > most || (quality == most && (nearness > near || nearness == Nearness::Named))
        });
        if is_better {
            best = Some((media, nearness, quality));
        }
    }
    best.map(|(media, ..)| media)
}

/// Whether a request's body is JSON in UTF-8 as it stands, or why it is not read. Every other type
/// is refused: forms and plain text may be sent by any page without asking, and would let it act
/// for its reader.
pub(super) fn readable(headers: &HeaderMap) -> Result<(), String> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut parts = text(header::CONTENT_TYPE).split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err("the body must be JSON, announced by Content-Type: application/json".to_owned());
    }
    let charsets = parts
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, charset)| charset.trim().trim_matches('"'));
    let is_utf8 = |charset: &str| ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    if let Some(charset) = charsets.into_iter().find(|charset| !is_utf8(charset)) {
        return Err(format!(
            "the body's Content-Type says charset={charset}, and JSON is read as UTF-8 only; send it so, and leave the charset away"
        ));
    }
    let packed = lists::entries(headers, &header::CONTENT_ENCODING);
    match packed
        .into_iter()
        .find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    {
        Some(coding) => Err(format!(
            "packed bodies are not read (Content-Encoding: {coding}); send it as it is, without that header"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers() {
        let cases = [
            (None, Some(Media::Json)),
            (Some(""), Some(Media::Json)),
            (Some("*/*"), Some(Media::Json)),
            (Some("application/*"), Some(Media::Json)),
            (Some("application/json"), Some(Media::Json)),
            (Some("application/json; charset=utf-8"), Some(Media::Json)),
            (Some("application/graphql-response+json"), Some(Media::GraphqlResponse)),
            (
                Some("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8"),
                Some(Media::GraphqlResponse),
            ),
            (
                Some("application/graphql-response+json;q=0.5, application/json"),
                Some(Media::Json),
            ),
            (Some("application/json, multipart/mixed"), Some(Media::Json)),
            (Some("text/html, */*;q=0.1"), Some(Media::Json)),
            (Some("text/html"), None),
            (Some("application/json;q=0"), None),
            // What comes nearest to a type says how much it is wanted.
            (Some("application/json;q=0, */*"), Some(Media::GraphqlResponse)),
            (Some("*/*, application/json;Q=0"), Some(Media::GraphqlResponse)),
            (Some("application/*;q=0, */*"), None),
            (
                Some("*/*;q=0.9, application/json;q=0.1, application/graphql-response+json;q=0.2"),
                Some(Media::GraphqlResponse),
            ),
            (Some("application/json, text/plain, */*"), Some(Media::Json)),
            (
                Some("application/graphql-response+json, */*"),
                Some(Media::GraphqlResponse),
            ),
        ];
        for (accept, want) in cases {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().expect("a header"));
            }
            assert_eq!(answer_media(&headers), want, "{accept:?}");
        }
    }

    #[test]
    fn bodies() {
        let readable = |headers: &[(header::HeaderName, &str)]| {
            let pairs = headers
                .iter()
                .map(|(name, value)| (name.clone(), value.parse().expect("a header")));
            readable(&pairs.collect())
        };
        for (content_type, part) in [
            ("application/json", None),
            ("application/json; charset=utf-8", None),
            ("Application/JSON;charset=\"UTF-8\"", None),
            ("application/json; charset = UTF8", None),
            (
                "application/json; charset=iso-8859-1",
                Some("says charset=iso-8859-1, and"),
            ),
            ("text/plain", Some("must be JSON")),
            ("application/x-www-form-urlencoded", Some("must be JSON")),
            ("multipart/form-data; boundary=x", Some("must be JSON")),
            ("", Some("must be JSON")),
        ] {
            let read = readable(&[(header::CONTENT_TYPE, content_type)]);
            assert_eq!(read.is_ok(), part.is_none(), "{content_type}");
            assert!(
                part.is_none_or(|part| read.is_err_and(|why| why.contains(part))),
                "{content_type}"
            );
        }
        for (coding, want) in [
            ("identity", Ok(())),
            ("gzip", Err("packed bodies are not read (Content-Encoding: gzip)")),
            ("identity, br", Err("packed bodies are not read (Content-Encoding: br)")),
        ] {
            let json = (header::CONTENT_TYPE, "application/json");
            let read = readable(&[json, (header::CONTENT_ENCODING, coding)]);
            let read = read.as_ref().map_err(|why| why.split(';').next().unwrap_or_default());
            assert_eq!(read, want.as_ref().map_err(|why| *why), "{coding}");
        }
        assert!(readable(&[]).is_err());
    }
}
