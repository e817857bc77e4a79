//! Lists with an index beside the same ones without: how soon rows are found by their items, and that nothing is found later.

use std::{io::Write, path::Path, time::Instant};

use crate::{
    Target,
    cluster::Cluster,
    compare, data, figure,
    process::{Server, harvest},
};

const ROWS: u64 = 100_000;
/// Tags of which each row has [`TAGS_EACH`], beside one that half of all rows have: each of them is in fifty rows.
const TAGS: u64 = 10_000;
const TAGS_EACH: u64 = 5;

const DEFINITION: &str = r#"extend schema @source(name: "files", url: "file:.")

type Tagged @fetch(source: "files", FILE: "rows.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  price: Int @index
  tags: [String!]! @index
}

type Bare @fetch(source: "files", FILE: "rows.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  price: Int @index
  tags: [String!]!
}
"#;

fn write(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    let mut file = data::file(folder, "rows.ndjson");
    for at in 0..ROWS {
        // Rows with one tag lie far apart, in every order.
        let spread = (at * 7_919) % ROWS;
        let tag = |nth: u64| format!("\"t{}\"", (spread / 10 + nth * 1_237) % TAGS);
        let mut tags: Vec<String> = (0..TAGS_EACH).map(tag).collect();
        tags.extend(spread.is_multiple_of(2).then(|| "\"half\"".to_owned()));
        let price = (at * 31) % 5_003;
        writeln!(
            file,
            "{{\"id\":\"r{at:06}\",\"name\":\"Row {at}\",\"price\":{price},\"tags\":[{}]}}",
            tags.join(",")
        )
        .expect("write");
    }
    file.flush().expect("write");
}

pub fn sqlite(folder: &Path) {
    figures("SQLite", &folder.join("lists"), None);
}

pub fn postgres(folder: &Path, cluster: &Cluster) {
    let url = cluster.url(&cluster.create_database());
    figures("PostgreSQL", &folder.join("lists-on-postgres"), Some(&url));
}

/// A query of one of the two types.
fn query(plural: &str, condition: &str, rest: &str) -> String {
    format!("{{ rows: {plural}(where: {{tags: {{{condition}}}}}, {rest}) {{ id name price tags }} }}")
}

fn some(from: u64, count: u64) -> String {
    let tags: Vec<String> = (from..from + count).map(|tag| format!("\"t{tag}\"")).collect();
    tags.join(",")
}

fn figures(name: &str, folder: &Path, database: Option<&str>) {
    write(folder);
    let [with, without] = ["Tagged", "Bare"].map(|ty| harvest(folder, database, &[], &[ty]).seconds);
    println!(
        "({name}: {ROWS} rows with six tags each are loaded in {with:.1} s with an index of the tags, in {without:.1} s without)"
    );
    let server = Server::start(folder, database, &[]);
    let ten = format!("hasSome: [{}]", some(40, 10));
    let thousand = format!("hasSome: [{}]", some(100, 1_000));
    for (what, query, limit) in [
        ("10 tags, with an index", query("taggeds", &ten, "first: 1000"), 5.0),
        (
            "10 tags, with an index, the first 20",
            query("taggeds", &ten, "first: 20"),
            5.0,
        ),
        (
            "1,000 tags, without",
            query("bares", &thousand, "first: 20000"),
            1_000.0,
        ),
    ] {
        figure(
            &format!("{name}: {what}"),
            milliseconds(&server, &query),
            "ms",
            &Target::AtMost(limit),
        );
    }
    let mixed = format!("hasSome: [\"half\", {}]", some(40, 9));
    for (what, condition, rest, limit) in [
        ("first 20 of a tag in half the rows", "has: \"half\"", "first: 20", 1.1),
        ("first 20 of that or nine rare ones", mixed.as_str(), "first: 20", 1.1),
        (
            "the same by price",
            mixed.as_str(),
            "first: 20, orderBy: [{price: ASC}]",
            1.1,
        ),
        ("all of a tag in half the rows", "has: \"half\"", "first: 60000", 1.1),
        ("first 20 of a rare tag", "has: \"t77\"", "first: 20", 0.5),
        (
            "first 20 of a rare tag and that in half",
            "hasEvery: [\"half\", \"t78\"]",
            "first: 20",
            0.5,
        ),
    ] {
        let [with, without] = ["taggeds", "bares"].map(|plural| query(plural, condition, rest));
        let (ours, theirs) = (server.json(&with), server.json(&without));
        assert!(
            ours["data"]["rows"].is_array() && ours == theirs,
            "{what}: {ours} {theirs}"
        );
        let bare = || {
            server.ask(&without);
            "asked".to_owned()
        };
        compare::wall(
            &format!("{name}: {what}, with ÷ without an index"),
            &server,
            &with,
            &bare,
            limit,
        );
    }
}

/// The median of some.
fn milliseconds(server: &Server, query: &str) -> f64 {
    let rows = server.json(query);
    assert!(
        rows["data"]["rows"].as_array().is_some_and(|rows| !rows.is_empty()),
        "{rows}"
    );
    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let began = Instant::now();
            server.ask(query);
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
