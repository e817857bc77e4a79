//! Lists are what an upstream says: every item, every repeat, in its order; and requests go where they were meant to go.

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Upstream, on_both};

on_both!(
    repeats_stay_in_order,
    a_single_value_is_a_list_of_one,
    lists_have_one_rule,
    keys_of_nulls,
    values_stay_in_their_place,
    thousands_of_operands
);

async fn served(db: Db, upstream: &Upstream, definition: &str) -> (Scratch, Program) {
    let scratch = Scratch::on(db, definition);
    let url = upstream.url();
    scratch.run(&["harvest"], &[("UP", &url)]).await;
    let program = scratch.serve(&[("UP", &url)]).await;
    (scratch, program)
}

async fn reasons(scratch: &Scratch) -> Vec<String> {
    let mut reasons = scratch.rows("SELECT reason FROM hayloft_quarantine").await.concat();
    reasons.sort();
    reasons
}

fn ids(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({ "id": id })).collect()
}

const REPEATS: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Tag @fetch(source: "up", GET: "/tags", rows: ".[]") {
  id: ID!
  holders: [Holder!]! @inverse(field: "tags")
  fetchers: [Holder!]! @inverse(field: "fetched")
}
type Holder @fetch(source: "up", GET: "/holders", rows: ".[]") {
  id: ID!
  tags: [Tag!]! @ref
  each: [Tag!]! @ref(jq: ".tags[]")
  fetched: [Tag!]! @fetch(source: "up", GET: "/holders/{$this.id}/tags?page={$page}", rows: ".tags[]", pages: {last: ".pages"})
}
"#;

fn holders(tags: [&[&str]; 3]) -> Reply {
    let rows = ["1", "2", "3"].into_iter().zip(tags);
    let rows: Value = rows.map(|(id, tags)| json!({ "id": id, "tags": tags })).collect();
    Reply::json(&rows)
}

async fn repeats_stay_in_order(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/tags", Reply::json(&ids(&["a", "b", "c"])));
    upstream.set("/holders", holders([&["a", "b", "a", "a"], &["b", "gone", "b"], &[]]));
    for holder in ["1", "2", "3"] {
        let pages = [
            json!({"tags": ["c", "a", {"id": "c"}], "pages": 2}),
            json!({"tags": ["a"], "pages": 2}),
        ];
        for (page, body) in (1..).zip(&pages) {
            upstream.set(&format!("/holders/{holder}/tags?page={page}"), Reply::json(body));
        }
    }
    let (scratch, program) = served(db, &upstream, REPEATS).await;
    let query = "{ holders { tags { id } each { id } fetched { id } part: tags(offset: 1, first: 2) { id } } }";
    let row = |tags: &[&str], part: &[&str]| json!({ "tags": ids(tags), "each": ids(tags), "fetched": ids(&["c", "a", "c", "a"]), "part": ids(part) });
    let rows = [
        row(&["a", "b", "a", "a"], &["b", "a"]),
        row(&["b", "b"], &["b"]),
        row(&[], &[]),
    ];
    assert_eq!(program.query(query).await["holders"], json!(rows));
    // The other way each row comes once, however often it names this one.
    let query = "{ tags { id holders { id } last: holders(orderBy: [{id: DESC}], first: 1) { id } \
                 fetchers(where: {tags: {some: {}}}) { id } } }";
    let tag = |id: &str, holders: &[&str], last: &[&str], fetchers: &[&str]| json!({ "id": id, "holders": ids(holders), "last": ids(last), "fetchers": ids(fetchers) });
    let tags = [
        tag("a", &["1"], &["1"], &["1", "2"]),
        tag("b", &["1", "2"], &["2"], &[]),
        tag("c", &[], &[], &["1", "2"]),
    ];
    assert_eq!(program.query(query).await["tags"], json!(tags));
    // Conditions are about rows, so repeats mean nothing to them.
    for (condition, want) in [
        ("holders(where: {tags: {some: {id: {eq: \"a\"}}}})", &["1"][..]),
        ("holders(where: {tags: {every: {id: {eq: \"b\"}}}})", &["2", "3"][..]),
        ("holders(where: {tags: {none: {id: {eq: \"a\"}}}})", &["2", "3"][..]),
        ("tags(where: {holders: {some: {id: {eq: \"1\"}}}})", &["a", "b"][..]),
        ("tags(where: {holders: {every: {id: {eq: \"1\"}}}})", &["a", "c"][..]),
        ("tags(where: {fetchers: {none: {}}})", &["b"][..]),
    ] {
        let answer = program.query(&format!("{{ found: {condition} {{ id }} }}")).await;
        assert_eq!(answer["found"], ids(want), "{condition}");
    }
    // A repeat less is a change, and an equal list is none.
    upstream.set(
        "/holders",
        holders([&["a", "b", "a"], &["b", "gone", "b"], &["c", "c"]]),
    );
    program.kill().await;
    scratch.bury_the_dead().await;
    let url = upstream.url();
    scratch.must(&["harvest", "Holder"], &[("UP", &url)]).await;
    let run = "SELECT changed_rows,same_rows FROM hayloft_run WHERE \"fetch\"='Holder' ORDER BY id DESC LIMIT 1";
    assert_eq!(scratch.rows(run).await, [["2", "1"]]);
    let program = scratch.serve(&[("UP", &url)]).await;
    let answer = program.query("{ holders { tags { id } } }").await;
    let rows = [&["a", "b", "a"][..], &["b", "b"], &["c", "c"]].map(|tags| json!({ "tags": ids(tags) }));
    assert_eq!(answer["holders"], json!(rows));
}

