//! Sums and means of groups: after each commit they are what all rows of the group give, and are
//! made without reading these again.

use std::collections::BTreeMap;

use super::{
    changes::{lines, open, plan},
    dice::{Dice, STEPS, rounds},
    rollups::row,
    *,
};
use crate::{
    catalog::Function,
    layout::{ColumnKind, EntityTables},
    value::Scalar,
};

on_both!(
    sums_and_means_are_those_of_all_rows,
    what_is_kept_tells_what_a_commit_makes_of_them,
    databases_from_before_get_what_is_kept,
);

const SALE: EntityId = EntityId(0);

const TEXT: &str = r#"
type Sale @f { id: ID! note: Int n: Int big: BigInt d: Decimal f: Float t: Duration other: Int }
type ByNote @rollup(of: "Sale", by: ["note"]) {
  id: ID! note: Int
  mean: Float @rollup(fn: AVG, field: "n")
  few: Float @rollup(fn: AVG, field: "n", where: {other: {gt: 1}})
  large: Decimal @rollup(fn: AVG, field: "big")
  price: Decimal @rollup(fn: AVG, field: "d")
  weight: Float @rollup(fn: AVG, field: "f")
  weighed: Float @rollup(fn: SUM, field: "f")
  took: Duration @rollup(fn: AVG, field: "t")
  taken: Duration @rollup(fn: SUM, field: "t")
}
"#;

#[derive(Clone, Debug)]
struct Sale {
    note: Option<i64>,
    other: i64,
    cells: [Value; 5],
}

impl Sale {
    fn roll(dice: &mut Dice) -> Sale {
        let pick = |dice: &mut Dice, of: &[&str]| dice.maybe(of.len() as u64).map(|at| of[at as usize].to_owned());
        // Three have more places than a mean has at least, and two of these add up to fewer.
        let decimals = [
            "0.1",
            "-2.5",
            "1234567890123456789.5",
            "0.0000000000000000000000005",
            "0.0000000000000000000000015",
            "7",
            "-0.0000000000000000000000001",
        ];
        let floats = [0.1, 0.2, -1e300, 1e300, 5e-324, 1.5, 204.899625, 1.7976931348623157e308];
        let whole = |dice: &mut Dice, times: i64| {
            let number = dice.maybe(9).map(|number| (number as i64 - 4) * times);
            number.map_or(Value::Null, Value::Int)
        };
        Sale {
            note: dice.maybe(3).map(|note| note as i64),
            other: dice.below(4) as i64,
            cells: [
                whole(dice, 1),
                whole(dice, i64::MAX / 5),
                pick(dice, &decimals).map_or(Value::Null, Value::Text),
                dice.maybe(floats.len() as u64)
                    .map_or(Value::Null, |at| Value::Float(floats[at as usize])),
                whole(dice, i64::MAX / 7),
            ],
        }
    }
}

fn rows_of(store: &Store, world: &BTreeMap<u64, Sale>) -> Vec<Row> {
    let sales = world.iter().map(|(id, sale)| {
        let [n, big, d, f, t] = sale.cells.clone();
        let cells = [
            ("id", text(&format!("x{id}"))),
            ("note", sale.note.map_or(Value::Null, Value::Int)),
            ("n", n),
            ("big", big),
            ("d", d),
            ("f", f),
            ("t", t),
            ("other", Value::Int(sale.other)),
        ];
        row(store, SALE, &cells, vec![], vec![])
    });
    sales.collect()
}

fn kind(tables: &EntityTables, name: &str) -> ColumnKind {
    let column = tables.table.columns.iter().find(|column| column.name == name);
    column.expect("a column").kind
}

/// How many groups have another value than all of their rows give, by the functions that queries
/// use; and those that are missing or too many.
async fn wrong(store: &Store) -> i64 {
    let (dialect, tables) = (store.context.dialect, store.context.layout.entity(SALE));
    let give = |function: Function, column: &str, of: &str| dialect.measure(function, of, kind(tables, column)).0;
    let given = [
        ("mean", give(Function::Avg, "n", "c.n")),
        ("few", give(Function::Avg, "n", "CASE WHEN c.other>1 THEN c.n END")),
        ("large", give(Function::Avg, "big", "c.big")),
        ("price", give(Function::Avg, "d", "c.d")),
        ("weight", give(Function::Avg, "f", "c.f")),
        ("weighed", give(Function::Sum, "f", "c.f")),
        ("took", give(Function::Avg, "t", "c.t")),
        ("taken", give(Function::Sum, "t", "c.t")),
    ];
    let values: String = given
        .iter()
        .map(|(name, value)| format!(",{value} AS w_{name}"))
        .collect();
    let differs: Vec<String> = given
        .iter()
        .map(|(name, _)| format!("g.{name} IS DISTINCT FROM s.w_{name}"))
        .collect();
    let groups = format!("(SELECT c.note{values} FROM sale AS c GROUP BY c.note)");
    let pairs = format!("by_note AS g JOIN {groups} AS s ON g.note IS NOT DISTINCT FROM s.note");
    let met = number(store, &format!("SELECT count(*) FROM {pairs}")).await;
    let stored = number(store, "SELECT count(*) FROM by_note").await;
    let wanted = number(store, "SELECT count(*) FROM (SELECT DISTINCT note FROM sale) AS n").await;
    let differ = number(
        store,
        &format!("SELECT count(*) FROM {pairs} WHERE {}", differs.join(" OR ")),
    )
    .await;
    differ + (stored - met).abs() + (wanted - met).abs()
}

