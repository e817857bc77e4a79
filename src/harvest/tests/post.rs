//! Requests by POST: what is sent, from page to page; what is remembered of answers; what redirects
//! and errors of GraphQL mean.

use super::{
    safety::Farm,
    upstream::{Answer, Upstream},
};
use crate::store::{Reason, RunState};

/// Five rows, two a page, by the number in `page`, `offset` or `after`.
async fn upstream() -> Upstream {
    Upstream::start(|asked, _| {
        let body: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
        let number = |name: &str| body.pointer(name).and_then(serde_json::Value::as_u64);
        let after = body.pointer("/variables/after").and_then(serde_json::Value::as_str);
        let from = match (number("/page"), number("/offset"), after) {
            (Some(page), ..) => (page - 1) * 2,
            (_, Some(offset), _) => offset,
            (.., Some(after)) => after.parse().expect("a number"),
            _ => 0,
        };
        let rows: Vec<String> = (from..(from + 2).min(5)).map(|id| format!("{{\"id\":{id}}}")).collect();
        let next = if from + 2 < 5 {
            format!("\"{}\"", from + 2)
        } else {
            "null".to_owned()
        };
        Answer::json(format!("{{\"rows\":[{}],\"next\":{next}}}", rows.join(","))).header("etag", format!("\"{from}\""))
    })
    .await
}

async fn farm(upstream: &Upstream, fetch: &str) -> Farm {
    Farm::new(&upstream.url, &format!("missing: DELETE, POST: \"/search\", {fetch}")).await
}

#[tokio::test]
async fn pages_are_asked_for_in_the_body() {
    for (fetch, bodies) in [
        (
            r#"body: {page: "{$page}", kind: "all", list: [1, null, true]}, pages: {size: 2}"#,
            [
                r#"{"page":1,"kind":"all","list":[1,null,true]}"#,
                r#"{"page":2,"kind":"all","list":[1,null,true]}"#,
                r#"{"page":3,"kind":"all","list":[1,null,true]}"#,
            ],
        ),
        (
            r#"body: {offset: "{$offset}", text: "from {$offset}"}, pages: {size: 2}"#,
            [
                r#"{"offset":0,"text":"from 0"}"#,
                r#"{"offset":2,"text":"from 2"}"#,
                r#"{"offset":4,"text":"from 4"}"#,
            ],
        ),
        (
            r#"body: {query: "query($after: ID) {rows(after: $after) { id }}", variables: {after: "{$cursor}"}}, pages: {next: ".next"}"#,
            [
                r#"{"query":"query($after: ID) {rows(after: $after) { id }}","variables":{"after":null}}"#,
                r#"{"query":"query($after: ID) {rows(after: $after) { id }}","variables":{"after":"2"}}"#,
                r#"{"query":"query($after: ID) {rows(after: $after) { id }}","variables":{"after":"4"}}"#,
            ],
        ),
    ] {
        let upstream = upstream().await;
        let farm = farm(&upstream, fetch).await;
        let (first, messages) = farm.run(Reason::Hand).await;
        assert_eq!(
            (first.state, first.new),
            (RunState::Complete, 5),
            "{fetch}: {:?}",
            first.error
        );
        assert!(messages.is_empty(), "{fetch}: {messages:?}");
        assert_eq!(upstream.bodies(), bodies, "{fetch}");
        let asked = upstream.asked.lock().expect("log")[0].clone();
        assert!(asked.head.starts_with("post /search"), "{}", asked.head);
        assert_eq!(asked.header("content-type"), Some("application/json"));
        // What is remembered of one page is not taken for another one of the same address.
        upstream.asked.lock().expect("log").clear();
        let (second, _) = farm.run(Reason::Hand).await;
        assert_eq!(
            (second.state, second.same, second.gone),
            (RunState::Complete, 5, 0),
            "{fetch}"
        );
        assert_eq!(upstream.bodies(), bodies, "{fetch}");
        // A condition would mean that a POST is not to be done.
        let asked = upstream.asked.lock().expect("log")[0].clone();
        assert_eq!(asked.header("if-none-match"), None);
    }
}

