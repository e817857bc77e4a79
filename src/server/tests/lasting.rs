//! How long caches may take an answer for the present one: as long as is set, and no longer than
//! until a schedule has something of it harvested.

use axum::http::{StatusCode, header};

use super::*;
use crate::{server::unchanged, store::testing::On};

const TEXT: &str = "
    extend schema @source(name: \"s\", url: \"https://api.example.org\")
    type Shop @fetch(source: \"s\", GET: \"/shops\", every: \"24h\") {
        id: ID! name: String
        sales: [Sale!]! @inverse(field: \"shop\")
        sold: BigInt @rollup(of: \"sales\", fn: SUM, field: \"amount\")
    }
    type Sale @fetch(source: \"s\", GET: \"/sales\", every: \"2s\") { id: ID! shop: Shop amount: Int }
    type Note @fetch(source: \"s\", GET: \"/notes\") { id: ID! }
";

async fn told(farm: &Farm, max_age: Duration, query: &str) -> Vec<String> {
    let context = ServerContext {
        allowed_hosts: [].into(),
        allowed_origins: [].into(),
        max_age,
        ..context(farm)
    };
    let shared = Shared::new(context, CancellationToken::new(), 100);
    let router = crate::server::router::router(shared.clone());
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let request = |tag: Option<&str>| {
        let mut request = Request::get(format!("/graphql?query={query}")).header(header::HOST, "localhost");
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        request.body(Body::empty()).expect("a request")
    };
    let header = |response: &Response<Body>, name: header::HeaderName| {
        let value = response.headers().get(&name);
        value.map_or("", |value| value.to_str().expect("text")).to_owned()
    };
    let first = router.clone().oneshot(request(None)).await.expect("an answer");
    let tag = header(&first, header::ETAG);
    let same = router.clone().oneshot(request(Some(&tag))).await.expect("an answer");
    let mut told = vec![
        header(&first, header::CACHE_CONTROL),
        header(&same, header::CACHE_CONTROL),
    ];
    assert_eq!(same.status().is_redirection(), !tag.is_empty());
    if let Some(at_once) = unchanged::answer(&shared, &request(Some(&tag))) {
        assert_eq!(at_once.status(), StatusCode::NOT_MODIFIED);
        told.push(header(&at_once, header::CACHE_CONTROL));
    }
    told
}

#[tokio::test]
async fn caches_are_late_by_what_is_set_and_no_schedule_later() {
    let farm = Farm::defined_on(On::Sqlite, TEXT, Limits::default()).await;
    let minute = Duration::from_secs(60);
    for (max_age, query, least, most) in [
        (Duration::ZERO, "{ shops { name } }", 0, 0),
        // Nothing harvests notes by itself.
        (minute, "{ notes { id } }", 60, 60),
        // But for the last minute of the day.
        (minute, "{ shops { name } }", 0, 60),
        (minute, "{ sales { amount } }", 0, 2),
        (minute, "{ shops { name } notes { id } sales { id } }", 0, 2),
        // What is computed of sales is as new as these.
        (minute, "{ shops { sold } }", 0, 2),
    ] {
        let told = told(&farm, max_age, query).await;
        assert_eq!(told.len(), 3, "{query}: it is known at once: {told:?}");
        for told in told {
            let seconds = match told.strip_prefix("max-age=") {
                Some(rest) => {
                    let seconds = rest.strip_suffix(", must-revalidate").expect("what follows");
                    seconds.parse::<u64>().expect("a number")
                }
                None => {
                    assert_eq!(told, "no-cache", "{query}");
                    0
                }
            };
            assert!((least..=most).contains(&seconds), "{query}: {told}");
        }
    }
    let refused = told(&farm, minute, "{ nothing }").await;
    assert_eq!(refused, ["no-store", "no-store"]);
    // The time until the next slot, and not that which is set.
    let catalog = crate::catalog::testing::catalog(TEXT);
    let sale = catalog.entity_named("Sale").expect("a type");
    let now = "2026-11-21T10:00:00.500Z".parse().expect("an instant");
    let next = catalog.next_harvest(sale, now).expect("a slot");
    assert_eq!(next.to_rfc3339(), "2026-11-21T10:00:02+00:00");
}
