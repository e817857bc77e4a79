//! Golden plans: `tests/cases/graphql/plans/*.graphql`, each with its variables and what is expected of it.

use apollo_compiler::{request::coerce_variable_values, response::JsonMap};

use super::{Plan, plan, shape};
use crate::graphql::{ApiError, Limits, Served, digits, gate, keep_digits, testing};

struct Case {
    plan: Result<Plan, ApiError>,
    shape: u128,
    variables: JsonMap,
}

fn run(query: &str, variables: &str) -> Result<Case, Vec<ApiError>> {
    let catalog = testing::catalog();
    let served = Served::of(&catalog).expect("the farm's schema");
    let limits = Limits::default();
    let document = gate::admit(&served, &limits, query)?;
    let operation = document.operations.get(None).expect("one operation");
    let variables = keep_digits(variables.as_bytes());
    let variables: JsonMap = serde_json::from_slice(&variables).expect("variables as JSON");
    let variables = digits::settled(&served.schema, operation, &variables);
    let variables = coerce_variable_values(&served.schema, operation, &variables).map_err(|error| {
        vec![ApiError::new(
            crate::graphql::Code::BadUserInput,
            error.message().to_string(),
        )]
    })?;
    Ok(Case {
        plan: plan(&catalog, &served, &limits, &document, operation, &variables),
        shape: shape(&served.schema, operation, &variables, false),
        variables: variables.into_inner(),
    })
}

/// The plan with the parameters' values, or the first error.
fn outcome(query: &str, variables: &str) -> String {
    let case = match run(query, variables) {
        Ok(case) => case,
        Err(errors) => return format!("{}: {}\n", errors[0].code.as_str(), errors[0].message),
    };
    let bound = case.plan.and_then(|plan| {
        let params = plan.params.iter().map(|param| param.bind(&case.variables));
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
            "{ items(where: null) { id } }",
            "{}",
            "items.where: null is no filter; leave it out or give {} to match every row, or ask not: {…: {}} for a missing link",
        ),
        (
            "{ items(where: {seller: null}) { id } }",
            "{}",
            "items.where.seller: null is no filter; leave it out or give {} to match every row, or ask not: {…: {}} for a missing link",
        ),
        (
            "{ items(where: {price: null}) { id } }",
            "{}",
            "items.where.price: null is no condition; leave it out, or use isNull",
        ),
        (
            "{ items(where: {id: {in: null}}) { id } }",
            "{}",
            "items.where.id.in: null is no list of values; use isNull",
        ),
        (
            "{ items(where: {or: null}) { id } }",
            "{}",
            "items.where.or: null is no list of filters; leave it out",
        ),
        (
            "{ items(first: -1) { id } }",
            "{}",
            "items.first: -1 is negative; give 0 or more",
        ),
        (
            "query($n: Int) { items(offset: $n) { id } }",
            "{\"n\": -5}",
            "items.offset: -5 is negative; give 0 or more",
        ),
        (
            "query($t: DateTime) { items(where: {soldAt: {gt: $t}}) { id } }",
            "{\"t\": \"soon\"}",
            "items.where.soldAt.gt: expected",
        ),
        (
            "{ items(orderBy: {id: ASC, name: ASC}) { id } }",
            "{}",
            "items.orderBy: exactly one member with a value must be given, found 2",
        ),
        (
            "{ items(orderBy: {}) { id } }",
            "{}",
            "items.orderBy: exactly one member with a value must be given, found 0",
        ),
        (
            "{ npcBy(key: {id: \"1\", slug: \"a\"}) { id } }",
            "{}",
            "npcBy.key: exactly one member with a value must be given, found 2",
        ),
        (
            "{ items(where: {requiredFor: {some: {item: {seller: null}}}}) { id } }",
            "{}",
            "items.where.requiredFor.some.item.seller: null",
        ),
        (
            "query($w: ItemWhere) { items(where: {and: [$w]}) { id } }",
            "{}",
            "items.where.and: a variable in the list was not given",
        ),
        (
            "query($x: Float) { items(where: {price: {eq: $x}}) { id } }",
            "{}",
            "items.where.price.eq: $x was not given",
        ),
        (
            "query($x: [ID!]) { items(where: {or: [{id: {ne: \"1\", in: $x}}]}) { id } }",
            "{}",
            "items.where.or.id.in: $x was not given",
        ),
        (
            "query($x: TagWhere) { items(where: {tags: {some: $x}}) { id } }",
            "{}",
            "items.where.tags.some: $x was not given",
        ),
        (
            "query($x: Boolean) { items(where: {price: {isNull: $x}}) { id } }",
            "{}",
            "items.where.price.isNull: $x was not given",
        ),
    ];
    for (query, variables, want) in cases {
        let got = outcome(query, variables);
        let want = format!("BAD_USER_INPUT: {want}");
        assert!(got.starts_with(&want), "{query}\n got {got}\nwant {want}");
    }
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
    let query = "query($id: ID, $where: ItemWhere, $deep: Boolean = true) {
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
