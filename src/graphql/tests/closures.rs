//! Closures, held against a naive walk over the same links; how far they may lead; who hears of a
//! change on the way.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{FutureExt, StreamExt, future::join_all};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::{ask, explain::normalised, next, request};
use crate::{
    graphql::{
        Limits,
        testing::{Farm, golden},
    },
    store::testing::{On, on_both},
    value::{Key, Row, Value},
};

on_both!(
    closures_are_as_a_walk_finds_them,
    keys_of_two_parts_are_followed,
    who_leads_further_than_allowed_is_refused,
    how_closures_are_read,
    groups_compute_nothing_of_closures,
);

const TERMS: &str = r#"
type Term @f {
  id: ID! code: String @unique weight: Int
  parents: [Term!]! @ref parent: Term
  rivals: [Term!]! @ref(by: "code") boss: Term @ref(by: "code")
  children: [Term!]! @inverse(field: "parents") kids: [Term!]! @inverse(field: "parent")
  rivalled: [Term!]! @inverse(field: "rivals") staff: [Term!]! @inverse(field: "boss")
  parentsAll: [Term!]! @closure(of: "parents") childrenAll: [Term!]! @closure(of: "children", maxDepth: 100)
  parentAll: [Term!]! @closure(of: "parent") kidsAll: [Term!]! @closure(of: "kids")
  rivalsAll: [Term!]! @closure(of: "rivals") rivalledAll: [Term!]! @closure(of: "rivalled")
  bossAll: [Term!]! @closure(of: "boss", maxDepth: 100) staffAll: [Term!]! @closure(of: "staff")
}
"#;
const LINKS: [&str; 8] = [
    "parents", "children", "parent", "kids", "rivals", "rivalled", "boss", "staff",
];
const GRAPHS: usize = 25;

/// A term as its record has it.
struct Term {
    id: String,
    code: Option<String>,
    weight: Option<i64>,
    parents: Vec<String>,
    parent: Option<String>,
    rivals: Vec<String>,
    boss: Option<String>,
}

impl Term {
    fn row(&self) -> Row {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::Text);
        let keys = |keys: &[String]| keys.iter().map(|key| Key::text(key.as_str())).collect();
        let values = vec![
            Value::Text(self.id.clone()),
            text(&self.code),
            self.weight.map_or(Value::Null, Value::Int),
            text(&self.parent),
            text(&self.boss),
        ];
        Row::new(values, vec![keys(&self.parents), keys(&self.rivals)], vec![])
    }
}

