//! What is broken in one record costs that record, is told with its place, and costs no other.

use std::sync::Arc;

use super::{
    catalogs::{jq, paging, things_of},
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{
    catalog::{Advance, Catalog, Missing, Repeats},
    store::{RunState, RunSummary},
};

fn priced(url: &str, path: &str, rows: &str) -> Catalog {
    let fields = r#"id: ID! name: String price: Float shout: String @select(jq: ".word | values | ascii_upcase")"#;
    things_of(fields, url, path, rows, paging(Advance::Single))
}

/// Harvests one answer twice: what is remembered of it must say the same.
async fn harvested(catalog: fn(&str) -> Catalog, answer: Answer) -> (RunSummary, Arc<Memory>) {
    let upstream = Upstream::start(move |_, _| answer.clone()).await;
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(catalog(&upstream.url), &ledger, "".into());
    let summary = run(&harvester).await.summary;
    let again = run(&harvester).await.summary;
    assert_eq!((again.state, &again.error), (summary.state, &summary.error));
    (summary, ledger)
}

fn plain(url: &str) -> Catalog {
    priced(url, "/t", ".[]")
}

#[tokio::test]
async fn one_bad_value_or_character() {
    let cases = [
        (
            &br#"[{"id":1,"price":1.5},{"id":2,"price":NaN},{"id":3}]"#[..],
            "price: expected a Float (a finite number), found `NaN`, which is no JSON (byte 38)",
        ),
        (
            br#"[{"id":1},{"id":-Infinity},{"id":3}]"#,
            "record 2: id: expected an ID (text or a whole number), found `-Infinity`, which is no JSON (byte 16)",
        ),
        (
            br#"[{"id":1},{"id":2,"name":"cut \ud83d"},{"id":3}]"#,
            "name: expected a String (text or a number), found a text with a lone surrogate (byte 30)",
        ),
        (
            b"[{\"id\":1},{\"id\":2,\"name\":\"a\tb\"},{\"id\":3}]",
            "name: expected a String (text or a number), found a text with a control character that is not escaped (byte 27)",
        ),
        (
            b"[{\"id\":1},{\"id\":2,\"name\":\"bad \xff\"},{\"id\":3}]",
            "name: expected a String (text or a number), found a text with bytes that are no UTF-8 (byte 30)",
        ),
        // A filter would make something of it.
        (
            b"[{\"id\":1},{\"id\":2,\"word\":\"bad \xff\"},{\"id\":3}]",
            "shout: found a text with bytes that are no UTF-8 (byte 30)",
        ),
        // Nobody knows that it is not the name of a field.
        (
            b"[{\"id\":1,\"name\":\"a\",\"price\":1,\"word\":\"b\",\"\xff\":1},{\"id\":2,\"na\xffme\":\"x\"},{\"id\":3,\"o\":1}]",
            "name: found a text with bytes that are no UTF-8 (byte 59)",
        ),
        (
            br#"[{"id":1},NaN,{"id":3}]"#,
            "record 2: id: expected an object to take it from, found `NaN`, which is no JSON (byte 10)",
        ),
    ];
    for (body, want) in cases {
        let (summary, ledger) = harvested(plain, Answer::bytes(body.to_vec())).await;
        assert_eq!(summary.state, RunState::Complete, "{want}: {:?}", summary.error);
        assert_eq!((summary.new, summary.refused), (2, 1), "{want}");
        let state = ledger.state();
        let keys: Vec<&String> = state.rows.keys().collect();
        assert_eq!(keys, ["1", "3"], "{want}");
        assert_eq!(state.refused[0].reason, want);
    }
}

/// What nobody reads spoils nothing.
#[tokio::test]
async fn a_broken_value_that_no_field_needs() {
    let body = b"[{\"id\":1,\"other\":[NaN,\"\xff\"]},{\"id\":2,\"name\":\"b\"}]";
    let (summary, _) = harvested(plain, Answer::bytes(body.to_vec())).await;
    assert_eq!((summary.new, summary.refused), (2, 0), "{:?}", summary.error);
}

#[tokio::test]
async fn what_keep_and_paging_read() {
    let kept = |url: &str| {
        let mut catalog = priced(url, "/t", ".[]");
        catalog.fetches[0].keep = vec![jq(".price < 10")];
        catalog
    };
    let body = br#"[{"id":1,"price":1},{"id":2,"price":NaN},{"id":3,"price":99}]"#;
    let (summary, ledger) = harvested(kept, Answer::bytes(body.to_vec())).await;
    assert_eq!((summary.new, summary.refused, summary.left_out), (1, 1, 1));
    assert_eq!(
        ledger.state().refused[0].reason,
        "keep: found `NaN`, which is no JSON (byte 36)"
    );
    let counted = |url: &str| {
        let mut catalog = priced(url, "/t", ".rows[]");
        catalog.fetches[0].paging.total = Some(jq(".total"));
        catalog
    };
    let (summary, _) = harvested(counted, Answer::json(r#"{"total":NaN,"rows":[{"id":1}]}"#)).await;
    let error = summary.error.unwrap_or_default();
    assert!(error.contains("found `NaN`, which is no JSON (byte 9)"), "{error}");
    // Parts wait as texts for the others of their row.
    let merged = |url: &str| {
        let mut catalog = priced(url, "/t", ".[]");
        catalog.fetches[0].repeats = Repeats::Merge;
        catalog
    };
    let body = r#"[{"id":1,"price":1},{"id":2,"price":NaN},{"id":1,"name":"a"}]"#;
    let (summary, _) = harvested(merged, Answer::json(body)).await;
    assert_eq!((summary.new, summary.refused), (1, 1), "{:?}", summary.error);
}

/// What `rows` makes of a broken value would look like any other.
#[tokio::test]
async fn what_rows_makes_something_of() {
    let body = &br#"{"list":[{"id":1,"name":"a"},{"id":2,"name":"b\ud83d"},{"id":3,"name":"c","other":NaN}]}"#[..];
    let found = "record 2: rows: found a text with a lone surrogate (byte 46)";
    type Of = fn(&str) -> Catalog;
    // With as many records as there are; and where each has what it needs, one is refused by its
    // field.
    let cases: [(Of, &str); 6] = [
        (
            |url| priced(url, "/t", ".list[] | {id, name: (.name | tostring)}"),
            found,
        ),
        (|url| priced(url, "/t", ".list[] | {id, name: \"\\(.name)!\"}"), found),
        (
            |url| {
                priced(
                    url,
                    "/t",
                    ".list[] | {id, name: (if .name == \"b\" then \"x\" else \"y\" end)}",
                )
            },
            found,
        ),
        (
            |url| priced(url, "/t", ".list[] | {id, name: (.name | split(\"x\")[])}"),
            found,
        ),
        (
            |url| priced(url, "/t", ".list[] | {id, name}"),
            "name: expected a String (text or a number), found a text with a lone surrogate (byte 46)",
        ),
        (
            |url| priced(url, "/t", ".list | map(. + {price: 1})[]"),
            "name: expected a String (text or a number), found a text with a lone surrogate (byte 46)",
        ),
    ];
    for (catalog, want) in cases {
        let (summary, ledger) = harvested(catalog, Answer::bytes(body.to_vec())).await;
        assert_eq!(
            (summary.state, summary.new),
            (RunState::Complete, 2),
            "{want} {:?}",
            summary.error
        );
        let state = ledger.state();
        assert_eq!(state.rows.keys().collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(state.refused[0].reason, want);
    }
    // Nobody can tell which records it spoils.
    let whole = |url: &str| priced(url, "/t", "[.list[] | .name = (.name | tostring)][]");
    let (summary, _) = harvested(whole, Answer::bytes(body.to_vec())).await;
    let error = summary.error.unwrap_or_default();
    assert!(
        error.contains("found a text with a lone surrogate (byte 46), and jq `"),
        "{error}"
    );
    // An item that is nothing else, and a list that is none.
    let inner = |url: &str| priced(url, "/t", ".[].data");
    let body = r#"[{"data":{"id":1}},NaN,{"data":{"id":3}}]"#;
    let (summary, ledger) = harvested(inner, Answer::json(body)).await;
    assert_eq!((summary.new, summary.refused), (2, 1), "{:?}", summary.error);
    assert_eq!(
        ledger.state().refused[0].reason,
        "record 2: no JSON (byte 19: value expected)"
    );
    let optional = |url: &str| priced(url, "/t", ".list[]?");
    let (summary, _) = harvested(optional, Answer::json(r#"{"list":NaN}"#)).await;
    let error = summary.error.unwrap_or_default();
    assert!(error.contains("found `NaN`, which is no JSON (byte 8)"), "{error}");
}

async fn lines(text: &[u8]) -> (RunSummary, Arc<Memory>) {
    lines_by(text, ".").await
}

async fn lines_by(text: &[u8], rows: &str) -> (RunSummary, Arc<Memory>) {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("t.ndjson"), text).expect("file");
    let ledger = Arc::new(Memory::default());
    let catalog = priced("file:.", "t.ndjson", rows);
    let summary = run(&harvester(catalog, &ledger, folder.path().to_owned()))
        .await
        .summary;
    (summary, ledger)
}

#[tokio::test]
async fn a_bad_line_is_a_refused_record() {
    let text = b"{\"id\":1}\n{\"id\":2,\n\n{\"id\":3}\n{\"id\":4\0}\n{\"id\":5,\"price\":NaN}\n{\"id\":6}";
    let (summary, ledger) = lines(text).await;
    assert_eq!(
        (summary.state, summary.new, summary.refused),
        (RunState::Complete, 3, 3)
    );
    let refused = ledger.state().refused.clone();
    let reasons: Vec<&str> = refused.iter().map(|refused| refused.reason.as_str()).collect();
    assert!(reasons[0].starts_with("line 2: no JSON (byte 8: "), "{reasons:?}");
    assert!(reasons[1].starts_with("line 5: no JSON (byte 7: "), "{reasons:?}");
    assert_eq!(
        reasons[2],
        "line 6: price: expected a Float (a finite number), found `NaN`, which is no JSON (byte 16)"
    );
    let records: Vec<&str> = refused.iter().map(|refused| refused.record.as_str()).collect();
    assert_eq!(
        records,
        ["{\"id\":2,", "{\"id\":4\u{fffd}}", "{\"id\":5,\"price\":\"NaN\"}"]
    );
}

#[tokio::test]
async fn lines_that_rows_makes_something_of() {
    let text = b"{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":NaN}\n{\"id\":3,\"other\":NaN}";
    let (summary, ledger) = lines_by(text, "{id, name: (.name | tostring)}").await;
    assert_eq!((summary.new, summary.refused), (2, 1), "{:?}", summary.error);
    assert_eq!(
        ledger.state().refused[0].reason,
        "line 2: rows: found `NaN`, which is no JSON (byte 15)"
    );
}

#[tokio::test]
async fn what_is_no_ndjson_fails_early() {
    let pretty = "{\n".repeat(1_000);
    let (summary, ledger) = lines(pretty.as_bytes()).await;
    assert!(summary.error.is_some_and(|error| error.contains("line 20: ")));
    let refused = ledger.state().refused.len();
    assert_eq!(refused, 0, "the file is at fault, not a thousand records");
    // More may be missing.
    let (summary, _) = lines(b"{\"id\":1}\n{\"id\":").await;
    assert!(summary.error.is_some_and(|error| error.contains("breaks off")));
}

/// `missing: DELETE`, as a run that brought nothing must not take anything away either.
fn deleting(url: &str) -> Catalog {
    let mut catalog = plain(url);
    catalog.fetches[0].missing = Missing::Delete;
    catalog
}

#[tokio::test]
async fn a_run_whose_records_were_all_refused_has_failed() {
    let (summary, _) = harvested(deleting, Answer::json("[{\"name\":\"a\"},{\"name\":\"b\"}]")).await;
    assert_eq!((summary.state, summary.refused), (RunState::Failed, 2));
    assert_eq!(
        summary.error.as_deref(),
        Some(
            "all 2 records were refused; `hayloft status --refused Thing` lists why; the first: record 2: id: the key is missing \
             or null (looked for `id`)"
        )
    );
    // The keys can be read, so that each stands for its row, and all the others would go.
    let upstream = Upstream::start(|_, count| match count {
        0 => Answer::json("[{\"id\":1},{\"id\":2}]"),
        _ => Answer::json("[{\"id\":1,\"price\":\"much\"}]"),
    })
    .await;
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(deleting(&upstream.url), &ledger, "".into());
    run(&harvester).await;
    let summary = run(&harvester).await.summary;
    let error = summary.error.unwrap_or_default();
    assert!(error.starts_with("the only record was refused"), "{error}");
    assert_eq!(ledger.state().rows.len(), 2);
    let (summary, _) = lines(b"oops\n").await;
    assert_eq!(summary.state, RunState::Failed);
    let (summary, _) = harvested(deleting, Answer::json("[]")).await;
    assert_eq!(summary.state, RunState::Complete, "nothing is not all refused");
}
