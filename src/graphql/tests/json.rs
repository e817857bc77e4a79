//! What stands in JSON values, and texts without case: random conditions and orders are answered
//! as a plain evaluator works them out.

use std::cmp::Ordering;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::{ask, json_of, oracle::number, request};
use crate::{
    graphql::{Limits, testing::Farm},
    store::testing::{On, on_both},
    value::{Row, Value, folded},
};

on_both!(
    json_is_found_and_ordered_as_a_naive_evaluator_says,
    pages_of_json_and_of_texts_without_case_have_each_row_once,
);

const DEFINITION: &str = "type Doc @f { id: ID! name: String extra: JSON box: Box twin: Doc } type Box { inner: JSON }";

/// Numbers in several spellings.
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "0.0",
    "1",
    "1.0",
    "10e-1",
    "1E0",
    "-1.5",
    "-15e-1",
    "2.25",
    "100",
    "1E+2",
    "1e300",
    "-1e300",
    "1e-300",
    "123456789012345678901234567890",
];
const TEXTS: [&str; 10] = ["a", "B", "ä", "", "a'b", "z\u{1F600}", "\"q\\", "%", "1", "null"];
/// As GraphQL has them.
const PATHS: [(&str, &[&str]); 9] = [
    ("\"a\"", &["a"]),
    ("\"b.c\"", &["b", "c"]),
    ("\"b.d[0]\"", &["b", "d", "0"]),
    ("[\"b\", \"d\", 1]", &["b", "d", "1"]),
    ("\"b.d\"", &["b", "d"]),
    ("\"b\"", &["b"]),
    ("[\"x.y\"]", &["x.y"]),
    ("[\"'; DROP--\"]", &["'; DROP--"]),
    ("\"none\"", &["none"]),
];

fn some<'t, T>(all: &'t [T], random: &mut StdRng) -> &'t T {
    all.choose(random).expect("one")
}

fn leaf(random: &mut StdRng) -> String {
    match random.random_range(0..9) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => "false".to_owned(),
        3..6 => (*some(&NUMBERS, random)).to_owned(),
        _ => json!(some(&TEXTS, random)).to_string(),
    }
}

fn value(random: &mut StdRng, depth: usize) -> String {
    let list = |random: &mut StdRng| {
        let count = random.random_range(0..3);
        let items: Vec<String> = (0..count).map(|_| leaf(random)).collect();
        format!("[{}]", items.join(","))
    };
    match random.random_range(0..8) {
        0 => list(random),
        1 if depth > 0 => object(random, depth - 1),
        _ => leaf(random),
    }
}

fn object(random: &mut StdRng, depth: usize) -> String {
    let mut members = Vec::new();
    for name in ["a", "b", "c", "d", "x.y", "'; DROP--"] {
        if random.random_bool(0.6) {
            let value = match name {
                "b" if depth > 0 && random.random_bool(0.8) => object(random, depth - 1),
                "d" if random.random_bool(0.7) => format!("[{},{}]", leaf(random), leaf(random)),
                _ => value(random, depth),
            };
            members.push(format!("{}:{value}", json!(name)));
        }
    }
    format!("{{{}}}", members.join(","))
}

#[derive(Clone, Debug)]
struct Doc {
    name: Option<String>,
    extra: Option<String>,
}

fn docs(random: &mut StdRng) -> Vec<Doc> {
    let names = [
        "a",
        "A",
        "b",
        "B",
        "ä",
        "Ä",
        "Жук",
        "жук",
        "ΣΑΣ",
        "σας",
        "ß",
        "\u{1e9e}",
        "東",
        "z",
        "İ",
        "\u{10400}",
        "\u{10428}",
    ];
    let count = random.random_range(6..14);
    let doc = |_| Doc {
        name: random.random_bool(0.85).then(|| (*some(&names, random)).to_owned()),
        extra: match random.random_range(0..10) {
            0 => None,
            1 => Some(value(random, 1)).filter(|text| text != "null"),
            _ => Some(object(random, 2)),
        },
    };
    (0..count).map(doc).collect()
}

