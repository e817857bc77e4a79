//! Definitions at their edges, and what is computed of them: rollups, groups, closures, searches and rows by their own id, of types
//! of 400 fields, long chains, links of a type to itself, two links between the same types, and text of all scripts.

use serde_json::{Value, json};

use crate::harness::{Db, on_both};
use crate::shapes::{FIELDS, LINKS, ROWS, TEXTS, leaf, served};

on_both!(
    what_is_computed_of_wide_types,
    what_is_computed_along_chains,
    what_is_computed_of_links_to_ones_own_type,
    what_is_computed_of_text_of_all_scripts
);

async fn what_is_computed_of_wide_types(db: Db) {
    // Five of the fields are others.
    let fields: Vec<String> = (1..FIELDS - 5).map(|at| format!("f{at}: {}", leaf(at, 0).0)).collect();
    let definition = format!(
        "type Wide @fetch(source: \"up\", GET: \"/wide\", rows: \".[]\") {{ id: ID! {} words: String @search above: Wide \
         below: [Wide!]! @inverse(field: \"above\") belowSum: BigInt @rollup(of: \"below\", fn: SUM, field: \"f390\") over: [Wide!]! @closure(of: \"above\") }}\n\
         type Sums @plural(name: \"allSums\") @rollup(of: \"Wide\", by: [\"f390\"]) {{ id: ID! f390: Int wides: Int! @rollup(fn: COUNT) mean: Float @rollup(fn: AVG, field: \"f385\") }}\n",
        fields.join(" ")
    );
    let whole = |at: usize, row: usize| leaf(at, row).1.as_i64().expect("a number");
    let row = |row: usize| -> Value {
        let mut values: serde_json::Map<String, Value> =
            (1..FIELDS - 5).map(|at| (format!("f{at}"), leaf(at, row).1)).collect();
        values.insert("id".to_owned(), json!(row.to_string()));
        values.insert("words".to_owned(), json!(format!("Wide number{row}")));
        values.insert("above".to_owned(), json!((row > 0).then(|| (row - 1).to_string())));
        values.into()
    };
    let all: Vec<Value> = (0..ROWS).map(row).collect();
    let (_scratch, program, _upstream) = served(db, &definition, &[("/wide", json!(all))]).await;
    let answer = program
        .query(
            "{ wides(search: \"NUMBER3 wide\") { id belowSum over { id } nodeId } sums: allSums { f390 wides mean } \
             widesGrouped(by: [{f390: VALUE}]) { keys { f390 } count aggregate { avg { f385 } } } \
             low: wides(where: {over: {some: {id: {eq: \"3\"}}}}) { id } }",
        )
        .await;
    let found = &answer["wides"][0];
    let ids = |of: &[&str]| -> Value { of.iter().map(|id| json!({ "id": id })).collect() };
    assert_eq!(found["belowSum"], json!(whole(390, 4).to_string()));
    assert_eq!(found["over"], ids(&["0", "1", "2"]));
    assert_eq!(answer["low"], ids(&["4", "5"]));
    let groups = answer["widesGrouped"].as_array().expect("groups").iter();
    let groups: Vec<Value> = groups
        .map(|group| json!({ "f390": group["keys"]["f390"], "wides": group["count"], "mean": group["aggregate"]["avg"]["f385"] }))
        .collect();
    assert_eq!(answer["sums"], json!(groups));
    assert_eq!(
        groups
            .iter()
            .map(|group| group["wides"].as_u64().expect("a count"))
            .sum::<u64>(),
        ROWS as u64
    );
    let names: Vec<String> = (1..FIELDS - 5).map(|at| format!("f{at}")).collect();
    let node = format!(
        "query($id: ID!) {{ node(nodeId: $id) {{ ... on Wide {{ id {} }} }} }}",
        names.join(" ")
    );
    let answer = program.post(&node, json!({ "id": found["nodeId"] })).await;
    let node = &answer["data"]["node"];
    assert!(names.iter().all(|name| node[name] == all[3][name]), "{answer}");
}

