//! A field fetch, from its text to rows in a database: what is asked, what is asked again,
//! and what is left.

mod at_once;
mod faults;
mod gone;
mod links;
mod post;
mod repeats;
mod this;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use tokio_util::sync::CancellationToken;

use super::upstream::{Answer, Upstream};
use crate::{
    catalog::{self, Catalog, FetchId, FieldId, Valid},
    config::{DatabaseUrl, Environment},
    harvest::{Committed, HarvestSettings, Harvester, Progress, RunReport, Silent},
    layout::Layout,
    query::{Output, OutputValue, Read, Root, RootValue, Select},
    store::{
        Access, FieldRequestCounts, Parent, ParentAnswer, ParentOutcome, Reason, Run, RunState, StartRun, Store,
        StoreError,
    },
    value::Key,
};

/// Items that are listed, each with its name; and what is said about each path.
#[derive(Default)]
struct World {
    items: BTreeMap<String, String>,
    answers: BTreeMap<String, Answer>,
}

struct Bench {
    upstream: Upstream,
    world: Arc<Mutex<World>>,
    catalog: Arc<Valid<Catalog>>,
    store: Store,
    harvester: Harvester,
    _folder: tempfile::TempDir,
}

const RECIPES: &str = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/items/{$this.id}/recipes", rows: ".[]""#;

impl Bench {
    /// `more` are further arguments of the field's @fetch.
    async fn start(more: &str) -> Bench {
        Bench::with(&format!("{RECIPES} {more})")).await
    }

    async fn with(field: &str) -> Bench {
        Bench::of(field, 4).await
    }

    async fn of(field: &str, concurrency: usize) -> Bench {
        let world = Arc::new(Mutex::new(World::default()));
        let told = Arc::clone(&world);
        let upstream = Upstream::start(move |asked, _| answer(&told.lock().expect("world"), asked)).await;
        let text = format!(
            "extend schema @source(name: \"farm\", url: \"{{$env.FARM_URL}}\", concurrency: {concurrency})\n\
             type Item @fetch(source: \"farm\", GET: \"/items\", rows: \".[]\", missing: DELETE, maxMissing: 1) {{\n\
             id: ID! name: String {field} }}\n\
             type Recipe {{ id: ID! name: String slug: String @unique items: [Item!]! @inverse(field: \"recipes\") }}"
        );
        let catalog = Arc::new(catalog::testing::catalog(&text));
        let layout = Arc::new(Layout::of(&catalog));
        let folder = tempfile::tempdir().expect("folder");
        let url = DatabaseUrl::Sqlite(folder.path().join("farm.db"));
        let store = Store::open(&url, Access::Write, catalog.clone(), layout.clone()).await;
        let store = store.expect("a store");
        let settings = HarvestSettings {
            environment: Environment::default().with("FARM_URL", &upstream.url),
            ..HarvestSettings::default()
        };
        let harvester = Harvester::new(catalog.clone(), layout, store.clone(), settings).expect("harvester");
        Bench {
            upstream,
            world,
            catalog,
            store,
            harvester,
            _folder: folder,
        }
    }

