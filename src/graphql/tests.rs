//! The data API over a database: answers, loads joined into one statement, live queries.

mod cached;
mod closures;
mod estimates;
mod explain;
mod flights;
mod fuzzed;
mod golden;
mod histories;
mod hostile;
mod json;
mod literals;
mod live;
mod lookups;
mod matches;
mod node;
mod oracle;
mod pages;
mod pasts;
mod principals;
mod random;
mod rollups;
mod search;

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::join_all, stream::BoxStream};
use serde_json::{Value as Json, json};

use super::{
    ApiRequest, ApiResponse, Code, Kind, Limits,
    testing::{Farm, item},
};

fn request(query: &str, variables: Json) -> ApiRequest {
    serde_json::from_value(json!({ "query": query, "variables": variables })).expect("a request")
}

fn json_of(response: &ApiResponse) -> Json {
    serde_json::from_slice(&response.body()).expect("a body of JSON")
}

async fn ask(farm: &Farm, query: &str, variables: Json) -> Json {
    json_of(&farm.api.execute(request(query, variables)).await)
}

#[tokio::test]
async fn answers() {
    let farm = Farm::stocked(Limits::default()).await;
    let cases = [
        (
            "{ items { name price requiredFor { quantity quest { title reward { gold } } } } }",
            json!({}),
            json!({ "items": [
                { "name": "Axe", "price": 10.5, "requiredFor": [{ "quantity": 2, "quest": { "title": "Mend", "reward": { "gold": 5 } } }] },
                { "name": "Bow", "price": 20, "requiredFor": [{ "quantity": 1, "quest": { "title": "Mend", "reward": { "gold": 5 } } }] },
                { "name": "Cup \"x\"", "price": null, "requiredFor": [] },
            ] }),
        ),
        (
            "query($id: ID!) { item(id: $id) { id tags { name } seller { slug __typename } } none: item(id: \"x\") { id } }",
            json!({ "id": "i1" }),
            json!({
                "item": { "id": "i1", "tags": [{ "name": "sharp" }, { "name": "old" }], "seller": { "slug": "smith", "__typename": "Npc" } },
                "none": null,
            }),
        ),
        (
            "{ npcBy(key: {slug: \"smith\"}) { name sells(first: 1, orderBy: {price: DESC}) { name } } questItem(quest: \"q1\", item: \"i2\") { quantity } }",
            json!({}),
            json!({ "npcBy": { "name": "Ada", "sells": [{ "name": "Bow" }] }, "questItem": { "quantity": 1 } }),
        ),
        (
            "query($w: ItemWhere, $n: Int) { items(where: $w, first: $n, orderBy: {name: DESC}) { id } }",
            json!({ "w": { "price": { "gte": 10.5 }, "tags": { "some": { "name": { "eq": "old" } } }, "aliases": { "has": "a" } }, "n": 1 }),
            json!({ "items": [{ "id": "i2" }] }),
        ),
        (
            "{ items(where: {not: {price: {gt: 15}}}) { id worth soldAt rarity isRare aliases } }",
            json!({}),
            json!({ "items": [
                { "id": "i1", "worth": "12.5", "soldAt": "2026-11-21T03:20:00Z", "rarity": "RARE", "isRare": true, "aliases": ["a", "b"] },
                { "id": "i3", "worth": "12.5", "soldAt": "2026-11-21T03:20:00Z", "rarity": "RARE", "isRare": true, "aliases": ["a", "b"] },
            ] }),
        ),
        (
            "{ __typename quests { t: __typename giver { slug } } t: __type(name: \"Tag\") { name } }",
            json!({}),
            json!({ "__typename": "Query", "quests": [{ "t": "Quest", "giver": { "slug": "smith" } }], "t": { "name": "Tag" } }),
        ),
    ];
    for (query, variables, want) in cases {
        assert_eq!(ask(&farm, query, variables).await, json!({ "data": want }), "{query}");
    }
}

#[tokio::test]
async fn keys_of_an_answer_are_in_the_order_of_the_query() {
    let farm = Farm::stocked(Limits::default()).await;
    let query = "{ b: item(id: \"i1\") { name id } a: __typename tag(id: \"t1\") { id } }";
    let answer = farm.api.execute(request(query, json!({}))).await;
    let want = r#"{"data":{"b":{"name":"Axe","id":"i1"},"a":"Query","tag":{"id":"t1"}}}"#;
    assert_eq!(String::from_utf8_lossy(&answer.body()), want);
}

