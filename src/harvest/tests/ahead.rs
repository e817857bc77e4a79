//! `concurrency` means it: as many pages are under way at once as it says, and they are stored in
//! their order all the same.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Barrier, time::timeout};

use super::{
    catalogs::{jq, paging, things},
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, Paging},
    store::RunState,
};

/// Requests that are to be under way at once.
const CONCURRENCY: usize = 20;
/// No test waits so long for requests that do not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page of the ids from one to another, and what the upstream says beside them.
fn page(ids: std::ops::Range<u64>, more: &str) -> String {
    let rows: Vec<String> = ids.map(|id| format!("{{\"id\":{id}}}")).collect();
    format!("{{\"rows\":[{}]{more}}}", rows.join(","))
}

fn number(path: &str) -> u64 {
    let (_, number) = path.split_once('=').expect("a parameter");
    number.parse().expect("a number")
}

/// Harvests what `body` answers at each number. Every request but the first waits until
/// [`CONCURRENCY`] are under way. Gives the numbers that were asked for.
async fn check(path: &str, paging: Paging, body: fn(u64) -> String, rows: usize) -> Vec<u64> {
    let barrier = Arc::new(Barrier::new(CONCURRENCY));
    let upstream = Upstream::start(move |asked, before| {
        let answer = Answer::json(body(number(&asked.path)));
        if before == 0 { answer } else { answer.together(&barrier) }
    })
    .await;
    let ledger = Arc::new(Memory::default());
    let mut catalog = things(&upstream.url, path, ".rows[]", paging);
    catalog.sources[0].concurrency = CONCURRENCY;
    let harvester = harvester(catalog, &ledger, "".into());
    let report = timeout(PATIENCE, run(&harvester)).await;
    let summary = report.expect("so many requests are under way at once").summary;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
    assert_eq!(ledger.state().rows.len(), rows);
    let mut asked: Vec<u64> = upstream.paths().iter().map(|path| number(path)).collect();
    asked.sort_unstable();
    asked
}

#[tokio::test]
async fn pages_up_to_the_last() {
    let paging = Paging {
        last: Some(jq(".last")),
        ..paging(Advance::Page)
    };
    let body = |number: u64| page(number * 3..number * 3 + 3, ",\"last\":41");
    let asked = check("/t?page={$page}", paging, body, 123).await;
    assert_eq!(asked, (1..=41).collect::<Vec<_>>());
}

#[tokio::test]
async fn pages_by_their_total() {
    let paging = Paging {
        total: Some(jq(".total")),
        ..paging(Advance::Page)
    };
    let body = |number: u64| page(number * 3..(number * 3 + 3).min(125), ",\"total\":122");
    let asked = check("/t?page={$page}", paging, body, 122).await;
    assert_eq!(asked, (1..=41).collect::<Vec<_>>());
}

#[tokio::test]
async fn offsets_by_their_total() {
    let paging = Paging {
        total: Some(jq(".total")),
        ..paging(Advance::Offset)
    };
    let body = |number: u64| page(number..(number + 3).min(122), ",\"total\":122");
    let asked = check("/t?offset={$offset}", paging, body, 122).await;
    assert_eq!(asked, (0..41).map(|page| page * 3).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_more_pages_than_may_be_read() {
    let upstream = Upstream::start(|asked, _| {
        let number = number(&asked.path);
        Answer::json(page(number * 3..number * 3 + 3, ",\"last\":400"))
    })
    .await;
    let paging = Paging {
        last: Some(jq(".last")),
        max: 7,
        ..paging(Advance::Page)
    };
    let mut catalog = things(&upstream.url, "/t?page={$page}", ".rows[]", paging);
    catalog.sources[0].concurrency = CONCURRENCY;
    let ledger = Arc::new(Memory::default());
    let summary = run(&harvester(catalog, &ledger, "".into())).await.summary;
    assert_eq!(summary.state, RunState::Failed);
    assert!(
        upstream.paths().iter().all(|path| number(path) <= 7),
        "{:?}",
        upstream.paths()
    );
}

/// Pages of two sizes: what was asked for by a wrong guess is given up once, and nothing is guessed
/// any more.
#[tokio::test]
async fn offsets_of_pages_that_differ() {
    let upstream = Upstream::start(|asked, _| {
        let number = number(&asked.path);
        let size = 2 + number / 2 % 2;
        Answer::json(page(number..(number + size).min(60), ",\"total\":60"))
    })
    .await;
    let paging = Paging {
        total: Some(jq(".total")),
        ..paging(Advance::Offset)
    };
    let mut catalog = things(&upstream.url, "/t?offset={$offset}", ".rows[]", paging);
    catalog.sources[0].concurrency = CONCURRENCY;
    let ledger = Arc::new(Memory::default());
    let summary = run(&harvester(catalog, &ledger, "".into())).await.summary;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
    assert_eq!(ledger.state().rows.len(), 60);
    // The 30 pages of a total of 60 with 2 on the first may all be asked for before the second one
    // is read.
    const GUESSED: usize = 30;
    const REAL: usize = 23;
    assert!(upstream.paths().len() <= GUESSED + REAL, "{:?}", upstream.paths());
}
