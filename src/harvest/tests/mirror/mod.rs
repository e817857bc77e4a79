//! Random upstreams against random runs, through the real store: after the last complete run over a
//! calm upstream, rows, links and children are the upstream's, whatever came before; and no run
//! takes away what was there all the time.
//!
//! A seed makes a history. A failure names it: `HAYLOFT_SEED=n` runs that one alone,
//! `HAYLOFT_MIRRORS=n` asks for so many.

mod broken;
mod serve;
mod world;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value as Json;

use self::{
    serve::{State, Trouble},
    world::{Keys, World, keys_in},
};
use super::upstream::Upstream;
use crate::{
    catalog::{self, Catalog, FetchId, Valid},
    config::Environment,
    graphql::{ApiRequest, DataApi, Limits},
    harvest::{HarvestSettings, Harvester, RunReport, Silent},
    layout::Layout,
    store::{
        Access, Reason, RunState, Store,
        testing::{On, Place, hurry},
    },
};

/// Histories in each test run; a soak asks for more.
const HISTORIES: u64 = 60;
/// On PostgreSQL each statement is a round trip.
const POSTGRES_PART: u64 = 3;

const DEFINITION: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}", concurrency: 3)

type Item @fetch(source: "up", GET: "/items?page={$page}", rows: ".items[]", pages: {last: ".pages", total: ".total"},
                 missing: DELETE, maxMissing: 1) {
  id: ID!
  name: String!
  slug: String @unique
  maker: Maker
  tags: [Tag!]! @ref(jq: ".tags[]")
  parts: [Part!]! @nested(jq: ".parts[]")
  reviews: [Review!]! @fetch(source: "up", GET: "/items/{$this.id}/reviews", rows: ".[]", when: ALWAYS)
  sellers: [Maker!]! @fetch(source: "up", GET: "/items/{$this.id}/sellers", rows: ".[]", when: ALWAYS)
}

type Part { item: Item! code: ID! @id serial: String @unique weight: Int! }

type Review { id: ID! text: String! }

type Maker @fetch(source: "up", GET: "/makers?cursor={$cursor}", rows: ".rows[]", pages: {next: ".next"}) {
  id: ID!
  name: String!
  slug: String @unique
  city: String
}

type Label @fetch(source: "up", GET: "/labels", format: NDJSON, missing: DELETE, maxMissing: 1) {
  id: ID!
  name: String!
}

type Tag @fetch(source: "up", GET: "/tags", rows: ".[]", pages: {link: true}, missing: DELETE, maxMissing: 1) {
  id: ID!
  name: String!
}
"#;

const QUERY: &str = "{
  items(orderBy: [{id: ASC}]) {
    id name slug maker { id } tags { id } parts { code serial weight } reviews { id text } sellers { id }
  }
  makers(orderBy: [{id: ASC}]) { id name slug city }
  tags(orderBy: [{id: ASC}]) { id name }
  labels(orderBy: [{id: ASC}]) { id name }
}";

/// How often the histories came to what they are for.
type Met = BTreeMap<String, u64>;

fn catalog() -> Arc<Valid<Catalog>> {
    Arc::new(catalog::testing::catalog(DEFINITION))
}

struct Mirror {
    state: Arc<Mutex<State>>,
    random: StdRng,
    catalog: Arc<Valid<Catalog>>,
    store: Store,
    api: DataApi,
    harvester: Harvester,
    met: Met,
    _upstream: Upstream,
    _place: Place,
}