const LISTS: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Tag @fetch(source: "up", GET: "/tags", rows: ".[]") { id: ID! }
type Pair @fetch(source: "up", GET: "/pairs", rows: ".[]") { a: ID! @id b: Int! @id }
type Holder @fetch(source: "up", GET: "/holders", rows: ".[]") {
  id: ID!
  named: [JSON] @select(jq: ".list")
  whole: [JSON] @select(jq: ".list | .")
  items: [JSON] @select(jq: ".list[]")
  collected: [JSON] @select(jq: "[.list[]?]")
  chosen: [JSON] @select(jq: ".list // [] | .[]")
  texts: [String] @select(jq: ".texts[]")
  box: Box
  tags: [Tag!]! @ref(jq: ".tags[]")
  keys: [Tag!]! @ref(jq: ".tags // []")
  pairs: [Pair!]! @ref(jq: ".pairs[]")
  both: [Pair!]! @ref(jq: "[.pairs[]?]")
  parts: [Part!]! @nested(jq: ".parts[]")
  first: [First!]! @nested(jq: ".parts[0] // []")
}
type Box { items: [JSON] @select(jq: ".list[]") }
type Part { name: String }
type First { name: String }
"#;

/// What the holder with this number has beside its list.
struct Beside {
    texts: Vec<Value>,
    tags: Vec<Value>,
    pairs: Vec<Value>,
    parts: Vec<Value>,
}

fn beside(at: usize) -> Beside {
    let count = at % 3;
    Beside {
        texts: [vec![json!("x")], vec![Value::Null], vec![]][count].clone(),
        tags: vec![json!("a"); count],
        pairs: [json!(["x", 1]), json!(["y", 2])][..count].to_vec(),
        parts: (0..count).map(|part| json!({ "name": part.to_string() })).collect(),
    }
}

