//! A ledger in memory that keeps the store's promises as far as a harvest can see them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::super::ledger::Ledger;
use crate::{
    catalog::Missing,
    store::{
        AllRefused, Attendance, Checkpoint, Claim, Due, EndRule, FetchStatus, Finish, Group, GroupOutcome, Hold,
        PlanRule, Reason, Refused, RequestState, Run, RunState, RunSummary, StartRun, StoreError, Told,
    },
    value::Row,
};

#[derive(Default)]
pub(crate) struct Memory {
    state: Mutex<State>,
    pub committed: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub rows: BTreeMap<String, Row>,
    seen: BTreeSet<String>,
    /// Keys seen since the last end of a page, and by request.
    page: Vec<String>,
    by_request: BTreeMap<String, Vec<String>>,
    pub requests: BTreeMap<String, RequestState>,
    pub refused: Vec<Refused>,
    /// Refused records since the last end of a page, and by request.
    page_refused: u64,
    refused_by_request: BTreeMap<String, u64>,
    pub groups: Vec<(usize, u64)>,
    pub runs: Vec<RunSummary>,
    pub queued: Vec<Due>,
    pub checkpoint: Option<Checkpoint>,
    pub missing: Option<Missing>,
    pub unchanged: u64,
    /// Commits after which every further one fails as fenced.
    pub fence_after: Option<usize>,
}

impl Memory {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the lock")
    }
}

impl State {
    fn begin(&mut self, start: &StartRun) -> Run {
        let resumed = self.runs.last().is_some_and(|run| run.state == RunState::Interrupted);
        let worth = |done: &Checkpoint| start.resume.is_some_and(|least| done.pages >= least);
        let checkpoint = self.checkpoint.clone().filter(|done| resumed && worth(done));
        if checkpoint.is_none() {
            self.seen.clear();
        }
        let id = self.runs.len() as i64;
        self.runs.push(RunSummary {
            resumed: checkpoint.is_some(),
            ..summary(id, start)
        });
        Run {
            id,
            fetch: start.fetch.clone(),
            entity: start.entity,
            fence: 1,
            generation: 0,
            checkpoint,
        }
    }

    fn commit(&mut self, run: &Run, group: Group) -> GroupOutcome {
        let mut outcome = GroupOutcome {
            copies: group.copies,
            ..GroupOutcome::default()
        };
        for row in group.rows {
            let key = key_of(&row);
            match self.rows.insert(key.clone(), row.clone()) {
                None => outcome.new += 1,
                Some(before) if before.hash != row.hash => outcome.changed += 1,
                Some(_) => outcome.same += 1,
            }
            outcome.copies += u64::from(!self.seen.insert(key.clone()));
            self.page.push(key);
        }
        let mut refused = group.refused.len() as u64;
        if let Some(request) = group.unchanged {
            let keys = self.by_request.get(&request).cloned().unwrap_or_default();
            outcome.same += keys.len() as u64;
            self.seen.extend(keys.iter().cloned());
            self.page.extend(keys);
            self.unchanged += 1;
            refused += self.refused_by_request.get(&request).copied().unwrap_or(0);
        }
        self.page_refused += refused;
        let stay = group.refused.iter().filter_map(|refused| refused.id.as_ref());
        let stay: Vec<String> = stay.map(ToString::to_string).collect();
        self.page.extend(stay.iter().cloned());
        self.seen.extend(stay);
        if let Some(request) = group.request {
            let page = std::mem::take(&mut self.page);
            self.by_request.insert(request.request.clone(), page);
            let refused = std::mem::take(&mut self.page_refused);
            self.refused_by_request.insert(request.request.clone(), refused);
            self.requests.insert(request.request.clone(), request);
        }
        self.refused.extend(group.refused);
        if group.checkpoint.is_some() {
            self.page.clear();
            self.page_refused = 0;
            self.checkpoint = group.checkpoint;
        }
        let summary = &mut self.runs[run.id as usize];
        summary.pages += group.pages;
        summary.bytes += group.bytes;
        summary.new += outcome.new;
        summary.changed += outcome.changed;
        summary.same += outcome.same;
        summary.refused += refused;
        summary.repeated += outcome.copies;
        summary.left_out += group.left_out;
        outcome
    }

    fn all_refused(&self, run: &Run) -> Option<AllRefused> {
        let run = &self.runs[run.id as usize];
        (run.refused > 0 && run.new + run.changed + run.same == 0).then(|| AllRefused {
            count: run.refused,
            first: self.refused.last().map_or(String::new(), |last| last.reason.clone()),
        })
    }

    fn status(&self, fetch: &str) -> FetchStatus {
        let failed = self.runs.iter().rev().take_while(|run| run.state == RunState::Failed);
        let last = self.runs.last().cloned();
        let slots = self
            .runs
            .iter()
            .map(|run| run.slot)
            .chain(self.queued.iter().map(|due| due.slot));
        FetchStatus {
            fetch: fetch.to_owned(),
            failures: failed.count() as u32,
            hold: match last.as_ref().map(|last| last.state) {
                Some(RunState::Running) => Hold::Leased,
                Some(RunState::Interrupted) => Hold::Free,
                _ => Hold::Ended,
            },
            newest_slot: slots.max(),
            queued: self.queued.clone(),
            last,
            ..FetchStatus::default()
        }
    }
}

