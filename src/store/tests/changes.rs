//! Definitions that change: what is kept, what is refused, what is owed. Definitions are written as
//! text here.

use crate::{catalog, store::db::pool, value::Value};

use super::*;

on_both!(
    a_new_field_is_owed,
    renames_keep_the_data,
    what_loses_data_is_refused_until_it_is_allowed,
    what_is_allowed_is_done,
    casts_keep_the_values,
    nested_rows_follow_their_owners,
    an_empty_database_and_a_missing_one_are_planned,
    readers_are_told_that_the_database_does_not_follow_yet,
);

/// A definition whose types are all fetched.
pub(super) fn read(text: &str) -> Arc<Valid<Catalog>> {
    Arc::new(catalog::testing::catalog(text))
}

pub(super) async fn open(url: &DatabaseUrl, access: Access, text: &str) -> Result<Store, StoreError> {
    let catalog = read(text);
    let layout = Arc::new(Layout::of(&catalog));
    Store::open(url, access, catalog, layout).await
}

pub(super) async fn plan(url: &DatabaseUrl, text: &str) -> Vec<String> {
    let catalog = read(text);
    let layout = Arc::new(Layout::of(&catalog));
    let plan = Store::plan(url, catalog, layout, None).await;
    plan.expect("a plan").steps.iter().map(PlannedStep::words).collect()
}

