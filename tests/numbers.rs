//! Numbers keep their value and have one spelling, from an upstream to a client and from a client to the database.

use futures_util::future::join;
use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Socket, Upstream, on_both};

on_both!(
    whole_numbers_are_one_id,
    variables_keep_their_digits,
    documents_have_the_forms_of_columns
);

const DEFINITION: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Maker @fetch(source: "up", GET: "/makers", rows: ".[]") {
  id: ID!
  name: String!
  products: [Product!]! @inverse(field: "maker")
  parts: [Part!]! @fetch(source: "up", GET: "/makers/{$this.id}/parts", rows: ".[]")
}
type Product @fetch(source: "up", GET: "/products", rows: ".[]") {
  id: ID!
  maker: Maker
  makers: [Maker!]! @ref(jq: ".maker_ids[]")
  kind: Kind
  exact: Decimal
  views: BigInt
  weight: Float
  length: Duration
  weights: [Float]
  lengths: [Duration!]
  extras: [JSON]
  box: Box
}
type Box { width: Float sides: [Float!] wait: Duration extra: JSON inner: Inner }
type Inner { exact: Decimal width: Float }
type Part { id: ID! }
enum Kind { ONE @alias(options: ["1"]) HALF @alias(options: ["0.5"]) }
type IntMaker @fetch(source: "up", GET: "/makers", rows: ".[:2][]") { id: Int! @id name: String! }
type IntProduct @fetch(source: "up", GET: "/products", rows: ".[:3][]") { id: BigInt! @id maker: IntMaker }
"#;

const MAKERS: &str = r#"[{"id": 1, "name": "one"}, {"id": 2.0, "name": "two"}, {"id": 738529527931269425, "name": "flake"},
{"id": 12345678901234567890123, "name": "huge"}, {"id": 14.5, "name": "none"}]"#;

const PRODUCTS: &str = r#"[
{"id": 10, "maker_id": 1.0, "maker_ids": [2e0, 1, 12345678901234567890123], "kind": 1.0, "exact": 12345678901234567890.123456789, "views": 1.0E5,
 "weight": 1.0, "length": "PT90S", "weights": [1.0, null, 1e21, 0.1, 1e-7, 123456789012345680, 1.7976931348623157e308, 5e-324, 1e23],
 "lengths": ["PT24H", "PT1M30S"], "extras": [1.50, 12345678901234567890123, {"b": 1e0, "a": null}, null],
 "box": {"width": 2.0, "sides": [3.0, 1e15], "wait": "P2W", "extra": 1.00, "inner": {"exact": "1.50", "width": 100.0}}},
{"id": 11.0, "maker_id": 20e-1, "kind": 0.50, "exact": "1.500", "weight": 9007199254740993},
{"id": "12", "maker_id": "1", "maker_ids": null, "exact": 1e3, "weight": 9223372036854775808},
{"id": 13, "maker_id": 738529527931269425, "exact": 12345678901234567890.123456788, "weight": 1e19},
{"id": 14, "maker_id": 1.5}]"#;

/// Everything is harvested and served.
async fn served(db: Db) -> (Scratch, Program, Upstream) {
    let upstream = Upstream::start().await;
    for (path, body) in [("/makers", MAKERS), ("/products", PRODUCTS)] {
        upstream.set(path, Reply::text(200, "application/json", body));
    }
    upstream.handle(|path| {
        let maker = path.strip_prefix("/makers/")?.strip_suffix("/parts")?;
        Some(Reply::json(&json!([format!("of {maker}")])))
    });
    let scratch = Scratch::on(db, DEFINITION);
    let url = upstream.url();
    scratch.run(&["harvest"], &[("UP", &url)]).await;
    let program = scratch.serve(&[("UP", &url)]).await;
    (scratch, program, upstream)
}

