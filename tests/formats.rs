//! Formats other than JSON, from the upstream to an answer: for scans and for fields, on both databases.

use serde_json::json;

use crate::harness::{Db, Reply, Scratch, Upstream, on_both};

on_both!(each_format_is_served, a_cut_table_deletes_nothing);

const DEFINITION: &str = r##"
extend schema @source(name: "up", url: "{$env.UP}")

type Item @fetch(source: "up", GET: "/items.csv", format: CSV, table: {units: true, nulls: ["NaN"]}, missing: DELETE, maxMissing: 1) {
  id: ID!
  name: String
  price: Float
  sold: Date
  parts: [Part!]! @fetch(source: "up", GET: "/parts/{$this.id}", format: TSV)
  notes: [Note!]! @fetch(source: "up", GET: "/notes/{$this.id}", format: XML, rows: ".notes.note[]")
}
type Part { id: ID! count: Int }
type Note { id: ID! @select(jq: ".\"@id\"") text: String @select(jq: ".\"#text\"") }
type Entry @fetch(source: "up", GET: "/feed.xml", format: XML, rows: ".feed.entry[]", pages: {next: ".feed.next"}) {
  id: ID!
  tags: [String!] @select(jq: ".tag")
}
type Station @fetch(source: "up", GET: "/stations", format: HTML_TABLE) {
  code: ID! @id @select(jq: ".Code")
  page: String @select(css: "a", attr: "href")
}
type Card @fetch(source: "up", GET: "/cards?page={$page}", format: HTML, rows: ".card") {
  id: ID! @select(jq: ".\"@id\"")
  name: String @select(css: "h2")
}
"##;

async fn upstream() -> Upstream {
    let upstream = Upstream::start().await;
    let text = |path: &str, media: &'static str, body: &str| upstream.set(path, Reply::text(200, media, body));
    text(
        "/items.csv",
        "text/csv",
        "id,name,price,sold\n,,EUR,\n1,\"Sword, long\",1.5,2026-01-02\n2,,NaN,\n3\n",
    );
    text("/parts/1", "text/plain", "id\tcount\na\t2\nb\t\n");
    text("/parts/2", "text/plain", "id\tcount\n");
    text("/notes/1", "text/xml", "<notes><note id=\"x\">A &amp; B</note></notes>");
    text("/notes/2", "text/xml", "<notes/>");
    text(
        "/feed.xml",
        "text/xml",
        "<feed><next>/feed2.xml</next><entry><id>1</id><tag>a</tag></entry></feed>",
    );
    text(
        "/feed2.xml",
        "text/xml",
        "<feed><entry><id>2</id><tag>b</tag><tag>c</tag></entry><entry><id>3</id></entry></feed>",
    );
    text(
        "/stations",
        "text/html",
        "<!doctype html><table><tr><th>Code<th>Name<tr><td>A<td><a href='/a'>Ä</a></table>",
    );
    text(
        "/cards?page=1",
        "text/html",
        "<html><div class=card id=1><h2>One</h2></div><div class=card id=2></div>",
    );
    text("/cards?page=2", "text/html", "<html><p>no more</p>");
    upstream
}

async fn each_format_is_served(db: Db) {
    let (scratch, upstream) = (Scratch::on(db, DEFINITION), upstream().await);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let done = scratch.must(&["harvest"], &environment).await;
    let refused = scratch.must(&["status", "--refused", "Item"], &environment).await.out;
    assert!(
        refused.contains("line 5: 1 cell, but there are 4 columns"),
        "{refused}{}",
        done.out
    );
    let program = scratch.serve(&environment).await;
    let data = program
        .query(
            "{ items(orderBy: {id: ASC}) { id name price sold parts { id count } notes { id text } }
               entries(orderBy: {id: ASC}) { id tags } stations { code page } cards(orderBy: {id: ASC}) { id name } }",
        )
        .await;
    let want = json!({
        "items": [
            { "id": "1", "name": "Sword, long", "price": 1.5, "sold": "2026-01-02",
              "parts": [{ "id": "a", "count": 2 }, { "id": "b", "count": null }], "notes": [{ "id": "x", "text": "A & B" }] },
            { "id": "2", "name": null, "price": null, "sold": null, "parts": [], "notes": [] },
        ],
        "entries": [{ "id": "1", "tags": ["a"] }, { "id": "2", "tags": ["b", "c"] }, { "id": "3", "tags": null }],
        "stations": [{ "code": "A", "page": "/a" }],
        "cards": [{ "id": "1", "name": "One" }, { "id": "2", "name": null }],
    });
    assert_eq!(data, want);
}

async fn a_cut_table_deletes_nothing(db: Db) {
    let (scratch, upstream) = (Scratch::on(db, DEFINITION), upstream().await);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    scratch.must(&["harvest"], &environment).await;
    for (body, told) in [
        (
            "id,name,price,sold\n,,EUR,\n1,x,1",
            "it breaks off: in line 3, after 3 of its cells",
        ),
        (
            "id,name,price,sold\n,,EUR,\n1,\"x",
            "a quotation mark of the record that begins in line 3 is not closed",
        ),
        ("<!doctype html><p>Please log in", "an HTML page instead of data"),
    ] {
        upstream.set("/items.csv", Reply::text(200, "text/csv", body));
        let done = scratch.run(&["harvest", "Item"], &environment).await;
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(
            format!("{}{}", done.out, done.err).contains(told),
            "{told}: {}{}",
            done.out,
            done.err
        );
    }
    let program = scratch.serve(&environment).await;
    let data = program.query("{ items { id } }").await;
    assert_eq!(data["items"].as_array().map(Vec::len), Some(2), "{data}");
}
