//! Rows as they were: every answer that was given once is given again `asOf` its moment, after
//! whatever came since; and what is said of versions, and refused.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::ask;
use crate::{
    catalog::Missing,
    graphql::{
        Limits,
        testing::{Farm, row},
    },
    store::{
        Access, Finish,
        testing::{On, last_moment, on_both},
    },
    value::{Key, Row, Value},
};

on_both!(answers_come_again_as_of_their_moment, what_a_version_says);

const TEXT: &str = r#"
type Item @f @history {
  id: ID! name: String EXTRA price: Int @index size: Size seller: Npc aliases: [String!] @index
  weight: Float note: String @private tags: [Tag!]! @ref lines: [Line!]! @nested
}
type Line { item: Item! no: Int! @id amount: Int }
type Npc @f @history { id: ID! name: String sells: [Item!]! @inverse(field: "seller") }
type Tag @f @history { id: ID! label: String items: [Item!]! @inverse(field: "tags") }
type Size { w: Int }
"#;

/// All that there is, and much that is made of it.
const QUERY: &str = r#"{
  items(orderBy: [{price: DESC}]AND) {
    id NAME price size { w } sellerId seller { id name } tags { id label } lines { no amount } aliases weight
    linesConnection { totalCount aggregate { sum { amount } } }
  }
  npcs(first: 100AND) { id name sells(orderBy: [{price: ASC}]) { id price } sellsConnection { totalCount aggregate { sum { price } } } }
  tags(first: 100AND) { id items(first: 2) { id seller { name } } itemsConnection(first: 1) { nodes { id } pageInfo { hasNextPage } } }
  itemsConnection(first: 3, where: {seller: {name: {eq: "n1"}}}AND) {
    totalCount nodes { id } pageInfo { endCursor } aggregate { count avg { price } }
  }
  itemsGrouped(by: [{seller: ROW}]AND) { keys { seller { id name } } count aggregate { max { price } } tagsAggregate { count } }
  item(id: "i1"AND) { nodeId lines { no } }
  linked: items(where: {tags: {some: {label: {eq: "l1"}}}, lines: {none: {amount: {gt: 5}}}}, first: 4, offset: 1AND) { id }
  cheap: items(where: {price: {lt: 3}}, orderBy: [{seller: {name: ASC}}, {tags: {count: DESC}}]AND) { id }
  called: items(where: {aliases: {has: "a"}}, first: 3AND) { id }
  lost: items(where: {seller: {isNull: true}, sellerId: {isNull: false}}AND) { id }
}"#;

pub(super) fn definition(renamed: bool) -> String {
    match renamed {
        false => TEXT.replace("EXTRA", ""),
        true => TEXT
            .replace("name: String EXTRA", "title: String @was(name: \"name\") extra: String")
            .replace("price: Int @index", "price: BigInt"),
    }
}

fn query(renamed: bool, moment: Option<&str>) -> String {
    let name = if renamed { "name: title" } else { "name" };
    let and = moment.map_or(String::new(), |moment| format!(", asOf: \"{moment}\""));
    let text = QUERY.replace("NAME", name).replace("AND)", &format!("{and})"));
    // A whole number of another type, which is written as text.
    match renamed {
        false => text,
        true => text.replace("price: {lt: 3}", "price: {lt: \"3\"}"),
    }
}

#[derive(Clone, PartialEq)]
struct Item {
    name: Option<u32>,
    price: Option<i64>,
    size: Option<i64>,
    seller: Option<u32>,
    aliases: Option<bool>,
    weight: Option<f64>,
    note: u32,
    tags: Vec<u32>,
    lines: BTreeMap<i64, Option<i64>>,
}

fn maybe(random: &mut StdRng, end: u32) -> Option<u32> {
    random.random_bool(0.7).then(|| random.random_range(0..end))
}

