//! The table that README quotes: typical reads beside the best handwritten statement that gives the same JSON, on both databases.
//! Knows how it is measured.
//!
//! Both ways go through HTTP, and the time of server and database on the processors counts, in turns. Of several forms of a
//! handwritten statement the one that takes least is compared with.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    Target,
    asking::{self, As},
    cached, data,
    figures_hand::WORK,
    figures_search, hand_postgres,
    passing::{self, Passing},
    postgres, process,
    process::{Server, harvest},
    same, verdict,
};

/// Blocks of requests, the first of which warms up and does not count.
const BLOCKS: usize = 8;
/// How long a block takes, about, and how many requests it has at least and at most.
const BLOCK_SECONDS: f64 = 0.4;
const REQUESTS: (usize, usize) = (4, 2_000);
/// Clients that ask at once, for so long.
const CLIENTS: usize = 32;
const MEASURED: Duration = Duration::from_secs(4);
/// Rows of a page, and the page that is far down, of 100,000 rows.
const PAGE: usize = 20;

/// A line of the table.
struct Line {
    name: String,
    values: [Option<f64>; 2],
    unit: &'static str,
    targets: [Target; 2],
}

/// A server whose work is measured, with that of the database.
struct Measured<'m> {
    address: std::net::SocketAddr,
    cpu: &'m dyn Fn() -> f64,
}

pub fn figures(folder: &Path) {
    let cluster = postgres::cluster();
    let url = cluster.url(&cluster.create_database());
    let mut lines = Vec::new();
    for (at, database) in [None, Some(url.as_str())].into_iter().enumerate() {
        let folder = folder.join(["on-sqlite", "on-postgres"][at]);
        for (name, value, unit, target) in of(&folder, at, database) {
            add(&mut lines, at, (name, value, unit, target));
        }
        figures_search::on(&cluster, database.is_some(), &folder, |figure| {
            add(&mut lines, at, figure);
        });
    }
    let kept = cached::measured(&folder.join("kept"));
    for (name, value, unit, target) in kept {
        add(&mut lines, 0, (name.to_owned(), value, unit, target));
    }
    print(&lines);
}

fn add(lines: &mut Vec<Line>, at: usize, (name, value, unit, target): (String, f64, &'static str, Target)) {
    if let Some(line) = lines.iter_mut().find(|line| line.name == name) {
        line.values[at] = Some(value);
        line.targets[at] = target;
        return;
    }
    let mut line = Line {
        name,
        values: [None, None],
        unit,
        targets: [target.clone(), target],
    };
    line.values[at] = Some(value);
    lines.push(line);
}

/// As Markdown, so that README can have it as it is.
fn print(lines: &[Line]) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("\nOn {cores} cores, {}:", process::memory());
    println!("\n| | SQLite | PostgreSQL | target | |\n|---|---|---|---|---|");
    for line in lines {
        let of = |at: usize| line.values[at].map_or("".to_owned(), |value| format!("{value:.2} {}", line.unit));
        let [sqlite, postgres] = line.targets.each_ref().map(Target::to_string);
        let target = if sqlite == postgres {
            sqlite
        } else {
            format!("{sqlite}; {postgres}")
        };
        let met = |at: usize| line.values[at].is_none_or(|value| line.targets[at].is_met(value));
        println!(
            "| {} | {} | {} | {target} | {} |",
            line.name,
            of(0),
            of(1),
            verdict(met(0) && met(1))
        );
    }
}

/// The figures on one database.
fn of(folder: &Path, at: usize, database: Option<&str>) -> Vec<(String, f64, &'static str, Target)> {
    fs::create_dir_all(folder).expect("a folder");
    data::write_farm(folder);
    let path = folder.join("schema.graphql");
    let definition = fs::read_to_string(&path).expect("a definition");
    fs::write(&path, definition.replace("price: Float", "price: Float @index")).expect("write");
    harvest(folder, database, &[], &[]);
    if let Some(url) = database {
        hand_postgres::execute(url, "VACUUM ANALYZE");
    }
    let forms: Vec<(usize, &str)> = WORK
        .iter()
        .enumerate()
        .flat_map(|(number, work)| work.by_hand[at].iter().map(move |form| (number, *form)))
        .collect();
    let statements = folder.join("statements");
    // A line each.
    let in_line = |(_, form): &(usize, &str)| form.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: Vec<String> = forms.iter().map(in_line).collect();
    fs::write(&statements, text.join("\n")).expect("write");
    let file = folder.join("schema.db");
    let place = database.map_or_else(|| file.to_string_lossy().into_owned(), str::to_owned);
    let server = Server::start(folder, database, &[]);
    let passing = Passing::start(&place, &statements);
    let postmaster = database.map(hand_postgres::postmaster);
    let beside = || postmaster.as_deref().map_or(0.0, process::cpu_of_family);
    let (own, theirs) = (|| server.cpu_seconds() + beside(), || passing.cpu_seconds() + beside());
    let ours = Measured {
        address: server.address,
        cpu: &own,
    };
    let hand = Measured {
        address: passing.address,
        cpu: &theirs,
    };
    let mut found = Vec::new();
    for (number, work) in WORK.iter().enumerate() {
        let query = asking::post(work.query);
        let mut ratios = Vec::new();
        for (place, _) in forms.iter().enumerate().filter(|(_, (of, _))| *of == number) {
            let by_hand = passing::request(place);
            let [one, other] = [(&ours, &query), (&hand, &by_hand)].map(|(side, request)| answer(side, request));
            assert!(same(&one, &other), "{}: {one} {other}", work.name);
            ratios.push(ratio((&ours, &query), (&hand, &by_hand)));
        }
        // Beside the form that takes least, the ratio is highest.
        let ratio = ratios.into_iter().fold(0.0, f64::max);
        found.push((work.name.to_owned(), ratio, "×", Target::AtMost(work.most[at])));
    }
    found.push(keyset(&ours));
    found.push(throughput(&server, &passing));
    found.push(cold(&ours));
    found.push(warm(&ours));
    found
}