async fn what_is_computed_along_chains(db: Db) {
    let definition: String = (0..=LINKS)
        .map(|at| {
            let next = if at < LINKS { format!("next: L{}", at + 1) } else { "place: String @search".to_owned() };
            let before = at.checked_sub(1).map(|at| {
                format!("before: [L{at}!]! @inverse(field: \"next\") count: Int! @rollup(of: \"before\", fn: COUNT)")
            });
            format!(
                "type L{at} @plural(name: \"all{at}\") @fetch(source: \"up\", GET: \"/{at}\", rows: \".[]\") {{ id: ID! {next} {} }}\n",
                before.unwrap_or_default()
            )
        })
        .collect();
    let steps = "type Step @fetch(source: \"up\", GET: \"/steps\", rows: \".[]\") { id: ID! to: Step from: [Step!]! @inverse(field: \"to\") \
                 on: [Step!]! @closure(of: \"to\") back: [Step!]! @closure(of: \"from\") }\n";
    const STEPS: usize = 300;
    let row = |at: usize, row: usize| json!({ "id": format!("{at}.{row}"), "next": format!("{}.{}", at + 1, row / 2), "place": format!("end {row}") });
    let mut bodies: Vec<(String, Value)> = (0..=LINKS)
        .map(|at| (format!("/{at}"), (0..4).map(|nth| row(at, nth)).collect()))
        .collect();
    let step =
        |at: usize| json!({ "id": format!("{at:03}"), "to": (at + 1 < STEPS).then(|| format!("{:03}", at + 1)) });
    bodies.push(("/steps".to_owned(), (0..STEPS).map(step).collect()));
    let bodies: Vec<(&str, Value)> = bodies
        .iter()
        .map(|(path, body)| (path.as_str(), body.clone()))
        .collect();
    let (_scratch, program, _upstream) = served(db, &format!("{definition}{steps}"), &bodies).await;
    // Groups by what stands at the end, and how many rows stand before each.
    let by = (1..LINKS).fold("{place: VALUE}".to_owned(), |inner, _| format!("{{nextKeys: {inner}}}"));
    let keys = (1..LINKS).fold("place".to_owned(), |inner, _| format!("nextKeys {{ {inner} }}"));
    let query = format!(
        "{{ all1Grouped(by: [{by}]) {{ keys {{ {keys} }} count }} all{LINKS}(search: \"end\", orderBy: [{{id: ASC}}]) {{ id count nodeId }} }}"
    );
    let answer = program.query(&query).await;
    let end = (1..LINKS).fold(&answer["all1Grouped"][0]["keys"], |keys, _| &keys["nextKeys"]);
    assert_eq!(
        (end, &answer["all1Grouped"][0]["count"]),
        (&json!({ "place": "end 0" }), &json!(4))
    );
    let ends = &answer[format!("all{LINKS}")];
    let counts: Vec<u64> = ends
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["count"].as_u64())
        .collect();
    assert_eq!(counts, [2, 2, 0, 0]);
    let node = format!("query($id: ID!) {{ node(nodeId: $id) {{ ... on L{LINKS} {{ id place }} }} }}");
    let answer = program.post(&node, json!({ "id": ends[2]["nodeId"] })).await;
    assert_eq!(
        answer["data"]["node"],
        json!({ "id": format!("{LINKS}.2"), "place": "end 2" })
    );
    let answer = program
        .query(
            "{ step(id: \"000\") { onConnection { totalCount } } all: steps(where: {back: {some: {id: {eq: \"100\"}}}}) { id } \
             steps(orderBy: [{on: {count: DESC}}], first: 2) { id } }",
        )
        .await;
    assert_eq!(answer["step"]["onConnection"]["totalCount"], STEPS - 1);
    assert_eq!(answer["all"].as_array().map(Vec::len), Some(STEPS - 101));
    assert_eq!(answer["steps"], json!([{ "id": "000" }, { "id": "001" }]));
}

