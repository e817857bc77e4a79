//! Types of groups: after each commit they have a row for each group of rows, and of each what a
//! reader would compute. Compares with rows in memory.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join;

use super::{
    changes::{lines, open, plan},
    dice::{Dice, STEPS, rounds},
    rollups::row,
    *,
};

on_both!(
    groups_are_what_a_reader_would_make,
    groups_of_long_values_have_short_keys,
    groups_come_and_go_with_the_definition,
);

pub(super) const SALE: EntityId = EntityId(1);

const TEXT: &str = r#"
type Shop @f { id: ID! totals: [ByShop!]! @inverse(field: "shop") }
type Sale @f INDEX { id: ID! shop: Shop kind: Kind place: Place note: String amount: Int size: Decimal other: String }
type Place { town: String zone: Int! }
enum Kind { A B }
type ByShop @rollup(of: "Sale", by: ["shop", "kind"]) {
  id: ID! shop: Shop kind: Kind
  sales: Int! @rollup(fn: COUNT) @index
  sold: BigInt @rollup(fn: SUM, field: "amount")
  low: Int @rollup(fn: MIN, field: "amount")
  high: Int @rollup(fn: MAX, field: "amount", where: {note: {ne: "n1"}})
  mean: Float @rollup(fn: AVG, field: "amount")
  notes: Int! @rollup(fn: COUNT_DISTINCT, field: "note")
  large: Boolean! @rollup(fn: EXISTS, where: {amount: {gt: 3}})
}
type ByTown @rollup(of: "Sale", by: BY) {
  id: ID! town: String area: Int note: String
  sales: Int! @rollup(fn: COUNT)
  sold: BigInt @rollup(fn: SUM, field: "amount")
  low: Int @rollup(fn: MIN, field: "amount")
  high: Int @rollup(fn: MAX, field: "amount", where: {note: {ne: "n1"}})
  mean: Float @rollup(fn: AVG, field: "amount")
  notes: Int! @rollup(fn: COUNT_DISTINCT, field: "note")
  large: Boolean! @rollup(fn: EXISTS, where: {amount: {gt: 3}})
}
type Total @rollup(of: "Sale") {
  id: ID!
  sales: Int! @rollup(fn: COUNT)
  sold: BigInt @rollup(fn: SUM, field: "amount")
  low: Int @rollup(fn: MIN, field: "amount")
  high: Int @rollup(fn: MAX, field: "amount", where: {note: {ne: "n1"}})
  mean: Float @rollup(fn: AVG, field: "amount")
  notes: Int! @rollup(fn: COUNT_DISTINCT, field: "note")
  large: Boolean! @rollup(fn: EXISTS, where: {amount: {gt: 3}})
}
"#;

/// What tells towns apart, in the order of the definition.
pub(super) const TOWNS: [&str; 2] = [
    r#"["place.town", "area: place.zone", "note"]"#,
    r#"["note", "place.town", "area: place.zone"]"#,
];