fn answer(side: &Measured<'_>, request: &[u8]) -> Value {
    serde_json::from_slice(&asking::body(side.address, request)).expect("JSON")
}

/// Processor time of a request, ours by theirs.
fn ratio(ours: (&Measured<'_>, &[u8]), theirs: (&Measured<'_>, &[u8])) -> f64 {
    let once = |(side, request): (&Measured<'_>, &[u8])| spent(side, request, REQUESTS.0);
    let slower = once(ours).max(once(theirs)).max(1e-6);
    let requests = ((BLOCK_SECONDS / slower) as usize).clamp(REQUESTS.0, REQUESTS.1);
    let blocks = (0..BLOCKS).map(|_| spent(ours.0, ours.1, requests) / spent(theirs.0, theirs.1, requests));
    let mut ratios: Vec<f64> = blocks.skip(1).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Seconds of the processors that one of so many requests takes.
fn spent(side: &Measured<'_>, request: &[u8], requests: usize) -> f64 {
    let before = (side.cpu)();
    asking::repeat(side.address, request, requests, 200);
    ((side.cpu)() - before) / requests as f64
}

/// The last page by what a page at the beginning takes.
fn keyset(ours: &Measured<'_>) -> (String, f64, &'static str, Target) {
    let page = |after: &str| {
        format!("{{ itemsConnection(first: {PAGE}{after}) {{ nodes {{ id name price }} pageInfo {{ endCursor }} }} }}")
    };
    let last = format!("{{ itemsConnection(last: {}) {{ edges {{ cursor }} }} }}", PAGE + 1);
    let before = answer(ours, &asking::post(&last));
    let cursor = &before["data"]["itemsConnection"]["edges"][0]["cursor"];
    let (first, far) = (
        asking::post(&page("")),
        asking::post(&page(&format!(", after: {cursor}"))),
    );
    let rows = answer(ours, &far);
    let count = rows["data"]["itemsConnection"]["nodes"].as_array().map(Vec::len);
    assert_eq!(count, Some(PAGE), "{rows}");
    let name = "page 5,000 of 100,000 rows by its cursor ÷ page 1".to_owned();
    (name, ratio((ours, &far), (ours, &first)), "×", Target::AtMost(1.2))
}

/// Answers a second to many clients, ours by those passed on.
fn throughput(server: &Server, passing: &Passing) -> (String, f64, &'static str, Target) {
    let each = [
        (server.address, asking::post(data::NESTED)),
        (passing.address, passing::request(0)),
    ];
    let [ours, theirs] = each.map(|(address, request)| {
        asking::ask(address, CLIENTS, As::Many, &request, MEASURED)
            .answered
            .len() as f64
    });
    let name = format!("answers a second to {CLIENTS} clients, Q1 ÷ passed on");
    (name, ours / theirs.max(1.0), "×", Target::AtLeast(0.85))
}

/// A root of 60 fields on four levels.
fn deep(root: &str) -> String {
    let fields = |level: usize, names: &[&str], count: usize| {
        let all = (0..count).map(|at| format!("f{level}_{at}: {}", names[at % names.len()]));
        all.collect::<Vec<_>>().join(" ")
    };
    let items = ["id", "name", "price", "rarity", "weight", "stock", "active", "updated"];
    format!(
        "{{ {root} {{ {} requiredFor {{ {} quest {{ {} items {{ {} }} }} }} }} }}",
        fields(1, &items, 30),
        fields(2, &["quantity"], 9),
        fields(3, &["id", "title"], 9),
        fields(4, &["quantity"], 8)
    )
}

/// An operation of 60 fields and four levels that was never asked before, less the same again.
fn cold(ours: &Measured<'_>) -> (String, f64, &'static str, Target) {
    const TIMES: usize = 40;
    let mut each = [0.0, 0.0];
    for number in 0..TIMES {
        let request = asking::post(&deep(&format!("r{number}: items(first: 1)")));
        for times in &mut each {
            *times += spent(ours, &request, 1);
        }
    }
    let [first, again] = each.map(|seconds| seconds * 1e3 / TIMES as f64);
    let name = "plan of a new operation of 60 fields, 4 levels".to_owned();
    (name, (first - again).max(0.0), "ms", Target::AtMost(2.0))
}

/// Such an operation that is known, less one of one field: both need no row, so what is between them is to read the text, and
/// to find its plan.
fn warm(ours: &Measured<'_>) -> (String, f64, &'static str, Target) {
    let known = format!(
        "query($wanted: Boolean = false) {}",
        deep("items(first: 1) @include(if: $wanted)")
    );
    let [known, one] = [known.as_str(), "{ __typename }"].map(asking::post);
    let empty = answer(ours, &known);
    assert_eq!(empty, serde_json::json!({ "data": {} }));
    let blocks = (0..BLOCKS).map(|_| spent(ours, &known, REQUESTS.1) - spent(ours, &one, REQUESTS.1));
    let mut micros: Vec<f64> = blocks.skip(1).map(|seconds| seconds * 1e6).collect();
    micros.sort_by(f64::total_cmp);
    let name = "a plan of such an operation that is known".to_owned();
    (name, micros[micros.len() / 2].max(0.0), "µs", Target::AtMost(30.0))
}
