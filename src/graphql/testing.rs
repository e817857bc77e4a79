//! A small farm with a few rows, and golden files, for the tests of this folder and of the server.

use std::{path::Path, sync::Arc, time::Duration};

use apollo_compiler::response::JsonMap;

use crate::{
    catalog::{self, Catalog, EntityId, Missing, Valid},
    layout::Layout,
    store::{
        Access, Finish, Group, Reason, Run, StartRun, Store, StoreError,
        testing::{On, Place},
    },
    value::{Key, Row, Value},
};

use super::{
    ApiError, Current, DataApi, Limits, Served, gate,
    plan::{self, Plan},
};

/// The repository's farm, with a list of leaves, a deprecated field and more scalars added.
pub(super) fn catalog() -> Valid<Catalog> {
    let path = cases().join("definition.graphql");
    catalog::testing::catalog(&std::fs::read_to_string(path).expect("the farm's definition"))
}

/// A data API over a database of its own, deleted at the end.
pub(crate) struct Farm {
    pub api: DataApi,
    place: Place,
}

impl Farm {
    /// Without rows.
    pub(crate) async fn empty(limits: Limits) -> Farm {
        Farm::within(limits, None).await
    }

    /// The same with a limit for each read.
    pub(crate) async fn within(limits: Limits, timeout: Option<Duration>) -> Farm {
        Farm::at(Place::new(On::Sqlite), limits, timeout, catalog()).await
    }

    /// Not a farm at all: of another definition, without rows.
    pub(crate) async fn of(definition: &str, limits: Limits) -> Farm {
        let catalog = catalog::testing::catalog(definition);
        Farm::at(Place::new(On::Sqlite), limits, None, catalog).await
    }

    /// The same on one of the databases.
    pub(crate) async fn defined_on(on: On, definition: &str, limits: Limits) -> Farm {
        Farm::at(Place::new(on), limits, None, catalog::testing::catalog(definition)).await
    }

    async fn at(place: Place, limits: Limits, timeout: Option<Duration>, catalog: Valid<Catalog>) -> Farm {
        let catalog = Arc::new(catalog);
        let layout = Arc::new(Layout::of(&catalog));
        let store = Store::open_within(&place.url, Access::Write, catalog.clone(), layout, timeout).await;
        let api = DataApi::new(catalog, store.expect("a database"), limits).expect("the farm's schema");
        Farm { api, place }
    }

    /// The same database under another definition.
    pub(crate) async fn redefined(self, definition: &str, access: Access) -> Result<Farm, StoreError> {
        let Farm { api, place } = self;
        api.store().clone().close().await;
        drop(api);
        let catalog = Arc::new(catalog::testing::catalog(definition));
        let layout = Arc::new(Layout::of(&catalog));
        let store = Store::open(&place.url, access, catalog.clone(), layout).await?;
        let api = DataApi::new(catalog, store, Limits::default()).expect("a schema");
        Ok(Farm { api, place })
    }

    /// Runs SQL beside Hayloft.
    pub(crate) fn sql(&self, sql: &str) {
        self.place.sql(sql);
    }

    /// Two characters, two tags, three items, one quest with two lines.
    pub(crate) async fn stocked(limits: Limits) -> Farm {
        Farm::stocked_on(On::Sqlite, limits).await
    }

    /// The same on one of the databases.
    pub(crate) async fn stocked_on(on: On, limits: Limits) -> Farm {
        let farm = Farm::at(Place::new(on), limits, None, catalog()).await;
        farm.load("Tag", vec![row(&["t1", "sharp"]), row(&["t2", "old"])]).await;
        let npcs = vec![row(&["n1", "smith", "Ada", "Mill"]), row(&["n2", "baker", "Bo", ""])];
        farm.load("Npc", npcs).await;
        let items = vec![
            item("i1", "Axe", Some(10.5), &["t1", "t2"]),
            item("i2", "Bow", Some(20.0), &["t2"]),
            item("i3", "Cup \"x\"", None, &[]),
        ];
        farm.load("Item", items).await;
        farm.load("Quest", vec![quest("q1", "Mend", "smith", &[("i1", 2), ("i2", 1)])])
            .await;
        farm
    }

    /// The API as a server has it.
    pub(crate) fn current(&self) -> Current {
        Current::new(self.api.clone())
    }

    /// One run with these rows; rows that are not among them stay.
    pub(crate) async fn load(&self, entity: &str, rows: Vec<Row>) {
        self.load_all(entity, rows, Missing::Keep).await;
    }

