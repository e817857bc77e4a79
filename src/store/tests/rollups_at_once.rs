//! Rollups whose rows and parents are written by two at once, and sums that outgrow their rows.

use futures_util::future::join;

use super::{
    changes::{lines, open},
    rollups::row,
    *,
};

on_both!(sums_that_their_rows_could_not_hold_are_exact);

const SHOP: EntityId = EntityId(0);
const SALE: EntityId = EntityId(1);

const TEXT: &str = r#"
type Shop @f {
  id: ID! sales: [Sale!]! @inverse(field: "shop")
  saleCount: Int! @rollup(of: "sales", fn: COUNT)
  any: Boolean! @rollup(of: "sales", fn: EXISTS)
  sold: BigInt @rollup(of: "sales", fn: SUM, field: "amount")
  size: Decimal @rollup(of: "sales", fn: SUM, field: "size")
  most: Int @rollup(of: "sales", fn: MAX, field: "amount")
}
type Sale @f { id: ID! shop: Shop amount: Int size: BigInt }
"#;

fn shop(store: &Store, id: u64) -> Row {
    row(store, SHOP, &[("id", text(&format!("s{id}")))], vec![], vec![])
}

fn sale(store: &Store, id: u64, shop: u64, amount: Option<i64>) -> Row {
    let (size, amount) = match amount {
        Some(amount) => (Value::Int(i64::MAX), Value::Int(amount)),
        None => (Value::Null, Value::Null),
    };
    let cells = [
        ("id", text(&format!("x{id:03}"))),
        ("shop_id", text(&format!("s{shop}"))),
        ("amount", amount),
        ("size", size),
    ];
    row(store, SALE, &cells, vec![], vec![])
}

/// New rows are added to what is stored, commit by commit; when rows go it is computed anew.
async fn sums_that_their_rows_could_not_hold_are_exact(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, TEXT).await.expect("a store");
    hurry(&store).await;
    harvest(&store, "Shop", SHOP, 0, vec![shop(&store, 0)]).await;
    let sums = "SELECT coalesce(CAST(sold AS TEXT),'none')||' '||coalesce(CAST(size AS TEXT),'none') FROM shop";
    let run = start(&store, "Sale", SALE, 1).await;
    let most = i64::from(i32::MAX);
    let brought = [
        (None, "none none"),
        (Some(most), "2147483647 9223372036854775807"),
        (None, "2147483647 9223372036854775807"),
        (Some(most), "4294967294 18446744073709551614"),
        (Some(-1), "4294967293 27670116110564327421"),
    ];
    for (id, (amount, want)) in (0..).zip(brought) {
        let one = rows(vec![sale(&store, id, 0, amount)]);
        store.commit_group(&run, one).await.expect("a commit");
        assert_eq!(lines(&store, sums).await, [want], "{id}");
    }
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    // Of a row without a value is no sum, however many had one before.
    for (minute, amount, want) in [(2, Some(3), "3 9223372036854775807"), (3, None, "none none")] {
        harvest(&store, "Sale", SALE, minute, vec![sale(&store, 1, 0, amount)]).await;
        assert_eq!(lines(&store, sums).await, [want]);
    }
}

/// Rounds of one who writes shops, some of which go and come again, and one who writes sales.
#[tokio::test]
async fn two_who_write_parents_and_rows_at_once_leave_them_exact() {
    const ROUNDS: u64 = 40;
    let place = Place::new(On::Postgres);
    let one = open(&place.url, Access::Write, TEXT).await.expect("a store");
    let other = open(&place.url, Access::Write, TEXT).await.expect("a store");
    let parents = async {
        for round in 0..ROUNDS {
            let there = (0..8).filter(|id| (id * 7 + round * 3) % 5 != 0);
            let shops = there.map(|id| shop(&one, id)).collect();
            harvest(&one, "Shop", SHOP, round as u32, shops).await;
        }
    };
    let children = async {
        for round in 0..ROUNDS {
            let there = (0..60).filter(|id| (id * 5 + round) % 7 != 0);
            let sales = there.map(|id| {
                let amount = (id % 4 != 0).then_some((id + round) as i64 - 40);
                sale(&other, id, (id + round / 3) % 8, amount)
            });
            let sales = sales.collect();
            harvest(&other, "Sale", SALE, round as u32, sales).await;
        }
    };
    join(parents, children).await;
    let of = |what: &str| format!("(SELECT {what} FROM sale AS c WHERE c.shop_id=p.id)");
    let computed = [
        ("sale_count", of("count(*)")),
        ("\"any\"", of("count(*)>0")),
        ("sold", of("sum(c.amount)")),
        ("size", of("sum(c.size)")),
        ("most", of("max(c.amount)")),
    ];
    let differs = computed.map(|(name, value)| format!("p.{name} IS DISTINCT FROM {value}"));
    let wrong = format!("SELECT count(*) FROM shop AS p WHERE {}", differs.join(" OR "));
    assert_eq!(number(&one, &wrong).await, 0);
    assert!(number(&one, "SELECT count(*) FROM shop WHERE sold<>0 AND size>0").await > 3);
}
