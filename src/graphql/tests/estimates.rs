//! What is refused or told apart by its estimate, and what is stopped that was estimated to be
//! little.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value as Json, json};

use super::{json_of, request};
use crate::graphql::{
    ApiRequest, Code, Kind, Limits,
    testing::{Farm, item},
};

#[tokio::test]
async fn texts_that_are_searched_count_as_rows_that_are_looked_at() {
    let limits = Limits {
        filter_rows: 2,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let search = |key: &str| format!("{{ items(where: {{name: {{contains: \"x\"}}{key}}}) {{ id }} }}");
    let refused = farm.api.execute(request(&search(""), json!({}))).await;
    let message = &refused.errors()[0].message;
    for part in [
        "whose texts are searched: 3",
        "at most 2",
        "--limit filter_rows=",
        "filter by a key",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    let by_key = search(", id: {eq: \"i1\"}");
    assert_eq!(farm.api.execute(request(&by_key, json!({}))).await.kind(), Kind::Ok);
}

/// Texts of 30 kB, of which four fit; what is surely too much is told so before it runs.
#[tokio::test]
async fn an_answer_that_is_surely_too_large_is_refused_before_it_runs() {
    let limits = Limits {
        answer_bytes: 120_000,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let long = |at: usize| item(&format!("long{at:02}"), &"x".repeat(30_000), None, &["t1"]);
    farm.load("Item", (0..40).map(long).collect()).await;
    let asked = async |query: &str| {
        let answer = farm.api.execute(request(query, json!({}))).await;
        answer.errors().first().map(|error| error.message.clone())
    };
    for query in ["{ items { name } }", "{ tag(id: \"t1\") { items { name } } }"] {
        let message = asked(query).await.expect("refused");
        for part in [
            "estimated bytes of the answer: ",
            "at most 120000",
            "--limit answer_bytes=",
            "select fewer fields",
        ] {
            assert!(message.contains(part), "{part} is missing in {message}");
        }
    }
    assert_eq!(asked("{ items { id } }").await, None);
    assert_eq!(asked("{ items(first: 5) { name } }").await, None, "the first are short");
    // Not surely: it is found out.
    let message = asked("{ items(first: 10) { name } }").await.expect("refused");
    assert!(message.starts_with("bytes of the answer"), "{message}");
}

/// What was never run goes by its estimate, and then by how long it took.
#[tokio::test]
async fn a_first_run_is_expected_to_take_what_it_reads() {
    let farm = Farm::stocked(Limits::default()).await;
    let long = |at: usize| item(&format!("long{at:02}"), &"x".repeat(30_000), None, &["t1"]);
    farm.load("Item", (0..60).map(long).collect()).await;
    let bound = async |query: &str| farm.api.bind(request(query, json!({})).into()).await.expect("bound");
    let (search, lookup) = (
        bound("{ items(where: {name: {contains: \"nowhere\"}}) { id } }").await,
        bound("{ item(id: \"i1\") { name } }").await,
    );
    assert!(search.expected() > 100 * lookup.expected(), "{:?}", search.expected());
    assert!(search.expected() > Duration::from_millis(1), "it reads two megabytes");
    search.prepared.took.note(Duration::from_micros(700), search.estimated);
    assert_eq!(search.expected(), Duration::from_micros(700));
    // Values of which twice as much is expected.
    let twice = search.prepared.took.expected(search.estimated * 2);
    assert!((1_300..1_500).contains(&twice.as_micros()), "{twice:?}");
}

/// A run under way has brought rows of which no statistics know.
#[tokio::test]
async fn what_was_estimated_to_be_little_is_stopped() {
    let limits = Limits {
        rows: 50,
        answer_bytes: 20_000,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    // Figures are remembered for a while.
    for query in ["{ items { id } }", "{ tag(id: \"t2\") { items { id } } }"] {
        assert_eq!(farm.api.execute(request(query, json!({}))).await.kind(), Kind::Ok);
    }
    let short = |at: usize| item(&format!("more{at:03}"), "x", None, &["t1"]);
    farm.begin("Item", (0..100).map(short).collect()).await;
    let wide: String = (0..30).map(|at| format!("x{at}: soldAt ")).collect();
    for (query, knob, found) in [
        ("{ items { id } }", "rows", "51"),
        ("{ tag(id: \"t1\") { items { id } } }", "rows", "51"),
        (
            "{ a: tag(id: \"t1\") { items { id } } b: tag(id: \"t2\") { items { id } } }",
            "rows",
            "51",
        ),
        (&format!("{{ items(first: 50) {{ {wide} }} }}"), "answer_bytes", "20"),
    ] {
        let answer = farm.api.execute(request(query, json!({}))).await;
        let error = answer.errors().first().unwrap_or_else(|| panic!("{query} is answered"));
        assert_eq!(error.code, Code::TooComplex, "{query}: {error}");
        for part in [
            &format!("was stopped: {found}"),
            &format!("--limit {knob}="),
            "cut the lists with first",
        ] {
            assert!(error.message.contains(part), "{part} is missing in {error}");
        }
    }
    // What was joined with it is answered.
    let few = farm
        .api
        .execute(request("{ tag(id: \"t2\") { items { id } } }", json!({})));
    let many = farm
        .api
        .execute(request("{ tag(id: \"t1\") { items { id } } }", json!({})));
    let (few, many) = tokio::join!(few, many);
    assert_eq!((few.kind(), many.errors().len()), (Kind::Ok, 1));
}

/// Who asks for it is told what an answer was estimated to cost, beside what bounds it; others get
/// the bytes that they always get.
#[tokio::test]
async fn an_answer_tells_its_cost_on_request() {
    let limits = Limits {
        answer_cache: 1 << 20,
        rows: 500,
        ..Limits::default()
    };
    let farm = Farm::stocked(limits).await;
    let query = "query { ...Q } fragment Q on Query { items { id tags { id } } item(id: \"i1\") { id } }";
    let plain = json_of(&farm.api.execute(request(query, json!({}))).await);
    assert_eq!(plain.get("extensions"), None);
    let asked = |extensions: Json| -> ApiRequest {
        serde_json::from_value(json!({ "query": query, "extensions": extensions })).expect("a request")
    };
    for _ in 0..2 {
        let told = json_of(&farm.api.execute(asked(json!({ "cost": true }))).await);
        assert_eq!(told["data"], plain["data"]);
        let mut cost = told["extensions"]["cost"].clone();
        for guess in ["estimatedBytes", "estimatedMilliseconds"] {
            let found = cost[guess].take();
            assert!(found.as_f64().is_some_and(|found| found > 0.0), "{guess}: {found}");
        }
        let want = json!({
            "estimatedRows": 6,
            "estimatedFilterRows": 0,
            "estimatedBytes": null,
            "estimatedMilliseconds": null,
            "fields": 6,
            "limits": { "rows": 500, "filter_rows": 10_000_000, "answer_bytes": 64_000_000, "fields": 2_000 },
        });
        assert_eq!(cost, want);
        // What is kept is without it.
        for extensions in [json!(null), json!({ "cost": false })] {
            assert_eq!(json_of(&farm.api.execute(asked(extensions)).await), plain);
        }
    }
    let mut answers = farm.current().answers(asked(json!({ "cost": true })));
    let first = answers.next().await.expect("an answer");
    assert_eq!(json_of(&first)["extensions"]["cost"]["fields"], 6);
    let live = json!({ "query": "subscription { items { id } }", "extensions": { "cost": true } });
    let mut answers = farm.current().answers(serde_json::from_value(live).expect("a request"));
    let refused = answers.next().await.expect("an answer");
    let message = &refused.errors().first().expect("an error").message;
    assert!(message.contains("a subscription has many"), "{message}");
}
