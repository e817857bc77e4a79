//! Since when a past is kept, what is refused of it, what its moments are, and how it is read.

use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use serde_json::json;

use super::{
    ask,
    histories::{definition, shown},
    json_of, request,
};
use crate::{
    graphql::{
        Answered, Limits,
        testing::{Farm, golden, row},
    },
    store::{
        Access,
        testing::{On, last_moment, on_both},
    },
    value::{Key, Row, Value},
};

on_both!(
    the_past_begins_and_ends_with_the_definition,
    moments_only_grow,
    what_is_refused,
    a_nested_row_that_comes_later_is_a_version_of_its_owner,
    how_the_past_is_read,
    what_is_settled_stays,
);

async fn the_past_begins_and_ends_with_the_definition(on: On) {
    const PLAIN: &str = "type Item @f { id: ID! name: String tags: [Tag!]! @ref }\ntype Tag @f @history { id: ID! }";
    let kept = PLAIN.replace("type Item @f", "type Item @f @history");
    let item = |id: &str, name: &str, tags: &[&str]| {
        let tags = tags.iter().map(|tag| Key::text(*tag)).collect();
        Row::new(
            vec![Value::Text(id.to_owned()), Value::Text(name.to_owned())],
            vec![tags],
            vec![],
        )
    };
    let farm = Farm::defined_on(on, PLAIN, Limits::default()).await;
    farm.load("Tag", vec![row(&["t"])]).await;
    farm.load("Item", vec![item("a", "one", &["t", "t"]), item("b", "two", &[])])
        .await;
    let farm = farm.redefined(&kept, Access::Write).await.expect("it opens");
    let began = last_moment(farm.api.store()).await;
    let all = "{ itemHistory(id: \"a\") { began until row { name } } }";
    let known = json!({ "began": "KNOWN", "until": null, "row": { "name": "one" } });
    assert_eq!(
        ask(&farm, all, json!({})).await,
        json!({ "data": { "itemHistory": [known] } })
    );
    farm.replace("Item", vec![item("a", "one", &["t"])]).await;
    let as_of = |moment: &str| format!("{{ items(asOf: \"{moment}\") {{ name tags {{ id }} }} }}");
    let t = json!({ "id": "t" });
    let want = json!([{ "name": "one", "tags": [t, t] }, { "name": "two", "tags": [] }]);
    assert_eq!(
        ask(&farm, &as_of(&began), json!({})).await,
        json!({ "data": { "items": want } })
    );
    let before = ask(&farm, &as_of("2020-01-01T00:00:00Z"), json!({})).await;
    let message = before["errors"][0]["message"].as_str().unwrap_or_default();
    assert_eq!(
        message,
        format!("the past of Item is kept since {began}; ask for that moment or a later one")
    );
    // What would be lost is said, and not done.
    let Err(refused) = farm.redefined(PLAIN, Access::Write).await else {
        panic!("the past was lost");
    };
    let refused = refused.to_string();
    assert!(
        refused.contains("- Item: its past is no longer kept; 3 versions are removed"),
        "{refused}"
    );
}

/// Whatever a clock does.
async fn moments_only_grow(on: On) {
    let text = "type Item @f @history { id: ID! name: String }";
    let farm = Farm::defined_on(on, text, Limits::default()).await;
    farm.load("Item", vec![row(&["a", "one"])]).await;
    let first = last_moment(farm.api.store()).await;
    farm.sql("UPDATE hayloft_feed_head SET history_at='2999-01-01T00:00:00.999999Z'");
    farm.load("Item", vec![row(&["a", "two"])]).await;
    assert_eq!(last_moment(farm.api.store()).await, "2999-01-01T00:00:01.000000Z");
    farm.load("Item", vec![row(&["a", "three"])]).await;
    let got = ask(
        &farm,
        "{ itemHistory(id: \"a\") { from until row { name } } }",
        json!({}),
    )
    .await;
    let version =
        |name: &str, from: &str, until: Option<&str>| json!({ "from": from, "until": until, "row": { "name": name } });
    let (second, third) = ("2999-01-01T00:00:01Z", "2999-01-01T00:00:01.000001Z");
    let want = [
        version("three", third, None),
        version("two", second, Some(third)),
        version("one", &shown(&first), Some(second)),
    ];
    assert_eq!(got, json!({ "data": { "itemHistory": want } }));
    let got = ask(&farm, "{ items(ago: \"PT0S\") { name } }", json!({})).await;
    assert_eq!(got, json!({ "data": { "items": [{ "name": "one" }] } }));
}

