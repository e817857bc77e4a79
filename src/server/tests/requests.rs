//! What requests weigh before they are looked at, and what is said of those that fail.

use super::*;

/// Values in an address are as heavy as those in a body.
#[tokio::test]
async fn values_of_a_get_request_count() {
    let limits = Limits {
        received_bytes: 1_000_000,
        ..Limits::default()
    };
    let Running { address, shutdown, .. } = &start_with(Bounds::of_process(), limits).await;
    for name in ["variables", "extensions"] {
        for (values, want) in [(10, 200), (1_000, 200), (15_000, 503)] {
            let json = format!("{{%22x%22:[{}0]}}", "{},".repeat(values));
            let path = format!("/graphql?query=%7B__typename%7D&{name}={json}");
            let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let answer = rest_of(said(address, &text).await).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {want}")),
                "{values} {name}: {answer}"
            );
        }
    }
    shutdown.cancel();
}

#[tokio::test]
async fn errors_follow_the_specification() {
    let response = send(post(GRAPHQL, JSON, r#"{"query":"{\n  items { nope } }"}"#)).await;
    let error = &body(response).await["errors"][0];
    assert_eq!(error["message"], "type `Item` does not have a field `nope`");
    assert_eq!(error["locations"], json!([{ "line": 2, "column": 11 }]));
    assert_eq!(error["extensions"], json!({ "code": "GRAPHQL_VALIDATION_FAILED" }));
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let text = format!(
        "{{\"query\":\"{{ __typename }}\",\"variables\":{{\"x\":\"{}\"}}}}",
        "x".repeat(1 << 20)
    );
    assert_eq!(send(post(JSON, JSON, &text)).await.status(), 413);
    let text = format!("{{\"query\":\"{{ __typename {} }}\"}}", "#".repeat(40_000));
    let response = send(post(GRAPHQL, JSON, &text)).await;
    assert_eq!(response.status(), 400);
    let message = body(response).await["errors"][0]["message"].to_string();
    assert!(message.contains("query_bytes"), "{message}");
}
