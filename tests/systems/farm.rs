//! The farm as a whole: its API, its wiki in HTML and its market in CSV, linked with each other, followed while they change, and
//! shared by processes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Example, System, the_page_tells_the_truth};
use crate::{
    definition::root,
    harness::{Db, Socket, eventually, on_both},
};

on_both!(
    three_upstreams_are_one_graph,
    what_changes_and_what_goes_is_followed_live,
    what_runs_and_when_is_told,
);

const FARM: Example = Example {
    name: "farm",
    variable: "FARM_URL",
    below: "",
};

/// Two pages and a half of items.
const SCALE: [&str; 2] = ["--scale", "130"];

/// All of its schedules replaced by one.
fn scheduled(every: &str) -> String {
    let mut definition = FARM.definition();
    for own in [
        "every: \"5s\"",
        "every: \"1m\"",
        "every: \"10m\"",
        "cron: \"0 * * * *\"",
    ] {
        assert!(definition.contains(own), "{own}");
        definition = definition.replace(own, &format!("every: \"{every}\""));
    }
    definition
}

fn list<'v>(value: &'v Value, member: &str) -> &'v Vec<Value> {
    value[member].as_array().expect("a list")
}

/// The key of a row as it is served.
fn key(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        id => json!(id.to_string()),
    }
}

fn linked(id: &Value) -> Value {
    match id {
        Value::Null => Value::Null,
        id => json!({ "id": key(id) }),
    }
}

