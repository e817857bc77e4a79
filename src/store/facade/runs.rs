//! What callers ask about runs: to claim one, to load its groups, to end it, and how it went.

use crate::{
    catalog::FetchId,
    store::{
        Store,
        db::retry::retry,
        error::StoreError,
        field_fetch::commit,
        load::{group, page},
        runs::{claim, finish, groups, slots, status},
        system::{field_requests, requests, runs},
        types::{
            Claim, EndRule, FetchStatus, Finish, Group, GroupOutcome, ParentAnswer, PlanRule, RequestState, Run,
            RunSummary, StartRun, Told,
        },
    },
};

impl Store {
    /// Records the start of a run in slot `slot`, or `None` when that slot was already taken.
    ///
    /// An interrupted run of the same fetch whose last heartbeat is at most [`RESUME_MAX`] old is
    /// taken over instead, if `StartRun::resume` allows it: `Run::checkpoint` is then set. Any
    /// other is closed as interrupted.
    pub(crate) async fn start_run(&self, start: &StartRun) -> Result<Option<Run>, StoreError> {
        retry!(claim::start(&self.context, start).await)
    }

    /// Lets the rule say which slots of a fetch the ledger lacks, queues them, and gives what is
    /// known of the fetch then. Whoever asks at the same time waits for his turn: the rule sees
    /// what the other wrote.
    pub(crate) async fn plan_slots(&self, fetch: &str, rule: PlanRule<'_>) -> Result<FetchStatus, StoreError> {
        retry!(slots::plan(&self.context, fetch, rule).await)
    }

    /// Starts the next run of a fetch: goes on with an interrupted one as [`Store::start_run`]
    /// does, else takes the oldest slot that waits. `None` when there is none, or a run of the
    /// fetch is in other hands.
    pub(crate) async fn claim_run(&self, claim: &Claim) -> Result<Option<Run>, StoreError> {
        retry!(claim::claim(&self.context, claim).await)
    }

    /// Says that this process works at the run no more, however that came. Without it the run would
    /// count as under way here.
    pub(crate) fn release_run(&self, run: &Run) {
        self.context.runs.release(run);
    }

    /// Keeps the lease of a run; an error of kind `Fenced` means that another process has taken it
    /// over.
    pub(crate) async fn heartbeat(&self, run: &Run) -> Result<(), StoreError> {
        retry!(runs::heartbeat(&self.context, run).await)
    }

    /// What is remembered of an earlier answer to the same request under the same definition.
    pub(crate) async fn request_state(&self, fetch: &str, request: &str) -> Result<Option<RequestState>, StoreError> {
        requests::of(&self.context, fetch, request).await
    }

    /// The newest run of each fetch, and the newest complete one: what `status` and the scheduler
    /// read.
    pub(crate) async fn fetch_status(&self) -> Result<Vec<FetchStatus>, StoreError> {
        status::fetch_status(&self.context).await
    }

    /// How many can write rows of different types at once.
    pub(crate) fn writers(&self) -> usize {
        match self.context.dialect.exclusive() {
            true => 1,
            false => usize::MAX,
        }
    }

    /// How many operations are read at once.
    pub(crate) fn readers(&self) -> usize {
        self.context.readers.count()
    }

    /// Whether an unchanged page may stand for the rows that it brought when it was last read: they
    /// are as it wrote them, and none of these groups, which are to be committed before it, has one
    /// of them. Otherwise it has to be read in full.
    pub(crate) async fn vouches(&self, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError> {
        retry!(page::vouches(&self.context, run, request, before).await)
    }

    /// Notes the large page that a run takes in hand; none: a small one. Should it end the process,
    /// its fetch is left alone for a while after the next start.
    pub(crate) async fn working(&self, run: &Run, place: Option<&str>) -> Result<(), StoreError> {
        retry!(runs::working(&self.context, run, place).await)
    }

    /// Notes the large answer about a row that `owner` takes in hand. Should it end the process,
    /// its request is left alone for a while.
    pub(crate) async fn answering(&self, fetch: &str, owner: &str, row: i64, place: &str) -> Result<(), StoreError> {
        retry!(field_requests::answering(&self.context, fetch, owner, row, place).await)
    }

    /// One transaction for all of these groups, in their order: rows that differ, keys seen, change
    /// log, quarantine, request states, counters, checkpoint.
    pub(crate) async fn commit_groups(&self, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
        self.context
            .writable
            .noted(group::commit_groups(&self.context, run, groups).await)
    }

    /// The same for one group.
    #[cfg(test)]
    pub(crate) async fn commit_group(&self, run: &Run, group: Group) -> Result<GroupOutcome, StoreError> {
        self.commit_groups(run, &[group]).await
    }

    /// One transaction for many answers: rows, links, change log, quarantine, request states,
    /// counters.
    pub(crate) async fn commit_field_answers(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        answers: &[ParentAnswer],
    ) -> Result<GroupOutcome, StoreError> {
        let done = retry!(commit::commit_field_answers(&self.context, run, fetch, owner, answers).await);
        self.context.writable.noted(done)
    }

    /// The whole of a run that computes the groups of a type: one transaction, which ends it as
    /// complete.
    pub(crate) async fn compute_groups(&self, run: &Run, told: &Told) -> Result<RunSummary, StoreError> {
        self.context
            .writable
            .noted(retry!(groups::compute(&self.context, run, told).await))
    }

    /// Ends a run. `Finish::Complete` first deletes what was not seen, as far as the fetch's
    /// `missing` and `missing_max` allow.
    pub(crate) async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        retry!(finish::finish(&self.context, run, &|_, _| finish.clone(), &GroupOutcome::default()).await)
    }

    /// The same together with its last groups, as [`Store::commit_groups`] has them: one
    /// transaction for all of a small run.
    pub(crate) async fn complete_run(
        &self,
        run: &Run,
        groups: &[Group],
        rule: EndRule<'_>,
    ) -> Result<(RunSummary, GroupOutcome), StoreError> {
        self.context
            .writable
            .noted(finish::complete(&self.context, run, groups, rule).await)
    }
}
