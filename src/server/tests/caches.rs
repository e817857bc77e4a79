//! What caches between a client and the server are told.

use axum::http::{HeaderMap, StatusCode, header};

use super::*;
use crate::{graphql::Saved, server::unchanged};

/// A server over a farm with rows.
struct Served {
    farm: Farm,
    shared: Shared,
    router: axum::Router,
}

impl Served {
    async fn start() -> Served {
        let limits = Limits {
            answer_cache: 1 << 20,
            ..Limits::default()
        };
        let farm = Farm::stocked(limits).await;
        let api = farm.current();
        let saved = "query Dear($over: Float) { items(where: {price: {gt: $over}}) { name } }";
        api.trust(vec![Saved::new("dear".to_owned(), saved.to_owned())]);
        let context = ServerContext {
            api,
            allowed_hosts: [].into(),
            allowed_origins: [].into(),
            graphiql: false,
            ..context(&farm)
        };
        let shared = Shared::new(context, CancellationToken::new(), 100);
        let router = crate::server::router::router(shared.clone());
        Served { farm, shared, router }
    }

    async fn ask(&self, method: &str, query: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        self.ask_at(method, &format!("/graphql?query={query}"), headers).await
    }

    /// As a connection does it.
    async fn ask_at(&self, method: &str, path: &str, headers: &[(header::HeaderName, &str)]) -> Response<Body> {
        let request = request(method, path, headers);
        match unchanged::answer(&self.shared, &request) {
            Some(answer) => answer,
            None => self.whole_way(request).await,
        }
    }

    async fn whole_way(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("an answer")
    }
}

fn request(method: &str, path: &str, headers: &[(header::HeaderName, &str)]) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost");
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.body(Body::empty()).expect("a request")
}

fn text<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> &'h str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

async fn bytes(response: Response<Body>) -> usize {
    let all = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    all.expect("a body").len()
}

const NAMES: &str = "{ items { name } }";
const PRICES: &str = "{ items { price } }";

#[tokio::test]
async fn who_has_an_answer_is_told_so() {
    let served = Served::start().await;
    let first = served.ask("GET", NAMES, &[]).await;
    let tag = text(first.headers(), &header::ETAG).to_owned();
    assert!(tag.starts_with('"') && tag.ends_with("j\""), "{tag}");
    assert_eq!(text(first.headers(), &header::CACHE_CONTROL), "no-cache");
    let vary: Vec<_> = first.headers().get_all(header::VARY).iter().collect();
    let vary = format!("{vary:?}").to_lowercase();
    assert!(
        vary.contains("accept\"") && vary.contains("origin") && vary.contains("accept-encoding"),
        "{vary}"
    );
    let has = [(header::IF_NONE_MATCH, tag.as_str())];
    let statements = served.farm.api.store().statements();
    for method in ["GET", "HEAD"] {
        let same = served.ask(method, NAMES, &has).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(text(same.headers(), &header::ETAG), tag);
        assert_eq!(text(same.headers(), &header::CACHE_CONTROL), "no-cache");
        assert_eq!(text(same.headers(), &header::CONTENT_TYPE), "");
        assert_eq!(bytes(same).await, 0);
    }
    assert_eq!(served.farm.api.store().statements(), statements);
    let head = served.ask("HEAD", NAMES, &[]).await;
    assert_eq!(
        (head.status(), text(head.headers(), &header::ETAG)),
        (StatusCode::OK, tag.as_str())
    );
    assert_eq!(
        text(head.headers(), &header::CONTENT_LENGTH),
        bytes(first).await.to_string()
    );
    assert_eq!(bytes(head).await, 0);
    // RFC 9110, 13.1.2: whoever has any answer has this one; none is there of what is refused.
    let any = [(header::IF_NONE_MATCH, "*")];
    for method in ["GET", "HEAD"] {
        let same = served.ask(method, NAMES, &any).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(text(same.headers(), &header::ETAG), tag);
        assert_eq!(bytes(same).await, 0);
    }
    let refused = served.ask("GET", "{ nope }", &any).await;
    assert_eq!(refused.status(), StatusCode::OK);
    assert!(bytes(refused).await > 0);
    // The other media type and another query are other answers.
    let other = [(header::IF_NONE_MATCH, tag.as_str()), (header::ACCEPT, GRAPHQL)];
    let other = served.ask("GET", NAMES, &other).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_ne!(text(other.headers(), &header::ETAG), tag);
    let prices = served.ask("GET", PRICES, &has).await;
    assert_eq!(prices.status(), StatusCode::OK);
    let prices = text(prices.headers(), &header::ETAG).to_owned();
    // A price says nothing new to who reads names.
    served
        .farm
        .load("Item", vec![item("i1", "Axe", Some(99.0), &["t1", "t2"])])
        .await;
    assert_eq!(served.ask("GET", NAMES, &has).await.status(), StatusCode::NOT_MODIFIED);
    let newer = served.ask("GET", PRICES, &[(header::IF_NONE_MATCH, &prices)]).await;
    assert_eq!(newer.status(), StatusCode::OK);
    assert_ne!(text(newer.headers(), &header::ETAG), prices);
}

