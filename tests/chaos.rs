//! Four processes share one PostgreSQL and are killed, stopped and woken at random: each slot is run once, no stale write gets
//! through, and whoever is gone is replaced in time.

use std::time::{Duration, Instant};

use rand::{Rng, rngs::StdRng};

use crate::harness::{Db, Place, Program, Things, eventually, scale};

const PROCESSES: usize = 4;

const USUAL_SECONDS: u64 = 60;

/// A lease, and what a busy machine may add to it.
const TAKEOVER_MAX: Duration = Duration::from_secs(30 + 10);

/// How long the upstream thinks about each page, so that most kills meet a run.
const PAGE: Duration = Duration::from_millis(20);

struct Chaos {
    things: Things,
    processes: Vec<Option<Program>>,
    random: StdRng,
}

impl Chaos {
    /// One random event.
    async fn step(&mut self) {
        let at = self.random.random_range(0..PROCESSES);
        let wait = Duration::from_millis(self.random.random_range(50..900));
        match self.random.random_range(0..10) {
            0..=2 => self.kill(at).await,
            3..=5 => {
                let stopped = self.processes[at].as_ref();
                if let Some(program) = stopped {
                    program.signal("STOP").await;
                    tokio::time::sleep(wait).await;
                    program.signal("CONT").await;
                }
            }
            6..=7 => self.outlive(wait).await,
            _ => self.things.next(),
        }
        tokio::time::sleep(Duration::from_millis(self.random.random_range(0..300))).await;
        self.fill().await;
    }

    async fn kill(&mut self, at: usize) {
        if let Some(program) = self.processes[at].take() {
            program.kill().await;
        }
    }

    /// Somebody sleeps longer than the lease, as the database sees it, and wakes up when others have gone on.
    async fn outlive(&mut self, wait: Duration) {
        let at = self.random.random_range(0..PROCESSES);
        if let Some(program) = &self.processes[at] {
            program.signal("STOP").await;
            self.things.scratch.let_leases_end().await;
            tokio::time::sleep(wait).await;
            program.signal("CONT").await;
        }
    }

    /// All places are taken again.
    async fn fill(&mut self) {
        for at in 0..PROCESSES {
            if self.processes[at].is_none() {
                self.processes[at] = Some(self.things.serve().await);
            }
        }
    }

    async fn newest(&self) -> u64 {
        let newest = self
            .things
            .scratch
            .rows("SELECT coalesce(max(id),0) FROM hayloft_run WHERE state='complete'")
            .await;
        newest[0][0].parse().expect("a number")
    }

    /// Everybody sleeps but one: whatever they had under way is taken over by that one, when the lease is over and no later.
    async fn take_over(&mut self) {
        let (last, others) = self.processes.split_last().expect("processes");
        for program in others.iter().flatten() {
            program.signal("STOP").await;
        }
        let before = self.newest().await;
        let began = Instant::now();
        eventually("the last one goes on", || async {
            (self.newest().await > before).then_some(())
        })
        .await;
        assert!(began.elapsed() < TAKEOVER_MAX, "after {:?}", began.elapsed());
        for program in others.iter().flatten() {
            program.signal("CONT").await;
        }
        assert!(last.is_some());
    }

    /// No slot is there twice, no two runs go on at once, and no run has written after one that began later had: the changes
    /// of the log come in the turn of their runs.
    async fn check_ledger(&self) {
        let rows = async |sql| self.things.scratch.rows(sql).await;
        let twice = "SELECT \"fetch\",slot,count(*) FROM hayloft_run GROUP BY 1,2 HAVING count(*)>1";
        assert!(rows(twice).await.is_empty());
        let at_once = "SELECT \"fetch\",count(*) FROM hayloft_run WHERE state='running' GROUP BY 1 HAVING count(*)>1";
        assert!(rows(at_once).await.is_empty());
        let stale = "SELECT * FROM (SELECT seq,turn,lag(turn) OVER (ORDER BY seq) AS before FROM hayloft_change_log \
                     JOIN hayloft_run ON hayloft_run.id=run) AS written WHERE turn<before";
        let found = rows(stale).await;
        assert!(found.is_empty(), "written after its time: {found:?}");
    }
}

#[tokio::test]
async fn four_processes_share_a_schedule_whatever_happens_to_them() {
    let mut things = Things::new(Place::new(Db::Postgres), "1s").await;
    things.slow(PAGE);
    let processes = (0..PROCESSES).map(|_| None).collect();
    let mut chaos = Chaos {
        things,
        processes,
        random: scale::random(0),
    };
    chaos.fill().await;
    println!("HAYLOFT_SEED={}", scale::seed());
    let seconds = scale::scale("HAYLOFT_CHAOS_SECONDS", USUAL_SECONDS);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        chaos.step().await;
        chaos.check_ledger().await;
    }
    chaos.take_over().await;
    let program = chaos.processes[0].take().expect("a process");
    chaos.things.arrive(&program).await;
    chaos.check_ledger().await;
    let seen =
        "SELECT count(DISTINCT owner),sum(CASE WHEN state='interrupted' OR fence>1 THEN 1 ELSE 0 END) FROM hayloft_run";
    let seen = chaos.things.scratch.rows(seen).await;
    let [owners, cut]: [u64; 2] = [0, 1].map(|at| seen[0][at].parse().expect("a number"));
    println!("{owners} processes had runs, {cut} runs were cut short");
    // Otherwise nothing was shown; in less than the usual time little happens.
    assert!(
        seconds < USUAL_SECONDS || (owners > PROCESSES as u64 && cut > 0),
        "{owners} processes had runs, {cut} runs were cut short"
    );
}
