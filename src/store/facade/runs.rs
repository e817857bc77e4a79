//! What a run asks of the store: whether pages may stand for their rows, groups, its end. Knows which module does each.

use crate::{
    catalog::FetchId,
    store::{
        Store,
        db::retry::in_line,
        error::StoreError,
        field_fetch::commit,
        load::{group, page},
        runs::{aside, finish},
        state::writable,
        types::{EndRule, Finish, Group, GroupOutcome, ParentAnswer, Run, RunSummary},
    },
};

impl Store {
    /// How many can write rows of different types at once.
    pub fn writers(&self) -> usize {
        match self.inner.dialect.exclusive() {
            true => 1,
            false => usize::MAX,
        }
    }

    /// How many operations are read at once.
    pub fn readers(&self) -> usize {
        self.inner.readers.count()
    }

    /// Whether an unchanged page may stand for the rows that it brought when it was last read: they are as it wrote them, and
    /// none of these groups, which are to be committed before it, has one of them. Otherwise it has to be read in full.
    pub async fn vouches(&self, run: &Run, request: &str, before: &[Group]) -> Result<bool, StoreError> {
        in_line!(page::vouches(&self.inner, run, request, before).await)
    }

    /// Notes the large page that a run takes in hand; none: a small one. Should it end the process, its fetch is left alone for a
    /// while after the next start.
    pub async fn working(&self, run: &Run, place: Option<&str>) -> Result<(), StoreError> {
        in_line!(aside::working(&self.inner, run, place).await)
    }

    /// Notes the large answer about a row that `owner` takes in hand. Should it end the process, its request is left alone for a while.
    pub async fn answering(&self, fetch: &str, owner: &str, row: i64, place: &str) -> Result<(), StoreError> {
        in_line!(aside::answering(&self.inner, fetch, owner, row, place).await)
    }

    /// One transaction for all of these groups, in their order: rows that differ, keys seen, change log, quarantine, request
    /// states, counters, checkpoint.
    pub async fn commit_groups(&self, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
        writable::noted(&self.inner, group::commit_groups(&self.inner, run, groups).await)
    }

    /// The same for one group.
    #[cfg(test)]
    pub async fn commit_group(&self, run: &Run, group: Group) -> Result<GroupOutcome, StoreError> {
        self.commit_groups(run, &[group]).await
    }

    /// One transaction for many answers: rows, links, change log, quarantine, request states, counters.
    pub async fn commit_parents(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        answers: &[ParentAnswer],
    ) -> Result<GroupOutcome, StoreError> {
        let done = in_line!(commit::commit_parents(&self.inner, run, fetch, owner, answers).await);
        writable::noted(&self.inner, done)
    }

    /// Ends a run. `Finish::Complete` first deletes what was not seen, as far as the fetch's `missing` and `missing_max` allow.
    pub async fn finish_run(&self, run: &Run, finish: Finish) -> Result<RunSummary, StoreError> {
        in_line!(finish::finish(&self.inner, run, &|_, _| finish.clone(), &GroupOutcome::default()).await)
    }

    /// The same together with its last groups, as [`Store::commit_groups`] has them: one transaction for all of a small run.
    pub async fn complete_run(
        &self,
        run: &Run,
        groups: &[Group],
        rule: EndRule<'_>,
    ) -> Result<(RunSummary, GroupOutcome), StoreError> {
        writable::noted(&self.inner, finish::complete(&self.inner, run, groups, rule).await)
    }
}
