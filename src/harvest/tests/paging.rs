//! Every kind of paging, conditional requests, files, resuming and cancelling.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    super::limits::GROUP_ROWS,
    catalogs::{jq, paging, things},
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, FetchId, Missing, Paging},
    harvest::Silent,
    store::{Reason, RunState},
    value::Key,
};

/// A page of rows, numbered, with what the upstream says of the others.
fn rows(ids: std::ops::Range<u32>, more: &str) -> String {
    let rows: Vec<String> = ids.map(|id| format!("{{\"id\":{id},\"name\":\"n{id}\"}}")).collect();
    format!("{{\"rows\":[{}]{more}}}", rows.join(","))
}

fn with_last() -> Paging {
    Paging {
        last: Some(jq(".last")),
        ..paging(Advance::Page)
    }
}

fn number(path: &str) -> u32 {
    let (_, number) = path.split_once('=').expect("a parameter");
    number.parse().expect("a number")
}

/// Harvests all, and gives the paths that were asked for.
async fn check(path: &str, paging: Paging, script: fn(&str) -> Answer, count: usize) -> Vec<String> {
    let upstream = Upstream::start(move |asked, _| script(&asked.path)).await;
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(things(&upstream.url, path, ".rows[]", paging), &ledger, "".into());
    let report = run(&harvester).await;
    assert_eq!(report.summary.state, RunState::Complete, "{:?}", report.summary.error);
    assert_eq!(ledger.state().rows.len(), count);
    upstream.paths()
}

#[tokio::test]
async fn single() {
    let paths = check("/things", paging(Advance::Single), |_| Answer::json(rows(0..3, "")), 3).await;
    assert_eq!(paths, ["/things"]);
}