impl Mirror {
    async fn new(on: On, seed: u64) -> Mirror {
        let state = Arc::new(Mutex::new(State::new(StdRng::seed_from_u64(seed))));
        let script = Arc::clone(&state);
        let upstream = Upstream::start(move |asked, _| locked(&script).answer(asked)).await;
        let place = Place::new(on);
        let catalog = catalog();
        let layout = Arc::new(Layout::of(&catalog));
        let store = Store::open(&place.url, Access::Write, catalog.clone(), layout.clone()).await;
        let store = store.expect("a store");
        hurry(&store).await;
        let settings = HarvestSettings {
            environment: Environment::default().with("UP", &upstream.url),
            ..HarvestSettings::default()
        };
        Mirror {
            api: DataApi::new(catalog.clone(), store.clone(), Limits::default()).expect("an API"),
            harvester: Harvester::new(catalog.clone(), layout, store.clone(), settings).expect("a harvester"),
            state,
            random: StdRng::seed_from_u64(seed ^ 0x5eed),
            catalog,
            store,
            met: Met::new(),
            _upstream: upstream,
            _place: place,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    fn note(&self, what: String) {
        self.state().trace.push(what);
    }

    fn meet(&mut self, what: &str) {
        *self.met.entry(what.to_owned()).or_default() += 1;
    }

    async fn served(&self) -> Json {
        let mut request = ApiRequest::default();
        QUERY.clone_into(&mut request.query);
        let body = self.api.execute(request).await.body();
        let answer: Json = serde_json::from_slice(&body).expect("JSON");
        assert!(answer["errors"].is_null(), "{answer}");
        answer["data"].clone()
    }

    async fn run(&self, fetch: FetchId) -> RunReport {
        let stop = self.state().stop.clone();
        let run = self.harvester.run(fetch, Reason::Hand, &Silent, &stop).await;
        let report = run.expect("a run that is recorded");
        self.note(format!("  {:?}", report.summary));
        report
    }

    /// Something that happens between two runs.
    fn between(&mut self, past: &mut Vec<World>) {
        for _ in 0..self.random.random_range(0..4) {
            self.state().change();
        }
        let seconds = self.random.random_range(0..15);
        match self.random.random_range(0..13) {
            10 | 11 => (0..seconds % 3 + 1).for_each(|_| self.state().break_one()),
            12 => self.state().mend(),
            0 => self.state().forget_cursors(),
            1 | 2 if !past.is_empty() => {
                let world = past.swap_remove(self.random.random_range(0..past.len()));
                self.state().revert(world);
            }
            3..6 => past.push(self.state().world.clone()),
            _ => self.state().pass(seconds),
        }
    }

    fn trouble(&mut self) -> Option<(usize, Trouble)> {
        let at = self.random.random_range(0..4);
        let trouble = match self.random.random_range(0..16) {
            0 => Trouble::Status(500),
            1 => Trouble::Status(403),
            2 => Trouble::Cut,
            3 => Trouble::Page,
            4 => Trouble::Empty,
            5 | 6 => Trouble::BadRecord,
            7 => Trouble::Twice,
            8..11 => Trouble::Change,
            11 => Trouble::Stop,
            _ => return None,
        };
        Some((at, trouble))
    }

    async fn step(&mut self, past: &mut Vec<World>) {
        self.between(past);
        let before = keys_in(&self.served().await);
        let trouble = self.trouble();
        self.state().begin(trouble);
        let count = self.catalog.fetches.len() as u32;
        let fetch = FetchId(self.random.random_range(0..count));
        self.note(format!("run {} with {trouble:?}", self.catalog.fetch_name(fetch)));
        let mut reports = Vec::new();
        if self.random.random_bool(0.2) {
            let other = FetchId((fetch.0 + self.random.random_range(1..count)) % count);
            self.note(format!("  beside {}", self.catalog.fetch_name(other)));
            let (one, two) = tokio::join!(self.run(fetch), self.run(other));
            reports.extend([one, two]);
        } else {
            reports.push(self.run(fetch).await);
        }
        for report in reports {
            self.meet(&format!("{:?}", report.summary.state));
            for (what, count) in [
                ("refused", report.summary.refused),
                ("gone", report.summary.gone),
                ("changed", report.summary.changed),
            ] {
                if count > 0 {
                    self.meet(what);
                }
            }
        }
        let after = keys_in(&self.served().await);
        let always = self.state().always.clone();
        let lost: Keys = before
            .intersection(&always)
            .filter(|key| !after.contains(key))
            .cloned()
            .collect();
        assert!(lost.is_empty(), "a run took away what was there all the time: {lost:?}");
    }

    /// The trouble ends: each fetch runs once, and then all is as the upstream has it. A further
    /// round changes nothing.
    async fn calm(&mut self) {
        self.state().mend();
        for round in 0..2 {
            for fetch in self.catalog.fetch_ids().collect::<Vec<_>>() {
                self.state().begin(None);
                self.note(format!("calm run of {}", self.catalog.fetch_name(fetch)));
                let mut summary = self.run(fetch).await.summary;
                // Where what is remembered and what is answered contradict each other, the next run
                // judges.
                if summary.told.doubt.is_some()
                    || summary
                        .told
                        .notes
                        .iter()
                        .any(|note| note.contains("nothing is deleted"))
                {
                    assert_eq!(round, 0, "a calm upstream, and yet: {summary:?}");
                    self.meet("judged by the next run");
                    self.state().begin(None);
                    summary = self.run(fetch).await.summary;
                    assert!(summary.told.doubt.is_none(), "a calm upstream, and yet: {summary:?}");
                }
                assert_eq!(summary.state, RunState::Complete, "{summary:?}");
                let moved = (summary.new, summary.changed, summary.gone, summary.refused);
                assert!(
                    round == 0 || moved == (0, 0, 0, 0),
                    "a calm upstream, and yet: {summary:?}"
                );
            }
            let (served, wanted) = (self.served().await, self.state().world.served());
            for list in ["items", "makers", "tags", "labels"] {
                assert_eq!(served[list], wanted[list], "{list}: served, and what the upstream has");
            }
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn history(on: On, seed: u64) -> Met {
    let mut mirror = Mirror::new(on, seed).await;
    let state = Arc::clone(&mirror.state);
    let all = async {
        let mut past = Vec::new();
        for _ in 0..mirror.random.random_range(2..14) {
            mirror.step(&mut past).await;
        }
        mirror.calm().await;
        mirror.store.close().await;
        mirror.met
    };
    match std::panic::AssertUnwindSafe(all).catch_unwind().await {
        Ok(met) => met,
        Err(panic) => {
            eprintln!("{}", locked(&state).trace.join("\n"));
            eprintln!(
                "the history of seed {seed} on {on:?} does not end as the upstream has it; HAYLOFT_SEED={seed} replays it"
            );
            std::panic::resume_unwind(panic);
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    let environment = Environment::of_process();
    environment.get(name).map(|text| text.parse().expect("a number"))
}

async fn mirrors(on: On, part: u64) {
    let seed = setting("HAYLOFT_SEED");
    let asked = setting("HAYLOFT_MIRRORS");
    if let (Some(seed), None) = (seed, asked) {
        history(on, seed).await;
        return;
    }
    let begin = seed.unwrap_or(0);
    let count = (asked.unwrap_or(HISTORIES) / part).max(1);
    let wanted = ["Complete", "Failed", "Interrupted", "refused", "gone", "changed"];
    let mut met = Met::new();
    let mut end = begin;
    // Where a run is interrupted is up to the machine: what few histories did not come to, some more
    // do.
    while end < begin + count || end < begin + 5 * count && !wanted.iter().all(|what| met.contains_key(*what)) {
        for (what, count) in history(on, end).await {
            *met.entry(what).or_default() += count;
        }
        end += 1;
    }
    println!("shown: {on:?}: mirrors {begin} to {}: {met:?}", end - 1);
    for what in wanted {
        assert!(met.contains_key(what), "no history came to this: {what}; {met:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_becomes_what_the_upstream_has() {
    mirrors(On::Sqlite, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_so_on_postgresql() {
    mirrors(On::Postgres, POSTGRES_PART).await;
}
