//! A definition that changes under the real program: what is new fills itself, what is renamed stays, what would be lost is
//! refused first, and a crash in the middle leaves the old tables or the new ones.

use std::{
    os::unix::process::ExitStatusExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

use crate::harness::{Db, Reply, Scratch, Upstream, eventually, on_both};

on_both!(
    a_new_field_fills_itself,
    what_is_renamed_stays_and_what_is_lost_is_asked_for,
    a_crash_in_the_middle_leaves_one_or_the_other,
    a_type_that_only_a_field_fills_is_filled,
    a_type_that_comes_back_is_harvested_once,
    what_is_read_in_another_way_is_read_at_once,
);

const SIGABRT: i32 = 6;

const SOURCE: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n";
const THING: &str = "type Thing @fetch(source: \"up\", every: \"1d\", GET: \"/things\", rows: \".[]\") { id: ID! n: Int name: String }\n";

/// A database that the first definition has filled.
struct Edited {
    scratch: Scratch,
    upstream: Upstream,
    url: String,
}

impl Edited {
    async fn new(db: Db) -> Edited {
        let upstream = Upstream::start().await;
        upstream.set("/things", Reply::json(&things()));
        let url = upstream.url();
        let scratch = Scratch::on(db, &format!("{SOURCE}{THING}"));
        let edited = Edited { scratch, upstream, url };
        edited.run(&["harvest"], 0).await;
        edited
    }

    fn define(&self, types: &str) {
        self.scratch.write("schema.graphql", &format!("{SOURCE}{types}"));
    }

    /// Runs a command that ends so; gives what it printed.
    async fn run(&self, arguments: &[&str], code: i32) -> String {
        let output = self.scratch.run(arguments, &[("UP", &self.url)]).await;
        assert_eq!(output.code, Some(code), "{arguments:?}: {output:?}");
        format!("{}{}", output.out, output.err)
    }
}

fn things() -> serde_json::Value {
    json!([
        { "id": "a", "n": 1, "name": "One", "weight": 1.5 },
        { "id": "b", "n": 2, "name": null, "weight": 2.5 },
        { "id": "c", "n": 3, "name": "One", "weight": null },
    ])
}

fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part} is not in: {text}");
}

async fn a_new_field_fills_itself(db: Db) {
    let edited = Edited::new(db).await;
    edited.define(&THING.replace("n: Int", "n: Int weight: Float"));
    let planned = edited.run(&["plan"], 0).await;
    has(&planned, "+ Thing.weight: new field, then filled by a harvest of Thing");
    has(&planned, "1 step: 1 additive, 0 lossy");
    // The next slot of the schedule is a day away; meanwhile the old rows are served.
    let looked = Arc::new(AtomicBool::new(false));
    let held = {
        let looked = looked.clone();
        Reply::json(&things()).when(move || looked.load(Ordering::Relaxed))
    };
    edited.upstream.set("/things", held);
    let program = edited.scratch.serve(&[("UP", &edited.url)]).await;
    let answer = program.query("{ things { id weight } }").await;
    assert_eq!(answer["things"][0], json!({ "id": "a", "weight": null }), "{answer}");
    has(&edited.run(&["status"], 0).await, "weight");
    looked.store(true, Ordering::Relaxed);
    let filled = |answer: &serde_json::Value| answer["things"][1]["weight"] == json!(2.5);
    program
        .eventually("the field is filled", "{ things { id weight } }", filled)
        .await;
    program.terminate().await;
    has(&edited.run(&["plan"], 0).await, "nothing");
    let owed = edited.scratch.rows("SELECT fields FROM hayloft_refill").await;
    assert!(owed.is_empty(), "{owed:?}");
}

