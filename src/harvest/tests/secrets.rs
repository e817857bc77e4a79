//! A secret that an upstream repeats is nowhere to be seen, and the requests that need it are made
//! all the same.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    catalogs::{jq, paging, things},
    memory::Memory,
    upstream::{Answer, Asked, Upstream},
};
use crate::{
    catalog::{
        Advance, Catalog, FetchId, Format, Valid,
        jq::Filter,
        template::{Encoding, Template},
    },
    config::Environment,
    harvest::{HarvestSettings, Harvester, Silent, limits::SPOOL_FROM},
    layout::Layout,
    store::{Reason, RunState, RunSummary},
};

const KEY: &str = "k3y/0f+it";
const CODED: &str = "k3y%2F0f%2Bit";
const TOKEN: &str = "t0kenOfIt";

fn keyed(url: &str) -> Catalog {
    let mut catalog = things(
        url,
        "/t?key={$env.KEY}",
        ".rows[]",
        paging(Advance::NextUrl(jq(".next"))),
    );
    let token = Template::parse("Bearer {$env.TOKEN}", &["env"], Encoding::Raw).expect("a header");
    catalog.sources[0].headers.push(("authorization".to_owned(), token));
    catalog
}

async fn harvested(catalog: Catalog, ledger: &Arc<Memory>, folder: std::path::PathBuf) -> RunSummary {
    let catalog = Arc::new(Valid::trusted(catalog));
    let layout = Layout::of(&catalog);
    let settings = HarvestSettings {
        environment: Environment::default().with("KEY", KEY).with("TOKEN", TOKEN),
        definition_dir: folder,
        ..HarvestSettings::default()
    };
    let harvester = Harvester::with_ledger(catalog, &layout, ledger.clone(), settings).expect("a harvester");
    let cancel = CancellationToken::new();
    let report = harvester.run(FetchId(0), Reason::Hand, &Silent, &cancel).await;
    report.expect("a run").summary
}

/// Repeats what it was told wherever it can.
fn parrot(asked: &Asked) -> Answer {
    let said = |query: &str| asked.path.ends_with(query);
    // The head arrives in lower case.
    if !asked.path.contains(&CODED.to_lowercase()) || !asked.head.contains(&TOKEN.to_lowercase()) {
        return Answer::status(401);
    }
    let page = |rows: &str, next: &str| Answer::json(format!("{{\"rows\":[{rows}],\"next\":{next}}}"));
    let unchanged = asked
        .head
        .contains(&format!("if-none-match: \"{}\"", TOKEN.to_lowercase()));
    let answer = match () {
        () if unchanged => Answer::status(304),
        () if said("p=3") => {
            Answer::json(format!("{{\"error\":\"wrong key {KEY} ({CODED}) for {TOKEN}\"}}")).called(400)
        }
        () if said("p=2") => page("{\"id\":2}", &format!("\"/t?key={CODED}&p=3\"")),
        () => page(
            &format!(
                "{{\"id\":1,\"name\":\"/t/1?key={CODED}\"}},{{\"id\":null,\"name\":\"{KEY} {TOKEN}\"}},{{\"id\":\"{TOKEN}\",\"name\":{{}}}}"
            ),
            &format!("\"/t?key={}&p=2\"", CODED.to_lowercase()),
        ),
    };
    answer.header("etag", format!("\"{TOKEN}\""))
}

#[tokio::test]
async fn what_an_upstream_repeats_is_masked() {
    let upstream = Upstream::start(|asked, _| parrot(asked)).await;
    let ledger = Arc::new(Memory::default());
    let mut errors = Vec::new();
    for _ in 0..2 {
        let summary = harvested(keyed(&upstream.url), &ledger, "".into()).await;
        assert_eq!(
            (summary.state, summary.pages),
            (RunState::Failed, 2),
            "{:?}",
            summary.error
        );
        errors.push(summary.error.unwrap_or_default());
    }
    assert_eq!(ledger.state().unchanged, 2, "validators and next pages were put back");
    let told = "answered 400 and said `{\"error\":\"wrong key {$env.KEY} ({$env.KEY|@uri}) for {$env.TOKEN}\"}`";
    assert!(errors.iter().all(|error| error.contains(told)), "{errors:?}");
    let state = ledger.state();
    assert_eq!(state.refused.len(), 2);
    let refused = state.refused.iter();
    let refused: Vec<_> = refused
        .map(|refused| (&refused.key, &refused.reason, &refused.record))
        .collect();
    let kept = format!(
        "{errors:?} {:?} {refused:?} {:?} {:?}",
        state.requests, state.checkpoint, state.runs
    );
    let kept = format!("{kept} {:?}", state.rows);
    for secret in [KEY, CODED, TOKEN, &CODED.to_lowercase()] {
        assert!(!kept.contains(secret), "{secret}: {kept}");
    }
    assert!(
        kept.contains("{$env.KEY|@uri lower}") && kept.contains("{$env.KEY|@uri}"),
        "{kept}"
    );
}

