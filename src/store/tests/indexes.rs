//! Indexes: their names, those of older databases, and on PostgreSQL those of large tables, which
//! are built after opening, beside whoever reads and writes.

use crate::{store::db::pool, value::Value};

use super::{
    changes::{lines, open, read},
    *,
};

on_both!(
    no_two_have_one_name,
    those_of_older_databases_come_over,
    a_lost_one_is_a_step
);

/// Table and columns of these read the same when they are put together.
const ALIKE: &str = "type Quest @f { itemId: ID! @id itemSlug: String @unique }
    type QuestItem @f { id: ID! slug: String @unique }";
/// Types whose tables are called as indexes could be.
const CALLED_SO: &str = "type QuestItemIdKey @f { id: ID! } type QuestPkey @f { id: ID! }";

/// A quest or an item of one, by the type's place in the definition.
async fn two(store: &Store, at: u32, minute: u32, slugs: [&str; 2]) -> RunSummary {
    let name = store.context.catalog.entity(EntityId(at)).name.clone();
    let row = |(id, slug): (&str, &str)| Row::new(vec![text(id), text(slug)], vec![], vec![]);
    let all = ["a", "b"].into_iter().zip(slugs).map(row).collect();
    harvest(store, &name, EntityId(at), minute, all).await.1
}

async fn no_two_have_one_name(on: On) {
    let place = Place::new(on);
    let all = format!("{ALIKE} {CALLED_SO}");
    let store = open(&place.url, Access::Write, &all).await.expect("a store");
    for at in [0, 1] {
        let outcome = two(&store, at, 0, ["same", "same"]).await;
        assert_eq!((outcome.new, outcome.refused), (1, 1), "{at}");
        let outcome = two(&store, at, 1, ["same", "other"]).await;
        assert_eq!((outcome.new, outcome.same), (1, 1), "{at}");
    }
}

/// Makes the indexes what older versions left: two of them lost theirs to others of the same name.
fn age(place: &Place, on: On) {
    for lost in ["quest$item_slug$unique", "quest$item_id$key"] {
        place.sql(&format!("DROP INDEX \"{lost}\""));
    }
    for (now, then, columns) in [
        ("quest_item$slug$unique", "quest_item_slug_unique", "quest_item(slug)"),
        ("quest_item$id$key", "quest_item_id_key", "quest_item(id)"),
    ] {
        place.sql(&match on {
            On::Postgres => format!("ALTER INDEX \"{now}\" RENAME TO {then}"),
            On::Sqlite => format!("DROP INDEX \"{now}\"; CREATE UNIQUE INDEX {then} ON {columns}"),
        });
    }
}

async fn those_of_older_databases_come_over(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, ALIKE).await.expect("a store");
    let sql = store.context.dialect.indexes();
    let mut names = lines(&store, sql).await;
    names.sort();
    two(&store, 0, 0, ["x", "y"]).await;
    store.close().await;
    age(&place, on);
    let store = open(&place.url, Access::Write, ALIKE).await.expect("it comes over");
    let mut now = lines(&store, sql).await;
    now.sort();
    assert_eq!(now, names);
    assert_eq!(two(&store, 0, 1, ["x", "x"]).await.refused, 1);
    let outcome = two(&store, 1, 1, ["x", "x"]).await;
    assert_eq!((outcome.new, outcome.refused), (1, 1));
}

async fn a_lost_one_is_a_step(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, ALIKE).await.expect("a store");
    two(&store, 0, 0, ["x", "y"]).await;
    store.close().await;
    age(&place, on);
    place.sql("UPDATE quest SET item_slug='same'");
    let catalog = read(ALIKE);
    let layout = Arc::new(Layout::of(&catalog));
    let plan = Store::plan(&place.url, catalog, layout, None).await.expect("a plan");
    let words: Vec<String> = plan.steps.iter().map(PlannedStep::words).collect();
    let want =
        "~ Quest.itemSlug: becomes unique: repeated values are harvested again; 1 row with a repeated value is removed";
    assert_eq!(words, [want]);
    let refused = open(&place.url, Access::Write, ALIKE).await.err().expect("refused");
    assert!(refused.to_string().contains(want), "{refused}");
    let store = open(&place.url, Access::Destructive, ALIKE).await.expect("it opens");
    assert_eq!(lines(&store, "SELECT item_id FROM quest").await, ["a"]);
    assert_eq!(
        lines(&store, "SELECT fields FROM hayloft_refill").await,
        ["[\"itemSlug\"]"]
    );
    assert_eq!(two(&store, 0, 1, ["same", "same"]).await.refused, 1);
}