async fn what_is_refused(on: On) {
    let text = r#"
type Shop @f @history {
  id: ID! name: String @search parent: Shop sales: [Sale!]! @inverse(field: "shop") sold: Int! @rollup(of: "sales", fn: COUNT)
  above: [Shop!]! @closure(of: "parent") owner: Person
}
type Sale @f @history { id: ID! shop: Shop }
type Person @f { id: ID! }
"#;
    let farm = Farm::defined_on(on, text, Limits::default()).await;
    farm.load("Sale", vec![]).await;
    for (query, says) in [
        (
            "{ shops(AGO) { sold } }",
            "shops.ago: `Shop.sold` is computed of other rows (@rollup)",
        ),
        (
            "{ shops(where: {sold: {gt: 1}}, AGO) { id } }",
            "`Shop.sold` is computed of other rows",
        ),
        (
            "{ shops(orderBy: [{sold: ASC}], AGO) { id } }",
            "`Shop.sold` is computed of other rows",
        ),
        (
            "{ sales(AGO) { shop { sold } } }",
            "`Shop.sold` is computed of other rows",
        ),
        (
            "{ shops(AGO) { above { id } } }",
            "`Shop.above` leads over any number of steps",
        ),
        (
            "{ shops(orderBy: [{above: {count: ASC}}], AGO) { id } }",
            "`Shop.above` leads over any",
        ),
        (
            "{ shops(AGO) { owner { id } } }",
            "`Shop.owner` leads to rows of `Person`, whose past is not kept; leave it out, or add @history to `type Person`",
        ),
        (
            "{ shops(where: {owner: {isNull: true}}, AGO) { id } }",
            "`Shop.owner` leads to rows of `Person`",
        ),
        (
            "{ sales(where: {shop: {owner: {id: {eq: \"a\"}}}}, AGO) { id } }",
            "`Shop.owner` leads to rows",
        ),
        (
            "{ salesGrouped(by: [{shopKeys: {owner: ROW}}], AGO) { count } }",
            "`Shop.owner` leads to rows",
        ),
        (
            "{ shopsConnection(AGO) { aggregate { sum { sold } } } }",
            "`Shop.sold` is computed",
        ),
        (
            "{ shops(search: \"a\", AGO) { id } }",
            "words are searched (`search`) in the present alone",
        ),
        (
            "{ shops(asOf: \"2020-01-01T00:00:00Z\", AGO) { id } }",
            "shops.ago: a moment is said by `asOf` or by `ago`, not by both",
        ),
        (
            "{ shops(asOf: \"2999-01-01T00:00:00Z\") { id } }",
            "shops.asOf: 2999-01-01T00:00:00.000000Z is still to come",
        ),
        ("{ shops(asOf: \"yesterday\") { id } }", "shops.asOf"),
        (
            "{ shops(ago: \"yesterday\") { id } }",
            "shops.ago: expected a time such as 30s",
        ),
        (
            "{ shops(asOf: \"2020-01-01T00:00:00Z\") { id } }",
            "the past of Shop is kept since 2",
        ),
        (
            "{ shop(id: \"a\", asOf: \"2020-01-01T00:00:00Z\") { id } }",
            "the past of Shop is kept since 2",
        ),
        ("{ persons(AGO) { id } }", "ago"),
        (
            "{ shopHistory(id: \"a\") { row { parent { id } } } }",
            "shopHistory.row.parent: a version has the row's own values, and `parent` leads to other rows; ask `shop`",
        ),
        ("{ shopHistory(id: \"a\") { row { sold } } }", "`Shop.sold` is computed"),
        ("{ shopHistory(id: \"a\", first: -1) { from } }", "-1 is negative"),
        ("subscription { shops(AGO) { id } }", "ago"),
        ("subscription { shopHistory(id: \"a\") { from } }", "shopHistory"),
    ] {
        let query = query.replace("AGO", "ago: \"PT0S\"");
        let got = match query.starts_with("subscription") {
            true => super::next(&mut farm.current().answers(request(&query, json!({})))).await,
            false => ask(&farm, &query, json!({})).await,
        };
        let message = got["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{query}: {got}");
        assert_ne!(got["errors"][0]["extensions"]["code"], "INTERNAL", "{got}");
    }
    // Of a link to them the key is its own.
    for query in [
        "{ shops(ago: \"PT0S\") { ownerId } }",
        "{ shops(where: {ownerId: {isNull: true}}, ago: \"PT0S\") { id } }",
    ] {
        assert!(ask(&farm, query, json!({})).await.get("errors").is_none(), "{query}");
    }
    let query = "query($at: DateTime!) { shops(asOf: $at) { id } }";
    let got = ask(&farm, query, json!({ "at": "2999-01-01T00:00:00Z" })).await;
    assert!(got.to_string().contains("is still to come"), "{got}");
}

