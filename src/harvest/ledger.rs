//! The store as a harvest sees it: runs, groups, remembered requests. Knows its calls; knows no
//! database.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    catalog::FetchId,
    store::{
        AnswersTold, Attendance, Claim, EndRule, FetchStatus, FieldRequestCounts, Finish, Group, GroupOutcome, Left,
        OpenFieldFetch, Parent, ParentAnswer, PlanRule, RequestState, Run, RunSummary, StartRun, Store, StoreError,
        Told,
    },
};

/// The calls of [`Store`] that a harvest makes; each is that of the same name. Tests put a list in
/// memory in its place.
#[async_trait]
pub(super) trait Ledger: Send + Sync {
    async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError>;
    async fn plan_slots(&self, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError>;
    async fn claim_run(&self, claim: &Claim) -> Result<Option<Run>, StoreError>;
    fn release_run(&self, run: &Run);
    async fn attend(&self, by_hand: bool, call: bool) -> Result<Attendance, StoreError>;
    async fn heartbeat(&self, run: &Run) -> Result<(), StoreError>;
    async fn vouches(&self, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError>;
    async fn commit_groups(&self, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError>;
    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError>;
    async fn complete_run(
        &self,
        run: &Run,
        groups: &[Group],
        rule: EndRule<'_>,
    ) -> Result<(RunSummary, GroupOutcome), StoreError>;
    /// A ledger without tables has no groups.
    async fn compute_groups(&self, run: &Run, _told: &Told) -> Result<RunSummary, StoreError> {
        Err(StoreError::Internal(format!("{} has no groups", run.fetch)))
    }
    async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError>;
    async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError>;
    async fn now(&self) -> Result<DateTime<Utc>, StoreError>;
    /// A ledger of one process has no other definition.
    async fn replaced(&self) {
        std::future::pending::<()>().await;
    }

    /// A ledger of tests has no next start.
    async fn working(&self, _run: &Run, _place: Option<&str>) -> Result<(), StoreError> {
        Ok(())
    }

    /// The same of a request about a row.
    async fn answering(&self, _fetch: &str, _owner: &str, _row: i64, _place: &str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Waits until there may be work that another process has begun, or it waits for a sign of
    /// life.
    async fn work(&self) {
        std::future::pending::<()>().await;
    }

    /// Those of fetches on fields. A ledger without tables has no rows to ask about.
    async fn plan_field_requests(&self, _run: &Run, _fetch: FetchId) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn claim_field_requests(
        &self,
        _run: &Run,
        _fetch: FetchId,
        _owner: &str,
        _limit: u32,
    ) -> Result<Vec<Parent>, StoreError> {
        Ok(Vec::new())
    }
    async fn renew_field_requests(&self, _fetch: &str, _owner: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn release_field_requests(&self, _fetch: &str, _owner: &str) -> Result<(), StoreError> {
        Ok(())
    }
    async fn commit_field_answers(
        &self,
        _run: &Run,
        _fetch: FetchId,
        _owner: &str,
        _answers: &[ParentAnswer],
    ) -> Result<GroupOutcome, StoreError> {
        Ok(GroupOutcome::default())
    }
    async fn field_requests_left(&self, _run: &Run) -> Result<Left, StoreError> {
        Ok(Left::None)
    }
    async fn field_request_counts(&self, _fetch: &str, _run: Option<i64>) -> Result<FieldRequestCounts, StoreError> {
        Ok(FieldRequestCounts::default())
    }
    async fn answers_told(&self, _fetch: &str) -> Result<AnswersTold, StoreError> {
        Ok(AnswersTold::default())
    }
    async fn open_field_fetches(&self) -> Result<Vec<OpenFieldFetch>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Ledger for Store {
    async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        Store::start_run(self, start).await
    }

    async fn plan_slots(&self, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
        Store::plan_slots(self, fetch, rule).await
    }

    async fn claim_run(&self, claim: &Claim) -> Result<Option<Run>, StoreError> {
        Store::claim_run(self, claim).await
    }

    fn release_run(&self, run: &Run) {
        Store::release_run(self, run);
    }

    async fn attend(&self, by_hand: bool, call: bool) -> Result<Attendance, StoreError> {
        Store::attend(self, by_hand, call).await
    }

    async fn heartbeat(&self, run: &Run) -> Result<(), StoreError> {
        Store::heartbeat(self, run).await
    }

    async fn vouches(&self, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError> {
        Store::vouches(self, run, request, before).await
    }

    async fn commit_groups(&self, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
        Store::commit_groups(self, run, groups).await
    }

    async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        Store::finish_run(self, run, finish).await
    }

    async fn complete_run(
        &self,
        run: &Run,
        groups: &[Group],
        rule: EndRule<'_>,
    ) -> Result<(RunSummary, GroupOutcome), StoreError> {
        Store::complete_run(self, run, groups, rule).await
    }

    async fn compute_groups(&self, run: &Run, told: &Told) -> Result<RunSummary, StoreError> {
        Store::compute_groups(self, run, told).await
    }

    async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
        Store::request_state(self, fetch, request).await
    }

    async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        Store::fetch_status(self).await
    }

    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        Store::now(self).await
    }

    async fn replaced(&self) {
        Store::replaced(self).await;
    }

    async fn working(&self, run: &Run, place: Option<&str>) -> Result<(), StoreError> {
        Store::working(self, run, place).await
    }

    async fn answering(&self, fetch: &str, owner: &str, row: i64, place: &str) -> Result<(), StoreError> {
        Store::answering(self, fetch, owner, row, place).await
    }

    async fn work(&self) {
        Store::work(self).await;
    }

    async fn plan_field_requests(&self, run: &Run, fetch: FetchId) -> Result<u64, StoreError> {
        Store::plan_field_requests(self, run, fetch).await
    }

    async fn claim_field_requests(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<Parent>, StoreError> {
        Store::claim_field_requests(self, run, fetch, owner, limit).await
    }

    async fn renew_field_requests(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        Store::renew_field_requests(self, fetch, owner).await
    }

    async fn release_field_requests(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        Store::release_field_requests(self, fetch, owner).await
    }

    async fn commit_field_answers(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        answers: &[ParentAnswer],
    ) -> Result<GroupOutcome, StoreError> {
        Store::commit_field_answers(self, run, fetch, owner, answers).await
    }

    async fn field_requests_left(&self, run: &Run) -> Result<Left, StoreError> {
        Store::field_requests_left(self, run).await
    }

    async fn field_request_counts(&self, fetch: &str, run: Option<i64>) -> Result<FieldRequestCounts, StoreError> {
        Store::field_request_counts(self, fetch, run).await
    }

    async fn answers_told(&self, fetch: &str) -> Result<AnswersTold, StoreError> {
        Store::answers_told(self, fetch).await
    }

    async fn open_field_fetches(&self) -> Result<Vec<OpenFieldFetch>, StoreError> {
        Store::open_field_fetches(self).await
    }
}
