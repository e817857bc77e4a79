//! Random histories of several processes on one ledger: the real rules and SQL, on a virtual clock.
//!
//! A seed makes a history: its fetches, its processes, and an order of what they do and what
//! befalls them. After each step the ledger is held to its promises; then the trouble ends, and all
//! that is due must be done. `HAYLOFT_SEED=n` runs one, `HAYLOFT_HISTORIES=n` as many as that.

mod ending;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::FutureExt as _;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    super::slots::{claim, is_ready, lacks, plan},
    catalogs::{self, paging},
};
use crate::{
    catalog::{Advance, CatchUp, Fetch, Missing, Schedule},
    config::Environment,
    store::{
        Checkpoint, FetchStatus, Finish, Group, LEASE, Reason, Run, StartRun, Store, StoreError,
        testing::{Clock, LedgerRow, On, TAG, bench_on, hurry, ledger, tag},
    },
};

/// Histories in each test run; a soak asks for more.
const HISTORIES: u64 = 500;
/// Databases side by side, one for each core that a test machine has at least.
const WORLDS: usize = 2;
/// On PostgreSQL each statement is a round trip: fewer histories, and enough for everything.
const POSTGRES_PART: u64 = 10;
const POSTGRES_LEAST: u64 = 40;
/// A day in autumn.
const BEGIN: i64 = 1_795_000_000_000;
/// A dead process is replaced within this.
const TAKEOVER: i64 = 30;

struct Process {
    store: Store,
    stopped: bool,
    /// What it last saw of each fetch, which may be old.
    known: Vec<FetchStatus>,
    work: Vec<Option<Work>>,
}

struct Work {
    run: Run,
    pages: u64,
}

struct Simulation {
    world: Store,
    seed: u64,
    clock: Clock,
    random: StdRng,
    fetches: Vec<(String, Arc<Fetch>)>,
    processes: Vec<Process>,
    /// Processes that there ever were.
    started: usize,
    fences: HashMap<i64, i64>,
    checkpoints: HashMap<i64, u64>,
    /// Keys of accepted commits in their order.
    accepted: Vec<String>,
    commits: usize,
    head: i64,
    set_back: bool,
    /// By so much the clock runs ahead for a while.
    ahead: i64,
    trace: Vec<String>,
    met: Met,
}

/// How often the histories came to what they are for.
type Met = BTreeMap<&'static str, u64>;

