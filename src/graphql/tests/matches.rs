//! Where in a row something of a search stands, as clients ask for it: in lists, pages and live
//! queries, with variables, and where there is nothing to tell. How words are found in a text is
//! tested in `query::excerpt`.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{ask, next, request};
use crate::{
    graphql::{
        Answered, Limits,
        testing::{Farm, item},
    },
    store::testing::{On, on_both},
};

on_both!(
    excerpts_stand_beside_rows,
    variables_say_what_is_shown,
    excerpts_are_refused_where_nothing_is_searched_for,
    many_excerpts_have_an_end,
);

async fn farm(on: On, limits: Limits) -> Farm {
    let farm = Farm::stocked_on(on, limits).await;
    let items = vec![
        item("s1", "Iron <sword>", Some(1.0), &["t1"]),
        item("s2", "Old iron & \"iron\" rust", Some(2.0), &["t1"]),
    ];
    farm.load("Item", items).await;
    farm
}

async fn excerpts_stand_beside_rows(on: On) {
    let limits = Limits {
        answer_cache: 1 << 20,
        ..Limits::default()
    };
    let farm = farm(on, limits).await;
    let query = "{
        items(search: \"iron sw*\") { id m: searchMatches { __typename field text html parts { __typename text found } } }
        tags { items(search: \"rust\", where: {price: {gt: 1}}) { searchMatches(words: 1) { t: text } } }
        itemsConnection(search: \"iron\", first: 1) {
          edges { node { searchMatches { html(before: \"<b>\", after: null) } } } nodes { searchMatches { text } }
        }
        t: tags { itemsConnection(search: \"sword\") { nodes { ...f } } }
    } fragment f on Item { searchMatches { field } }";
    let want = json!({
        "items": [{ "id": "s1", "m": [{
            "__typename": "SearchMatch", "field": "name", "text": "Iron <sword>",
            "html": "<mark>Iron</mark> &lt;<mark>sword</mark>&gt;",
            "parts": [
                { "__typename": "SearchMatchPart", "text": "Iron", "found": true },
                { "__typename": "SearchMatchPart", "text": " <", "found": false },
                { "__typename": "SearchMatchPart", "text": "sword", "found": true },
                { "__typename": "SearchMatchPart", "text": ">", "found": false },
            ],
        }] }],
        "tags": [{ "items": [{ "searchMatches": [{ "t": "…rust" }] }] }, { "items": [] }],
        "itemsConnection": {
            "edges": [{ "node": { "searchMatches": [{ "html": "Old <b>iron</mark> &amp; &quot;<b>iron</mark>&quot; rust" }] } }],
            "nodes": [{ "searchMatches": [{ "text": "Old iron & \"iron\" rust" }] }],
        },
        "t": [{ "itemsConnection": { "nodes": [{ "searchMatches": [{ "field": "name" }] }] } }, { "itemsConnection": { "nodes": [] } }],
    });
    // The second time it is kept.
    for _ in 0..2 {
        let answer = ask(&farm, query, json!({})).await;
        assert_eq!(answer["data"], want, "{answer}");
    }
    let shown = "{ items(search: \"iron\", where: {id: {eq: \"s1\"}}) { searchMatches { text } } }";
    let tag = async |has: &[_]| match farm.api.answer(Arc::new(request(shown, json!({}))), has).await {
        Answered::New(_, tag) => (true, tag.expect("a tag")),
        Answered::Same(tag) => (false, tag),
    };
    let (_, first) = tag(&[]).await;
    assert!(!tag(&[first]).await.0);
    let live = "subscription { items(search: \"iron\", first: 1) { searchMatches { text } } }";
    let mut answers = farm.current().answers(request(live, json!({})));
    let text = |answer: &Json| answer["data"]["items"][0]["searchMatches"][0]["text"].clone();
    assert_eq!(text(&next(&mut answers).await), "Old iron & \"iron\" rust");
    let items = vec![
        item("s1", "Iron <shield>", Some(1.0), &["t1"]),
        item("s2", "New iron, iron", Some(2.0), &["t1"]),
    ];
    farm.load("Item", items).await;
    assert_eq!(text(&next(&mut answers).await), "New iron, iron");
    assert!(tag(&[first]).await.0, "the text is another one");
}

async fn variables_say_what_is_shown(on: On) {
    let farm = farm(on, Limits::default()).await;
    let query = "query ($s: String, $w: Int, $b: String, $a: String) {
        items(search: $s, where: {id: {in: [\"s1\", \"s2\"]}}) { searchMatches(words: $w) { html(before: $b, after: $a) } }
    }";
    for (variables, want) in [
        (
            json!({ "s": "sword", "w": 1, "b": "[", "a": "]" }),
            json!([["…&lt;[sword]&gt;"]]),
        ),
        (
            json!({ "s": "rust", "w": 2, "b": "", "a": "" }),
            json!([["…&quot;iron&quot; rust"]]),
        ),
        (
            json!({ "s": "rust", "w": null }),
            json!([["Old iron &amp; &quot;iron&quot; <mark>rust</mark>"]]),
        ),
        (json!({ "s": null, "w": 1 }), json!([[], []])),
        (json!({}), json!([[], []])),
    ] {
        let answer = ask(&farm, query, variables.clone()).await;
        let items = answer["data"]["items"].as_array().expect("a list").iter();
        let shown = items.map(|item| {
            let matches = item["searchMatches"].as_array().expect("a list").iter();
            matches.map(|one| one["html"].clone()).collect::<Json>()
        });
        assert_eq!(shown.collect::<Json>(), want, "{variables}: {answer}");
    }
    for (variables, want) in [
        (json!({ "s": "sword", "w": 0 }), "an excerpt has 1 to 100 words, not 0"),
        (
            json!({ "s": "sword", "w": 101 }),
            "items.searchMatches.words ($w): an excerpt has 1 to 100 words",
        ),
        (
            json!({ "s": "sword", "b": "x".repeat(201) }),
            "html.before ($b): it has 201 bytes, at most 200",
        ),
    ] {
        let answer = ask(&farm, query, variables).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(want), "{want} is not in {answer}");
    }
}

async fn excerpts_are_refused_where_nothing_is_searched_for(on: On) {
    let farm = farm(on, Limits::default()).await;
    for (query, place) in [
        (
            "{ items { searchMatches { text } } }",
            "items.searchMatches: nothing is searched for here",
        ),
        (
            "{ a: item(id: \"s1\") { b: searchMatches { text } } }",
            "a.b: nothing is searched for here",
        ),
        (
            "{ items(search: \"iron\") { tags { items { searchMatches { text } } } } }",
            "items.tags.items.searchMatches: nothing is searched for here",
        ),
        (
            "{ itemsConnection { nodes { ...f } } items(search: \"iron\") { ...f } } fragment f on Item { searchMatches { text } }",
            "itemsConnection.nodes.searchMatches: nothing",
        ),
        (
            "{ items(search: \"iron\") { requiredFor { item { searchMatches { text } } } } }",
            "items.requiredFor.item.searchMatches: nothing",
        ),
        ("{ npcs { searchMatches { text } } }", "searchMatches"),
    ] {
        let answer = ask(&farm, query, json!({})).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(place), "{place} is not in {answer}");
    }
}

/// The same excerpt under many names would be more than the texts that it is of.
async fn many_excerpts_have_an_end(on: On) {
    let limits = Limits {
        answer_bytes: 12_000,
        ..Limits::default()
    };
    let farm = farm(on, limits).await;
    let all: String = (0..100).map(|number| format!("h{number}: html(before: $b) ")).collect();
    let query = format!("query ($b: String) {{ items(search: \"sword\") {{ searchMatches {{ {all} }} }} }}");
    let answer = ask(&farm, &query, json!({ "b": "x".repeat(200) })).await;
    let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("answer_bytes"), "{answer}");
}
