//! Bodies as they travel: compressed, cut off while compressed, and larger than a page may be.

use std::{io::Write as _, sync::Arc};

use flate2::{Compression, write::GzEncoder};

use super::{
    super::limits::BODY_MAX,
    catalogs::{paging, things},
    harvester,
    memory::Memory,
    run,
    safety::Farm,
    upstream::{Answer, End, Upstream},
};
use crate::{
    catalog::Advance,
    store::{Reason, RunState, RunSummary},
};

/// A way to the rows for which a page has to be in memory.
const WHOLE: &str = "[.[]] | .[]";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// One row in a body of this many bytes.
fn body(bytes: usize) -> String {
    let frame = "[{\"id\":1}]";
    format!("{frame}{}", " ".repeat(bytes.saturating_sub(frame.len())))
}

async fn harvested(answer: Answer) -> (RunSummary, String) {
    let upstream = Upstream::start(move |_, _| answer.clone()).await;
    let ledger = Arc::new(Memory::default());
    let catalog = things(&upstream.url, "/t", WHOLE, paging(Advance::Single));
    let summary = run(&harvester(catalog, &ledger, "".into())).await.summary;
    let head = upstream.asked.lock().expect("log")[0].head.clone();
    (summary, head)
}

#[tokio::test]
async fn compressed_bodies() {
    let packed = gzip("[{\"id\":1},{\"id\":2}]");
    let zipped = |answer: Answer| answer.header("content-encoding", "gzip");
    let (summary, head) = harvested(zipped(Answer::bytes(packed.clone()))).await;
    assert_eq!(
        (summary.state, summary.new),
        (RunState::Complete, 2),
        "{:?}",
        summary.error
    );
    let accepted = head.lines().find(|line| line.starts_with("accept-encoding:"));
    assert!(accepted.is_some_and(|line| line.contains("gzip") && line.contains("br") && line.contains("zstd")));
    // Half of it arrives whole, as far as HTTP can tell.
    let half = packed[..packed.len() / 2].to_vec();
    let (summary, _) = harvested(zipped(Answer::bytes(half))).await;
    assert_eq!((summary.state, summary.new), (RunState::Failed, 0));
}

#[tokio::test]
async fn bodies_beyond_the_bound() {
    let most = BODY_MAX as usize;
    let zipped = |text: &str| Answer::bytes(gzip(text)).header("content-encoding", "gzip");
    let cases = [
        ("as large as may be", Answer::json(body(most)), RunState::Complete),
        ("said to be larger", Answer::json(body(most + 1)), RunState::Failed),
        ("larger once unpacked", zipped(&body(most + 1)), RunState::Failed),
        ("not larger once unpacked", zipped(&body(most)), RunState::Complete),
    ];
    for (name, answer, want) in cases {
        let (summary, _) = harvested(answer).await;
        assert_eq!(summary.state, want, "{name}: {:?}", summary.error);
        let error = summary.error.unwrap_or_default();
        assert!(
            want == RunState::Complete || error.contains("larger than"),
            "{name}: {error}"
        );
    }
}

#[tokio::test]
async fn files_beyond_the_bound() {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("big.json"), body(BODY_MAX as usize + 1)).expect("file");
    let ledger = Arc::new(Memory::default());
    let catalog = things("file:.", "big.json", WHOLE, paging(Advance::Single));
    let summary = run(&harvester(catalog, &ledger, folder.path().to_owned()))
        .await
        .summary;
    assert!(summary.error.is_some_and(|error| error.contains("larger than")));
}

/// Whatever no header and no name says is known by its first bytes.
#[tokio::test]
async fn packed_files_and_bodies() {
    let (rows, lines) = ("[{\"id\":1},{\"id\":2}]", "{\"id\":1}\n{\"id\":2}\n");
    let (summary, _) = harvested(Answer::bytes(gzip(rows)).header("content-type", "application/gzip")).await;
    assert_eq!(
        (summary.state, summary.new),
        (RunState::Complete, 2),
        "{:?}",
        summary.error
    );
    let (summary, _) = harvested(Answer::bytes(gzip(&body(BODY_MAX as usize + 1)))).await;
    assert!(summary.error.is_some_and(|error| error.contains("larger than")));
    let folder = tempfile::tempdir().expect("folder");
    // Two in one file, as tools append them.
    let two = [gzip(lines), gzip("{\"id\":3}\n")].concat();
    let half = gzip(rows)[..20].to_vec();
    for (name, bytes, want) in [
        ("x.json.gz", gzip(rows), Some(2)),
        ("x.ndjson.gz", two, Some(3)),
        ("half.json.gz", half.clone(), None),
        ("half.ndjson.gz", half, None),
    ] {
        std::fs::write(folder.path().join(name), bytes).expect("file");
        let ledger = Arc::new(Memory::default());
        let filter = if name.contains("ndjson") { "." } else { ".[]" };
        let catalog = things("file:.", name, filter, paging(Advance::Single));
        let summary = run(&harvester(catalog, &ledger, folder.path().to_owned()))
            .await
            .summary;
        let error = summary.error.unwrap_or_default();
        match want {
            Some(rows) => assert_eq!((summary.state, summary.new), (RunState::Complete, rows), "{error}"),
            None => assert!(error.contains("packed data that is damaged"), "{name}: {error}"),
        }
    }
}

