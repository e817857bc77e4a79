//! Rollups: after each commit they are what a reader would compute. Compares with rows in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    changes::{lines, open},
    dice::{Dice, STEPS, rounds},
    versions::Noted,
    *,
};

on_both!(
    rollups_are_what_a_reader_would_compute,
    only_what_a_rollup_goes_by_wakes_its_readers,
);

const SHOP: EntityId = EntityId(0);
const SALE: EntityId = EntityId(2);
const TAG: EntityId = EntityId(3);

const TEXT: &str = r#"
type Shop @f {
  id: ID! code: String @unique name: String
  lines: [Line!]! @nested
  sales: [Sale!]! @inverse(field: "shop")
  coded: [Sale!]! @inverse(field: "code")
  tags: [Tag!]! @ref
  ROLLUPS
}
type Line { shop: Shop! no: Int! @id price: Decimal }
type Sale @f { id: ID! shop: Shop code: Shop @ref(by: "code") amount: Int weight: Float kind: Kind at: Date note: String }
type Tag @f {
  id: ID! weight: Int shops: [Shop!]! @inverse(field: "tags")
  shopCount: Int! @rollup(of: "shops", fn: COUNT)
  named: Int! @rollup(of: "shops", fn: COUNT, where: {name: {eq: "n1"}})
  names: Int! @rollup(of: "shops", fn: COUNT_DISTINCT, field: "name")
}
enum Kind { A B }
"#;

const ROLLUPS: &str = r#"
  saleCount: Int! @rollup(of: "sales", fn: COUNT) @index
  sold: BigInt @rollup(of: "sales", fn: SUM, field: "amount")
  ofA: Int! @rollup(of: "sales", fn: COUNT, where: {kind: {eq: A}, amount: {gt: 2}})
  mean: Float @rollup(of: "coded", fn: AVG, field: "amount")
  codedCount: Int! @rollup(of: "coded", fn: COUNT)
  least: Int @rollup(of: "sales", fn: MIN, field: "amount")
  latest: Date @rollup(of: "sales", fn: MAX, field: "at")
  weight: Float @rollup(of: "sales", fn: SUM, field: "weight")
  kinds: Int! @rollup(of: "sales", fn: COUNT_DISTINCT, field: "kind")
  any: Boolean! @rollup(of: "sales", fn: EXISTS, where: {kind: {eq: B}})
  total: Decimal @rollup(of: "lines", fn: SUM, field: "price")
  lineCount: Int! @rollup(of: "lines", fn: COUNT)
  tagCount: Int! @rollup(of: "tags", fn: COUNT)
  tagged: BigInt @rollup(of: "tags", fn: SUM, field: "weight", where: {weight: {ne: 3}})
"#;

/// Some of them, and others under their names.
const OTHERS: &str = r#"
  saleCount: Int! @rollup(of: "sales", fn: COUNT, where: {kind: {eq: A}})
  least: Int @rollup(of: "sales", fn: MIN, field: "amount")
  any: Boolean! @rollup(of: "tags", fn: EXISTS)
"#;

#[derive(Clone, Debug, Default, PartialEq)]
struct Shop {
    code: Option<u64>,
    name: u64,
    lines: BTreeMap<u64, Option<u64>>,
    tags: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq)]
struct Sale {
    shop: Option<u64>,
    code: Option<u64>,
    amount: Option<i64>,
    weight: Option<i64>,
    kind: Option<char>,
    at: Option<u64>,
    note: u64,
}

/// What is stored.
#[derive(Clone, Default)]
struct World {
    shops: BTreeMap<u64, Shop>,
    sales: BTreeMap<u64, Sale>,
    tags: BTreeMap<u64, Option<i64>>,
}

const SHOPS: u64 = 6;
const SALES: u64 = 14;
const TAGS: u64 = 4;

impl World {
    /// Changes a few of them, and takes some out.
    fn roll(&mut self, dice: &mut Dice, of: EntityId) {
        for _ in 0..=dice.below(4) {
            match of {
                SHOP => self.roll_shop(dice),
                SALE => {
                    let id = dice.below(SALES);
                    let known = self.sales.get(&id).cloned();
                    match (dice.below(4), known) {
                        (0, _) => drop(self.sales.remove(&id)),
                        // What no rollup goes by.
                        (1, Some(sale)) => drop(self.sales.insert(
                            id,
                            Sale {
                                note: sale.note + 1,
                                ..sale
                            },
                        )),
                        (2, Some(sale)) => {
                            let amount = dice.maybe(6).map(|amount| amount as i64 - 2);
                            self.sales.insert(id, Sale { amount, ..sale });
                        }
                        _ => {
                            let sale = Sale {
                                shop: dice.maybe(SHOPS),
                                code: dice.maybe(SHOPS),
                                amount: dice.maybe(6).map(|amount| amount as i64 - 2),
                                weight: dice.maybe(9).map(|weight| weight as i64 - 4),
                                kind: dice.maybe(2).map(|kind| if kind == 0 { 'A' } else { 'B' }),
                                at: dice.maybe(9),
                                note: 0,
                            };
                            self.sales.insert(id, sale);
                        }
                    }
                }
                _ => {
                    let id = dice.below(TAGS);
                    match dice.below(3) {
                        0 => drop(self.tags.remove(&id)),
                        _ => drop(self.tags.insert(id, dice.maybe(5).map(|weight| weight as i64))),
                    }
                }
            }
        }
    }