#[tokio::test]
async fn lookups_of_many_requests_are_answered_together() {
    let farm = Farm::stocked(Limits::default()).await;
    let query = "query($id: ID!) { item(id: $id) { id name } }";
    let asked = (0..50).map(|at| ask(&farm, query, json!({ "id": format!("i{}", at % 5) })));
    for (at, answer) in join_all(asked).await.into_iter().enumerate() {
        let want = match at % 5 {
            1 => json!({ "id": "i1", "name": "Axe" }),
            2 => json!({ "id": "i2", "name": "Bow" }),
            3 => json!({ "id": "i3", "name": "Cup \"x\"" }),
            _ => Json::Null,
        };
        assert_eq!(answer, json!({ "data": { "item": want } }));
    }
}

/// Each variable in its own place, and absent ones by their defaults.
#[tokio::test]
async fn lookups_take_variables_below_their_key() {
    let farm = Farm::stocked(Limits::default()).await;
    let cases = [
        (
            "query($id: ID!, $n: Int) { item(id: $id) { requiredFor(first: $n) { quantity } } }",
            json!({ "id": "i1", "n": 5 }),
            json!({ "item": { "requiredFor": [{ "quantity": 2 }] } }),
        ),
        (
            "query($n: Int, $id: ID!) { item(id: $id) { requiredFor(first: $n) { quantity } } }",
            json!({ "id": "i1", "n": 0 }),
            json!({ "item": { "requiredFor": [] } }),
        ),
        (
            "query($id: ID = \"i2\", $least: Int = 1) { item(id: $id) { requiredFor(where: {quantity: {gte: $least}}) { quantity } } }",
            json!({}),
            json!({ "item": { "requiredFor": [{ "quantity": 1 }] } }),
        ),
        (
            "query($slug: String!, $where: ItemWhere, $n: Int) { npcBy(key: {slug: $slug}) { sells(where: $where, first: $n) { name } } }",
            json!({ "slug": "smith", "where": { "price": { "gt": 1 } }, "n": 1 }),
            json!({ "npcBy": { "sells": [{ "name": "Axe" }] } }),
        ),
        (
            "query($a: ID!, $b: ID!, $q: Int) { a: item(id: $a) { requiredFor(where: {quantity: {eq: $q}}) { quantity } } b: item(id: $b) { requiredFor(where: {quantity: {eq: $q}}) { quantity } } }",
            json!({ "a": "i1", "b": "i2", "q": 1 }),
            json!({ "a": { "requiredFor": [] }, "b": { "requiredFor": [{ "quantity": 1 }] } }),
        ),
        (
            "query($a: Int, $b: Int) { a: item(id: \"i1\") { requiredFor(first: $a) { quantity } } b: item(id: \"i1\") { requiredFor(first: $b) { quantity } } }",
            json!({ "a": 1, "b": 0 }),
            json!({ "a": { "requiredFor": [{ "quantity": 2 }] }, "b": { "requiredFor": [] } }),
        ),
    ];
    for (query, variables, want) in cases {
        let want = json!({ "data": want });
        assert_eq!(ask(&farm, query, variables.clone()).await, want, "{query}");
        let live = query.replacen("query", "subscription", 1);
        // A live query has one root.
        if want["data"].as_object().is_some_and(|roots| roots.len() == 1) {
            let mut answers = farm.current().answers(request(&live, variables));
            assert_eq!(next(&mut answers).await, want, "{live}");
        }
    }
}

/// However many ask at once, for each selection with its values: one statement for the first, which
/// waits for nobody, and one for all that come while it runs.
#[tokio::test]
async fn equal_lookups_of_many_requests_are_two_statements() {
    let farm = Farm::stocked(Limits::default()).await;
    // The same load from two documents, whose variables stand in another order.
    let documents = [
        "query($id: ID!, $n: Int) { item(id: $id) { requiredFor(first: $n) { quantity } } }",
        "query($x: Int, $y: ID!) { item(id: $y) { requiredFor(first: $x) { quantity } } }",
    ];
    let asked = async |count: i64, values: i64| {
        let requests = (0..count).map(|at: i64| {
            let (id, n) = (format!("i{}", at % 4), at % values);
            let document = documents[usize::from(at % 3 == 0)];
            let variables = json!({ "id": id, "n": n, "x": n, "y": id });
            ask(&farm, document, variables)
        });
        let before = farm.api.store().lookups();
        for (at, answer) in join_all(requests).await.into_iter().enumerate() {
            let all = match at % 4 {
                1 => vec![json!({ "quantity": 2 })],
                2 => vec![json!({ "quantity": 1 })],
                3 => Vec::new(),
                _ => {
                    assert_eq!(answer, json!({ "data": { "item": null } }));
                    continue;
                }
            };
            let cut: Vec<Json> = all
                .into_iter()
                .take(at % usize::try_from(values).unwrap_or(1))
                .collect();
            assert_eq!(answer, json!({ "data": { "item": { "requiredFor": cut } } }), "{at}");
        }
        farm.api.store().lookups() - before
    };
    for values in [1, 3] {
        // A slow machine may spread them over several waits of the loader, but not every time.
        let mut fewest = u64::MAX;
        for _ in 0..1_000 {
            fewest = fewest.min(asked(60, values).await);
            if fewest == 2 * values.unsigned_abs() {
                break;
            }
        }
        assert_eq!(
            fewest,
            2 * values.unsigned_abs(),
            "statements for so many different loads"
        );
    }
}