pub(super) fn definition(by: &str, index: &str) -> String {
    TEXT.replace("BY)", &format!("{by})")).replace("INDEX", index)
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sale {
    shop: Option<u64>,
    kind: Option<char>,
    place: Option<(Option<u64>, u64)>,
    note: Option<u64>,
    amount: Option<i64>,
    other: u64,
}

impl Sale {
    pub(super) fn roll(dice: &mut Dice) -> Sale {
        Sale {
            shop: dice.maybe(3),
            kind: dice.maybe(2).map(|kind| if kind == 0 { 'A' } else { 'B' }),
            place: dice.maybe(2).map(|zone| (dice.maybe(2), zone)),
            note: dice.maybe(3),
            amount: dice.maybe(7).map(|amount| amount as i64 - 2),
            other: 0,
        }
    }
}

pub(super) type World = BTreeMap<u64, Sale>;

pub(super) fn rows_of(store: &Store, world: &World) -> Vec<Row> {
    let named = |prefix: char, id: u64| text(&format!("{prefix}{id}"));
    let or_null = |prefix: char, id: Option<u64>| id.map_or(Value::Null, |id| named(prefix, id));
    let sales = world.iter().map(|(id, sale)| {
        let place = sale.place.map_or(Value::Null, |(town, zone)| {
            let town = town.map_or("null".to_owned(), |town| format!("\"t{town}\""));
            text(&format!("{{\"town\":{town},\"zone\":{zone}}}"))
        });
        let cells = [
            ("id", named('x', *id)),
            ("shop_id", or_null('s', sale.shop)),
            ("kind", sale.kind.map_or(Value::Null, |kind| text(&kind.to_string()))),
            ("place", place),
            ("note", or_null('n', sale.note)),
            ("amount", sale.amount.map_or(Value::Null, Value::Int)),
            ("other", named('o', sale.other)),
        ];
        row(store, SALE, &cells, vec![], vec![])
    });
    sales.collect()
}

/// What is computed of some sales.
fn computed(sales: &[&Sale]) -> String {
    let amounts: Vec<i64> = sales.iter().filter_map(|sale| sale.amount).collect();
    let some = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
    let sum = (!amounts.is_empty()).then(|| amounts.iter().sum::<i64>());
    let mean = sum.map(|sum| (sum as f64 * 1_000_000.0 / amounts.len() as f64).round() as i64);
    let others = sales.iter().filter(|sale| sale.note != Some(1));
    let notes: BTreeSet<u64> = sales.iter().filter_map(|sale| sale.note).collect();
    let large = amounts.iter().any(|amount| *amount > 3);
    format!(
        "{0}|{0}|{1}|{2}|{3}|{4}|{5}|{6}",
        sales.len(),
        some(sum),
        some(amounts.iter().min().copied()),
        some(others.filter_map(|sale| sale.amount).max()),
        some(mean),
        notes.len(),
        u8::from(large)
    )
}

/// The rows of all groups, by type and key.
pub(super) fn wanted(world: &World, by: &str) -> BTreeMap<(&'static str, String), String> {
    let json = |value: Option<String>| value.map_or("null".to_owned(), |value| format!("\"{value}\""));
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut groups: BTreeMap<(&'static str, String), (String, Vec<&Sale>)> = BTreeMap::new();
    for sale in world.values() {
        let shop = sale.shop.map(|shop| format!("s{shop}"));
        let kind = sale.kind.map(String::from);
        let key = format!("[{},{}]", json(shop.clone()), json(kind.clone()));
        let kept = format!("{}|{}", shown(shop), shown(kind));
        groups
            .entry(("by_shop", key))
            .or_insert((kept, Vec::new()))
            .1
            .push(sale);
        let town = sale.place.and_then(|(town, _)| town).map(|town| format!("t{town}"));
        let area = sale.place.map(|(_, zone)| zone.to_string());
        let note = sale.note.map(|note| format!("n{note}"));
        let number = area.clone().unwrap_or_else(|| "null".to_owned());
        let key = match by == TOWNS[0] {
            true => format!("[{},{number},{}]", json(town.clone()), json(note.clone())),
            false => format!("[{},{},{number}]", json(note.clone()), json(town.clone())),
        };
        let kept = format!("{}|{}|{}", shown(town), shown(area), shown(note));
        groups
            .entry(("by_town", key))
            .or_insert((kept, Vec::new()))
            .1
            .push(sale);
        let total = groups.entry(("total", "[]".to_owned())).or_default();
        total.1.push(sale);
    }
    let made = groups.into_iter();
    made.map(|(key, (kept, sales))| (key, format!("{kept}|{}", computed(&sales))))
        .collect()
}

/// The same as it is stored.
pub(super) async fn stored(store: &Store) -> BTreeMap<(&'static str, String), String> {
    let mut all = BTreeMap::new();
    for (table, kept) in [
        ("by_shop", &["shop_id", "kind"][..]),
        ("by_town", &["town", "area", "note"]),
        ("total", &[]),
    ] {
        let kept: Vec<String> = kept
            .iter()
            .map(|name| format!("coalesce(CAST({name} AS TEXT),'-')"))
            .collect();
        let numbers =
            ["_rows", "sales", "sold", "low", "high"].map(|name| format!("coalesce(CAST({name} AS TEXT),'-')"));
        let mean = "coalesce(CAST(CAST(round(mean*1000000) AS BIGINT) AS TEXT),'-')";
        let large = "CASE WHEN large THEN '1' ELSE '0' END";
        let sql = format!(
            "SELECT id||'='||{}||'|'||{}||'|'||{mean}||'|'||notes||'|'||{large} FROM {table}",
            if kept.is_empty() {
                "''".to_owned()
            } else {
                kept.join("||'|'||")
            },
            numbers.join("||'|'||")
        );
        for line in lines(store, &sql).await {
            let (id, values) = line.split_once('=').expect("a key");
            let known = all.insert((table, id.to_owned()), values.to_owned());
            assert_eq!(known, None, "two rows of {id}");
        }
    }
    all
}

/// What the log says of groups since.
pub(super) async fn logged(store: &Store, after: i64) -> BTreeSet<String> {
    let sql = format!(
        "SELECT type||' '||op||' '||row_key FROM hayloft_change_log WHERE seq>{after} AND type NOT IN ('Sale','Shop')"
    );
    lines(store, &sql).await.into_iter().collect()
}

/// What it has to say.
pub(super) fn changes(
    before: &BTreeMap<(&'static str, String), String>,
    now: &BTreeMap<(&'static str, String), String>,
) -> BTreeSet<String> {
    let named = |(table, id): &(&str, String), op: &str| {
        let name = match *table {
            "by_shop" => "ByShop",
            "by_town" => "ByTown",
            _ => "Total",
        };
        format!("{name} {op} {}", serde_json::json!([id]))
    };
    let here = now.iter().filter_map(|(key, value)| match before.get(key) {
        None => Some(named(key, "new")),
        Some(old) => (old != value).then(|| named(key, "changed")),
    });
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    here.chain(gone.map(|key| named(key, "gone"))).collect()
}

/// Loads, changes and deletions, and other ways to tell groups apart, with an index of the rows and
/// without.
async fn groups_are_what_a_reader_would_make(on: On) {
    let place = Place::new(on);
    let mut dice = Dice::new(11);
    let mut world = World::new();
    let (mut minute, mut before) = (0, BTreeMap::new());
    let index = "@index(fields: [\"note\", \"kind\"])";
    let definitions = [(TOWNS[0], ""), (TOWNS[1], index), (TOWNS[0], index)]
        .into_iter()
        .cycle();
    for (by, index) in definitions.take(rounds(on, 13, 4)) {
        let store = open(&place.url, Access::Write, &definition(by, index))
            .await
            .expect("a store");
        hurry(&store).await;
        assert_eq!(stored(&store).await, wanted(&world, by), "opened with {by}");
        for step in 0..STEPS {
            match dice.below(12) {
                0 => world.clear(),
                _ => (0..=dice.below(4)).for_each(|_| {
                    let id = dice.below(14);
                    match (dice.below(4), world.get_mut(&id)) {
                        (0, _) => drop(world.remove(&id)),
                        // What no group goes by.
                        (1, Some(sale)) => sale.other += 1,
                        (2, Some(sale)) => sale.amount = dice.maybe(7).map(|amount| amount as i64 - 2),
                        _ => drop(world.insert(id, Sale::roll(&mut dice))),
                    }
                }),
            }
            let head = store.log_head().await.expect("a head").head;
            minute += 1;
            harvest(&store, "Sale", SALE, minute, rows_of(&store, &world)).await;
            let now = stored(&store).await;
            assert_eq!(now, wanted(&world, by), "step {step} by {by}");
            if step > 0 {
                // A harvest is two commits, between which a value may go and come back.
                let (logged, wanted) = (logged(&store, head).await, changes(&before, &now));
                assert!(wanted.is_subset(&logged), "step {step}: {wanted:?} {logged:?}");
                let mut beside = logged.difference(&wanted);
                assert!(beside.all(|line| line.contains(" changed ")), "step {step}: {logged:?}");
            }
            before = now;
        }
        store.close().await;
    }
}

/// A key is bounded, whatever its group is told by.
async fn groups_of_long_values_have_short_keys(on: On) {
    const LONG: &str = "type Sale @f { id: ID! note: String }\n\
        type ByNote @rollup(of: \"Sale\", by: [\"note\"]) { id: ID! note: String sales: Int! @rollup(fn: COUNT) }";
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, LONG).await.expect("a store");
    let sale = |id: &str, note: &str| {
        row(
            &store,
            EntityId(0),
            &[("id", text(id)), ("note", text(note))],
            vec![],
            vec![],
        )
    };
    let long = "ä".repeat(5_000);
    let all = vec![
        sale("1", &long),
        sale("2", &format!("{long}x")),
        sale("3", &long),
        sale("4", &"ö".repeat(196)),
        sale("5", "a \"quoted\" one"),
    ];
    harvest(&store, "Sale", EntityId(0), 0, all).await;
    let sql = "SELECT id||' '||sales||' '||length(note) FROM by_note ORDER BY length(note)";
    let want = [
        "[\"a \\\"quoted\\\" one\"] 1 14".to_owned(),
        format!("[\"{}\"] 1 196", "ö".repeat(196)),
    ];
    let found = lines(&store, sql).await;
    assert_eq!(found[..2], want);
    let hash = |note: &str| {
        use sha2::Digest;
        let hash = sha2::Sha256::digest(format!("[\"{note}\"]"));
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(
        found[2..],
        [
            format!("{} 2 5000", hash(&long)),
            format!("{} 1 5001", hash(&format!("{long}x"))),
        ]
    );
}

/// A type of groups is made of what is stored, is nobody's to be harvested, and takes nothing with
/// it when it goes; and who does not know of it does not write beside it.
async fn groups_come_and_go_with_the_definition(on: On) {
    const ALONE: &str = "type Sale @f { id: ID! note: String }";
    let with = format!(
        "{ALONE}\ntype ByNote @rollup(of: \"Sale\", by: [\"note\"]) {{ id: ID! note: String sales: Int! @rollup(fn: COUNT) }}"
    );
    let place = Place::new(on);
    let first = open(&place.url, Access::Write, ALONE).await.expect("a store");
    let sale = |id: &str| {
        row(
            &first,
            EntityId(0),
            &[("id", text(id)), ("note", text("a"))],
            vec![],
            vec![],
        )
    };
    harvest(&first, "Sale", EntityId(0), 0, vec![sale("1"), sale("2")]).await;
    let steps = plan(&place.url, &with).await;
    assert_eq!(steps, ["+ ByNote: new type, computed of what is stored"]);
    if on == On::Sqlite {
        first.close().await;
        let second = open(&place.url, Access::Write, &with).await.expect("a store");
        assert_eq!(
            lines(&second, "SELECT id||' '||sales FROM by_note").await,
            ["[\"a\"] 2"]
        );
        second.close().await;
    } else {
        let second = open(&place.url, Access::Write, &with).await.expect("a store");
        assert_eq!(
            lines(&second, "SELECT id||' '||sales FROM by_note").await,
            ["[\"a\"] 2"]
        );
        let asked = StartRun {
            fetch: "Sale".to_owned(),
            entity: EntityId(0),
            slot: slot(9),
            reason: Reason::Hand,
            resume: Some(1),
        };
        let refused = first.start_run(&asked).await;
        assert!(matches!(refused, Err(StoreError::Replaced)), "{refused:?}");
        second.close().await;
        first.close().await;
    }
    assert_eq!(plan(&place.url, ALONE).await, ["- ByNote: type removed"]);
    let third = open(&place.url, Access::Write, ALONE).await.expect("a store");
    assert_eq!(number(&third, "SELECT count(*) FROM sale").await, 2);
}

/// Two who write rows of the same groups at once.
#[tokio::test]
async fn two_who_write_rows_of_the_same_groups_leave_them_exact() {
    const TWO: &str = "type Sale @f { id: ID! note: Int amount: Int }\n\
        type ByNote @rollup(of: \"Sale\", by: [\"note\"]) {\n\
          id: ID! note: Int sales: Int! @rollup(fn: COUNT) sold: BigInt @rollup(fn: SUM, field: \"amount\")\n\
          high: Int @rollup(fn: MAX, field: \"amount\")\n\
        }";
    const ROUNDS: u64 = 30;
    let place = Place::new(On::Postgres);
    let one = open(&place.url, Access::Write, TWO).await.expect("a store");
    let other = open(&place.url, Access::Write, TWO).await.expect("a store");
    let write = async |store: &Store, fetch: &'static str, from: u64| {
        for round in 0..ROUNDS {
            let run = start(store, fetch, EntityId(0), round as u32).await;
            let sales = (0..20).filter(|id| (id * 7 + round) % 5 != 0).map(|id| {
                let cells = [
                    ("id", text(&format!("{from}-{id}"))),
                    ("note", Value::Int(((id + round) % 6) as i64)),
                    ("amount", Value::Int((id * round) as i64)),
                ];
                row(store, EntityId(0), &cells, vec![], vec![])
            });
            let sales = rows(sales.collect());
            store.commit_group(&run, sales).await.expect("a commit");
            store
                .finish_run(&run, Finish::Failed { error: "so".to_owned() })
                .await
                .expect("an end");
        }
    };
    join(write(&one, "Sale", 0), write(&other, "Other", 1)).await;
    let wrong = "SELECT count(*) FROM by_note AS g WHERE g.sales<>(SELECT count(*) FROM sale AS c WHERE c.note=g.note) \
                 OR g.sold IS DISTINCT FROM (SELECT sum(c.amount) FROM sale AS c WHERE c.note=g.note) \
                 OR g.high IS DISTINCT FROM (SELECT max(c.amount) FROM sale AS c WHERE c.note=g.note)";
    assert_eq!(number(&one, wrong).await, 0);
    assert_eq!(number(&one, "SELECT count(*) FROM by_note").await, 6);
}