async fn what_is_computed_of_links_to_ones_own_type(db: Db) {
    let definition = "type Person @plural(name: \"people\") @fetch(source: \"up\", GET: \"/people\", rows: \".[]\") { id: ID! boss: Person deputy: Person \
         team: [Person!]! @inverse(field: \"boss\") friends: [Person!]! @ref friendOf: [Person!]! @inverse(field: \"friends\") \
         written: [Letter!]! @inverse(field: \"from\") got: [Letter!]! @inverse(field: \"to\") \
         teamSize: Int! @rollup(of: \"team\", fn: COUNT) friendly: Int! @rollup(of: \"friendOf\", fn: COUNT) \
         writes: BigInt @rollup(of: \"written\", fn: SUM, field: \"size\") gets: BigInt @rollup(of: \"got\", fn: SUM, field: \"size\") \
         over: [Person!]! @closure(of: \"boss\") under: [Person!]! @closure(of: \"team\") known: [Person!]! @closure(of: \"friends\") }\n\
         type Letter @fetch(source: \"up\", GET: \"/letters\", rows: \".[]\") { id: ID! from: Person to: Person size: Int }\n\
         type Mail @rollup(of: \"Letter\", by: [\"from\", \"to\"]) { id: ID! from: Person to: Person letters: Int! @rollup(fn: COUNT) }\n\
         type Team @rollup(of: \"Person\", by: [\"boss\"]) { id: ID! boss: Person people: Int! @rollup(fn: COUNT) }\n";
    let people = json!([
        { "id": "1", "boss": "1", "deputy": "2", "friends": ["2", "3", "1"] },
        { "id": "2", "boss": "1", "deputy": null, "friends": ["1"] },
        { "id": "3", "boss": "2", "deputy": "2", "friends": [] },
    ]);
    let letters = json!([
        { "id": "a", "from": "1", "to": "2", "size": 3 }, { "id": "b", "from": "2", "to": "1", "size": 5 },
        { "id": "c", "from": "3", "to": "3", "size": 7 }, { "id": "d", "from": "1", "to": "2", "size": 1 },
    ]);
    let (_scratch, program, _upstream) = served(db, definition, &[("/people", people), ("/letters", letters)]).await;
    let answer = program
        .query(
            "{ people { teamSize friendly writes gets over { id } under { id } known { id } } \
             mails { from { id } to { id } letters } teams { boss { id } people } \
             peopleGrouped(by: [{bossKeys: {deputyId: VALUE}}]) { keys { bossKeys { deputyId } } count writtenAggregate { count sum { size } } gotAggregate { sum { size } } } }",
        )
        .await;
    let ids = |ids: &[&str]| -> Value { ids.iter().map(|id| json!({ "id": id })).collect() };
    let person = |counts: (u64, u64), sizes: (&str, &str), over: &[&str], under: &[&str], known: &[&str]| json!({ "teamSize": counts.0, "friendly": counts.1, "writes": sizes.0, "gets": sizes.1, "over": ids(over), "under": ids(under), "known": ids(known) });
    let all = &["1", "2", "3"][..];
    let mail =
        |from: &str, to: &str, letters: u64| json!({ "from": { "id": from }, "to": { "id": to }, "letters": letters });
    let group = |deputy: Value, count: u64, letters: u64, written: &str, got: &str| {
        json!({ "keys": { "bossKeys": { "deputyId": deputy } }, "count": count,
            "writtenAggregate": { "count": letters, "sum": { "size": written } }, "gotAggregate": { "sum": { "size": got } } })
    };
    assert_eq!(
        answer,
        json!({
            "people": [
                person((2, 2), ("4", "5"), &["1"], all, all),
                person((1, 1), ("5", "4"), &["1"], &["3"], all),
                person((0, 1), ("7", "7"), &["1", "2"], &[], &[]),
            ],
            "mails": [mail("1", "2", 2), mail("2", "1", 1), mail("3", "3", 1)],
            "teams": [{ "boss": { "id": "1" }, "people": 2 }, { "boss": { "id": "2" }, "people": 1 }],
            "peopleGrouped": [group(json!("2"), 2, 3, "9", "9"), group(Value::Null, 1, 1, "7", "7")],
        })
    );
}

