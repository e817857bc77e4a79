//! Thousands of listeners to live queries: from a commit to the last of their messages, and what they take in memory.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    Target,
    asking::percentile,
    cluster::Cluster,
    data, figure, hand,
    listening::Listeners,
    process::{Server, harvest, wait_until},
};

/// All of them change in one commit, in each round.
const ROWS: usize = 2_500;
/// Rows that a list of one maker has.
const EACH: usize = 10;
const LISTENERS: [usize; 3] = [1_000, 5_000, 10_000];
const ROUNDS: usize = 6;
/// One address may have four fifths of them.
const LIMITS: &str = "subscriptions=20000";

const DEFINITION: &str = r#"extend schema @source(name: "files", url: "file:.")

type Row @fetch(source: "files", FILE: "rows.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  price: Int!
  maker: Int! @index
}
"#;

/// What is listened to.
#[derive(Clone, Copy)]
enum Listened {
    Same,
    /// Each another row, or other fields of it.
    Rows,
    /// Each another list, or other fields of it.
    Lists,
}

impl Listened {
    fn name(self) -> &'static str {
        match self {
            Listened::Same => "one list",
            Listened::Rows => "a row each",
            Listened::Lists => "a list each",
        }
    }

    fn operation(self, listener: usize) -> Value {
        let fields = ["id price", "price name", "name price id", "price"];
        let fields = |of: usize| fields[of % fields.len()];
        match self {
            Listened::Same => json!({ "query": "subscription { rows(first: 20) { id name price } }" }),
            Listened::Rows => json!({
                "query": format!("subscription($id: ID!) {{ row(id: $id) {{ {} }} }}", fields(listener / ROWS)),
                "variables": { "id": id(listener % ROWS) },
            }),
            Listened::Lists => json!({
                "query": format!(
                    "subscription($maker: Int!, $first: Int!) {{ rows(where: {{maker: {{eq: $maker}}}}, first: $first) {{ {} }} }}",
                    fields(listener / ROWS)
                ),
                "variables": { "maker": listener % (ROWS / EACH), "first": listener % ROWS / (ROWS / EACH) + 1 },
            }),
        }
    }
}

fn id(row: usize) -> String {
    format!("r{row:05}")
}

fn write(folder: &Path, round: usize) {
    let mut file = data::file(folder, "rows.ndjson");
    for row in 0..ROWS {
        let (id, maker, price) = (id(row), row % (ROWS / EACH), row + 10_000 * round);
        writeln!(
            file,
            "{{\"id\":\"{id}\",\"name\":\"Row {row}\",\"price\":{price},\"maker\":{maker}}}"
        )
        .expect("write");
    }
    file.flush().expect("write");
}

/// Where the rows are.
enum Place<'c> {
    File(PathBuf),
    Server(&'c Cluster, String),
}

impl Place<'_> {
    fn url(&self) -> Option<String> {
        match self {
            Place::File(_) => None,
            Place::Server(cluster, database) => Some(cluster.url(database)),
        }
    }

    /// When the last change was written, by the database's clock, in milliseconds since 1970. Its commit ends a little later.
    fn committed(&self) -> f64 {
        let of_all = "FROM hayloft_change_pack";
        match self {
            Place::File(file) => {
                let at = format!("SELECT (julianday(max(at)) - 2440587.5) * 86400000.0 {of_all}");
                hand::open(file).query_row(&at, [], |row| row.get(0)).expect("a time")
            }
            Place::Server(cluster, database) => {
                let at = format!("SELECT extract(epoch FROM max(at)::timestamptz) * 1000 {of_all}");
                cluster.sql(database, &at)[0].parse().expect("a time")
            }
        }
    }
}

pub fn sqlite(folder: &Path) {
    let file = folder.join("schema.db");
    figures(folder, "SQLite", &|| {
        let _ = std::fs::remove_file(&file);
        Place::File(file.clone())
    });
}

pub fn postgres(folder: &Path, cluster: &Cluster) {
    figures(folder, "PostgreSQL", &|| {
        Place::Server(cluster, cluster.create_database())
    });
}

fn figures<'c>(folder: &Path, database: &str, place: &dyn Fn() -> Place<'c>) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    println!(
        "(live queries on {database}; times in ms from the commit; the processors are those of the listeners too)"
    );
    for listened in [Listened::Same, Listened::Rows, Listened::Lists] {
        for listeners in LISTENERS {
            level(folder, database, &place(), listened, listeners);
        }
    }
}

fn level(folder: &Path, database: &str, place: &Place<'_>, listened: Listened, listeners: usize) {
    let url = place.url();
    let url = url.as_deref();
    write(folder, 0);
    harvest(folder, url, &[], &[]);
    let server = Server::start(folder, url, &[("HAYLOFT_LIMITS", LIMITS)]);
    let all = (0..listeners).map(|listener| listened.operation(listener)).collect();
    let heard = Listeners::open(server.address, all);
    wait_until("everybody has a first answer", || heard.count() >= listeners);
    heard.take();
    let (mut times, mut last) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        write(folder, round);
        harvest(folder, url, &[], &["Row"]);
        wait_until("everybody has heard of the change", || heard.count() >= listeners);
        let committed = place.committed();
        let mut came: Vec<f64> = heard.take().iter().map(|at| at - committed).collect();
        assert_eq!(came.len(), listeners, "one answer each");
        last.push(percentile(&mut came, 100));
        times.append(&mut came);
    }
    let peak = server.peak_mb();
    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let last = percentile(&mut last, 50);
    println!(
        "({listeners:>6} listeners, {:<11} | p50 {p50:>6.0}  p99 {p99:>6.0}  the last {last:>6.0} | {peak:>4.0} MB)",
        listened.name()
    );
    if listeners == LISTENERS[LISTENERS.len() - 1] {
        let limit = if matches!(listened, Listened::Same) {
            500.0
        } else {
            1_000.0
        };
        let name = format!("{database}: {listeners} listeners, {}", listened.name());
        figure(
            &format!("{name}: commit to message, p99"),
            p99,
            "ms",
            &Target::AtMost(limit),
        );
        figure(&format!("{name}: peak memory"), peak, "MB", &Target::AtMost(400.0));
    }
}
