//! What a commit does to rollups: which parents it computes anew, in which order it tells of them,
//! and that values which are there twice stay when one goes.

use super::{
    changes::{lines, open},
    rollups::row,
    *,
};

on_both!(
    what_goes_computes_its_parents_alone,
    sums_are_shifted,
    different_values_are_counted_as_often_as_they_are_there,
    parents_are_told_in_the_order_of_their_keys,
);

const SHOP: EntityId = EntityId(0);
const SALE: EntityId = EntityId(1);

const TEXT: &str = r#"
type Shop @f {
  id: ID! sales: [Sale!]! @inverse(field: "shop")
  least: Int @rollup(of: "sales", fn: MIN, field: "amount")
  most: Int @rollup(of: "sales", fn: MAX, field: "amount")
  mean: Float @rollup(of: "sales", fn: AVG, field: "amount")
  kinds: Int! @rollup(of: "sales", fn: COUNT_DISTINCT, field: "kind")
}
type Sale @f INDEX { id: ID! shop: Shop amount: Int kind: String }
type ByKind @rollup(of: "Sale", by: ["kind"]) {
  id: ID! kind: String
  least: Int @rollup(fn: MIN, field: "amount")
  most: Int @rollup(fn: MAX, field: "amount")
  mean: Float @rollup(fn: AVG, field: "amount")
  kinds: Int! @rollup(fn: COUNT_DISTINCT, field: "kind")
}
"#;

const SHOPS: &str = "SELECT concat_ws(' ',id,least,most,CAST(mean AS INTEGER),kinds) FROM shop ORDER BY id";
const KINDS: &str = "SELECT concat_ws(' ',kind,least,most,CAST(mean AS INTEGER),kinds) FROM by_kind ORDER BY kind";

const SUMS: &str = r#"
type Shop @f {
  id: ID! sales: [Sale!]! @inverse(field: "shop")
  total: BigInt @rollup(of: "sales", fn: SUM, field: "amount")
  weight: Decimal @rollup(of: "sales", fn: SUM, field: "weight")
  count: Int! @rollup(of: "sales", fn: COUNT)
}
type Sale @f { id: ID! shop: Shop amount: Int weight: Decimal }
"#;

const SUMMED: &str = "SELECT concat_ws(' ',id,coalesce(CAST(total AS TEXT),'-'),coalesce(CAST(weight AS TEXT),'-'),count) \
                      FROM shop ORDER BY id";

async fn shops(store: &Store, of: &[&str]) {
    let all = of
        .iter()
        .map(|id| row(store, SHOP, &[("id", text(id))], vec![], vec![]));
    harvest(store, "Shop", SHOP, 0, all.collect()).await;
}

/// Sales by their shop, kind and amount.
async fn sales(store: &Store, minute: u32, of: &[(&str, &str, &str, i64)]) {
    let all = of.iter().map(|(id, shop, kind, amount)| {
        let cells = [
            ("id", text(id)),
            ("shop_id", text(shop)),
            ("kind", text(kind)),
            ("amount", Value::Int(*amount)),
        ];
        row(store, SALE, &cells, vec![], vec![])
    });
    harvest(store, "Sale", SALE, minute, all.collect()).await;
}

/// A value that is wrong in all parents is right again where it was computed anew, and only there.
async fn what_goes_computes_its_parents_alone(on: On) {
    for index in ["", "@index(fields: [\"kind\", \"amount\"])"] {
        let place = Place::new(on);
        let definition = TEXT.replace("INDEX", index);
        let store = open(&place.url, Access::Write, &definition).await.expect("a store");
        shops(&store, &["a", "b", "c"]).await;
        let all = [
            ("1", "a", "x", 1),
            ("2", "a", "x", 5),
            ("3", "a", "x", 9),
            ("4", "b", "y", 2),
            ("5", "c", "z", 4),
        ];
        sales(&store, 1, &all).await;
        assert_eq!(lines(&store, SHOPS).await, ["a 1 9 5 1", "b 2 2 2 1", "c 4 4 4 1"]);
        assert_eq!(lines(&store, KINDS).await, ["x 1 9 5 1", "y 2 2 2 1", "z 4 4 4 1"]);
        for table in ["shop", "by_kind"] {
            let writer = store.context.writer().expect("a writer");
            let sql = format!("UPDATE {table} SET least=70,most=70,mean=70,kinds=70");
            writer
                .execute(store.context.params().query(sql))
                .await
                .expect("wrong values");
        }
        // The least one of one shop goes: what is greater is left alone.
        sales(&store, 2, &all[1..]).await;
        assert_eq!(
            lines(&store, SHOPS).await,
            ["a 5 70 7 1", "b 70 70 70 70", "c 70 70 70 70"],
            "{index}"
        );
        assert_eq!(
            lines(&store, KINDS).await,
            ["x 5 70 7 1", "y 70 70 70 70", "z 70 70 70 70"],
            "{index}"
        );
        // One moves to another parent, where it is only compared with what is stored, and cannot have
        // been the greatest one of its own, as that is greater.
        let mut moved = all[1..].to_vec();
        moved[3].1 = "b";
        moved[3].2 = "y";
        sales(&store, 3, &moved).await;
        assert_eq!(lines(&store, SHOPS).await[1..], ["b 4 70 3 1", "c 70 0"], "{index}");
        assert_eq!(lines(&store, KINDS).await, ["x 5 70 7 1", "y 4 70 3 1"], "{index}");
    }
}

