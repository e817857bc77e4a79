//! What is remembered of a page, and what its answer's headers say anew: links, cursors that are
//! gone, validators.

use std::sync::{Arc, Mutex};

use super::{
    safety::Farm,
    upstream::{Answer, Asked, Upstream},
};
use crate::store::{Reason, RunState};

const LINKS: &str = "GET: \"/t\", pages: {link: true}, missing: DELETE";

/// How the upstream answers a page that is as it was.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Again {
    Body,
    /// 304 with the links that the body would come with.
    Linked,
    /// 304 without any.
    Bare,
}

/// A list of pages of two, whose bodies and tags say nothing of the other pages.
async fn list(again: Again) -> (Upstream, Arc<Mutex<usize>>) {
    let count = Arc::new(Mutex::new(2));
    let known = Arc::clone(&count);
    let upstream = Upstream::start(move |asked, _| {
        let count = *known.lock().expect("count");
        let number = asked
            .path
            .split_once('=')
            .map_or(1, |(_, number)| number.parse().expect("a number"));
        let from = (number - 1) * 2;
        if from >= count && number > 1 {
            return Answer::status(404);
        }
        let rows: Vec<String> = (from..(from + 2).min(count))
            .map(|id| format!("{{\"id\":{id}}}"))
            .collect();
        let tag = format!("\"{}\"", rows.join(""));
        let tag = tag.replace(['{', '}', ':'], "").replace("\"id\"", "i");
        let same = again != Again::Body && asked.head.contains(&format!("if-none-match: {tag}"));
        let mut answer = match same {
            true => Answer::status(304),
            false => Answer::json(format!("{{\"rows\":[{}]}}", rows.join(","))),
        };
        if again != Again::Body {
            answer = answer.header("etag", tag);
        }
        match from + 2 < count && (again != Again::Bare || !same) {
            true => answer.header("link", format!("</t?page={}>; rel=\"next\"", number + 1)),
            false => answer,
        }
    })
    .await;
    (upstream, count)
}

#[tokio::test]
async fn links_come_and_go_beside_equal_pages() {
    for again in [Again::Body, Again::Linked, Again::Bare] {
        let (upstream, count) = list(again).await;
        let farm = Farm::new(&upstream.url, LINKS).await;
        for rows in [2, 3, 6, 6, 2, 2, 4] {
            *count.lock().expect("count") = rows;
            let (summary, messages) = farm.run(Reason::Hand).await;
            assert_eq!(
                summary.state,
                RunState::Complete,
                "{again:?} {rows}: {:?}",
                summary.error
            );
            assert!(messages.is_empty(), "{again:?} {rows}: {messages:?}");
            assert_eq!(farm.rows().await, rows as u64, "{again:?} {rows}");
        }
    }
}

/// Pages whose cursors are good for one version of the list only; the first page has a tag of its
/// own.
async fn cursors() -> (Upstream, Arc<Mutex<u32>>) {
    let version = Arc::new(Mutex::new(1));
    let known = Arc::clone(&version);
    let script = move |asked: &Asked, _| {
        let version = *known.lock().expect("version");
        let (_, cursor) = asked.path.split_once('=').expect("a cursor");
        if cursor.is_empty() && asked.head.contains("if-none-match: \"first\"") {
            return Answer::status(304);
        }
        if cursor.is_empty() {
            let body = format!("{{\"rows\":[{{\"id\":1}}],\"next\":\"v{version}\"}}");
            return Answer::json(body).header("etag", "\"first\"");
        }
        match cursor == format!("v{version}") && version < 9 {
            true => Answer::json(format!("{{\"rows\":[{{\"id\":2}},{{\"id\":{}}}]}}", 10 + version)),
            false => Answer::status(410),
        }
    };
    (Upstream::start(script).await, version)
}

#[tokio::test]
async fn a_cursor_that_is_gone_has_its_page_read_anew() {
    let (upstream, version) = cursors().await;
    let fetch = "GET: \"/t?after={$cursor}\", pages: {next: \".next\"}, missing: DELETE";
    let farm = Farm::new(&upstream.url, fetch).await;
    farm.run(Reason::Hand).await;
    upstream.asked.lock().expect("log").clear();
    farm.run(Reason::Hand).await;
    assert_eq!(
        upstream.paths(),
        ["/t?after=", "/t?after=v1"],
        "what is good is not asked twice"
    );
    for number in [2, 3] {
        *version.lock().expect("version") = number;
        upstream.asked.lock().expect("log").clear();
        let (summary, messages) = farm.run(Reason::Hand).await;
        assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
        assert!(messages.is_empty(), "{messages:?}");
        assert_eq!((summary.new, summary.gone, farm.rows().await), (1, 1, 3));
        let old = format!("/t?after=v{}", number - 1);
        let new = format!("/t?after=v{number}");
        assert_eq!(upstream.paths(), ["/t?after=", &old, "/t?after=", &new]);
    }
    // The page leads to where there is nothing, also when it is read anew.
    *version.lock().expect("version") = 9;
    for _ in 0..2 {
        let (summary, _) = farm.run(Reason::Hand).await;
        assert_eq!((summary.state, farm.rows().await), (RunState::Failed, 3));
        assert!(summary.error.is_some_and(|error| error.contains("answered 410")));
    }
}

#[tokio::test]
async fn a_young_time_is_not_asked_with() {
    for (age, asked) in [(0, false), (3, false), (3_600, true)] {
        let modified = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        let modified = httpdate::fmt_http_date(modified);
        let upstream = Upstream::start(move |_, _| {
            Answer::json("{\"rows\":[{\"id\":1}]}").header("last-modified", modified.clone())
        })
        .await;
        let farm = Farm::new(&upstream.url, "GET: \"/t\", missing: DELETE").await;
        farm.run(Reason::Hand).await;
        farm.run(Reason::Hand).await;
        let log = upstream.asked.lock().expect("log");
        assert_eq!(log[1].head.contains("if-modified-since"), asked, "{age}");
    }
}

/// Nobody sees a part of what a small source changed: not the pages before an unchanged one, nor
/// what is gone beside what came.
#[tokio::test]
async fn a_small_harvest_is_one_commit() {
    let pages = Arc::new(Mutex::new([vec![1, 2], vec![3, 4], vec![5, 6]]));
    let known = Arc::clone(&pages);
    let upstream = Upstream::start(move |asked, _| {
        let number = asked.path.split_once('=').map_or("1", |(_, number)| number);
        let number: usize = number.parse().expect("a number");
        let ids = known.lock().expect("pages")[number - 1].clone();
        let tag = format!("\"{ids:?}\"");
        if asked.head.contains(&format!("if-none-match: {tag}")) {
            return Answer::status(304);
        }
        let rows: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
        Answer::json(format!("{{\"rows\":[{}],\"last\":3}}", rows.join(","))).header("etag", tag)
    })
    .await;
    let fetch = "GET: \"/t?page={$page}\", pages: {last: \".last\"}, missing: DELETE";
    let farm = Farm::new(&upstream.url, fetch).await;
    assert_eq!((farm.commits().await, farm.rows().await), (1, 6));
    // The first and the last page change, and one row is gone.
    *pages.lock().expect("pages") = [vec![1, 7], vec![3, 4], vec![8, 9]];
    assert_eq!((farm.commits().await, farm.rows().await), (1, 6));
    assert_eq!((farm.commits().await, farm.rows().await), (0, 6));
}
