//! What callers ask about the requests of field fetches: which are to be made, by whom, and how
//! many are left.

use crate::{
    catalog::FetchId,
    store::{
        Store,
        db::retry::retry,
        error::StoreError,
        field_fetch::claim,
        system::field_requests,
        types::{AnswersTold, FieldRequestCounts, Left, OpenFieldFetch, Parent, Run},
    },
};

impl Store {
    /// Plans the requests of a run of a field fetch: those that an earlier run left, and those
    /// that `when` asks for.
    pub(crate) async fn plan_field_requests(&self, run: &Run, fetch: FetchId) -> Result<u64, StoreError> {
        retry!(claim::plan(&self.context, run, fetch).await)
    }

    /// Takes some of these requests for `owner`, a name that no other process has.
    pub(crate) async fn claim_field_requests(
        &self,
        run: &Run,
        fetch: FetchId,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<Parent>, StoreError> {
        retry!(claim::claim(&self.context, run, fetch, owner, limit).await)
    }

    /// Renews the claims of `owner`, who is still at work.
    pub(crate) async fn renew_field_requests(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        retry!(field_requests::renew(&self.context, fetch, owner).await)
    }

    /// Gives back what `owner` claimed and has not answered.
    pub(crate) async fn release_field_requests(&self, fetch: &str, owner: &str) -> Result<(), StoreError> {
        retry!(field_requests::release(&self.context, fetch, owner).await)
    }

    /// Whether requests of a run are still to be made, by whichever process.
    pub(crate) async fn field_requests_left(&self, run: &Run) -> Result<Left, StoreError> {
        field_requests::left(&self.context, run).await
    }

    /// Requests of a field fetch by state; of one run, or of all.
    pub(crate) async fn field_request_counts(
        &self,
        fetch: &str,
        run: Option<i64>,
    ) -> Result<FieldRequestCounts, StoreError> {
        field_requests::counts(&self.context, fetch, run).await
    }

    /// What is to be told of the answers of a field fetch that stand.
    pub(crate) async fn answers_told(&self, fetch: &str) -> Result<AnswersTold, StoreError> {
        field_requests::told(&self.context, fetch).await
    }

    /// The runs, in whichever process, whose requests this one may help with.
    pub(crate) async fn open_field_fetches(&self) -> Result<Vec<OpenFieldFetch>, StoreError> {
        claim::open(&self.context).await
    }
}
