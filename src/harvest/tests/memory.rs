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
        Checkpoint, FetchStatus, Finish, Group, GroupOutcome, Refused, RequestState, Run, RunState, RunSummary,
        StartRun, StoreError,
    },
    value::Row,
};

#[derive(Default)]
pub struct Memory {
    state: Mutex<State>,
    pub committed: Notify,
}

#[derive(Default)]
pub struct State {
    pub rows: BTreeMap<String, Row>,
    seen: BTreeSet<String>,
    /// Keys seen since the last end of a page, and by request.
    page: Vec<String>,
    by_request: BTreeMap<String, Vec<String>>,
    pub requests: BTreeMap<String, RequestState>,
    pub refused: Vec<Refused>,
    pub groups: Vec<(usize, u64)>,
    pub runs: Vec<RunSummary>,
    pub checkpoint: Option<Checkpoint>,
    pub missing: Option<Missing>,
    pub unchanged: u64,
    /// Commits after which every further one fails as fenced.
    pub fence_after: Option<usize>,
}

impl Memory {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the lock")
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
        let resumed = state.runs.last().is_some_and(|run| run.state == RunState::Interrupted);
        let worth = |done: &Checkpoint| start.resume.is_some_and(|least| done.pages >= least);
        let checkpoint = state.checkpoint.clone().filter(|done| resumed && worth(done));
        if checkpoint.is_none() {
            state.seen.clear();
        }
        let id = state.runs.len() as i64;
        state.runs.push(RunSummary {
            resumed: checkpoint.is_some(),
            ..summary(id, start)
        });
        Ok(Some(Run {
            id,
            fetch: start.fetch.clone(),
            entity: start.entity,
            fence: 1,
            checkpoint,
        }))
    }

    async fn heartbeat(&self, _run: &Run) -> Result<(), StoreError> {
        Ok(())
    }

    async fn commit_group(&self, run: &Run, group: Group) -> Result<GroupOutcome, StoreError> {
        let mut state = self.state();
        if state.fence_after.is_some_and(|after| state.groups.len() >= after) {
            return Err(StoreError::Fenced);
        }
        state.groups.push((group.rows.len(), group.pages));
        let mut outcome = GroupOutcome::default();
        for row in group.rows {
            let key = key_of(&row);
            match state.rows.insert(key.clone(), row.clone()) {
                None => outcome.new += 1,
                Some(before) if before.hash != row.hash => outcome.changed += 1,
                Some(_) => outcome.same += 1,
            }
            state.seen.insert(key.clone());
            state.page.push(key);
        }
        if let Some(request) = group.unchanged {
            let keys = state.by_request.get(&request).cloned().unwrap_or_default();
            outcome.same += keys.len() as u64;
            state.seen.extend(keys);
            state.unchanged += 1;
        }
        let refused = group.refused.len() as u64;
        let stay = group.refused.iter().filter_map(|refused| refused.id.as_ref());
        let stay: Vec<String> = stay.map(ToString::to_string).collect();
        state.page.extend(stay.iter().cloned());
        state.seen.extend(stay);
        if let Some(request) = group.request {
            let page = std::mem::take(&mut state.page);
            state.by_request.insert(request.request.clone(), page);
            state.requests.insert(request.request.clone(), request);
        }
        state.refused.extend(group.refused);
        if group.checkpoint.is_some() {
            state.checkpoint = group.checkpoint;
        }
        let summary = &mut state.runs[run.id as usize];
        summary.pages += group.pages;
        summary.bytes += group.bytes;
        summary.new += outcome.new;
        summary.changed += outcome.changed;
        summary.same += outcome.same;
        summary.refused += refused;
        self.committed.notify_one();
        Ok(outcome)
    }

    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        let mut state = self.state();
        let before = state.rows.len();
        let (kind, error) = match finish {
            Finish::Complete { missing, .. } => {
                state.missing = Some(missing);
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
        let Some(last) = state.runs.last().cloned() else {
            return Ok(Vec::new());
        };
        let failed = state.runs.iter().rev().take_while(|run| run.state == RunState::Failed);
        Ok(vec![FetchStatus {
            fetch: last.fetch.clone(),
            failures: failed.count() as u32,
            last_complete: None,
            last: Some(last),
        }])
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(Utc::now())
    }
}

pub fn summary(id: i64, start: &StartRun) -> RunSummary {
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
        held: 0,
        error: None,
        resumed: false,
    }
}
