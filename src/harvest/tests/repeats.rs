//! One key several times in one run: parts of one row, copies that are told, and where none may be.

use std::sync::Arc;

use super::{
    catalogs::{jq, paging, things},
    harvester,
    memory::Memory,
    run,
    safety::Farm,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, Repeats},
    store::{Reason, RunState},
    value::Value,
};

/// Two pages, the first of which names the second.
async fn two(first: &'static str, second: &'static str) -> Upstream {
    Upstream::start(move |asked, _| {
        let (rows, next) = match asked.path.as_str() {
            "/t?c=" => (first, "\"2\""),
            _ => (second, "null"),
        };
        Answer::json(format!("{{\"rows\":[{rows}],\"next\":{next}}}")).header("etag", "\"v1\"")
    })
    .await
}

const PAGED: &str = "GET: \"/t?c={$cursor}\", pages: {next: \".next\"}";

#[tokio::test]
async fn parts_of_one_row_are_put_together() {
    let upstream = two(
        r#"{"id":1,"name":"Ann","more":[1]}, {"id":2}, {"id":3,"name":"Cid"}, {"name":"nobody"}"#,
        r#"{"id":1}, {"id":2,"name":"Bob"}, {"id":3,"name":null}, {"id":"1","more":[2]}"#,
    )
    .await;
    let mut catalog = things(
        &upstream.url,
        "/t?c={$cursor}",
        ".rows[]",
        paging(Advance::Cursor(jq(".next"))),
    );
    catalog.fetches[0].repeats = Repeats::Merge;
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(catalog, &ledger, "".into());
    for counts in [(3, 0), (0, 3)] {
        let summary = run(&harvester).await.summary;
        assert_eq!(
            (summary.state, summary.pages, summary.repeated),
            (RunState::Complete, 2, 4),
            "{:?}",
            summary.error
        );
        assert_eq!((summary.new, summary.same, summary.changed), (counts.0, counts.1, 0));
        assert_eq!(summary.refused, 1, "without a key it is a part of nothing");
    }
    let state = ledger.state();
    let names: Vec<&Value> = state.rows.values().map(|row| &row.values[1]).collect();
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(names, [&text("Ann"), &text("Bob"), &Value::Null]);
    assert_eq!(
        (state.requests.len(), &state.checkpoint),
        (0, &None),
        "such a run is always read whole"
    );
}

#[tokio::test]
async fn the_last_one_counts_and_the_others_are_told() {
    let upstream = two(r#"{"id":1,"name":"a"}, {"id":2}, {"id":1,"name":"b"}"#, r#"{"id":3}"#).await;
    let farm = Farm::new(&upstream.url, &format!("{PAGED}, missing: DELETE")).await;
    let (run, messages) = farm.run(Reason::Hand).await;
    assert_eq!((run.state, run.new, run.repeated), (RunState::Complete, 3, 1));
    let told = "1 record has a key that came before in the same run; the last of each counts (`repeats: LAST`; `MERGE` puts parts of a row together)";
    assert_eq!((messages, run.told.doubt), (vec![told.to_owned()], None));
}

#[tokio::test]
async fn a_key_on_two_pages_is_a_sign_of_pages_that_shifted() {
    let upstream = two(r#"{"id":1}, {"id":2}"#, r#"{"id":2}, {"id":4}"#).await;
    let farm = Farm::new(&upstream.url, &format!("{PAGED}, missing: DELETE")).await;
    let (run, messages) = farm.run(Reason::Hand).await;
    assert_eq!((run.state, run.repeated), (RunState::Complete, 1));
    let told = "pages shifted while being read, so rows may be missing; nothing is deleted, the next run judges";
    assert!(messages.iter().any(|message| message == told), "{messages:?}");
}

#[tokio::test]
async fn where_a_key_may_come_once_the_run_fails() {
    let upstream = two(r#"{"id":1}, {"id":2}"#, r#"{"id":2}, {"id":4}"#).await;
    let farm = Farm::new(&upstream.url, &format!("{PAGED}, repeats: FAIL, missing: DELETE")).await;
    let (run, _) = farm.run(Reason::Hand).await;
    let error = run.error.unwrap_or_default();
    assert_eq!(run.state, RunState::Failed);
    assert!(error.contains("the key \"2\" came more than once"), "{error}");
    assert_eq!(farm.rows().await, 2);
}
