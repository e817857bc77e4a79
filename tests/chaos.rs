//! Four processes share one PostgreSQL and are killed, stopped and woken at random: each slot is run once, no stale write gets
//! through, and whoever is gone is replaced in time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{Rng, rngs::StdRng};

use crate::harness::{Db, Place, Program, Things, eventually, scale};

const PROCESSES: usize = 4;

/// The least time of trouble. A slow machine does less in it, so that it goes on until enough has happened ([`Shown::enough`]).
const USUAL_SECONDS: u64 = 60;

/// Who has not come to enough in so many steps never will.
const STEPS_MAX: u64 = 600;

/// A lease and one look at the ledger, within which a dead process is replaced.
const TAKEOVER_MAX: Duration = Duration::from_secs(30);

/// Between looks at a takeover. The promised time is counted in looks: where the machine stands still, so does the count.
const LOOK: Duration = Duration::from_millis(250);

/// Looks at one who sleeps longer than its lease, before it is woken whether or not others have gone on.
const SLEEP_LOOKS: u32 = 40;

/// Tries to stop a process where it is to be stopped.
const STOP_TRIES: u32 = 8;

/// Runs before the trouble begins.
const CALM_RUNS: u64 = 10;

/// How long the upstream thinks about each page, so that most kills meet a run.
const PAGE: Duration = Duration::from_millis(20);

/// What a process says that was refused a write, because its run is in other hands.
const REFUSED: &str = "a run was taken over by another process";

struct Chaos {
    things: Things,
    processes: Vec<Option<Program>>,
    random: StdRng,
    shown: Shown,
}

/// What the trouble has come to. The ledger forgets old runs, so it is looked at after each step.
#[derive(Debug, Default)]
struct Shown {
    owners: BTreeSet<String>,
    /// How often each run was begun.
    begun: BTreeMap<u64, u64>,
    /// Runs that were left behind, and ended or gone on with by another process.
    cut: BTreeSet<u64>,
    /// Writes that came too late, as far as their processes are dead.
    refused: usize,
}

impl Shown {
    /// Otherwise the promises were not put to the test.
    fn enough(&self, refused: usize) -> bool {
        self.owners.len() > PROCESSES && self.cut.len() >= PROCESSES && refused >= PROCESSES
    }
}

/// A run under way, and who has it in hand.
struct UnderWay {
    run: u64,
    fence: String,
    at: usize,
}

impl Chaos {
    /// One random event.
    async fn step(&mut self) {
        let at = self.random.random_range(0..PROCESSES);
        let wait = Duration::from_millis(self.random.random_range(50..900));
        match self.random.random_range(0..10) {
            0 => self.kill(at).await,
            1 => {
                // Who works, if anybody does.
                let at = self.under_way().await.map_or(at, |found| found.at);
                self.kill(at).await;
            }
            2..=4 => {
                if let Some(program) = &self.processes[at] {
                    program.signal("STOP").await;
                    tokio::time::sleep(wait).await;
                    program.signal("CONT").await;
                }
            }
            5..=7 => self.outlive().await,
            _ => self.things.next(),
        }
        tokio::time::sleep(Duration::from_millis(self.random.random_range(0..300))).await;
        self.fill().await;
    }

    /// Kills one. Every other time, all that the others would wait for its sake has passed already: else a minute would see few
    /// runs, because each that is cut short stands until its lease is over.
    async fn kill(&mut self, at: usize) {
        let Some(program) = self.processes[at].take() else {
            return;
        };
        let own = format!("{}-%", program.id());
        self.shown.refused += refused(&program);
        program.kill().await;
        if self.random.random_bool(0.5) {
            let gone = format!("DELETE FROM hayloft_process WHERE id LIKE '{own}'");
            let over = format!(
                "UPDATE hayloft_run SET lease_until='2000-01-01T00:00:00.000Z' WHERE state='running' AND owner LIKE '{own}'"
            );
            self.things.scratch.rows(&gone).await;
            self.things.scratch.rows(&over).await;
        }
    }