async fn sums_and_means_are_those_of_all_rows(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, TEXT).await.expect("a store");
    let mut dice = Dice::new(5);
    let (mut world, mut had_fine) = (BTreeMap::<u64, Sale>::new(), 0);
    for step in 0..(rounds(on, 5, 2) * STEPS) as u32 {
        match dice.below(14) {
            0 => world.clear(),
            _ => (0..=dice.below(4)).for_each(|_| {
                let (id, next) = (dice.below(16), Sale::roll(&mut dice));
                match (dice.below(4), world.get_mut(&id)) {
                    (0, _) => drop(world.remove(&id)),
                    // To another group, with all that it has.
                    (1, Some(sale)) => sale.note = next.note,
                    (2, Some(sale)) => sale.other = next.other,
                    _ => drop(world.insert(id, next)),
                }
            }),
        }
        harvest(&store, "Sale", SALE, step, rows_of(&store, &world)).await;
        assert_eq!(wrong(&store).await, 0, "step {step}: {world:?}");
        had_fine += number(&store, "SELECT count(*) FROM by_note WHERE _fine_price>0").await;
    }
    assert!(had_fine > 0, "some had more places than a mean has at least");
}

/// A row that nobody wrote in the ordinary way is not seen, for no row of the group is read: what a
/// commit adds, takes away or changes is enough.
async fn what_is_kept_tells_what_a_commit_makes_of_them(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, TEXT).await.expect("a store");
    let sale = |id: &str, n: i64| {
        let cells = [
            ("id", text(id)),
            ("note", Value::Int(1)),
            ("n", Value::Int(n)),
            ("d", text(&n.to_string())),
            ("f", Value::Float(n as f64)),
            ("t", Value::Int(n)),
            ("other", Value::Int(2)),
        ];
        row(&store, SALE, &cells, vec![], vec![])
    };
    harvest(&store, "Sale", SALE, 0, vec![sale("a", 1), sale("b", 2)]).await;
    run(&store, "UPDATE sale SET n=1000,f=1000,t=1000 WHERE id='a'").await;
    let told = "SELECT concat(mean,' ',few,' ',price,' ',weight,' ',weighed,' ',took,' ',taken) FROM by_note";
    let stored = async || {
        let line = lines(&store, told).await.concat();
        // SQLite writes doubles with a point.
        line.replace(".0 ", " ")
    };
    // One comes: 1, 2 and 6. The one that was changed behind our back stays as it was harvested.
    harvest(&store, "Sale", SALE, 1, vec![sale("a", 1), sale("b", 2), sale("c", 6)]).await;
    assert_eq!(stored().await, "3 3 3 3 9 3 9");
    // One changes: 1, 5 and 6.
    harvest(&store, "Sale", SALE, 2, vec![sale("a", 1), sale("b", 5), sale("c", 6)]).await;
    assert_eq!(stored().await, "4 4 4 4 12 4 12");
    // One goes: 1 and 5.
    harvest(&store, "Sale", SALE, 3, vec![sale("a", 1), sale("b", 5)]).await;
    assert_eq!(stored().await, "3 3 3 3 6 3 6");
    // Seen at last where all is computed anew.
    assert_eq!(number(&store, "SELECT n FROM sale WHERE id='a'").await, 1000);
}

/// What is kept comes as steps of the layout, and is computed of what is stored.
async fn databases_from_before_get_what_is_kept(on: On) {
    const OWN: &str = "type Sale @f { id: ID! note: Int n: Int }\n\
        type ByNote @rollup(of: \"Sale\", by: [\"note\"]) { id: ID! note: Int sales: Int! @rollup(fn: COUNT) MEAN }";
    let with = OWN.replace("MEAN", "mean: Float @rollup(fn: AVG, field: \"n\")");
    let place = Place::new(on);
    let sale = |store: &Store, id: &str, n: i64| {
        let cells = [("id", text(id)), ("note", Value::Int(1)), ("n", Value::Int(n))];
        row(store, SALE, &cells, vec![], vec![])
    };
    let first = open(&place.url, Access::Write, &OWN.replace("MEAN", ""))
        .await
        .expect("a store");
    harvest(
        &first,
        "Sale",
        SALE,
        0,
        vec![sale(&first, "a", 1), sale(&first, "b", 2)],
    )
    .await;
    first.close().await;
    let kept = "+ ByNote (what sums and means go on from): new field, computed of what is stored";
    let steps = plan(&place.url, &with).await;
    assert_eq!(steps, ["+ ByNote.mean: new field, computed of what is stored", kept]);
    let second = open(&place.url, Access::Write, &with).await.expect("a store");
    assert_eq!(lines(&second, "SELECT CAST(mean AS TEXT) FROM by_note").await, ["1.5"]);
    harvest(
        &second,
        "Sale",
        SALE,
        1,
        vec![sale(&second, "a", 1), sale(&second, "b", 2), sale(&second, "c", 4)],
    )
    .await;
    let mean = "SELECT CAST(CAST(mean*3 AS BIGINT) AS TEXT) FROM by_note";
    assert_eq!(lines(&second, mean).await, ["7"]);
    let tables = second.context.layout.entity(EntityId(1));
    assert_eq!(kind(tables, "_total_mean"), ColumnKind::Scalar(Scalar::Decimal));
}
