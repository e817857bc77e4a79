//! Indexes of large tables on PostgreSQL: built after opening, beside whoever reads and writes.

use super::{
    changes::{lines, open},
    *,
};
use crate::value::Value;

const PLAIN: &str = "type Item @f { id: ID! name: String price: Int }";
const INDEXED: &str = "type Item @f { id: ID! name: String price: Int @index }";
const UNIQUE: &str = "type Item @f { id: ID! name: String @unique price: Int }";
/// More than what counts as large in tests.
const ROWS: i64 = 1_500;

/// What the server knows of an index of the type: whether it is of use.
const STATE: &str = "SELECT i.indisvalid::text FROM pg_index i JOIN pg_class c ON c.oid=i.indexrelid \
                     WHERE c.relname='item_price_index'";

/// A large table of which the planner knows that it is large.
async fn large(names: impl Fn(i64) -> String) -> Place {
    let place = Place::new(On::Postgres);
    let store = open(&place.url, Access::Write, PLAIN).await.expect("a store");
    let row = |at: i64| {
        let values = vec![text(&format!("i{at}")), text(&names(at)), Value::Int(at % 7)];
        Row::new(values, vec![], vec![])
    };
    harvest(&store, "Item", EntityId(0), 0, (0..ROWS).map(row).collect()).await;
    store.close().await;
    place.sql("ANALYZE item");
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_large_table_is_built_after_opening_and_again_when_it_was_cut_off() {
    let place = large(|at| at.to_string()).await;
    let store = open(&place.url, Access::Write, INDEXED).await.expect("it opens");
    assert_eq!(
        lines(&store, STATE).await,
        Vec::<String>::new(),
        "opening does not wait"
    );
    store.finish_indexes().await.expect("it is built");
    assert_eq!(lines(&store, STATE).await, ["true"]);
    // What a build leaves behind whose process was killed.
    place.sql("UPDATE pg_index SET indisvalid=false WHERE indexrelid='item_price_index'::regclass");
    store.finish_indexes().await.expect("it is built again");
    assert_eq!(lines(&store, STATE).await, ["true"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_one_is_built_where_no_value_stands_twice() {
    let place = large(|at| (at % (ROWS - 1)).to_string()).await;
    let refused = open(&place.url, Access::Write, UNIQUE).await.err().expect("refused");
    let refused = refused.to_string();
    assert!(refused.contains("Item.name") && refused.contains("1 row"), "{refused}");
    let store = open(&place.url, Access::Destructive, UNIQUE).await.expect("it opens");
    store.finish_indexes().await.expect("it is built");
    let unique = "SELECT i.indisunique::text FROM pg_index i JOIN pg_class c ON c.oid=i.indexrelid \
                  WHERE c.relname='item_name_unique' AND i.indisvalid";
    assert_eq!(lines(&store, unique).await, ["true"]);
}
