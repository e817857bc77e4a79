//! One request for each row, to an upstream that takes its time: on SQLite, then by one process and by two that share a
//! PostgreSQL database.

use std::{path::Path, time::Duration};

use crate::{
    Target,
    cluster::Cluster,
    figure,
    hand_postgres::{number, numbers},
    process::{Server, harvest, wait_until, wait_until_every},
    upstream::{Answer, LATENCY, Upstream},
};

/// Rows, and so requests.
const PARENTS: usize = 4_000;
/// Requests that the source allows at once: the most.
const CONCURRENCY: usize = 64;
/// How often it is looked whether all is stored: little against what is measured.
const LOOK: Duration = Duration::from_millis(10);

const DEFINITION: &str = r#"extend schema @source(name: "up", url: "{$env.UP}", concurrency: 64)

type Item @fetch(source: "up", GET: "/items", rows: ".[]") {
  id: ID!
  recipes: [Recipe!]! @fetch(source: "up", GET: "/items/{$this.id}/recipes", rows: ".[]")
}

type Recipe {
  id: ID!
  name: String!
}
"#;

pub fn figures(folder: &Path, cluster: &Cluster) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    tell("SQLite", on_sqlite(folder));
    tell("PostgreSQL, one process", seconds(folder, cluster, 1));
    tell("PostgreSQL, two processes", seconds(folder, cluster, 2));
}

fn tell(where_: &str, seconds: f64) {
    let ideal = PARENTS as f64 * LATENCY.as_secs_f64() / CONCURRENCY as f64;
    println!(
        "({where_}: {PARENTS} requests of {} ms, {CONCURRENCY} at once, all stored: {seconds:.2} s)",
        LATENCY.as_millis()
    );
    figure(
        &format!("{where_}: field fetch ÷ requests × latency ÷ concurrency"),
        seconds / ideal,
        "×",
        &Target::AtMost(1.2),
    );
}

/// From the first request to the end of the command.
fn on_sqlite(folder: &Path) -> f64 {
    let upstream = Upstream::start(answer);
    upstream.release();
    harvest(folder, None, &[("UP", &upstream.url)], &[]);
    upstream.seconds(PARENTS)
}

/// From the first request until every answer is stored.
fn seconds(folder: &Path, cluster: &Cluster, processes: usize) -> f64 {
    let url = cluster.url(&cluster.create_database());
    let upstream = Upstream::start(answer);
    let servers: Vec<Server> = (0..processes)
        .map(|_| Server::start(folder, Some(&url), &[("UP", &upstream.url)]))
        .collect();
    // Nothing is harvested before all are there: the list of items is held back.
    let there = processes as i64;
    wait_until("all processes share the database", || {
        number(&url, "SELECT count(*) FROM hayloft_process") == there
    });
    upstream.release();
    upstream.seconds(PARENTS);
    let stored = PARENTS as i64;
    let mut count = numbers(&url, "SELECT count(*) FROM recipe");
    wait_until_every(LOOK, "every answer is stored", || count() == stored);
    let seconds = upstream.seconds(PARENTS);
    drop(servers);
    seconds
}

fn answer(path: &str) -> Answer {
    match path.strip_prefix("/items/") {
        Some(rest) => {
            let item = rest.split('/').next().unwrap_or_default();
            Answer::Slow(format!("[{{\"id\":\"r-{item}\",\"name\":\"Recipe of {item}\"}}]"))
        }
        None => {
            let items: Vec<String> = (0..PARENTS).map(|item| format!("{{\"id\":\"i{item}\"}}")).collect();
            Answer::Released(format!("[{}]", items.join(",")))
        }
    }
}
