//! What a run may delete, through the real store: nothing that may still be there.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use super::upstream::{Answer, Upstream};
use crate::{
    catalog::{self, FetchId},
    config::{DatabaseUrl, Environment},
    harvest::{Committed, HarvestSettings, Harvester, Progress},
    layout::Layout,
    store::{Access, Reason, Refused, RunState, RunSummary, Store},
};

/// A harvester of one type over a database of its own.
pub(super) struct Farm {
    harvester: Harvester,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Farm {
    /// `type Thing` with the arguments of its fetch that follow its path.
    pub(super) async fn new(url: &str, fetch: &str) -> Farm {
        Farm::of(url, "rows: \".rows[]\"", fetch).await
    }

    /// With its own way to the records.
    pub(super) async fn of(url: &str, rows: &str, fetch: &str) -> Farm {
        let text = format!(
            "extend schema @source(name: \"up\", url: \"{{$env.UP}}\", concurrency: 1)\n\
             type Thing @fetch(source: \"up\", {rows}, maxMissing: 1, {fetch}) {{ id: ID! name: String }}\n"
        );
        let catalog = Arc::new(catalog::testing::catalog(&text));
        let layout = Arc::new(Layout::of(&catalog));
        let folder = tempfile::tempdir().expect("folder");
        let database = DatabaseUrl::Sqlite(folder.path().join("farm.db"));
        let store = Store::open(&database, Access::Write, catalog.clone(), layout.clone()).await;
        let store = store.expect("a store");
        let settings = HarvestSettings {
            environment: Environment::default().with("UP", url),
            ..HarvestSettings::default()
        };
        let harvester = Harvester::new(catalog, layout, store.clone(), settings).expect("harvester");
        Farm {
            harvester,
            store,
            _folder: folder,
        }
    }

    pub(super) async fn run(&self, reason: Reason) -> (RunSummary, Vec<String>) {
        let told = Told::default();
        let cancel = CancellationToken::new();
        let report = self.harvester.run(FetchId(0), reason, &told, &cancel).await;
        let messages = told.messages.lock().expect("messages").clone();
        (report.expect("a run").summary, messages)
    }

    /// Runs until so many pages are committed, and stops there: the upstream answers no more.
    async fn interrupted(&self, ids: &Ids, pages: u64) {
        ids.1.store(pages, Ordering::Release);
        let cancel = CancellationToken::new();
        let told = Told {
            stop: Some((pages, cancel.clone())),
            ..Told::default()
        };
        let report = self.harvester.run(FetchId(0), Reason::Start, &told, &cancel).await;
        assert_eq!(report.expect("a run").summary.state, RunState::Interrupted);
        ids.1.store(u64::MAX, Ordering::Release);
    }

    /// How many commits that changed something a run makes.
    pub(super) async fn commits(&self) -> usize {
        let mut commits = self.store.bus().listen();
        self.run(Reason::Hand).await;
        std::iter::from_fn(|| commits.try_recv().ok()).count()
    }

    pub(super) async fn rows(&self) -> u64 {
        self.store.row_counts().await.expect("counts")[0].1
    }
}

impl Farm {
    pub(super) async fn refused(&self) -> Vec<Refused> {
        self.store.quarantine("Thing", 10).await.expect("quarantine")
    }
}

/// Keeps what was said, and stops a run at a page.
#[derive(Default)]
struct Told {
    messages: Mutex<Vec<String>>,
    stop: Option<(u64, CancellationToken)>,
}

impl Progress for Told {
    fn committed(&self, done: &Committed) {
        if let Some((pages, cancel)) = &self.stop
            && done.pages >= *pages
        {
            cancel.cancel();
        }
    }

    fn message(&self, text: &str) {
        self.messages.lock().expect("messages").push(text.to_owned());
    }
}

/// The ids of an upstream, two a page, and the last page that it answers; tests change them between
/// and during runs.
#[derive(Clone)]
struct Ids(Arc<Mutex<Vec<u32>>>, Arc<AtomicU64>);

impl Ids {
    fn new(ids: impl IntoIterator<Item = u32>) -> Ids {
        let ids = Arc::new(Mutex::new(ids.into_iter().collect()));
        Ids(ids, Arc::new(AtomicU64::new(u64::MAX)))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u32>)) {
        change(&mut self.0.lock().expect("ids"));
    }

    fn page(&self, path: &str) -> Answer {
        let (_, page) = path.split_once('=').expect("a parameter");
        let page: usize = page.parse().expect("a number");
        if page as u64 > self.1.load(Ordering::Acquire) {
            return Answer::silent();
        }
        let ids = self.0.lock().expect("ids");
        let slice = ids.iter().skip((page - 1) * 2).take(2);
        let rows: Vec<String> = slice.map(|id| format!("{{\"id\":{id}}}")).collect();
        let (last, total) = (ids.len().div_ceil(2), ids.len());
        Answer::json(format!(
            "{{\"rows\":[{}],\"last\":{last},\"total\":{total}}}",
            rows.join(",")
        ))
    }