    /// Who works sleeps longer than its lease, as the database sees it. It wakes up when another one has brought what the upstream
    /// has now: what it goes on to write then is old, and would show.
    async fn outlive(&mut self) {
        let Some(found) = self.stop_between_commits().await else {
            return;
        };
        self.things.scratch.let_leases_end().await;
        self.things.next();
        let newer = format!("SELECT 1 FROM hayloft_run WHERE state='complete' AND id>{}", found.run);
        for _ in 0..SLEEP_LOOKS {
            tokio::time::sleep(LOOK).await;
            if !self.things.scratch.rows(&newer).await.is_empty() {
                break;
            }
        }
        self.holder(&found).signal("CONT").await;
    }

    /// Stops who has a run in hand, between two of its transactions: nothing that it holds keeps others from its run, and a
    /// commit is the first thing that it does when it wakes up.
    async fn stop_between_commits(&self) -> Option<UnderWay> {
        for _ in 0..STOP_TRIES {
            let found = self.under_way().await?;
            self.holder(&found).signal("STOP").await;
            tokio::time::sleep(LOOK).await;
            if self.is_still(&found).await && !self.holds_locks().await {
                return Some(found);
            }
            self.holder(&found).signal("CONT").await;
        }
        None
    }

    fn holder(&self, found: &UnderWay) -> &Program {
        self.processes[found.at].as_ref().expect("who holds a run lives")
    }

    /// All places are taken again.
    async fn fill(&mut self) {
        for at in 0..PROCESSES {
            if self.processes[at].is_none() {
                self.processes[at] = Some(self.things.serve().await);
            }
        }
    }

    /// The run under way, unless nobody here has it in hand.
    async fn under_way(&self) -> Option<UnderWay> {
        let rows = self
            .things
            .scratch
            .rows("SELECT id,fence,owner FROM hayloft_run WHERE state='running'")
            .await;
        let [run, fence, owner] = rows.first()?.as_slice() else {
            panic!("{rows:?}")
        };
        let owns = |program: &Program| owner.starts_with(&format!("{}-", program.id()));
        let at = self
            .processes
            .iter()
            .position(|program| program.as_ref().is_some_and(owns));
        Some(UnderWay {
            run: number(run),
            fence: fence.clone(),
            at: at?,
        })
    }

    async fn is_still(&self, found: &UnderWay) -> bool {
        let now = self.under_way().await;
        now.is_some_and(|now| (now.run, now.fence, now.at) == (found.run, found.fence.clone(), found.at))
    }

    /// Nothing happens to anybody for some runs: then nobody's run is taken from it.
    async fn calm(&mut self) {
        let done = "SELECT count(*) FROM hayloft_run WHERE state='complete'";
        eventually("some runs", || async {
            let done = self.things.scratch.rows(done).await.concat();
            (number(&done[0]) >= CALM_RUNS).then_some(())
        })
        .await;
        self.note().await;
        let told = self.told(0);
        assert!(self.shown.cut.is_empty() && self.refused() == 0, "{told}");
    }

    /// Everybody sleeps but one, while one of those has a run in hand: the last takes it over when the lease is over, and in
    /// the promised time.
    async fn take_over(&mut self) {
        let found = self.put_to_sleep().await;
        let mut looks = 0;
        while self.is_still(&found).await {
            assert!(LOOK * looks <= TAKEOVER_MAX, "not taken over after {looks} looks");
            tokio::time::sleep(LOOK).await;
            looks += 1;
        }
        self.signal_others("CONT").await;
    }

    /// Stops all but the last process, one of them in the middle of a run and of a transaction, which keeps its locks.
    async fn put_to_sleep(&self) -> UnderWay {
        eventually("one of the others is in the middle of its run", || async {
            let found = self.under_way().await.filter(|found| found.at + 1 < PROCESSES)?;
            self.signal_others("STOP").await;
            tokio::time::sleep(LOOK).await;
            let asleep = self.is_still(&found).await && self.holds_locks().await;
            if !asleep {
                self.signal_others("CONT").await;
            }
            asleep.then_some(found)
        })
        .await
    }

    /// Whether a transaction has lain idle since the last look at least: none that is awake does.
    async fn holds_locks(&self) -> bool {
        let idle = "SELECT 1 FROM pg_stat_activity WHERE datname=current_database() AND state='idle in transaction' \
                    AND state_change<now()-interval '200 milliseconds' AND application_name='hayloft'";
        !self.things.scratch.rows(idle).await.is_empty()
    }

