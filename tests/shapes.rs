//! Definitions at their edges: types of 400 fields, long chains, links of a type to itself, two links between the same types,
//! and text of all scripts. What is asked of the usual ones is asked of these.

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Upstream, on_both};

on_both!(
    wide_types,
    long_chains,
    links_to_ones_own_type_and_twice_to_another,
    text_of_all_scripts
);

const UP: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n";
/// As many fields as a type may have.
pub const FIELDS: usize = 400;
pub const ROWS: usize = 6;
/// As deep as selections may be with the list and its scalar.
pub const LINKS: usize = 14;

pub async fn served(db: Db, definition: &str, bodies: &[(&str, Value)]) -> (Scratch, Program, Upstream) {
    let upstream = Upstream::start().await;
    for (path, body) in bodies {
        upstream.set(path, Reply::json(body));
    }
    let scratch = Scratch::on(db, &format!("{UP}{definition}"));
    let url = upstream.url();
    scratch.must(&["harvest"], &[("UP", &url)]).await;
    let program = scratch.serve(&[("UP", &url)]).await;
    (scratch, program, upstream)
}

/// A field's type in a definition, and its value in a row.
pub fn leaf(field: usize, row: usize) -> (&'static str, Value) {
    let whole = (row * 7 + field) % 5;
    match field % 5 {
        0 => ("Int", json!(whole)),
        1 => ("String", json!(format!("text {whole}"))),
        2 => ("Boolean", json!(whole > 1)),
        3 => ("[Int!]", json!([whole, row])),
        _ => (
            "Float",
            if whole == 0 {
                Value::Null
            } else {
                json!(whole as f64 + 0.5)
            },
        ),
    }
}

/// Texts that are written in many ways, and some that try to be more than text.
pub const TEXTS: [&str; 15] = [
    "Ærøskøbing",
    "ZÜRICH",
    "日本語の名前",
    "עברית",
    "ไทย",
    "👩‍🌾 family",
    "e\u{301}",
    "\u{feff}mark",
    "a\u{2028}b",
    "\"quoted\" \\ back",
    "tab\tline\nend",
    "𝔘𝔫𝔦",
    "ß",
    "i\u{307}",
    "'; --",
];

async fn wide_types(db: Db) {
    let field = |at| format!("f{at}: {}", leaf(at, 0).0);
    let fields: Vec<String> = (1..FIELDS).map(field).collect();
    let definition = format!(
        "type Wide @fetch(source: \"up\", GET: \"/wide\", rows: \".[]\", missing: DELETE) {{ id: ID! {} }}",
        fields.join(" ")
    );
    let row = |row: usize| -> Value {
        let mut values: serde_json::Map<String, Value> =
            (1..FIELDS).map(|at| (format!("f{at}"), leaf(at, row).1)).collect();
        values.insert("id".to_owned(), json!(row.to_string()));
        values.into()
    };
    let all: Vec<Value> = (0..ROWS).map(row).collect();
    let (scratch, program, upstream) = served(db, &definition, &[("/wide", json!(all))]).await;
    let names: Vec<String> = (1..FIELDS).map(|at| format!("f{at}")).collect();
    let selection = format!("{{ id {} }}", names.join(" "));
    let answer = program.query(&format!("{{ wides {selection} }}")).await;
    assert_eq!(answer["wides"], json!(all));
    let answer = program.query(&format!("{{ wide(id: \"3\") {selection} }}")).await;
    assert_eq!(answer["wide"], all[3]);
    let page = format!("{{ widesConnection(first: 2) {{ totalCount nodes {selection} }} }}");
    let answer = program.query(&page).await;
    assert_eq!(
        answer["widesConnection"],
        json!({ "totalCount": ROWS, "nodes": &all[..2] })
    );
    // The last field of each kind is as good as the first.
    let (whole, last) = (395, 399);
    let filtered = format!(
        "{{ wides(where: {{f{whole}: {{gte: 2}}, f{last}: {{isNull: false}}}}, orderBy: [{{f{last}: DESC}}]) {{ id }} }}"
    );
    let answer = program.query(&filtered).await;
    let mut want: Vec<&Value> = all
        .iter()
        .filter(|row| row["f395"].as_u64() >= Some(2) && !row["f399"].is_null())
        .collect();
    want.sort_by(|a, b| b["f399"].as_f64().partial_cmp(&a["f399"].as_f64()).expect("numbers"));
    let want: Vec<Value> = want.into_iter().map(|row| json!({ "id": row["id"] })).collect();
    assert_eq!(answer["wides"], json!(want));
    // A change in the last field alone is seen.
    let mut changed = all.clone();
    changed[1]["f399"] = json!(9.25);
    upstream.set("/wide", Reply::json(&json!(changed)));
    scratch.must(&["harvest"], &[("UP", &upstream.url())]).await;
    let answer = program.query(&format!("{{ wides {selection} }}")).await;
    assert_eq!(answer["wides"], json!(changed));
}

