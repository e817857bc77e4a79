//! Links of which one row has most, and scans: what they cost is known before they run, on either database, and what is too much is
//! refused with its number and a smaller way to ask.

use serde_json::{Value, json};

use super::bystander;
use crate::harness::{Db, Place, Program, Scratch, on_both};

on_both!(
    a_tag_of_all_is_told_from_a_tag_of_few,
    scans_are_refused_by_what_they_read
);

const DEFINITION: &str = "extend schema @source(name: \"here\", url: \"file:.\")\n\
    type Note @fetch(source: \"here\", FILE: \"notes.ndjson\", format: NDJSON) {\n\
      id: ID! text: String! writer: Writer tags: [Tag!]! @ref(jq: \".tags[]\") }\n\
    type Tag @fetch(source: \"here\", FILE: \"tags.ndjson\", format: NDJSON) { id: ID! notes: [Note!]! @inverse(field: \"tags\") }\n\
    type Writer @fetch(source: \"here\", FILE: \"writers.ndjson\", format: NDJSON) { id: ID! notes: [Note!]! @inverse(field: \"writer\") }\n";

/// All notes have the tag 1 and most are of the writer 1; each has one of 200 other tags, and texts of 2 kB.
const NOTES: usize = 3_000;
const TAGS: usize = 201;

async fn stocked(db: Db, limits: &str) -> (Scratch, Program) {
    let scratch = Scratch::at(Place::new(db), DEFINITION);
    let lines = |count: usize, line: &dyn Fn(usize) -> Value| -> String {
        (0..count).map(|at| line(at).to_string() + "\n").collect()
    };
    let note = |at: usize| {
        let writer = if at.is_multiple_of(10) { 2 + at % 50 } else { 1 };
        let tags = ["1".to_owned(), (2 + at % (TAGS - 1)).to_string()];
        json!({ "id": at.to_string(), "text": "x".repeat(2_000), "writer": writer.to_string(), "tags": tags })
    };
    let named = |at: usize| json!({ "id": (at + 1).to_string() });
    scratch.write("notes.ndjson", &lines(NOTES, &note));
    scratch.write("tags.ndjson", &lines(TAGS, &named));
    scratch.write("writers.ndjson", &lines(60, &named));
    scratch.must(&["harvest"], &[]).await;
    let program = scratch.serve(&[("HAYLOFT_LIMITS", limits)]).await;
    (scratch, program)
}

/// The refusal of a query; it is not its running that found out.
async fn refused(program: &Program, query: &str, variables: Value) -> String {
    let answer = program.post(query, variables).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX",
        "{query}: {answer}"
    );
    answer["errors"][0]["message"].as_str().expect("a message").to_owned()
}

/// The number after some words.
fn number(message: &str, words: &str) -> f64 {
    let (_, rest) = message.split_once(words).unwrap_or_else(|| panic!("{message}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number: {message}"))
}

fn about(guessed: f64, rows: f64) {
    assert!(
        guessed <= rows * 1.5 && rows <= guessed * 1.5,
        "{guessed} instead of {rows}"
    );
}

async fn a_tag_of_all_is_told_from_a_tag_of_few(db: Db) {
    let (_scratch, program) = stocked(db, "rows=1000,answer_bytes=300000").await;
    let notes = "query($id: ID!) { tag(id: $id) { notes { id } } }";
    let message = refused(&program, notes, json!({ "id": "1" })).await;
    about(number(&message, "estimated rows of the answer: "), NOTES as f64);
    for part in ["at most 1000 are allowed", "--limit rows=", "cut the lists with first"] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    // The same document with another value.
    let answer = program.post(notes, json!({ "id": "7" })).await;
    let few = answer["data"]["tag"]["notes"].as_array().map(Vec::len);
    assert_eq!(few, Some(NOTES / (TAGS - 1)), "{answer}");
    for query in [
        "{ writer(id: \"1\") { notes { id } } }",
        "{ notes(where: {writer: {id: {eq: \"1\"}}}) { id } }",
    ] {
        let message = refused(&program, query, json!({})).await;
        about(number(&message, "estimated rows of the answer: "), NOTES as f64 * 0.9);
    }
    for query in [
        "{ tag(id: \"1\") { notes(first: 20) { id } } }",
        "{ writer(id: \"12\") { notes { id } } }",
        "{ notes(where: {writer: {id: {eq: \"12\"}}}) { id } }",
        "{ notes(where: {tags: {some: {id: {eq: \"7\"}}}}) { id text } }",
    ] {
        assert!(program.post(query, json!({})).await["data"].is_object(), "{query}");
    }
    // Back from each of its notes to all of them.
    let back = "{ notes(first: 1) { tags { notes { id } } } }";
    let message = refused(&program, back, json!({})).await;
    assert!(
        number(&message, "estimated rows of the answer: ") > 1_000.0,
        "{message}"
    );
    // Few rows, and too many bytes.
    let wide = "{ tag(id: \"1\") { notes(first: 900) { text } } }";
    let message = refused(&program, wide, json!({})).await;
    about(number(&message, "estimated bytes of the answer: "), 900.0 * 2_000.0);
    assert!(
        message.contains("--limit answer_bytes=") && message.contains("at most 300000"),
        "{message}"
    );
    bystander(&program).await;
}

async fn scans_are_refused_by_what_they_read(db: Db) {
    let (_scratch, program) = stocked(db, "filter_rows=5000").await;
    let search =
        |more: &str| format!("{{ notes(first: 3, where: {{text: {{contains: \"nowhere\"}}{more}}}) {{ id }} }}");
    // Each text counts as three rows.
    let message = refused(&program, &search(""), json!({})).await;
    about(number(&message, "are searched: "), 3.0 * NOTES as f64);
    for part in ["at most 5000 are allowed", "--limit filter_rows=", "filter by a key"] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    for more in [
        ", id: {in: [\"1\", \"2\"]}",
        ", writer: {id: {eq: \"12\"}}, id: {eq: \"10\"}",
    ] {
        let answer = program.post(&search(more), json!({})).await;
        assert_eq!(answer["data"]["notes"], json!([]), "{answer}");
    }
    bystander(&program).await;
}