    fn count(&self) -> u64 {
        self.0.lock().expect("ids").iter().collect::<BTreeSet<_>>().len() as u64
    }
}

const DELETE: &str = "GET: \"/t?page={$page}\", pages: {last: \".last\"}, missing: DELETE";

#[tokio::test]
async fn what_moved_between_a_kill_and_the_next_start_is_not_deleted() {
    // A short run starts again and judges; a long one goes on, keeps, and the whole run after it
    // judges.
    for (pages, resumed) in [(3, false), (25, true)] {
        let ids = Ids::new(0..60);
        let script = ids.clone();
        let upstream = Upstream::start(move |asked, _| script.page(&asked.path)).await;
        let farm = Farm::new(&upstream.url, DELETE).await;
        farm.run(Reason::Hand).await;
        farm.interrupted(&ids, pages).await;
        // Every row moves two pages forward: those of the pages after the checkpoint into pages
        // before it.
        ids.change(|ids| drop(ids.drain(..4)));
        let (summary, messages) = farm.run(Reason::Start).await;
        assert_eq!((summary.state, summary.resumed), (RunState::Complete, resumed));
        let gone = if resumed { 0 } else { 4 };
        assert_eq!(summary.gone, gone, "{messages:?}");
        assert_eq!(messages.iter().any(|text| text.contains("nothing is deleted")), resumed);
        farm.run(Reason::Start).await;
        assert_eq!(farm.rows().await, ids.count());
    }
}

#[tokio::test]
async fn a_run_by_hand_after_a_kill_leaves_exactly_the_rows_of_the_upstream() {
    let ids = Ids::new(0..60);
    let script = ids.clone();
    let upstream = Upstream::start(move |asked, _| script.page(&asked.path)).await;
    let farm = Farm::new(&upstream.url, DELETE).await;
    farm.interrupted(&ids, 25).await;
    ids.change(|ids| {
        ids.drain(..4);
        ids.push(1_000);
    });
    let (summary, _) = farm.run(Reason::Hand).await;
    assert_eq!((summary.state, summary.resumed), (RunState::Complete, false));
    assert_eq!(farm.rows().await, ids.count());
}

#[tokio::test]
async fn pages_that_shift_delete_nothing() {
    type Change = fn(&mut Vec<u32>);
    let total = "GET: \"/t?page={$page}\", pages: {total: \".total\"}, missing: DELETE";
    let cases: [(&str, Change, &str); 3] = [
        (total, |ids| drop(ids.drain(..1)), "another total"),
        (DELETE, |ids| drop(ids.drain(..2)), "another last page"),
        (
            DELETE,
            |ids| {
                ids.insert(0, 99);
                ids.pop();
            },
            "a row comes twice",
        ),
    ];
    for (fetch, change, what) in cases {
        let ids = Ids::new(0..6);
        let (script, asked_for) = (ids.clone(), Arc::new(Mutex::new(0)));
        let upstream = Upstream::start(move |asked, _| {
            let mut count = asked_for.lock().expect("count");
            *count += 1;
            // The second run: between its first page and its second.
            if *count == 5 {
                script.change(change);
            }
            script.page(&asked.path)
        })
        .await;
        let farm = Farm::new(&upstream.url, fetch).await;
        assert_eq!(farm.run(Reason::Hand).await.0.new, 6);
        let (summary, messages) = farm.run(Reason::Hand).await;
        assert_eq!((summary.state, summary.gone), (RunState::Complete, 0), "{what}");
        assert!(messages.iter().any(|text| text.contains("pages shifted")), "{what}");
        let (summary, messages) = farm.run(Reason::Hand).await;
        assert!(summary.gone > 0 && messages.is_empty(), "{what}: {messages:?}");
        assert_eq!(farm.rows().await, ids.count(), "{what}");
    }
}

#[tokio::test]
async fn a_page_that_repeats_its_own_rows_judges_all_the_same() {
    for fetch in [DELETE, "GET: \"/t?page=1\", missing: DELETE"] {
        let ids = Ids::new([1, 1, 2]);
        let script = ids.clone();
        let upstream = Upstream::start(move |asked, _| script.page(&asked.path)).await;
        let farm = Farm::new(&upstream.url, fetch).await;
        farm.run(Reason::Hand).await;
        ids.change(|ids| *ids = vec![3, 3]);
        let (summary, messages) = farm.run(Reason::Hand).await;
        // That is told, and no reason to keep what has gone.
        let told = messages
            .iter()
            .all(|message| message.contains("a key that came before"));
        assert!(summary.gone > 0 && told, "{messages:?}");
        assert_eq!(farm.rows().await, 1);
    }
}