async fn stocked(on: On, docs: &[Doc]) -> Farm {
    let farm = Farm::defined_on(on, DEFINITION, Limits::default()).await;
    let rows = docs.iter().enumerate().map(|(at, doc)| {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let inner = doc.extra.as_ref().map(|extra| format!("{{\"inner\":{extra}}}"));
        let values = vec![
            Value::Text(id(at)),
            text(&doc.name),
            text(&doc.extra),
            text(&inner),
            Value::Text(id(docs.len() - 1 - at)),
        ];
        Row::new(values, vec![], vec![])
    });
    farm.load("Doc", rows.collect()).await;
    farm
}

/// Ids in the order of their numbers.
fn id(at: usize) -> String {
    format!("{at:02}")
}

/// What stands at a place: nothing is told apart from null.
fn there(doc: &Doc, path: &[&str]) -> Option<Json> {
    let mut value: Json = serde_json::from_str(doc.extra.as_ref()?).expect("JSON");
    for step in path {
        value = match &value {
            Json::Object(members) => members.get(*step)?.clone(),
            Json::Array(items) => items.get(step.parse::<usize>().ok()?)?.clone(),
            _ => return None,
        };
    }
    Some(value)
}

fn kind(value: &Json) -> u8 {
    match value {
        Json::Null => 0,
        Json::Bool(_) => 1,
        Json::Number(_) => 2,
        Json::String(_) => 3,
        Json::Array(_) => 4,
        Json::Object(_) => 5,
    }
}

fn compared(one: &Json, other: &Json) -> Ordering {
    let inner = match (one, other) {
        (Json::Bool(one), Json::Bool(other)) => one.cmp(other),
        (Json::Number(one), Json::Number(other)) => {
            let number = |number: &serde_json::Number| number.as_f64().expect("a number") + 0.0;
            number(one).total_cmp(&number(other))
        }
        (Json::String(one), Json::String(other)) => one.cmp(other),
        _ => Ordering::Equal,
    };
    kind(one).cmp(&kind(other)).then(inner)
}

/// An operator with its operands as JSON, as one text.
fn condition(random: &mut StdRng) -> (&'static str, Vec<String>) {
    let operators = [
        "eq",
        "ne",
        "in",
        "notIn",
        "gt",
        "gte",
        "lt",
        "lte",
        "exists",
        "isNull",
        "contains",
        "startsWith",
        "has",
        "hasKey",
    ];
    let operator = *some(&operators, random);
    let scalar = |random: &mut StdRng| loop {
        let leaf = leaf(random);
        if leaf != "null" {
            return leaf;
        }
    };
    let operands = match operator {
        "in" | "notIn" => (0..random.random_range(0..3)).map(|_| scalar(random)).collect(),
        "exists" | "isNull" => vec![random.random_bool(0.5).to_string()],
        "contains" | "startsWith" => vec![json!(some(&TEXTS, random)).to_string()],
        "hasKey" => vec![json!(some(&["a", "d", "x.y", "e"], random)).to_string()],
        _ => vec![scalar(random)],
    };
    (operator, operands)
}

fn holds(found: Option<&Json>, operator: &str, operands: &[String]) -> bool {
    let operands: Vec<Json> = operands
        .iter()
        .map(|json| serde_json::from_str(json).expect("JSON"))
        .collect();
    let value = found.filter(|value| !value.is_null());
    let is_in = || {
        let same = |operand: &Json| value.is_some_and(|value| kind(value) < 4 && compared(value, operand).is_eq());
        operands.iter().any(same)
    };
    let order = || {
        let (value, operand) = (value?, operands.first()?);
        (kind(value) == kind(operand)).then(|| compared(value, operand))
    };
    let texts = |test: &dyn Fn(&str, &str) -> bool| {
        let text = value.and_then(Json::as_str);
        text.is_some_and(|text| test(text, operands[0].as_str().expect("a text")))
    };
    match operator {
        "eq" | "in" => is_in(),
        "ne" | "notIn" => !is_in(),
        "gt" => order().is_some_and(Ordering::is_gt),
        "gte" => order().is_some_and(Ordering::is_ge),
        "lt" => order().is_some_and(Ordering::is_lt),
        "lte" => order().is_some_and(Ordering::is_le),
        "exists" => found.is_some() == operands[0],
        "isNull" => value.is_none() == operands[0],
        "contains" => texts(&|text, part| text.contains(part)),
        "startsWith" => texts(&|text, part| text.starts_with(part)),
        "has" => {
            let items = value.and_then(Json::as_array);
            let same = |item: &Json| kind(item) == kind(&operands[0]) && compared(item, &operands[0]).is_eq();
            items.is_some_and(|items| items.iter().any(same))
        }
        _ => value
            .and_then(Json::as_object)
            .is_some_and(|members| members.contains_key(operands[0].as_str().expect("a name"))),
    }
}

