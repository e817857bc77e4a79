//! Several processes on one database: who did not harvest hears of what was harvested, at once and without notifications.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};

use crate::harness::{Db, Place, Program, Reply, Scratch, Socket, Upstream, cluster::Database, eventually};

const SOURCE: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n";
const HARVESTED: &str = "type Thing @fetch(source: \"up\", every: \"1s\", GET: \"/things\", rows: \".[]\") { id: ID! n: Int }\n\
    type Other @fetch(source: \"up\", every: \"1s\", GET: \"/others\", rows: \".[]\") { id: ID! n: Int }\n";

/// One process that harvests and one that only serves, on the same database.
async fn two(upstream: &Upstream, database: &Database) -> ([Scratch; 2], Program, Program) {
    let harvesting = Scratch::at(Place::Elsewhere(database.url()), &format!("{SOURCE}{HARVESTED}"));
    let serving = Scratch::at(
        Place::Elsewhere(database.url()),
        &format!("{SOURCE}{}", HARVESTED.replace("every: \"1s\", ", "")),
    );
    let environment = [("UP", upstream.url())];
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let one = harvesting.serve(&environment).await;
    let other = serving.serve(&environment).await;
    ([harvesting, serving], one, other)
}

fn numbers(upstream: &Upstream, path: &str, n: i64) {
    upstream.set(path, Reply::json(&json!([{ "id": 1, "n": n }])));
}

async fn next_number(socket: &mut Socket, list: &str) -> Value {
    let message = socket.next().await;
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"][list][0]["n"].clone()
}

#[tokio::test]
async fn a_live_query_follows_the_commits_of_another_process() {
    let (upstream, database) = (Upstream::start().await, Database::new());
    numbers(&upstream, "/things", 1);
    numbers(&upstream, "/others", 1);
    let (_scratch, one, other) = two(&upstream, &database).await;
    let all = "{ things { n } others { n } }";
    other
        .eventually("the first harvest", all, |data| {
            data["things"][0]["n"] == 1 && data["others"][0]["n"] == 1
        })
        .await;
    let mut socket = Socket::open(&format!("{}/graphql", other.url)).await;
    socket.subscribe("things", "subscription { things { n } }").await;
    assert_eq!(next_number(&mut socket, "things").await, 1);
    for n in 2..6 {
        numbers(&upstream, "/things", n);
        assert_eq!(next_number(&mut socket, "things").await, n);
    }
    // Without any notification, the log is looked at all the same.
    let cut = database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname=current_database()",
    );
    assert!(!cut.is_empty(), "somebody listens");
    numbers(&upstream, "/things", 7);
    assert_eq!(next_number(&mut socket, "things").await, 7);
    assert_eq!(one.terminate().await, Some(0));
    assert_eq!(other.terminate().await, Some(0));
}

#[tokio::test]
async fn a_dump_that_was_restored_begins_a_new_epoch() {
    let (upstream, database) = (Upstream::start().await, Database::new());
    numbers(&upstream, "/things", 1);
    numbers(&upstream, "/others", 1);
    let (scratch, one, other) = two(&upstream, &database).await;
    one.eventually("the first harvest", "{ things { n } }", |data| {
        data["things"][0]["n"] == 1
    })
    .await;
    // Hayloft says itself that this is the server's work.
    for command in ["backup", "restore"] {
        let refused = scratch[0]
            .run(&[command, "farm.dump"], &[("UP", &upstream.url())])
            .await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let tool = if command == "backup" { "pg_dump" } else { "pg_restore" };
        assert!(
            refused.err.contains(tool) && refused.err.contains("docs/backup.md"),
            "{refused:?}"
        );
    }
    let dump = scratch[0].path("farm.dump");
    let dump = dump.to_str().expect("a path of text");
    tool(
        "pg_dump",
        &["--format=custom", &format!("--file={dump}"), &database.url()],
    )
    .await;
    assert_eq!(one.terminate().await, Some(0));
    assert_eq!(other.terminate().await, Some(0));

    let copy = Database::new();
    tool("pg_restore", &["--no-owner", &format!("--dbname={}", copy.url()), dump]).await;
    let epoch = |database: &Database| database.sql("SELECT epoch FROM hayloft_feed_head").concat();
    assert_eq!(epoch(&copy), epoch(&database), "a dump carries it along");
    let place = Scratch::at(Place::Elsewhere(copy.url()), &format!("{SOURCE}{HARVESTED}"));
    let program = place.serve(&[("UP", &upstream.url())]).await;
    assert_ne!(epoch(&copy), epoch(&database), "and it is told apart when it is used");
    assert!(program.log().contains("begins a new epoch"), "{}", program.log());
    assert_eq!(program.query("{ things { n } }").await["things"][0]["n"], 1);
    let told = epoch(&copy);
    assert_eq!(program.terminate().await, Some(0));
    // Once only.
    let program = place.serve(&[("UP", &upstream.url())]).await;
    assert_eq!(epoch(&copy), told);
    assert_eq!(program.terminate().await, Some(0));
}

/// Runs a tool of PostgreSQL's, found where the server's are.
async fn tool(name: &str, arguments: &[&str]) {
    let path = crate::harness::cluster::binaries().join(name);
    let done = tokio::process::Command::new(path).args(arguments).output().await;
    let done = done.expect("the tool starts");
    assert!(
        done.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// A process that serves has one fetch in hand; the others are harvested all the same.
#[tokio::test]
async fn a_harvest_by_hand_goes_round_what_is_under_way() {
    let upstream = Upstream::start().await;
    let rows = || Reply::json(&json!([{ "id": 1 }]));
    let released = Arc::new(AtomicBool::new(false));
    let free = Arc::clone(&released);
    upstream.set("/a", rows());
    upstream.set("/b", rows().when(move || free.load(Ordering::Relaxed)));
    upstream.set("/c", rows());
    let types = ["A", "B", "C"].map(|name| {
        let path = name.to_lowercase();
        format!("type {name} @fetch(source: \"up\", every: \"1d\", GET: \"/{path}\", rows: \".[]\") {{ id: ID! }}\n")
    });
    let source = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n";
    let scratch = Scratch::on(Db::Postgres, &format!("{source}{}", types.concat()));
    let url = upstream.url();
    let program = scratch.serve(&[("UP", &url)]).await;
    let states = "SELECT state FROM hayloft_run ORDER BY 1";
    eventually("two are done, one is under way", || async {
        (scratch.rows(states).await.concat() == ["complete", "complete", "running"]).then_some(())
    })
    .await;
    let harvest = scratch.run(&["harvest"], &[("UP", &url)]).await;
    assert_eq!(harvest.code, Some(1), "{harvest:?}");
    assert!(harvest.err.contains("B is being harvested already"), "{harvest:?}");
    for name in ["A", "C"] {
        assert!(harvest.out.lines().any(|line| line.starts_with(name)), "{harvest:?}");
    }
    released.store(true, Ordering::Relaxed);
    assert_eq!(program.terminate().await, Some(0));
}
