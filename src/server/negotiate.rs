//! Media types of GraphQL over HTTP: which one to answer with, and which bodies to read. Knows two headers.

/// The two media types of a GraphQL answer. They differ in status codes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status tells whether the request was good.
    GraphqlResponse,
    /// `application/json`: 200 for every well-formed request.
    Json,
}

impl Media {
    pub fn content_type(self) -> &'static str {
        match self {
            Media::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Media::Json => "application/json; charset=utf-8",
        }
    }
}

/// Entries of an `Accept` header that are looked at; browsers send a dozen.
const ENTRIES_MAX: usize = 50;

/// The best of the two media types for an `Accept` header; none when it allows neither.
///
/// Without a preference it is `application/json`: clients that say nothing expect that.
pub(super) fn answer_media(accept: Option<&str>) -> Option<Media> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Some(Media::Json);
    };
    let mut best: Option<(f32, u8, Media)> = None;
    for entry in accept.split(',').take(ENTRIES_MAX) {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        // An exact name is worth more than a wildcard of the same quality.
        let (media, exactness) = match name.as_str() {
            "application/graphql-response+json" => (Media::GraphqlResponse, 2),
            "application/json" => (Media::Json, 1),
            "application/*" | "*/*" => (Media::Json, 0),
            _ => continue,
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Ok(1.0), str::parse::<f32>);
        let quality = quality.unwrap_or(0.0).clamp(0.0, 1.0);
        let better = best.is_none_or(|(q, e, _)| quality > q || (quality == q && exactness > e));
        if quality > 0.0 && better {
            best = Some((quality, exactness, media));
        }
    }
    best.map(|(_, _, media)| media)
}

/// Whether a request body is JSON in UTF-8. Every other type is refused: forms and plain text may be sent by any page
/// without asking, and would let it act for its reader.
pub(super) fn is_json_body(content_type: Option<&str>) -> bool {
    let mut parts = content_type.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"));
    is_json && is_utf8
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
        ];
        for (accept, want) in cases {
            assert_eq!(answer_media(accept), want, "{accept:?}");
        }
    }

    #[test]
    fn bodies() {
        for (content_type, want) in [
            (Some("application/json"), true),
            (Some("application/json; charset=utf-8"), true),
            (Some("Application/JSON;charset=\"UTF-8\""), true),
            (Some("application/json; charset=latin1"), false),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (Some("multipart/form-data; boundary=x"), false),
            (None, false),
        ] {
            assert_eq!(is_json_body(content_type), want, "{content_type:?}");
        }
    }
}