/// A row whose nested row was refused is the same when that comes.
async fn a_nested_row_that_comes_later_is_a_version_of_its_owner(on: On) {
    let text = "type Item @f @history { id: ID! lines: [Line!]! @nested }\n\
                type Line { item: Item! no: Int! @id code: String @unique }";
    let farm = Farm::defined_on(on, text, Limits::default()).await;
    let item = |id: &str, code: &str| {
        let [id, code] = [id, code].map(|text| Value::Text(text.to_owned()));
        let line = Row::new(vec![id.clone(), Value::Int(1), code], vec![], vec![]);
        Row::new(vec![id], vec![], vec![vec![line]])
    };
    farm.load("Item", vec![item("a", "x"), item("b", "x")]).await;
    let empty = last_moment(farm.api.store()).await;
    farm.load("Item", vec![item("a", "y"), item("b", "x")]).await;
    let query = "{ itemHistory(id: \"b\") { began changed } }";
    let want = json!([{ "began": "CHANGED", "changed": ["lines"] }, { "began": "NEW", "changed": [] }]);
    assert_eq!(
        ask(&farm, query, json!({})).await,
        json!({ "data": { "itemHistory": want } })
    );
    let query = format!("{{ item(id: \"b\", asOf: \"{empty}\") {{ lines {{ code }} }} }}");
    assert_eq!(
        ask(&farm, &query, json!({})).await,
        json!({ "data": { "item": { "lines": [] } } })
    );
}

/// Its plan in words and its SQL.
async fn how_the_past_is_read(on: On) {
    let farm = Farm::defined_on(on, &definition(false), Limits::default()).await;
    let moment = json!({ "at": "2026-11-21T03:20:00Z" });
    for (name, query) in [
        (
            "item",
            "query($at: DateTime) { item(id: \"i1\", asOf: $at) { name seller { name } } }",
        ),
        (
            "items",
            "query($at: DateTime) { items(where: {tags: {some: {label: {eq: \"l\"}}}}, orderBy: [{price: DESC}], first: 3, asOf: $at) \
             { name lines { amount } } }",
        ),
        (
            "pages",
            "query($at: DateTime) { itemsConnection(first: 3, asOf: $at) { totalCount nodes { id } } now: items(first: 1) { id } }",
        ),
        (
            "groups",
            "query($at: DateTime) { itemsGrouped(by: [{seller: ROW}], asOf: $at) { keys { seller { name } } count } }",
        ),
        (
            "versions",
            "{ itemHistory(id: \"i1\", first: 3) { from until began deleted changed row { name price } } }",
        ),
    ] {
        let bound = farm
            .api
            .bind(request(query, moment.clone()).into())
            .await
            .expect("a plan");
        let read = &bound.prepared.plan.read;
        let words = crate::graphql::describe::describe(&farm.api.0.catalog, read);
        let sql = farm.api.store().compile(read).expect("a statement").sql;
        golden(
            &format!("history/{name}.{}.txt", format!("{on:?}").to_lowercase()),
            &format!("{words}\n{sql}\n"),
        );
    }
}

/// An answer of the past alone is kept, and its name is good, whatever is written later, once a
/// later commit could not have come before its moment.
async fn what_is_settled_stays(on: On) {
    let limits = Limits {
        answer_cache: 1 << 20,
        ..Limits::default()
    };
    let text = "type Item @f @history { id: ID! name: String }";
    let farm = Farm::defined_on(on, text, limits).await;
    farm.replace("Item", vec![row(&["a", "one"])]).await;
    let moment = last_moment(farm.api.store()).await;
    let later = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    let query = |at: &str, more: &str| format!("{{ items(asOf: \"{at}\") {{ name }} {more} }}");
    let answer = async |query: &str, has: &[_]| {
        let before = farm.api.store().statements();
        let got = match farm.api.answer(Arc::new(request(query, json!({}))), has).await {
            Answered::New(got, tag) => (
                Some(json_of(&got)["data"]["items"][0]["name"].clone()),
                tag.expect("a tag"),
            ),
            Answered::Same(tag) => (None, tag),
        };
        // Of figures for estimates there may be some more.
        (got, farm.api.store().statements() > before)
    };
    let settled = query(&moment, "");
    let (first, ran) = answer(&settled, &[]).await;
    assert_eq!((&first.0, ran), (&Some(json!("one")), true));
    // Another moment beside it that no commit has passed, and the present.
    let open = query(&later, "");
    let both = query(&moment, &format!("then: items(asOf: \"{later}\") {{ name }}"));
    let beside = query(&moment, "now: items { name }");
    let mut before = Vec::new();
    for query in [&open, &both, &beside] {
        let ((name, tag), ran) = answer(query, &[]).await;
        assert_eq!((name, ran), (Some(json!("one")), true), "{query}");
        assert_eq!(answer(query, &[tag]).await, ((None, tag), false), "{query}");
        before.push(tag);
    }
    farm.replace("Item", vec![row(&["a", "two"])]).await;
    assert_eq!(answer(&settled, &[first.1]).await, ((None, first.1), false));
    assert_eq!(answer(&settled, &[]).await, (first.clone(), false));
    for (query, tag) in [&open, &both, &beside].into_iter().zip(before) {
        let ((name, other), ran) = answer(query, &[tag]).await;
        assert_eq!((name, ran), (Some(json!("one")), true), "{query}");
        assert_ne!(other, tag, "{query}");
    }
    // From now on they are settled, too, but for what is of the present.
    farm.replace("Item", vec![row(&["a", "three"])]).await;
    for (query, ran) in [(&open, false), (&both, false), (&beside, true)] {
        assert_eq!(answer(query, &[]).await.1, ran, "{query}");
    }
}
