//! The page in a real browser: GraphiQL loads, answers and moves, and nothing leaves the machine.

use std::{path::Path, process::Stdio};

use hayloft::demo::{FARM_DEFINITION, TICK, Upstream};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::harness::{Db, Scratch, on_both};

on_both!(the_page_answers_and_moves);

async fn the_page_answers_and_moves(db: Db) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, what) in [
        ("web/dist/index.html", "the built page"),
        ("web/node_modules", "the page's packages"),
    ] {
        assert!(root.join(path).exists(), "{what} is missing: `make test` prepares it");
    }
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let upstream = Upstream::start(7, Some(TICK), stop).await.expect("the stand-in");
    let scratch = Scratch::on(db, &FARM_DEFINITION.replace("every: \"5s\"", "every: \"1s\""));
    let program = scratch.serve(&[("FARM_URL", &upstream.url())]).await;
    program
        .eventually("the farm is harvested", "{ items { id } quests { id } }", |data| {
            data["items"].as_array().is_some_and(|items| items.len() == 320) && data["quests"] != serde_json::json!([])
        })
        .await;
    let pictures = scratch.path("pictures");
    let mut command = Command::new("node");
    command
        .arg("e2e/run.mjs")
        .arg(&program.url)
        .arg(&pictures)
        .current_dir(root.join("web"));
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("node");
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{told}\n{}", program.log());
}
