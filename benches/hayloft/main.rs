//! `make bench`: every figure that the documentation claims, each as a ratio measured in this run.
//!
//! The program under test is the real release binary, as a process of its own, over HTTP and files. What it is compared
//! with is written by hand against rusqlite, in this process, over the same database file or the same rows.

// A bench that cannot go on has to stop, and says why in the panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Nothing uses this crate; the harness is shared by path.
#![allow(unreachable_pub)]

mod asking;
mod bulk;
mod bulk_rows;
mod cached;
#[path = "../../tests/harness/cluster.rs"]
mod cluster;
mod compare;
mod data;
mod field_fetch;
mod figures;
mod figures_hand;
mod figures_search;
mod hand;
mod hand_postgres;
mod linked;
mod linked_data;
mod linked_hand;
mod listening;
mod lists;
mod live;
mod overload;
mod pages;
mod passing;
mod postgres;
mod process;
mod questions;
mod systems;
mod upstream;

use std::{path::Path, time::Instant};

use process::{Server, harvest};
use serde_json::Value;

/// A target of the project: the figure must stay on its good side.
#[derive(Clone)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met(&self, value: f64) -> bool {
        match self {
            Target::AtMost(limit) => value <= *limit,
            Target::AtLeast(limit) => value >= *limit,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::AtMost(limit) => write!(out, "at most {limit}"),
            Target::AtLeast(limit) => write!(out, "at least {limit}"),
        }
    }
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "ok" } else { "MISSED" }
}

/// Prints one figure with its target.
fn figure(name: &str, value: f64, unit: &str, target: &Target) {
    let (verdict, target) = (verdict(target.is_met(value)), target.to_string());
    println!("{name:<58} {value:>12.2} {unit:<8} {target:<19} {verdict}");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((word, rest)) = arguments.split_first()
        && word == passing::WORD
    {
        return passing::serve(rest);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores, {}", process::memory());
    // A word after `--` chooses: `cargo bench -- postgres`. Cargo itself adds a flag.
    let chosen: Vec<String> = arguments.into_iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|word| is_of(name, word));
    if wanted("sqlite") {
        binary_size();
        reads(folder);
        harvests(folder);
    }
    if wanted("postgres") {
        postgres::all(folder);
    }
    if wanted("figures") {
        figures::figures(&folder.join("figures"));
    }
    // Among the figures above, too.
    if chosen.iter().any(|word| word == "kept-beside") {
        figures_search::figures(&folder.join("kept-beside"));
    }
    // Upstreams that take their time: only when named.
    let named = |name: &str| !chosen.is_empty() && wanted(name);
    postgres::systems(&folder.join("systems"), &named);
    if wanted("pages") {
        pages::figures(&folder.join("pages"));
    }
    if wanted("cached") {
        cached::figures(&folder.join("cached"));
    }
    if wanted("field-fetch") {
        postgres::shared(folder);
    }
    if wanted("linked") {
        linked::sqlite(folder);
        postgres::linked(folder);
    }
    if wanted("lists") {
        lists::sqlite(folder);
        postgres::lists(folder);
    }
    if wanted("questions") {
        postgres::questions(folder);
    }
    overload::figures(&folder.join("overload"), &wanted);
    if wanted("live-sqlite") {
        live::sqlite(&folder.join("live"));
    }
    if wanted("live-postgres") {
        postgres::live(&folder.join("live-on-postgres"));
    }
    if wanted("bulk") {
        postgres::bulk();
    }
}

/// Whether a part is the one that was named, or belongs to it: `overload-sqlite-scan` to `overload`.
fn is_of(part: &str, named: &str) -> bool {
    let rest = part.strip_prefix(named);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether two answers are the same: databases write a whole number of a Float as `5` or as `5.0`.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            let equal = |(name, value)| theirs.get(name).is_some_and(|other| same(value, other));
            ours.len() == theirs.len() && ours.iter().all(equal)
        }
        _ => ours == theirs,
    }
}

