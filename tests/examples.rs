//! The queries of the documentation, run or validated: what a reader copies must work.

use std::fs;

use apollo_compiler::ExecutableDocument;
use hayloft::{
    catalog,
    definition::{SourceFile, render},
    graphql::Served,
};
use serde_json::Value;

use crate::{
    definition::{language::blocks, root},
    harness::{Db, Farm, on_both},
};

on_both!(every_query_about_the_farm_finds_something);

fn text_of(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is served for a definition of the documentation.
fn served(path: &str, definition: &str) -> Served {
    let files = [SourceFile {
        path: path.into(),
        text: definition.to_owned(),
    }];
    let catalog = catalog::load(&files).unwrap_or_else(|faults| panic!("{}", render(&files, &faults, false)));
    Served::of(&catalog).expect("a served schema")
}

fn validate(served: &Served, query: &str) {
    if let Err(found) = ExecutableDocument::parse_and_validate(&served.schema, query, "example") {
        panic!("{query}\n{}", found.errors);
    }
}

async fn every_query_about_the_farm_finds_something(db: Db) {
    let farm = Farm::harvested(db).await;
    let mut count = 0;
    let pages = ["docs/language.md", "docs/reading.md"].map(text_of);
    for (mark, query) in pages.iter().flat_map(|page| blocks(page)) {
        if mark != "graphql query" {
            continue;
        }
        let data = farm.program.query(&query).await;
        let members = data.as_object().expect("data");
        for (key, list) in members {
            let rows = list
                .as_array()
                .map(Vec::len)
                .or(list.as_object().map(serde_json::Map::len))
                .unwrap_or(0);
            assert!(rows > 0, "{key} is empty: {query}");
        }
        count += 1;
    }
    assert!(count >= 15, "{count} queries");
}

#[test]
fn every_query_about_a_definition_fits_the_one_above_it() {
    let mut above = None;
    let mut count = 0;
    for (mark, code) in blocks(&text_of("docs/language.md")) {
        if let Some(name) = mark.strip_prefix("graphql query ") {
            let definition: &String = above.as_ref().expect("a definition above the query");
            assert!(definition.contains(&format!("type {name} ")), "{name}: {code}");
            validate(&served("docs/language.md", definition), &code);
            count += 1;
        } else if mark == "graphql" {
            above = Some(code);
        }
    }
    assert!(count >= 3, "{count} queries");
}

/// The README's definition loads, and the request below it asks for what that definition serves.
#[test]
fn the_readme_can_be_copied() {
    let page = text_of("README.md");
    let blocks = blocks(&page);
    let (_, definition) = blocks.iter().find(|(mark, _)| mark == "graphql").expect("a definition");
    let lines = definition.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(
        lines <= 10,
        "the README promises a short definition; it has {lines} lines"
    );
    let request = page
        .split_once("-d '")
        .and_then(|(_, rest)| rest.split_once('\''))
        .expect("a request");
    let request: Value = serde_json::from_str(request.0).expect("a body of JSON");
    let query = request["query"].as_str().expect("a query");
    let served = served("README.md", definition);
    validate(&served, query);
    validate(&served, &format!("subscription {query}"));
}

#[test]
fn the_queries_of_the_tutorial_fit_its_definition() {
    let served = served("examples/countries", &text_of("examples/countries/schema.graphql"));
    let page = blocks(&text_of("examples/countries/README.md"));
    let queries = page
        .iter()
        .filter(|(mark, code)| mark == "graphql" && code.starts_with(['{', 'q', 's']));
    let mut count = 0;
    for (_, query) in queries {
        validate(&served, query);
        count += 1;
    }
    assert!(count >= 2, "{count} queries");
}