    fn roll_shop(&mut self, dice: &mut Dice) {
        let id = dice.below(SHOPS);
        match dice.below(5) {
            0 => drop(self.shops.remove(&id)),
            // Two codes change places.
            1 => {
                let codes: Vec<Option<u64>> = self.shops.values().map(|shop| shop.code).collect();
                let turned = codes.iter().cycle().skip(1);
                self.shops
                    .values_mut()
                    .zip(turned)
                    .for_each(|(shop, code)| shop.code = *code);
            }
            _ => {
                let taken: BTreeSet<u64> = self.shops.values().filter_map(|shop| shop.code).collect();
                let shop = self.shops.entry(id).or_default();
                if shop.code.is_none() {
                    shop.code = dice.maybe(SHOPS).filter(|code| !taken.contains(code));
                }
                shop.name = dice.below(3);
                match dice.below(3) {
                    0 => shop.tags = (0..dice.below(4)).map(|_| dice.below(TAGS)).collect(),
                    1 => shop.lines = (0..dice.below(4)).map(|_| (dice.below(5), dice.maybe(50))).collect(),
                    _ => {}
                }
            }
        }
    }

    fn rows(&self, store: &Store, of: EntityId) -> Vec<Row> {
        let named = |prefix: char, id: u64| text(&format!("{prefix}{id}"));
        let or_null = |prefix: char, id: Option<u64>| id.map_or(Value::Null, |id| named(prefix, id));
        let int = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
        match of {
            SHOP => {
                let shops = self.shops.iter().map(|(id, shop)| {
                    let lines = shop.lines.iter().map(|(no, price)| {
                        let price = price.map_or(Value::Null, |price| text(&format!("0.{price:02}1")));
                        let cells = [
                            ("shop_id", named('s', *id)),
                            ("no", Value::Int(*no as i64)),
                            ("price", price),
                        ];
                        row(store, EntityId(1), &cells, vec![], vec![])
                    });
                    let lines = lines.collect();
                    let tags = shop.tags.iter().map(|tag| Key(vec![named('t', *tag)])).collect();
                    let cells = [
                        ("id", named('s', *id)),
                        ("code", or_null('c', shop.code)),
                        ("name", named('n', shop.name)),
                    ];
                    row(store, SHOP, &cells, vec![tags], vec![lines])
                });
                shops.collect()
            }
            SALE => {
                let sales = self.sales.iter().map(|(id, sale)| {
                    let cells = [
                        ("id", named('x', *id)),
                        ("shop_id", or_null('s', sale.shop)),
                        ("code_code", or_null('c', sale.code)),
                        ("amount", int(sale.amount)),
                        (
                            "weight",
                            sale.weight
                                .map_or(Value::Null, |weight| Value::Float(weight as f64 / 4.0)),
                        ),
                        ("kind", sale.kind.map_or(Value::Null, |kind| text(&kind.to_string()))),
                        (
                            "at",
                            sale.at.map_or(Value::Null, |at| text(&format!("2026-01-0{}", at + 1))),
                        ),
                        ("note", named('o', sale.note)),
                    ];
                    row(store, SALE, &cells, vec![], vec![])
                });
                sales.collect()
            }
            _ => {
                let tags = self.tags.iter();
                let tags = tags.map(|(id, weight)| {
                    let cells = [("id", named('t', *id)), ("weight", int(*weight))];
                    row(store, TAG, &cells, vec![], vec![])
                });
                tags.collect()
            }
        }
    }

