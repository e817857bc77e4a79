//! Commands beside a process that serves: they go through its socket, and do the same as without one.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Upstream, eventually, on_both};

on_both!(held_rows_are_approved_or_kept, what_was_refused_is_read_again);

const THINGS: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", GET: \"/things\", rows: \".[]\", missing: DELETE) { id: ID! n: Int! }\n";

fn things(count: i64) -> Value {
    json!((0..count).map(|id| json!({ "id": id, "n": id })).collect::<Vec<_>>())
}

/// A process that serves, after the run that it begins with.
async fn serving(scratch: &Scratch, environment: &[(&str, &str)]) -> Program {
    let program = scratch.serve(environment).await;
    eventually("the first run ends", || async {
        let status = scratch.must(&["status"], environment).await;
        status
            .out
            .lines()
            .any(|line| line.starts_with("Thing") && line.contains("complete"))
            .then_some(())
    })
    .await;
    program
}

async fn count(program: &Program) -> usize {
    let data = program.query("{ things { id } }").await;
    data["things"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_harvest_beside_a_serving_process_goes_through_it() {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(5)));
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let scratch = Scratch::new(THINGS);
    let program = serving(&scratch, &environment).await;
    let socket = scratch.path("schema.db-control");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let harvest = scratch.must(&["harvest", "Thing"], &environment).await;
    assert!(
        harvest.out.contains("5 rows in") && harvest.out.contains("complete"),
        "{harvest:?}"
    );
    assert_eq!(count(&program).await, 5);
    let wrong = scratch.run(&["harvest", "Thin"], &environment).await;
    assert_eq!(
        (wrong.code, wrong.err.contains("it has Thing")),
        (Some(2), true),
        "{wrong:?}"
    );
    upstream.set("/things", Reply::text(500, "text/plain", "no"));
    let failed = scratch.run(&["harvest"], &environment).await;
    assert_eq!(
        (failed.code, failed.out.contains("answered 500")),
        (Some(1), true),
        "{failed:?}"
    );

    // Another definition means other rows by the same names.
    scratch.write("other.graphql", &THINGS.replace("n: Int!", "n: Int"));
    let other = ["harvest", "--schema", "other.graphql", "--database", "sqlite:schema.db"];
    let other = scratch.run(&other, &environment).await;
    assert_eq!(
        (other.code, other.err.contains("another definition")),
        (Some(2), true),
        "{other:?}"
    );

    assert_eq!(program.terminate().await, Some(0));
    assert!(!socket.exists(), "it goes with the process");
}

/// Whoever asked goes away: the run ends as at a shutdown, and the process goes on.
#[tokio::test]
async fn what_a_client_began_ends_with_it() {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(5)));
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let scratch = Scratch::new(THINGS);
    let program = serving(&scratch, &environment).await;
    upstream.set("/things", Reply::json(&things(6)).behind(1));
    upstream.open(0);
    let before = upstream.asked().len();
    let asked = async {
        eventually("the upstream is asked", || async {
            (upstream.asked().len() > before).then_some(())
        })
        .await;
    };
    let ended = scratch.end_at(&["harvest"], &environment, asked).await;
    assert_eq!(ended.status.code(), None, "it was killed");
    eventually("the run is given up", || async {
        program.log().contains("interrupted after").then_some(())
    })
    .await;
    upstream.open(1);
    scratch.must(&["harvest"], &environment).await;
    assert_eq!(count(&program).await, 6);
}

/// A process that was killed leaves its socket, and a database whose path is too long for one has one all the same.
#[tokio::test]
async fn a_socket_that_is_nobody_s_is_no_obstacle() {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(5)));
    let url = upstream.url();
    let scratch = Scratch::new(THINGS);
    let folder = format!("{0}/{0}", "a folder with a long name ".repeat(4).trim());
    std::fs::create_dir_all(scratch.path(&folder)).expect("a folder");
    let database = format!("sqlite:{folder}/things.db");
    let environment = [("UP", url.as_str()), ("HAYLOFT_DATABASE", database.as_str())];
    let program = serving(&scratch, &environment).await;
    let socket = scratch.path(&format!("{folder}/things.db-control"));
    assert!(socket.exists(), "{}", program.log());
    scratch.must(&["harvest"], &environment).await;
    assert_eq!(count(&program).await, 5);
    program.kill().await;
    assert!(socket.exists(), "nobody removed it");
    scratch.must(&["harvest"], &environment).await;
    let program = serving(&scratch, &environment).await;
    scratch.must(&["harvest"], &environment).await;
    assert_eq!(count(&program).await, 5);
}

async fn held_rows_are_approved_or_kept(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(100)));
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let scratch = Scratch::on(db, THINGS);
    scratch.must(&["harvest"], &environment).await;
    let program = serving(&scratch, &environment).await;
    let nothing = scratch.run(&["approve", "Thing"], &environment).await;
    assert_eq!(
        (nothing.code, nothing.err.contains("no deletion is held for Thing")),
        (Some(1), true),
        "{nothing:?}"
    );

    upstream.set("/things", Reply::json(&things(60)));
    let held = scratch.must(&["harvest"], &environment).await;
    assert!(
        held.out.contains("40 rows held") && held.out.contains("hayloft approve Thing"),
        "{held:?}"
    );
    let rejected = scratch.must(&["reject", "Thing"], &environment).await;
    assert!(rejected.out.contains("40 held rows stay"), "{rejected:?}");
    let quiet = scratch.must(&["harvest"], &environment).await;
    assert!(!quiet.out.contains("held") && count(&program).await == 100, "{quiet:?}");

    upstream.set("/things", Reply::json(&things(30)));
    scratch.must(&["harvest"], &environment).await;
    let status = scratch.must(&["status"], &environment).await;
    assert!(status.out.contains("held: 30 rows"), "{status:?}");
    let approved = scratch.must(&["approve", "Thing"], &environment).await;
    assert!(approved.out.contains("30 held rows may go"), "{approved:?}");
    // Those that were kept are still there.
    assert_eq!(count(&program).await, 70);
    let status = scratch.must(&["status"], &environment).await;
    assert!(!status.out.contains("held"), "{status:?}");
}

async fn what_was_refused_is_read_again(db: Db) {
    let upstream = Upstream::start().await;
    let rows = json!([{ "id": 1, "n": 1 }, { "id": 2, "n": "many" }]);
    upstream.set("/things", Reply::json(&rows));
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let scratch = Scratch::on(db, THINGS);
    let none = scratch.must(&["replay"], &environment).await;
    assert!(none.out.contains("no record is refused"), "{none:?}");
    scratch.must(&["harvest"], &environment).await;
    let _program = serving(&scratch, &environment).await;
    let mended = json!([{ "id": 1, "n": 1 }, { "id": 2, "n": 2 }]);
    upstream.set("/things", Reply::json(&mended));
    let replayed = scratch.must(&["replay", "Thing"], &environment).await;
    assert!(replayed.out.contains("complete"), "{replayed:?}");
    let line: Vec<&str> = replayed.out.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(line[..7], ["Thing", "1", "1", "0", "1", "0", "0"], "{}", replayed.out);
}