    fn items(&self, items: &[(&str, &str)]) {
        let items = items.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned()));
        self.world.lock().expect("world").items = items.collect();
    }

    fn answers(&self, path: &str, answer: Answer) {
        self.world
            .lock()
            .expect("world")
            .answers
            .insert(path.to_owned(), answer);
    }

    async fn run(&self, fetch: u32) -> RunReport {
        self.watched(fetch, &Silent, &CancellationToken::new()).await
    }

    async fn watched(&self, fetch: u32, progress: &dyn Progress, cancel: &CancellationToken) -> RunReport {
        let run = self.harvester.run(FetchId(fetch), Reason::Hand, progress, cancel);
        run.await.expect("a recorded run")
    }

    /// Harvests the items, then their recipes; gives the paths that were asked for the recipes,
    /// sorted.
    async fn round(&self) -> (RunReport, Vec<String>) {
        let items = self.run(0).await;
        assert_eq!(items.summary.state, RunState::Complete, "{:?}", items.summary.error);
        self.upstream.asked.lock().expect("log").clear();
        let report = self.run(1).await;
        let mut asked = self.upstream.paths();
        asked.sort();
        (report, asked)
    }

    async fn rows(&self, name: &str) -> u64 {
        let id = self.catalog.entity_named(name).expect("a type");
        let counts = self.store.row_counts().await.expect("counts");
        counts
            .iter()
            .find(|(entity, _)| *entity == id)
            .map_or(0, |(_, rows)| *rows)
    }

    /// All rows of a type.
    fn select(&self, name: &str, output: Vec<Output>) -> Select {
        Select {
            entity: self.catalog.entity_named(name).expect("a type"),
            filter: None,
            order: Vec::new(),
            first: None,
            offset: None,
            output,
        }
    }

    /// The answer to a selection under a name, without quotes.
    async fn read(&self, key: &str, select: Select) -> String {
        let root = Root {
            key: key.to_owned(),
            value: RootValue::Many(select),
        };
        let statement = self.store.compile(&Read { roots: vec![root] }).expect("a statement");
        let answer = self.store.read(&statement, &[]).await.expect("an answer");
        answer.json.replace('"', "")
    }

    /// The items, each with what it leads to.
    async fn links(&self) -> String {
        let id = || Output {
            key: "id".to_owned(),
            value: OutputValue::Leaf(FieldId(0)),
        };
        let (item, field) = (self.catalog.entity_named("Item").expect("a type"), FieldId(2));
        let (output, select) = (vec![id()], self.select("Recipe", vec![id()]));
        let recipe = Output {
            key: "recipe".to_owned(),
            value: match self.catalog.entity(item).field(field).kind.is_list() {
                true => OutputValue::Many { field, select },
                false => OutputValue::One { field, output },
            },
        };
        self.read("items", self.select("Item", vec![id(), recipe])).await
    }

    async fn counts(&self) -> FieldRequestCounts {
        self.store
            .field_request_counts("Item.recipes", None)
            .await
            .expect("counts")
    }

    /// Why records are in quarantine, sorted.
    async fn reasons(&self) -> Vec<String> {
        let refused = self.store.quarantine("Item.recipes", 100).await.expect("quarantine");
        let mut reasons: Vec<String> = refused.into_iter().map(|refused| refused.reason).collect();
        reasons.sort();
        reasons
    }
}

