//! A ledger that keeps nothing: one run, which sees an empty table. Knows what a run asks a ledger;
//! knows no rows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    catalog::FetchId,
    harvest::ledger::Ledger,
    store::{
        Attendance, Claim, EndRule, FetchStatus, Finish, Group, GroupOutcome, Left, Parent, ParentAnswer,
        ParentOutcome, PlanRule, RequestState, Run, RunState, RunSummary, StartRun, StoreError, Told,
    },
    value::Key,
};

/// The list of what one run did.
pub(super) struct List(Mutex<State>);

#[derive(Default)]
struct State {
    start: Option<StartRun>,
    groups: Vec<Counts>,
    parents: Vec<Parent>,
    failures: Vec<String>,
}

struct Counts {
    pages: u64,
    bytes: u64,
    rows: u64,
    refused: u64,
    left_out: u64,
}

impl List {
    /// With the rows that are asked about.
    pub(super) fn new(parents: Vec<Parent>) -> List {
        List(Mutex::new(State {
            parents,
            ..State::default()
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests that failed, each with the key of its row.
    pub(super) fn failures(&self) -> Vec<String> {
        self.state().failures.clone()
    }

    fn summary(&self, finish: Finish, run: &Run) -> RunSummary {
        let state = self.state();
        let now = Utc::now();
        let (ended, error, told) = match finish {
            Finish::Complete { told, .. } => (RunState::Complete, None, told),
            Finish::Failed { error } => (RunState::Failed, Some(error), Told::default()),
            Finish::Interrupted => (RunState::Interrupted, None, Told::default()),
        };
        let sum = |of: fn(&Counts) -> u64| state.groups.iter().map(of).sum();
        RunSummary {
            id: run.id,
            fetch: run.fetch.clone(),
            slot: state.start.as_ref().map_or(now, |start| start.slot),
            state: ended,
            started_at: now,
            finished_at: Some(now),
            pages: sum(|counts| counts.pages),
            bytes: sum(|counts| counts.bytes),
            new: sum(|counts| counts.rows),
            changed: 0,
            same: 0,
            gone: 0,
            refused: sum(|counts| counts.refused),
            repeated: 0,
            held: 0,
            left_out: sum(|counts| counts.left_out),
            error,
            told,
            resumed: false,
            owner: None,
        }
    }
}

#[async_trait]
impl Ledger for List {
    async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        self.state().start = Some(start.clone());
        Ok(Some(Run {
            id: 1,
            fetch: start.fetch.clone(),
            entity: start.entity,
            fence: 1,
            generation: 0,
            checkpoint: None,
        }))
    }

    async fn plan_slots(&self, _: &str, _: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
        Ok(FetchStatus::default())
    }

    async fn claim_run(&self, _: &Claim) -> Result<Option<Run>, StoreError> {
        Ok(None)
    }

    fn release_run(&self, _: &Run) {}

    async fn attend(&self, _: bool, _: bool) -> Result<Attendance, StoreError> {
        Ok(Attendance {
            rank: 0,
            count: 1,
            alone: true,
            joined: false,
            now: Utc::now(),
            others_seen: None,
        })
    }

    async fn heartbeat(&self, _: &Run) -> Result<(), StoreError> {
        Ok(())
    }

    async fn vouches(&self, _: &Run, _: &str, _: &[Group]) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn commit_groups(&self, _: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
        let mut outcome = GroupOutcome::default();
        for group in groups {
            outcome.new += group.rows.len() as u64;
            outcome.copies += group.copies;
            self.state().groups.push(Counts {
                pages: group.pages,
                bytes: group.bytes,
                rows: group.rows.len() as u64,
                refused: group.refused.len() as u64,
                left_out: group.left_out,
            });
        }
        Ok(outcome)
    }

    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        Ok(self.summary(finish, run))
    }

    async fn complete_run(
        &self,
        run: &Run,
        groups: &[Group],
        rule: EndRule<'_>,
    ) -> Result<(RunSummary, GroupOutcome), StoreError> {
        let outcome = self.commit_groups(run, groups).await?;
        // That all were refused is seen of the records themselves.
        Ok((self.summary(rule(&outcome, None), run), outcome))
    }

    async fn request_state(&self, _: &str, _: &str) -> Result<Option<RequestState>, StoreError> {
        Ok(None)
    }

    async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        Ok(Vec::new())
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(Utc::now())
    }

    async fn plan_field_requests(&self, _: &Run, _: FetchId) -> Result<u64, StoreError> {
        Ok(self.state().parents.len() as u64)
    }

    async fn claim_field_requests(&self, _: &Run, _: FetchId, _: &str, limit: u32) -> Result<Vec<Parent>, StoreError> {
        let parents = &mut self.state().parents;
        let count = parents.len().min(limit as usize);
        Ok(parents.drain(..count).collect())
    }

    async fn commit_field_answers(
        &self,
        _: &Run,
        _: FetchId,
        _: &str,
        answers: &[ParentAnswer],
    ) -> Result<GroupOutcome, StoreError> {
        let mut state = self.state();
        for answer in answers {
            let (mut rows, mut refused) = (0, 0);
            match &answer.outcome {
                ParentOutcome::Read {
                    rows: read,
                    refused: bad,
                    ..
                } => {
                    (rows, refused) = (read.len() as u64, bad.len() as u64);
                }
                ParentOutcome::Failed { error, .. } => {
                    let key = Key(answer.parent.key.clone());
                    state.failures.push(format!("{key}: {error}"));
                }
                ParentOutcome::Same(_) => {}
            }
            state.groups.push(Counts {
                pages: answer.pages,
                bytes: answer.bytes,
                rows,
                refused,
                left_out: answer.left_out,
            });
        }
        Ok(GroupOutcome::default())
    }

    async fn field_requests_left(&self, _: &Run) -> Result<Left, StoreError> {
        Ok(match self.state().parents.is_empty() {
            true => Left::None,
            false => Left::Some,
        })
    }
}
