//! The web page: files embedded at build time, or a small page of our own when there are none.
//! Knows caches and encodings.

use std::borrow::Cow;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::lists;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Page;

/// The fallback page; its script is a file of its own because the content policy forbids inline
/// ones.
const FALLBACK: [(&str, &str); 3] = [
    ("index.html", include_str!("fallback.html")),
    ("fallback.js", include_str!("fallback.js")),
    ("fallback.css", include_str!("fallback.css")),
];

/// Paths below which a missing file is never answered with the page.
const NO_PAGE: [&str; 6] = ["graphql", "q", "api", "assets", "healthz", "readyz"];

/// Files below `/assets/` carry a hash of their content in their names.
const FOREVER: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

/// Whether the whole page is embedded.
pub(super) fn kind() -> &'static str {
    if Page::get("index.html").is_some() {
        "full"
    } else {
        "fallback"
    }
}

/// Serves a file of the page, or the page itself for addresses within it.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return only_read().await;
    }
    let path = uri.path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let found = find(path, &headers).or_else(|| {
        let within = is_within_page(path, &headers);
        within.then(|| find("index.html", &headers)).flatten()
    });
    match found {
        Some(file) => answer(file, &headers),
        None => absent().await,
    }
}

/// What is asked for in another way than by reading it.
pub(super) async fn only_read() -> Response {
    let words = "use GET or HEAD here; requests for data are sent to /graphql\n";
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], words).into_response()
}

/// Where the page is not served, its addresses are like all that there is nothing at.
pub(super) async fn absent() -> Response {
    (
        StatusCode::NOT_FOUND,
        "not found; requests for data are sent to /graphql\n",
    )
        .into_response()
}

/// An address that the page itself understands: asked for by a browser, not a file's.
fn is_within_page(path: &str, headers: &HeaderMap) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_page = !NO_PAGE.contains(&first) && !last.contains('.');
    is_page && allows(headers, &header::ACCEPT, "text/html")
}

fn allows(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    lists::wanted(headers, name).any(|(named, quality)| named.eq_ignore_ascii_case(token) && quality > 0.0)
}

/// A file ready to be served.
struct File {
    content: Cow<'static, [u8]>,
    content_type: String,
    etag: String,
    is_brotli: bool,
    cache: &'static str,
}

fn find(path: &str, headers: &HeaderMap) -> Option<File> {
    // Packed files are only another form of their originals.
    if path.ends_with(".br") {
        return None;
    }
    let packed = allows(headers, &header::ACCEPT_ENCODING, "br").then(|| Page::get(&format!("{path}.br")));
    let cache = if path.starts_with("assets/") {
        FOREVER
    } else {
        REVALIDATE
    };
    let file = |file: EmbeddedFile, is_brotli| File {
        etag: etag(&file.metadata.sha256_hash()),
        content: file.data,
        content_type: content_type(path),
        is_brotli,
        cache,
    };
    let embedded = match packed.flatten() {
        Some(packed) => Some(file(packed, true)),
        None => Page::get(path).map(|plain| file(plain, false)),
    };
    embedded.or_else(|| fallback(path))
}

fn fallback(path: &str) -> Option<File> {
    if kind() == "full" {
        return None;
    }
    let (_, text) = FALLBACK.iter().find(|(name, _)| *name == path)?;
    Some(File {
        etag: etag(&xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_be_bytes()),
        content: Cow::Borrowed(text.as_bytes()),
        content_type: content_type(path),
        is_brotli: false,
        cache: REVALIDATE,
    })
}

fn content_type(path: &str) -> String {
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    let is_text = guessed.type_() == "text" || guessed.subtype() == "javascript" || guessed.subtype() == "json";
    if is_text {
        format!("{guessed}; charset=utf-8")
    } else {
        guessed.to_string()
    }
}

fn etag(hash: &[u8]) -> String {
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn answer(file: File, headers: &HeaderMap) -> Response {
    let mut known = lists::entries(headers, &header::IF_NONE_MATCH).map(|tag| tag.trim_start_matches("W/"));
    let matches = known.any(|tag| tag == file.etag || tag == "*");
    let body = match (matches, file.content) {
        (true, _) => Body::empty(),
        (false, Cow::Borrowed(content)) => Body::from(Bytes::from_static(content)),
        (false, Cow::Owned(content)) => Body::from(content),
    };
    let status = if matches {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let mut response = (status, body).into_response();
    let answer = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.insert(name, value);
        }
    };
    set(header::ETAG, &file.etag);
    set(header::CACHE_CONTROL, file.cache);
    set(header::VARY, "Accept-Encoding");
    if !matches {
        set(header::CONTENT_TYPE, &file.content_type);
        if file.is_brotli {
            set(header::CONTENT_ENCODING, "br");
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str, pairs: &[(HeaderName, &str)]) -> Response {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a header")))
            .collect();
        serve(Method::GET, path.parse().expect("a path"), headers).await
    }

    #[tokio::test]
    async fn statuses() {
        let html = [(header::ACCEPT, "text/html,*/*;q=0.8")];
        let cases = [
            ("/", StatusCode::OK),
            ("/index.html", StatusCode::OK),
            ("/some/page", StatusCode::OK),
            ("/assets/missing.js", StatusCode::NOT_FOUND),
            ("/assets/missing", StatusCode::NOT_FOUND),
            ("/missing.js", StatusCode::NOT_FOUND),
            ("/graphql/other", StatusCode::NOT_FOUND),
            ("/index.html.br", StatusCode::NOT_FOUND),
            ("/../Cargo.toml", StatusCode::NOT_FOUND),
            ("/%2e%2e/Cargo.toml", StatusCode::NOT_FOUND),
        ];
        for (path, want) in cases {
            assert_eq!(get(path, &html).await.status(), want, "{path}");
        }
        assert_eq!(get("/some/page", &[]).await.status(), StatusCode::NOT_FOUND);
        let posted = serve(Method::POST, Uri::from_static("/"), HeaderMap::new()).await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        let words = axum::body::to_bytes(posted.into_body(), 1_000).await.expect("a body");
        assert!(String::from_utf8_lossy(&words).contains("/graphql"));
    }

    #[tokio::test]
    async fn a_known_file_is_not_sent_again() {
        let first = get("/", &[]).await;
        let etag = first.headers()[header::ETAG].to_str().expect("text").to_owned();
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let again = get("/", &[(header::IF_NONE_MATCH, &format!("\"x\", W/{etag}"))]).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        let other = get("/", &[(header::IF_NONE_MATCH, "\"x\"")]).await;
        assert_eq!(other.status(), StatusCode::OK);
    }
}