fn key_of(row: &Row) -> String {
    row.values[0].to_string()
}

#[async_trait]
impl Ledger for Memory {
    async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        let mut state = self.state();
        if state.runs.iter().any(|run| run.slot == start.slot) {
            return Ok(None);
        }
        Ok(Some(state.begin(start)))
    }

    async fn plan_slots(&self, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
        let mut state = self.state();
        let plan = rule(&state.status(fetch), Utc::now());
        for due in plan.add {
            if state.runs.iter().all(|run| run.slot != due.slot) && !state.queued.contains(&due) {
                state.queued.push(due);
            }
        }
        let over = state.queued.len().saturating_sub(plan.keep);
        state.queued.drain(..over);
        Ok(state.status(fetch))
    }

    async fn claim_run(&self, claim: &Claim) -> Result<Option<Run>, StoreError> {
        let mut state = self.state();
        let left = state.status(&claim.fetch).hold == Hold::Free;
        let now = Due {
            slot: Utc::now(),
            reason: Reason::Start,
        };
        let due = match left {
            true => now,
            false if state.queued.is_empty() => return Ok(None),
            false => state.queued.remove(0),
        };
        let start = StartRun {
            fetch: claim.fetch.clone(),
            entity: claim.entity,
            slot: due.slot,
            reason: due.reason,
            resume: claim.resume,
        };
        Ok(Some(state.begin(&start)))
    }

    fn release_run(&self, _run: &Run) {}

    async fn attend(&self, _by_hand: bool, _call: bool) -> Result<Attendance, StoreError> {
        Ok(Attendance {
            rank: 0,
            count: 1,
            alone: true,
            joined: false,
            now: Utc::now(),
            others_seen: None,
        })
    }

    async fn heartbeat(&self, _run: &Run) -> Result<(), StoreError> {
        Ok(())
    }

    async fn vouches(&self, _run: &Run, _request: &str, _before: &[Group]) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn commit_groups(&self, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
        let mut state = self.state();
        if state.fence_after.is_some_and(|after| state.groups.len() >= after) {
            return Err(StoreError::Fenced);
        }
        let rows = groups.iter().map(|group| group.rows.len()).sum();
        let pages = groups.iter().map(|group| group.pages).sum();
        state.groups.push((rows, pages));
        let mut outcome = GroupOutcome::default();
        for group in groups {
            outcome.add(&state.commit(run, group.clone()));
        }
        self.committed.notify_one();
        Ok(outcome)
    }

    async fn complete_run(
        &self,
        run: &Run,
        groups: &[Group],
        rule: EndRule<'_>,
    ) -> Result<(RunSummary, GroupOutcome), StoreError> {
        let outcome = match groups {
            [] => GroupOutcome::default(),
            groups => self.commit_groups(run, groups).await?,
        };
        let all = self.state().all_refused(run);
        Ok((self.finish_run(run, rule(&outcome, all.as_ref())).await?, outcome))
    }

    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        let mut state = self.state();
        let before = state.rows.len();
        let (kind, error) = match finish {
            Finish::Complete { missing, told, .. } => {
                state.missing = Some(missing);
                state.runs[run.id as usize].told = told;
                let seen = state.seen.clone();
                if missing == Missing::Delete {
                    state.rows.retain(|key, _| seen.contains(key));
                }
                (RunState::Complete, None)
            }
            Finish::Failed { error } => (RunState::Failed, Some(error)),
            Finish::Interrupted => (RunState::Interrupted, None),
        };
        let gone = (before - state.rows.len()) as u64;
        let summary = &mut state.runs[run.id as usize];
        summary.state = kind;
        summary.error = error;
        summary.gone = gone;
        summary.finished_at = Some(Utc::now());
        Ok(summary.clone())
    }

    async fn request_state(&self, _fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
        Ok(self.state().requests.get(request).cloned())
    }

    async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        let state = self.state();
        Ok(state
            .runs
            .last()
            .map(|last| state.status(&last.fetch))
            .into_iter()
            .collect())
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(Utc::now())
    }
}

pub(crate) fn summary(id: i64, start: &StartRun) -> RunSummary {
    RunSummary {
        id,
        fetch: start.fetch.clone(),
        slot: start.slot,
        state: RunState::Running,
        started_at: start.slot,
        finished_at: None,
        pages: 0,
        bytes: 0,
        new: 0,
        changed: 0,
        same: 0,
        gone: 0,
        refused: 0,
        repeated: 0,
        held: 0,
        left_out: 0,
        error: None,
        told: Told::default(),
        resumed: false,
        owner: None,
    }
}
