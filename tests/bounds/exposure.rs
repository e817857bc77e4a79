//! What an address shows to whom: host names, origins, introspection, the page, the word of a proxy.

use reqwest::StatusCode;
use serde_json::json;

use super::{EMPTY, bystander, serve};
use crate::harness::{Program, Scratch, Socket};

const ASKED: &str = "/graphql?query=%7B__typename%7D";

async fn status(program: &Program, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let mut request = program.client().get(format!("{}{path}", program.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    (response.status(), response.text().await.expect("a body"))
}

#[tokio::test]
async fn host_names_are_checked_beyond_loopback_too() {
    let scratch = Scratch::new(EMPTY);
    let arguments = ["serve", "--listen", "0.0.0.0:0", "--allow-host", "data.example"];
    let program = Program::start(&scratch.path(""), &arguments, &[]).await;
    for (host, origin, want) in [
        ("data.example", "", 200),
        ("127.0.0.1", "", 200),
        ("192.0.2.7:4000", "", 200),
        ("localhost:4000", "", 200),
        // A page whose name was made to lead here is of the same origin as we are.
        ("evil.example", "", 403),
        ("evil.example", "http://evil.example", 403),
        ("data.example", "http://data.example", 200),
        ("data.example", "http://evil.example", 403),
    ] {
        let mut headers = vec![("host", host)];
        if !origin.is_empty() {
            headers.push(("origin", origin));
        }
        let (got, body) = status(&program, ASKED, &headers).await;
        assert_eq!(got, want, "{host} {origin} {body}");
        if want == 403 {
            assert!(body.contains("--allow-"), "{body}");
        }
        let opened = Socket::handshake(&format!("{}/graphql", program.url), &headers).await;
        let want = if want == 200 { 101 } else { want };
        assert_eq!(
            opened.map_or_else(|status| status, |_| 101),
            want,
            "a socket to {host} {origin}"
        );
    }
    let log = program.log();
    for open in [
        "all rows",
        "the schema (--no-introspection",
        "GraphiQL (--no-graphiql",
        "/healthz",
    ] {
        assert!(log.contains(open), "{open}: {log}");
    }
    bystander(&program).await;
}

#[tokio::test]
async fn the_schema_and_the_page_can_be_kept_back() {
    let settings = [("HAYLOFT_NO_INTROSPECTION", "true"), ("HAYLOFT_NO_GRAPHIQL", "yes")];
    let (_scratch, program) = serve(&settings).await;
    for query in [
        "{ __schema { queryType { name } } }",
        "{ __type(name: \"Note\") { name } }",
        "{ ... on Query { a: __schema { description } } }",
        "query($x: Boolean!) { __schema @include(if: $x) { description } }",
    ] {
        let answer = program.post(query, json!({ "x": false })).await;
        let message = answer["errors"][0]["message"].to_string();
        assert!(message.contains("--no-introspection"), "{query}: {answer}");
    }
    for query in [
        "{ note }",
        "{ nots { id } }",
        "{ notes { ids } }",
        "{ notes(frist: 1) { id } }",
        "{ notes { ...F } } fragment F on Nte { id }",
        "{ notes(where: {iid: {eq: \"1\"}}) { id } }",
    ] {
        let answer = program.post(query, json!({})).await;
        assert!(answer.get("errors").is_some(), "{query}: {answer}");
        assert!(!answer.to_string().contains("did you mean"), "{query}: {answer}");
    }
    let variable = "query($w: NoteWhere) { notes(where: $w) { id } }";
    let answer = program.post(variable, json!({ "w": { "iid": { "eq": "1" } } })).await;
    assert!(
        answer.get("errors").is_some() && !answer.to_string().contains("did you mean"),
        "{answer}"
    );
    assert_eq!(program.query("{ __typename }").await, json!({ "__typename": "Query" }));
    for (path, want) in [("/", 404), ("/index.html", 404), ("/healthz", 200), ("/readyz", 200)] {
        let (got, _) = status(&program, path, &[("accept", "text/html")]).await;
        assert_eq!(got, want, "{path}");
    }
    bystander(&program).await;
}

/// Clients behind one proxy have shares of their own when its word is taken, and one together when it is not.
#[tokio::test]
async fn a_proxys_word_is_taken_when_it_is_trusted() {
    for trusted in [true, false] {
        let proxies = if trusted { "private" } else { "192.0.2.0/24" };
        let settings = [("HAYLOFT_TRUST_PROXY", proxies), ("HAYLOFT_LIMITS", "sockets=10")];
        let (_scratch, program) = serve(&settings).await;
        let url = format!("{}/graphql", program.url);
        let mut open = Vec::new();
        let refused = loop {
            // What the client wrote itself stands before what the proxy wrote.
            let forged = format!("for=203.0.113.{}, for=198.51.100.1", open.len());
            match Socket::handshake(&url, &[("forwarded", &forged)]).await {
                Ok(socket) => open.push(socket),
                Err(status) => break status,
            }
            assert!(open.len() < 10, "one client has them all");
        };
        assert_eq!((refused, open.len()), (503, 8));
        let other = [("x-forwarded-for", "203.0.113.1, 198.51.100.2")];
        let other = Socket::handshake(&url, &other).await.map(|_| ()).err();
        assert_eq!(other, (!trusted).then_some(503), "trusted: {trusted}");
        bystander(&program).await;
    }
}