/// `/items` lists the items; recipes are two for each item, unless something else was said.
fn answer(world: &World, asked: &super::upstream::Asked) -> Answer {
    if let Some(answer) = world.answers.get(&asked.path) {
        return answer.clone();
    }
    if asked.path == "/items" {
        let items: Vec<String> = world
            .items
            .iter()
            .map(|(id, name)| format!(r#"{{"id":"{id}","name":"{name}"}}"#))
            .collect();
        return Answer::json(format!("[{}]", items.join(",")));
    }
    let id = asked.path.split('/').nth(2).unwrap_or_default();
    let tag = format!("\"v{id}\"");
    if asked.head.contains(&format!("if-none-match: {tag}")) {
        return Answer::status(304);
    }
    Answer::json(format!(r#"[{{"id":"{id}a","name":"A"}},{{"id":"shared","name":"S"}}]"#)).header("etag", tag)
}

fn state(report: &RunReport) -> (RunState, u64, u64, u64, u64) {
    let run = &report.summary;
    (run.state, run.pages, run.new, run.changed, run.same)
}

#[tokio::test]
async fn only_what_changed_is_asked_again() {
    let bench = Bench::start("").await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three")]);
    let (report, asked) = bench.round().await;
    assert_eq!(asked, ["/items/1/recipes", "/items/2/recipes", "/items/3/recipes"]);
    assert_eq!(state(&report).0, RunState::Complete);
    assert_eq!((bench.rows("Recipe").await, bench.counts().await.done), (4, 3));
    let (report, asked) = bench.round().await;
    assert_eq!((state(&report), asked.len()), ((RunState::Complete, 0, 0, 0, 0), 0));
    bench.items(&[("1", "one"), ("2", "zwei"), ("3", "three"), ("4", "four")]);
    let (report, asked) = bench.round().await;
    assert_eq!(asked, ["/items/2/recipes", "/items/4/recipes"]);
    // The answer about the second is the one that is known: 304, and nothing is written.
    assert_eq!(state(&report), (RunState::Complete, 2, 1, 0, 1));
}

#[tokio::test]
async fn new_rows_are_asked_once() {
    let bench = Bench::start("when: NEW").await;
    bench.items(&[("1", "one")]);
    assert_eq!(bench.round().await.1.len(), 1);
    bench.items(&[("1", "eins"), ("2", "two")]);
    assert_eq!(bench.round().await.1, ["/items/2/recipes"]);
}

#[tokio::test]
async fn always_asks_all_and_believes_the_same_answer() {
    let bench = Bench::start("when: ALWAYS").await;
    bench.items(&[("1", "one"), ("2", "two")]);
    bench.answers("/items/2/recipes", Answer::json(r#"["x"]"#));
    bench.round().await;
    let mut changes = bench.store.bus().listen();
    let (report, asked) = bench.round().await;
    assert_eq!(asked.len(), 2);
    assert_eq!(state(&report), (RunState::Complete, 2, 0, 0, 0));
    assert!(
        changes.try_recv().is_err(),
        "one 304, and the same bytes once: nothing is announced"
    );
}

#[tokio::test]
async fn one_bad_row_does_not_stop_the_others() {
    let bench = Bench::start("").await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three"), ("4", "four")]);
    bench.answers("/items/2/recipes", Answer::status(500));
    bench.answers("/items/3/recipes", Answer::status(404));
    let (report, asked) = bench.round().await;
    assert_eq!(report.summary.state, RunState::Complete);
    assert_eq!(report.failed_requests().as_deref(), Some("2 of 4 requests failed"));
    let tries = |path: &str| asked.iter().filter(|asked| *asked == path).count();
    // Four tries, and twice four again, for what may pass; one for what does not.
    assert_eq!((tries("/items/2/recipes"), tries("/items/3/recipes")), (12, 1));
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed, counts.left), (2, 2, 0));
    assert!(
        counts.errors[1].starts_with("3: GET ") && counts.errors[1].contains("404"),
        "{counts:?}"
    );
    bench.answers("/items/2/recipes", Answer::json("[]"));
    let (report, asked) = bench.round().await;
    assert_eq!(asked, ["/items/2/recipes", "/items/3/recipes"]);
    assert_eq!(report.failed_requests().as_deref(), Some("1 of 2 requests failed"));
}

/// Stops the run once so many answers are committed.
struct StopAt(u64, CancellationToken);

impl Progress for StopAt {
    fn committed(&self, done: &Committed) {
        if done.pages >= self.0 {
            self.1.cancel();
        }
    }
}

#[tokio::test]
async fn an_interrupted_run_goes_on_with_what_is_left() {
    for more in ["when: CHANGED", "when: NEW", "when: ALWAYS"] {
        let bench = Bench::start(more).await;
        let names: Vec<String> = (10..50).map(|number| format!("i{number}")).collect();
        let items: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        bench.items(&items);
        // The second half is never answered, so that the run can only be stopped.
        for name in names.iter().skip(20) {
            bench.answers(&format!("/items/{name}/recipes"), Answer::silent());
        }
        bench.run(0).await;
        let cancel = CancellationToken::new();
        let report = bench.watched(1, &StopAt(20, cancel.clone()), &cancel).await;
        assert_eq!(report.summary.state, RunState::Interrupted, "{more}");
        let counts = bench.counts().await;
        assert_eq!((counts.done, counts.left), (20, 20), "{more}");
        bench.world.lock().expect("world").answers.clear();
        let (report, asked) = bench.round().await;
        assert_eq!(report.summary.state, RunState::Complete);
        let want: BTreeSet<String> = names
            .iter()
            .skip(20)
            .map(|name| format!("/items/{name}/recipes"))
            .collect();
        assert_eq!(asked.into_iter().collect::<BTreeSet<_>>(), want, "{more}");
    }
}

#[tokio::test]
async fn pages_keys_and_encoding() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/of?item={$this.id}&page={$page}", rows: ".ids[]", pages: {last: ".last"})"#;
    let bench = Bench::with(field).await;
    bench.items(&[("a/b c", "one")]);
    let page = |number: u64, ids: &str| {
        let path = format!("/of?item=a%2fb%20c&page={number}");
        bench.answers(&path, Answer::json(format!(r#"{{"last":2,"ids":{ids}}}"#)));
    };
    page(1, r#"["x","y","x"]"#);
    page(2, r#"[{"id":"z"}]"#);
    let (report, asked) = bench.round().await;
    assert_eq!(asked.len(), 2, "{asked:?}");
    // Keys link to what is not there yet; only the object is a row.
    assert_eq!(
        (state(&report), bench.rows("Recipe").await),
        ((RunState::Complete, 2, 1, 0, 0), 1)
    );
    assert_eq!(bench.counts().await.done, 1);
}

#[tokio::test]
async fn what_is_no_list_of_rows_fails_by_name() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/of/{$this.id}")"#;
    let bench = Bench::with(field).await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three")]);
    bench.answers("/of/1", Answer::json(r#"[{"id":"x"}]"#));
    bench.answers("/of/2", Answer::status(204));
    bench.answers("/of/3", Answer::json(r#"{"name":"no key"}"#));
    let (report, _) = bench.round().await;
    assert_eq!((report.summary.state, report.summary.refused), (RunState::Complete, 1));
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (1, 2));
    assert!(counts.errors[0].contains("does it lack `[]`"), "{counts:?}");
    assert!(counts.errors[1].contains("the only record was refused"), "{counts:?}");
}

/// A link to one row; all that differs from a list is how many rows an answer may have.
const ONE: &str = r#"recipes: Recipe @fetch(source: "farm", GET: "/one/{$this.id}", when: ALWAYS, rows: ".r")"#;

#[tokio::test]
async fn a_single_link_follows_its_answers() {
    let bench = Bench::with(ONE).await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three"), ("4", "four")]);
    let says = |id: &str, row: &str| bench.answers(&format!("/one/{id}"), Answer::json(format!("{{\"r\":{row}}}")));
    says("1", r#"{"id":"a","name":"A"}"#);
    says("2", r#""a""#);
    says("3", "null");
    says("4", r#""nobody""#);
    let (report, asked) = bench.round().await;
    assert_eq!((state(&report), asked.len()), ((RunState::Complete, 4, 1, 0, 0), 4));
    let linked = "{items:[{id:1,recipe:{id:a}},{id:2,recipe:{id:a}},{id:3,recipe:null},{id:4,recipe:null}]}";
    assert_eq!(bench.links().await, linked);
    // What is answered again changes nothing, and nobody hears of it.
    let mut changes = bench.store.bus().listen();
    bench.round().await;
    assert!(changes.try_recv().is_err());
    // A key was there before its row; a link goes with an answer that has none.
    says("1", r#"{"id":"nobody","name":"N"}"#);
    bench.answers("/one/2", Answer::status(204));
    bench.round().await;
    assert_eq!(
        bench.links().await,
        "{items:[{id:1,recipe:{id:nobody}},{id:2,recipe:null},{id:3,recipe:null},{id:4,recipe:{id:nobody}}]}"
    );
    let mut told = BTreeSet::new();
    while let Ok(commit) = changes.try_recv() {
        told.extend(commit.changed.entities());
    }
    let named = |name: &str| bench.catalog.entity_named(name).expect("a type");
    assert_eq!(told, BTreeSet::from([named("Item"), named("Recipe")]));
}

#[tokio::test]
async fn a_single_link_is_not_guessed() {
    let bench = Bench::with(&ONE.replace("\".r\"", "\".r[]\"")).await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three"), ("4", "four")]);
    let says = |id: &str, rows: &str| bench.answers(&format!("/one/{id}"), Answer::json(format!("{{\"r\":{rows}}}")));
    for id in ["1", "2", "3", "4"] {
        says(id, r#"[{"id":"a"}]"#);
    }
    bench.round().await;
    says("1", r#"["a","b"]"#);
    says("2", r#"[{"name":"no key"}]"#);
    says("3", r#"[{"id":"b","name":["no text"]}]"#);
    says("4", r#"["b",null,{"id":"b"}]"#);
    let (report, _) = bench.round().await;
    // None of them brought a row.
    assert_eq!((report.summary.state, report.summary.refused), (RunState::Failed, 2));
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (1, 3));
    let several = counts.errors.iter().filter(|error| !error.contains("was refused"));
    for (error, item) in several.zip(["1: GET ", "4: GET "]) {
        assert!(error.starts_with(item), "{counts:?}");
        assert!(
            error.ends_with(
                "Item.recipes leads to one row, but there are several; make it a list, `[Recipe!]!`, or narrow `rows`"
            ),
            "{counts:?}"
        );
    }
    // Several rows, or one that cannot be told, change nothing; a row that is refused may be there
    // in an older version.
    bench.answers("/one/1", Answer::json(r#"{"r":[{"id":"b"}]}"#));
    bench.answers("/one/4", Answer::json(r#"{"r":[null]}"#));
    bench.round().await;
    assert_eq!(
        bench.links().await,
        "{items:[{id:1,recipe:{id:b}},{id:2,recipe:{id:a}},{id:3,recipe:{id:b}},{id:4,recipe:null}]}"
    );
}

fn answered(parents: Vec<Parent>) -> Vec<ParentAnswer> {
    let read = |parent| ParentAnswer {
        parent,
        pages: 1,
        bytes: 9,
        left_out: 0,
        copies: 0,
        doubt: None,
        outcome: ParentOutcome::Read {
            rows: Vec::new(),
            links: vec![Key::text("x")],
            refused: Vec::new(),
            state: None,
        },
    };
    parents.into_iter().map(read).collect()
}

#[tokio::test]
async fn an_answer_counts_only_while_its_claim_does() {
    let bench = Bench::start("").await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three")]);
    bench.run(0).await;
    let (store, fetch) = (&bench.store, FetchId(1));
    let start = StartRun {
        fetch: "Item.recipes".to_owned(),
        entity: bench.catalog.fetch(fetch).entity,
        slot: store.now().await.expect("a clock"),
        reason: Reason::Hand,
        resume: None,
    };
    let run = store.start_run(&start).await.expect("a run").expect("a free slot");
    assert_eq!(store.plan_field_requests(&run, fetch).await.expect("a plan"), 3);
    let claim = |owner: &'static str, limit| store.claim_field_requests(&run, fetch, owner, limit);
    let mine = answered(claim("mine", 2).await.expect("claims"));
    let yours = answered(claim("yours", 9).await.expect("claims"));
    assert_eq!((mine.len(), yours.len()), (2, 1));
    assert!(claim("late", 9).await.expect("claims").is_empty());
    store.release_field_requests(&run.fetch, "mine").await.expect("let go");
    let theirs = answered(claim("theirs", 1).await.expect("claims"));
    assert_eq!(theirs[0].parent.row, mine[0].parent.row);
    for (owner, answers, done) in [
        ("mine", &mine, 0),
        ("yours", &yours, 1),
        ("theirs", &theirs, 2),
        ("theirs", &theirs, 2),
    ] {
        let commit = store.commit_field_answers(&run, fetch, owner, answers).await;
        commit.expect("a commit");
        assert_eq!(bench.counts().await.done, done, "{owner}");
    }
    let other = Run {
        fence: run.fence + 1,
        ..run.clone()
    };
    let commit = store.commit_field_answers(&other, fetch, "yours", &yours).await;
    assert!(matches!(commit, Err(StoreError::Fenced)), "{commit:?}");
    assert!(matches!(
        store.plan_field_requests(&other, fetch).await,
        Err(StoreError::Fenced)
    ));
}
