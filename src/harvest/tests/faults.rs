//! Every fault ends the run with its own reason, keeps the rows and deletes nothing.

use std::sync::Arc;

use super::{
    catalogs::{jq, paging, source, things, things_of},
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{
        Advance, Catalog, FetchId, Paging, Valid,
        template::{Encoding, Template},
    },
    config::Environment,
    harvest::{HarvestSettings, Harvester, Silent},
    layout::Layout,
    store::{Reason, RunState, StoreError},
};

const GOOD: &str = "{\"rows\":[{\"id\":1}],\"total\":1}";

/// Runs a good harvest first, so that there is something to lose, and then the script; gives the
/// error.
async fn fails(path: &str, paging: fn() -> Paging, script: fn(&str, usize) -> Answer) -> (String, usize) {
    let ledger = Arc::new(Memory::default());
    let good = Upstream::start(|_, _| Answer::json("{\"rows\":[{\"id\":\"old\"}]}")).await;
    let single = || super::catalogs::paging(Advance::Single);
    run(&harvester(
        things(&good.url, "/t", ".rows[]", single()),
        &ledger,
        "".into(),
    ))
    .await;
    let upstream = Upstream::start(move |asked, count| script(&asked.path, count)).await;
    let catalog = things(&upstream.url, path, ".rows[]", paging());
    let summary = run(&harvester(catalog, &ledger, "".into())).await.summary;
    assert_eq!(summary.state, RunState::Failed);
    assert!(ledger.state().rows.contains_key("old"), "nothing is deleted");
    (summary.error.unwrap_or_default(), upstream.paths().len())
}

fn one() -> Paging {
    paging(Advance::Single)
}

#[tokio::test]
async fn pages_that_are_no_data() {
    type Script = fn(&str, usize) -> Answer;
    let cases: [(Script, &str, usize); 14] = [
        (
            |_, _| Answer::json("7".repeat(500_000)),
            "a number of more than 1000",
            1,
        ),
        (|_, _| Answer::json("oops"), "not JSON", 1),
        (|_, _| Answer::json("{\"rows\":[{\"id\":1},"), "breaks off", 1),
        (|_, _| Answer::json(" <!DOCTYPE HTML><html>login"), "HTML page", 1),
        (
            |_, _| Answer::json("<p>login</p>").header("content-type", "text/html; charset=utf-8"),
            "HTML page",
            1,
        ),
        (|_, _| Answer::json(""), "body is empty", 1),
        (|_, _| Answer::json("{\"rows\":null}"), "rows:", 1),
        (|_, _| Answer::json("{\"rows\":[[1]]}"), "should be an object", 1),
        (|_, _| Answer::json(GOOD).cut(5), "broke off", 4),
        (|_, _| Answer::status(500), "answered 500", 4),
        (|_, _| Answer::status(404), "answered 404; check", 1),
        (|_, _| Answer::status(401), "credentials", 1),
        (
            |_, _| Answer::status(429).header("retry-after", "3600"),
            "asks to wait",
            1,
        ),
        (
            |_, _| Answer::status(302).header("location", "http://elsewhere.example/"),
            "elsewhere.example",
            1,
        ),
    ];
    for (script, want, asked) in cases {
        let (error, count) = fails("/t", one, script).await;
        assert!(error.contains(want), "{want}: {error}");
        assert_eq!(count, asked, "{want}");
    }
}