    /// One run with all rows there are: others are deleted.
    pub(crate) async fn replace(&self, entity: &str, rows: Vec<Row>) {
        self.load_all(entity, rows, Missing::Delete).await;
    }

    /// One run, which says what becomes of other rows.
    pub(crate) async fn load_all(&self, entity: &str, rows: Vec<Row>, missing: Missing) {
        let run = self.begin(entity, rows).await;
        let finish = Finish::Complete {
            missing,
            missing_max: 1.0,
            told: Default::default(),
        };
        self.api.store().finish_run(&run, finish).await.expect("an end");
    }

    /// The same before the run has ended.
    pub(crate) async fn begin(&self, entity: &str, rows: Vec<Row>) -> Run {
        let store = self.api.store();
        let start = StartRun {
            resume: None,
            fetch: entity.to_owned(),
            entity: self.entity(entity),
            slot: chrono::Utc::now(),
            reason: Reason::Hand,
        };
        let run = store.start_run(&start).await.expect("a ledger").expect("a free slot");
        let group = Group {
            rows,
            pages: 1,
            ..Group::default()
        };
        store.commit_group(&run, group).await.expect("a commit");
        run
    }

    fn entity(&self, name: &str) -> EntityId {
        self.api.0.catalog.entity_named(name).expect("a type of the farm")
    }
}

fn text(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        Value::Text(text.to_owned())
    }
}

/// A row of texts; an empty one is null.
pub(crate) fn row(values: &[&str]) -> Row {
    Row::new(values.iter().map(|value| text(value)).collect(), vec![], vec![])
}

/// An item in the order of its columns; `n1` sells it.
pub(crate) fn item(id: &str, name: &str, price: Option<f64>, tags: &[&str]) -> Row {
    let values = vec![
        text(id),
        text(name),
        Value::Null,
        price.map_or(Value::Null, Value::Float),
        text("RARE"),
        text("n1"),
        Value::Null,
        text("[\"a\",\"b\"]"),
        text("12.5"),
        text("2026-11-21T03:20:00.000000Z"),
        Value::Null,
        Value::Bool(true),
    ];
    let tags = tags.iter().map(|tag| Key::text(*tag)).collect();
    Row::new(values, vec![tags], vec![])
}

/// Two steps, the first one with two parts, one of which is null.
const STEPS: &str = r#"[{"text":"Find ÄσΣ","count":2,"at":{"x":1.5},"tags":["a","b"],"parts":[{"n":1},null]},{"text":"Go","count":null,"at":null,"tags":[],"parts":null}]"#;

/// A quest that `giver` gives, in the order of its columns, with its lines.
pub(crate) fn quest(id: &str, title: &str, giver: &str, items: &[(&str, i64)]) -> Row {
    let line =
        |(item, quantity): &(&str, i64)| Row::new(vec![text(id), text(item), Value::Int(*quantity)], vec![], vec![]);
    let values = vec![
        text(id),
        text(title),
        text("{\"gold\":5,\"title\":null}"),
        text(giver),
        text(STEPS),
    ];
    Row::new(values, vec![], vec![items.iter().map(line).collect()])
}

/// Plans a query without variables.
pub(super) fn plan(query: &str) -> (Valid<Catalog>, Plan) {
    let catalog = catalog();
    let planned = plan_of(&catalog, query).expect("a plan");
    (catalog, planned)
}

/// The plan of a query of another catalog.
pub(super) fn plan_of(catalog: &Valid<Catalog>, query: &str) -> Result<Plan, ApiError> {
    let served = Served::of(catalog).expect("a schema");
    let limits = Limits::default();
    let document = gate::admit(&served, &limits, query).expect("a good query").document;
    let operation = document.operations.get(None).expect("one operation");
    let variables = JsonMap::new();
    plan::plan(catalog, &served, &limits, &document, operation, &variables, None)
}

/// Where the golden files are.
pub(super) fn cases() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/graphql")
}

/// Compares with a golden file; with `HAYLOFT_BLESS=1`, writes it.
pub(super) fn golden(name: &str, got: &str) {
    let path = cases().join(name);
    if std::env::var_os("HAYLOFT_BLESS").is_some() {
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("the folder of golden files");
        std::fs::write(&path, got).expect("the golden file is writable");
    }
    let want = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(want, got, "{name} differs; HAYLOFT_BLESS=1 accepts it");
}