#[tokio::test]
async fn a_body_says_what_it_was_filled_in_with() {
    let upstream = Upstream::start(|asked, _| match asked.body.contains(":1") {
        true => Answer::json(r#"{"rows":[{"id":1}]}"#),
        false => Answer::json(r#"{"message":"no such page"}"#).called(422),
    })
    .await;
    let farm = farm(&upstream, r#"body: {page: "{$page}"}"#).await;
    let (summary, _) = farm.run(Reason::Hand).await;
    let error = summary.error.unwrap_or_default();
    assert!(
        error.contains("/search ($page = 2): answered 422 and said") && error.contains("no such page"),
        "{error}"
    );
}

const QUERY: &str = r#"body: {query: "{ rows { id } }"}"#;

#[tokio::test]
async fn errors_of_graphql_are_faults_whatever_the_status() {
    for (answer, want) in [
        (
            r#"{"data":null,"errors":[{"message":"no\nfield `rows`"},{"message":"b"},{"oops":1},{"message":"d"}]}"#,
            "answered with errors: `no field `rows`; b; {\"oops\":1}; and 1 more`",
        ),
        (
            r#"{"rows":[{"id":1}],"errors":[{"message":"half of it"}]}"#,
            "`half of it`",
        ),
    ] {
        let upstream = Upstream::start(move |_, count| match count {
            0 => Answer::json(r#"{"rows":[{"id":1},{"id":2}],"errors":[]}"#),
            _ => Answer::json(answer),
        })
        .await;
        let farm = farm(&upstream, QUERY).await;
        assert_eq!(farm.run(Reason::Hand).await.0.state, RunState::Complete);
        let (summary, _) = farm.run(Reason::Hand).await;
        let error = summary.error.unwrap_or_default();
        assert!(summary.state == RunState::Failed && error.contains(want), "{error}");
        assert_eq!((summary.gone, farm.rows().await), (0, 2));
        // Who sends no query may call a list of his own so.
        let plain = Farm::new(&upstream.url, r#"missing: DELETE, POST: "/", body: {query: "shoes"}"#).await;
        let (summary, _) = plain.run(Reason::Hand).await;
        let error = summary.error.unwrap_or_default();
        assert!(!error.contains("answered with errors"), "{error}");
    }
}

#[tokio::test]
async fn redirects_keep_the_body_or_are_refused() {
    for status in [307, 308] {
        let upstream = Upstream::start(move |asked, _| match asked.path.as_str() {
            "/search" => Answer::status(status).header("location", "/there"),
            _ => Answer::json(r#"{"rows":[{"id":1}]}"#),
        })
        .await;
        let (summary, _) = farm(&upstream, QUERY).await.run(Reason::Hand).await;
        assert_eq!(summary.new, 1, "{status}: {:?}", summary.error);
        assert!(
            upstream
                .bodies()
                .iter()
                .all(|body| body == r#"{"query":"{ rows { id } }"}"#)
        );
    }
    for status in [301, 302, 303] {
        let upstream = Upstream::start(move |_, _| Answer::status(status).header("location", "/there?key=1")).await;
        let (summary, _) = farm(&upstream, QUERY).await.run(Reason::Hand).await;
        let error = summary.error.unwrap_or_default();
        let want = format!(
            "answered {status} with the address {}/there, where a POST",
            upstream.url
        );
        assert!(error.contains(&want), "{error}");
        assert_eq!(upstream.bodies().len(), 1);
    }
}

#[tokio::test]
async fn what_comes_from_the_environment_is_not_named() {
    let upstream = Upstream::start(|asked, _| Answer::json(format!("echo {}", asked.body)).called(400)).await;
    let farm = farm(&upstream, r#"body: {apiKey: "{$env.UP}", page: "{$page}"}"#).await;
    let (summary, _) = farm.run(Reason::Hand).await;
    let error = summary.error.unwrap_or_default();
    assert!(error.contains("/search ($page = 1): answered 400"), "{error}");
}