#[tokio::test]
async fn too_many_rows_are_refused_with_their_number() {
    let limits = Limits {
        rows: 2,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let refused = farm.api.execute(request("{ items { id } }", json!({}))).await;
    assert_eq!(refused.kind(), Kind::Unfit);
    let want = "estimated rows of the answer: 3, at most 2 are allowed; raise it with --limit rows=…, cut the lists with first, or filter by key";
    assert_eq!(refused.errors()[0].message, want);
    for query in [
        "{ items(first: 2) { id } }",
        "{ items(where: {id: {in: [\"i1\", \"i3\"]}}) { id } }",
    ] {
        assert_eq!(farm.api.execute(request(query, json!({}))).await.kind(), Kind::Ok);
    }
}

#[tokio::test]
async fn filters_that_look_at_too_many_rows_are_refused() {
    let limits = Limits {
        filter_rows: 40,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let levels = |levels: usize| {
        let inner = "tags: {some: {items: {some: {".repeat(levels);
        let outer = "}}}}".repeat(levels);
        format!("{{ items(first: 1, where: {{{inner}{outer}}}) {{ id }} }}")
    };
    let refused = farm.api.execute(request(&levels(7), json!({}))).await;
    assert_eq!(refused.errors()[0].code, Code::TooComplex);
    let message = &refused.errors()[0].message;
    for part in [
        "where and orderBy look at",
        "at most 40 are allowed",
        "filter_rows",
        "fewer steps",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    assert_eq!(farm.api.execute(request(&levels(1), json!({}))).await.kind(), Kind::Ok);
}

#[tokio::test]
async fn long_texts_to_look_for_are_refused() {
    let farm = Farm::stocked(Limits::default()).await;
    let query =
        "query($text: String) { items(where: {not: {tags: {some: {items: {some: {name: {TEST: $text}}}}}}}) { id } }";
    for (test, most, knob) in [
        ("contains", 1_000, "text_letters"),
        ("startsWith", 1_000, "text_letters"),
        ("endsWith", 1_000, "text_letters"),
        ("like", 200, "pattern_letters"),
        ("ilike", 200, "pattern_letters"),
    ] {
        let query = query.replace("TEST", test);
        let ask = |letters| {
            farm.api
                .execute(request(&query, json!({ "text": "ä".repeat(letters) })))
        };
        assert_eq!(ask(most).await.kind(), Kind::Ok, "{test}");
        let refused = ask(most + 1).await;
        assert_eq!(refused.errors()[0].code, Code::TooComplex, "{test}");
        let message = &refused.errors()[0].message;
        let want = format!(
            "{}, at most {most} are allowed; raise it with --limit {knob}=…",
            most + 1
        );
        assert!(message.contains(&want), "{test}: {message}");
    }
}

#[tokio::test]
async fn explain_shows_the_statement() {
    let farm = Farm::stocked(Limits::default()).await;
    let text = farm
        .api
        .explain("{ items(first: 3) { name } }", None, None)
        .await
        .expect("an explanation");
    for part in ["items: rows of Item first 3\n  name\n", "SELECT", "item"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

/// The next answer of a live query.
async fn next(answers: &mut BoxStream<'static, ApiResponse>) -> Json {
    let answer = tokio::time::timeout(Duration::from_secs(120), answers.next()).await;
    json_of(&answer.expect("an answer in time").expect("a live stream"))
}

fn prices(prices: &[f64]) -> Json {
    // A float without a fraction is served without a point.
    let number = |price: f64| {
        if price.fract() == 0.0 {
            json!(price as i64)
        } else {
            json!(price)
        }
    };
    let items: Vec<Json> = prices.iter().map(|price| json!({ "price": number(*price) })).collect();
    json!({ "data": { "items": items } })
}

#[tokio::test]
async fn live_queries_follow_changes() {
    let farm = Farm::stocked(Limits::default()).await;
    let query = "subscription($least: Float) { items(where: {price: {gt: $least}}, orderBy: {price: ASC}) { price } }";
    let mut all = farm.current().answers(request(query, json!({ "least": 0 })));
    let mut same = farm.current().answers(request(query, json!({ "least": 0 })));
    let mut dear = farm.current().answers(request(query, json!({ "least": 15 })));
    assert_eq!(next(&mut all).await, prices(&[10.5, 20.0]));
    assert_eq!(next(&mut same).await, prices(&[10.5, 20.0]));
    assert_eq!(next(&mut dear).await, prices(&[20.0]));

    farm.load("Item", vec![item("i1", "Axe", Some(11.0), &["t1"])]).await;
    assert_eq!(next(&mut all).await, prices(&[11.0, 20.0]));
    assert_eq!(next(&mut same).await, prices(&[11.0, 20.0]));
    // The dear ones have not changed: the next answer there is that of the next change to them.
    farm.load("Item", vec![item("i2", "Bow", Some(30.0), &["t1"])]).await;
    assert_eq!(next(&mut dear).await, prices(&[30.0]));
    assert_eq!(next(&mut all).await, prices(&[11.0, 30.0]));

    // A late listener of the same live query gets the answer at once.
    let mut late = farm.current().answers(request(query, json!({ "least": 15 })));
    assert_eq!(next(&mut late).await, prices(&[30.0]));
}

#[tokio::test]
async fn live_lookups_and_links() {
    let farm = Farm::stocked(Limits::default()).await;
    let query = "subscription { item(id: \"i9\") { name tags { name } } }";
    let mut answers = farm.current().answers(request(query, json!({})));
    assert_eq!(next(&mut answers).await, json!({ "data": { "item": null } }));
    farm.load("Item", vec![item("i9", "Dig", None, &["t1"])]).await;
    let found = json!({ "data": { "item": { "name": "Dig", "tags": [{ "name": "sharp" }] } } });
    assert_eq!(next(&mut answers).await, found);
}

#[tokio::test]
async fn what_is_read_during_an_exchange_is_held_until_its_end() {
    let farm = Farm::stocked(Limits::default()).await;
    // The other one has the same live query, and nothing to hold it.
    let (current, other) = (farm.current(), farm.current());
    let query = "{ item(id: \"i1\") { price } }";
    let live = format!("subscription {query}");
    let mut held = current.answers(request(&live, json!({})));
    let mut free = other.answers(request(&live, json!({})));
    assert_eq!(next(&mut held).await, next(&mut free).await);
    let exchange = current.exchange();
    farm.load("Item", vec![item("i1", "Axe", Some(11.0), &["t1"])]).await;
    let changed = next(&mut free).await;
    assert!(held.next().now_or_never().is_none());
    let mut asked = Box::pin(current.execute(request(query, json!({}))));
    assert!((&mut asked).now_or_never().is_none());
    drop(exchange);
    assert_eq!(next(&mut held).await, changed);
    assert_eq!(json_of(&asked.await), changed);
}

#[tokio::test]
async fn live_queries_are_bounded_and_end_with_their_listeners() {
    let limits = Limits {
        subscriptions: 1,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let query = "subscription { items { id } }";
    let mut first = farm.current().answers(request(query, json!({})));
    next(&mut first).await;
    let mut second = farm.current().answers(request(query, json!({})));
    let refused = next(&mut second).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS");
    drop(first);
    let mut third = farm.current().answers(request(query, json!({})));
    assert!(next(&mut third).await["data"]["items"].is_array());
    drop(third);
    while farm.api.0.live.open_groups() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn hostile_variables_are_refused() {
    let farm = Farm::stocked(Limits::default()).await;
    let query = "query($w: ItemWhere) { items(where: $w) { id } }";
    let nested = (0..100).fold(json!({}), |inner, _| json!({ "not": inner }));
    let many: Vec<Json> = (0..20_000).map(|at| json!(at.to_string())).collect();
    for variables in [json!({ "w": nested }), json!({ "w": { "id": { "in": many } } })] {
        let answer = ask(&farm, query, variables).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_COMPLEX");
        assert_eq!(answer.get("data"), None);
    }
    let most = (0..14).fold(json!({}), |inner, _| json!({ "not": { "seller": inner } }));
    let answer = ask(&farm, query, json!({ "w": most })).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("Npc")),
        "{answer}"
    );
    let deep = (0..9).fold(
        json!({}),
        |inner, _| json!({ "seller": { "sells": { "some": inner } } }),
    );
    assert!(ask(&farm, query, json!({ "w": deep })).await["data"]["items"].is_array());
    let ids: Vec<Json> = (0..4_900).map(|at| json!(format!("i{at}"))).collect();
    let found = ask(&farm, query, json!({ "w": { "id": { "in": ids } } })).await;
    assert_eq!(found["data"]["items"].as_array().map(Vec::len), Some(3));
}