#[tokio::test]
async fn numbered_with_last_prefetches() {
    let script = |path: &str| {
        let page = number(path);
        Answer::json(rows(page * 2..page * 2 + 2, ",\"last\":7"))
    };
    let mut paths = check("/t?page={$page}", with_last(), script, 14).await;
    paths.sort();
    assert_eq!(paths, (1..=7).map(|page| format!("/t?page={page}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn numbered_until_empty_or_short() {
    let script = |path: &str| Answer::json(rows(number(path) * 2..(number(path) * 2 + 2).min(7), ""));
    let paths = check("/t?page={$page}", paging(Advance::Page), script_until_empty, 4).await;
    assert_eq!(paths.len(), 3);
    let short = Paging {
        size: Some(2),
        ..paging(Advance::Page)
    };
    assert_eq!(check("/t?page={$page}", short, script, 5).await.len(), 3);
}

fn script_until_empty(path: &str) -> Answer {
    let page = number(path);
    Answer::json(if page > 2 {
        rows(0..0, "")
    } else {
        rows(page * 2..page * 2 + 2, "")
    })
}

#[tokio::test]
async fn offsets_with_total() {
    let total = Paging {
        total: Some(jq(".total")),
        ..paging(Advance::Offset)
    };
    let script = |path: &str| Answer::json(rows(number(path)..(number(path) + 2).min(5), ",\"total\":5"));
    let mut paths = check("/t?offset={$offset}", total, script, 5).await;
    paths.sort();
    assert_eq!(paths, ["/t?offset=0", "/t?offset=2", "/t?offset=4"]);
}

/// Small pages are committed together, in their order, whatever becomes of the run.
#[tokio::test]
async fn a_small_source_is_one_commit() {
    for (bad, state, pages) in [(0, RunState::Complete, 7), (6, RunState::Failed, 5)] {
        let upstream = Upstream::start(move |asked, _| match number(&asked.path) {
            page if page == bad => Answer::status(404),
            page => Answer::json(rows(page * 2..page * 2 + 2, ",\"last\":7")),
        })
        .await;
        let ledger = Arc::new(Memory::default());
        let catalog = things(&upstream.url, "/t?page={$page}", ".rows[]", with_last());
        let summary = run(&harvester(catalog, &ledger, "".into())).await.summary;
        assert_eq!((summary.state, summary.pages), (state, pages), "{:?}", summary.error);
        let known = ledger.state();
        assert_eq!(known.groups, [(2 * pages as usize, pages)]);
        assert_eq!(known.checkpoint.as_ref().map(|done| done.pages), Some(pages));
        assert_eq!(known.requests.len() as u64, pages);
    }
}

/// A page is not gathered with others where a transaction would hold more rows than it may.
#[tokio::test]
async fn large_pages_are_commits_of_their_own() {
    let script = |path: &str| {
        let page = number(path);
        Answer::json(rows(page * 9_000..page * 9_000 + 9_000, ",\"last\":3"))
    };
    let upstream = Upstream::start(move |asked, _| script(&asked.path)).await;
    let ledger = Arc::new(Memory::default());
    let catalog = things(&upstream.url, "/t?page={$page}", ".rows[]", with_last());
    let summary = run(&harvester(catalog, &ledger, "".into())).await.summary;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
    assert_eq!(ledger.state().groups, [(9_000, 1); 3]);
}

#[tokio::test]
async fn cursors() {
    let script = |path: &str| match path {
        "/t?c=" => Answer::json(rows(0..2, ",\"next\":\"a/b\"")),
        "/t?c=a%2fb" => Answer::json(rows(2..4, ",\"next\":7")),
        _ => Answer::json(rows(4..5, ",\"next\":null")),
    };
    let paths = check("/t?c={$cursor}", paging(Advance::Cursor(jq(".next"))), script, 5).await;
    assert_eq!(paths, ["/t?c=", "/t?c=a%2fb", "/t?c=7"]);
}

#[tokio::test]
async fn next_urls() {
    let script = |path: &str| match path {
        "/t" => Answer::json(rows(0..2, ",\"next\":\"/t?after=1\"")),
        _ => Answer::json(rows(2..4, ",\"next\":\"\"")),
    };
    let paths = check("/t", paging(Advance::NextUrl(jq(".next"))), script, 4).await;
    assert_eq!(paths, ["/t", "/t?after=1"]);
}

#[tokio::test]
async fn link_headers() {
    let script = |path: &str| match path {
        "/t" => Answer::json(rows(0..2, "")).header("link", "</t?p=2>; rel=\"next\""),
        _ => Answer::json(rows(2..4, "")).header("link", "</t>; rel=\"first\""),
    };
    assert_eq!(check("/t", paging(Advance::LinkHeader), script, 4).await.len(), 2);
}

#[tokio::test]
async fn unchanged_pages_cost_nothing() {
    let upstream = Upstream::start(|asked, _| {
        let page = number(&asked.path);
        let body = rows(page * 2..page * 2 + 2, ",\"last\":2");
        match page {
            1 if asked.head.contains("if-none-match: \"v1\"") => Answer::status(304),
            1 => Answer::json(body).header("etag", "\"v1\""),
            _ => Answer::json(body),
        }
    })
    .await;
    let ledger = Arc::new(Memory::default());
    let catalog = things(&upstream.url, "/t?page={$page}", ".rows[]", with_last());
    let harvester = harvester(catalog, &ledger, "".into());
    assert_eq!(run(&harvester).await.summary.new, 4);
    let second = run(&harvester).await.summary;
    assert_eq!(
        (second.state, second.same, second.gone, second.pages),
        (RunState::Complete, 4, 0, 2)
    );
    assert_eq!(ledger.state().unchanged, 2, "one by its validator, one by its bytes");
}

#[tokio::test]
async fn files_of_both_formats() {
    let folder = tempfile::tempdir().expect("folder");
    let lines: String = (0..12_000)
        .map(|id| format!("{{\"id\":{id},\"name\":\"n\"}}\n\n"))
        .collect();
    std::fs::write(folder.path().join("a.ndjson"), lines.trim_end()).expect("file");
    std::fs::write(folder.path().join("b.json"), rows(0..3, "")).expect("file");
    for (file, filter, count) in [("a.ndjson", ".", 12_000), ("b.json", ".rows[]", 3)] {
        let ledger = Arc::new(Memory::default());
        let catalog = things("file:.", file, filter, paging(Advance::Single));
        let harvester = harvester(catalog, &ledger, folder.path().to_owned());
        let first = run(&harvester).await.summary;
        assert_eq!(
            (first.state, first.new),
            (RunState::Complete, count),
            "{:?}",
            first.error
        );
        assert!(ledger.state().groups.iter().all(|(rows, _)| *rows <= GROUP_ROWS));
        let second = run(&harvester).await.summary;
        assert_eq!((second.same, second.bytes, second.gone), (count, 0, 0));
    }
}

#[tokio::test]
async fn lines_over_http() {
    let script = |_: &str| Answer::json("{\"rows\":[{\"id\":1}]}\r\n{\"rows\":[{\"id\":2},{\"id\":3}]}");
    assert_eq!(check("/t.ndjson", paging(Advance::Single), script, 3).await.len(), 1);
}

#[tokio::test]
async fn resumes_from_its_checkpoint() {
    let upstream = Upstream::start(|asked, _| match number(&asked.path) {
        3 => Answer::silent(),
        page => Answer::json(rows(page * 2..page * 2 + 2, ",\"last\":4")),
    })
    .await;
    let ledger = Arc::new(Memory::default());
    let catalog = |url: &str| {
        let mut catalog = things(url, "/t?page={$page}", ".rows[]", with_last());
        catalog.fetches[0].missing = Missing::Keep;
        catalog
    };
    let first = harvester(catalog(&upstream.url), &ledger, "".into());
    let cancel = CancellationToken::new();
    let stop = async {
        while ledger.state().checkpoint.as_ref().is_none_or(|done| done.pages < 2) {
            ledger.committed.notified().await;
        }
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(first.run(FetchId(0), Reason::Hand, &Silent, &cancel), stop);
    assert_eq!(report.expect("a run").summary.state, RunState::Interrupted);
    assert_eq!(ledger.state().missing, None);

    let healthy = Upstream::start(|asked, _| {
        let page = number(&asked.path);
        Answer::json(rows(page * 2..page * 2 + 2, ",\"last\":4"))
    })
    .await;
    let second = harvester(catalog(&healthy.url), &ledger, "".into());
    let cancel = CancellationToken::new();
    let report = second.run(FetchId(0), Reason::Start, &Silent, &cancel).await;
    let summary = report.expect("a run").summary;
    assert_eq!((summary.state, summary.pages, summary.gone), (RunState::Complete, 2, 0));
    assert_eq!(healthy.paths(), ["/t?page=3", "/t?page=4"]);
    assert_eq!(ledger.state().rows.len(), 8);
}

#[tokio::test]
async fn a_file_cancelled_in_the_middle() {
    let folder = tempfile::tempdir().expect("folder");
    let count = 10 * GROUP_ROWS as u64;
    let lines: String = (0..count)
        .map(|id| format!("{{\"id\":{id},\"name\":\"n\"}}\n"))
        .collect();
    std::fs::write(folder.path().join("a.ndjson"), lines).expect("file");
    let ledger = Arc::new(Memory::default());
    let catalog = things("file:.", "a.ndjson", ".", paging(Advance::Single));
    let harvester = harvester(catalog, &ledger, folder.path().to_owned());
    let cancel = CancellationToken::new();
    let stop = async {
        ledger.committed.notified().await;
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(harvester.run(FetchId(0), Reason::Hand, &Silent, &cancel), stop);
    let summary = report.expect("a run").summary;
    assert_eq!((summary.state, summary.gone), (RunState::Interrupted, 0));
    assert!(summary.new > 0 && summary.new < count, "{}", summary.new);
    assert_eq!(ledger.state().missing, None, "nothing is judged absent");
    // A page has no place inside to go on from: it is read again, and what was committed is the
    // same.
    let second = run(&harvester).await.summary;
    assert_eq!((second.state, second.same), (RunState::Complete, summary.new));
    assert_eq!(ledger.state().rows.len() as u64, count);
}

#[tokio::test]
async fn refused_rows_without_a_key_stop_the_deletion() {
    let cases = [
        // What stands for 1 is refused, so 1 stays; 2 is gone.
        ("{\"id\":1,\"name\":[]}", 1, 1, Missing::Delete),
        // Which row this stands for is unknown: it may be 2.
        ("{\"id\":null},{\"id\":1,\"name\":[]}", 2, 0, Missing::Keep),
    ];
    for (records, refused, gone, missing) in cases {
        let upstream = Upstream::start(move |_, count| {
            Answer::json(match count {
                0 => rows(0..3, ""),
                _ => format!("{{\"rows\":[{{\"id\":0}},{records}]}}"),
            })
        })
        .await;
        let ledger = Arc::new(Memory::default());
        let catalog = things(&upstream.url, "/t", ".rows[]", paging(Advance::Single));
        let harvester = harvester(catalog, &ledger, "".into());
        run(&harvester).await;
        let summary = run(&harvester).await.summary;
        assert_eq!(
            (summary.state, summary.refused, summary.gone),
            (RunState::Complete, refused, gone)
        );
        let state = ledger.state();
        assert_eq!(state.missing, Some(missing));
        assert!(state.rows.contains_key("1"), "the last good version stays");
        let last = state.refused.last().expect("a refused row");
        assert_eq!((last.key.as_deref(), &last.id), (Some("1"), &Some(Key::text("1"))));
        assert!(last.reason.starts_with("name: expected a String"));
        assert!(
            state
                .refused
                .iter()
                .filter(|refused| refused.key.is_none())
                .all(|refused| refused.id.is_none())
        );
    }
}
