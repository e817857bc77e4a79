//! Rows that are asked about by a body.

use super::Bench;
use crate::harvest::tests::upstream::Answer;

const FIELD: &str = r#"recipes: [Recipe!]! @fetch(source: "farm", POST: "/recipes", rows: ".[]"
    body: {item: "{$this.id}", name: "{$this.name}", both: "{$this.id | [., $this.name]}"})"#;

#[tokio::test]
async fn the_body_names_the_row() {
    let bench = Bench::with(FIELD).await;
    bench.items(&[("1", "one"), ("2", "two")]);
    bench.answers("/recipes", Answer::json(r#"[{"id":"7"}]"#));
    let (report, asked) = bench.round().await;
    assert_eq!(asked, ["/recipes", "/recipes"], "{:?}", report.summary);
    let mut bodies = bench.upstream.bodies();
    bodies.sort();
    assert_eq!(
        bodies,
        [
            r#"{"item":"1","name":"one","both":["1","one"]}"#,
            r#"{"item":"2","name":"two","both":["2","two"]}"#
        ]
    );
    // Only what changed is asked about, and it is another request than before.
    bench.items(&[("1", "uno"), ("2", "two")]);
    let (_, asked) = bench.round().await;
    assert_eq!(asked.len(), 1);
    assert_eq!(
        bench.upstream.bodies()[0],
        r#"{"item":"1","name":"uno","both":["1","uno"]}"#
    );
}

#[tokio::test]
async fn a_row_without_the_value_is_not_asked_about() {
    let bench = Bench::with(FIELD).await;
    bench.items(&[("1", "one")]);
    let nameless = Answer::json(r#"[{"id":"1"},{"id":"2","name":"two"}]"#);
    bench.answers("/items", nameless);
    bench.answers("/recipes", Answer::json(r#"[{"id":"7"}]"#));
    let (report, asked) = bench.round().await;
    assert_eq!(asked.len(), 1, "{:?}", report.summary);
    assert_eq!(report.requests.map(|counts| counts.failed), Some(0));
}