#[tokio::test]
async fn saved_queries_have_tags_too() {
    let served = Served::start().await;
    let path = "/q/dear.json?over=15";
    let first = served.ask_at("GET", path, &[]).await;
    assert_eq!(first.status(), StatusCode::OK);
    let tag = text(first.headers(), &header::ETAG).to_owned();
    let has = [(header::IF_NONE_MATCH, tag.as_str())];
    let statements = served.farm.api.store().statements();
    for method in ["GET", "HEAD"] {
        let same = served.ask_at(method, path, &has).await;
        assert_eq!(same.status(), StatusCode::NOT_MODIFIED, "{method}");
        assert_eq!(text(same.headers(), &header::ETAG), tag);
    }
    let head = served.ask_at("HEAD", path, &[]).await;
    assert_eq!(
        (head.status(), text(head.headers(), &header::ETAG)),
        (StatusCode::OK, tag.as_str())
    );
    assert_eq!(served.farm.api.store().statements(), statements);
    // Other values are another answer, and what fails has no name.
    let other = served.ask_at("GET", "/q/dear.json?over=5", &has).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_ne!(text(other.headers(), &header::ETAG), tag);
    let failed = served.ask_at("GET", "/q/dear.json?over=x", &has).await;
    assert_eq!(
        (failed.status(), text(failed.headers(), &header::ETAG)),
        (StatusCode::BAD_REQUEST, "")
    );
    served
        .farm
        .load("Item", vec![item("i1", "Axe", Some(99.0), &["t1", "t2"])])
        .await;
    let newer = served.ask_at("GET", path, &has).await;
    assert_eq!(newer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_packed_answer_has_a_tag_of_its_own() {
    let served = Served::start().await;
    let packed = served.ask("GET", NAMES, &[(header::ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(text(packed.headers(), &header::CONTENT_ENCODING), "gzip");
    let tag = text(packed.headers(), &header::ETAG).to_owned();
    assert!(tag.ends_with("j-gzip\""), "{tag}");
    for (takes, want) in [("gzip", 304), ("gzip, br", 304), ("br", 200), ("", 200)] {
        let headers = [(header::IF_NONE_MATCH, tag.as_str()), (header::ACCEPT_ENCODING, takes)];
        let answer = served.ask("GET", NAMES, &headers).await;
        assert_eq!(answer.status(), want, "{takes}");
        if want == 304 {
            assert_eq!(text(answer.headers(), &header::ETAG), tag);
        }
    }
}

#[tokio::test]
async fn what_is_not_good_for_long_has_no_tag() {
    let served = Served::start().await;
    for (method, query, status) in [
        ("GET", "{ freshness { name rows } }", 200),
        ("GET", "{ nothing }", 400),
        ("GET", "subscription { items { id } }", 405),
        ("HEAD", "subscription { items { id } }", 405),
    ] {
        let answer = served.ask(method, query, &[(header::ACCEPT, GRAPHQL)]).await;
        assert_eq!(answer.status(), status, "{method} {query}");
        assert_eq!(text(answer.headers(), &header::ETAG), "", "{query}");
        assert_eq!(text(answer.headers(), &header::CACHE_CONTROL), "no-store", "{query}");
    }
}

/// Who asks again at the same address for what he has goes no way at all, and hears the same.
#[tokio::test]
async fn who_asks_again_is_answered_before_any_route() {
    let served = Served::start().await;
    let path = "/graphql?query=%7Bitems%7Bname%7D%7D";
    let first = served.ask_at("GET", path, &[]).await;
    let tag = text(first.headers(), &header::ETAG).to_owned();
    let saved = "/q/dear.json?over=15";
    let dear = served.ask_at("GET", saved, &[]).await;
    let dear = text(dear.headers(), &header::ETAG).to_owned();
    let page = (header::ORIGIN, "http://localhost:9999");
    let cases = [
        ("GET", path, &tag, None),
        ("HEAD", path, &tag, None),
        ("GET", path, &tag, Some(page.clone())),
        ("GET", saved, &dear, None),
    ];
    let mut shared = served.shared.clone();
    shared.is_loopback = true;
    let router = crate::server::router::router(shared.clone());
    for (method, path, tag, more) in cases {
        let headers: Vec<_> = more
            .into_iter()
            .chain([(header::IF_NONE_MATCH, tag.as_str())])
            .collect();
        let at_once = unchanged::answer(&shared, &request(method, path, &headers)).expect("it is known");
        let router = router.clone().oneshot(request(method, path, &headers));
        let mut whole_way = router.await.expect("an answer");
        // There is none whose length that could be.
        whole_way.headers_mut().remove(header::CONTENT_LENGTH);
        assert_eq!(at_once.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(whole_way.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(at_once.headers(), whole_way.headers(), "{method} {path} {headers:?}");
    }
    let known = |path: &str, headers: &[_]| unchanged::answer(&shared, &request("GET", path, headers)).is_some();
    let has = (header::IF_NONE_MATCH, tag.as_str());
    assert!(known(path, std::slice::from_ref(&has)));
    for headers in [
        vec![(header::IF_NONE_MATCH, "\"x\"")],
        vec![has.clone(), (header::ORIGIN, "http://evil.example")],
        vec![has.clone(), (header::ACCEPT, GRAPHQL)],
        vec![has.clone(), (header::ACCEPT, "text/html")],
        vec![has.clone(), (header::UPGRADE, "websocket")],
        vec![],
    ] {
        assert!(!known(path, &headers), "{headers:?}");
    }
    assert!(
        !known("/graphql?query=%7Bitems%7Bid%7D%7D", std::slice::from_ref(&has)),
        "nobody has asked there"
    );
    // Other documents, another answer; and a commit makes it another one, too.
    let has_dear = (header::IF_NONE_MATCH, dear.as_str());
    assert!(known(saved, std::slice::from_ref(&has_dear)));
    let other = "query Dear($over: Float) { items(where: {price: {lt: $over}}) { name } }";
    shared
        .context
        .api
        .trust(vec![Saved::new("dear".to_owned(), other.to_owned())]);
    assert!(!known(saved, std::slice::from_ref(&has_dear)));
    let answer = served.ask_at("GET", saved, std::slice::from_ref(&has_dear)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    served.ask_at("GET", path, &[]).await;
    assert!(known(path, std::slice::from_ref(&has)));
    served
        .farm
        .load("Item", vec![item("i1", "Hammer", Some(99.0), &["t1", "t2"])])
        .await;
    assert!(!known(path, &[has]));
}

/// What is told with an answer of what it was estimated to cost changes by itself.
#[tokio::test]
async fn what_tells_its_cost_has_no_tag() {
    let served = Served::start().await;
    let path = "/graphql?query=%7Bitems%7Bname%7D%7D&extensions=%7B%22cost%22:true%7D";
    for _ in 0..2 {
        let answer = served.ask_at("GET", path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(text(answer.headers(), &header::ETAG), "");
        assert_eq!(text(answer.headers(), &header::CACHE_CONTROL), "no-store");
        let body = body(answer).await;
        assert_eq!(body["extensions"]["cost"]["estimatedRows"], 3, "{body}");
    }
}
