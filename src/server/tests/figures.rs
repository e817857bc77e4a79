//! What `/metrics` tells, and to whom.

use axum::http::StatusCode;

use super::*;

fn get(path: &str, host: &str) -> Request<Body> {
    let request = Request::get(path).header(header::HOST, host);
    request.body(Body::empty()).expect("a request")
}

async fn text(router: &axum::Router, host: &str) -> (StatusCode, String) {
    let response = router.clone().oneshot(get("/metrics", host)).await.expect("an answer");
    let status = response.status();
    if status != StatusCode::FORBIDDEN {
        let cached = response.headers().get(header::CACHE_CONTROL);
        assert_eq!(cached.map(|value| value.as_bytes()), Some(&b"no-store"[..]));
    }
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

/// What was asked shows, and each sample stands below what says what it is.
#[tokio::test]
async fn what_is_counted_is_told() {
    let limits = Limits {
        answer_cache: 1 << 20,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let router = super::super::router::router(Shared::new(context(&farm), CancellationToken::new(), 100));
    for query in ["{ items { id } }", "{ items { id } }", "{ npcs { id } }", "{ none }"] {
        let request = post(GRAPHQL, JSON, &json!({ "query": query }).to_string());
        router.clone().oneshot(request).await.expect("an answer");
    }
    let (status, told) = text(&router, "localhost").await;
    assert_eq!(status, StatusCode::OK);
    for sample in [
        "hayloft_answer_cache_hits_total 1",
        "hayloft_answer_cache_misses_total 2",
        "hayloft_answer_cache_evictions_total 0",
        "hayloft_answer_cache_shared_total 0",
        "hayloft_answer_cache_entries 2",
        "hayloft_plan_cache_hits_total 1",
        "hayloft_plan_cache_misses_total 3",
        "hayloft_http_requests_total{status=\"200\"} 3",
        "hayloft_http_requests_total{status=\"400\"} 1",
    ] {
        assert!(told.lines().any(|line| line == sample), "{sample}: {told}");
    }
    let mut family = "";
    for line in told.lines() {
        match line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            Some((name, kind)) => {
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family = name;
            }
            None if line.starts_with("# HELP ") => {}
            None => assert!(line.starts_with(family) && !family.is_empty(), "{line}"),
        }
    }
}

/// Not where it is off, and not to pages whose name was made to lead here.
#[tokio::test]
async fn not_everybody_is_told() {
    let farm = Farm::stocked(Limits::default()).await;
    for (metrics, host, want, part) in [
        (true, "localhost", StatusCode::OK, "hayloft_answer_cache_hits_total 0"),
        (true, "evil.example", StatusCode::FORBIDDEN, "--allow-host"),
        (false, "localhost", StatusCode::NOT_FOUND, "--metrics"),
    ] {
        let context = ServerContext {
            metrics,
            ..context(&farm)
        };
        let mut shared = Shared::new(context, CancellationToken::new(), 100);
        shared.is_loopback = true;
        let (status, told) = text(&super::super::router::router(shared), host).await;
        assert_eq!(status, want, "{told}");
        assert!(told.contains(part), "{told}");
        assert_eq!(told.contains("hayloft_http"), want == StatusCode::OK, "{told}");
    }
}
