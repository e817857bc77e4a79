//! Tables that move under readers: what is asked while a definition changes names is answered right, and a database that goes away
//! in the middle leaves the older definition or the newer one, never one on the other's tables.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::harness::{
    Db, Place, Program, Reply, Scratch, Socket, Upstream,
    cluster::{Database, USER},
    eventually, on_both,
    proxy::{Cut, Proxy},
};

on_both!(names_change_under_load);

/// Names that change, each twice: there and back.
const CHANGES: usize = 6;
const CLIENTS: usize = 6;
/// Commits of an exchange and of what else the process does meanwhile.
const COMMITS: u64 = 3;

/// Right under both definitions, and about everything that changes its name.
const QUERIES: [&str; 3] = [
    "{ products { maker { name } } }",
    "{ products(orderBy: [{ id: DESC }], where: { maker: { name: { ne: \"none\" } } }) { maker { name } } }",
    "{ a: products(first: 1) { maker { name } } b: products(offset: 1, first: 9) { maker { name } } }",
];

/// One of two definitions of the same rows. The linked type, its key and a field of another have other names in each.
fn definition(newer: bool, every: &str) -> String {
    let (maker, product) = match newer {
        false => (
            "type Maker @was(name: \"Company\") @fetch(REST, GET: \"/makers\") {\n\
             id: ID! @was(name: \"slug\") @select(jq: \".id\") name: String }",
            "type Product @fetch(REST, GET: \"/products\") { id: ID! maker: Maker @ref(jq: \".maker\") \
             title: String @was(name: \"label\") @select(jq: \".title\") }",
        ),
        true => (
            "type Company @was(name: \"Maker\") @fetch(REST, GET: \"/makers\") {\n\
             slug: ID! @id @was(name: \"id\") @select(jq: \".id\") name: String }",
            "type Product @fetch(REST, GET: \"/products\") { id: ID! maker: Company @ref(jq: \".maker\") \
             label: String @was(name: \"title\") @select(jq: \".title\") }",
        ),
    };
    let text = format!("extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n{maker}\n{product}\n");
    text.replace("REST", &format!("source: \"up\", every: \"{every}\", rows: \".[]\""))
}

/// Products with makers, served under the older definition.
struct Shop {
    upstream: Upstream,
    scratch: Scratch,
    program: Program,
    every: &'static str,
}

impl Shop {
    async fn open(place: Place, every: &'static str) -> Shop {
        let upstream = Upstream::start().await;
        upstream.set("/makers", makers("Bo"));
        let product = |id: &str, maker: &str| json!({ "id": id, "maker": maker, "title": id });
        let products = json!([product("p1", "m1"), product("p2", "m2"), product("p3", "m1")]);
        upstream.set("/products", Reply::json(&products));
        let scratch = Scratch::at(place, &definition(false, every));
        let program = scratch.serve(&[("UP", &upstream.url())]).await;
        let whole = |data: &Value| data["products"].as_array().is_some_and(|all| all.len() == 3) && !has_null(data);
        program.eventually("the shop is harvested", QUERIES[0], whole).await;
        Shop {
            upstream,
            scratch,
            program,
            every,
        }
    }

    fn define(&self, newer: bool, note: &str) {
        let text = format!("{}# {note}\n", definition(newer, self.every));
        self.scratch.write("schema.graphql", &text);
    }

    /// How often the log says this.
    fn told(&self, what: &str) -> usize {
        self.program.log().matches(what).count()
    }
}

fn makers(second: &str) -> Reply {
    Reply::json(&json!([{ "id": "m1", "name": "Ada" }, { "id": "m2", "name": second }]))
}

/// A link that leads nowhere, or a row that lost a value.
fn has_null(data: &Value) -> bool {
    data.to_string().contains("null")
}

/// Clients that ask without a pause; every answer must be the one that the first had.
struct Readers {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Readers {
    async fn start(program: &Program) -> Readers {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = Vec::new();
        for at in 0..CLIENTS {
            let query = QUERIES[at % QUERIES.len()];
            let right = program.text(query, json!({})).await;
            let (stop, answered) = (stop.clone(), answered.clone());
            let (client, url) = (program.client().clone(), format!("{}/graphql", program.url));
            clients.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let request = client.post(&url).header("content-type", "application/json");
                    let sent = request.body(json!({ "query": query }).to_string()).send().await;
                    let answer = sent.expect("an answer").text().await.expect("its body");
                    assert_eq!(answer, right);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }));
        }
        Readers {
            stop,
            answered,
            clients,
        }
    }

    /// Stops; panics if any answer was wrong.
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("every answer is right");
        }
        assert!(self.answered.load(Ordering::Relaxed) > CLIENTS * CHANGES);
    }
}

async fn names_change_under_load(db: Db) {
    let shop = Shop::open(Place::new(db), "1s").await;
    let mut socket = Socket::open(&format!("{}/graphql", shop.program.url)).await;
    socket.subscribe("live", &format!("subscription {}", QUERIES[0])).await;
    let first = socket.next().await;
    assert!(!has_null(&first["payload"]["data"]), "{first}");
    let readers = Readers::start(&shop.program).await;
    for change in 1..=2 * CHANGES {
        shop.define(change % 2 == 1, "");
        eventually("it is live", || async {
            (shop.told("live in") == change).then_some(())
        })
        .await;
    }
    readers.end().await;
    // Nothing was sent meanwhile: the answer was the same all the time. What comes next is news.
    shop.upstream.set("/makers", makers("Cy"));
    let next = socket.next().await;
    let names = next["payload"]["data"]["products"].to_string();
    assert_eq!([&next["type"], &next["id"]], ["next", "live"], "{next}");
    assert!(names.contains("Cy") && !has_null(&next["payload"]["data"]), "{next}");
    let log = shop.program.log();
    assert!(!log.contains("ERROR") && !log.contains("refused"), "{log}");
    assert_eq!(shop.program.terminate().await, Some(0));
}

#[tokio::test]
async fn a_definition_comes_into_force_whole_or_not_at_all() {
    let database = Database::new();
    let direct = reqwest::Url::parse(&database.url()).expect("a URL");
    let proxy = Proxy::start(direct.port().expect("a port")).await;
    let url = format!("postgres://{USER}@{}/{}", proxy.address, database.name());
    let shop = Shop::open(Place::Elsewhere(url), "1d").await;
    let mut newer = false;
    for cut in [Cut::Before, Cut::After] {
        for after in 0..COMMITS {
            let outcomes = || shop.told("live in") + shop.told("the one before it goes on");
            let (live, all) = (shop.told("live in"), outcomes());
            proxy.cut_at_commit(cut, after);
            shop.define(!newer, &format!("{cut:?} {after}"));
            eventually("it is taken in or refused", || async {
                (outcomes() > all).then_some(())
            })
            .await;
            proxy.cut_at_commit(Cut::Nothing, 0);
            // Whichever of the two is in force, its tables are there.
            let data = shop.program.query(QUERIES[1]).await;
            assert!(!has_null(&data), "{data}");
            if shop.told("live in") == live {
                shop.define(!newer, "once more");
                eventually("it is live", || async { (shop.told("live in") > live).then_some(()) }).await;
            }
            newer = !newer;
            let key = if newer {
                "{ companies { slug } }"
            } else {
                "{ makers { id } }"
            };
            shop.program.query(key).await;
        }
    }
    assert!(proxy.cuts() >= 2, "{} cuts", proxy.cuts());
    assert_eq!(shop.program.terminate().await, Some(0));
}