fn binary_size() {
    let size = std::fs::metadata(process::BINARY).map_or(0, |meta| meta.len());
    figure("binary, stripped", size as f64 / 1e6, "MB", &Target::AtMost(40.0));
}

/// Design section 11: 100,000 items, 100,000 quests, 500,000 links.
fn reads(folder: &Path) {
    data::write_farm(folder);
    let loaded = harvest(folder, None, &[], &[]);
    println!(
        "(the farm of 100,000 + 100,000 + 500,000 rows: harvested in {:.1} s)",
        loaded.seconds
    );
    let database = hand::open(&folder.join("schema.db"));

    let server = Server::start(folder, None, &[]);
    let wanted: Value = serde_json::from_str(&hand::nested(&database)).expect("JSON by hand");
    assert!(
        same(&server.json(data::NESTED)["data"], &wanted),
        "both give the same nested answer"
    );
    let wanted: Value = serde_json::from_str(&hand::flat(&database)).expect("JSON by hand");
    assert!(
        same(&server.json(data::FLAT)["data"], &wanted),
        "both give the same flat answer"
    );

    let pairs = [
        (
            "nested read, CPU through HTTP ÷ rusqlite by hand",
            data::NESTED,
            hand::nested as fn(&_) -> String,
            3.0,
        ),
        (
            "5,000 rows × 8 columns, CPU through HTTP ÷ by hand",
            data::FLAT,
            hand::flat,
            2.0,
        ),
    ];
    for (name, query, by_hand, limit) in pairs {
        compare::cpu(name, &server, query, &|| by_hand(&database), limit);
    }
    hostile_documents(&server);
    drop(server);
    start_to_first_answer(folder);
}

fn start_to_first_answer(folder: &Path) {
    let mut times: Vec<f64> = (0..7)
        .map(|_| {
            let began = Instant::now();
            let server = Server::start(folder, None, &[]);
            server.ask("{ items(first: 1) { id } }");
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    figure(
        "start to first answer, harvested database",
        times[times.len() / 2],
        "ms",
        &Target::AtMost(150.0),
    );
}

/// A file of 1,000,000 rows of 8 columns: all new, then unchanged.
fn harvests(folder: &Path) {
    const ROWS: f64 = 1e6;
    let folder = folder.join("million");
    data::write_million(&folder);
    let by_hand = hand::load(&folder);
    let new = harvest(&folder, None, &[], &["Row"]);
    assert!(new.out.contains("1,000,000"), "{}", new.out);
    figure(
        "harvest of 1,000,000 new rows",
        ROWS / new.seconds,
        "rows/s",
        &Target::AtLeast(100_000.0),
    );
    println!(
        "({:.2} × the time of rusqlite by hand, one thread, the same rows and commits)",
        new.seconds / by_hand
    );
    figure("its peak resident memory", new.peak_mb, "MB", &Target::AtMost(128.0));
    // Written again, so that the file is new to the harvest but its rows are not.
    data::write_million(&folder);
    let same = harvest(&folder, None, &[], &["Row"]);
    assert!(same.out.contains("1,000,000"), "{}", same.out);
    figure(
        "harvest of 1,000,000 unchanged rows",
        ROWS / same.seconds,
        "rows/s",
        &Target::AtLeast(250_000.0),
    );
    figure("its peak resident memory", same.peak_mb, "MB", &Target::AtMost(128.0));
    let untouched = harvest(&folder, None, &[], &["Row"]);
    println!(
        "(an untouched file, known by its time and size: {:.3} s)",
        untouched.seconds
    );
}

/// How long the gate takes to refuse what must not reach the planner.
fn hostile_documents(server: &Server) {
    for (name, document) in data::hostile() {
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let began = Instant::now();
                let answer = server.json(&document);
                assert!(answer["errors"].is_array(), "{name} is refused");
                began.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        figure(
            &format!("hostile: {name}"),
            times[times.len() / 2],
            "ms",
            &Target::AtMost(50.0),
        );
    }
}