async fn what_is_renamed_stays_and_what_is_lost_is_asked_for(db: Db) {
    let edited = Edited::new(db).await;
    let renamed = THING
        .replace("type Thing", "type Item")
        .replace("{ id", "@was(name: \"Thing\") { id")
        .replace("n: Int", "size: Int @was(name: \"n\") @select(jq: \".n\")");
    edited.define(&renamed);
    edited.run(&["harvest"], 0).await;
    let rows = edited.scratch.rows("SELECT id,size FROM item ORDER BY id").await;
    assert_eq!(rows, [["a", "1"], ["b", "2"], ["c", "3"]]);
    let written = edited
        .scratch
        .rows("SELECT changed_rows FROM hayloft_run ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(written, [["0"]], "nothing differs");

    let lossy = renamed
        .replace("name: String ", "")
        .replace("@select(jq: \".n\")", "@select(jq: \".n\") @unique");
    edited.define(&lossy);
    let refused = edited.run(&["harvest"], 2).await;
    has(&refused, "- Item.name: field removed; the value of 2 rows is removed");
    has(&refused, "--allow-destructive");
    let planned = edited.run(&["plan"], 3).await;
    has(&planned, "(LOSSY: the value of 2 rows is removed)");
    let json: serde_json::Value = {
        let output = edited.scratch.run(&["plan", "--json"], &[("UP", &edited.url)]).await;
        serde_json::from_str(&output.out).expect("JSON")
    };
    assert_eq!(json["lossy"], json!(true), "{json}");
    assert_eq!(json["steps"][0]["change"], "REMOVED_FIELD", "{json}");
    assert_eq!(json["steps"][0]["rows"], 2, "{json}");
    assert_eq!(json["steps"][1]["lossy"], json!(false), "{json}");
    edited.run(&["harvest", "--allow-destructive"], 0).await;
    has(&edited.run(&["plan"], 0).await, "nothing");
}

async fn a_crash_in_the_middle_leaves_one_or_the_other(db: Db) {
    let edited = Edited::new(db).await;
    edited.define(
        &THING
            .replace("type Thing", "type Item")
            .replace("{ id", "@was(name: \"Thing\") { id")
            .replace(
                "n: Int name: String",
                "n: Float! title: String! @was(name: \"name\") @select(jq: \".name // \\\"?\\\"\")",
            ),
    );
    for point in ["cleared", "renamed", "reshaped", "done"] {
        let points = format!("migrate::{point}=return");
        let environment = [("UP", edited.url.as_str()), ("FAILPOINTS", points.as_str())];
        let output = edited
            .scratch
            .end(&["harvest", "--allow-destructive"], &environment)
            .await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(SIGABRT), "{point}: {told}");
        let rows = edited.scratch.rows("SELECT id,n,name FROM thing ORDER BY id").await;
        assert_eq!(rows, [["a", "1", "One"], ["b", "2", ""], ["c", "3", "One"]], "{point}");
    }
    edited.run(&["harvest", "--allow-destructive"], 0).await;
    let rows = edited.scratch.rows("SELECT id,title FROM item ORDER BY id").await;
    assert_eq!(rows, [["a", "One"], ["b", "?"], ["c", "One"]]);
}

/// Large is what the planner counts as such.
#[tokio::test]
async fn an_index_that_waits_is_told_and_built_by_a_harvest() {
    let edited = Edited::new(Db::Postgres).await;
    let large = "UPDATE pg_class SET reltuples=1000000 WHERE relname='thing'";
    edited.scratch.rows(large).await;
    edited.define(&THING.replace("n: Int", "n: Int @index"));
    let environment = [("UP", edited.url.as_str()), ("FAILPOINTS", "open::done=return")];
    let output = edited.scratch.end(&["harvest"], &environment).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{told}");
    let waits = "Thing.n: its index is still to be built";
    for command in ["plan", "status"] {
        has(&edited.run(&[command], 0).await, waits);
    }
    edited.run(&["harvest"], 0).await;
    let built = "SELECT 1 FROM pg_indexes WHERE indexname='thing$n$index'";
    assert_eq!(edited.scratch.rows(built).await, [["1"]]);
    for command in ["plan", "status"] {
        let told = edited.run(&[command], 0).await;
        assert!(!told.contains(waits), "{told}");
    }
}

/// All rows of the type are marked for the run that fills the field; only what comes after that keeps others from reading.
#[tokio::test]
async fn a_type_is_read_while_its_rows_are_marked_for_a_new_field() {
    let edited = Edited::new(Db::Postgres).await;
    let program = edited.scratch.serve(&[("UP", &edited.url)]).await;
    let with = THING.replace("n: Int", "n: Int weight: Float");
    edited.scratch.write("later.graphql", &format!("{SOURCE}{with}"));
    let environment = [("UP", edited.url.as_str()), ("FAILPOINTS", "migrate::cleared=pause")];
    let arguments = ["harvest", "--schema", "later.graphql"];
    let read = async {
        let marked = "SELECT 1 FROM pg_locks l JOIN pg_class c ON c.oid=l.relation \
                      WHERE c.relname='thing' AND l.mode='RowExclusiveLock' AND l.granted";
        eventually("the rows are marked", || async {
            (!edited.scratch.rows(marked).await.is_empty()).then_some(())
        })
        .await;
        program.query("{ things { id name } }").await
    };
    let answer = tokio::select! {
        answer = read => answer,
        ended = edited.scratch.end(&arguments, &environment) => panic!("it did not pause: {ended:?}"),
    };
    assert_eq!(answer["things"][0], json!({ "id": "a", "name": "One" }));
    assert_eq!(program.terminate().await, Some(0));
}