    /// The rollups of all shops and tags, by row and column.
    fn computed(&self, rollups: &str) -> BTreeMap<(String, String), String> {
        let mut all = BTreeMap::new();
        for (id, shop) in &self.shops {
            let mut put = |name: &str, value: String| all.insert((format!("s{id}"), name.to_owned()), value);
            let sales: Vec<&Sale> = self.sales.values().filter(|sale| sale.shop == Some(*id)).collect();
            let coded: Vec<&Sale> = self
                .sales
                .values()
                .filter(|sale| sale.code.is_some() && sale.code == shop.code)
                .collect();
            let amounts = |sales: &[&Sale]| -> Vec<i64> { sales.iter().filter_map(|sale| sale.amount).collect() };
            let tags: Vec<Option<i64>> = shop.tags.iter().filter_map(|tag| self.tags.get(tag).copied()).collect();
            let some = |value: Option<String>| value.unwrap_or_default();
            if rollups == OTHERS {
                put(
                    "sale_count",
                    sales.iter().filter(|sale| sale.kind == Some('A')).count().to_string(),
                );
                put("least", some(amounts(&sales).iter().min().map(i64::to_string)));
                put("any", u8::from(!tags.is_empty()).to_string());
                continue;
            }
            put("sale_count", sales.len().to_string());
            let sum = |values: &[i64]| (!values.is_empty()).then(|| values.iter().sum::<i64>());
            put("sold", some(sum(&amounts(&sales)).map(|sum| sum.to_string())));
            let of_a = |sale: &&&Sale| sale.kind == Some('A') && sale.amount.is_some_and(|amount| amount > 2);
            put("of_a", sales.iter().filter(of_a).count().to_string());
            let values = amounts(&coded);
            put(
                "mean",
                some(sum(&values).map(|sum| number(sum as f64 / values.len() as f64))),
            );
            put("coded_count", coded.len().to_string());
            put("least", some(amounts(&sales).iter().min().map(i64::to_string)));
            let at = sales.iter().filter_map(|sale| sale.at).max();
            put("latest", some(at.map(|at| format!("2026-01-0{}", at + 1))));
            let weights: Vec<i64> = sales.iter().filter_map(|sale| sale.weight).collect();
            put("weight", some(sum(&weights).map(|sum| number(sum as f64 / 4.0))));
            let kinds: BTreeSet<char> = sales.iter().filter_map(|sale| sale.kind).collect();
            put("kinds", kinds.len().to_string());
            put(
                "any",
                u8::from(sales.iter().any(|sale| sale.kind == Some('B'))).to_string(),
            );
            let prices: Vec<i64> = shop
                .lines
                .values()
                .flatten()
                .map(|price| *price as i64 * 10 + 1)
                .collect();
            put("total", some(sum(&prices).map(|sum| number(sum as f64 / 1_000.0))));
            put("line_count", shop.lines.len().to_string());
            put("tag_count", tags.len().to_string());
            let weights: Vec<i64> = tags.into_iter().flatten().filter(|weight| *weight != 3).collect();
            put("tagged", some(sum(&weights).map(|sum| sum.to_string())));
        }
        for id in self.tags.keys() {
            let mut put = |name: &str, value: usize| all.insert((format!("t{id}"), name.to_owned()), value.to_string());
            let shops: Vec<&Shop> = self.shops.values().filter(|shop| shop.tags.contains(id)).collect();
            put("shop_count", shops.len());
            put("named", shops.iter().filter(|shop| shop.name == 1).count());
            put(
                "names",
                shops.iter().map(|shop| shop.name).collect::<BTreeSet<_>>().len(),
            );
        }
        all
    }
}

/// A number in one form, whichever database wrote it.
fn number(value: f64) -> String {
    format!("{:.9}", value + 0.0)
}

pub(super) fn row(
    store: &Store,
    of: EntityId,
    cells: &[(&str, Value)],
    links: Vec<Vec<Key>>,
    children: Vec<Vec<Row>>,
) -> Row {
    let tables = store.context.layout.entity(of);
    let cell = |name: &str| {
        cells
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone())
    };
    let columns = tables.table.columns.iter();
    let values = columns
        .map(|column| cell(&column.name).unwrap_or(Value::Null))
        .collect();
    Row::beside(&tables.apart(), values, links, children)
}

/// The rollups as they are stored.
async fn stored(store: &Store) -> BTreeMap<(String, String), String> {
    let mut all = BTreeMap::new();
    for of in [SHOP, TAG] {
        let tables = store.context.layout.entity(of);
        for column in tables.table.columns.iter().filter(|column| column.rollup.is_some()) {
            let kind = format!("{:?}", column.kind);
            let quoted = store.context.dialect.quote(&column.name);
            let value = match kind.contains("Boolean") {
                true => format!("CASE WHEN {quoted} THEN '1' ELSE '0' END"),
                false => format!("coalesce(CAST({quoted} AS TEXT),'')"),
            };
            let sql = format!("SELECT id||'='||{value} FROM {}", tables.table.name);
            for line in lines(store, &sql).await {
                let (id, value) = line.split_once('=').expect("a value");
                let value = match value.parse::<f64>() {
                    Ok(value) if kind.contains("Float") || kind.contains("Decimal") => number(value),
                    _ => value.to_owned(),
                };
                all.insert((id.to_owned(), column.name.clone()), value);
            }
        }
    }
    all
}

async fn logged(store: &Store, after: i64) -> BTreeSet<String> {
    let log = log_after(store, after).await.into_iter();
    log.map(|(_, key)| key).collect()
}