/// What a sum loses and gains is added to it. It is null where no value is left, and not where those
/// that are left add up to nothing.
async fn sums_are_shifted(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, SUMS).await.expect("a store");
    shops(&store, &["a", "b"]).await;
    let load = async |minute: u32, of: &[(&str, &str, Option<i64>, &str)]| {
        let all = of.iter().map(|(id, shop, amount, weight)| {
            let cells = [
                ("id", text(id)),
                ("shop_id", text(shop)),
                ("amount", amount.map_or(Value::Null, Value::Int)),
                ("weight", text(weight)),
            ];
            row(&store, SALE, &cells, vec![], vec![])
        });
        harvest(&store, "Sale", SALE, minute, all.collect()).await;
        lines(&store, SUMMED).await
    };
    let first = [
        ("1", "a", Some(5), "1.5"),
        ("2", "a", Some(-5), "0.5"),
        ("3", "a", None, "-2"),
        ("4", "b", Some(0), "0"),
        ("5", "b", None, "7"),
    ];
    assert_eq!(load(1, &first).await, ["a 0 0 3", "b 0 7 2"]);
    let writer = store.context.writer().expect("a writer");
    let wrong = store
        .context
        .params()
        .query("UPDATE shop SET total=total+70".to_owned());
    writer.execute(wrong).await.expect("other values");
    // Other values, another shop, and one row of two that have a value goes.
    let second = [
        ("1", "a", Some(6), "1.5"),
        ("2", "b", Some(-5), "0.5"),
        ("3", "a", None, "-2"),
        ("5", "b", None, "7"),
    ];
    assert_eq!(load(2, &second).await, ["a 76 -0.5 2", "b 65 7.5 2"]);
    let right = store
        .context
        .params()
        .query("UPDATE shop SET total=total-70".to_owned());
    writer.execute(right).await.expect("the values again");
    // All that is left is nothing, and then no value is left.
    let third = [("1", "a", Some(0), "0"), ("2", "b", None, "0.5"), ("5", "b", None, "7")];
    assert_eq!(load(3, &third).await, ["a 0 0 1", "b - 7.5 2"]);
    let fourth = [("1", "a", None, "0"), ("2", "b", Some(0), "0.5"), ("5", "b", None, "7")];
    assert_eq!(load(4, &fourth).await, ["a - 0 1", "b 0 7.5 2"]);
    assert_eq!(load(5, &[]).await, ["a - - 0", "b - - 0"]);
}

async fn different_values_are_counted_as_often_as_they_are_there(on: On) {
    let place = Place::new(on);
    let definition = TEXT.replace("INDEX", "");
    let store = open(&place.url, Access::Write, &definition).await.expect("a store");
    shops(&store, &["a"]).await;
    let all = [("1", "a", "x", 1), ("2", "a", "x", 1), ("3", "a", "y", 1)];
    let kinds = "SELECT CAST(kinds AS TEXT) FROM shop";
    for (minute, of, want) in [
        (1, &all[..], "2"),
        (2, &all[1..], "2"),
        (3, &all[2..], "1"),
        (4, &all[..], "2"),
        (5, &[], "0"),
    ] {
        sales(&store, minute, of).await;
        assert_eq!(lines(&store, kinds).await, [want], "minute {minute}");
    }
}

/// Whoever follows the log sees the same on both databases, and two who write the same parents want
/// them in the same order.
async fn parents_are_told_in_the_order_of_their_keys(on: On) {
    let place = Place::new(on);
    let definition = TEXT.replace("INDEX", "");
    let store = open(&place.url, Access::Write, &definition).await.expect("a store");
    shops(&store, &["d", "a", "c", "b"]).await;
    let one = [
        ("1", "c", "z", 1),
        ("2", "a", "w", 1),
        ("3", "d", "y", 1),
        ("4", "b", "x", 1),
    ];
    let other = [
        ("1", "a", "w", 7),
        ("2", "d", "z", 7),
        ("3", "b", "x", 7),
        ("4", "c", "y", 7),
    ];
    let mut head = store.log_head().await.expect("a head").head;
    for (minute, of, op) in [(1, &one[..], "new"), (2, &other[..], "changed"), (3, &[], "gone")] {
        sales(&store, minute, of).await;
        let told = |name: &str, op: &str| {
            let sql = format!(
                "SELECT row_key FROM hayloft_change_log WHERE seq>{head} AND type='{name}' AND op='{op}' ORDER BY seq"
            );
            let store = store.clone();
            async move { lines(&store, &sql).await }
        };
        let keys = ["a", "b", "c", "d"].map(|id| format!("[\"{id}\"]"));
        assert_eq!(told("Shop", "changed").await, keys, "{op}");
        let keys = ["w", "x", "y", "z"].map(|kind| format!("[\"[\\\"{kind}\\\"]\"]"));
        assert_eq!(told("ByKind", op).await, keys, "{op}");
        head = store.log_head().await.expect("a head").head;
    }
}