impl Item {
    fn roll(random: &mut StdRng) -> Item {
        let whole = |random: &mut StdRng, end| maybe(random, end).map(i64::from);
        Item {
            name: maybe(random, 3),
            price: whole(random, 6),
            size: whole(random, 3),
            seller: maybe(random, 4),
            aliases: maybe(random, 2).map(|one| one == 0),
            weight: [None, Some(0.0), Some(-0.0), Some(1.5)]
                .choose(random)
                .copied()
                .flatten(),
            note: random.random_range(0..3),
            tags: (0..random.random_range(0..3))
                .map(|_| random.random_range(0..4))
                .collect(),
            lines: (0..random.random_range(0..3))
                .map(|no| (no, whole(random, 9)))
                .collect(),
        }
    }

    fn row(&self, id: u32, renamed: bool) -> Row {
        let text = |letter: char, of: Option<u32>| of.map_or(Value::Null, |of| Value::Text(format!("{letter}{of}")));
        let int = |of: Option<i64>| of.map_or(Value::Null, Value::Int);
        let document = |text: String| Value::Text(text);
        let key = Value::Text(format!("i{id}"));
        let mut values = vec![key.clone(), text('m', self.name)];
        values.extend(renamed.then(|| Value::Text("new".to_owned())));
        values.extend([
            int(self.price),
            self.size.map_or(Value::Null, |w| document(format!("{{\"w\":{w}}}"))),
            text('n', self.seller),
            self.aliases.map_or(Value::Null, |one| {
                document(format!("[\"{}\"]", if one { "a" } else { "b" }))
            }),
            self.weight.map_or(Value::Null, Value::Float),
            Value::Text(format!("{}", self.note)),
        ]);
        let tags = self.tags.iter().map(|tag| Key::text(format!("t{tag}"))).collect();
        let line = |(no, amount): (&i64, &Option<i64>)| {
            Row::new(vec![key.clone(), Value::Int(*no), int(*amount)], vec![], vec![])
        };
        Row::new(values, vec![tags], vec![self.lines.iter().map(line).collect()])
    }

    /// What anybody may see of its own.
    fn shown(&self, id: u32, renamed: bool) -> Json {
        json!({
            "id": format!("i{id}"),
            "name": self.name.map(|name| format!("m{name}")),
            "price": self.price.map(|price| if renamed { json!(price.to_string()) } else { json!(price) }),
            "size": self.size.map(|w| json!({ "w": w })),
            "sellerId": self.seller.map(|seller| format!("n{seller}")),
        })
    }
}

/// A version as it should be: all but its end is known when it begins.
#[derive(Debug)]
struct Version {
    from: String,
    until: Option<String>,
    deleted: bool,
    began: &'static str,
}

/// What was stored, answered and kept.
#[derive(Default)]
struct World {
    items: BTreeMap<u32, Item>,
    /// What the store has: deletions come with the end of a run.
    stored: BTreeMap<u32, Item>,
    answers: Vec<(String, Json)>,
    versions: BTreeMap<u32, Vec<(Version, Item)>>,
}

