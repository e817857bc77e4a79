//! Many clients at once, of a short query and of a scan, with the limits as they come: what is answered and how soon, who is turned
//! away and when, what a bystander notices, what the server takes in memory.
//!
//! Each client asks again as soon as it is answered, and after a second or two when it was turned away. So without anybody turned
//! away the time of an answer is the number of clients divided by the answers a second, whatever a server does; one that keeps it
//! short has to choose. The requests of one client are another matter: they keep nobody waiting but himself.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::{
    Target,
    asking::{self, As, Asked, percentile},
    data, figure, postgres,
    process::{Server, harvest},
};

const ROWS: usize = 300_000;
const CLIENTS: [usize; 4] = [8, 64, 256, 1_000];
const MEASURED: Duration = Duration::from_secs(6);
/// The limit `queue_wait` as it comes, in milliseconds.
const QUEUE_WAIT: f64 = 1_000.0;
/// What one client waits behind his own requests, in milliseconds: those go in their order, and none is turned away before.
const OWN: f64 = 500.0;

const SHORT: &str = "{ rows(first: 200) { id name price rarity weight } }";
/// Work without an index and without a result.
const SCAN: &str = "{ rows(where: {name: {contains: \"nowhere\"}}) { id } }";
const SMALL: &str = "{ rows(first: 1) { id } }";

/// What is asked, and the name of that part of the bench.
const QUERIES: [(&str, &str, &str); 2] = [("rows", "200 rows", SHORT), ("scan", "a scan", SCAN)];

/// Those of `overload-sqlite-rows`, `overload-postgres-scan` and so on that are wanted.
pub fn figures(folder: &Path, wanted: &dyn Fn(&str) -> bool) {
    let of = |database: &str| {
        let is_wanted = |(part, ..): &(&str, _, _)| wanted(&format!("overload-{database}-{part}"));
        QUERIES.into_iter().filter(is_wanted).collect::<Vec<_>>()
    };
    let queries = of("sqlite");
    if !queries.is_empty() {
        table("SQLite", &folder.join("sqlite"), None, &queries);
    }
    let queries = of("postgres");
    if !queries.is_empty() {
        let cluster = postgres::cluster();
        let url = cluster.url(&cluster.create_database());
        table("PostgreSQL", &folder.join("postgres"), Some(&url), &queries);
    }
}

fn table(name: &str, folder: &Path, database: Option<&str>, queries: &[(&str, &str, &str)]) {
    data::write_rows(folder, ROWS);
    harvest(folder, database, &[], &[]);
    let server = Server::start(folder, database, &[]);
    for (_, what, query) in queries {
        println!(
            "({name}, {what} of {ROWS}; times in ms; the processors are those of the clients too)\n\
             (clients, as  | answers/s     p50     p99 | at once/s    p99 | after waiting/s  limit + p99 | /healthz, a row p99 | peak MB)"
        );
        for as_ in [As::Many, As::One] {
            let mut worst = Worst::default();
            let mut of_eight = 0.0;
            for clients in CLIENTS {
                let level = Level::measure(&server, query, clients, as_);
                if clients == CLIENTS[0] {
                    of_eight = level.p99;
                }
                worst.add(&level, of_eight);
                println!("({clients:>5}, {} {level}", said(as_));
            }
            worst.tell(&format!("{name}: {what}, {}", said(as_).trim_end()), as_);
        }
    }
}

fn said(as_: As) -> &'static str {
    match as_ {
        As::Many => "many",
        As::One => "one ",
    }
}

/// What one number of clients shows.
struct Level {
    answers: f64,
    p50: f64,
    p99: f64,
    refused: f64,
    refused_p99: f64,
    shed: f64,
    late_p99: f64,
    healthz: f64,
    healthz_max: f64,
    row: f64,
    peak_mb: f64,
}

impl Level {
    fn measure(server: &Server, query: &str, clients: usize, as_: As) -> Level {
        server.forget_peak();
        let stop = AtomicBool::new(false);
        let beside = [asking::get("/healthz"), asking::post(SMALL)];
        let (asked, mut beside) = std::thread::scope(|threads| {
            let bystander = threads.spawn(|| asking::stand_by(server.address, &beside, &stop));
            let asked = asking::ask(server.address, clients, as_, &asking::post(query), MEASURED);
            stop.store(true, Ordering::Relaxed);
            (asked, bystander.join().expect("the bystander"))
        });
        let Asked {
            mut answered,
            mut refused,
            mut shed,
            seconds,
        } = asked;
        Level {
            answers: answered.len() as f64 / seconds,
            p50: percentile(&mut answered, 50),
            p99: percentile(&mut answered, 99),
            refused: refused.len() as f64 / seconds,
            refused_p99: percentile(&mut refused, 99),
            shed: shed.len() as f64 / seconds,
            late_p99: (percentile(&mut shed, 99) - QUEUE_WAIT).max(0.0),
            healthz: percentile(&mut beside[0], 99),
            healthz_max: percentile(&mut beside[0], 100),
            row: percentile(&mut beside[1], 99),
            peak_mb: server.peak_mb(),
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            to,
            "| {:>9.0} {:>7.1} {:>7.1} | {:>9.0} {:>6.1} | {:>15.1} {:>12.1} | {:>8.1} {:>10.1} | {:>7.0})",
            self.answers,
            self.p50,
            self.p99,
            self.refused,
            self.refused_p99,
            self.shed,
            self.late_p99,
            self.healthz,
            self.row,
            self.peak_mb,
        )
    }
}

/// The worst of all numbers of clients.
#[derive(Default)]
struct Worst {
    p99: f64,
    ratio: f64,
    late: f64,
    healthz: f64,
    peak_mb: f64,
}

impl Worst {
    fn add(&mut self, level: &Level, of_eight: f64) {
        self.p99 = self.p99.max(level.p99);
        self.ratio = self.ratio.max(level.p99 / of_eight);
        self.late = self.late.max(level.late_p99);
        self.healthz = self.healthz.max(level.healthz_max);
        self.peak_mb = self.peak_mb.max(level.peak_mb);
    }

    fn tell(&self, name: &str, as_: As) {
        match as_ {
            As::Many => figure(
                &format!("{name}: p99 ÷ that of 8"),
                self.ratio,
                "×",
                &Target::AtMost(2.0),
            ),
            As::One => figure(&format!("{name}: p99"), self.p99, "ms", &Target::AtMost(OWN)),
        }
        figure(
            &format!("{name}: told after the limit, p99"),
            self.late,
            "ms",
            &Target::AtMost(10.0),
        );
        figure(
            &format!("{name}: /healthz, the longest"),
            self.healthz,
            "ms",
            &Target::AtMost(100.0),
        );
        figure(
            &format!("{name}: peak memory"),
            self.peak_mb,
            "MB",
            &Target::AtMost(400.0),
        );
    }
}