async fn long_chains(db: Db) {
    let definition: String = (0..=LINKS)
        .map(|at| {
            let next = if at < LINKS { format!("next: L{}", at + 1) } else { String::new() };
            let before = at.checked_sub(1).map(|at| format!("before: [L{at}!]! @inverse(field: \"next\")"));
            format!(
                "type L{at} @plural(name: \"all{at}\") @fetch(source: \"up\", GET: \"/{at}\", rows: \".[]\") {{ id: ID! {next} {} }}\n",
                before.unwrap_or_default()
            )
        })
        .collect();
    // Each row leads to the one of the next number, in threes.
    let row =
        |at: usize, row: usize| json!({ "id": format!("{at}.{row}"), "next": format!("{}.{}", at + 1, (row + 1) % 3) });
    let paths: Vec<String> = (0..=LINKS).map(|at| format!("/{at}")).collect();
    let bodies: Vec<(&str, Value)> = paths
        .iter()
        .enumerate()
        .map(|(at, path)| (path.as_str(), (0..3).map(|nth| row(at, nth)).collect()))
        .collect();
    let (_scratch, program, _upstream) = served(db, &definition, &bodies).await;
    let along = |field: &str| format!("{}{{ id }}{}", format!("{{ {field} ").repeat(LINKS), " }".repeat(LINKS));
    let (first, last) = ("0.0", format!("{LINKS}.{}", LINKS % 3));
    let answer = program
        .query(&format!("{{ l0(id: \"{first}\") {} }}", along("next")))
        .await;
    let end = (0..LINKS).fold(&answer["l0"], |row, _| &row["next"]);
    assert_eq!(end, &json!({ "id": last }));
    let root = format!("l{LINKS}");
    let answer = program
        .query(&format!("{{ {root}(id: \"{last}\") {} }}", along("before")))
        .await;
    let end = (0..LINKS).fold(&answer[&root], |row, _| &row["before"][0]);
    assert_eq!(end, &json!({ "id": first }));
    let filter = (0..LINKS).fold(format!("{{id: {{eq: \"{last}\"}}}}"), |inner, _| {
        format!("{{next: {inner}}}")
    });
    let answer = program.query(&format!("{{ all0(where: {filter}) {{ id }} }}")).await;
    assert_eq!(answer["all0"], json!([{ "id": first }]));
}

