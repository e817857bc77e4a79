//! The farm's catalog, and a store over a temporary file. For tests of the store only.

#[allow(unreachable_pub)]
#[path = "../../tests/harness/cluster.rs"]
mod cluster;

use std::sync::{Arc, Mutex};

use crate::{
    catalog::{Catalog, EntityId, Valid, testing::draft},
    change::Bus,
    config::DatabaseUrl,
    layout::Layout,
    value::{Key, Row, Scalar, Value},
};

use super::{
    Store,
    context::Context,
    db::pool::{ResultRow, get},
    error::StoreError,
    state::{changed::Changed, deferred::Deferred, heard::Heard, in_force::Seen, run_memory::Memories},
    types::Access,
};

pub(crate) const ITEM: EntityId = EntityId(0);
pub(crate) const QUEST: EntityId = EntityId(1);
pub(crate) const QUEST_ITEM: EntityId = EntityId(2);
pub(crate) const NPC: EntityId = EntityId(3);
pub(crate) const TAG: EntityId = EntityId(4);
pub(crate) const THING: EntityId = EntityId(5);

/// The farm, and `Thing` with a field of every scalar.
const FARM: &str = r#"
type Item @f {
  id: ID! name: String! image: URL price: Float @index rarity: Rarity seller: Npc tags: [Tag!]! @ref
  requiredFor: [QuestItem!]! @inverse(field: "item")
}
type Quest @f { id: ID! title: String! reward: Reward giver: Npc @ref(by: "slug") items: [QuestItem!]! @nested }
type QuestItem { quest: Quest! item: Item @id quantity: Int! }
type Npc @f {
  id: ID! slug: String! @unique name: String! home: String
  sells: [Item!]! @inverse(field: "seller") gives: [Quest!]! @inverse(field: "giver")
}
type Tag @f { id: ID! name: String! items: [Item!]! @inverse(field: "tags") }
type Thing @f {
  id: BigInt! @id
  SCALARS
  list: [BigInt!] rewards: [Reward!]
}
type Reward { gold: Int title: String }
enum Rarity { COMMON }
"#;

pub(crate) fn catalog(fingerprint: &str) -> Catalog {
    let scalars = Scalar::ALL.map(|scalar| format!("f{0}: {0}", scalar.name()));
    let mut farm = draft(&FARM.replace("SCALARS", &scalars.join(" ")));
    farm.fingerprint = fingerprint.to_owned();
    // Nobody here harvests; runs are begun by the tests themselves, under names of theirs.
    farm.fetches.clear();
    farm.sources.clear();
    for entity in &mut farm.entities {
        entity.fetch = None;
    }
    farm
}

/// A clock that stands until it is set, in milliseconds since 1970: in the place of the database's.
#[derive(Clone, Default)]
pub(crate) struct Clock(pub Arc<std::sync::atomic::AtomicI64>);

impl Clock {
    pub(crate) fn literal(&self, seconds: i64) -> String {
        let millis = self.0.load(std::sync::atomic::Ordering::Relaxed) + seconds * 1_000;
        let at = chrono::DateTime::from_timestamp_millis(millis).expect("an instant");
        format!("'{}'", at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}

impl Store {
    /// Loads by key so far, in statements.
    pub(crate) fn lookups(&self) -> u64 {
        self.context
            .lookups
            .statements
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Statements of all readers so far.
    pub(crate) fn statements(&self) -> u64 {
        let all = [&self.context.readers, &self.context.lookups, &self.context.own];
        let count =
            |readers: &&Arc<super::db::readers::Readers>| readers.statements.load(std::sync::atomic::Ordering::Relaxed);
        all.iter().map(count).sum()
    }

    /// The same database as another process of this name would have it, at the time of this clock.
    pub(crate) fn as_process(&self, name: &str, clock: &Clock) -> Store {
        let context = Context {
            catalog: Arc::clone(&self.context.catalog),
            layout: Arc::clone(&self.context.layout),
            dialect: self.context.dialect,
            place: self.context.place.clone(),
            writer: self.context.writer.clone(),
            readers: Arc::clone(&self.context.readers),
            lookups: Arc::clone(&self.context.lookups),
            own: Arc::clone(&self.context.own),
            bus: Bus::default(),
            guard: Arc::clone(&self.context.guard),
            heard: Heard::default(),
            versions: Arc::default(),
            told: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            seen: Seen::beside(&self.context.seen),
            deferred: Deferred::default(),
            writable: Arc::default(),
            journal: Arc::clone(&self.context.journal),
            changed: Changed::default(),
            runs: Memories::default(),
            process: name.into(),
            retention: Mutex::default(),
            lock: None,
            clock: Some(clock.clone()),
        };
        Store {
            context: Arc::new(context),
        }
    }
}

/// The databases that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// An empty database that disappears with the test.
pub(crate) struct Place {
    pub url: DatabaseUrl,
    _folder: Option<tempfile::TempDir>,
    database: Option<cluster::Database>,
}

impl Place {
    pub(crate) fn new(on: On) -> Place {
        match on {
            On::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                Place {
                    url: DatabaseUrl::Sqlite(folder.path().join("farm.db")),
                    _folder: Some(folder),
                    database: None,
                }
            }
            On::Postgres => {
                let database = cluster::Database::new();
                Place {
                    url: database.socket_url().parse().expect("an address"),
                    _folder: None,
                    database: Some(database),
                }
            }
        }
    }
}

impl Place {
    /// Runs SQL beside Hayloft.
    pub(crate) fn sql(&self, sql: &str) {
        if let Some(database) = &self.database {
            database.sql(sql);
        } else if let DatabaseUrl::Sqlite(path) = &self.url {
            let database = rusqlite::Connection::open(path).expect("the file");
            database.execute_batch(sql).expect("it runs");
        }
    }

    /// What the server has warned of, which SQLite never does.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.database
            .as_ref()
            .map_or_else(Vec::new, cluster::Database::warnings)
    }
}

/// A store over a database that disappears with the test.
pub(crate) struct Bench {
    pub store: Store,
    pub place: Place,
}

/// Runs each of these tests on both databases.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::store::testing::On::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test($crate::store::testing::On::Postgres).await;
            })*
        }
    };
}

