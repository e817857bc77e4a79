//! A database copied while it is served, and put back: nothing in it is of two moments, and nobody takes it for the older one.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Db, Farm, Output, Scratch, eventually};

/// What a log of changes must come to: the last word on each row, against the rows themselves.
const LOG_AND_ROWS: &str = "SELECT (SELECT max(seq) FROM hayloft_change_log)=(SELECT seq FROM hayloft_feed_head) \
    AND (SELECT count(*) FROM hayloft_change_log)=(SELECT seq FROM hayloft_feed_head), \
    (SELECT count(*) FROM (SELECT row_key,op,max(seq) FROM hayloft_change_log WHERE type='Item' GROUP BY row_key) \
     WHERE op<>'gone')=(SELECT count(*) FROM item)";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

/// Rows of a file that is a database, beside Hayloft.
async fn rows(file: &Path, sql: &str) -> Vec<Vec<String>> {
    let url = format!("sqlite:{}", file.display());
    crate::harness::rows(&url, sql).await
}

async fn run(scratch: &Scratch, arguments: &[&str]) -> Output {
    scratch.run(arguments, &[("FARM_URL", "http://127.0.0.1:9")]).await
}

#[tokio::test]
async fn a_served_database_is_copied_whole_and_put_back_in_a_new_epoch() {
    let farm = Farm::harvested(Db::Sqlite).await;
    // The world moves all the time, so that each copy is made between commits.
    let world = farm.upstream.clone();
    let moving = tokio::spawn(async move {
        for at in 0.. {
            let items: Vec<u32> = world.world().items.keys().copied().collect();
            if let Some(item) = items.get(at % items.len()) {
                world.world().move_price(*item);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    let mut copies = Vec::new();
    for at in 0..5 {
        let copy = farm.scratch.path(&format!("copy-{at}.db"));
        let made = run(&farm.scratch, &["backup", text(&copy)]).await;
        assert_eq!(made.code, Some(0), "{made:?}");
        assert!(made.out.contains("checked; change log"), "{made:?}");
        // What is there is not written over.
        let again = run(&farm.scratch, &["backup", text(&copy)]).await;
        assert_eq!(again.code, Some(2), "{again:?}");
        assert!(again.err.contains("exists already"), "{again:?}");
        assert_eq!(
            rows(&copy, LOG_AND_ROWS).await,
            [["1", "1"]],
            "rows and log are of one moment"
        );
        copies.push(copy);
        farm.moved().await;
    }
    moving.abort();
    let copy = copies.pop().expect("a copy");
    let epoch = "SELECT epoch,seq FROM hayloft_feed_head";
    let [old, seq] = rows(&copy, epoch).await.concat().try_into().expect("two values");

    let busy = run(&farm.scratch, &["restore", text(&copy), "--replace"]).await;
    assert_eq!(busy.code, Some(2), "{busy:?}");
    assert!(busy.err.contains("another hayloft process"), "{busy:?}");
    let Farm { scratch, program, .. } = farm;
    program.kill().await;
    let there = run(&scratch, &["restore", text(&copy)]).await;
    assert_eq!(there.code, Some(2), "{there:?}");
    assert!(there.err.contains("--replace"), "{there:?}");

    let done = run(&scratch, &["restore", text(&copy), "--replace"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let now = scratch.rows(epoch).await.concat();
    assert_eq!(now[1], seq);
    assert_ne!(now[0], old, "a new epoch");
    let under_way = "SELECT count(*) FROM hayloft_run WHERE state IN ('running','queued')";
    assert_eq!(scratch.rows(under_way).await, [["0"]]);
    assert_eq!(scratch.rows("PRAGMA integrity_check").await, [["ok"]]);
    let kept = done
        .out
        .lines()
        .find_map(|line| line.strip_prefix("the older database is kept as "));
    let kept = scratch.path(kept.expect("the older one's name"));
    assert!(
        rows(&kept, "SELECT count(*) FROM item").await[0][0] != "0",
        "the older one is whole"
    );
    assert!(rows(&kept, epoch).await[0][0] == old);

    // The restored one is served and harvested.
    let program = scratch.serve(&[("FARM_URL", "http://127.0.0.1:9")]).await;
    let items = program.query("{ items { id } }").await;
    assert!(
        items["items"].as_array().is_some_and(|items| !items.is_empty()),
        "{items}"
    );
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn what_is_no_backup_is_not_put_back() {
    let scratch = Scratch::new("type Thing { id: ID! }\n");
    let there = |name: &str| scratch.path(name).exists();
    std::fs::write(scratch.path("text.db"), "no database at all".repeat(100)).expect("a file");
    rusqlite::Connection::open(scratch.path("foreign.db"))
        .and_then(|foreign| foreign.execute_batch("CREATE TABLE t(a)"))
        .expect("another database");
    for (file, says) in [
        ("absent.db", "there is no file"),
        ("text.db", "is not a database"),
        ("foreign.db", "no database that Hayloft made"),
    ] {
        let refused = run(&scratch, &["restore", file]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.err.contains(says) && !refused.err.contains("-part-"),
            "{file}: {refused:?}"
        );
        assert!(
            !there("schema.db"),
            "{file}: nothing was put in the place of the database"
        );
    }
    let nothing = run(&scratch, &["backup", "copy.db"]).await;
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(!there("copy.db"));
}

impl Farm {
    /// Waits until another harvest has changed something.
    async fn moved(&self) {
        let head = || async { self.scratch.rows("SELECT seq FROM hayloft_feed_head").await.concat() };
        let before = head().await;
        eventually("a harvest", || async {
            (head().await != before).then_some(Value::Null)
        })
        .await;
    }
}
