//! Pages and files that no memory should hold: read record by record, or refused with what to do.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use super::{
    super::limits::{BODY_MAX, GROUP_ROWS, SPOOL_MAX},
    catalogs::{jq, paging, things, things_of},
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, Catalog, Paging, Valid},
    harvest::{HarvestSettings, Harvester},
    layout::Layout,
    store::{RunState, RunSummary},
};

/// As many records, each with a text of so many letters.
fn records(count: usize, letters: usize) -> String {
    let text = "x".repeat(letters);
    let mut list = String::new();
    for id in 0..count {
        let comma = if id == 0 { "" } else { ",\n" };
        write!(list, "{comma}{{\"id\":{id},\"name\":\"{text}\"}}").expect("memory");
    }
    list
}

/// More than a page in memory may have, in few records.
fn large() -> String {
    let letters = 1_000;
    records(BODY_MAX as usize / letters + 1, letters)
}

async fn harvested(catalog: Catalog, folder: &std::path::Path) -> (RunSummary, Arc<Memory>) {
    let ledger = Arc::new(Memory::default());
    let summary = run(&harvester(catalog, &ledger, folder.to_owned())).await.summary;
    (summary, ledger)
}

async fn of_page(body: String, rows: &str, paging: Paging) -> (RunSummary, Arc<Memory>) {
    let upstream = Upstream::start(move |_, _| Answer::json(body.clone())).await;
    harvested(things(&upstream.url, "/t", rows, paging), "".as_ref()).await
}

fn with_total() -> Paging {
    Paging {
        total: Some(jq(".total")),
        ..paging(Advance::Single)
    }
}

#[tokio::test]
async fn more_records_than_a_filter_may_yield() {
    let (many, some) = (100_001, 10_000);
    let list = |count| records(count, if count == many { 1 } else { 30 });
    for (rows, count, body) in [
        (".[]", many, format!("[{}]", list(many))),
        (
            ".d.items[]",
            many,
            format!("{{\"d\":{{\"items\":[{}],\"n\":1}}}}", list(many)),
        ),
        (".[] | {id, name}", some, format!("[{}]", list(some))),
        (".[] | select(.id >= 0)", some, format!("[{}]", list(some))),
    ] {
        let (summary, ledger) = of_page(body, rows, paging(Advance::Single)).await;
        assert_eq!(summary.state, RunState::Complete, "{rows}: {:?}", summary.error);
        assert_eq!(ledger.state().rows.len(), count, "{rows}");
    }
}

#[tokio::test]
async fn bodies_larger_than_the_memory_for_them() {
    let list = large();
    let count = list.lines().count();
    // What paging needs may stand behind the list.
    for (rows, body) in [
        (".items[]", format!("{{\"items\":[{list}],\"total\":{count}}}")),
        (".items[] | .", format!("{{\"total\":\"{count}\",\"items\":[{list}]}}")),
    ] {
        let (summary, ledger) = of_page(body, rows, with_total()).await;
        assert_eq!(summary.state, RunState::Complete, "{rows}: {:?}", summary.error);
        assert_eq!(ledger.state().rows.len(), count, "{rows}");
        assert!(ledger.state().groups.iter().all(|(rows, _)| *rows <= GROUP_ROWS));
    }
    let lines = large().replace(",\n", "\n");
    let upstream = Upstream::start(move |_, _| Answer::json(lines.clone())).await;
    let (summary, ledger) = harvested(
        things(&upstream.url, "/t.ndjson", ".", paging(Advance::Single)),
        "".as_ref(),
    )
    .await;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
    assert_eq!(ledger.state().rows.len(), count);
}

/// What pages say may stand in the list: then it is looked at with the list.
#[tokio::test]
async fn the_last_record_leads_to_the_next_page() {
    let (first, count) = (records(600, 1_000), 600);
    let body = |list: &str| format!("{{\"items\":[{list}],\"meta\":{{}}}}");
    let (first, last) = (body(&first), body(&records(0, 0)));
    assert!(first.len() > 512 << 10);
    let upstream = Upstream::start(move |asked, _| {
        Answer::json(if asked.path.ends_with("after=") {
            first.clone()
        } else {
            last.clone()
        })
    })
    .await;
    for next in [
        ".items[-1].id",
        ".items | last | .id",
        "if .items == [] then null else .items[-1].id end",
    ] {
        let catalog = things(
            &upstream.url,
            "/t?after={$cursor}",
            ".items[]",
            paging(Advance::Cursor(jq(next))),
        );
        upstream.asked.lock().expect("log").clear();
        let (summary, ledger) = harvested(catalog, "".as_ref()).await;
        assert_eq!(summary.state, RunState::Complete, "{next}: {:?}", summary.error);
        assert_eq!(ledger.state().rows.len(), count, "{next}");
        assert_eq!(upstream.paths(), ["/t?after=", "/t?after=599"], "{next}");
    }
    let total = Paging {
        total: Some(jq(".items | length")),
        ..paging(Advance::Single)
    };
    let (summary, _) = of_page(body(&records(600, 1_000)), ".items[]", total).await;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
}

