//! What requests weigh before they are looked at.

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