/// Terms that lead to each other in circles and diamonds, to themselves, and to nobody.
fn terms(random: &mut StdRng) -> Vec<Term> {
    let count = random.random_range(1..14);
    let ids: Vec<String> = (0..count + 2).map(|at| format!("t{at:02}")).collect();
    let codes: Vec<String> = (0..count + 2).map(|at| format!("c{at:02}")).collect();
    // Few links make trees and chains, many of them circles.
    let most = random.random_range(1..4);
    let some = |random: &mut StdRng, of: &[String]| -> Vec<String> {
        let count = random.random_range(0..=most);
        (0..count).filter_map(|_| of.choose(random).cloned()).collect()
    };
    (0..count)
        .map(|at| Term {
            id: ids[at].clone(),
            code: random.random_bool(0.8).then(|| codes[at].clone()),
            weight: random.random_bool(0.8).then(|| random.random_range(0..5)),
            parents: some(random, &ids),
            parent: some(random, &ids).pop(),
            rivals: some(random, &codes),
            boss: some(random, &codes).pop(),
        })
        .collect()
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Whom each term leads to over one step, of those that are there.
fn steps(terms: &[Term], link: &str) -> Graph {
    let there = |found: &dyn Fn(&Term) -> bool| -> BTreeSet<String> {
        terms
            .iter()
            .filter(|term| found(term))
            .map(|term| term.id.clone())
            .collect()
    };
    let leads = |from: &Term, to: &Term| match link {
        "parents" | "children" => from.parents.contains(&to.id),
        "parent" | "kids" => from.parent.as_ref() == Some(&to.id),
        "rivals" | "rivalled" => to.code.as_ref().is_some_and(|code| from.rivals.contains(code)),
        _ => to.code.is_some() && from.boss == to.code,
    };
    let is_back = ["children", "kids", "rivalled", "staff"].contains(&link);
    let each = terms.iter().map(|term| {
        let found = there(&|other| match is_back {
            true => leads(other, term),
            false => leads(term, other),
        });
        (term.id.clone(), found)
    });
    each.collect()
}

/// Whom it leads to over any number of steps.
fn walked(steps: &Graph, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = steps[from].iter().collect();
    while let Some(next) = open.pop() {
        if found.insert(next.clone()) {
            open.extend(&steps[next]);
        }
    }
    found
}

fn ids<'i>(ids: impl IntoIterator<Item = &'i String>) -> Json {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

async fn closures_are_as_a_walk_finds_them(on: On) {
    let farm = Farm::defined_on(on, TERMS, Limits::default()).await;
    let random = &mut StdRng::seed_from_u64(88);
    for graph in 0..GRAPHS {
        let terms = terms(random);
        farm.replace("Term", terms.iter().map(Term::row).collect()).await;
        let weights: BTreeMap<&String, Option<i64>> = terms.iter().map(|term| (&term.id, term.weight)).collect();
        for link in LINKS {
            let steps = steps(&terms, link);
            let all: Graph = steps.keys().map(|id| (id.clone(), walked(&steps, id))).collect();
            let heavy = |id: &String| weights[id] > Some(2);
            let met = |test: &dyn Fn(&BTreeSet<String>) -> bool| {
                ids(all.iter().filter(|(_, found)| test(found)).map(|(id, _)| id))
            };
            let each = all.iter().map(|(id, found)| {
                let heavy: BTreeSet<&String> = found.iter().filter(|id| heavy(id)).collect();
                let most = found.iter().filter_map(|id| weights[id]).max();
                json!({
                    "id": id,
                    "all": ids(found),
                    "some": ids(heavy.iter().rev().copied().take(2)),
                    "pages": {
                        "totalCount": found.len(),
                        "nodes": ids(found.iter().take(2)),
                        "aggregate": { "max": { "weight": most } },
                    },
                })
            });
            let mut by_count: Vec<&String> = all.keys().collect();
            by_count.sort_by_key(|id| (std::cmp::Reverse(all[*id].len()), (*id).clone()));
            let want = json!({
                "terms": each.collect::<Vec<_>>(),
                "some": met(&|found| found.iter().any(&heavy)),
                "any": met(&|found| !found.is_empty()),
                "every": met(&|found| found.iter().all(&heavy)),
                "none": met(&|found| !found.iter().any(&heavy)),
                "not": met(&|found| !found.contains("t00")),
                "counted": ids(by_count),
                "grouped": all.iter().filter(|(_, found)| found.iter().any(&heavy)).map(|(id, _)| (weights[id].is_none(), weights[id]))
                    .collect::<BTreeSet<_>>().into_iter().map(|(_, weight)| json!({ "keys": { "weight": weight } }))
                    .collect::<Vec<_>>(),
            });
            let field = format!("{link}All");
            let query = format!(
                "{{
                    terms {{
                        id all: {field} {{ id }}
                        some: {field}(where: {{weight: {{gt: 2}}}}, orderBy: {{id: DESC}}, first: 2) {{ id }}
                        pages: {field}Connection(first: 2) {{ totalCount nodes {{ id }} aggregate {{ max {{ weight }} }} }}
                    }}
                    some: terms(where: {{{field}: {{some: {{weight: {{gt: 2}}}}}}}}) {{ id }}
                    any: terms(where: {{{field}: {{some: {{}}}}}}) {{ id }}
                    every: terms(where: {{{field}: {{every: {{weight: {{gt: 2}}}}}}}}) {{ id }}
                    none: terms(where: {{{field}: {{none: {{weight: {{gt: 2}}}}}}}}) {{ id }}
                    not: terms(where: {{not: {{{field}: {{some: {{id: {{eq: \"t00\"}}}}}}}}}}) {{ id }}
                    grouped: termsGrouped(by: [{{weight: VALUE}}], where: {{{field}: {{some: {{weight: {{gt: 2}}}}}}}}) {{
                        keys {{ weight }}
                    }}
                    counted: terms(orderBy: {{{field}: {{count: DESC}}}}) {{ id }}
                }}"
            );
            let got = ask(&farm, &query, json!({})).await;
            assert_eq!(got, json!({ "data": want }), "graph {graph}, {link}");
        }
        keyed(&farm, &terms).await;
    }
}

/// By key, with variables; and a closure below another one, and below what it filters.
async fn keyed(farm: &Farm, terms: &[Term]) {
    let (up, down) = (steps(terms, "parents"), steps(terms, "children"));
    let query = "query($id: ID!, $to: ID!) {
        term(id: $id) {
            up: parentsAll(where: {childrenAll: {some: {id: {eq: $to}}}}) { id down: childrenAll { id } }
        }
        terms(where: {parentsAll: {some: {id: {in: [$id, $to]}}}}) { id }
    }";
    // At once, so that some are answered by one statement.
    let asked: Vec<(&Term, &Term)> = terms.iter().zip(terms.iter().rev()).collect();
    let answers = asked
        .iter()
        .map(|(term, to)| ask(farm, query, json!({ "id": term.id, "to": to.id })));
    for ((term, to), got) in asked.iter().zip(join_all(answers).await) {
        let above = walked(&up, &term.id).into_iter();
        let above = above.filter(|id| walked(&down, id).contains(&to.id));
        let above = above.map(|id| json!({ "id": id, "down": ids(&walked(&down, &id)) }));
        let mut below = walked(&down, &term.id);
        below.extend(walked(&down, &to.id));
        let want = json!({ "term": { "up": above.collect::<Vec<_>>() }, "terms": ids(&below) });
        assert_eq!(got, json!({ "data": want }), "{} {}", term.id, to.id);
    }
}

/// The plan in words, the SQL, and what SQLite makes of it: the walk goes by indexes, and a
/// condition begins at its other end.
async fn how_closures_are_read(on: On) {
    let farm = Farm::defined_on(on, TERMS, Limits::default()).await;
    let random = &mut StdRng::seed_from_u64(1);
    farm.load("Term", terms(random).iter().map(Term::row).collect()).await;
    for (name, query) in [
        (
            "closure",
            "{ terms(first: 3) { id parentsAll { id } kidsAll(first: 1) { id } } }",
        ),
        ("closure_counted", "{ term(id: \"t01\") { bossAll { id } } }"),
        (
            "closure_back",
            "{ terms(where: {parentsAll: {some: {id: {eq: \"t01\"}}}}) { id } }",
        ),
    ] {
        let said = farm.api.explain(query, None, None).await.expect("an explanation");
        let database = match on {
            On::Sqlite => "sqlite",
            On::Postgres => "postgres",
        };
        golden(&format!("explain/{name}.{database}.txt"), &normalised(on, &said));
    }
}

/// Whatever the condition stands beside, rows are looked up among those of a walk, and the walk is
/// not gone through for each of them.
#[tokio::test]
async fn postgres_looks_rows_up_among_those_of_a_walk() {
    let text = r#"type Term @f {
        land: ID! @id no: Int! @id name: String up: [Term!]! @ref all: [Term!]! @closure(of: "up")
        few: [Term!]! @closure(of: "up", maxDepth: 20)
    }"#;
    let farm = Farm::defined_on(On::Postgres, text, Limits::default()).await;
    let key = |no: i64| vec![Value::Text("a".to_owned()), Value::Int(no)];
    let terms = (0..6_000).map(|no| {
        let up = [no / 7, no / 5].map(|up| Key(key(up)));
        let values = key(no).into_iter().chain([Value::Text(format!("n{}", no % 9))]);
        Row::new(values.collect(), vec![up.to_vec()], vec![])
    });
    farm.load("Term", terms.collect()).await;
    for condition in [
        "{FIELD: {every: {name: {eq: \"n3\"}}}}",
        "{FIELD: {none: {name: {ne: \"n3\"}}}}",
        "{or: [{name: {eq: \"n4\"}}, {FIELD: {some: {name: {ne: \"n3\"}}}}]}",
        "{not: {FIELD: {some: {name: {ne: \"n3\"}}}}}",
    ] {
        for field in ["all", "few"] {
            let query = format!("{{ terms(where: {}) {{ no }} }}", condition.replace("FIELD", field));
            let said = farm.api.explain(&query, None, None).await.expect("an explanation");
            assert!(said.contains("hashed SubPlan"), "{said}");
        }
    }
}

/// Links that hold keys of two parts, in columns and in a table of links; pages by cursors.
async fn keys_of_two_parts_are_followed(on: On) {
    let text = r#"type Place @f {
        land: ID! @id no: Int! @id in: Place near: [Place!]! @ref
        around: [Place!]! @closure(of: "in") reached: [Place!]! @closure(of: "near", maxDepth: 2)
    }"#;
    let farm = Farm::defined_on(on, text, Limits::default()).await;
    let key = |land: &str, no: i64| vec![Value::Text(land.to_owned()), Value::Int(no)];
    let place = |no: i64, inside: Option<i64>, near: &[i64]| {
        let mut values = key("a", no);
        values.extend(inside.map_or(vec![Value::Null, Value::Null], |no| key("a", no)));
        let near = near.iter().map(|no| Key(key("a", *no))).collect();
        Row::new(values, vec![near], vec![])
    };
    let rows = vec![
        place(1, Some(2), &[2, 3, 9]),
        place(2, Some(3), &[1]),
        place(3, None, &[1]),
    ];
    farm.load("Place", rows).await;
    let got = ask(&farm, "{ places { no around { no } reached { no } } }", json!({})).await;
    let no = |no: &[i64]| -> Json { no.iter().map(|no| json!({ "no": no })).collect() };
    let want = json!([
        { "no": 1, "around": no(&[2, 3]), "reached": no(&[1, 2, 3]) },
        { "no": 2, "around": no(&[3]), "reached": no(&[1, 2, 3]) },
        { "no": 3, "around": no(&[]), "reached": no(&[1, 2, 3]) },
    ]);
    assert_eq!(got, json!({ "data": { "places": want } }));
    let mut cursor = Json::Null;
    for no in 1..=3 {
        let query = "query($after: String) { place(land: \"a\", no: 1) {
            reachedConnection(first: 1, after: $after) { edges { cursor node { no } } pageInfo { hasNextPage } } } }";
        let got = ask(&farm, query, json!({ "after": cursor })).await;
        let page = &got["data"]["place"]["reachedConnection"];
        assert_eq!(page["edges"][0]["node"]["no"], no, "{got}");
        assert_eq!(page["pageInfo"]["hasNextPage"], no < 3, "{got}");
        cursor = page["edges"][0]["cursor"].clone();
    }
}

async fn who_leads_further_than_allowed_is_refused(on: On) {
    let text = r#"type Term @f {
        id: ID! parent: Term kids: [Term!]! @inverse(field: "parent")
        above: [Term!]! @closure(of: "parent", maxDepth: 3) below: [Term!]! @closure(of: "kids", maxDepth: 3)
    }"#;
    let farm = Farm::defined_on(on, text, Limits::default()).await;
    let term = |id: &str, parent: &str| crate::graphql::testing::row(&[id, parent]);
    let queries = [
        "{ term(id: \"a\") { above { id } } }",
        "{ term(id: \"a\") { above(first: 1) { id } } }",
        "{ term(id: \"a\") { aboveConnection { totalCount } } }",
        "{ terms(orderBy: {above: {count: DESC}}) { id } }",
        "{ terms(where: {above: {some: {id: {eq: \"e\"}}}}) { id } }",
        "{ terms(where: {below: {none: {id: {eq: \"a\"}}}}) { id } }",
    ];
    // A circle is met again and again, and is never far away.
    farm.load(
        "Term",
        vec![term("a", "b"), term("b", "c"), term("c", "a"), term("e", "e")],
    )
    .await;
    for query in queries {
        let got = ask(&farm, query, json!({})).await;
        assert!(got.get("errors").is_none(), "{query}: {got}");
    }
    farm.load("Term", vec![term("c", "d"), term("d", "e"), term("e", "")])
        .await;
    for query in queries {
        let got = ask(&farm, query, json!({})).await;
        let error = &got["errors"][0];
        let message = error["message"].as_str().unwrap_or_default();
        let closure = if query.contains("below") { "below" } else { "above" };
        let want = format!("rows of `Term.{closure}` lie more than 3 steps away, which is the `maxDepth` of its");
        assert!(message.starts_with(&want), "{query}: {got}");
        assert_eq!(error["extensions"]["code"], "TOO_COMPLEX", "{got}");
    }
    // What lies that far away on no way of theirs is nothing to them.
    let got = ask(&farm, "{ term(id: \"b\") { above { id } } }", json!({})).await;
    let want = json!({ "term": { "above": [{ "id": "c" }, { "id": "d" }, { "id": "e" }] } });
    assert_eq!(got, json!({ "data": want }));
}

/// Who shows a closure goes by every step of it.
#[tokio::test]
async fn a_change_on_the_way_is_heard() {
    let text = r#"type Term @f {
        id: ID! name: String note: String parent: Term parents: [Term!]! @ref
        children: [Term!]! @inverse(field: "parents")
        line: [Term!]! @closure(of: "parent") ancestors: [Term!]! @closure(of: "parents")
        descendants: [Term!]! @closure(of: "children")
    }"#;
    let term = |id: &str, note: &str, parent: &str, parents: &[&str]| {
        let text = |text: &str| match text {
            "" => Value::Null,
            text => Value::Text(text.to_owned()),
        };
        let parents = parents.iter().map(|id| Key::text(*id)).collect();
        Row::new(
            vec![text(id), text(id), text(note), text(parent)],
            vec![parents],
            vec![],
        )
    };
    const QUERIES: [&str; 5] = [
        "{ term(id: \"a\") { line { name } } }",
        "{ term(id: \"a\") { ancestors { name } } }",
        "{ term(id: \"c\") { descendantsConnection { totalCount } } }",
        "{ terms(where: {ancestors: {some: {id: {eq: \"c\"}}}}) { name } }",
        "{ terms(orderBy: {line: {count: ASC}}) { name } }",
    ];
    // Who is woken, by their places.
    for (changed, woken) in [
        (term("b", "x", "c", &["c"]), &[][..]),
        (term("b", "", "", &["c"]), &[0, 4]),
        (term("b", "", "c", &[]), &[1, 2, 3]),
        (term("c", "", "d", &["d"]), &[0, 1, 2, 3, 4]),
        (term("d", "", "", &[]), &[0, 1, 2, 3, 4]),
    ] {
        // Who is woken rests for long, and has no answer for who comes meanwhile.
        let limits = Limits {
            live_pause: std::time::Duration::from_secs(3_600),
            ..Limits::default()
        };
        let farm = Farm::of(text, limits).await;
        let rows = vec![
            term("a", "", "b", &["b"]),
            term("b", "", "c", &["c"]),
            term("c", "", "", &[]),
        ];
        farm.load("Term", rows).await;
        let subscribe = |query: &str| {
            let query = format!("subscription {query}");
            farm.current().answers(request(&query, json!({})))
        };
        let mut open = Vec::new();
        for query in QUERIES {
            let mut answers = subscribe(query);
            next(&mut answers).await;
            open.push(answers);
        }
        let what = format!("{changed:?}");
        farm.begin("Term", vec![changed]).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let sleeps = |query: &str| subscribe(query).next().now_or_never().is_some();
        let awake: Vec<usize> = (0..QUERIES.len()).filter(|at| !sleeps(QUERIES[*at])).collect();
        assert_eq!(awake, woken, "{what}");
    }
}

/// Beside the totals of the links that they are made of.
async fn groups_compute_nothing_of_closures(on: On) {
    let farm = Farm::defined_on(on, TERMS, Limits::default()).await;
    let asked = |query: &str| farm.api.execute(request(query, json!({})));
    let types = "{ group: __type(name: \"TermGroup\") { fields { name } } \
                   having: __type(name: \"TermHaving\") { inputFields { name } } }";
    let told = super::json_of(&asked(types).await).to_string();
    assert!(told.contains("\"parentsAggregate\""), "{told}");
    assert!(!told.contains("AllAggregate"), "{told}");
    for (links, is_there) in [("parents", true), ("children", true), ("parentsAll", false)] {
        let query = format!("{{ termsGrouped(by: [{{weight: VALUE}}]) {{ {links}Aggregate {{ count }} }} }}");
        let told = super::json_of(&asked(&query).await);
        assert_eq!(told["errors"].is_null(), is_there, "{told}");
        assert_ne!(told["errors"][0]["extensions"]["code"], "INTERNAL", "{told}");
    }
}
