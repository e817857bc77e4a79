//! A part of the program that breaks costs its own run; what is beside it ends in order. Knows no cause: the tests make one.

use serde_json::json;

use crate::harness::{Db, Reply, Scratch, Upstream, eventually, on_both};

on_both!(
    a_run_that_breaks_fails_alone,
    those_beside_one_that_broke_are_interrupted,
    a_schedule_goes_on_after_a_run_that_broke
);

const SHOP: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Item @fetch(source: \"up\", GET: \"/items\", rows: \".[]\", every: \"1h\") { id: ID! }\n\
    type Quest @fetch(source: \"up\", GET: \"/quests\", rows: \".[]\", every: \"1h\") { id: ID! }\n\
    type Tag @fetch(source: \"up\", GET: \"/tags\", rows: \".[]\", every: \"1h\") { id: ID! }\n";

/// A shop whose quests and tags wait for a gate. Its tags were harvested before, so that the tables are there.
async fn shop(db: Db) -> (Scratch, Upstream) {
    let upstream = Upstream::start().await;
    let one = || Reply::json(&json!([{ "id": 1 }]));
    upstream.set("/tags", one());
    let scratch = Scratch::on(db, SHOP);
    scratch.must(&["harvest", "Tag"], &[("UP", &upstream.url())]).await;
    upstream.open(0);
    upstream.set("/items", one());
    upstream.set("/quests", one().behind(1));
    upstream.set("/tags", one().behind(1));
    scratch.bury_the_dead().await;
    (scratch, upstream)
}

/// The states of the runs of a fetch, the newest last.
async fn states(scratch: &Scratch, fetch: &str) -> Vec<String> {
    let sql = format!("SELECT state FROM hayloft_run WHERE \"fetch\"='{fetch}' ORDER BY id");
    scratch.rows(&sql).await.concat()
}

async fn a_run_that_breaks_fails_alone(db: Db) {
    let (scratch, upstream) = shop(db).await;
    let url = upstream.url();
    let environment = [("UP", url.as_str()), ("FAILPOINTS", "finish::ended=1*panic")];
    let broke = async {
        eventually("its end is recorded", || async {
            (states(&scratch, "Item").await == ["failed"]).then_some(())
        })
        .await;
        upstream.open(1);
    };
    let arguments = ["harvest"];
    let mut harvest = std::pin::pin!(scratch.run(&arguments, &environment));
    let harvest = tokio::select! {
        ended = &mut harvest => ended,
        () = broke => harvest.await,
    };
    assert_eq!(harvest.code, Some(1), "{harvest:?}");
    assert!(harvest.out.contains("stopped unexpectedly"), "{harvest:?}");
    assert_eq!(states(&scratch, "Item").await, ["failed"], "{harvest:?}");
    assert_eq!(states(&scratch, "Quest").await, ["complete"], "{harvest:?}");
}

/// One that breaks before it is known which run it is at work on.
async fn those_beside_one_that_broke_are_interrupted(db: Db) {
    let (scratch, upstream) = shop(db).await;
    upstream.set("/items", Reply::json(&json!([])).behind(1));
    let url = upstream.url();
    let environment = [("UP", url.as_str()), ("FAILPOINTS", "claim::after=1*off->1*panic")];
    let harvest = scratch.run(&["harvest"], &environment).await;
    assert_eq!(harvest.code, Some(1), "{harvest:?}");
    assert!(harvest.err.contains("a run broke"), "{harvest:?}");
    let sql = "SELECT state FROM hayloft_run WHERE state<>'complete' ORDER BY state";
    let states = scratch.rows(sql).await.concat();
    assert_eq!(states, ["interrupted", "interrupted", "running"], "{harvest:?}");
}

async fn a_schedule_goes_on_after_a_run_that_broke(db: Db) {
    let (scratch, upstream) = shop(db).await;
    let url = upstream.url();
    let environment = [("UP", url.as_str()), ("FAILPOINTS", "finish::ended=1*panic")];
    let program = scratch.serve(&environment).await;
    // Quests are under way all the time.
    eventually("it is tried again", || async {
        (states(&scratch, "Item").await == ["failed", "complete"]).then_some(())
    })
    .await;
    assert_eq!(states(&scratch, "Quest").await, ["running"]);
    upstream.open(1);
    eventually("the others end", || async {
        (states(&scratch, "Quest").await == ["complete"]).then_some(())
    })
    .await;
    assert_eq!(program.terminate().await, Some(0));
}
