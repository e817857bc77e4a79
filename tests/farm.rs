//! The farm from end to end: the stand-in's world over HTTP into each database and out as GraphQL, all of it compared.

use std::collections::BTreeMap;

use hayloft::demo::Upstream;
use serde_json::{Value, json};

use crate::harness::{Db, Farm, Socket, on_both};

on_both!(
    every_row_of_the_upstream_is_served,
    changes_and_deletions_follow,
    nested_reads_go_both_ways,
    lookups_filters_and_orders,
    a_subscription_pushes_only_what_changed,
    status_explain_and_harvest_tell_what_they_do
);

const WHOLE: &str = "{
  items { id name image price rarity seller { id } tags { id } }
  quests { id title reward { gold title } giver { slug } items { quantity item { id } } }
  npcs { id slug name home } tags { id name }
}";

/// The world as `WHOLE` must give it: what the definition says, worked out here by hand.
fn expected(upstream: &Upstream) -> Value {
    let world = upstream.world();
    let id = |value: &Value| value.to_string();
    // A Float without a fraction is served without a point.
    let float = |value: &Value| match value.as_f64() {
        Some(whole) if whole.fract() == 0.0 => json!(whole as i64),
        _ => value.clone(),
    };
    let by_id = |rows: &BTreeMap<u32, Value>, shape: &dyn Fn(&Value) -> Value| {
        let sorted: BTreeMap<String, Value> = rows.iter().map(|(key, row)| (key.to_string(), shape(row))).collect();
        sorted.into_values().collect::<Vec<Value>>()
    };
    let rarity = |text: &Value| match text.as_str() {
        Some("common" | "c") => "COMMON",
        Some("rare" | "r") => "RARE",
        _ => "EPIC",
    };
    let item = |row: &Value| {
        let seller = &row["seller_id"];
        let tags = row["tag_ids"].as_array().expect("tags");
        json!({
            "id": id(&row["id"]), "name": row["fullName"], "image": row["image"], "price": float(&row["price"]),
            "rarity": rarity(&row["rarity"]),
            "seller": if seller.is_null() { Value::Null } else { json!({ "id": id(seller) }) },
            "tags": tags.iter().map(|tag| json!({ "id": id(tag) })).collect::<Vec<_>>(),
        })
    };
    let quest = |row: &Value| {
        let needs = row["items"].as_array().expect("items");
        let need = |need: &Value| json!({ "quantity": need["quantity"], "item": { "id": id(&need["item"]) } });
        json!({
            "id": id(&row["id"]), "title": row["title"], "reward": row["reward"],
            "giver": { "slug": row["npc"]["slug"] },
            "items": needs.iter().map(need).collect::<Vec<_>>(),
        })
    };
    let npc =
        |row: &Value| json!({ "id": id(&row["id"]), "slug": row["slug"], "name": row["name"], "home": row["home"] });
    let tag = |row: &Value| json!({ "id": id(&row["id"]), "name": row["name"] });
    json!({
        "items": by_id(&world.items, &item), "quests": by_id(&world.quests, &quest),
        "npcs": by_id(&world.npcs, &npc), "tags": by_id(&world.tags, &tag),
    })
}

/// Waits until the whole farm is served as the upstream has it now.
async fn all_served(farm: &Farm) {
    let want = expected(&farm.upstream);
    farm.program
        .eventually("the farm is served as it is upstream", WHOLE, |data| *data == want)
        .await;
}

async fn every_row_of_the_upstream_is_served(db: Db) {
    let farm = Farm::start(db).await;
    all_served(&farm).await;
}

async fn changes_and_deletions_follow(db: Db) {
    let farm = Farm::start(db).await;
    all_served(&farm).await;
    {
        let mut world = farm.upstream.world();
        for id in [1, 5, 320] {
            world.move_price(id);
        }
        world.end_quest();
        world.end_quest();
        world.add_quest();
    }
    all_served(&farm).await;
}

