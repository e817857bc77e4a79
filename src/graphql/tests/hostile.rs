//! What was made to cost or to break something is refused cheaply, and never reaches the database.

use std::{collections::BTreeSet, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::{ask, request};
use crate::{
    graphql::{
        Limits, gate,
        prepare::Way,
        testing::{Farm, row},
    },
    store::testing::{On, on_both},
};

on_both!(paths_are_data, values_and_cursors_are_data,);

/// Of a processor, for one document. The time of the thread, so that what else the machine does
/// takes nothing of it.
const MOST: Duration = Duration::from_millis(50);

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[tokio::test]
async fn hostile_documents_cost_little_and_no_statement() {
    let farm = Farm::stocked(Limits::default()).await;
    let statements = farm.api.store().statements();
    for (name, query, code) in gate::testing::documents() {
        let before = spent();
        let answer = ask(&farm, &query, json!({})).await;
        let cost = spent() - before;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"],
            code.as_str(),
            "{name}: {answer}"
        );
        assert!(cost < MOST, "{name}: {cost:?}");
    }
    assert_eq!(farm.api.store().statements(), statements);
}

/// What means something to somebody else: a database, a path, a shell, a terminal.
const HOSTILE: [&str; 28] = [
    "'",
    "''",
    "\"",
    "\\",
    "$",
    "$1",
    "?1",
    ":a",
    "--",
    "/*",
    "*/",
    ";",
    "'; DROP TABLE doc; --",
    "') OR 1=1 --",
    "a\u{1F600}",
    "\u{2028}",
    "{}",
    "[*]",
    "@",
    "$.a",
    "a b",
    "\u{1}",
    "\u{7f}",
    "%",
    "_",
    "NULL",
    "\r\n",
    "👩‍👩‍👧",
];

/// Whatever stands in a path or an operand, the statement is the same text, and one.
async fn paths_are_data(on: On) {
    let farm = Farm::defined_on(on, "type Doc @f { id: ID! extra: JSON }", Limits::default()).await;
    farm.load("Doc", vec![row(&["00", "{\"a\":1}"])]).await;
    let query = "query($p: JSONPath!, $o: JSON!, $n: String!) {
        docs(where: {extra: {path: $p, eq: $o}, or: [{extra: {path: $p, has: $o}}, {extra: {path: $p, hasKey: $n}}]},
            orderBy: [{extra: {path: $p, sort: DESC}}]) { id }
    }";
    let mut texts = BTreeSet::new();
    for name in HOSTILE {
        for operand in [json!(name), json!(1), json!(true)] {
            let variables = json!({ "p": [name, 0], "o": operand, "n": name });
            let bound = farm.api.bind(request(query, variables.clone()).into()).await;
            let bound = bound.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
            let Way::Statement(statement) = &bound.prepared.way else {
                panic!("no statement");
            };
            texts.insert(statement.sql.to_string());
            let before = farm.api.store().statements();
            let got = ask(&farm, query, variables).await;
            assert_eq!(got, json!({ "data": { "docs": [] } }), "{name}");
            assert_eq!(farm.api.store().statements(), before + 1, "{name}");
        }
    }
    assert_eq!(texts.len(), 1, "{texts:#?}");
    assert_eq!(
        ask(&farm, "{ docs { id } }", json!({})).await["data"]["docs"],
        json!([{ "id": "00" }])
    );
}

/// The same of every other text that somebody sends: the statement is the same, and one, and what
/// is stored stays. What is no cursor is refused before there is a statement.
async fn values_and_cursors_are_data(on: On) {
    let farm = Farm::stocked_on(on, Limits::default()).await;
    let query = "query($a: ID!, $b: String!, $c: String!, $d: [ID!]!, $e: String!, $f: String!) {
        items(search: $c, where: {or: [{id: {eq: $a}}, {id: {in: $d}}, {name: {gt: $b}}, {name: {contains: $b}},
            {name: {like: $e}}, {name: {ilike: $e}},
            {tags: {some: {or: [{name: {startsWith: $f}}, {name: {endsWith: $f}}]}}}]}) { id }
        itemsGrouped(by: [{rarity: VALUE}], where: {name: {eq: $b}}) { count }
    }";
    let rows = ask(&farm, "{ items { id name } tags { id name } }", json!({})).await;
    let mut texts = BTreeSet::new();
    for name in HOSTILE {
        // A search needs a word, and a pattern an end.
        let variables = json!({
            "a": name, "b": name, "c": format!("axe{name}"), "d": [name, name], "e": format!("{name}_"), "f": name,
        });
        let bound = farm.api.bind(request(query, variables.clone()).into()).await;
        let bound = match bound {
            Ok(bound) => bound,
            // What is no search is refused as such.
            Err(errors) => {
                assert!(
                    errors.iter().all(|error| error.message.contains("search")),
                    "{name}: {errors:?}"
                );
                continue;
            }
        };
        let Way::Statement(statement) = &bound.prepared.way else {
            panic!("no statement");
        };
        texts.insert(statement.sql.to_string());
        let before = farm.api.store().statements();
        let got = ask(&farm, query, variables).await;
        assert!(got.get("errors").is_none(), "{name}: {got}");
        assert_eq!(farm.api.store().statements(), before + 1, "{name}");
    }
    assert_eq!(texts.len(), 1, "{texts:#?}");
    let pages = "query($c: String!) { itemsConnection(first: 1, after: $c) { nodes { id } } }";
    for name in HOSTILE {
        let before = farm.api.store().statements();
        let got = ask(&farm, pages, json!({ "c": name })).await;
        assert_eq!(
            got["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{name}: {got}"
        );
        assert_eq!(farm.api.store().statements(), before, "{name}");
    }
    assert_eq!(
        ask(&farm, "{ items { id name } tags { id name } }", json!({})).await,
        rows
    );
}