fn text(millis: i64) -> String {
    let at = DateTime::from_timestamp_millis(millis).expect("an instant");
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn fetch(random: &mut StdRng) -> Fetch {
    let every = Duration::from_secs([5, 20, 60, 300][random.random_range(0..4)]);
    let mut fetch = catalogs::fetch("/t", ".[]", paging(Advance::Single));
    fetch.entity = TAG;
    fetch.schedule = random.random_bool(0.85).then_some(Schedule::Every(every));
    fetch.catch_up = match random.random_range(0..4) {
        0 => CatchUp::All {
            max: random.random_range(1..12),
        },
        1 => CatchUp::None,
        _ => CatchUp::Latest,
    };
    fetch.missing = match random.random_bool(0.5) {
        true => Missing::Keep,
        false => Missing::Delete,
    };
    fetch
}

impl Simulation {
    async fn new(world: &Store, seed: u64) -> Simulation {
        let mut random = StdRng::seed_from_u64(seed);
        let fetches = (0..random.random_range(1..3)).map(|at| (format!("H{seed}F{at}"), Arc::new(fetch(&mut random))));
        let fetches: Vec<_> = fetches.collect();
        let clock = Clock::default();
        clock
            .0
            .store(BEGIN + random.random_range(0..300_000), Ordering::Relaxed);
        let mut simulation = Simulation {
            world: world.clone(),
            seed,
            clock,
            fetches,
            processes: Vec::new(),
            started: 0,
            fences: HashMap::new(),
            checkpoints: HashMap::new(),
            accepted: Vec::new(),
            commits: 0,
            head: world.log_head().await.expect("a head").head,
            set_back: false,
            ahead: 0,
            trace: Vec::new(),
            met: Met::new(),
            random,
        };
        for _ in 0..simulation.random.random_range(2..5) {
            let process = simulation.process();
            simulation.processes.push(process);
        }
        simulation
    }

    fn process(&mut self) -> Process {
        self.started += 1;
        let name = format!("h{}p{}", self.seed, self.started);
        Process {
            store: self.world.as_process(&name, &self.clock),
            stopped: false,
            known: vec![FetchStatus::default(); self.fetches.len()],
            work: self.fetches.iter().map(|_| None).collect(),
        }
    }

    fn now(&self) -> i64 {
        self.clock.0.load(Ordering::Relaxed)
    }

    fn instant(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.now()).expect("an instant")
    }

    fn pass(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn meet(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    fn note(&mut self, what: String) {
        let now = text(self.now());
        self.trace.push(format!("{now} {what}"));
    }

    /// One random thing that a process does or that befalls it.
    async fn step(&mut self) {
        let (p, f) = (
            self.random.random_range(0..self.processes.len()),
            self.random.random_range(0..self.fetches.len()),
        );
        let dice = self.random.random_range(0..100);
        match dice {
            0..16 => self.time_passes(),
            16..18 => {
                self.note(format!("{p} crashes"));
                self.processes[p] = self.process();
            }
            18..24 => {
                let stopped = !self.processes[p].stopped;
                self.note(format!("{p} {}", if stopped { "stops" } else { "goes on" }));
                self.processes[p].stopped = stopped;
            }
            _ if self.processes[p].stopped => {}
            _ if self.processes[p].work[f].is_some() => self.work(p, f).await,
            24..60 => self.look(p, f).await,
            60..96 => self.claim(p, f).await,
            _ => self.by_hand(p, f).await,
        }
        self.check().await;
    }

    fn time_passes(&mut self) {
        let millis = match self.random.random_range(0..20) {
            // A step of the clock, also back.
            0 => self.random.random_range(-60_000..60_000),
            // It runs far ahead, and is set right again.
            4 => self.run_ahead(),
            1..4 => self.random.random_range(20_000..90_000),
            _ => self.random.random_range(100..12_000),
        };
        self.set_back |= millis < 0;
        self.pass(millis);
    }

    /// One thing that a process does with the run that it has, or believes to have.
    async fn work(&mut self, p: usize, f: usize) {
        match self.random.random_range(0..100) {
            0..66 => self.commit(p, f).await,
            66..80 => self.beat(p, f).await,
            80..84 => self.abandon(p, f),
            84..88 => self.finish(p, f, Finish::Interrupted).await,
            88..91 => self.finish(p, f, Finish::Failed { error: "no".to_owned() }).await,
            _ => self.finish(p, f, complete()).await,
        }
    }

    async fn rows(&self, f: usize) -> Vec<LedgerRow> {
        ledger(&self.world, &self.fetches[f].0).await
    }

    /// What the database must think of a run's right to write; does not ask the code under test.
    async fn may_write(&self, f: usize, run: &Run, lease: bool) -> bool {
        let rows = self.rows(f).await;
        let row = rows.iter().find(|row| row.id == run.id);
        row.is_some_and(|row| {
            row.fence == run.fence && row.state == "running" && (!lease || row.lease_until > text(self.now()))
        })
    }

    async fn look(&mut self, p: usize, f: usize) {
        let (name, fetch) = self.fetches[f].clone();
        let (process, now) = (
            &mut self.processes[p],
            DateTime::from_timestamp_millis(self.clock.0.load(Ordering::Relaxed)),
        );
        let store = process.store.clone();
        let known = store
            .plan_slots(&name, &|_, _| unchanged(&fetch))
            .await
            .expect("a status");
        let known = match lacks(&fetch, &known, None, now.expect("an instant")) {
            true => {
                let rule = |known: &FetchStatus, now| plan(&fetch, known, now);
                store.plan_slots(&name, &rule).await.expect("a plan")
            }
            false => known,
        };
        self.note(format!("{p} looks at {f}: {:?}, {:?}", known.hold, known.queued));
        assert!(
            known.queued.len() <= unchanged(&self.fetches[f].1).keep,
            "too many wait"
        );
        if known.queued.len() > 1 {
            self.meet("several wait");
        }
        self.processes[p].known[f] = known;
    }

    async fn claim(&mut self, p: usize, f: usize) {
        let process = &self.processes[p];
        if process.work[f].is_some() || !is_ready(&process.known[f], self.instant()) {
            return;
        }
        let (name, fetch) = self.fetches[f].clone();
        let (before, store) = (self.rows(f).await, process.store.clone());
        let asked = claim(&fetch, name);
        let Some(run) = store.claim_run(&asked).await.expect("an answer") else {
            self.meet("came too late");
            return;
        };
        self.note(format!("{p} claims {} of {f}, fence {}", run.id, run.fence));
        self.claimed(&before, &run, asked.resume, p);
        if before.iter().any(|row| row.state == "running") {
            self.meet("taken over");
        }
        if run.checkpoint.is_some() {
            self.meet("resumed");
        }
        self.processes[p].work[f] = Some(Work {
            pages: run.checkpoint.as_ref().map_or(0, |done| done.pages),
            run,
        });
    }

    /// A claim is right if nobody had a run of the fetch, and goes on exactly where it stopped.
    fn claimed(&self, before: &[LedgerRow], run: &Run, resume: Option<u64>, p: usize) {
        let now = text(self.now());
        let latest = text(self.now() + LEASE.as_millis() as i64 + 5_000);
        let own = self.processes[p].store.clone();
        for row in before.iter().filter(|row| row.state == "running") {
            let over = row.lease_until <= now || row.lease_until > latest;
            let left = row.owner.as_deref() == Some(own.name());
            assert!(over || left, "a run was taken from its owner: {row:?}");
        }
        let fence = before.iter().find(|row| row.id == run.id).map_or(0, |row| row.fence);
        assert_eq!(run.fence, fence + 1);
        if let Some(checkpoint) = &run.checkpoint {
            assert_eq!(self.checkpoints.get(&run.id), Some(&checkpoint.pages));
            assert!(resume.is_some_and(|least| checkpoint.pages >= least), "not worth it");
        }
    }

    async fn by_hand(&mut self, p: usize, f: usize) {
        let (name, fetch) = self.fetches[f].clone();
        // A run by hand stands for the slots before it; elsewhere each slot is looked at.
        if self.processes[p].work[f].is_some() || matches!(fetch.catch_up, CatchUp::All { .. }) {
            return;
        }
        let before = self.rows(f).await;
        let start = StartRun {
            fetch: name,
            entity: TAG,
            slot: self.instant(),
            reason: Reason::Hand,
            resume: None,
        };
        let started = self.processes[p].store.start_run(&start).await.expect("an answer");
        if let Some(run) = started {
            self.note(format!("{p} starts {} of {f} by hand", run.id));
            self.claimed(&before, &run, None, p);
            self.processes[p].work[f] = Some(Work { run, pages: 0 });
        }
    }

    /// The task of a run breaks; its process lives.
    fn abandon(&mut self, p: usize, f: usize) {
        if let Some(work) = self.processes[p].work[f].take() {
            self.processes[p].store.release_run(&work.run);
            self.note(format!("{p} breaks off {}", work.run.id));
        }
    }

    async fn beat(&mut self, p: usize, f: usize) {
        let Some(work) = &self.processes[p].work[f] else { return };
        let want = self.may_write(f, &work.run, false).await;
        let done = self.processes[p].store.heartbeat(&work.run).await;
        self.outcome(p, f, "beats", done, want);
    }

    async fn commit(&mut self, p: usize, f: usize) {
        let key = format!("h{}c{}", self.seed, self.commits);
        let Some(work) = &self.processes[p].work[f] else { return };
        // Some pages at once, so that runs become worth going on with.
        let (id, pages) = (work.run.id, work.pages + 7);
        let group = Group {
            rows: vec![tag(&key)],
            pages: 7,
            checkpoint: Some(Checkpoint {
                next: pages.to_string(),
                pages,
                rows: pages,
            }),
            ..Group::default()
        };
        let want = self.may_write(f, &work.run, true).await;
        let done = self.processes[p]
            .store
            .commit_groups(&work.run, &[group])
            .await
            .map(|_| ());
        self.commits += 1;
        if self.outcome(p, f, "commits", done, want) {
            self.accepted.push(key);
            self.checkpoints.insert(id, pages);
            if let Some(work) = &mut self.processes[p].work[f] {
                work.pages = pages;
            }
        }
    }

    async fn finish(&mut self, p: usize, f: usize, finish: Finish) {
        let Some(work) = &self.processes[p].work[f] else { return };
        let want = self.may_write(f, &work.run, true).await;
        let what = format!("ends ({finish:?})");
        let done = self.processes[p].store.finish_run(&work.run, finish).await.map(|_| ());
        if self.outcome(p, f, &what, done, want) {
            self.processes[p].work[f] = None;
        }
    }

    /// Holds an answer to what it must be; who is told that a run is not its own lets go of it.
    fn outcome(&mut self, p: usize, f: usize, what: &str, done: Result<(), StoreError>, want: bool) -> bool {
        let Some(work) = &self.processes[p].work[f] else {
            return false;
        };
        let (id, fence) = (work.run.id, work.run.fence);
        self.note(format!("{p} {what} {id} of {f}, fence {fence}: {}", done.is_ok()));
        match done {
            Ok(()) => assert!(want, "{what} was accepted"),
            Err(StoreError::Fenced) => {
                assert!(!want, "{what} was refused");
                self.meet("fenced");
                self.abandon(p, f);
                return false;
            }
            Err(error) => panic!("{what}: {error}"),
        }
        true
    }
}

fn complete() -> Finish {
    Finish::Complete {
        missing: Missing::Keep,
        missing_max: 0.0,
        told: Default::default(),
    }
}

/// Adds nothing, and leaves what waits.
fn unchanged(fetch: &Fetch) -> crate::store::Plan {
    let keep = plan(fetch, &FetchStatus::default(), DateTime::<Utc>::MIN_UTC).keep;
    crate::store::Plan {
        keep,
        ..crate::store::Plan::default()
    }
}

async fn history(world: &Store, seed: u64) -> Met {
    let mut simulation = Simulation::new(world, seed).await;
    let all = async {
        for _ in 0..simulation.random.random_range(20..100) {
            simulation.step().await;
        }
        simulation.calm().await;
        simulation.end().await;
    };
    if let Err(panic) = std::panic::AssertUnwindSafe(all).catch_unwind().await {
        eprintln!("{}", simulation.trace.join("\n"));
        eprintln!("the history of seed {seed} breaks a promise of the ledger; HAYLOFT_SEED={seed} alone replays it");
        std::panic::resume_unwind(panic);
    }
    simulation.met
}

fn setting(name: &str) -> Option<u64> {
    let environment = Environment::of_process();
    environment.get(name).map(|text| text.parse().expect("a number"))
}

/// Every so many-th of these histories from one on, in a database of their own.
async fn histories(on: On, seeds: impl Iterator<Item = u64>) -> Met {
    let bench = bench_on(on).await;
    hurry(&bench.store).await;
    let mut met = Met::new();
    for seed in seeds.step_by(WORLDS) {
        for (what, count) in history(&bench.store, seed).await {
            *met.entry(what).or_default() += count;
        }
    }
    met
}

/// Histories on this database, a part of those asked for; they must have come to what they are for.
async fn promises(on: On, part: u64, least: u64) {
    let (seed, asked) = (setting("HAYLOFT_SEED"), setting("HAYLOFT_HISTORIES"));
    if let (Some(seed), None) = (seed, asked) {
        history(&bench_on(on).await.store, seed).await;
        return;
    }
    let begin = seed.unwrap_or(0);
    let end = begin + (asked.unwrap_or(HISTORIES) / part).max(least);
    let worlds: Vec<_> = (0..WORLDS)
        .map(|first| tokio::spawn(histories(on, (begin..end).skip(first))))
        .collect();
    let mut met = Met::new();
    for world in worlds {
        for (what, count) in world.await.expect("kept promises") {
            *met.entry(what).or_default() += count;
        }
    }
    println!("shown: {on:?}: histories {begin} to {}: {met:?}", end - 1);
    for what in [
        "taken over",
        "resumed",
        "fenced",
        "came too late",
        "several wait",
        "set right",
    ] {
        assert!(met.contains_key(what), "no history came to this: {what}; {met:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_of_several_processes_keep_the_promises_of_the_ledger() {
    promises(On::Sqlite, 1, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_histories_keep_them_on_postgresql() {
    promises(On::Postgres, POSTGRES_PART, POSTGRES_LEAST).await;
}