const PLAIN: &str = "type Item @f { id: ID! name: String price: Int }";
const INDEXED: &str = "type Item @f { id: ID! name: String price: Int @index }";
const UNIQUE: &str = "type Item @f { id: ID! name: String @unique price: Int }";
/// More than what counts as large in tests.
const ROWS: i64 = 1_500;

/// What the server knows of an index of the type: whether it is of use.
const STATE: &str = "SELECT i.indisvalid::text FROM pg_index i JOIN pg_class c ON c.oid=i.indexrelid \
                     WHERE c.relname='item$price$index'";

/// The rows of a large table.
fn all(names: impl Fn(i64) -> String) -> Vec<Row> {
    let row = |at: i64| {
        let values = vec![text(&format!("i{at}")), text(&names(at)), Value::Int(at % 7)];
        Row::new(values, vec![], vec![])
    };
    (0..ROWS).map(row).collect()
}

/// A large table of which the planner knows that it is large.
async fn large(names: impl Fn(i64) -> String) -> Place {
    let place = Place::new(On::Postgres);
    let store = open(&place.url, Access::Write, PLAIN).await.expect("a store");
    harvest(&store, "Item", EntityId(0), 0, all(names)).await;
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
    assert_eq!(store.waiting_indexes().await.expect("a list"), ["Item.price"]);
    let catalog = read(INDEXED);
    let layout = Arc::new(Layout::of(&catalog));
    let plan = Store::plan(&place.url, catalog, layout, None).await.expect("a plan");
    assert!(plan.steps.is_empty() && plan.indexes == ["Item.price"], "{plan:?}");
    store.finish_indexes().await.expect("it is built");
    assert_eq!(lines(&store, STATE).await, ["true"]);
    assert_eq!(store.waiting_indexes().await.expect("a list"), Vec::<String>::new());
    // What a build leaves behind whose process was killed.
    place.sql("UPDATE pg_index SET indisvalid=false WHERE indexrelid='item$price$index'::regclass");
    store.finish_indexes().await.expect("it is built again");
    assert_eq!(lines(&store, STATE).await, ["true"]);
}