async fn lists_have_one_rule(db: Db) {
    let lists = [
        json!([]),
        json!([1]),
        json!([null]),
        json!([null, null]),
        json!([[]]),
        json!([[], []]),
        json!([[1, 2]]),
        json!([[1, 2], 3]),
        json!([[[1]]]),
        json!(["a", {"b": []}]),
    ];
    let upstream = Upstream::start().await;
    upstream.set("/tags", Reply::json(&ids(&["a"])));
    let pairs = json!([{"a": "x", "b": 1}, {"a": "y", "b": 2}]);
    upstream.set("/pairs", Reply::json(&pairs));
    let holder = |(at, list): (usize, &Value)| {
        let own = beside(at);
        json!({ "id": at, "list": list, "texts": own.texts, "box": {"list": list}, "tags": own.tags,
                "pairs": own.pairs, "parts": own.parts })
    };
    let mut holders: Vec<Value> = lists.iter().enumerate().map(holder).collect();
    holders.push(json!({ "id": "none" }));
    holders.push(json!({ "id": "null", "tags": [null] }));
    holders.push(json!({ "id": "nulls", "tags": [null, null] }));
    upstream.set("/holders", Reply::json(&json!(holders)));
    let (scratch, program) = served(db, &upstream, LISTS).await;
    for (at, list) in lists.iter().enumerate() {
        let query = format!(
            "{{ holder(id: {at}) {{ named whole items collected chosen texts box {{ items }} tags {{ id }} keys {{ id }} \
             pairs {{ b }} both {{ b }} parts {{ name }} first {{ name }} }} }}"
        );
        let own = beside(at);
        let tags: Value = own.tags.iter().map(|id| json!({ "id": id })).collect();
        let pairs: Value = own.pairs.iter().map(|pair| json!({ "b": pair[1] })).collect();
        let want = json!({
            "named": list, "whole": list, "items": list, "collected": list, "chosen": list, "box": { "items": list },
            "texts": own.texts, "tags": tags, "keys": tags, "pairs": pairs, "both": pairs, "parts": own.parts,
            "first": own.parts[..own.parts.len().min(1)],
        });
        assert_eq!(program.query(&query).await["holder"], want, "{list}");
    }
    // Without a list there is none for a filter that gives lists, and no items for one that gives items.
    let query = "{ holder(id: \"none\") { named whole items collected chosen texts tags { id } parts { name } } }";
    let want = json!({ "named": null, "whole": null, "items": [], "collected": [], "chosen": [], "texts": [],
                       "tags": [], "parts": [] });
    assert_eq!(program.query(query).await["holder"], want);
    let reason = "tags[0]: expected a key, found null; leave such out, with jq: `… | values`";
    assert_eq!(reasons(&scratch).await, [reason, reason]);
}

const SINGLES: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Tag @fetch(source: "up", GET: "/tags", rows: ".[]") { id: ID! }
type Holder @fetch(source: "up", GET: "/holders", rows: ".[]") {
  id: ID!
  named: [Int]
  path: [Int] @select(jq: ".named")
  deep: [JSON] @select(jq: ".box.item")
  other: [Int] @select(jq: ".named // null")
  box: Box
  tags: [Tag!]! @ref(jq: ".tag")
  parts: [Part!]! @nested(jq: ".part")
}
type Box { item: [JSON] }
type Part { name: String }
"#;

/// As upstreams write lists of one that make JSON of XML.
async fn a_single_value_is_a_list_of_one(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/tags", Reply::json(&ids(&["a"])));
    let holders = json!([
        {"id": "1", "named": 5, "box": {"item": {"x": 1}}, "tag": "a", "part": {"name": "p"}},
        {"id": "2", "named": "x"},
        {"id": "3", "named": null, "box": {}, "tag": null, "part": null},
    ]);
    upstream.set("/holders", Reply::json(&holders));
    let (scratch, program) = served(db, &upstream, SINGLES).await;
    let answer = program
        .query("{ holders { named path deep other box { item } tags { id } parts { name } } }")
        .await;
    let one = json!({ "named": [5], "path": [5], "deep": [{"x": 1}], "other": [5], "box": {"item": [{"x": 1}]},
                      "tags": [{"id": "a"}], "parts": [{"name": "p"}] });
    let none = json!({ "named": null, "path": null, "deep": null, "other": null, "box": {"item": null},
                       "tags": [], "parts": [] });
    assert_eq!(answer["holders"], json!([one, none]));
    assert_eq!(
        reasons(&scratch).await,
        ["named[0]: expected an Int (a whole number of 32 bits), found the text \"x\""]
    );
}

const PAIRS: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Pair @fetch(source: "up", GET: "/pairs", rows: ".[]") { a: ID! @id b: Int! @id }
type Holder @fetch(source: "up", GET: "/holders", rows: ".[]") { id: ID! pair: Pair @ref(jq: "[.a, .b]") }
"#;

async fn keys_of_nulls(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/pairs", Reply::json(&json!([{"a": "x", "b": 1}])));
    let holders = json!([
        {"id": 1, "a": "x", "b": "1"},
        {"id": 2, "a": null},
        {"id": 3},
        {"id": 4, "a": "x"},
        {"id": 5, "b": 1}
    ]);
    upstream.set("/holders", Reply::json(&holders));
    let (scratch, program) = served(db, &upstream, PAIRS).await;
    let answer = program.query("{ holders { id pair { a b } } }").await;
    let want = json!([
        { "id": "1", "pair": { "a": "x", "b": 1 } },
        { "id": "2", "pair": null },
        { "id": "3", "pair": null }
    ]);
    assert_eq!(answer["holders"], want);
    let want = [
        "pair: expected a key without null, found the array [\"x\",null]",
        "pair: expected a key without null, found the array [null,1]",
    ];
    assert_eq!(reasons(&scratch).await, want);
}

