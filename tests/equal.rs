//! One world in both databases: every document is answered by both with the same bytes, and those of the folder as written down.
//!
//! `HAYLOFT_BLESS=1` writes `tests/cases/equal/answers.txt` anew, from SQLite's answers.

mod groups;
mod operations;
mod totals;
mod variables;
mod walks;
mod world;

use std::fs;

use futures_util::future::join;
use serde_json::{Value, json};

use crate::{
    definition::root,
    harness::{Db, Program, Reply, Scratch, Upstream},
};

/// Every way of sorting that `orderBy` has.
const SORTS: [&str; 6] = [
    "ASC",
    "DESC",
    "ASC_NULLS_FIRST",
    "ASC_NULLS_LAST",
    "DESC_NULLS_FIRST",
    "DESC_NULLS_LAST",
];

/// A database with the world in it, served.
struct Served {
    program: Program,
    scratch: Scratch,
}

impl Served {
    async fn new(db: Db, upstream: &Upstream) -> Served {
        let definition =
            fs::read_to_string(root().join("tests/cases/equal/definition.graphql")).expect("the definition");
        let scratch = Scratch::on(db, &definition);
        let url = upstream.url();
        let harvest = scratch.run(&["harvest"], &[("UP", &url)]).await;
        assert_eq!(harvest.code, Some(0), "{db:?}: {harvest:?}");
        let program = scratch.serve(&[("UP", &url)]).await;
        Served { program, scratch }
    }
}

/// A field, its operator and the operand as written in GraphQL.
fn conditions() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for field in world::FIELDS {
        let ordered = ["eq", "ne", "in", "notIn", "gt", "gte", "lt", "lte"].as_slice();
        let operators: &[&str] = match field {
            "place" | "json" => &[],
            "strings" | "ints" | "floats" | "lengths" => &["has", "hasSome", "hasEvery"],
            "boolean" | "kind" => &ordered[..4],
            "string" | "url" => &[
                "eq",
                "ne",
                "in",
                "notIn",
                "gt",
                "gte",
                "lt",
                "lte",
                "contains",
                "startsWith",
                "endsWith",
                "like",
                "ilike",
            ],
            _ => ordered,
        };
        if field != "place" {
            out.extend(["true", "false"].map(|is| (field.to_owned(), format!("isNull: {is}"))));
        }
        for operator in operators {
            out.extend(
                operands(field, operator)
                    .into_iter()
                    .map(|operand| (field.to_owned(), format!("{operator}: {operand}"))),
            );
        }
    }
    out
}

/// A value as GraphQL writes it.
fn literal(field: &str, value: &Value) -> String {
    match (field, value) {
        ("kind", _) => "LARGE".to_owned(),
        _ => value.to_string(),
    }
}

fn operands(field: &str, operator: &str) -> Vec<String> {
    let mut values = world::values(field);
    if matches!(field, "strings" | "ints" | "floats" | "lengths") {
        values = values
            .iter()
            .flat_map(|list| list.as_array().expect("a list"))
            .filter(|item| !item.is_null())
            .cloned()
            .collect();
    }
    // No request can carry it, as no row can.
    values.retain(|value| value.as_str().is_none_or(|text| !text.contains('\u{0}')));
    match operator {
        "in" | "notIn" | "hasSome" | "hasEvery" => {
            let list = |values: &[Value]| {
                format!(
                    "[{}]",
                    values
                        .iter()
                        .map(|value| literal(field, value))
                        .collect::<Vec<_>>()
                        .join(",")
                )
            };
            let mut lists: Vec<String> = values.chunks(3).map(list).collect();
            lists.push("[]".to_owned());
            lists
        }
        "like" | "ilike" => {
            let patterns = [
                "%",
                "_",
                "__",
                "a%",
                "%A%",
                "a\\\\%b",
                "a\\\\_b",
                "%\\\\\\\\%",
                "[a]",
                "*",
                "?",
                "%ä%",
                "%Ä%",
                "_b",
                "%\\\\_%",
                "",
                "%s%",
                "日%",
                "ss",
                "i",
            ];
            patterns.map(|pattern| format!("\"{pattern}\"")).into()
        }
        _ => values.iter().map(|value| literal(field, value)).collect(),
    }
}

