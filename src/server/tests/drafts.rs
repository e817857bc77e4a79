//! Statuses of the newest draft of GraphQL over HTTP, beside those that hold without the setting.

use super::*;

#[tokio::test]
async fn statuses_of_the_newest_draft() {
    let good = r#"{"query":"{ __typename }"}"#;
    let invalid = r#"{"query":"{ nope }"}"#;
    let large = r#"{"query":"{ items(where: {or: [{price: {gt: 1}}, {price: {lt: 1}}]}) { id } }"}"#;
    let unparsable = r#"{"query":"{"}"#;
    let coerced = r#"{"query":"query($n: Int!) { items(first: $n) { id } }","variables":{"n":"1"}}"#;
    let unnamed = r#"{"query":"query A { __typename } query B { __typename }"}"#;
    let unknown = r#"{"documentId":"nope"}"#;
    let subscription = r#"{"query":"subscription { items { id } }"}"#;
    // What is sent; by `application/json` and `application/graphql-response+json` as it is, and the
    // same with the draft.
    for (text, want) in [
        (good, [200, 200, 200, 200]),
        (large, [200, 200, 200, 200]),
        (invalid, [200, 400, 422, 422]),
        (coerced, [200, 400, 422, 422]),
        (unnamed, [200, 400, 422, 422]),
        (unparsable, [200, 400, 400, 400]),
        (unknown, [200, 400, 400, 400]),
        (subscription, [200, 400, 400, 400]),
        ("[]", [400, 400, 400, 400]),
        ("{}", [400, 400, 400, 400]),
    ] {
        let mut got = Vec::new();
        for draft in [false, true] {
            for accept in [JSON, GRAPHQL] {
                let response = send_by(post(accept, JSON, text), draft).await;
                got.push(response.status().as_u16());
            }
        }
        assert_eq!(got, want, "{text}");
    }
}

/// An operation that has begun and failed has `data: null`, which is a part of an answer.
#[tokio::test]
async fn what_has_begun_and_failed_is_a_partial_success() {
    let limits = Limits {
        request_timeout: Duration::ZERO,
        ..Limits::default()
    };
    for (draft, accept, want) in [(false, GRAPHQL, 200), (true, GRAPHQL, 294), (true, JSON, 200)] {
        let farm = Farm::stocked(limits.clone()).await;
        let context = ServerContext {
            http_draft: draft,
            ..context(&farm)
        };
        let router = crate::server::router::router(Shared::new(context, CancellationToken::new(), 100));
        let text = r#"{"query":"{ items { id } }"}"#;
        let response = router.oneshot(post(accept, JSON, text)).await.expect("an answer");
        assert_eq!(response.status(), want);
        let body = body(response).await;
        assert_eq!(body["data"], Value::Null);
        assert_eq!(body["errors"][0]["extensions"]["code"], "TIMEOUT", "{body}");
    }
}