/// A price with two places as a `Decimal` is served.
fn decimal(price: f64) -> String {
    let text = format!("{price:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

const WHOLE: &str = "{
  items { id name price rarity seller { id } tags { id } requiredFor { quantity quest { id } } sold cheapest
    lore { title text categories foundAt } market { day price sold } }
  quests { id title reward { gold title } giver { slug } items { quantity item { id } } }
  npcs { id slug home } tags { id name }
}";

/// The world as that must give it.
fn whole(truth: &Value) -> Value {
    let by_id = |rows: &[Value], id: fn(&Value) -> &Value, shape: &dyn Fn(&Value) -> Value| {
        let sorted: BTreeMap<String, Value> = rows.iter().map(|row| (id(row).to_string(), shape(row))).collect();
        sorted.into_values().collect::<Vec<Value>>()
    };
    let quests = list(truth, "quests");
    json!({
        "items": by_id(list(truth, "items"), |item| &item["record"]["id"], &|item| shown_item(item, quests)),
        "quests": by_id(quests, |quest| &quest["id"], &|quest| json!({
            "id": key(&quest["id"]), "title": quest["title"], "reward": quest["reward"],
            "giver": { "slug": quest["npc"]["slug"] },
            "items": list(quest, "items").iter()
                .map(|need| json!({ "quantity": need["quantity"], "item": linked(&need["item"]) }))
                .collect::<Vec<_>>(),
        })),
        "npcs": by_id(list(truth, "npcs"), |npc| &npc["id"], &|npc| {
            json!({ "id": key(&npc["id"]), "slug": npc["slug"], "home": npc["home"] })
        }),
        "tags": by_id(list(truth, "tags"), |tag| &tag["id"], &|tag| json!({ "id": key(&tag["id"]), "name": tag["name"] })),
    })
}

fn shown_item(item: &Value, quests: &[Value]) -> Value {
    let record = &item["record"];
    let rarity = match record["rarity"].as_str() {
        Some("common" | "c") => "COMMON",
        Some("rare") => "RARE",
        _ => "EPIC",
    };
    // In the order of the quests' keys, which are texts.
    let needs = quests.iter().flat_map(|quest| {
        let lines = list(quest, "items").iter();
        let own = lines.filter(|need| need["item"] == record["id"]);
        own.map(|need| {
            (
                quest["id"].to_string(),
                json!({ "quantity": need["quantity"], "quest": linked(&quest["id"]) }),
            )
        })
    });
    let needs: BTreeMap<String, Value> = needs.collect();
    let days = list(item, "days");
    let prices = days.iter().filter_map(|day| day["price"].as_f64());
    let sold: u64 = days.iter().filter_map(|day| day["sold"].as_u64()).sum();
    json!({
        "id": key(&record["id"]), "name": record["fullName"], "price": record["price"], "rarity": rarity,
        "seller": linked(&record["seller_id"]),
        "tags": list(record, "tag_ids").iter().map(linked).collect::<Vec<_>>(),
        "requiredFor": needs.into_values().collect::<Vec<_>>(),
        "sold": sold.to_string(),
        "cheapest": prices.min_by(f64::total_cmp).map(decimal),
        "lore": {
            "title": record["fullName"], "text": item["lore"], "categories": item["categories"], "foundAt": item["foundAt"],
        },
        "market": days.iter()
            .map(|day| json!({ "day": day["day"], "price": day["price"].as_f64().map(decimal), "sold": day["sold"] }))
            .collect::<Vec<_>>(),
    })
}

async fn three_upstreams_are_one_graph(db: Db) {
    let system = FARM.start_with(db, &[], &scheduled("366d")).await;
    let told = system.harvest().await;
    let want = whole(&system.upstream.truth().await);
    let program = system.serve().await;
    assert_eq!(program.query(WHOLE).await, want, "{told}");
    the_page_tells_the_truth("farm", &program).await;
}

async fn what_changes_and_what_goes_is_followed_live(db: Db) {
    let system = FARM.start_with(db, &SCALE, &scheduled("2s")).await;
    let program = system.serve().await;
    let before = whole(&system.upstream.truth().await);
    program.eventually("all is served", WHOLE, |data| *data == before).await;
    let mut dashboard = Socket::open(&format!("{}/graphql", program.url)).await;
    let shown = "{ quests { id title } }";
    dashboard.subscribe("quests", &format!("subscription {shown}")).await;
    assert_eq!(dashboard.next().await["payload"]["data"], program.query(shown).await);
    // Prices move, a quest goes, another one comes, and somebody edits the wiki.
    let step = system.upstream.step().await;
    let after = whole(&system.upstream.truth().await);
    assert_ne!(before, after, "{step}");
    program
        .eventually("all is served as it is now", WHOLE, |data| *data == after)
        .await;
    let want = program.query(shown).await;
    assert!(
        !want.to_string().contains(&format!("{{\"id\":{}", step["ended"])),
        "{step}: {want}"
    );
    while dashboard.next().await["payload"]["data"] != want {}
}

async fn what_runs_and_when_is_told(db: Db) {
    let system = FARM.start_with(db, &SCALE, &scheduled("366d")).await;
    let program = system.serve().await;
    let query = "{ freshness { name rows outcome completeAt } }";
    let types = ["Item", "Quest", "Npc", "Tag", "MarketDay"];
    let data = program
        .eventually("every type is complete", query, |data| {
            let complete = |name: &&str| {
                let mut rows = list(data, "freshness").iter();
                rows.any(|row| row["name"] == *name && row["outcome"] == "COMPLETE")
            };
            types.iter().all(complete)
        })
        .await;
    let rows = list(&data, "freshness").iter();
    let items = rows.clone().find(|row| row["name"] == "Item");
    assert_eq!(items.map(|row| &row["rows"]), Some(&json!(130)), "{data}");
    let status = system.scratch.must(&["status"], &[system.environment()]).await;
    for name in ["Item", "Item.lore", "Quest", "MarketDay", "with Item.lore"] {
        assert!(status.out.contains(name), "{name}: {}", status.out);
    }
}

/// Two processes on one database harvest each thing once, whichever of them does it, and both serve all of it.
#[tokio::test]
async fn processes_share_the_harvest() {
    let system: System = FARM.start_with(Db::Postgres, &SCALE, &scheduled("366d")).await;
    let (one, other) = tokio::join!(system.serve(), system.serve());
    let want = whole(&system.upstream.truth().await);
    for program in [&one, &other] {
        eventually("all is served", || async {
            (program.query(WHOLE).await == want).then_some(())
        })
        .await;
    }
    let wiki = system.upstream.asked_below("/wiki/").await;
    assert_eq!(
        [wiki.below, wiki.most],
        [130, 1],
        "each page of the wiki was asked for once"
    );
    let all = system.upstream.asked().await;
    assert_eq!(all.most, 1, "and so was each other address: {all:?}");
}

/// The definition that the program ships stands in the example line by line, so that nobody mends only one of the two.
#[test]
fn it_is_the_farm_that_the_program_ships_and_more() {
    let shipped = std::fs::read_to_string(root().join("schema.graphql")).expect("the shipped definition");
    let example = FARM.definition();
    let mut lines = example.lines();
    for line in shipped.lines().skip(1).filter(|line| !line.is_empty()) {
        assert!(
            lines.any(|other| other == line),
            "examples/farm/schema.graphql lacks this line of schema.graphql, or has it elsewhere: {line}"
        );
    }
}