/// A charset is told by a header or by the bytes themselves; the next run knows the same bytes
/// again.
#[tokio::test]
async fn charsets() {
    let text = "[{\"id\":\"é\"}]";
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let answers = [
        Answer::bytes(utf16),
        Answer::bytes(b"[{\"id\":\"\xe9\"}]".to_vec()).header("content-type", "application/json; charset=latin1"),
        Answer::bytes(format!("\u{feff}{text}").into_bytes()),
    ];
    for answer in answers {
        let upstream = Upstream::start(move |_, _| answer.clone()).await;
        let ledger = Arc::new(Memory::default());
        let catalog = things(&upstream.url, "/t", ".[]", paging(Advance::Single));
        let harvester = harvester(catalog, &ledger, "".into());
        assert_eq!(run(&harvester).await.summary.new, 1);
        assert!(ledger.state().rows.contains_key("é"));
        assert_eq!(run(&harvester).await.summary.same, 1);
        assert_eq!(ledger.state().unchanged, 1);
    }
    let folder = tempfile::tempdir().expect("folder");
    let lines: Vec<u8> = "\u{feff}{\"id\":\"é\"}\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    std::fs::write(folder.path().join("t.ndjson"), lines).expect("file");
    let ledger = Arc::new(Memory::default());
    let catalog = things("file:.", "t.ndjson", ".", paging(Advance::Single));
    let summary = run(&harvester(catalog, &ledger, folder.path().to_owned()))
        .await
        .summary;
    assert_eq!(summary.state, RunState::Complete, "{:?}", summary.error);
    assert!(ledger.state().rows.contains_key("é"));
}

/// Lines have no bracket at their end: only what HTTP says tells whether the last of them has come.
#[tokio::test]
async fn lines_that_end_with_the_connection_delete_nothing() {
    let lines = |count: usize| (0..count).map(|id| format!("{{\"id\":{id}}}\n")).collect::<String>();
    for (end, packed, sure) in [
        (End::Length, false, true),
        (End::Length, true, true),
        (End::Chunk, false, true),
        (End::Chunk, true, true),
        (End::Nothing, false, false),
        (End::Nothing, true, false),
    ] {
        let answer = move |count: usize, end| {
            let answer = match packed {
                true => Answer::bytes(gzip(&lines(count))).header("content-encoding", "gzip"),
                false => Answer::bytes(lines(count).into_bytes()),
            };
            answer.ends(end).header("etag", "\"1\"")
        };
        let upstream = Upstream::start(move |_, asked| match asked {
            0 => answer(3, End::Length),
            1 | 2 => answer(2, end),
            _ => answer(2, End::Length),
        })
        .await;
        let farm = Farm::of(
            &upstream.url,
            "rows: \".\", format: NDJSON",
            "GET: \"/t\", missing: DELETE",
        )
        .await;
        assert_eq!(farm.run(Reason::Hand).await.0.new, 3);
        let case = format!("{end:?}, {packed}");
        // What was in doubt is not called unchanged when it comes again.
        for gone in [1, 0] {
            let (summary, _) = farm.run(Reason::Hand).await;
            assert_eq!(summary.state, RunState::Complete, "{case}: {:?}", summary.error);
            let doubt = summary.told.doubt.unwrap_or_default();
            match sure {
                true => assert_eq!((summary.gone, doubt.as_str()), (gone, ""), "{case}"),
                false => {
                    assert_eq!(summary.gone, 0, "{case}");
                    assert!(doubt.contains("an answer ended with its connection"), "{case}: {doubt}");
                }
            }
        }
        let (summary, _) = farm.run(Reason::Hand).await;
        assert_eq!(summary.told.doubt, None, "{case}");
        assert_eq!(farm.rows().await, 2, "{case}");
    }
}

/// JSON ends where its last bracket is.
#[tokio::test]
async fn json_that_ends_with_the_connection_is_whole() {
    let upstream = Upstream::start(|_, asked| match asked {
        0 => Answer::json("{\"rows\":[{\"id\":1},{\"id\":2}]}"),
        _ => Answer::json("{\"rows\":[{\"id\":1}]}").ends(End::Nothing),
    })
    .await;
    let farm = Farm::new(&upstream.url, "GET: \"/t\", missing: DELETE").await;
    assert_eq!(farm.run(Reason::Hand).await.0.new, 2);
    let (summary, _) = farm.run(Reason::Hand).await;
    assert_eq!((summary.gone, summary.told.doubt), (1, None));
}