#[tokio::test]
async fn a_large_file_is_read_from_where_it_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = large();
    let count = list.lines().count();
    // Larger than what may be kept of answers on disk.
    let many = (SPOOL_MAX as usize / list.len() + 1) * count;
    std::fs::write(
        folder.path().join("a.json"),
        format!("{{\"rows\":[{}]}}", records(many, 1_000)),
    )
    .expect("a file");
    let catalog = things("file:.", "a.json", ".rows[]", paging(Advance::Single));
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(catalog, &ledger, folder.path().to_owned());
    let summary = run(&harvester).await.summary;
    assert_eq!(
        (summary.state, summary.new),
        (RunState::Complete, many as u64),
        "{:?}",
        summary.error
    );
    let again = run(&harvester).await.summary;
    assert_eq!(
        (again.same, again.bytes),
        (many as u64, 0),
        "an unchanged file is not read"
    );
}

/// The page after a large one is known before its rows are shaped, and the same bytes are known
/// again.
#[tokio::test]
async fn large_pages_follow_each_other() {
    let upstream = Upstream::start(|asked, _| {
        let page: usize = asked
            .path
            .rsplit('=')
            .next()
            .and_then(|page| page.parse().ok())
            .expect("a page");
        let list = large().replace("{\"id\":", &format!("{{\"id\":{page}000"));
        Answer::json(format!("{{\"rows\":[{list}],\"last\":3}}"))
    })
    .await;
    let paging = Paging {
        last: Some(jq(".last")),
        ..paging(Advance::Page)
    };
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(
        things(&upstream.url, "/t?page={$page}", ".rows[]", paging),
        &ledger,
        "".into(),
    );
    let count = 3 * large().lines().count();
    let first = run(&harvester).await.summary;
    assert_eq!((first.state, first.pages), (RunState::Complete, 3), "{:?}", first.error);
    assert_eq!(ledger.state().rows.len(), count);
    let second = run(&harvester).await.summary;
    assert_eq!((second.same, ledger.state().unchanged), (count as u64, 3));
}

/// A bad value, or a bad record whose end is plain, costs what it costs on a small page: its
/// record.
#[tokio::test]
async fn one_bad_record_costs_only_itself() {
    let list = large();
    let count = list.lines().count();
    let bad = [
        "{\"id\":NaN}",
        "{\"id\":1 \"name\":2}",
        "{\"id\":7,\"name\":\"\\ud800\"}",
    ];
    let body = format!("{{\"items\":[{list},{}]}}", bad.join(","));
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.json"), &body).expect("a file");
    let (over_http, ledger) = of_page(body, ".items[]", paging(Advance::Single)).await;
    let file = things("file:.", "a.json", ".items[]", paging(Advance::Single));
    let (from_file, other) = harvested(file, folder.path()).await;
    for (summary, ledger) in [(over_http, ledger), (from_file, other)] {
        assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
        assert_eq!(ledger.state().rows.len(), count);
        let state = ledger.state();
        let reasons: Vec<&str> = state.refused.iter().map(|refused| refused.reason.as_str()).collect();
        let place = |at: usize| format!("record {}: ", count + at);
        assert!(
            reasons[0].starts_with(&place(1)) && reasons[0].contains("`NaN`"),
            "{reasons:?}"
        );
        assert!(
            reasons[1].starts_with(&place(2)) && reasons[1].contains("no JSON"),
            "{reasons:?}"
        );
        assert!(reasons[2].contains("lone surrogate"), "{reasons:?}");
        assert_eq!(reasons.len(), 3);
    }
}