async fn links_to_ones_own_type_and_twice_to_another(db: Db) {
    let definition = "type Person @plural(name: \"people\") @fetch(source: \"up\", GET: \"/people\", rows: \".[]\") { id: ID! boss: Person deputy: Person \
         team: [Person!]! @inverse(field: \"boss\") stands: [Person!]! @inverse(field: \"deputy\") friends: [Person!]! @ref friendOf: [Person!]! @inverse(field: \"friends\") \
         written: [Letter!]! @inverse(field: \"from\") got: [Letter!]! @inverse(field: \"to\") }\n\
         type Letter @fetch(source: \"up\", GET: \"/letters\", rows: \".[]\") { id: ID! from: Person to: Person }\n";
    let people = json!([
        { "id": "1", "boss": "1", "deputy": "2", "friends": ["2", "3", "1"] },
        { "id": "2", "boss": "1", "deputy": null, "friends": ["1"] },
        { "id": "3", "boss": "2", "deputy": "2", "friends": [] },
    ]);
    let letters = json!([{ "id": "a", "from": "1", "to": "2" }, { "id": "b", "from": "2", "to": "1" }, { "id": "c", "from": "3", "to": "3" }]);
    let (_scratch, program, _upstream) = served(db, definition, &[("/people", people), ("/letters", letters)]).await;
    let own = program.query("{ people { id boss { id boss { id } } deputy { id } team { id team { id } } stands { id } friends { id } friendOf { id } } }").await;
    let ids = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({ "id": id })).collect() };
    let team = |ids: &[(&str, &[&str])]| -> Value {
        ids.iter().map(|(id, below)| json!({ "id": id, "team": below.iter().map(|id| json!({ "id": id })).collect::<Value>() })).collect()
    };
    let boss = |id: &str, above: &str| json!({ "id": id, "boss": { "id": above } });
    assert_eq!(
        own["people"],
        json!([
            { "id": "1", "boss": boss("1", "1"), "deputy": { "id": "2" }, "team": team(&[("1", &["1", "2"]), ("2", &["3"])]), "stands": [], "friends": ids(&["2", "3", "1"]), "friendOf": ids(&["1", "2"]) },
            { "id": "2", "boss": boss("1", "1"), "deputy": null, "team": team(&[("3", &[])]), "stands": ids(&["1", "3"]), "friends": ids(&["1"]), "friendOf": ids(&["1"]) },
            { "id": "3", "boss": boss("2", "1"), "deputy": { "id": "2" }, "team": [], "stands": [], "friends": [], "friendOf": ids(&["1"]) },
        ])
    );
    let twice = program.query("{ letters { id from { id } to { id } } people(where: {written: {some: {to: {id: {eq: \"2\"}}}}, got: {some: {from: {id: {eq: \"2\"}}}}}) { id written { to { id } } got { from { id } } } }").await;
    assert_eq!(
        twice,
        json!({
            "letters": [
                { "id": "a", "from": { "id": "1" }, "to": { "id": "2" } },
                { "id": "b", "from": { "id": "2" }, "to": { "id": "1" } },
                { "id": "c", "from": { "id": "3" }, "to": { "id": "3" } },
            ],
            "people": [{ "id": "1", "written": [{ "to": { "id": "2" } }], "got": [{ "from": { "id": "2" } }] }],
        })
    );
}

async fn text_of_all_scripts(db: Db) {
    let rows: Vec<Value> = TEXTS
        .iter()
        .map(|text| json!({ "id": text, "name": text, "list": [text, "x"] }))
        .collect();
    let definition = "type Word @fetch(source: \"up\", GET: \"/words\", rows: \".[]\") { id: ID! name: String! @unique list: [String!]! @index same: [Twin!]! @inverse(field: \"of\") }\n\
         type Twin @fetch(source: \"up\", GET: \"/twins\", rows: \".[]\") { id: ID! of: Word }\n";
    let twins: Vec<Value> = TEXTS
        .iter()
        .map(|text| json!({ "id": format!("twin of {text}"), "of": text }))
        .collect();
    let (_scratch, program, _upstream) =
        served(db, definition, &[("/words", json!(rows)), ("/twins", json!(twins))]).await;
    for (text, row) in TEXTS.iter().zip(&rows) {
        let query = "query($t: String!, $i: ID!, $w: [String!]!) { word(id: $i) { id name list same { id } } wordBy(key: {name: $t}) { id } \
             equal: words(where: {name: {eq: $t}}) { id } part: words(where: {name: {contains: $t}}) { id } has: words(where: {list: {hasSome: $w}}) { id } }";
        let answer = program.post(query, json!({ "t": text, "i": text, "w": [text] })).await;
        let mut own = row.clone();
        own["same"] = json!([{ "id": format!("twin of {text}") }]);
        let id = json!({ "id": text });
        assert_eq!(
            answer["data"],
            json!({ "word": own, "wordBy": id, "equal": [id], "part": [id], "has": [id] }),
            "{text:?}: {answer}"
        );
        let literal = format!("{{ words(where: {{name: {{eq: {}}}}}) {{ id }} }}", json!(text));
        assert_eq!(program.query(&literal).await["words"], json!([id]), "{literal}");
    }
}