const PLACES: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Place @fetch(source: "up", GET: "/places", rows: ".[]") {
  id: ID!
  info: Info @fetch(source: "up", GET: "/places/{$this.id}/info")
}
type Info { id: ID! }
"#;

async fn values_stay_in_their_place(db: Db) {
    let upstream = Upstream::start().await;
    let places = ids(&["..", ".", "", "a/../b", "%2e%2e", "ok"]);
    upstream.set("/places", Reply::json(&places));
    upstream.handle(|path| path.ends_with("info").then(|| Reply::json(&json!({ "id": path }))));
    let (scratch, program) = served(db, &upstream, PLACES).await;
    let mut asked = upstream.asked();
    asked.sort();
    asked.dedup();
    let want = [
        "/places",
        "/places/%252e%252e/info",
        "/places/a%2F..%2Fb/info",
        "/places/ok/info",
    ];
    assert_eq!(asked, want);
    let answer = program.query("{ places(where: {not: {info: {}}}) { id } }").await;
    assert_eq!(answer["places"], ids(&["", ".", ".."]));
    let errors = "SELECT error FROM hayloft_fan_out WHERE error IS NOT NULL ORDER BY error";
    let errors = scratch.rows(errors).await.concat();
    assert_eq!(errors.len(), 3, "{errors:?}");
    for value in ["\"\"", "\".\"", "\"..\""] {
        let want = format!("a part of the path is {value}, which leads to another address");
        let found = errors
            .iter()
            .filter(|error| error.contains(&want) && error.contains("{$this.id}"));
        assert_eq!(found.count(), 1, "{value}: {errors:?}");
    }
    let status = scratch.run(&["status"], &[("UP", &upstream.url())]).await;
    assert!(status.out.contains("3 of 6 requests failed"), "{status:?}");
}

const LABELS: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Article @fetch(source: "up", GET: "/articles", rows: ".[]") { id: ID! labels: [String!] sizes: [Int] }
"#;

/// As many as one request may have; each list is taken apart once for all of them.
async fn thousands_of_operands(db: Db) {
    const OPERANDS: usize = 5_000;
    let upstream = Upstream::start().await;
    let label = |at: usize| format!("l{at}");
    let all: Vec<String> = (0..OPERANDS).map(label).collect();
    let mut articles = vec![
        json!({"id": "all", "labels": all, "sizes": [1, 2]}),
        json!({"id": "none"}),
    ];
    articles
        .extend((0..200).map(|at| json!({"id": at.to_string(), "labels": [label(at * 100), "x"], "sizes": [at, at]})));
    upstream.set("/articles", Reply::json(&json!(articles)));
    let (_scratch, program) = served(db, &upstream, LABELS).await;
    let query = "query($v: [String!]!) { some: articles(where: {labels: {hasSome: $v}}) { id } \
                 every: articles(where: {labels: {hasEvery: $v}}) { id } }";
    let half = &all[..OPERANDS / 2];
    let answer = program.post(query, json!({ "v": half })).await;
    assert_eq!(answer["data"]["every"], ids(&["all"]), "{answer}");
    assert_eq!(answer["data"]["some"].as_array().map(Vec::len), Some(26));
    let query = "query($v: [String!]!) { articles(where: {labels: {hasEvery: $v}}) { id } }";
    let answer = program.post(query, json!({ "v": all })).await;
    assert_eq!(answer["data"]["articles"], ids(&["all"]), "{answer}");
    // Equal operands are one.
    for (operands, want) in [("[7, 7]", 1), ("[1, 2, 1]", 1), ("[1, 1]", 2), ("[1, 3]", 0)] {
        let answer = program
            .query(&format!(
                "{{ articles(where: {{sizes: {{hasEvery: {operands}}}}}) {{ id }} }}"
            ))
            .await;
        assert_eq!(answer["articles"].as_array().map(Vec::len), Some(want), "{operands}");
    }
    let query = "query($a: Int!, $b: Int!) { articles(where: {sizes: {hasEvery: [$a, $b]}}) { id } }";
    let answer = program.post(query, json!({ "a": 7, "b": 7 })).await;
    assert_eq!(answer["data"]["articles"], ids(&["7"]));
}