/// On PostgreSQL, and said before it is done.
#[tokio::test]
async fn what_holds_up_readers_is_told() {
    let edited = Edited::new(Db::Postgres).await;
    let wait = "goes through all rows, and queries of Thing wait meanwhile";
    for (to, waits) in [
        ("n: Int weight: Float", false),
        ("n: Int @unique", false),
        ("n: BigInt", false),
        ("n: Decimal", true),
        ("n: Int!", true),
    ] {
        edited.define(&THING.replace("n: Int", to));
        assert_eq!(edited.run(&["plan"], 0).await.contains(wait), waits, "{to}");
    }
    edited.define(&THING.replace("name: String", "name: String @search"));
    assert!(
        edited.run(&["plan"], 0).await.contains(wait),
        "words are found in all rows"
    );
}

const BANDS: &str = "type Band @fetch(source: \"up\", every: \"1d\", GET: \"/bands\", rows: \".[]\") { id: ID!
    songs: [Song!]! @fetch(source: \"up\", GET: \"/bands/{$this.id}/songs\", rows: \".[]\", when: NEW) }
    type Song { id: ID! name: String }\n";

async fn a_type_that_only_a_field_fills_is_filled(db: Db) {
    let edited = Edited::new(db).await;
    edited.upstream.set("/bands", Reply::json(&json!([{ "id": "b" }])));
    let songs = json!([{ "id": "s", "name": "One", "title": "Sir" }]);
    edited.upstream.set("/bands/b/songs", Reply::json(&songs));
    edited.define(BANDS);
    edited.run(&["harvest", "--allow-destructive"], 0).await;
    edited.define(&BANDS.replace("name: String", "name: String title: String"));
    let planned = edited.run(&["plan"], 0).await;
    has(
        &planned,
        "+ Song.title: new field, then filled by a harvest of Band.songs",
    );
    let program = edited.scratch.serve(&[("UP", &edited.url)]).await;
    let filled = |answer: &serde_json::Value| answer["songs"][0]["title"] == json!("Sir");
    program
        .eventually("the field is filled", "{ songs { id title } }", filled)
        .await;
    program.terminate().await;
}

async fn a_type_that_comes_back_is_harvested_once(db: Db) {
    let edited = Edited::new(db).await;
    for _ in 0..2 {
        edited.run(&["harvest"], 0).await;
    }
    edited.upstream.set("/others", Reply::json(&json!([{ "id": "o" }])));
    edited.define("type Other @fetch(source: \"up\", every: \"1d\", GET: \"/others\", rows: \".[]\") { id: ID! }\n");
    edited.run(&["harvest", "--allow-destructive"], 0).await;
    edited.define(&format!("{THING}type Other {{ id: ID! }}\n"));
    let program = edited.scratch.serve(&[("UP", &edited.url)]).await;
    let all = |answer: &serde_json::Value| answer["things"].as_array().is_some_and(|things| things.len() == 3);
    program.eventually("the rows are there", "{ things { id } }", all).await;
    program.terminate().await;
    let runs = "SELECT state,turn FROM hayloft_run WHERE \"fetch\"='Thing'";
    let runs = edited.scratch.rows(runs).await;
    assert!(runs.len() == 1 && runs[0][0] == "complete", "{runs:?}");
}

async fn what_is_read_in_another_way_is_read_at_once(db: Db) {
    let edited = Edited::new(db).await;
    edited.define(&THING.replace("name: String", "name: String @select(jq: \".weight | tostring\")"));
    let planned = edited.run(&["plan"], 0).await;
    has(&planned, "~ Thing: read in another way: harvested again");
    let program = edited.scratch.serve(&[("UP", &edited.url)]).await;
    let read = |answer: &serde_json::Value| answer["things"][1]["name"] == json!("2.5");
    program
        .eventually("the other value is served", "{ things { id name } }", read)
        .await;
    program.terminate().await;
    has(&edited.run(&["plan"], 0).await, "nothing");
    let told = edited.run(&["status"], 0).await;
    assert!(!told.contains("another way"), "{told}");
}
