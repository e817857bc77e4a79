//! The systems under `examples` at their full size: how long an ontology takes to harvest beside what its upstream alone takes,
//! and what people ask of a portal and of a game. Only when named (`cargo bench -- systems`): an upstream that takes its time is
//! waited for, a quarter of an hour in all.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::Value;

use crate::{
    Target, figure,
    process::{Server, harvest},
};

/// Seconds that the ontology's server takes for each answer, and how many are asked for at once.
const LATENCY: f64 = 0.05;
const CONCURRENCY: f64 = 20.0;
/// Terms of the ontology, as many as the real one has.
const TERMS: usize = 88_000;
/// Requests of which the median is taken, after some that warm up.
const ASKED: usize = 400;
const WARM: usize = 50;

const TOTALS: &str = "{ fleetTotals { dives hours kilometres deepest } }";
const RECENT: &str = "{ missions(where: {basin: {eq: NORTH_ATLANTIC}, endedAt: {since: \"24h\"}}, orderBy: [{endedAt: DESC}], first: 20) \
    { id endedAt diveCount hours position { latitude longitude } glider { model } } }";
/// From all items to the quests that need them, to what else these need, and back to tags and sellers.
const DEEP: &str = "{ items { name price seller { name } tags { name } \
    requiredFor { quantity quest { title giver { name } items { quantity item { name tags { name } } } } } } }";

/// The ontology on a database: a first harvest, and one that finds everything as it was.
pub fn efo(folder: &Path, database: Option<&str>) {
    let upstream = StandIn::start("efo", &["--scale", &TERMS.to_string(), "--latency", "50"]);
    upstream.define(folder);
    let url = format!("{}/api", upstream.url);
    let on = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let mut before = 0.0;
    for what in ["first harvest", "unchanged rerun"] {
        let harvested = harvest(folder, database, &[("OLS_URL", &url)], &[]);
        let requests = upstream.requests() - before;
        before += requests;
        let alone = requests * LATENCY / CONCURRENCY;
        println!(
            "({TERMS} terms, {on}, {what}: {requests} requests in {:.1} s, {:.0} MB at most)",
            harvested.seconds, harvested.peak_mb
        );
        figure(
            &format!("ontology, {on}: {what} ÷ its upstream's own time"),
            harvested.seconds / alone,
            "×",
            &Target::AtMost(1.15),
        );
    }
}

/// What a portal's pages ask.
pub fn gliders(folder: &Path, database: Option<&str>) {
    let upstream = StandIn::start("gliders", &["--scale", "2000"]);
    upstream.define(folder);
    let url = format!("{}/erddap", upstream.url);
    let environment = [("ERDDAP_URL", url.as_str())];
    harvest(folder, database, &environment, &[]);
    let server = Server::start(folder, database, &environment);
    asked(
        &server,
        database,
        "gliders: totals of the fleet",
        TOTALS,
        "fleetTotals",
        1.0,
    );
    asked(
        &server,
        database,
        "gliders: missions of the last day",
        RECENT,
        "missions",
        1.0,
    );
}

/// The deep query of the talk, over a few hundred rows.
pub fn farm(folder: &Path, database: Option<&str>) {
    let upstream = StandIn::start("farm", &[]);
    upstream.define(folder);
    let environment = [("FARM_URL", upstream.url.as_str())];
    harvest(folder, database, &environment, &[]);
    let server = Server::start(folder, database, &environment);
    asked(&server, database, "farm: the deep query", DEEP, "items", 5.0);
}

/// The median of one client's time for an answer that has rows.
fn asked(server: &Server, database: Option<&str>, name: &str, query: &str, rows: &str, limit: f64) {
    let answer = server.json(query);
    let found = answer["data"][rows].as_array().map_or(0, Vec::len);
    assert!(found > 0, "{name}: {answer}");
    let mut times: Vec<f64> = (0..WARM + ASKED)
        .map(|_| {
            let began = Instant::now();
            server.ask(query);
            began.elapsed().as_secs_f64() * 1e3
        })
        .skip(WARM)
        .collect();
    times.sort_by(f64::total_cmp);
    let on = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    figure(
        &format!("{name}, {on}, {found} rows, p50"),
        times[times.len() / 2],
        "ms",
        &Target::AtMost(limit),
    );
}

/// The upstream of an example, as a process of its own; it ends with this.
struct StandIn {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl StandIn {
    fn start(name: &str, options: &[&str]) -> StandIn {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let mut command = Command::new("node");
        command.args(["upstream.mjs", "--port", "0"]).args(options);
        let child = command.current_dir(&folder).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("node runs upstream.mjs");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("its stdout"));
        out.read_line(&mut line).expect("its address");
        let url = line.trim().strip_prefix("listening on ").expect("its address");
        StandIn {
            url: url.to_owned(),
            child,
            folder,
        }
    }

    /// Copies the example's definition into a folder of its own.
    fn define(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        fs::copy(self.folder.join("schema.graphql"), folder.join("schema.graphql")).expect("a definition");
    }

    /// How many requests it had so far.
    fn requests(&self) -> f64 {
        let address = self.url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).expect("a connection");
        let request = format!("GET /stand-in/asked HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).expect("send");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let told: Value = serde_json::from_str(body).expect("JSON");
        told["requests"].as_f64().expect("a count")
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
