//! Searches from an upstream to a person: what is found when rows, or the definition, change, and what is told of texts that are
//! longer than what is searched of them.

use serde_json::json;

use crate::harness::{Db, Reply, Scratch, Upstream, on_both};

on_both!(long_texts_are_told_and_languages_change);

fn definition(language: &str) -> String {
    format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n\
         type Note @fetch(source: \"up\", GET: \"/notes\", rows: \".[]\") {{ id: ID! title: String @search body: String @search{language} }}\n"
    )
}

async fn long_texts_are_told_and_languages_change(db: Db) {
    let upstream = Upstream::start().await;
    let long = format!("swords {}far", "word ".repeat(30_000));
    let notes = json!([
        { "id": 1, "title": "a", "body": long },
        { "id": 2, "title": "b", "body": format!("{long} away") },
        { "id": 3, "title": "swords", "body": "one sword" },
    ]);
    upstream.set("/notes", Reply::json(&notes));
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let scratch = Scratch::on(db, &definition(""));
    scratch.must(&["harvest"], &environment).await;
    let told = "Note.body: 2 texts are longer than what is searched of them, 100,000 bytes";
    let found = "{ notes(search: \"swords\", orderBy: [{id: ASC}]) { id searchMatches { field html } }
        far: notes(search: \"far\") { id } other: notes(search: \"sword\", orderBy: [{id: ASC}]) { id } }";
    for (language, other) in [
        ("", json!([{ "id": "3" }])),
        (
            "(language: ENGLISH)",
            json!([{ "id": "1" }, { "id": "2" }, { "id": "3" }]),
        ),
    ] {
        scratch.write("schema.graphql", &definition(language));
        let program = scratch.serve(&environment).await;
        let data = program.query(found).await;
        let shown = data["notes"].as_array().expect("a list");
        assert_eq!(shown.len(), 3, "{data}");
        let first = shown[0]["searchMatches"][0]["html"].as_str().expect("an excerpt");
        assert!(
            first.starts_with("<mark>swords</mark> word word ") && first.ends_with(" word…"),
            "{first}"
        );
        assert_eq!((&data["far"], &data["other"]), (&json!([]), &other), "{language}");
        let both = shown[2]["searchMatches"].as_array().expect("a list").len();
        assert_eq!(both, if language.is_empty() { 1 } else { 2 }, "{data}");
        let status = scratch.must(&["status"], &environment).await;
        assert!(
            status.out.contains(told) && !status.out.contains("Note.title"),
            "{status:?}"
        );
    }
}
