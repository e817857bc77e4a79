//! Where pages end, and what says that they do not: sizes that the upstream does not keep to, pages
//! past the last, and gaps.

use std::sync::{Arc, Mutex};

use super::{
    safety::Farm,
    upstream::{Answer, Upstream},
};
use crate::store::{Reason, RunState};

/// The number in a path.
fn number(path: &str) -> usize {
    let (_, number) = path.split_once('=').expect("a parameter");
    number.parse().expect("a number")
}

fn page(ids: std::ops::Range<usize>, more: &str) -> Answer {
    let rows: Vec<String> = ids.map(|id| format!("{{\"id\":{id}}}")).collect();
    Answer::json(format!("{{\"rows\":[{}]{more}}}", rows.join(",")))
}

#[tokio::test]
async fn a_size_that_the_upstream_does_not_give() {
    // Rows in all, what the upstream gives at once, the size by definition, pages asked for, and
    // whether it is told.
    let cases = [
        (25, 10, 20, 3, true),
        (30, 10, 20, 4, true),
        (7, 10, 20, 2, false),
        (20, 10, 10, 3, false),
        (25, 10, 10, 3, false),
        (0, 10, 10, 1, false),
    ];
    for (all, most, size, pages, told) in cases {
        for path in ["/t?page={$page}", "/t?offset={$offset}"] {
            let upstream = Upstream::start(move |asked, _| {
                let number = number(&asked.path);
                let from = if asked.path.contains("page") {
                    (number - 1) * most
                } else {
                    number
                };
                page(from..(from + most).min(all).max(from), "")
            })
            .await;
            let farm = Farm::new(
                &upstream.url,
                &format!("GET: \"{path}\", pages: {{size: {size}}}, missing: DELETE"),
            )
            .await;
            let (summary, messages) = farm.run(Reason::Hand).await;
            let case = format!("{all} by {most} of {size}, {path}");
            assert_eq!(
                (summary.state, summary.new, summary.pages),
                (RunState::Complete, all as u64, pages),
                "{case}: {:?}",
                summary.error
            );
            assert_eq!(messages, summary.told.notes, "{case}");
            assert_eq!(summary.told.notes.len(), usize::from(told), "{case}: {messages:?}");
            if told {
                let want = "pages have 10 rows, not 20, which `size` says: the upstream gives no more at once";
                assert_eq!(summary.told.notes, [want]);
            }
        }
    }
}

#[tokio::test]
async fn a_page_past_the_last() {
    // The status there, `pages`, and whether the run is complete.
    let cases = [
        (404, "{end: [404]}", true),
        (400, "{end: [404, 400]}", true),
        (204, "{end: 204}", true),
        (404, "{end: [400]}", false),
        (404, "{max: 50}", false),
        (404, "{size: 2}", false),
        // By its size, the first page was the last: an answer that there is no other agrees.
        (404, "{size: 5}", true),
        (400, "{size: 5}", true),
        (500, "{size: 5}", false),
    ];
    for (status, pages, complete) in cases {
        let upstream = Upstream::start(move |asked, _| {
            let number = number(&asked.path);
            match pages.contains("size: 5") {
                true if number > 1 => Answer::status(status),
                true => page(0..3, ""),
                false if number > 3 => Answer::status(status),
                false => page(number * 2..number * 2 + 2, ""),
            }
        })
        .await;
        let fetch = format!("GET: \"/t?page={{$page}}\", pages: {pages}, missing: DELETE");
        let farm = Farm::new(&upstream.url, &fetch).await;
        let (summary, messages) = farm.run(Reason::Hand).await;
        let state = if complete { RunState::Complete } else { RunState::Failed };
        assert_eq!(summary.state, state, "{status} {pages}: {:?}", summary.error);
        assert!(messages.is_empty(), "{messages:?}");
        if status == 404 && !complete {
            let error = summary.error.expect("a reason");
            assert!(
                error.contains("answered 404") && error.ends_with("write `pages: {end: [404]}`"),
                "{error}"
            );
        }
    }
    // The first page is never past the last: that would be a wrong path.
    let upstream = Upstream::start(|_, _| Answer::status(404)).await;
    let farm = Farm::new(
        &upstream.url,
        "GET: \"/t?page={$page}\", pages: {end: [404]}, missing: DELETE",
    )
    .await;
    assert_eq!(farm.run(Reason::Hand).await.0.state, RunState::Failed);
}

/// Six pages of three rows; of page four, so many are there from the second run on.
async fn with_gap(page_of_gap: usize, rows: usize, more: &'static str) -> (Upstream, Arc<Mutex<bool>>) {
    let gap = Arc::new(Mutex::new(false));
    let open = Arc::clone(&gap);
    let upstream = Upstream::start(move |asked, _| {
        let number = number(&asked.path);
        let from = (number - 1) * 3;
        let short = number == page_of_gap && *open.lock().expect("gap");
        page(from..from + if short { rows } else { 3 }, more)
    })
    .await;
    (upstream, gap)
}

#[tokio::test]
async fn a_gap_before_the_last_page_deletes_nothing() {
    let last = "GET: \"/t?page={$page}\", pages: {last: \".last\"}, missing: DELETE";
    let both = "GET: \"/t?page={$page}\", pages: {last: \".last\", total: \".total\"}, missing: DELETE";
    // The page, its rows, the fetch, and what is told.
    let cases = [
        (
            4,
            0,
            last,
            Some("page 4 of 6 was empty, so rows may be missing; nothing is deleted"),
        ),
        (
            4,
            2,
            last,
            Some("page 4 of 6 had 2 rows where others had 3, so rows may be missing; nothing is deleted"),
        ),
        (
            1,
            1,
            last,
            Some("page 1 of 6 had 1 rows where others had 3, so rows may be missing; nothing is deleted"),
        ),
        (
            6,
            0,
            last,
            Some("page 6 of 6 was empty, so rows may be missing; nothing is deleted"),
        ),
        (6, 1, last, None),
        (4, 0, both, None),
    ];
    for (at, rows, fetch, told) in cases {
        let more = if fetch == both {
            ",\"last\":6,\"total\":18"
        } else {
            ",\"last\":6"
        };
        let (upstream, gap) = with_gap(at, rows, more).await;
        let farm = Farm::new(&upstream.url, fetch).await;
        let (first, messages) = farm.run(Reason::Hand).await;
        assert_eq!((first.new, first.told.doubt, messages.len()), (18, None, 0));
        *gap.lock().expect("gap") = true;
        let (summary, _) = farm.run(Reason::Hand).await;
        assert_eq!(summary.told.doubt.as_deref(), told, "{at} {rows}");
        let state = if fetch == both {
            RunState::Failed
        } else {
            RunState::Complete
        };
        assert_eq!(summary.state, state, "{:?}", summary.error);
        let gone = if at == 6 && rows == 1 { 2 } else { 0 };
        assert_eq!((summary.gone, farm.rows().await), (gone, 18 - gone), "{at} {rows}");
    }
}

#[tokio::test]
async fn short_pages_whose_sum_is_the_total_are_whole() {
    let (upstream, gap) = with_gap(4, 2, ",\"last\":6,\"total\":17").await;
    *gap.lock().expect("gap") = true;
    let fetch = "GET: \"/t?page={$page}\", pages: {last: \".last\", total: \".total\"}, missing: DELETE";
    let (summary, messages) = Farm::new(&upstream.url, fetch).await.run(Reason::Hand).await;
    assert_eq!((summary.state, summary.told.doubt), (RunState::Complete, None));
    assert!(messages.is_empty(), "{messages:?}");
}