impl World {
    /// Notes what came of a commit.
    async fn note(&mut self, farm: &Farm, renamed: bool, now: BTreeMap<u32, Item>) {
        let moment = last_moment(farm.api.store()).await;
        let ids: BTreeSet<u32> = self.stored.keys().chain(now.keys()).copied().collect();
        for id in ids {
            let (was, is) = (self.stored.get(&id), now.get(&id));
            let is_same = match (was, is) {
                // The two zeros are not the same text.
                (Some(was), Some(is)) => was == is && was.weight.map(f64::to_bits) == is.weight.map(f64::to_bits),
                _ => false,
            };
            if is_same {
                continue;
            }
            let versions = self.versions.entry(id).or_default();
            if was.is_some()
                && let Some((last, _)) = versions.last_mut()
            {
                last.until = Some(moment.clone());
                last.deleted = is.is_none();
            }
            if let Some(item) = is {
                let version = Version {
                    from: moment.clone(),
                    until: None,
                    deleted: false,
                    began: if was.is_some() { "CHANGED" } else { "NEW" },
                };
                versions.push((version, item.clone()));
            }
        }
        self.stored = now;
        let answer = ask(farm, &query(renamed, None), json!({})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        self.answers.push((moment, answer));
    }

    async fn step(&mut self, farm: &Farm, renamed: bool, random: &mut StdRng) {
        match random.random_range(0..5) {
            0 => {
                let npcs = (0..4).filter(|_| random.random_bool(0.8));
                let npcs: Vec<u32> = npcs.collect();
                let rows = npcs.iter().map(|id| {
                    let name = format!("n{}", random.random_range(0..3));
                    row(&[&format!("n{id}"), &name])
                });
                let rows = rows.collect();
                self.load(farm, renamed, "Npc", rows, random.random_bool(0.5)).await;
            }
            1 => {
                let tags = (0..4).filter(|_| random.random_bool(0.8));
                let tags: Vec<u32> = tags.collect();
                let rows = tags.iter().map(|id| {
                    let label = format!("l{}", random.random_range(0..3));
                    row(&[&format!("t{id}"), &label])
                });
                let rows = rows.collect();
                self.load(farm, renamed, "Tag", rows, random.random_bool(0.5)).await;
            }
            _ => {
                for _ in 0..random.random_range(0..4) {
                    let id = random.random_range(0..7);
                    match random.random_range(0..4) {
                        0 => drop(self.items.remove(&id)),
                        _ => drop(self.items.insert(id, Item::roll(random))),
                    }
                }
                let rows = self.items.iter().map(|(id, item)| item.row(*id, renamed)).collect();
                self.load(farm, renamed, "Item", rows, true).await;
            }
        }
    }

    /// A load of two commits: what came or changed, then what went.
    async fn load(&mut self, farm: &Farm, renamed: bool, entity: &str, rows: Vec<Row>, all: bool) {
        let run = farm.begin(entity, rows).await;
        let mut now = self.stored.clone();
        if entity == "Item" {
            now.extend(self.items.clone());
        }
        self.note(farm, renamed, now).await;
        let finish = Finish::Complete {
            missing: if all { Missing::Delete } else { Missing::Keep },
            missing_max: 1.0,
            told: Default::default(),
        };
        farm.api.store().finish_run(&run, finish).await.expect("an end");
        let now = if entity == "Item" {
            self.items.clone()
        } else {
            self.stored.clone()
        };
        self.note(farm, renamed, now).await;
    }

    /// Asks for everything again.
    async fn check(&self, farm: &Farm, renamed: bool, answers: &[(String, Json)]) {
        for (moment, want) in answers {
            let got = ask(farm, &query(renamed, Some(moment)), json!({})).await;
            assert_eq!(&got, want, "as of {moment}");
        }
    }

    async fn check_versions(&self, farm: &Farm, renamed: bool) {
        for (id, versions) in &self.versions {
            let name = if renamed { "name: title" } else { "name" };
            let query = format!(
                "{{ itemHistory(id: \"i{id}\") {{ from until began deleted row {{ id {name} price size {{ w }} sellerId }} }} }}"
            );
            let got = ask(farm, &query, json!({})).await;
            let want = versions.iter().rev().map(|(version, item)| {
                json!({
                    "from": shown(&version.from), "until": version.until.as_deref().map(shown), "began": version.began,
                    "deleted": version.deleted, "row": item.shown(*id, renamed),
                })
            });
            let want: Vec<Json> = want.collect();
            assert_eq!(got, json!({ "data": { "itemHistory": want } }), "i{id}");
        }
    }
}

/// A moment as an answer has it: without the zeros that end its fraction.
pub(super) fn shown(moment: &str) -> String {
    let digits = moment.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.');
    format!("{digits}Z")
}

async fn answers_come_again_as_of_their_moment(on: On) {
    let environment = crate::config::Environment::of_process();
    let seed = environment.get("HAYLOFT_SEED").and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(85);
    let random = &mut StdRng::seed_from_u64(seed);
    let farm = Farm::defined_on(on, &definition(false), Limits::default()).await;
    let mut world = World::default();
    for step in 0..20 {
        world.step(&farm, false, random).await;
        if step % 5 == 4 {
            world.check(&farm, false, &world.answers).await;
        }
    }
    world.check_versions(&farm, false).await;
    // Names, types and fields are others; what was known is not.
    let farm = farm
        .redefined(&definition(true), Access::Write)
        .await
        .expect("it opens");
    let old: Vec<(String, Json)> = std::mem::take(&mut world.answers);
    for (moment, want) in &old {
        let got = ask(&farm, &query(true, Some(moment)), json!({})).await;
        let [got, want] = [&got, want].map(|answer| answer["data"]["linked"].clone());
        assert_eq!(got, want, "as of {moment}");
    }
    // The new field has a value from the next load on: a version of each row begins with it.
    let rows = world.items.iter().map(|(id, item)| item.row(*id, true)).collect();
    farm.load("Item", rows).await;
    let moment = last_moment(farm.api.store()).await;
    for versions in world.versions.values_mut() {
        let (last, item) = versions.last_mut().expect("a version");
        if !last.deleted {
            last.until = Some(moment.clone());
            let version = Version {
                from: moment.clone(),
                until: None,
                deleted: false,
                began: "CHANGED",
            };
            let item = item.clone();
            versions.push((version, item));
        }
    }
    for _ in 0..8 {
        world.step(&farm, true, random).await;
    }
    world.check(&farm, true, &world.answers).await;
    world.check_versions(&farm, true).await;
}

async fn what_a_version_says(on: On) {
    let farm = Farm::defined_on(on, &definition(false), Limits::default()).await;
    let mut item = Item {
        name: Some(1),
        price: Some(1),
        size: None,
        seller: None,
        aliases: None,
        weight: None,
        note: 0,
        tags: vec![1],
        lines: BTreeMap::new(),
    };
    farm.replace("Item", vec![item.row(1, false)]).await;
    item.price = Some(2);
    item.size = Some(3);
    farm.replace("Item", vec![item.row(1, false)]).await;
    item.tags.push(2);
    farm.replace("Item", vec![item.row(1, false)]).await;
    item.lines.insert(1, Some(4));
    farm.replace("Item", vec![item.row(1, false)]).await;
    item.note = 5;
    farm.replace("Item", vec![item.row(1, false)]).await;
    farm.replace("Item", vec![]).await;
    farm.replace("Item", vec![item.row(1, false)]).await;
    let query = "{ itemHistory(id: \"i1\") { began deleted changed is: __typename row { price __typename nodeId } } }";
    let got = ask(&farm, query, json!({})).await;
    let versions = got["data"]["itemHistory"].as_array().expect("versions");
    let said = |version: &Json| {
        (
            version["began"].clone(),
            version["deleted"].clone(),
            version["changed"].clone(),
        )
    };
    let said: Vec<_> = versions.iter().map(said).collect();
    let want = [
        ("NEW", false, json!([])),
        ("CHANGED", true, json!([])),
        ("CHANGED", false, json!(["lines"])),
        ("CHANGED", false, json!(["tags"])),
        ("CHANGED", false, json!(["price", "size"])),
        ("NEW", false, json!([])),
    ];
    assert_eq!(
        said,
        want.map(|(began, deleted, changed)| (json!(began), json!(deleted), changed))
    );
    assert_eq!(
        (&versions[0]["is"], &versions[0]["row"]["__typename"]),
        (&json!("ItemVersion"), &json!("Item"))
    );
    let page = ask(
        &farm,
        "{ itemHistory(id: \"i1\", first: 2, offset: 1) { began } }",
        json!({}),
    )
    .await;
    assert_eq!(
        page,
        json!({ "data": { "itemHistory": [{ "began": "CHANGED" }, { "began": "CHANGED" }] } })
    );
    let none = ask(&farm, "{ itemHistory(id: \"i2\") { from } }", json!({})).await;
    assert_eq!(none, json!({ "data": { "itemHistory": [] } }));
}