#[tokio::test]
async fn paging_that_goes_wrong() {
    type Case = (&'static str, fn() -> Paging, fn(&str, usize) -> Answer, &'static str);
    let cases: [Case; 7] = [
        (
            "/t?p={$page}",
            || paging(Advance::Page),
            |_, _| Answer::json(GOOD),
            "same page again",
        ),
        (
            "/t?p={$page}",
            || Paging {
                max: 3,
                ..paging(Advance::Page)
            },
            |_, count| Answer::json(format!("{{\"rows\":[{{\"id\":{count}}}]}}")),
            "more than 3 pages",
        ),
        (
            "/t?c={$cursor}",
            || paging(Advance::Cursor(jq(".next"))),
            |_, count| Answer::json(format!("{{\"rows\":[{{\"id\":{count}}}],\"next\":{}}}", count % 2)),
            "in a circle",
        ),
        (
            "/t",
            || paging(Advance::NextUrl(jq(".next"))),
            |_, _| Answer::json("{\"rows\":[],\"next\":\"http://127.0.0.2:1/t\"}"),
            "another host is never followed",
        ),
        (
            "/t",
            || Paging {
                total: Some(jq(".total")),
                ..one()
            },
            |_, _| Answer::json("{\"rows\":[{\"id\":1}],\"total\":4}"),
            "1 rows arrived, but the upstream says that there are 4",
        ),
        (
            "/t",
            || Paging {
                total: Some(jq(".total")),
                ..one()
            },
            |_, _| Answer::json("{\"rows\":[]}"),
            "expected a whole number, found null",
        ),
        (
            "/t?p={$page}",
            || Paging {
                last: Some(jq(".last")),
                ..paging(Advance::Page)
            },
            |path, _| match path {
                "/t?p=3" => Answer::status(403),
                _ => Answer::json(format!("{{\"rows\":[{{\"id\":\"{path}\"}}],\"last\":4}}")),
            },
            "answered 403",
        ),
    ];
    for (path, paging, script, want) in cases {
        let (error, _) = fails(path, paging, script).await;
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[tokio::test]
async fn passing_faults_are_tried_again() {
    let upstream = Upstream::start(|_, count| match count {
        0 => Answer::status(503).header("retry-after", "0"),
        1 => Answer::json(GOOD).cut(3),
        2 => Answer::status(301).header("location", "/moved"),
        _ => Answer::json(GOOD),
    })
    .await;
    let ledger = Arc::new(Memory::default());
    let summary = run(&harvester(
        things(&upstream.url, "/t", ".rows[]", one()),
        &ledger,
        "".into(),
    ))
    .await
    .summary;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
    assert_eq!(upstream.paths(), ["/t", "/t", "/t", "/moved"]);
}

#[tokio::test]
async fn an_upstream_that_is_down() {
    let url = Upstream::start(|_, _| Answer::silent()).await.url.clone();
    let ledger = Arc::new(Memory::default());
    let summary = run(&harvester(things(&url, "/t", ".rows[]", one()), &ledger, "".into()))
        .await
        .summary;
    assert!(summary.error.is_some_and(|error| error.contains("cannot connect")));
}

#[tokio::test]
async fn a_fenced_run_writes_no_end() {
    let upstream = Upstream::start(|_, _| Answer::json(GOOD)).await;
    let ledger = Arc::new(Memory::default());
    ledger.state().fence_after = Some(0);
    let harvester = harvester(things(&upstream.url, "/t", ".rows[]", one()), &ledger, "".into());
    let ended = harvester
        .run(FetchId(0), Reason::Hand, &Silent, &Default::default())
        .await;
    assert!(matches!(
        ended,
        Err(crate::harvest::HarvestError::Store(StoreError::Fenced))
    ));
    assert_eq!(ledger.state().runs[0].state, RunState::Running);
}

#[tokio::test]
async fn files_outside_and_broken() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("bad.ndjson"), "{\"id\":1}\n{\"id\":").expect("file");
    for (file, want) in [
        ("../x.json", "inside its source's folder"),
        ("none.json", "no such file"),
        ("bad.ndjson", "line 2: JSON that breaks off"),
    ] {
        let ledger = Arc::new(Memory::default());
        let catalog = things("file:", file, ".", one());
        let summary = run(&harvester(catalog, &ledger, folder.path().to_owned()))
            .await
            .summary;
        let error = summary.error.unwrap_or_default();
        assert!(error.contains(want), "{file}: {error}");
        assert!(!error.contains(&folder.path().display().to_string()));
    }
}

fn refused_at_start(catalog: Catalog) -> String {
    let catalog = Arc::new(Valid::trusted(catalog));
    let layout = Layout::of(&catalog);
    let settings = HarvestSettings {
        environment: Environment::default().with("URL", "ftp://secret@host"),
        ..HarvestSettings::default()
    };
    let made = Harvester::with_ledger(catalog, &layout, Arc::new(Memory::default()), settings);
    made.err().expect("refused").to_string()
}

#[test]
fn what_is_wrong_before_the_first_request() {
    let mut missing = things("{$env.A}", "/t?k={$env.B}", ".", one());
    let token = Template::parse("Bearer {$env.C}", &["env"], Encoding::Raw).expect("header");
    missing.sources[0].headers.push(("authorization".to_owned(), token));
    let error = refused_at_start(missing);
    for want in [
        "A (used by source up)",
        "C (used by source up)",
        "B (used by type Thing)",
    ] {
        assert!(error.contains(want), "{want}: {error}");
    }
    for url in ["{$env.URL}", "nothing", "http://h/?a=b"] {
        let mut catalog = things("file:", "/t", ".", one());
        catalog.sources[0] = source(url);
        let error = refused_at_start(catalog);
        assert!(error.starts_with("source up: url"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

/// Cubic in the items of a page: a page of a few kilobytes keeps it busy for ever.
fn slow(url: &str) -> Catalog {
    let filter = ".rows as $r | $r[] as $a | $r[] as $b | $r[] as $c | select($a.id + $b.id + $c.id < 0)";
    things(url, "/t", filter, one())
}

fn many() -> Answer {
    let rows: Vec<String> = (0..5_000).map(|id| format!("{{\"id\":{id}}}")).collect();
    Answer::json(format!("{{\"rows\":[{}]}}", rows.join(",")))
}

#[tokio::test]
async fn a_filter_that_takes_too_long() {
    let upstream = Upstream::start(|_, _| many()).await;
    let ledger = Arc::new(Memory::default());
    let summary = run(&harvester(slow(&upstream.url), &ledger, "".into())).await.summary;
    let error = summary.error.unwrap_or_default();
    assert!(error.contains("the definition's filters took longer"), "{error}");
    let slow = "[range(1000000) | range(1000000) | select(. < 0)] | length | tostring";
    let fields = format!("id: ID! name: String @select(jq: {slow:?})");
    let field = things_of(&fields, &upstream.url, "/t", ".rows[:1][]", one());
    let summary = run(&harvester(field, &ledger, "".into())).await.summary;
    let error = summary.error.unwrap_or_default();
    assert!(error.contains("the definition's filters took longer"), "{error}");
    assert!(ledger.state().refused.is_empty(), "the record is not to blame");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_filter() {
    let upstream = Upstream::start(|_, _| many()).await;
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(slow(&upstream.url), &ledger, "".into());
    let cancel = tokio_util::sync::CancellationToken::new();
    let stop = async {
        while upstream.paths().is_empty() {
            tokio::task::yield_now().await;
        }
        cancel.cancel();
    };
    let (report, ()) = tokio::join!(harvester.run(FetchId(0), Reason::Hand, &Silent, &cancel), stop);
    assert_eq!(report.expect("a run").summary.state, RunState::Interrupted);
}
