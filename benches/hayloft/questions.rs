//! Thirty questions that people ask, on both databases: how long each takes, and which one is worst on one of them by what it takes on the other.

use std::{fs, path::Path, time::Instant};

use crate::{
    Target,
    cluster::Cluster,
    figure, linked_data,
    process::{Server, harvest},
};

/// Times that each is asked; the shortest counts, as all else that goes on here only adds to it.
const TIMES: usize = 7;
/// So many milliseconds are the way there and back, on either.
const WAY_MS: f64 = 0.3;

/// What is asked, and how a person would say it.
const QUESTIONS: [(&str, &str); 30] = [
    ("first rows", "{ items(first: 20) { id name price } }"),
    ("thousands of rows", "{ items(first: 5000) { id name price } }"),
    ("one by its key", r#"{ item(id: "i050000") { id name price } }"#),
    (
        "one with all it leads to",
        r#"{ item(id: "i050000") { name tags { name } requiredFor { quantity quest { title npc { name } } } } }"#,
    ),
    (
        "by an indexed field",
        "{ items(orderBy: [{price: ASC}], first: 20) { id price } }",
    ),
    (
        "the same backwards",
        "{ items(orderBy: [{price: DESC}], first: 20) { id price } }",
    ),
    (
        "a range",
        "{ items(where: {price: {gte: 100, lt: 101}}, first: 50) { id price } }",
    ),
    (
        "one value in order of the key",
        "{ items(where: {price: {eq: 500.5}}, first: 20) { id price } }",
    ),
    (
        "words in a name",
        r#"{ items(where: {name: {contains: "77777"}}, first: 20) { id name } }"#,
    ),
    ("far down a list", "{ items(first: 20, offset: 90000) { id name } }"),
    (
        "far down a list of lists",
        "{ items(first: 3, offset: 90000) { id requiredFor { quantity quest { id } } } }",
    ),
    (
        "the same by price",
        "{ items(first: 3, offset: 90000, orderBy: [{price: DESC}]) { id requiredFor { quantity quest { id } } } }",
    ),
    (
        "a hundred with their lists",
        "{ items(first: 100) { id requiredFor { quantity quest { id title } } } }",
    ),
    (
        "four levels",
        "{ npcs(first: 10) { name gives(first: 5) { title lines { quantity item { name } } } } }",
    ),
    ("links forward", "{ items(first: 500) { id tags { name } } }"),
    ("links backward", "{ tags(first: 50) { name items(first: 5) { id } } }"),
    (
        "links backward of a price",
        "{ tags(first: 100) { name items(where: {price: {gt: 900}}, first: 5) { id } } }",
    ),
    (
        "links backward by price",
        "{ tags(first: 50) { name items(orderBy: [{price: DESC}], first: 5) { id price } } }",
    ),
    (
        "by a field of a link",
        "{ quests(orderBy: [{npc: {name: ASC}}], first: 20) { id npc { name } } }",
    ),
    (
        "by a field behind two links",
        "{ lines(orderBy: [{quest: {npc: {name: ASC}}}], first: 20) { id } }",
    ),
    (
        "by a link, far down",
        "{ quests(orderBy: [{npc: {name: ASC}}], first: 20, offset: 50000) { id } }",
    ),
    (
        "the best of each",
        "{ npcs(first: 1000) { name gives(orderBy: [{title: DESC}], first: 3) { title } } }",
    ),
    ("through four tables", linked_data::FIRST),
    (
        "those that some lead to",
        r#"{ quests(where: {lines: {some: {quantity: {gt: 8}}}}, first: 20) { id } }"#,
    ),
    (
        "those that none leads to",
        "{ items(where: {requiredFor: {none: {quantity: {gt: 1}}}}, first: 20) { id } }",
    ),
    (
        "of one link",
        r#"{ quests(where: {npc: {id: {eq: "n0007"}}}, first: 20) { id title } }"#,
    ),
    (
        "a page",
        "{ itemsConnection(first: 20) { nodes { id name } pageInfo { hasNextPage endCursor } } }",
    ),
    (
        "a page with its total",
        "{ itemsConnection(first: 20, where: {price: {gt: 500}}) { totalCount nodes { id } } }",
    ),
    ("sums", "{ linesConnection { aggregate { count sum { quantity } } } }"),
    (
        "sums of each",
        "{ npcs(first: 100) { name givesConnection { totalCount } } }",
    ),
];

pub fn figures(folder: &Path, cluster: &Cluster) {
    let folder = folder.join("questions");
    linked_data::write(&folder, false);
    let path = folder.join("schema.graphql");
    let definition = fs::read_to_string(&path).expect("a definition");
    let definition = definition
        .replace("price: Float", "price: Float @index")
        .replace("type Quest ", "type Quest @index(fields: [\"npc\", \"title DESC\"]) ");
    fs::write(&path, definition).expect("write");
    let url = cluster.url(&cluster.create_database());
    harvest(&folder, None, &[], &[]);
    harvest(&folder, Some(&url), &[], &[]);
    // As it is a minute after a load, when the server has looked after its tables.
    cluster.sql(url.rsplit('/').next().unwrap_or_default(), "VACUUM ANALYZE");
    let servers = [
        Server::start(&folder, None, &[]),
        Server::start(&folder, Some(&url), &[]),
    ];
    let mut worst = ("", 0.0_f64, "");
    println!("{:<40} {:>10} {:>12}", "(ms)", "SQLite", "PostgreSQL");
    for (name, query) in QUESTIONS {
        let answers = servers.each_ref().map(|server| server.json(query));
        assert!(
            answers[0]["data"].is_object() && answers[0] == answers[1],
            "{name}: {answers:?}"
        );
        let [sqlite, postgres] = servers.each_ref().map(|server| shortest(server, query));
        println!("{name:<40} {sqlite:>10.2} {postgres:>12.2}");
        let ratio = (sqlite + WAY_MS) / (postgres + WAY_MS);
        let (ratio, slow) = if ratio < 1.0 {
            (1.0 / ratio, "PostgreSQL")
        } else {
            (ratio, "SQLite")
        };
        if ratio > worst.1 {
            worst = (name, ratio, slow);
        }
    }
    let (name, ratio, slow) = worst;
    figure(
        &format!("worst of 30 questions: {name}, {slow}"),
        ratio,
        "×",
        &Target::AtMost(10.0),
    );
}

fn shortest(server: &Server, query: &str) -> f64 {
    let times = (0..TIMES).map(|_| {
        let began = Instant::now();
        server.ask(query);
        began.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}