async fn whole_numbers_are_one_id(db: Db) {
    let (scratch, program, upstream) = served(db).await;
    let answer = program
        .query("{ products { id kind maker { id } makers { id } } makers { id name products { id } } intProducts { id maker { id } } }")
        .await;
    let want = json!({
        "products": [
            { "id": "10", "kind": "ONE", "maker": { "id": "1" }, "makers": [{ "id": "2" }, { "id": "1" }, { "id": "12345678901234567890123" }] },
            { "id": "12", "kind": null, "maker": { "id": "1" }, "makers": [] },
            { "id": "13", "kind": null, "maker": { "id": "738529527931269425" }, "makers": [] },
        ],
        "makers": [
            { "id": "1", "name": "one", "products": [{ "id": "10" }, { "id": "12" }] },
            { "id": "12345678901234567890123", "name": "huge", "products": [] },
            { "id": "2", "name": "two", "products": [] },
            { "id": "738529527931269425", "name": "flake", "products": [{ "id": "13" }] },
        ],
        "intProducts": [{ "id": "10", "maker": { "id": 1 } }, { "id": "11", "maker": { "id": 2 } }, { "id": "12", "maker": { "id": 1 } }],
    });
    assert_eq!(answer, want);
    let reasons = scratch
        .rows("SELECT DISTINCT reason FROM hayloft_quarantine ORDER BY reason")
        .await;
    assert_eq!(
        reasons.concat(),
        [
            "kind: expected a value of Kind or an alias of one, found the number 0.50",
            "maker: expected an ID (text or a whole number), found the number 1.5",
            // It has no key to be known by.
            "record 5: id: expected an ID (text or a whole number), found the number 14.5",
        ]
    );
    let mut asked: Vec<String> = upstream
        .asked()
        .into_iter()
        .filter(|path| path.ends_with("/parts"))
        .collect();
    asked.sort();
    asked.dedup();
    assert_eq!(
        asked,
        ["1", "12345678901234567890123", "2", "738529527931269425"].map(|id| format!("/makers/{id}/parts"))
    );
}

/// Each operation over HTTP by both methods and over a socket: the ids it finds, or the beginning of what is wrong.
async fn variables_keep_their_digits(db: Db) {
    let (_scratch, program, _upstream) = served(db).await;
    let by =
        |field: &str, kind: &str| format!("query($v: {kind}) {{ products(where: {{{field}: {{eq: $v}}}}) {{ id }} }}");
    let whole = |kind: &str| format!("query($v: {kind}) {{ products(where: $v) {{ id }} }}");
    let lists = "query($v: [Decimal!]!) { products(where: {exact: {in: $v}}) { id } }".to_owned();
    let default =
        |text: &str| format!("query($v: Decimal = {text}) {{ products(where: {{exact: {{eq: $v}}}}) {{ id }} }}");
    let key = "query($v: ID!) { maker(id: $v) { id } }".to_owned();
    for (query, variable, want) in [
        (by("exact", "Decimal!"), "12345678901234567890.123456789", "10"),
        (by("exact", "Decimal!"), "1234567890123456789012345678.9e-8", "10"),
        (by("exact", "Decimal!"), "12345678901234567890.123456788", "13"),
        (by("exact", "Decimal!"), "\"12345678901234567890.123456788\"", "13"),
        (by("exact", "Decimal!"), "1000", "12"),
        (by("exact", "Decimal!"), "1.5e0", ""),
        (by("exact", "Decimal!"), "1e400", "$v: expected a Decimal"),
        (lists, "[12345678901234567890.123456789, 1e3]", "10,12"),
        (
            whole("ProductWhere"),
            "{\"exact\": {\"eq\": 12345678901234567890.123456789}}",
            "10",
        ),
        (
            whole("ProductWhere"),
            "{\"or\": {\"exact\": {\"in\": 12345678901234567890.123456789}}}",
            "10",
        ),
        (default("12345678901234567890.123456789"), "", "10"),
        (
            default("12345678901234567890.123456789"),
            "12345678901234567890.123456788",
            "13",
        ),
        (by("weight", "Float!"), "9223372036854775808", "12"),
        (by("weight", "Float!"), "10000000000000000000", "13"),
        (by("weight", "Float!"), "1", "10"),
        (by("weight", "Float!"), "1e400", "$v: expected a Float"),
        (by("views", "BigInt!"), "100000", "10"),
        (by("views", "BigInt!"), "9223372036854775808", "$v: expected a BigInt"),
        (key.clone(), "12345678901234567890123", "12345678901234567890123"),
        (key.clone(), "738529527931269425", "738529527931269425"),
        (key.clone(), "1", "1"),
        // As the specification says of fractions.
        (key.clone(), "1.0", "$v: expected an ID"),
        (key, "1.00000000000000000000", "$v: expected an ID"),
    ] {
        let variables = match variable {
            "" => "{}".to_owned(),
            value => format!("{{\"v\": {value}}}"),
        };
        for (way, answer) in answers(&program, &query, &variables).await {
            let got = match answer["errors"][0]["message"].as_str() {
                Some(message) => message.chars().take(want.len().max(1)).collect(),
                None => ids(&answer["data"]),
            };
            assert_eq!(got, want, "{way} {query} {variables}: {answer}");
        }
    }
}