/// Else each row of the other type would go through the whole table.
#[tokio::test(flavor = "multi_thread")]
async fn what_rollups_go_by_is_built_before_they_are_computed() {
    let place = large(|at| at.to_string()).await;
    let counted = "type Item @f { id: ID! name: String price: Int @index shop: Shop }
        type Shop @f { id: ID! items: [Item!]! @inverse(field: \"shop\") count: Int! @rollup(of: \"items\", fn: COUNT) }";
    let store = open(&place.url, Access::Write, counted).await.expect("it opens");
    assert_eq!(store.waiting_indexes().await.expect("a list"), ["Item.price"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_one_of_a_large_table_holds_from_the_beginning() {
    let name = |at: i64| (at % (ROWS - 1)).to_string();
    let place = large(name).await;
    let refused = open(&place.url, Access::Write, UNIQUE).await.err().expect("refused");
    let refused = refused.to_string();
    assert!(refused.contains("Item.name") && refused.contains("1 row"), "{refused}");
    let store = open(&place.url, Access::Destructive, UNIQUE).await.expect("it opens");
    let unique = "SELECT i.indisunique::text FROM pg_index i JOIN pg_class c ON c.oid=i.indexrelid \
                  WHERE c.relname='item$name$unique' AND i.indisvalid";
    assert_eq!(lines(&store, unique).await, ["true"]);
    // The run that is owed brings the repeated value again.
    let (_, summary) = harvest(&store, "Item", EntityId(0), 1, all(name)).await;
    assert_eq!(summary.refused, 1);
    store.finish_indexes().await.expect("nothing is left to build");
    let twice = "SELECT name FROM item GROUP BY name HAVING count(*)>1";
    assert_eq!(lines(&store, twice).await, Vec::<String>::new());
}

/// Definitions that make a field of a large type unique, and change something else of the type;
/// each with the query that a process of the former definition asks meanwhile.
const MORE_THAN_UNIQUE: [&str; 3] = [
    "type Item @f { id: ID! name: String @unique price: Int more: String }",
    "type Item @f { id: ID! name: String @unique }",
    "type Thing @f @was(name: \"Item\") { id: ID! label: String @unique @was(name: \"name\") price: Int }",
];

#[tokio::test(flavor = "multi_thread")]
async fn readers_go_on_while_a_unique_one_is_built() {
    for definition in MORE_THAN_UNIQUE {
        let place = large(|at| at.to_string()).await;
        let former = open(&place.url, Access::Write, PLAIN).await.expect("a store");
        let key = "SELECT CAST(CAST('item$id$key' AS regclass) AS oid)::text";
        let key_before = lines(&former, key).await;
        // Who builds an index waits for those who write, and then nobody may wait for him.
        let mut writer = former
            .context
            .writer()
            .expect("a writer")
            .begin()
            .await
            .expect("a transaction");
        let lock = former.context.params().query("LOCK TABLE item IN ROW EXCLUSIVE MODE");
        writer.execute(lock).await.expect("a lock");
        let url = place.url.clone();
        let opening = tokio::spawn(async move { open(&url, Access::Destructive, definition).await });
        let waits = "SELECT CAST(mode AS TEXT) FROM pg_locks WHERE NOT granted AND relation=(SELECT oid FROM pg_class WHERE relname='item')";
        let mode = loop {
            match lines(&former, waits).await.pop() {
                Some(mode) => break mode,
                None => assert!(!opening.is_finished(), "{definition}: it waits for who writes"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(mode, "ShareLock", "{definition}");
        let count = former.context.params().query("SELECT CAST(count(*) AS TEXT) FROM item");
        let read = former.context.own.take().await.expect("a reader").fetch(count).await;
        let count: String = pool::get(&read.expect("nobody holds readers up")[0], 0).expect("a number");
        assert_eq!(count, ROWS.to_string(), "{definition}");
        writer.commit().await.expect("a commit");
        let store = opening.await.expect("no panic").expect("it opens");
        let unique = "SELECT CAST(count(*) AS TEXT) FROM pg_index i JOIN pg_class c ON c.oid=i.indexrelid \
                      WHERE c.relname IN ('item$name$unique','thing$label$unique') AND i.indisvalid AND i.indisunique";
        assert_eq!(lines(&store, unique).await, ["1"], "{definition}");
        // What its key is told apart by was not built again.
        let key = if definition.contains("Thing") {
            key.replace("item", "thing")
        } else {
            key.to_owned()
        };
        assert_eq!(lines(&store, &key).await, key_before, "{definition}");
    }
}

/// A type takes the name of one that goes.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_takes_the_name_of_one_that_goes() {
    let place = Place::new(On::Postgres);
    let before = "type Item @f { id: ID! name: String @unique } type Tag @f { id: ID! name: String }";
    let store = open(&place.url, Access::Write, before).await.expect("a store");
    harvest(&store, "Item", EntityId(0), 0, vec![tag("item")]).await;
    harvest(&store, "Tag", EntityId(1), 0, vec![tag("tag")]).await;
    store.close().await;
    let after = "type Tag @f @was(name: \"Item\") { id: ID! name: String @unique }";
    let store = open(&place.url, Access::Destructive, after).await.expect("it opens");
    let names = "SELECT indexname::text FROM pg_indexes WHERE indexname LIKE '%$%' ORDER BY 1";
    assert_eq!(lines(&store, names).await, ["tag$id$key", "tag$name$unique", "tag$row"]);
}
