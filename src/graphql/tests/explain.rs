//! What `explain` says, on both databases, in golden files: everything but times, and but
//! PostgreSQL's own costs and plan, which go by its statistics.

use std::time::Duration;

use crate::{
    graphql::{
        Limits,
        testing::{Farm, golden},
        tests::live::all_turns,
    },
    store::testing::{On, on_both},
};

on_both!(
    what_explain_says,
    who_asks_is_told_if_he_may_be,
    what_fails_is_explained,
    what_was_told_before_the_time_was_over_is_told,
);

/// Beside an answer, in its extensions, only where that is allowed; and the answer is what it is.
async fn who_asks_is_told_if_he_may_be(on: On) {
    let asked = |explain: serde_json::Value| {
        let query = "{ items(where: {price: {gt: 11}}, orderBy: {name: ASC}) { id } }";
        let body = serde_json::json!({ "query": query, "extensions": { "explain": explain, "cost": explain } });
        serde_json::from_value::<crate::graphql::ApiRequest>(body).expect("a request")
    };
    let farm = Farm::stocked_on(on, Limits::default()).await;
    let plain = super::json_of(&farm.api.execute(asked(false.into())).await);
    assert_eq!(plain, serde_json::json!({ "data": { "items": [{ "id": "i2" }] } }));
    let refused = super::json_of(&farm.api.execute(asked(true.into())).await);
    let message = refused["errors"][0]["message"].as_str().expect("a refusal");
    assert!(
        message.contains("extensions.explain") && message.contains("--explain"),
        "{message}"
    );
    assert!(!refused.to_string().contains("SELECT"), "{refused}");
    drop(farm);

    let explain = true;
    let farm = Farm::stocked_on(
        on,
        Limits {
            explain,
            answer_cache: 1 << 20,
            ..Limits::default()
        },
    )
    .await;
    let told = super::json_of(&farm.api.execute(asked(true.into())).await);
    assert_eq!(told["data"], plain["data"]);
    assert!(told["extensions"]["cost"]["estimatedRows"].is_u64(), "{told}");
    let explain = &told["extensions"]["explain"];
    let starts = |member: &serde_json::Value, with: &str| member.as_str().is_some_and(|text| text.starts_with(with));
    assert!(
        starts(&explain["plan"][0], "items: rows of Item where price > "),
        "{told}"
    );
    assert!(
        starts(&explain["sql"], "SELECT ") && explain["database"][0].is_string(),
        "{told}"
    );
    assert_eq!(
        (&explain["real"]["rows"], &explain["real"]["bytes"]),
        (&1.into(), &23.into()),
        "{told}"
    );
    assert_eq!(explain["indexes"][0], "type Item, field name … @index", "{told}");
    assert_eq!(farm.api.cache_figures().misses, 0, "the query ran once, for both");
    // Nothing of it is kept with the answer.
    assert_eq!(super::json_of(&farm.api.execute(asked(false.into())).await), plain);
}

/// The estimate stands beside the error of a request that waits for its turn until its time is
/// over.
async fn what_was_told_before_the_time_was_over_is_told(on: On) {
    let limits = Limits {
        explain: true,
        request_timeout: Duration::from_secs(1),
        queue_wait: Duration::from_secs(60),
        ..Limits::default()
    };
    let farm = Farm::stocked_on(on, limits).await;
    let body = serde_json::json!({ "query": "{ items { id } }", "extensions": { "explain": true, "cost": true } });
    let request = || serde_json::from_value::<crate::graphql::ApiRequest>(body.clone()).expect("a request");
    // From here on the figures of the rows are known.
    farm.api.execute(request()).await;
    let _held = all_turns(&farm).await;
    let told = super::json_of(&farm.api.execute(request()).await);
    let message = told["errors"][0]["message"].as_str().expect("an error");
    assert!(message.contains("request_timeout"), "{told}");
    assert!(told["extensions"]["cost"]["estimatedRows"].is_u64(), "{told}");
    assert!(told["extensions"]["explain"].is_null(), "{told}");
}

/// Beside the errors, and the query does not run a second time.
async fn what_fails_is_explained(on: On) {
    // The estimate may be four times as much.
    let limits = Limits {
        explain: true,
        answer_bytes: 20,
        answer_cache: 1 << 20,
        ..Limits::default()
    };
    let farm = Farm::stocked_on(on, limits).await;
    let body = serde_json::json!({ "query": "{ items { id } }", "extensions": { "explain": true } });
    let request = serde_json::from_value::<crate::graphql::ApiRequest>(body).expect("a request");
    let told = super::json_of(&farm.api.execute(request).await);
    let message = told["errors"][0]["message"].as_str().expect("an error");
    assert!(message.contains("answer_bytes"), "{told}");
    let explain = &told["extensions"]["explain"];
    assert!(explain["sql"].is_string() && told["data"].is_null(), "{told}");
    assert_eq!(explain["real"]["error"], message, "{told}");
    assert_eq!(farm.api.cache_figures().misses, 0, "it was looked for in vain, and run");
}

/// The text with what differs from run to run replaced.
pub(super) fn normalised(on: On, text: &str) -> String {
    let parts: Vec<&str> = text.split("\n\n").collect();
    let part = |(at, part): (usize, &&str)| match (on, at) {
        // The database's own plan.
        (On::Postgres, 2) => format!(
            "({} of PostgreSQL's own plan)",
            if part.contains("cost=") { "lines" } else { "none" }
        ),
        _ => part
            .lines()
            .map(|line| timeless(on, line))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    let mut text = parts.iter().enumerate().map(part).collect::<Vec<_>>().join("\n\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn timeless(on: On, line: &str) -> String {
    if on == On::Postgres && line.starts_with("estimated:") {
        return "estimated: by PostgreSQL's own statistics".to_owned();
    }
    match line.rsplit_once(", ") {
        Some((before, time)) if time.ends_with(" ms") => format!("{before}, … ms"),
        _ => line.to_owned(),
    }
}

async fn what_explain_says(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    let database = match on {
        On::Sqlite => "sqlite",
        On::Postgres => "postgres",
    };
    for (name, query) in [
        ("indexed", "{ items(where: {price: {gt: 1}}, first: 5) { id } }"),
        (
            "ordered",
            "{ items(orderBy: {name: DESC}, first: 2) { name tags { id } } }",
        ),
        (
            "filtered_and_ordered",
            "{ items(where: {rarity: {eq: RARE}}, orderBy: [{price: DESC}, {name: ASC}], first: 2) { name } }",
        ),
        (
            "best_of_each",
            "{ npcs { name sells(orderBy: {price: DESC}, first: 3) { name } } npc(id: \"n1\") { sellsConnection(first: 1, orderBy: {price: DESC}) { edges { node { id } } nodes { tags { id } } } } }",
        ),
        ("items_of_a_list", "{ items(where: {aliases: {has: \"a\"}}) { id } }"),
        ("by_key", "{ item(id: \"i1\") { name } }"),
        (
            "behind_a_link",
            "{ items(where: {seller: {id: {eq: \"n1\"}}}, orderBy: {soldAt: ASC}) { id } }",
        ),
        ("no_row", "{ __typename }"),
    ] {
        let said = farm.api.explain(query, None, None).await.expect("an explanation");
        golden(&format!("explain/{name}.{database}.txt"), &normalised(on, &said));
    }
    let two = "query A { items { id } } query B { tags { name } }";
    let said = farm.api.explain(two, Some("B".to_owned()), None).await;
    assert!(said.expect("one of them").starts_with("tags: rows of Tag"));
    assert!(farm.api.explain(two, None, None).await.is_err());
}
