//! Golden cases of formats: folders in `tests/cases/formats`, each a definition with the file that
//! it reads, and what becomes of it. What lies in a folder and what comes by HTTP become the same.
//!
//! `HAYLOFT_BLESS=1` writes the `want.txt` files anew.

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use super::{
    harvester,
    memory::Memory,
    run,
    upstream::{Answer, Upstream},
};
use crate::{catalog::testing::draft, store::RunState, value::Value};

#[tokio::test]
async fn golden_formats() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/formats");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a case").path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 16, "{} cases", cases.len());
    let bless = std::env::var_os("HAYLOFT_BLESS").is_some();
    let mut wrong = Vec::new();
    for case in cases {
        let definition = fs::read_to_string(case.join("definition.graphql")).expect("a definition");
        let file = harvested(&definition, &case).await;
        if !definition.contains("only a folder") {
            let served = served(&definition, &case).await;
            assert_eq!(beside_error(&file), beside_error(&served), "{}", case.display());
        }
        let golden = case.join("want.txt");
        if bless {
            fs::write(&golden, &file).expect("write a golden file");
        } else if fs::read_to_string(&golden).ok().as_deref() != Some(file.as_str()) {
            wrong.push(format!("--- {} ---\n{file}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nHAYLOFT_BLESS=1 accepts these", wrong.join("\n"));
}

/// The same from an upstream that has the folder's files.
async fn served(definition: &str, case: &Path) -> String {
    let folder = case.to_owned();
    let upstream = Upstream::start(move |asked, _| match fs::read(folder.join(&asked.path[1..])) {
        Ok(bytes) => Answer::bytes(bytes).header("Content-Type", "application/octet-stream"),
        Err(_) => Answer::status(404),
    })
    .await;
    let definition = definition
        .replace("file:.", &upstream.url)
        .replace("FILE: \"", "GET: \"/");
    harvested(&definition, case).await
}

/// What a run made of it: the rows, the refused records, how it ended.
async fn harvested(definition: &str, folder: &Path) -> String {
    let ledger = Arc::new(Memory::default());
    let harvester = harvester(draft(definition), &ledger, folder.to_owned());
    let summary = run(&harvester).await.summary;
    let (mut out, state) = (String::new(), ledger.state());
    let shown = |value: &Value| match value {
        Value::Text(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    for row in state.rows.values() {
        let values: Vec<String> = row.values.iter().map(shown).collect();
        writeln!(out, "row {}", values.join(", ")).expect("memory");
    }
    for refused in &state.refused {
        writeln!(out, "refused {} of {:?}", refused.reason, refused.record).expect("memory");
    }
    match &summary.error {
        Some(error) => writeln!(out, "{:?}: {error}", summary.state),
        None => writeln!(out, "{:?}", summary.state),
    }
    .expect("memory");
    if summary.state == RunState::Complete {
        assert_eq!(summary.error, None);
    }
    out
}

/// A fault names what was asked for, and says what to do about that.
fn beside_error(outcome: &str) -> Vec<&str> {
    let lines = outcome.lines();
    lines
        .map(|line| {
            line.split_once(": GET")
                .or(line.split_once(": FILE"))
                .map_or(line, |(before, _)| before)
        })
        .collect()
}
