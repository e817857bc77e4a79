//! Conditions that ask for no value that stands in a row. Knows their errors.

use super::outcome;
use crate::graphql::{
    Limits, Served, gate,
    plan::{Param, plan},
    read_json, testing,
};

/// A time ago is another one for each request, and none for a live query.
#[test]
fn times_ago() {
    let query = |text: &str| format!("{{ items(where: {{soldAt: {{since: \"{text}\"}}}}) {{ id }} }}");
    for (text, want) in [
        ("24", "items.where.soldAt.since: expected a time such as 30s"),
        ("-PT1S", "items.where.soldAt.since: expected a time such as 30s"),
        (
            "10000000d",
            "items.where.soldAt.since: P10000000D ago is before the year 0",
        ),
    ] {
        let got = outcome(&query(text), "{}");
        assert!(got.starts_with(&format!("BAD_USER_INPUT: {want}")), "{text}: {got}");
    }
    let given = "query($t: String) { items(where: {soldAt: {until: $t}}) { id } }";
    let got = outcome(given, r#"{"t": "soon"}"#);
    assert!(
        got.starts_with("BAD_USER_INPUT: items.where.soldAt.until ($t): expected a time"),
        "{got}"
    );
    let live = outcome(&format!("subscription {}", query("24h")), "{}");
    assert!(
        live.starts_with("BAD_USER_INPUT: items.where.soldAt.since: a live query is run again"),
        "{live}"
    );
    let (_, plan) = testing::plan(&query("24h"));
    assert!(plan.params.iter().any(Param::is_of_the_moment));
}

/// It stands alone right below a link, and needs its operand.
#[test]
fn rows_that_are_not_there() {
    // Beside other conditions null is as good as left out.
    assert_eq!(
        outcome(
            "{ items(where: {seller: {isNull: null, name: {eq: \"a\"}}}) { id } }",
            "{}"
        ),
        outcome("{ items(where: {seller: {name: {eq: \"a\"}}}) { id } }", "{}")
    );
    let good = "{ items(where: {seller: {isNull: true}}) { id } }";
    let same = "{ items(where: {not: {seller: {}}}) { id } }";
    assert_eq!(outcome(good, "{}"), outcome(same, "{}"));
    for (filter, want) in [
        ("{isNull: true}", "items.where.isNull: isNull stands alone"),
        (
            "{seller: {isNull: true, name: {eq: \"a\"}}}",
            "items.where.seller.isNull: a row that is not there",
        ),
        (
            "{seller: {or: [{isNull: true}]}}",
            "items.where.seller.or[0].isNull: isNull stands alone",
        ),
        (
            "{seller: {isNull: null}}",
            "items.where.seller.isNull: expected true or false",
        ),
        (
            "{seller: {isNull: $b}}",
            "items.where.seller.isNull: expected true or false",
        ),
        (
            "{requiredFor: {some: {quest: {reward: {isNull: $b}}}}}",
            "items.where.requiredFor.some.quest.reward.isNull: expected",
        ),
    ] {
        let head = if filter.contains("$b") {
            "query($b: Boolean)"
        } else {
            ""
        };
        let query = format!("{head} {{ items(where: {filter}) {{ id }} }}");
        let got = outcome(&query, "{}");
        assert!(got.starts_with(&format!("BAD_USER_INPUT: {want}")), "{filter}: {got}");
    }
}

/// A field of that name is one like others: null leaves it out.
#[test]
fn fields_that_are_called_is_null() {
    let catalog = crate::catalog::testing::catalog(
        "type A @f { id: ID! isNull: Boolean next: A v: V @select(jq: \".v\") }
         type V { isNull: Int }",
    );
    let planned = |filter: &str| {
        let plan = testing::plan_of(&catalog, &format!("{{ as(where: {filter}) {{ id }} }}"));
        plan.unwrap_or_else(|error| panic!("{filter}: {}", error.message))
    };
    for (filter, same) in [
        ("{isNull: null}", "{}"),
        ("{next: {isNull: null}}", "{next: {}}"),
        ("{not: {v: {isNull: null}}}", "{not: {v: {}}}"),
    ] {
        assert_eq!(planned(filter), planned(same), "{filter}");
    }
    let found = format!("{:?}", planned("{next: {isNull: {eq: true}}}"));
    assert!(found.contains("Compare"), "{found}");
}

/// What stands once in a text is one parameter, however often its fragment is spread; what stands
/// twice in it is two.
#[test]
fn places_are_parameters_once() {
    let query = "query($n: String!) {
        a: items { ...F } b: items { ...F }
        c: items(where: {name: {in: [$n, $n]}}) { id }
    }
    fragment F on Item { tags(where: {name: {in: [\"x\", \"x\"]}}) { id } }";
    let catalog = testing::catalog();
    let served = Served::of(&catalog).expect("a schema");
    let limits = Limits::default();
    let admitted = gate::admit(&served, &limits, query).expect("a good query");
    let operation = admitted.document.operations.get(None).expect("one operation");
    let variables = read_json(br#"{"n": "y"}"#).expect("variables");
    let literals = Some(&admitted.literals);
    let document = &admitted.document;
    let planned = plan(&catalog, &served, &limits, document, operation, &variables, literals);
    let params = planned.expect("a plan").params;
    let literals: Vec<_> = params.iter().map(Param::literal).collect();
    assert_eq!(literals, [Some(0), Some(1), None]);
}