/// An order in GraphQL, and how it compares two rows.
fn order(random: &mut StdRng) -> (String, impl Fn(&Doc, &Doc) -> Ordering) {
    let (path, steps) = *some(&PATHS, random);
    let (descending, first, by_name) = (
        random.random_bool(0.5),
        random.random_bool(0.4),
        random.random_bool(0.3),
    );
    let direction = if descending { "DESC" } else { "ASC" };
    let nulls = if first { "_NULLS_FIRST" } else { "" };
    let text = match by_name {
        true => format!("{{name: {direction}_IGNORE_CASE{nulls}}}"),
        false if random.random_bool(0.3) => {
            format!("{{box: {{inner: {{path: {path}, sort: {direction}{nulls}}}}}}}")
        }
        false => format!("{{extra: {{path: {path}, sort: {direction}{nulls}}}}}"),
    };
    let value = move |doc: &Doc| match by_name {
        true => doc.name.as_ref().map(|name| json!(folded(name))),
        false => there(doc, steps).filter(|value| !value.is_null()),
    };
    let compare = move |one: &Doc, other: &Doc| match (value(one), value(other)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) if first => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) if descending => compared(&other, &one),
        (Some(one), Some(other)) => compared(&one, &other),
    };
    (text, compare)
}

async fn json_is_found_and_ordered_as_a_naive_evaluator_says(on: On) {
    let seed = number("HAYLOFT_SEED", 10) as u64;
    let random = &mut StdRng::seed_from_u64(seed);
    let wanted = number("HAYLOFT_ORACLE", 600);
    for _ in 0..wanted.div_ceil(60) {
        let docs = docs(random);
        let farm = stocked(on, &docs).await;
        for _ in 0..60 {
            let (path, steps) = *some(&PATHS, random);
            let (operator, operands) = condition(random);
            let (order, compare) = order(random);
            let mut want: Vec<usize> = (0..docs.len())
                .filter(|at| holds(there(&docs[*at], steps).as_ref(), operator, &operands))
                .collect();
            want.sort_by(|one, other| compare(&docs[*one], &docs[*other]).then(one.cmp(other)));
            let want: Vec<Json> = want.into_iter().map(|at| json!({ "id": id(at) })).collect();
            for as_variables in [false, true] {
                let is_list = matches!(operator, "in" | "notIn");
                let written = match is_list {
                    true => format!("[{}]", operands.join(",")),
                    false => operands.concat(),
                };
                let ty = match operator {
                    "in" | "notIn" => "[JSON!]!",
                    "exists" | "isNull" => "Boolean!",
                    "contains" | "startsWith" | "hasKey" => "String!",
                    _ => "JSON!",
                };
                let rest = |path: &str, operand: &str| {
                    format!(
                        "{{ docs(where: {{extra: {{path: {path}, {operator}: {operand}}}}}, orderBy: [{order}]) {{ id }} }}"
                    )
                };
                let (query, variables) = match as_variables {
                    false => (rest(path, &written), json!({})),
                    true => {
                        let query = format!("query($p: JSONPath!, $o: {ty}) {}", rest("$p", "$o"));
                        let variables = format!("{{\"p\":{path},\"o\":{written}}}");
                        // As a server reads them.
                        (
                            query,
                            crate::graphql::read_json(variables.as_bytes()).expect("variables"),
                        )
                    }
                };
                let got = json_of(&farm.api.execute(request(&query, variables.clone())).await);
                assert_eq!(
                    got["data"]["docs"],
                    json!(want),
                    "{on:?} {query} {variables} {got}\n{docs:#?}"
                );
            }
        }
    }
}

