//! The definition changes while the program serves: what is right goes live, what is wrong changes nothing, nobody is cut off.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hayloft::demo::FARM_DEFINITION;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{
    Db, Farm, Place, Program, Reply, Scratch, Socket, Upstream,
    cluster::{Cluster, Options},
    eventually, on_both,
};

on_both!(
    a_change_goes_live_under_load_and_open_sockets,
    a_faulty_definition_changes_nothing_and_says_so,
    a_field_that_goes_ends_only_the_live_queries_that_use_it
);

const PRICE: &str = "subscription { item(id: \"1\") { price } }";

/// How many requests a second are made while definitions change.
const PER_SECOND: u64 = 50;

/// Clients that ask all the time; every answer must be right.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(program: &Program) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |query: &'static str| {
            let (stop, answered) = (stop.clone(), answered.clone());
            let (client, url) = (program.client().clone(), format!("{}/graphql", program.url));
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(Duration::from_millis(2_000 / PER_SECOND));
                while !stop.load(Ordering::Relaxed) {
                    ticks.tick().await;
                    let request = client.post(&url).header("content-type", "application/json");
                    let sent = request.body(json!({ "query": query }).to_string()).send().await;
                    let answer = sent.expect("an answer").bytes().await.expect("its body");
                    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
                    assert!(answer.get("errors").is_none(), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let clients = vec![
            client("{ items(first: 5) { id name requiredFor { quantity } } }"),
            client("{ item(id: \"1\") { name seller { name } } }"),
        ];
        Load {
            stop,
            answered,
            clients,
        }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops; panics if any answer was wrong.
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("every request was answered");
        }
    }
}

fn url(program: &Program) -> String {
    format!("{}/graphql", program.url)
}

async fn ready(program: &Program) -> Value {
    let answer = program.client().get(format!("{}/readyz", program.url)).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.bytes().await.expect("its body")).expect("JSON")
}

/// The farm's definition as the tests run it.
fn definition() -> String {
    FARM_DEFINITION.replace("every: \"5s\"", "every: \"1s\"")
}

async fn told(program: &Program, what: &str) -> String {
    eventually(what, || async {
        let log = program.log();
        log.contains(what).then_some(log)
    })
    .await
}

async fn a_change_goes_live_under_load_and_open_sockets(db: Db) {
    let farm = Farm::harvested(db).await;
    let program = &farm.program;
    let mut socket = Socket::open(&url(program)).await;
    socket.subscribe("price", PRICE).await;
    assert_eq!(socket.next().await["type"], "next");
    let load = Load::start(program);

    let added = "type Note { id: ID! text: String }\n";
    farm.scratch.write("schema.graphql", &(definition() + added));
    told(program, "the definition changed: 1 type added; live in").await;
    assert_eq!(program.query("{ notes { id text } }").await, json!({ "notes": [] }));

    // Several more while everything is under way.
    let mut text = definition() + added;
    for at in 0..5 {
        text.push_str(&format!("type Extra{at} {{ id: ID! }}\n"));
        farm.scratch.write("schema.graphql", &text);
        eventually("the newest is served", || async {
            let answer = program.post(&format!("{{ extra{at}s {{ id }} }}"), json!({})).await;
            answer.get("errors").is_none().then_some(())
        })
        .await;
    }

    // The old operation hears of changes under the new definition, and a new one is planned with it.
    let before = load.answered();
    let moved = move_price(&farm);
    let answer = socket.next().await;
    assert_eq!([&answer["type"], &answer["id"]], ["next", "price"], "{answer}");
    // Not the old price once more: that had been sent.
    assert_eq!(answer["payload"]["data"]["item"]["price"], moved, "{answer}");
    socket.subscribe("notes", "subscription { notes { id } }").await;
    let answer = socket.next().await;
    assert_eq!(answer["payload"], json!({ "data": { "notes": [] } }), "{answer}");
    eventually("requests go on", || async { (load.answered() > before).then_some(()) }).await;
    load.end().await;
    assert_eq!(ready(program).await, json!({ "status": "ok" }));
}

/// Moves the price of item 1 at the upstream; the next harvest brings it.
fn move_price(farm: &Farm) -> Value {
    let mut world = farm.upstream.world();
    let before = world.items[&1]["price"].clone();
    while world.items[&1]["price"] == before {
        world.move_price(1);
    }
    world.items[&1]["price"].clone()
}