/// The rows of a statement as text, columns with `|` between.
pub(super) async fn lines(store: &Store, sql: &str) -> Vec<String> {
    let writer = store.context.writer().expect("a writer");
    let found = writer.fetch_all(store.context.params().query(sql)).await.expect("rows");
    found.iter().map(|row| pool::get(row, 0).expect("a text")).collect()
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

/// A database that one definition has filled.
struct Changed {
    place: Place,
}

impl Changed {
    /// Fills a new database: rows of the first type.
    async fn new(on: On, text: &str, all: Vec<Row>) -> Changed {
        let place = Place::new(on);
        let store = open(&place.url, Access::Write, text).await.expect("a store");
        let name = store.context.catalog.entity(EntityId(0)).name.clone();
        harvest(&store, &name, EntityId(0), 0, all).await;
        store.close().await;
        Changed { place }
    }

    async fn plan(&self, text: &str) -> Vec<String> {
        plan(&self.place.url, text).await
    }

    async fn open(&self, access: Access, text: &str) -> Store {
        open(&self.place.url, access, text).await.expect("it opens")
    }

    async fn refused(&self, access: Access, text: &str) -> String {
        let refused = open(&self.place.url, access, text).await.err();
        refused.expect("refused").to_string()
    }
}

const ITEM: &str = "type Item @f { id: ID! name: String price: Int tags: [Tag!]! @ref }\ntype Tag @f { id: ID! }";

fn items() -> Vec<Row> {
    let tags = |tags: &[&str]| vec![tags.iter().map(|tag| Key::text(*tag)).collect()];
    vec![
        Row::new(vec![text("i1"), text("Sword"), int(5)], tags(&["a", "b"]), vec![]),
        Row::new(vec![text("i2"), text("Sword"), Value::Null], tags(&["b"]), vec![]),
        Row::new(vec![text("i3"), Value::Null, int(7)], tags(&[]), vec![]),
    ]
}

async fn a_new_field_is_owed(on: On) {
    let changed = Changed::new(on, ITEM, items()).await;
    let with = ITEM.replace("price: Int", "price: Int weight: Float");
    assert_eq!(changed.plan(&with).await, ["+ Item.weight: new field"]);
    let store = changed.open(Access::Write, &with).await;
    let rows = lines(
        &store,
        "SELECT concat_ws('|',id,coalesce(name,'-'),coalesce(CAST(weight AS TEXT),'-'),_hash) FROM item ORDER BY id",
    )
    .await;
    assert_eq!(rows, ["i1|Sword|-|0", "i2|Sword|-|0", "i3|-|-|0"]);
    assert_eq!(
        lines(&store, "SELECT \"fetch\"||' '||fields FROM hayloft_refill").await,
        ["Item [\"weight\"]"]
    );
    store.close().await;
    assert_eq!(changed.plan(&with).await, Vec::<String>::new());
    // The older definition is compatible; its rows stay as they are.
    let store = changed.open(Access::Write, ITEM).await;
    assert_eq!(lines(&store, "SELECT CAST(count(*) AS TEXT) FROM item").await, ["3"]);
}

async fn renames_keep_the_data(on: On) {
    let changed = Changed::new(on, ITEM, items()).await;
    let renamed = "type Article @f @was(name: \"Item\") { id: ID! title: String @was(name: \"name\") price: Int labels: [Label!]! @ref @was(name: \"tags\") }
        type Label @f @was(name: \"Tag\") { code: ID! @id @was(name: \"id\") }";
    let store = changed.open(Access::Write, renamed).await;
    let rows =
        "SELECT concat_ws('|',id,coalesce(title,'-'),coalesce(CAST(price AS TEXT),'-')) FROM article ORDER BY id";
    assert_eq!(lines(&store, rows).await, ["i1|Sword|5", "i2|Sword|-", "i3|-|7"]);
    let links = "SELECT concat_ws('',owner_id,_position,target_code) FROM article_labels ORDER BY 1";
    assert_eq!(lines(&store, links).await, ["i10a", "i11b", "i20b"]);
    assert_eq!(
        lines(&store, "SELECT DISTINCT \"fetch\" FROM hayloft_run").await,
        ["Article"]
    );
    assert_eq!(
        lines(&store, "SELECT DISTINCT type FROM hayloft_change_log").await,
        ["Article"]
    );
    assert_eq!(
        lines(&store, "SELECT \"fetch\" FROM hayloft_refill").await,
        Vec::<String>::new()
    );
    // Nothing differs, so a run writes nothing; the next new row gets a number that was never used.
    let (outcome, _) = harvest(&store, "Article", EntityId(0), 1, items()).await;
    assert_eq!((outcome.new, outcome.changed, outcome.same), (0, 0, 3));
    store.close().await;
    assert_eq!(changed.plan(renamed).await, Vec::<String>::new());
}

async fn what_loses_data_is_refused_until_it_is_allowed(on: On) {
    let changed = Changed::new(on, ITEM, items()).await;
    let cases = [
        (
            "price: Int",
            "",
            "- Item.price: field removed; the value of 2 rows is removed",
        ),
        (
            "tags: [Tag!]! @ref",
            "",
            "- Item.tags: links removed; 3 links are removed",
        ),
        (
            "price: Int",
            "price: URL",
            "~ Item.price: Int becomes URL: harvested again; the value of 2 rows is removed",
        ),
        ("price: Int", "price: Int!", "1 row without a value is removed"),
        (
            "name: String",
            "name: String @unique",
            "1 row with a repeated value is removed",
        ),
        ("id: ID! name: String", "id: ID name: String @id", "3 rows are removed"),
        ("price: Int", "price: Int size: Int!", "3 rows are removed"),
    ];
    for (from, to, want) in cases {
        let text = ITEM.replace(from, to).replace("name: String @id", "name: String! @id");
        let error = changed.refused(Access::Write, &text).await;
        assert!(
            error.contains(want) && error.contains("--allow-destructive"),
            "{to}: {error}"
        );
    }
    let store = changed.open(Access::Write, ITEM).await;
    assert_eq!(lines(&store, "SELECT CAST(count(*) AS TEXT) FROM item").await, ["3"]);
    assert_eq!(
        lines(&store, "SELECT CAST(count(*) AS TEXT) FROM item_tags").await,
        ["3"]
    );
}

async fn what_is_allowed_is_done(on: On) {
    let changed = Changed::new(on, ITEM, items()).await;
    let before = changed.open(Access::Write, ITEM).await;
    let epoch = lines(&before, "SELECT epoch FROM hayloft_feed_head").await;
    before.close().await;
    let to = ITEM
        .replace("name: String", "name: String! @unique")
        .replace("price: Int ", "");
    let store = changed.open(Access::Destructive, &to).await;
    assert_eq!(lines(&store, "SELECT id FROM item").await, ["i1"]);
    // Links go with their rows.
    assert_eq!(
        lines(&store, "SELECT owner_id||target_id FROM item_tags ORDER BY 1").await,
        ["i1a", "i1b"]
    );
    assert_eq!(lines(&store, "SELECT fields FROM hayloft_refill").await, ["[\"name\"]"]);
    assert_ne!(lines(&store, "SELECT epoch FROM hayloft_feed_head").await, epoch);
    // Row numbers are never used twice.
    let row = Row::new(vec![text("i4"), text("Axe")], vec![vec![]], vec![]);
    harvest(&store, "Item", EntityId(0), 1, vec![row]).await;
    assert_eq!(
        lines(&store, "SELECT CAST(_row AS TEXT) FROM item WHERE id='i4'").await,
        ["4"]
    );
}

async fn casts_keep_the_values(on: On) {
    let old = "type Item @f { id: Int! @id a: Int b: BigInt c: Decimal d: URL e: Kind }\nenum Kind { X Y }";
    let row = |id: i64, e: &str| {
        let values = vec![int(id), int(-id), int(1 << 40), text("1.25"), text("http://h"), text(e)];
        Row::new(values, vec![], vec![])
    };
    let changed = Changed::new(on, old, vec![row(1, "X"), row(3, "Y")]).await;
    let to = "type Item @f { id: BigInt! @id a: Float b: Decimal c: String d: String e: Kind }\nenum Kind { X Z }";
    let error = changed.refused(Access::Write, to).await;
    assert!(
        error.contains("~ Item.e: no longer Y; the value of 1 row is removed"),
        "{error}"
    );
    assert!(!error.contains("Item.a"), "{error}");
    let store = changed.open(Access::Destructive, to).await;
    // Halves show that the whole numbers are floats now, which both databases write alike.
    let rows = "SELECT concat_ws('|',id,a/2,b,c,d,coalesce(e,'-')) FROM item ORDER BY id";
    assert_eq!(
        lines(&store, rows).await,
        [
            "1|-0.5|1099511627776|1.25|http://h|X",
            "3|-1.5|1099511627776|1.25|http://h|-"
        ]
    );
}

async fn nested_rows_follow_their_owners(on: On) {
    let old = "type Quest @f { id: ID! title: String lines: [Line!]! @nested }\ntype Line { quest: Quest! item: ID! @id n: Int }";
    let line = |quest: &str, item: &str, n: Option<i64>| {
        Row::new(
            vec![text(quest), text(item), n.map_or(Value::Null, int)],
            vec![],
            vec![],
        )
    };
    let quest = |id: &str, title: Option<&str>, lines: Vec<Row>| {
        Row::new(vec![text(id), title.map_or(Value::Null, text)], vec![], vec![lines])
    };
    let rows = || {
        vec![
            quest("q1", Some("One"), vec![line("q1", "a", Some(1)), line("q1", "b", None)]),
            quest("q2", None, vec![line("q2", "a", Some(2))]),
        ]
    };
    let changed = Changed::new(on, old, rows()).await;
    // A nested row that is removed comes again with its owner, which therefore must not count as
    // the same.
    let store = changed
        .open(Access::Destructive, &old.replace("n: Int", "n: Int!"))
        .await;
    assert_eq!(
        lines(&store, "SELECT quest_id||item FROM line ORDER BY 1").await,
        ["q1a", "q2a"]
    );
    assert_eq!(
        lines(&store, "SELECT \"fetch\"||fields FROM hayloft_refill").await,
        ["Quest[\"Line.n\"]"]
    );
    let mut all = rows();
    all[0].children[0][1] = line("q1", "b", Some(9));
    let (outcome, _) = harvest(&store, "Quest", EntityId(0), 1, all).await;
    assert_eq!((outcome.changed, outcome.same), (2, 0));
    assert_eq!(
        lines(&store, "SELECT concat_ws('',quest_id,item,n) FROM line ORDER BY 1").await,
        ["q1a1", "q1b9", "q2a2"]
    );
    store.close().await;
    let required = old
        .replace("n: Int", "n: Int!")
        .replace("title: String", "title: String!");
    let store = changed.open(Access::Destructive, &required).await;
    assert_eq!(
        lines(&store, "SELECT quest_id||item FROM line ORDER BY 1").await,
        ["q1a", "q1b"]
    );
}

async fn an_empty_database_and_a_missing_one_are_planned(on: On) {
    let place = Place::new(on);
    assert_eq!(plan(&place.url, ITEM).await, ["+ Item: new type", "+ Tag: new type"]);
    if let DatabaseUrl::Sqlite(path) = &place.url {
        assert!(!path.exists());
    }
    let store = open(&place.url, Access::Write, ITEM).await.expect("made");
    store.close().await;
    assert_eq!(plan(&place.url, "type Item @f { id: ID! }").await.len(), 4);
    // Nothing is stored, so nothing is lost.
    let text = "type Item @f { id: ID! size: Int! }";
    let store = open(&place.url, Access::Write, text).await.expect("no loss");
    assert_eq!(
        lines(&store, "SELECT \"fetch\" FROM hayloft_refill").await,
        Vec::<String>::new()
    );
}

async fn readers_are_told_that_the_database_does_not_follow_yet(on: On) {
    let changed = Changed::new(on, ITEM, items()).await;
    let with = ITEM.replace("price: Int", "price: Int weight: Float");
    let error = changed.refused(Access::Read, &with).await;
    assert!(
        error.contains("+ Item.weight: new field") && error.contains("hayloft plan"),
        "{error}"
    );
}

/// Counting waits here for a lock as it would for a large table: longer than any reader may take.
#[tokio::test(flavor = "multi_thread")]
async fn steps_are_counted_beside_the_readers_and_without_their_limit() {
    const LIMIT: Duration = Duration::from_secs(1);
    let changed = Changed::new(On::Postgres, ITEM, items()).await;
    let catalog = read(ITEM);
    let layout = Arc::new(Layout::of(&catalog));
    let store = Store::open_within(&changed.place.url, Access::Write, catalog, layout, Some(LIMIT)).await;
    let store = store.expect("it opens");
    let lossy = read(&ITEM.replace("name: String", "name: String @unique"));
    let layout = Layout::of(&lossy);
    let mut lock = store
        .context
        .writer()
        .expect("a writer")
        .begin()
        .await
        .expect("a transaction");
    let exclusive = store.context.params().query("LOCK TABLE item IN ACCESS EXCLUSIVE MODE");
    lock.execute(exclusive).await.expect("the lock");
    let longer = async {
        let until = std::time::Instant::now() + LIMIT + Duration::from_millis(500);
        while std::time::Instant::now() < until {
            store.now().await.expect("the ledger has its reader");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        lock.commit().await.expect("the lock's end");
    };
    let (accepted, ()) = tokio::join!(store.accepts(&layout), longer);
    let refused = accepted.expect_err("a value stands twice").to_string();
    assert!(refused.contains("1 row with a repeated value is removed"), "{refused}");
}