/// Loads, changes, deletions, links that move, rows that come after those that name them, and other
/// definitions.
async fn rollups_are_what_a_reader_would_compute(on: On) {
    let place = Place::new(on);
    let mut dice = Dice::new(7);
    let mut world = World::default();
    let (mut minute, mut before) = (0, BTreeMap::new());
    let definitions = [ROLLUPS, OTHERS, "", ROLLUPS].into_iter().cycle();
    for (round, rollups) in definitions.enumerate().take(rounds(on, 13, 4)) {
        let store = open(&place.url, Access::Write, &TEXT.replace("ROLLUPS", rollups)).await;
        let store = store.expect("a store");
        hurry(&store).await;
        let want = world.computed(rollups);
        let want: BTreeMap<_, _> = want
            .into_iter()
            .filter(|((id, _), _)| !rollups.is_empty() || !id.starts_with('s'))
            .collect();
        assert_eq!(stored(&store).await, want, "opened in round {round}");
        for step in 0..STEPS {
            let of = [SHOP, SALE, SALE, TAG][dice.below(4) as usize];
            let before_it: Vec<u64> = world.sales.keys().copied().collect();
            world.roll(&mut dice, of);
            // What a harvest deletes is another commit: a value may go and come back between both.
            let is_one = before_it.iter().all(|id| world.sales.contains_key(id));
            let fetch = ["Shop", "Line", "Sale", "Tag"][of.index()];
            let head = store.log_head().await.expect("a head").head;
            minute += 1;
            harvest(&store, fetch, of, minute, world.rows(&store, of)).await;
            let want = world.computed(rollups);
            let want: BTreeMap<_, _> = want
                .into_iter()
                .filter(|((id, _), _)| !rollups.is_empty() || !id.starts_with('s'))
                .collect();
            let now = stored(&store).await;
            assert_eq!(now, want, "round {round} step {step}: {fetch}");
            // A row whose rollup changed is a changed row, and no other one is.
            let differs = now
                .iter()
                .filter(|(key, value)| before.get(*key).is_some_and(|old| old != *value));
            let changed: BTreeSet<String> = differs.map(|((id, _), _)| format!("[\"{id}\"]")).collect();
            let logged = logged(&store, head).await;
            if step > 0 {
                assert!(
                    changed.is_subset(&logged),
                    "round {round} step {step}: {changed:?} {logged:?}"
                );
                if of == SALE && is_one {
                    let shops = logged.into_iter().filter(|key| key.starts_with("[\"s")).collect();
                    assert_eq!(changed, shops, "round {round} step {step}");
                }
            }
            before = now;
        }
        store.close().await;
    }
}

/// A value that no rollup goes by leaves who reads rollups asleep, and a harvest that brings the same
/// again finds nothing changed.
async fn only_what_a_rollup_goes_by_wakes_its_readers(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, &TEXT.replace("ROLLUPS", ROLLUPS)).await;
    let store = store.expect("a store");
    let mut noted = Noted::default();
    let mut world = World::default();
    world.shops.insert(1, Shop::default());
    harvest(&store, "Shop", SHOP, 0, world.rows(&store, SHOP)).await;
    let sale = Sale {
        shop: Some(1),
        code: None,
        amount: Some(4),
        weight: None,
        kind: Some('A'),
        at: None,
        note: 0,
    };
    world.sales.insert(1, sale.clone());
    noted.now(&store).await;
    let mut minute = 1;
    let mut changed = async |world: &World, noted: &mut Noted| {
        minute += 1;
        let (outcome, _) = harvest(&store, "Sale", SALE, minute, world.rows(&store, SALE)).await;
        (outcome.changed, noted.now(&store).await)
    };
    let names = [
        "Sale",
        "Shop.kinds",
        "Shop.least",
        "Shop.ofA",
        "Shop.saleCount",
        "Shop.sold",
    ];
    assert_eq!(
        changed(&world, &mut noted).await,
        (0, names.map(str::to_owned).to_vec())
    );
    world.sales.insert(
        1,
        Sale {
            note: 1,
            ..sale.clone()
        },
    );
    assert_eq!(changed(&world, &mut noted).await, (1, vec!["Sale.note".to_owned()]));
    world.sales.insert(
        1,
        Sale {
            amount: Some(5),
            note: 1,
            ..sale.clone()
        },
    );
    let names = ["Sale.amount", "Shop.least", "Shop.sold"];
    assert_eq!(
        changed(&world, &mut noted).await,
        (1, names.map(str::to_owned).to_vec())
    );
    assert_eq!(changed(&world, &mut noted).await, (0, Vec::new()));
    // The row with its rollups is the same to its record.
    let (outcome, _) = harvest(&store, "Shop", SHOP, 1, world.rows(&store, SHOP)).await;
    assert_eq!((outcome.changed, outcome.same), (0, 1));
}