/// The answers of the three ways to ask.
async fn answers(program: &Program, query: &str, variables: &str) -> [(&'static str, Value); 3] {
    let address = format!("{}/graphql", program.url);
    let quoted = Value::from(query).to_string();
    let body = format!("{{\"query\": {quoted}, \"variables\": {variables}}}");
    let post = program
        .client()
        .post(&address)
        .header("content-type", "application/json");
    let parameters = [("query", query), ("variables", variables)];
    let url = reqwest::Url::parse_with_params(&address, &parameters).expect("an address");
    let text = |request: reqwest::RequestBuilder| async {
        let response = request.send().await.expect("an answer");
        serde_json::from_str(&response.text().await.expect("a body")).expect("JSON")
    };
    let (post, get) = join(text(post.body(body)), text(program.client().get(url))).await;
    let mut socket = Socket::open(&address).await;
    let message = format!(
        "{{\"id\": \"1\", \"type\": \"subscribe\", \"payload\": {{\"query\": {quoted}, \"variables\": {variables}}}}}"
    );
    socket.send_text(&message).await;
    let mut next = socket.next().await;
    let payload = match next["type"].as_str() {
        Some("error") => json!({ "errors": next["payload"].take() }),
        _ => next["payload"].take(),
    };
    [("POST", post), ("GET", get), ("socket", payload)]
}

/// All ids in the data, with commas between.
fn ids(data: &Value) -> String {
    match data {
        Value::Object(members) => {
            let inner = members.iter().map(|(key, value)| match (key.as_str(), value) {
                ("id", Value::String(id)) => id.clone(),
                (_, value) => ids(value),
            });
            inner.collect::<Vec<_>>().join(",")
        }
        Value::Array(items) => items.iter().map(ids).collect::<Vec<_>>().join(","),
        _ => String::new(),
    }
}

async fn documents_have_the_forms_of_columns(db: Db) {
    let (_scratch, program, _upstream) = served(db).await;
    let query = "{ product(id: 10) { exact weight length weights lengths extras box { width sides wait extra inner { exact width } } } }";
    let answer = program.text(query, json!({})).await;
    let want = concat!(
        r#"{"data":{"product":{"exact":"12345678901234567890.123456789","weight":1,"length":"PT1M30S","#,
        r#""weights":[1,null,1e+21,0.1,1e-07,1.2345678901234568e+17,1.7976931348623157e+308,5e-324,9.999999999999999e+22],"#,
        r#""lengths":["P1D","PT1M30S"],"extras":[1.50,12345678901234567890123,{"b":1e0,"a":null},null],"#,
        r#""box":{"width":2,"sides":[3,1e+15],"wait":"P14D","extra":1.00,"inner":{"exact":"1.5","width":100}}}}}"#,
    );
    assert_eq!(answer, want);
    let has = |field: &str, operand: &str| format!("{{ products(where: {{{field}: {{has: {operand}}}}}) {{ id }} }}");
    for operand in [
        "1",
        "1.0",
        "1e21",
        "0.1",
        "0.0000001",
        "123456789012345680",
        "1.7976931348623157e308",
        "5e-324",
        "1e23",
    ] {
        let found = program.query(&has("weights", operand)).await;
        assert_eq!(ids(&found), "10", "{operand}");
    }
    assert_eq!(ids(&program.query(&has("weights", "0.2")).await), "");
    for operand in ["\"P1D\"", "\"PT24H\"", "\"PT90S\""] {
        assert_eq!(ids(&program.query(&has("lengths", operand)).await), "10", "{operand}");
    }
}
