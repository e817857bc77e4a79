//! One key several times in one run, from the upstream to a person: what is put together, what is told, and what fails.

use serde_json::{Value, json};

use crate::harness::{Db, Reply, Scratch, Upstream, on_both};

on_both!(
    parts_of_one_row_become_one,
    copies_and_shifted_pages_are_told,
    where_a_key_may_come_once_the_harvest_fails
);

fn definition(more: &str) -> String {
    format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n\
         type Thing @fetch(source: \"up\", GET: \"/things?page={{$page}}\", rows: \".rows[]\", pages: {{last: \".last\"}}{more}) {{\n\
           id: ID! n: Int tags: [String!] lines: [Line!]! @nested }}\n\
         type Line {{ thing: Thing! text: String }}\n"
    )
}

async fn harvest(db: Db, more: &str, pages: &[Value]) -> (Scratch, Upstream) {
    let upstream = Upstream::start().await;
    for (number, rows) in (1..).zip(pages) {
        let page = json!({ "rows": rows, "last": pages.len() });
        upstream.set(&format!("/things?page={number}"), Reply::json(&page));
    }
    (Scratch::on(db, &definition(more)), upstream)
}

async fn parts_of_one_row_become_one(db: Db) {
    let first = json!([{ "id": 1, "n": 1, "tags": ["a"] }, { "id": 2, "n": 2 }]);
    let second = json!([{ "id": 1, "lines": [{ "text": "x" }] }, { "id": 2, "tags": ["b"], "n": null }]);
    let (scratch, upstream) = harvest(db, ", repeats: MERGE, missing: DELETE", &[first, second]).await;
    let environment = [("UP", upstream.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    for counts in ["2 new, 0 changed, 0 same", "0 new, 0 changed, 2 same"] {
        let done = scratch.must(&["harvest"], &environment).await;
        let status = scratch.must(&["status"], &environment).await;
        assert!(
            status.out.contains(counts) && status.out.contains("2 repeated"),
            "{}{}",
            done.out,
            status.out
        );
        assert!(status.out.contains("complete"), "{}", status.out);
    }
    let program = scratch.serve(&environment).await;
    let data = program
        .query("{ things(orderBy: {id: ASC}) { id n tags lines { text } } }")
        .await;
    let want = json!([
        { "id": "1", "n": 1, "tags": ["a"], "lines": [{ "text": "x" }] },
        { "id": "2", "n": null, "tags": ["b"], "lines": [] },
    ]);
    assert_eq!(data["things"], want);
}

async fn copies_and_shifted_pages_are_told(db: Db) {
    let pages = [
        json!([{ "id": 1, "n": 1 }, { "id": 2, "n": 2 }]),
        json!([{ "id": 2, "n": 3 }]),
    ];
    let (scratch, upstream) = harvest(db, "", &pages).await;
    let environment = [("UP", upstream.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    for counts in ["2 new, 1 changed", "0 new, 0 changed"] {
        let done = scratch.must(&["harvest"], &environment).await;
        let told = format!("{}{}", done.out, done.err);
        let status = scratch.must(&["status"], &environment).await.out;
        for part in [
            "1 record has a key that came before",
            "pages shifted while being read, so rows may be missing",
        ] {
            assert!(told.contains(part), "harvest, {part}: {told}");
            assert!(status.contains(part), "status, {part}: {status}");
        }
        assert!(status.contains(counts) && status.contains("1 repeated"), "{status}");
    }
}

async fn where_a_key_may_come_once_the_harvest_fails(db: Db) {
    let (scratch, upstream) = harvest(db, ", repeats: FAIL", &[json!([{ "id": 1 }, { "id": 1 }])]).await;
    let url = upstream.url();
    let done = scratch.run(&["harvest"], &[("UP", &url)]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    let status = scratch.must(&["status"], &[("UP", &url)]).await.out;
    assert!(
        status.contains("the key \"1\" came more than once in one run"),
        "{status}"
    );
}
