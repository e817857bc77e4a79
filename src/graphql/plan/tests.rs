//! Golden plans: `tests/cases/graphql/plans/*.graphql`, each with its variables and what is
//! expected of it.

mod conditions;

use apollo_compiler::response::JsonMap;

use super::{Plan, plan, shape};
use crate::graphql::{ApiError, Limits, Served, coerce::coerce, digits, gate, literals::Literals, read_json, testing};

struct Case {
    plan: Result<Plan, ApiError>,
    shape: u128,
    variables: JsonMap,
}

fn run(query: &str, variables: &str) -> Result<Case, Vec<ApiError>> {
    let catalog = testing::catalog();
    let served = Served::of(&catalog).expect("the farm's schema");
    let limits = Limits::default();
    let admitted = gate::admit(&served, &limits, query)?;
    let document = &admitted.document;
    let operation = document.operations.get(None).expect("one operation");
    let variables: JsonMap = read_json(variables.as_bytes()).expect("variables as JSON");
    let variables = digits::settled(&served.schema, operation, &variables);
    let variables = coerce(&served.schema, operation, &variables, &document.sources).map_err(|error| vec![error])?;
    let nulls = admitted.check_nulls(operation, &variables);
    nulls.map_err(|error| vec![error])?;
    Ok(Case {
        plan: plan(&catalog, &served, &limits, document, operation, &variables, None),
        shape: shape(&served.schema, document, operation, &variables, false),
        variables,
    })
}

/// The plan with the parameters' values, or the first error.
fn outcome(query: &str, variables: &str) -> String {
    let case = match run(query, variables) {
        Ok(case) => case,
        Err(errors) => return format!("{}: {}\n", errors[0].code.as_str(), errors[0].message),
    };
    // Once: some cases have thousands of parameters.
    let catalog = testing::catalog();
    let bound = case.plan.and_then(|plan| {
        let params = plan.params.iter().map(|param| {
            param.bind(
                &case.variables,
                &Literals::default(),
                &catalog,
                chrono::DateTime::UNIX_EPOCH,
            )
        });
        Ok((params.collect::<Result<Vec<_>, _>>()?, plan.read))
    });
    match bound {
        Ok((params, read)) => format!("{read:#?}\nparameters: {params:?}\n"),
        Err(error) => format!("{}: {}\n", error.code.as_str(), error.message),
    }
}

/// The first line of a case is its variables: `# {"id": "1"}`.
#[test]
fn golden_plans() {
    let folder = testing::cases().join("plans");
    let mut cases: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "graphql"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "the cases are found");
    for path in cases {
        let query = std::fs::read_to_string(&path).expect("a readable case");
        let variables = query
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
            .unwrap_or("{}");
        let name = path.with_extension("txt");
        let name = name.file_name().expect("a file name").to_string_lossy();
        testing::golden(&format!("plans/{name}"), &outcome(&query, variables));
    }
}