async fn nested_reads_go_both_ways(db: Db) {
    let farm = Farm::start(db).await;
    all_served(&farm).await;
    let data = farm
        .program
        .query("{ items { id requiredFor { quantity quest { id items { item { id } quantity } } } } }")
        .await;
    let items = data["items"].as_array().expect("items");
    let mut links = 0;
    for item in items {
        for need in item["requiredFor"].as_array().expect("needs") {
            let lines = need["quest"]["items"].as_array().expect("lines");
            let own = lines
                .iter()
                .find(|line| line["item"]["id"] == item["id"])
                .expect("the way back");
            assert_eq!(own["quantity"], need["quantity"]);
            links += 1;
        }
    }
    let all: usize = farm
        .upstream
        .world()
        .quests
        .values()
        .map(|quest| quest["items"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(links, all);
}

async fn lookups_filters_and_orders(db: Db) {
    let farm = Farm::start(db).await;
    all_served(&farm).await;
    let data = farm
        .program
        .query(
            "query Q { item(id: \"7\") { id __typename } none: item(id: \"x\") { id } \
             npcBy(key: {slug: \"ada-beekeeper\"}) { id } \
             dear: items(where: {price: {gt: 200}, or: [{rarity: {eq: EPIC}}, {tags: {some: {name: {eq: \"gift\"}}}}]}, \
                         orderBy: [{price: DESC}], first: 5) { price rarity tags { name } } \
             sold: items(where: {seller: {slug: {startsWith: \"ada\"}}}) { seller { slug } } \
             unsold: items(where: {not: {seller: {}}}) { seller { slug } } }",
        )
        .await;
    assert_eq!(data["item"], json!({ "id": "7", "__typename": "Item" }));
    assert_eq!(data["none"], Value::Null);
    assert_eq!(data["npcBy"]["id"], "1");
    let dear = data["dear"].as_array().expect("dear");
    assert_eq!(dear.len(), 5);
    let prices: Vec<f64> = dear.iter().filter_map(|item| item["price"].as_f64()).collect();
    assert!(prices.windows(2).all(|pair| pair[0] >= pair[1]) && prices.iter().all(|price| *price > 200.0));
    let fits = |item: &Value| {
        item["rarity"] == "EPIC"
            || item["tags"]
                .as_array()
                .is_some_and(|tags| tags.contains(&json!({"name": "gift"})))
    };
    assert!(dear.iter().all(fits));
    let sellers = |key: &str| {
        data[key]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| item["seller"]["slug"].clone())
            .collect::<Vec<_>>()
    };
    assert!(!sellers("sold").is_empty());
    assert!(
        sellers("sold")
            .iter()
            .all(|slug| slug.as_str().is_some_and(|slug| slug.starts_with("ada")))
    );
    assert!(!sellers("unsold").is_empty() && sellers("unsold").iter().all(Value::is_null));
}

async fn a_subscription_pushes_only_what_changed(db: Db) {
    let farm = Farm::start(db).await;
    all_served(&farm).await;
    let mut socket = Socket::open(&format!("{}/graphql", farm.program.url)).await;
    socket
        .subscribe("one", "subscription { item(id: \"1\") { price } }")
        .await;
    let first = socket.next().await;
    assert_eq!(first["type"], "next", "{first}");
    let before = first["payload"]["data"]["item"]["price"].as_f64();
    // Another item's price must not push; then item 1's does. The next message is therefore item 1's new price.
    farm.upstream.world().move_price(2);
    let moved = expected(&farm.upstream);
    farm.program
        .eventually("item 2 moved", WHOLE, |data| *data == moved)
        .await;
    farm.upstream.world().move_price(1);
    let want = farm.upstream.world().items[&1]["price"].as_f64();
    let second = socket.next().await;
    assert_eq!(second["payload"]["data"]["item"]["price"].as_f64(), want, "{second}");
    assert_ne!(before, want);
    socket.send(json!({ "id": "one", "type": "complete" })).await;
}

async fn status_explain_and_harvest_tell_what_they_do(db: Db) {
    let farm = Farm::start(db).await;
    all_served(&farm).await;
    let url = farm.upstream.url();
    let environment = [("FARM_URL", url.as_str())];
    let status = farm.scratch.run(&["status"], &environment).await;
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(
        status.out.contains("Item") && status.out.contains("320"),
        "{}",
        status.out
    );
    let explain = farm
        .scratch
        .run(
            &["explain", "{ items(first: 2) { name requiredFor { quantity } } }"],
            &environment,
        )
        .await;
    assert_eq!(explain.code, Some(0), "{explain:?}");
    assert!(explain.out.contains("SELECT"), "{}", explain.out);
    assert!(explain.out.contains("\nreal:"), "{}", explain.out);
    assert_eq!(farm.program.terminate().await, Some(0));
    let harvest = farm.scratch.run(&["harvest"], &environment).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
    assert!(harvest.out.contains("complete"), "{}", harvest.out);
}
