//! What a history is held to: after each step, and in the end, when the trouble is over and all
//! that is due must be done.

use chrono::{DateTime, SecondsFormat, Utc};
use rand::Rng as _;

use super::{Simulation, TAKEOVER, complete};
use crate::{
    catalog::{CatchUp, Schedule},
    store::testing::{LedgerRow, log_after, tags},
};

impl Simulation {
    /// What is so after every step.
    pub(super) async fn check(&mut self) {
        for f in 0..self.fetches.len() {
            let rows = self.rows(f).await;
            let running = rows.iter().filter(|row| row.state == "running").count();
            assert!(running <= 1, "runs overlap: {rows:?}");
            assert!(rows.windows(2).all(|pair| pair[0].slot < pair[1].slot), "a slot twice");
            for row in &rows {
                let fence = self.fences.insert(row.id, row.fence).unwrap_or(0);
                assert!(fence <= row.fence, "a fence fell: {row:?}");
                assert_eq!(row.state == "queued", row.fence == 0, "{row:?}");
            }
        }
    }

    /// The step of a clock that begins to run far ahead, or ceases to.
    pub(super) fn run_ahead(&mut self) -> i64 {
        let before = self.ahead;
        self.ahead = match before {
            0 => self.random.random_range(3_600_000..40_000_000),
            _ => 0,
        };
        if before > 0 {
            self.meet("set right");
        }
        self.ahead - before
    }

    /// The trouble ends: whoever lives does all it should, in order, second by second.
    pub(super) async fn calm(&mut self) {
        self.processes.truncate(3);
        if self.ahead > 0 {
            let back = self.run_ahead();
            self.set_back = true;
            self.pass(back);
        }
        for process in &mut self.processes {
            process.stopped = false;
        }
        let mut left = Vec::new();
        for f in 0..self.fetches.len() {
            let (rows, own) = (self.rows(f).await, &self.processes);
            let held = |row: &LedgerRow| {
                own.iter()
                    .any(|process| Some(process.store.name()) == row.owner.as_deref())
            };
            left.extend(
                rows.into_iter()
                    .filter(|row| row.state == "running" && !held(row))
                    .map(|row| (f, row)),
            );
        }
        for second in 0..=TAKEOVER {
            self.second(second).await;
            self.check().await;
        }
        for (f, left) in left.into_iter().filter(|_| !self.set_back) {
            let rows = self.rows(f).await;
            let same = |row: &&LedgerRow| (row.id, row.fence, &row.state) == (left.id, left.fence, &left.state);
            assert!(!rows.iter().any(|row| same(&row)), "nobody took over {left:?}");
        }
    }

    async fn second(&mut self, second: i64) {
        self.pass(1_000);
        for p in 0..self.processes.len() {
            for f in 0..self.fetches.len() {
                if (second + p as i64) % 5 == 0 {
                    self.look(p, f).await;
                    self.claim(p, f).await;
                }
                if second % 10 == 0 {
                    self.beat(p, f).await;
                }
                let ends = self.random.random_bool(0.2);
                match ends {
                    true => self.finish(p, f, complete()).await,
                    false => self.commit(p, f).await,
                }
            }
        }
    }

    /// Everything that is due at this moment is done.
    async fn settle(&mut self) {
        for _ in 0..40 {
            let before = self.trace.iter().filter(|line| line.contains("claims")).count();
            for p in 0..self.processes.len() {
                for f in 0..self.fetches.len() {
                    self.look(p, f).await;
                    self.claim(p, f).await;
                    self.beat(p, f).await;
                    self.finish(p, f, complete()).await;
                }
            }
            if before == self.trace.iter().filter(|line| line.contains("claims")).count() {
                return;
            }
        }
        panic!("runs start for ever");
    }

    /// What is so in the end: nothing waits, nothing is open, the newest slots are there, and every
    /// commit is there once.
    pub(super) async fn end(&mut self) {
        self.settle().await;
        self.pass(301_000);
        self.settle().await;
        for f in 0..self.fetches.len() {
            let rows = self.rows(f).await;
            let open = rows.iter().find(|row| !row.closed || row.state == "queued");
            assert!(open.is_none(), "left over: {open:?}");
            let last = rows.iter().max_by_key(|row| row.turn).expect("a run");
            assert_eq!(last.state, "complete", "{last:?}");
            self.check_slots(f, &rows);
        }
        let stored = tags(&self.world, &format!("h{}c", self.seed)).await;
        let mut accepted = self.accepted.clone();
        accepted.sort();
        assert_eq!(stored, accepted, "the rows are those of the accepted commits");
        let log = log_after(&self.world, self.head).await;
        assert!(
            log.iter().zip(self.head + 1..).all(|((seq, _), want)| *seq == want),
            "gaps in {log:?}"
        );
        let logged: Vec<_> = log.into_iter().map(|(_, key)| key).collect();
        let accepted: Vec<_> = self.accepted.iter().map(|key| format!("[\"{key}\"]")).collect();
        assert_eq!(logged, accepted, "the log is in the order of the commits");
    }

    fn check_slots(&self, f: usize, rows: &[LedgerRow]) {
        let fetch = &self.fetches[f].1;
        let Some(Schedule::Every(every)) = &fetch.schedule else {
            return;
        };
        let current = Schedule::Every(*every).current(self.instant()).expect("a slot");
        let first = rows.first().expect("a run");
        let slot = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        match fetch.catch_up {
            // What a clock that ran ahead left in the future stands for no slot before it.
            CatchUp::Latest => {
                let now = slot(self.instant());
                let newest = rows.iter().rfind(|row| row.slot <= now).expect("a run");
                assert!(newest.slot >= slot(current), "{newest:?} is not of {current}");
            }
            // The time of nobody looking was longer than a minute: nothing is caught up.
            CatchUp::None => {}
            CatchUp::All { max } => {
                for back in 0..max {
                    let at = slot(current - *every * back);
                    let there = rows.iter().any(|row| row.slot == at);
                    assert!(there || at <= first.slot, "{at} was never run: {rows:?}");
                }
            }
        }
    }
}