#[test]
fn refused_inputs_name_their_place() {
    let cases = [
        (
            "{ items(where: {price: {eq: null}}) { id } }",
            "{}",
            "items.where.price.eq: null is no value to compare with; use isNull",
        ),
        (
            "query($p: Float) { a: items(where: {price: {eq: $p}}) { id } }",
            "{\"p\": null}",
            "a.where.price.eq: null is no value to compare with; use isNull",
        ),
        (
            "{ items(where: {id: {in: null}}) { id } }",
            "{}",
            "items.where.id.in: null is no list of values; use isNull",
        ),
        (
            "query($n: Boolean) { items(where: {price: {isNull: $n}}) { id } }",
            "{\"n\": null}",
            "items.where.price.isNull: expected true or false, found null",
        ),
        (
            "{ items(first: -1) { id } }",
            "{}",
            "items.first: -1 is negative; give 0 or more",
        ),
        (
            "query($n: Int) { items { tags(offset: $n) { id } } }",
            "{\"n\": -5}",
            "items.tags.offset ($n): -5 is negative; give 0 or more",
        ),
        (
            "query($x: Float) { items(where: {price: {eq: $x}}) { id } }",
            "{}",
            "items.where.price.eq: $x was not given",
        ),
        (
            "query($x: [ID!]) { npcs { sells(where: {or: [{id: {ne: \"1\", in: $x}}]}) { id } } }",
            "{}",
            "npcs.sells.where.or[0].id.in: $x was not given",
        ),
        (
            "query($x: Boolean) { items(where: {price: {isNull: $x}}) { id } }",
            "{}",
            "items.where.price.isNull: $x was not given",
        ),
        (
            "query($like: String) { items(where: {name: {like: $like}}) { id } }",
            &format!("{{\"like\": \"{}\"}}", "%a".repeat(10_001)),
            "items.where.name.like ($like): a pattern with 10001 signs of %, at most 10000 are allowed",
        ),
        (
            "{ items(where: {worth: {in: [\"1\", \"x\"]}}) { id } }",
            "{}",
            "items.where.worth.in[1]: expected",
        ),
        (
            "{ items(where: {seller: {id: {isNull: true}}}) { id } }",
            "{}",
            "items.where.seller.id.isNull: `id` of Npc is never null, so nothing would match; for rows whose link leads nowhere, ask not: {seller: {}}",
        ),
        (
            "query($no: Boolean) { tags { items(where: {not: {seller: {name: {isNull: $no}}}}) { id } } }",
            "{\"no\": true}",
            "tags.items.where.not.seller.name.isNull: `name` of Npc is never null, so nothing would match; for rows whose link leads nowhere, ask not: {seller: {}}",
        ),
        (
            "{ items(where: {tags: {some: {id: {isNull: true}}}}) { id } }",
            "{}",
            "items.where.tags.some.id.isNull: `id` of Tag is never null, so nothing would match; for rows whose link leads nowhere, ask tags: {none: {}}",
        ),
    ];
    for (query, variables, want) in cases {
        let got = outcome(query, variables);
        let want = format!("BAD_USER_INPUT: {want}");
        assert!(got.starts_with(&want), "{query}\n got {got}\nwant {want}");
    }
}