async fn a_faulty_definition_changes_nothing_and_says_so(db: Db) {
    let farm = Farm::harvested(db).await;
    let program = &farm.program;
    let mut socket = Socket::open(&url(program)).await;
    socket.subscribe("price", PRICE).await;
    assert_eq!(socket.next().await["type"], "next");
    for (text, says) in [
        ("type Item { id: ID! friend: Nobody }".to_owned(), "Nobody"),
        ("type Item {".to_owned(), "refused"),
        (
            definition().replace("$env.FARM_URL", "$env.NO_SUCH_NAME"),
            "NO_SUCH_NAME",
        ),
    ] {
        farm.scratch.write("schema.graphql", &text);
        let log = told(program, says).await;
        assert!(log.contains("the changed definition is refused"), "{log}");
        let state = ready(program).await;
        assert!(
            state["definition"]
                .as_str()
                .is_some_and(|text| text.contains("refused")),
            "{state}"
        );
    }
    // The old one is still harvested, and heard of.
    move_price(&farm);
    assert_eq!(socket.next().await["type"], "next");
    farm.scratch.write("schema.graphql", &definition());
    told(program, "the definition is again the one that is served").await;
    assert_eq!(ready(program).await, json!({ "status": "ok" }));
}

async fn a_field_that_goes_ends_only_the_live_queries_that_use_it(db: Db) {
    let farm = Farm::harvested(db).await;
    let program = &farm.program;
    let mut socket = Socket::open(&url(program)).await;
    socket.subscribe("price", PRICE).await;
    assert_eq!(socket.next().await["id"], "price");
    let using = "subscription { npcs(first: 1) { name gives { title } } }";
    socket.subscribe("using", using).await;
    assert_eq!(socket.next().await["id"], "using");

    let without: String = definition()
        .lines()
        .filter(|line| !line.contains("gives:"))
        .map(|line| format!("{line}\n"))
        .collect();
    farm.scratch.write("schema.graphql", &without);
    let ended = socket.next().await;
    assert_eq!([&ended["type"], &ended["id"]], ["error", "using"], "{ended}");
    let error = &ended["payload"][0];
    assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{ended}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("gives") && message.contains("definition has changed"),
        "{ended}"
    );
    told(program, "1 field removed; live in").await;
    move_price(&farm);
    let answer = socket.next().await;
    assert_eq!([&answer["type"], &answer["id"]], ["next", "price"], "{answer}");
    // Back again, the same identifier is free.
    farm.scratch.write("schema.graphql", &definition());
    told(program, "1 field added; live in").await;
    socket.subscribe("using", using).await;
    assert_eq!(socket.next().await["id"], "using");
}

#[tokio::test]
async fn a_folder_of_files_is_watched() {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&json!([{ "id": 1, "n": 7 }])));
    let scratch = Scratch::new("");
    std::fs::create_dir(scratch.path("defs")).expect("a folder");
    let source = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n";
    let things =
        "type Thing @fetch(source: \"up\", every: \"1s\", GET: \"/things\", rows: \".[]\") { id: ID! n: Int }\n";
    scratch.write("defs/source.graphql", source);
    scratch.write("defs/thing.graphql", things);
    let program = Program::start(
        &scratch.path(""),
        &["serve", "--schema", "defs", "--listen", "127.0.0.1:0"],
        &[("UP", &upstream.url())],
    )
    .await;
    program
        .eventually("harvested", "{ things { n } }", |data| data["things"][0]["n"] == 7)
        .await;
    scratch.write("defs/other.graphql", "type Other { id: ID! }\n");
    told(&program, "1 type added; live in").await;
    assert_eq!(program.query("{ others { id } }").await, json!({ "others": [] }));
    scratch.write("defs/.other.graphql.swp", "type Other { id: ID! }\n");
    // The harvest goes on under the newer one.
    upstream.set("/things", Reply::json(&json!([{ "id": 1, "n": 8 }])));
    program
        .eventually("harvested again", "{ things { n } }", |data| {
            data["things"][0]["n"] == 8
        })
        .await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn a_definition_waits_for_a_database_that_is_away() {
    let cluster = Cluster::start(&Options {
        durable: true,
        ..Options::default()
    });
    let notes = "type Note { id: ID! }\n";
    let scratch = Scratch::at(Place::Elsewhere(cluster.url(&cluster.create_database())), notes);
    let program = scratch.serve(&[]).await;
    cluster.stop_immediately();
    let waits = "the changed definition waits";
    scratch.write("schema.graphql", &format!("{notes}type Other {{ id: ID! }}\n"));
    let log = told(&program, waits).await;
    assert!(log.contains("the database cannot be reached"), "{log}");
    // What is faulty in itself does not wait, and takes the place of what does.
    scratch.write("schema.graphql", "type Note {");
    told(&program, "the changed definition is refused").await;
    scratch.write("schema.graphql", &format!("{notes}type Extra {{ id: ID! }}\n"));
    eventually("the third waits", || async {
        (program.log().matches(waits).count() == 2).then_some(())
    })
    .await;
    cluster.start_again();
    told(&program, "1 type added; live in").await;
    assert_eq!(program.query("{ extras { id } }").await, json!({ "extras": [] }));
    assert!(program.post("{ others { id } }", json!({})).await["errors"].is_array());
    assert_eq!(ready(&program).await, json!({ "status": "ok" }));
    assert_eq!(program.terminate().await, Some(0));
}