async fn what_is_computed_of_text_of_all_scripts(db: Db) {
    let rows: Vec<Value> = TEXTS.iter().map(|text| json!({ "id": text, "name": text })).collect();
    let twins: Vec<Value> = TEXTS
        .iter()
        .map(|text| json!({ "id": format!("twin of {text}"), "of": text, "name": text }))
        .collect();
    let definition = "type Word @fetch(source: \"up\", GET: \"/words\", rows: \".[]\") { id: ID! name: String! @search next: [Twin!]! @inverse(field: \"of\") \
         first: String @rollup(of: \"next\", fn: MIN, field: \"name\") same: Int! @rollup(of: \"next\", fn: COUNT, where: {name: {ilike: \"%ÆRØ%\"}}) }\n\
         type Twin @fetch(source: \"up\", GET: \"/twins\", rows: \".[]\") { id: ID! of: Word name: String }\n\
         type Named @plural(name: \"namedOnes\") @rollup(of: \"Twin\", by: [\"name\"]) { id: ID! name: String twins: Int! @rollup(fn: COUNT) of: Int! @rollup(fn: COUNT_DISTINCT, field: \"name\") }\n";
    let (_scratch, program, _upstream) =
        served(db, definition, &[("/words", json!(rows)), ("/twins", json!(twins))]).await;
    for text in TEXTS {
        let query = "query($t: String!, $i: ID!) { word(id: $i) { id name first same nodeId } namedOnes(where: {name: {eq: $t}}) { name twins of nodeId } \
             wordsGrouped(where: {id: {eq: $i}}, by: [{name: VALUE}]) { keys { name } count nextAggregate { max { name } } } }";
        let answer = program.post(query, json!({ "t": text, "i": text })).await;
        let data = &answer["data"];
        let word = &data["word"];
        assert_eq!(
            (&word["first"], &word["same"]),
            (&json!(text), &json!(u8::from(text == TEXTS[0]))),
            "{answer}"
        );
        let named = &data["namedOnes"][0];
        assert_eq!(
            (&named["name"], &named["twins"], &named["of"]),
            (&json!(text), &json!(1), &json!(1)),
            "{answer}"
        );
        let group = json!([{ "keys": { "name": text }, "count": 1, "nextAggregate": { "max": { "name": text } } }]);
        assert_eq!(data["wordsGrouped"], group);
        let node = "query($a: ID!, $b: ID!) { a: node(nodeId: $a) { ... on Word { name } } b: node(nodeId: $b) { ... on Named { name } } }";
        let answer = program
            .post(node, json!({ "a": word["nodeId"], "b": named["nodeId"] }))
            .await;
        assert_eq!(
            answer["data"],
            json!({ "a": { "name": text }, "b": { "name": text } }),
            "{answer}"
        );
    }
    // What has words is found by them, without case and accents.
    for (search, found) in [
        ("ærøskøbing", TEXTS[0]),
        ("zurich", TEXTS[1]),
        ("本語", TEXTS[2]),
        ("עברית", TEXTS[3]),
        ("family", TEXTS[5]),
        ("e", TEXTS[6]),
        ("\"line end\"", TEXTS[10]),
        ("uni", TEXTS[11]),
        ("ss", TEXTS[12]),
        ("i", TEXTS[13]),
    ] {
        let answer = program
            .post(
                "query($s: String!) { words(search: $s) { name } }",
                json!({ "s": search }),
            )
            .await;
        assert_eq!(
            answer["data"]["words"],
            json!([{ "name": found }]),
            "{search}: {answer}"
        );
    }
}