/// Each variable's value has its own path, whatever it is used for.
#[test]
fn bad_values_of_variables_have_their_path() {
    let filter = "query($w: ItemWhere) { items(where: $w) { id } }";
    let cases = [
        (
            "query($t: DateTime) { items(where: {soldAt: {gt: $t}}) { id } }",
            r#"{"t": "soon"}"#,
            "$t: expected",
        ),
        (filter, r#"{"w": {"price": {"gt": "much"}}}"#, "$w.price.gt: expected"),
        (
            filter,
            r#"{"w": {"or": [{}, {"soldAt": {"in": ["2026-11-21T03:20:00Z", 7]}}]}}"#,
            "$w.or[1].soldAt.in[1]: expected",
        ),
        (
            filter,
            r#"{"w": {"prise": {"gt": 1}}}"#,
            "$w: ItemWhere has no member `prise`; did you mean `price`?",
        ),
        (
            filter,
            r#"{"w": {"tags": {"sme": {}}}}"#,
            "$w.tags: TagListWhere has no member `sme`; did you mean `some`?",
        ),
        (
            filter,
            r#"{"w": {"rarity": {"eq": "RAER"}}}"#,
            "$w.rarity.eq: Rarity has no value `RAER`; did you mean `RARE`?",
        ),
        (
            filter,
            r#"{"w": {"rarity": {"eq": 1}}}"#,
            "$w.rarity.eq: expected a value of type Rarity, found 1",
        ),
        (
            filter,
            r#"{"w": {"and": [null]}}"#,
            "$w.and[0]: expected a value of type ItemWhere!, found null",
        ),
        (
            filter,
            r#"{"w": []}"#,
            "$w: expected a value of type ItemWhere, found a list",
        ),
        (
            filter,
            r#"{"w": {"seller": "Ada"}}"#,
            "$w.seller: expected a value of type NpcWhere, found \"Ada\"",
        ),
        (
            "query($o: [ItemOrder!]) { items(orderBy: $o) { id } }",
            r#"{"o": [{"id": "ASC"}, {"id": "ASC", "name": "ASC"}]}"#,
            "$o[1]: exactly one member with a value must be given, found 2",
        ),
        (
            "query($o: [ItemOrder!]) { items(orderBy: $o) { id } }",
            r#"{"o": {"seller": {"name": null}}}"#,
            "$o.seller: exactly one member with a value must be given, found 0",
        ),
        (
            "query($id: ID!) { item(id: $id) { id } }",
            "{}",
            "$id: a value of type ID! must be given",
        ),
        (
            "query($id: ID!) { item(id: $id) { id } }",
            r#"{"id": null}"#,
            "$id: expected a value of type ID!, found null",
        ),
        // Nullable types with a default are good where null is not, and null itself is refused.
        (
            "query($id: ID = \"1\") { item(id: $id) { id } }",
            r#"{"id": null}"#,
            "item.id: $id is null, and ID! is wanted here; give a value, or leave $id out",
        ),
        (
            "query($x: Boolean = true) { items { id name @include(if: $x) } }",
            r#"{"x": null}"#,
            "items.name.@include.if: $x is null, and Boolean! is wanted here",
        ),
        (
            "query($x: Boolean = true) { __schema { description @skip(if: $x) } }",
            r#"{"x": null}"#,
            "__schema.description.@skip.if: $x is null",
        ),
        (
            "query($x: Sort = ASC) { items(orderBy: [{seller: {name: $x}}]) { id } }",
            r#"{"x": null}"#,
            "items.orderBy[0].seller.name: $x is null, and Sort! is wanted here",
        ),
        (
            "query($x: ID = \"1\") { items(where: {id: {in: [$x]}}) { id } }",
            r#"{"x": null}"#,
            "items.where.id.in[0]: $x is null, and ID! is wanted here",
        ),
    ];
    for (query, variables, want) in cases {
        let got = outcome(query, variables);
        let want = format!("BAD_USER_INPUT: {want}");
        assert!(got.starts_with(&want), "{query}\n got {got}\nwant {want}");
    }
}

/// What clients send for "none".
#[test]
fn null_is_as_good_as_left_out() {
    let plain = outcome("{ items { id } }", "{}");
    let filtered = outcome("{ items(where: {name: {eq: \"a\"}}) { id } }", "{}");
    let empty = outcome("{ items(where: {}) { id } }", "{}");
    for (filter, want) in [
        ("null", &plain),
        ("{and: null}", &empty),
        ("{or: null}", &empty),
        ("{not: null}", &empty),
        ("{seller: null}", &empty),
        ("{price: null, aliases: null, tags: null}", &empty),
        (
            "{name: {eq: \"a\"}, or: null, and: null, not: null, price: null, seller: null}",
            &filtered,
        ),
        ("{and: null, name: {eq: \"a\"}}", &filtered),
    ] {
        let query = format!("{{ items(where: {filter}) {{ id }} }}");
        assert_eq!(&outcome(&query, "{}"), want, "{filter}");
    }
    let variable = "query($w: ItemWhere) { items(where: $w) { id } }";
    assert_eq!(outcome(variable, r#"{"w": null}"#), plain);
    for given in [r#"{"and": null}"#, r#"{"seller": null, "tags": null, "price": null}"#] {
        assert_eq!(outcome(variable, &format!("{{\"w\": {given}}}")), empty, "{given}");
    }
    let all = outcome("{ items(where: {tags: {}}) { id } }", "{}");
    for quantified in ["{some: null}", "{every: null, none: null}"] {
        let query = format!("{{ items(where: {{tags: {quantified}}}) {{ id }} }}");
        assert_eq!(outcome(&query, "{}"), all, "{quantified}");
    }
    let given = "query($x: TagWhere, $w: ItemWhere, $o: [ItemOrder!], $n: Int) \
        { items(where: $w, orderBy: $o, first: $n) { id } more: items(where: {tags: {some: $x}}) { id } }";
    let nulls = r#"{"x": null, "w": null, "o": null, "n": null}"#;
    assert_eq!(outcome(given, nulls), outcome(given, "{}"));
    assert!(outcome(given, nulls).starts_with("Read"), "{}", outcome(given, nulls));
}

#[test]
fn filters_are_bounded() {
    let nots = |count: usize| format!("{}{{}}{}", "{\"not\":".repeat(count), "}".repeat(count));
    let many = |count: usize| vec!["{\"id\":{\"isNull\":true}}"; count].join(",");
    let ids = |count: usize| vec!["\"a\""; count].join(",");
    let cases = [
        (format!("{{\"w\": {}}}", nots(20)), None),
        (format!("{{\"w\": {}}}", nots(60)), Some("filter_depth")),
        (format!("{{\"w\": {{\"or\":[{}]}}}}", many(400)), None),
        (format!("{{\"w\": {{\"or\":[{}]}}}}", many(1_000)), Some("conditions")),
        (format!("{{\"w\": {{\"id\":{{\"in\":[{}]}}}}}}", ids(4_000)), None),
        (
            format!("{{\"w\": {{\"id\":{{\"in\":[{}]}}}}}}", ids(6_000)),
            Some("operands"),
        ),
    ];
    for (variables, knob) in cases {
        let got = outcome("query($w: ItemWhere) { items(where: $w) { id } }", &variables);
        match knob {
            Some(knob) => assert!(got.starts_with("TOO_COMPLEX") && got.contains(knob), "{knob}: {got}"),
            None => assert!(got.starts_with("Read"), "{got}"),
        }
    }
}

#[test]
fn one_plan_serves_other_scalars_but_not_other_shapes() {
    let query = "query($id: ID, $where: ItemWhere!, $deep: Boolean = true) {
        items(where: {and: [$where], id: {eq: $id}}) { id seller @include(if: $deep) { id } } }";
    let shape_of = |variables: &str| {
        run(query, variables)
            .map_err(|errors| errors[0].clone())
            .expect("a case")
            .shape
    };
    let base = shape_of(r#"{"id": "1", "where": {"price": {"gt": 1}}}"#);
    assert_eq!(base, shape_of(r#"{"id": "2", "where": {"price": {"gt": 7.5}}}"#));
    for other in [
        r#"{"id": "1", "where": {"price": {"lt": 1}}}"#,
        r#"{"id": "1", "where": {"price": {"gt": null}}}"#,
        r#"{"id": null, "where": {"price": {"gt": 1}}}"#,
        r#"{"where": {"price": {"gt": 1}}}"#,
        r#"{"id": "1", "where": {"id": {"in": ["1", "2"]}}}"#,
        r#"{"id": "1", "where": {"rarity": {"eq": "RARE"}}}"#,
        r#"{"id": "1", "where": {"rarity": {"eq": "EPIC"}}}"#,
        r#"{"id": "1", "where": {"price": {"gt": 1}}, "deep": false}"#,
    ] {
        assert_ne!(base, shape_of(other), "{other}");
    }
    let rare = shape_of(r#"{"id": "1", "where": {"rarity": {"eq": "RARE"}}}"#);
    assert_ne!(rare, shape_of(r#"{"id": "1", "where": {"rarity": {"eq": "EPIC"}}}"#));
}

/// What an operation goes by: what is selected, filtered and ordered by, and what a link leads by.
#[test]
fn parts_of_operations() {
    for (query, want) in [
        ("{ items { name } }", "Item Item.id Item.name"),
        ("{ item(id: \"i1\") { price } }", "Item Item.id Item.price"),
        ("{ npcBy(key: {slug: \"a\"}) { name } }", "Npc Npc.id Npc.name Npc.slug"),
        (
            "{ items { seller { name } } }",
            "Item Item.id Item.seller Npc Npc.id Npc.name",
        ),
        (
            "{ quests { giver { home } } }",
            "Npc Npc.home Npc.slug Quest Quest.giver Quest.id",
        ),
        (
            "{ npcs { gives { title } } }",
            "Npc Npc.id Npc.slug Quest Quest.giver Quest.id Quest.title",
        ),
        (
            "{ tags { items { name } } }",
            "Item Item.id Item.name Item.tags Tag Tag.id",
        ),
        (
            "{ quests { reward { gold } items { quantity } } }",
            "Quest Quest.id Quest.reward QuestItem QuestItem.item QuestItem.quantity QuestItem.quest",
        ),
        (
            "{ items(where: {tags: {some: {name: {isNull: false}}}}, orderBy: {seller: {name: ASC}}) { rarity } }",
            "Item Item.id Item.rarity Item.seller Item.tags Npc Npc.id Npc.name Tag Tag.id Tag.name",
        ),
        ("{ itemsConnection { totalCount } }", "Item Item.id"),
        (
            "{ itemsConnection(where: {rarity: {eq: RARE}}) { aggregate { count sum { price } max { name } } } }",
            "Item Item.id Item.name Item.price Item.rarity",
        ),
        (
            "{ itemsConnection(orderBy: {seller: {name: ASC}}, first: 1) { edges { cursor } pageInfo { hasNextPage } } }",
            "Item Item.id Item.seller Npc Npc.id Npc.name",
        ),
        (
            "{ items(where: {aliases: {has: \"a\"}}) { tagsConnection { nodes { name } } } }",
            "Item Item.aliases Item.id Item.tags Tag Tag.id Tag.name",
        ),
        (
            "{ npcs { givesConnection(orderBy: {title: ASC}) { aggregate { countDistinct { title } } } } }",
            "Npc Npc.id Npc.slug Quest Quest.giver Quest.id Quest.title",
        ),
        (
            "{ npcs(where: {sells: {none: {requiredFor: {every: {quantity: {gt: 1}}}}}}) { home } }",
            "Item Item.id Item.seller Npc Npc.home Npc.id QuestItem QuestItem.item QuestItem.quantity",
        ),
        (
            "{ itemsGrouped(by: [{rarity: VALUE}, {seller: ROW}, {soldAt: {bucket: DAY}}], where: {isRare: {eq: true}}, \
             having: {sum: {price: {gt: 1}}}, orderBy: [{keys: {seller: {home: ASC}}}, {min: {title: ASC}}]) \
             { keys { seller { name } } aggregate { max { worth } } } }",
            "Item Item.id Item.isRare Item.price Item.rarity Item.seller Item.soldAt Item.title Item.worth \
             Npc Npc.home Npc.id Npc.name",
        ),
        // A part of what a field holds changes with the field, a number of rows with these.
        (
            "{ quests(where: {reward: {gold: {gt: 1}}, giverSlug: {eq: \"a\"}}, orderBy: {items: {count: ASC}}) { id } }",
            "Quest Quest.giver Quest.id Quest.reward QuestItem QuestItem.quest",
        ),
        (
            "{ items(orderBy: {seller: {sells: {count: DESC}}}) { sellerId } }",
            "Item Item.id Item.seller Npc Npc.id",
        ),
        (
            "{ questsGrouped(by: {reward: {title: VALUE}}, orderBy: {max: {reward: {gold: ASC}}}) { keys { reward { title } } } }",
            "Quest Quest.id Quest.reward",
        ),
        ("{ __typename }", ""),
    ] {
        let (catalog, plan) = testing::plan(query);
        let name = |part: crate::catalog::Part| {
            let entity = catalog.entity(part.entity);
            match part.field {
                Some(field) => format!("{}.{}", entity.name, entity.field(field).name),
                None => entity.name.clone(),
            }
        };
        let mut parts: Vec<String> = plan.read.parts(&catalog).into_iter().map(name).collect();
        parts.sort();
        assert_eq!(parts.join(" "), want, "{query}");
        assert!(plan.read.is_lasting());
    }
    let (_, plan) = testing::plan("{ freshness { rows } items { name } }");
    assert!(!plan.read.is_lasting());
}