/// Documents made of every operator of every scalar, and every order in every direction.
fn matrix() -> Vec<String> {
    // As many as one operation may have root fields.
    const ROOTS: usize = 20;
    let conditions = conditions();
    let mut out: Vec<String> = conditions
        .chunks(ROOTS / 2)
        .map(|chunk| {
            let both = |(at, (field, condition)): (usize, &(String, String))| {
                let filter = format!("{{{field}: {{{condition}}}}}");
                format!(" y{at}: samples(where: {filter}) {{ id }} n{at}: samples(where: {{not: {filter}}}) {{ id }}")
            };
            format!("{{{} }}", chunk.iter().enumerate().map(both).collect::<String>())
        })
        .collect();
    for field in world::FIELDS.iter().filter(|field| {
        !matches!(
            **field,
            "boolean" | "json" | "strings" | "ints" | "floats" | "lengths" | "place"
        )
    }) {
        for sort in SORTS {
            out.push(format!("{{ samples(orderBy: [{{{field}: {sort}}}]) {{ id {field} }} part: samples(orderBy: [{{{field}: {sort}}}], offset: 7, first: 9) {{ id }} }}"));
        }
    }
    out.push("{ samples { id } }".to_owned());
    out
}

/// The documents of the folder, parted by empty lines.
fn documents() -> Vec<String> {
    let text = fs::read_to_string(root().join("tests/cases/equal/documents.graphql")).expect("the documents");
    text.split("\n\n")
        .map(str::trim)
        .filter(|document| !document.is_empty())
        .map(str::to_owned)
        .collect()
}

async fn both(sqlite: &Served, postgres: &Served, document: &str) -> String {
    let (one, other) = join(
        sqlite.program.text(document, json!({})),
        postgres.program.text(document, json!({})),
    )
    .await;
    assert!(one == other, "{document}\nSQLite:     {one}\nPostgreSQL: {other}");
    one
}

/// The world in both databases, and the upstream that it is from.
async fn world_on_both() -> (Upstream, Served, Served) {
    let upstream = Upstream::start().await;
    upstream.set("/samples", Reply::json(&world::samples()));
    upstream.set("/groups", Reply::json(&world::groups()));
    upstream.handle(|path| Some(Reply::json(&world::tariff(path.strip_prefix("/tariffs/")?))));
    let sqlite = Served::new(Db::Sqlite, &upstream);
    let (sqlite, postgres) = join(sqlite, Served::new(Db::Postgres, &upstream)).await;
    (upstream, sqlite, postgres)
}

#[tokio::test]
async fn literals_and_variables_are_equal() {
    let (_upstream, sqlite, postgres) = world_on_both().await;
    variables::literals_and_variables_are_equal(&sqlite, &postgres).await;
}

#[tokio::test]
async fn pages_and_totals_are_those_of_the_list() {
    let (_upstream, sqlite, postgres) = world_on_both().await;
    let served = [sqlite, postgres];
    walks::pages_are_the_list(&served).await;
    walks::pages_asked_at_once_are_the_list(&served).await;
    walks::other_cursors_are_refused(&served).await;
    totals::totals_are_those_of_the_rows(&served).await;
    groups::groups_are_those_of_the_rows(&served).await;
}

#[tokio::test]
async fn both_databases_answer_with_the_same_bytes() {
    let (_upstream, sqlite, postgres) = world_on_both().await;
    for document in matrix() {
        let answer = both(&sqlite, &postgres, &document).await;
        assert!(answer.starts_with("{\"data\":"), "{document}: {answer}");
    }
    let mut answers = String::new();
    for document in documents() {
        let answer = both(&sqlite, &postgres, &document).await;
        answers.push_str(&format!("{document}\n{answer}\n\n"));
    }
    let golden = root().join("tests/cases/equal/answers.txt");
    if std::env::var_os("HAYLOFT_BLESS").is_some() {
        fs::write(&golden, &answers).expect("write the answers");
    }
    let want = fs::read_to_string(&golden).unwrap_or_default();
    let differs = answers
        .split("\n\n")
        .zip(want.split("\n\n"))
        .find(|(answer, want)| answer != want);
    assert!(answers == want, "{differs:?}\nHAYLOFT_BLESS=1 accepts the answers");
    // What is refused, and why, is the same too.
    let refused = "SELECT \"fetch\",row_key,reason,record FROM hayloft_quarantine ORDER BY id";
    assert_eq!(sqlite.scratch.rows(refused).await, postgres.scratch.rows(refused).await);
}