pub(crate) async fn open_at(url: &DatabaseUrl, fingerprint: &str, access: Access) -> Result<Store, StoreError> {
    let catalog = Arc::new(Valid::trusted(catalog(fingerprint)));
    let layout = Arc::new(Layout::of(&catalog));
    Store::open(url, access, catalog, layout).await
}

/// A store on this database.
pub(crate) async fn bench_on(on: On) -> Bench {
    let place = Place::new(on);
    let store = open_at(&place.url, "one", Access::Write).await.expect("a new store");
    Bench { store, place }
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn item(id: &str, name: &str, price: f64, seller: Option<&str>, tags: &[&str]) -> Row {
    let seller = seller.map_or(Value::Null, text);
    let values = vec![
        text(id),
        text(name),
        Value::Null,
        Value::Float(price),
        text("COMMON"),
        seller,
    ];
    Row::new(values, vec![tags.iter().map(|tag| Key::text(*tag)).collect()], vec![])
}

pub(crate) fn quest(id: &str, title: &str, items: &[(&str, i64)]) -> Row {
    let line =
        |(item, quantity): &(&str, i64)| Row::new(vec![text(id), text(item), Value::Int(*quantity)], vec![], vec![]);
    let reward = text("{\"gold\":5,\"title\":null}");
    Row::new(
        vec![text(id), text(title), reward, text("ann")],
        vec![],
        vec![items.iter().map(line).collect()],
    )
}

pub(crate) fn npc(id: &str, slug: &str) -> Row {
    Row::new(vec![text(id), text(slug), text(id), Value::Null], vec![], vec![])
}

pub(crate) fn tag(id: &str) -> Row {
    Row::new(vec![text(id), text(id)], vec![], vec![])
}

/// A row of the ledger as it stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LedgerRow {
    pub id: i64,
    pub slot: String,
    pub state: String,
    pub fence: i64,
    pub turn: i64,
    pub owner: Option<String>,
    pub lease_until: String,
    /// It has an end.
    pub closed: bool,
}

async fn rows(store: &Store, sql: String) -> Vec<ResultRow> {
    let writer = store.context.writer().expect("a writer");
    let found = writer.fetch_all(store.context.params().query(sql)).await;
    found.expect("rows")
}

/// The runs of a fetch in the order of their slots.
pub(crate) async fn ledger(store: &Store, fetch: &str) -> Vec<LedgerRow> {
    let sql = format!(
        "SELECT id,slot,state,fence,turn,owner,lease_until,finished_at IS NOT NULL FROM hayloft_run WHERE \"fetch\"='{fetch}' ORDER BY slot"
    );
    let read = |row: &ResultRow| LedgerRow {
        id: get(row, 0).expect("a number"),
        slot: get(row, 1).expect("a slot"),
        state: get(row, 2).expect("a state"),
        fence: get(row, 3).expect("a fence"),
        turn: get(row, 4).expect("a turn"),
        owner: get(row, 5).expect("an owner"),
        lease_until: get(row, 6).expect("a lease"),
        closed: get(row, 7).expect("an end"),
    };
    rows(store, sql).await.iter().map(read).collect()
}

/// The moment of the last commit that kept some of the past.
pub(crate) async fn last_moment(store: &Store) -> String {
    let found = rows(
        store,
        "SELECT coalesce(history_at,'') FROM hayloft_feed_head".to_owned(),
    )
    .await;
    get(&found[0], 0).expect("a moment")
}

/// The ids of the tags that begin so.
pub(crate) async fn tags(store: &Store, prefix: &str) -> Vec<String> {
    let sql = format!("SELECT id FROM tag WHERE id LIKE '{prefix}%' ORDER BY id");
    let read = |row: &ResultRow| get(row, 0).expect("an id");
    rows(store, sql).await.iter().map(read).collect()
}

/// The changes after this one: numbers and keys.
pub(crate) async fn log_after(store: &Store, seq: i64) -> Vec<(i64, String)> {
    let sql = format!("SELECT seq,row_key FROM hayloft_change_log WHERE seq>{seq} ORDER BY seq");
    let read = |row: &ResultRow| (get(row, 0).expect("a number"), get(row, 1).expect("a key"));
    rows(store, sql).await.iter().map(read).collect()
}

/// For tests that end with the process and have nothing to lose.
pub(crate) async fn hurry(store: &Store) {
    // The clusters of tests are in a hurry anyway.
    if store.context.is_alone() {
        rows(store, "PRAGMA synchronous=off".to_owned()).await;
    }
}
pub(crate) use on_both;