    async fn signal_others(&self, name: &str) {
        let (_, others) = self.processes.split_last().expect("processes");
        for program in others.iter().flatten() {
            program.signal(name).await;
        }
    }

    /// No slot is there twice, no two runs go on at once, and no run has written after one that began later had: the changes
    /// of the log come in the turn of their runs.
    async fn check_ledger(&self) {
        let rows = async |sql| self.things.scratch.rows(sql).await;
        // One that was cut short is tried again in a slot of its own, beside it.
        let twice =
            "SELECT left(slot,19),count(*) FROM hayloft_run WHERE reason='schedule' GROUP BY 1 HAVING count(*)>1";
        let found = rows(twice).await;
        assert!(found.is_empty(), "slots twice: {found:?}");
        let at_once = "SELECT \"fetch\",count(*) FROM hayloft_run WHERE state='running' GROUP BY 1 HAVING count(*)>1";
        assert!(rows(at_once).await.is_empty());
        let stale = "SELECT * FROM (SELECT seq,turn,lag(turn) OVER (ORDER BY seq) AS before FROM hayloft_change_log \
                     JOIN hayloft_run ON hayloft_run.id=run) AS written WHERE turn<before";
        let found = rows(stale).await;
        assert!(found.is_empty(), "written after its time: {found:?}");
    }

    /// Notes what happened since the last look.
    async fn note(&mut self) {
        let runs = "SELECT id,fence,owner,state='interrupted' OR fence>1 FROM hayloft_run WHERE fence>0 ORDER BY turn";
        for run in self.things.scratch.rows(runs).await {
            let [id, fence, owner, cut] = run.as_slice() else {
                panic!("{run:?}")
            };
            self.shown.owners.insert(owner.clone());
            self.shown.begun.insert(number(id), number(fence));
            if cut == "t" {
                self.shown.cut.insert(number(id));
            }
        }
    }

    /// Who began no run asked for nothing: an upstream that was asked for more has seen a slot twice.
    async fn check_upstream(&mut self) {
        let asked = self.things.upstream.asked();
        let first = asked.iter().filter(|path| path.ends_with("?page=1")).count() as u64;
        // Afterwards: the ledger knows of a run before the upstream does.
        self.note().await;
        let begun: u64 = self.shown.begun.values().sum();
        assert!(first <= begun, "{first} first pages for {begun} beginnings of runs");
    }

    /// Writes that came too late and were refused.
    fn refused(&self) -> usize {
        let living: usize = self.processes.iter().flatten().map(refused).sum();
        self.shown.refused + living
    }

    fn told(&self, steps: u64) -> String {
        format!(
            "{steps} steps: {} processes had {} runs, {} of them were cut short, {} late writes were refused",
            self.shown.owners.len(),
            self.shown.begun.len(),
            self.shown.cut.len(),
            self.refused()
        )
    }
}

fn refused(program: &Program) -> usize {
    program.log().matches(REFUSED).count()
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

#[tokio::test]
async fn four_processes_share_a_schedule_whatever_happens_to_them() {
    let mut things = Things::new(Place::new(Db::Postgres), "1s").await;
    things.slow(PAGE);
    things.page_by_page();
    let processes = (0..PROCESSES).map(|_| None).collect();
    let mut chaos = Chaos {
        things,
        processes,
        random: scale::random(0),
        shown: Shown::default(),
    };
    chaos.fill().await;
    println!("HAYLOFT_SEED={}", scale::seed());
    chaos.calm().await;
    let least = Duration::from_secs(scale::scale("HAYLOFT_CHAOS_SECONDS", USUAL_SECONDS));
    let (begin, mut steps) = (Instant::now(), 0);
    while begin.elapsed() < least || !chaos.shown.enough(chaos.refused()) {
        assert!(
            begin.elapsed() < least || steps < STEPS_MAX,
            "too little happened in {}",
            chaos.told(steps)
        );
        chaos.step().await;
        chaos.check_ledger().await;
        chaos.note().await;
        steps += 1;
    }
    chaos.take_over().await;
    let program = chaos.processes[0].take().expect("a process");
    chaos.things.arrive(&program).await;
    chaos.check_ledger().await;
    chaos.check_upstream().await;
    println!("shown: {}", chaos.told(steps));
}