/// What is kept on disk is read in pieces, and each of them is looked through.
#[tokio::test]
async fn what_a_large_body_repeats_is_masked() {
    let list = |from: usize| {
        let filler = "x".repeat(900);
        let rows = (from..from + 700).map(|id| match id % 100 {
            7 => format!("{{\"id\":{id},\"name\":\"/t/{id}?key={CODED}\"}}"),
            8 => format!("{{\"id\":\"{TOKEN}{id}\",\"name\":{{\"of\":\"{TOKEN}\"}}}}"),
            9 => format!("{{\"id\":{id},\"name\":\"{TOKEN}"),
            _ => format!("{{\"id\":{id},\"name\":\"{filler}\"}}"),
        });
        rows.collect::<Vec<_>>()
    };
    let lines = list(0).join("\n") + "\n";
    let rows = list(0)
        .into_iter()
        .filter(|row| row.ends_with('}'))
        .collect::<Vec<_>>()
        .join(",");
    assert!(lines.len() > SPOOL_FROM && rows.len() > SPOOL_FROM);
    for (format, rows, first) in [
        (Format::NdJson, ".", lines),
        (
            Format::Json,
            ".rows[]",
            format!("{{\"rows\":[{rows}],\"next\":\"/t?key={CODED}&p=2\"}}"),
        ),
    ] {
        let upstream = Upstream::start(move |asked, _| match asked.path.contains(&CODED.to_lowercase()) {
            true if asked.path.ends_with("p=2") => Answer::json("{\"rows\":[{\"id\":\"last\"}]}"),
            true => Answer::bytes(first.clone().into_bytes()),
            false => Answer::status(401),
        })
        .await;
        let mut catalog = keyed(&upstream.url);
        catalog.fetches[0].format = format;
        catalog.fetches[0].rows = Filter::compile_rows(rows, &[]).expect("rows");
        if format == Format::NdJson {
            catalog.fetches[0].paging = paging(Advance::Single);
        }
        let ledger = Arc::new(Memory::default());
        let summary = harvested(catalog, &ledger, "".into()).await;
        assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
        let state = ledger.state();
        assert_eq!(
            state.rows.contains_key("last"),
            format == Format::Json,
            "the next page is asked for by what it is"
        );
        let kept = format!(
            "{:?} {:?} {:?} {:?}",
            state.rows, state.refused, state.requests, state.checkpoint
        );
        for secret in [KEY, CODED, TOKEN, &CODED.to_lowercase()] {
            assert!(!kept.contains(secret), "{format:?}: {secret}");
        }
        assert!(
            kept.contains("?key={$env.KEY|@uri}") && kept.contains("{$env.TOKEN}"),
            "{format:?}"
        );
        assert!(state.refused.len() >= 7, "{}", state.refused.len());
    }
}

#[tokio::test]
async fn places_show_no_secret_of_any_length() {
    let upstream = Upstream::start(|_, _| Answer::status(404)).await;
    let folder = tempfile::tempdir().expect("folder");
    for (url, path, want) in [
        (
            upstream.url.as_str(),
            "/t?k={$env.KEY}&p=1",
            "/t?k={$env.KEY}&p=1: answered 404",
        ),
        (
            "file:.",
            "{$env.KEY}.json",
            "FILE {$env.KEY}.json: there is no such file",
        ),
    ] {
        let catalog = things(url, path, ".[]", paging(Advance::Single));
        let catalog = Arc::new(Valid::trusted(catalog));
        let layout = Layout::of(&catalog);
        let ledger = Arc::new(Memory::default());
        let settings = HarvestSettings {
            environment: Environment::default().with("KEY", "ab"),
            definition_dir: folder.path().to_owned(),
            ..HarvestSettings::default()
        };
        let harvester = Harvester::with_ledger(catalog, &layout, ledger, settings).expect("a harvester");
        let cancel = CancellationToken::new();
        let report = harvester.run(FetchId(0), Reason::Hand, &Silent, &cancel).await;
        let error = report.expect("a run").summary.error.unwrap_or_default();
        assert!(error.contains(want), "{error}");
    }
}
