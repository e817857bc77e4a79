//! Conditions that ask for no value that stands in a row. Knows their errors.

use super::outcome;
use crate::graphql::{plan::Param, testing};

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