/// Each row once, from either end, whatever the order's values are.
async fn pages_of_json_and_of_texts_without_case_have_each_row_once(on: On) {
    let random = &mut StdRng::seed_from_u64(7);
    for _ in 0..4 {
        let docs = docs(random);
        let farm = stocked(on, &docs).await;
        for _ in 0..8 {
            let (order, compare) = order(random);
            let mut want: Vec<usize> = (0..docs.len()).collect();
            want.sort_by(|one, other| compare(&docs[*one], &docs[*other]).then(one.cmp(other)));
            let want: Vec<String> = want.into_iter().map(id).collect();
            for (end, place, cursor, more) in [
                ("first", "after", "endCursor", "hasNextPage"),
                ("last", "before", "startCursor", "hasPreviousPage"),
            ] {
                let query = format!(
                    "query($at: String) {{ all: docsConnection(orderBy: [{order}], {end}: 2, {place}: $at) {{ nodes {{ id }} pageInfo {{ {cursor} {more} }} }} }}"
                );
                let (mut found, mut at) = (Vec::new(), Json::Null);
                loop {
                    let got = ask(&farm, &query, json!({ "at": at })).await;
                    let page = &got["data"]["all"];
                    let nodes = page["nodes"]
                        .as_array()
                        .unwrap_or_else(|| panic!("{query} {got}"))
                        .iter();
                    let nodes: Vec<String> = nodes
                        .map(|node| node["id"].as_str().expect("an id").to_owned())
                        .collect();
                    found = match end {
                        "first" => [found, nodes].concat(),
                        _ => [nodes, found].concat(),
                    };
                    at = page["pageInfo"][cursor].clone();
                    if page["pageInfo"][more] != json!(true) {
                        break;
                    }
                }
                assert_eq!(found, want, "{on:?} {query}\n{docs:#?}");
            }
        }
    }
}

/// What is refused, and why.
#[tokio::test]
async fn what_is_no_condition_on_json() {
    let farm = stocked(On::Sqlite, &[]).await;
    for (arguments, part) in [
        ("where: {extra: {path: \"a\"}}", "a path alone is no condition"),
        (
            "where: {extra: {path: \"a..b\", eq: 1}}",
            "no name stands before or after a point",
        ),
        ("where: {extra: {path: \"a[x]\", eq: 1}}", "the number of an item"),
        ("where: {extra: {path: \"a'b\", eq: 1}}", "as a list of names"),
        ("where: {extra: {path: \"\", eq: 1}}", "an empty path"),
        ("where: {extra: {path: 1, eq: 1}}", "expected a path"),
        ("where: {extra: {path: [true], eq: 1}}", "expected a path"),
        (
            "where: {extra: {path: \"a\", eq: {b: 1}}}",
            "expected a text, a number or a truth value",
        ),
        ("where: {extra: {path: \"a\", eq: null}}", "use isNull"),
        ("where: {extra: {path: \"a\", like: \"a\\\\\"}}", "ends in a `\\`"),
        ("where: {name: {like: \"a\\\\\"}}", "ends in a `\\`"),
        ("where: {name: {ilike: \"\\\\\\\\\\\\\"}}", "ends in a `\\`"),
        ("orderBy: [{extra: {path: \"a\"}}]", "sort"),
        ("orderBy: [{extra: {sort: ASC_IGNORE_CASE}}]", "only fields of texts"),
    ] {
        let got = ask(&farm, &format!("{{ docs({arguments}) {{ id }} }}"), json!({})).await;
        let message = got["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{arguments}: {got}");
    }
    let pattern = ask(
        &farm,
        "{ docs(where: {name: {like: \"a\\\\\\\\\"}}) { id } }",
        json!({}),
    )
    .await;
    assert_eq!(pattern, json!({ "data": { "docs": [] } }));
}