/// Packed or not, and in whatever charset.
#[tokio::test]
async fn large_files_are_unpacked_and_decoded() {
    use std::io::Write as _;
    let list = large();
    let count = list.lines().count();
    let body = format!("[{list},{{\"id\":\"é\"}}]");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body.as_bytes()).expect("memory");
    let packed = packed.finish().expect("memory");
    let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = body.chars().map(|sign| sign as u8).collect();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [("a.json.gz", &packed), ("b.json", &wide)] {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
        let catalog = things("file:.", name, ".[]", paging(Advance::Single));
        let (summary, ledger) = harvested(catalog, folder.path()).await;
        assert_eq!(summary.state, RunState::Complete, "{name}: {:?}", summary.error);
        assert_eq!(ledger.state().rows.len(), count + 1, "{name}");
    }
    for bytes in [packed, wide, latin] {
        let answer = Answer::bytes(bytes).header("content-type", "application/json; charset=iso-8859-1");
        let upstream = Upstream::start(move |_, _| answer.clone()).await;
        let catalog = things(&upstream.url, "/t", ".[]", paging(Advance::Single));
        let (summary, ledger) = harvested(catalog, "".as_ref()).await;
        assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
        assert!(
            ledger.state().rows.contains_key("\"é\"") || ledger.state().rows.contains_key("é"),
            "é"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_so_says_what_to_do() {
    let list = large();
    let whole = format!("{{\"items\":[{list}]}}");
    for (rows, body, words) in [
        ("[.items[]] | .[]", whole.clone(), "plain path"),
        (".items[]", whole[..whole.len() - 2].to_owned(), "breaks off"),
        (".items[]", format!("{{\"items\":[{list},]}}"), "comma"),
        (".items[]", format!("{{\"items\":[{list}],\"items\":[]}}"), "twice"),
        (".items[]", format!("{{\"items\":[{list},{{\"id\":[1}}]}}"), "bracket"),
        (".items[]", whole.replace("items", "others"), "expected an array"),
        (
            ".items[]",
            records(SPOOL_MAX as usize / 1_000 + 1, 1_000),
            "larger than",
        ),
    ] {
        let (summary, _) = of_page(body, rows, paging(Advance::Single)).await;
        let error = summary.error.unwrap_or_default();
        assert!(
            summary.state == RunState::Failed && error.contains(words),
            "{words}: {error}"
        );
    }
}

/// The time of filters is counted for each record: no page fails for having many. It is the
/// processor's, so a second for one of them is much on the busiest machine.
#[tokio::test]
async fn filters_have_their_time_for_each_record() {
    // The page is read as a whole, or record by record.
    for letters in [1, 10_000] {
        let body = format!("[{}]", records(40, letters));
        let upstream = Upstream::start(move |_, _| Answer::json(body.clone())).await;
        let fields = "id: ID! name: String @select(jq: \"[range(100000)] | length | tostring\")";
        let catalog = things_of(fields, &upstream.url, "/t", ".[]", paging(Advance::Single));
        let ledger = Arc::new(Memory::default());
        let catalog = Arc::new(Valid::trusted(catalog));
        let settings = HarvestSettings {
            filter_time: Duration::from_secs(1),
            ..HarvestSettings::default()
        };
        let harvester = Harvester::with_ledger(catalog.clone(), &Layout::of(&catalog), ledger.clone(), settings);
        let summary = run(&harvester.expect("a harvester")).await.summary;
        assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
        assert_eq!(ledger.state().rows.len(), 40);
    }
}

/// A page that no transaction holds is several in any case: then each is small, and little is in
/// memory.
#[tokio::test]
async fn what_is_large_is_committed_in_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (count, letters) = (2_000, 10_000);
    std::fs::write(folder.path().join("a.json"), format!("[{}]", records(count, letters))).expect("a file");
    let catalog = things("file:.", "a.json", ".[]", paging(Advance::Single));
    let (summary, ledger) = harvested(catalog, folder.path()).await;
    assert_eq!((summary.state, summary.new), (RunState::Complete, count as u64));
    let groups = &ledger.state().groups;
    assert!(groups.iter().all(|(rows, _)| rows * letters <= 5 << 20), "{groups:?}");
}

/// Small values take many times their bytes: a page is refused for them, with what to do, and a
/// record alone.
#[tokio::test]
async fn values_are_budgeted_and_not_bytes() {
    let objects = |count: usize| vec!["{}"; count].join(",");
    let (few, many) = (objects(1_000), objects(100_000));
    for (name, rows, body, want) in [
        (
            "a few",
            "[.[]] | .[1:] | .[]",
            format!("[{{\"id\":1}},{{\"id\":2,\"of\":[{few}]}}]"),
            None,
        ),
        (
            "many",
            "[.[]] | .[]",
            format!("[{{\"id\":1,\"of\":[{many}]}}]"),
            Some("takes more than 8 MB of memory"),
        ),
        (
            "many numbers",
            "[.[]] | .[]",
            format!("[{{\"id\":1,\"of\":[{}]}}]", vec!["1.5"; 90_000].join(",")),
            Some("`.items[]`"),
        ),
    ] {
        let (summary, _) = of_page(body, rows, paging(Advance::Single)).await;
        let error = summary.error.unwrap_or_default();
        assert_eq!(error.contains(want.unwrap_or("-")), want.is_some(), "{name}: {error}");
    }
    // Read record by record, one of them spoils nothing but itself.
    let most = objects(40_000);
    let body = format!("[{{\"id\":1,\"of\":[{most}]}},{}]", records(300, 1_000));
    let (summary, ledger) = of_page(body, ".[]", paging(Advance::Single)).await;
    assert_eq!(
        (summary.state, summary.new, summary.refused),
        (RunState::Complete, 300, 1),
        "{:?}",
        summary.error
    );
    assert!(
        ledger.state().refused[0]
            .reason
            .contains("its values take more than 4 MB of memory")
    );
}
