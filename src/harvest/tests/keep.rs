//! Records that are chosen among those of a page: paging counts all of them, and what is left out
//! is told.

use std::sync::{Arc, Mutex};

use super::{
    safety::Farm,
    upstream::{Answer, Upstream},
};
use crate::store::{Reason, RunState};

/// Twelve records; of the second page of four, and of the second record, `on` is false. Tests may
/// change which.
async fn upstream() -> (Upstream, Arc<Mutex<Vec<bool>>>) {
    let on: Vec<bool> = (1..=12).map(|id| !matches!(id, 2 | 5..=8)).collect();
    let on = Arc::new(Mutex::new(on));
    let known = Arc::clone(&on);
    let upstream = Upstream::start(move |asked, _| {
        let (_, from) = asked.path.split_once('=').expect("a parameter");
        let from: usize = from.parse().expect("a number");
        let from = if asked.path.contains("page") {
            (from - 1) * 4
        } else {
            from
        };
        let on = known.lock().expect("on");
        let record = |at: usize| format!("{{\"id\":{},\"on\":{}}}", at + 1, on[at]);
        let rows: Vec<String> = (from..(from + 4).min(12)).map(record).collect();
        Answer::json(format!("{{\"rows\":[{}],\"total\":12,\"last\":3}}", rows.join(",")))
    })
    .await;
    (upstream, on)
}

const WAYS: [&str; 6] = [
    "GET: \"/t?page={$page}\", pages: {size: 4}",
    "GET: \"/t?page={$page}\"",
    "GET: \"/t?page={$page}\", pages: {last: \".last\"}",
    "GET: \"/t?page={$page}\", pages: {total: \".total\"}",
    "GET: \"/t?offset={$offset}\"",
    "GET: \"/t?offset={$offset}\", pages: {total: \".total\"}",
];

#[tokio::test]
async fn paging_counts_what_the_upstream_sent() {
    for way in WAYS {
        for rows in [
            "rows: \".rows[]\", keep: \".on\"",
            "rows: \".rows[] | select(.on)\"",
            "rows: \".rows[] | select(.on or false) | objects\", keep: \".id, .on\"",
        ] {
            let (upstream, _) = upstream().await;
            let farm = Farm::of(&upstream.url, rows, &format!("{way}, missing: DELETE")).await;
            let (first, messages) = farm.run(Reason::Hand).await;
            assert_eq!(
                (first.state, first.new, first.left_out),
                (RunState::Complete, 7, 5),
                "{way} {rows}: {:?}",
                first.error
            );
            assert!(messages.is_empty() && first.told.doubt.is_none(), "{way}: {messages:?}");
            // Pages with the same bytes say again how many they leave out.
            let (second, _) = farm.run(Reason::Hand).await;
            assert_eq!((second.same, second.left_out, second.gone), (7, 5, 0), "{way} {rows}");
        }
    }
}

#[tokio::test]
async fn a_record_that_is_kept_no_more_is_absent() {
    let (upstream, on) = upstream().await;
    let fetch = format!("{}, missing: DELETE", WAYS[1]);
    let farm = Farm::of(&upstream.url, "rows: \".rows[]\", keep: \".on\"", &fetch).await;
    farm.run(Reason::Hand).await;
    on.lock().expect("on")[0] = false;
    on.lock().expect("on")[6] = true;
    let (summary, _) = farm.run(Reason::Hand).await;
    assert_eq!((summary.new, summary.gone, summary.left_out), (1, 1, 5));
    assert_eq!(farm.rows().await, 7);
}

#[tokio::test]
async fn a_condition_that_fails_refuses_its_record_alone() {
    let upstream = Upstream::start(|_, count| {
        let on = if count == 0 { "true" } else { "\"x\"" };
        Answer::json(format!(
            "{{\"rows\":[{{\"id\":1,\"on\":{{\"it\":true}}}},{{\"id\":2,\"on\":{{\"it\":{on}}}}},{{\"id\":3,\"on\":{}}}]}}",
            if count == 0 { "null" } else { "7" }
        ))
    })
    .await;
    let fetch = "GET: \"/t\", missing: DELETE";
    let farm = Farm::of(&upstream.url, "rows: \".rows[]\", keep: \".on.it\"", fetch).await;
    let (first, _) = farm.run(Reason::Hand).await;
    assert_eq!((first.new, first.left_out, first.refused), (2, 1, 0));
    let (second, _) = farm.run(Reason::Hand).await;
    assert_eq!(
        (second.state, second.same, second.refused, second.left_out),
        (RunState::Complete, 2, 1, 0)
    );
    let refused = farm.refused().await;
    assert_eq!(refused[0].key.as_deref(), Some("3"));
    assert!(refused[0].reason.starts_with("keep: jq `.on.it`: "), "{refused:?}");
}

#[tokio::test]
async fn lines_are_chosen_among_too() {
    let lines = "{\"id\":1,\"on\":true}\n{\"id\":2,\"on\":false}\n\n{\"id\":3,\"on\":true}";
    let upstream = Upstream::start(move |asked, _| match asked.path.ends_with("=1") {
        true => Answer::json(lines),
        false => Answer::json(""),
    })
    .await;
    let fetch = "GET: \"/t?page={$page}\", pages: {size: 3}, format: NDJSON";
    for rows in ["keep: \".on\"", "rows: \"select(.on)\""] {
        let farm = Farm::of(&upstream.url, rows, &format!("{fetch}, missing: DELETE")).await;
        let (summary, _) = farm.run(Reason::Hand).await;
        assert_eq!(
            (summary.state, summary.new, summary.left_out, summary.pages),
            (RunState::Complete, 2, 1, 2),
            "{:?}",
            summary.error
        );
    }
}
