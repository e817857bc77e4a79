//! The API in force, exchanged for that of a newer definition while it serves. Knows that one API
//! follows another; knows no file, no socket, and nothing of what a definition says.
//!
//! A request whose run an exchange falls into is run again under the API that is then in force,
//! because the tables may have moved under it. Live queries go on: each is planned again.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::{Semaphore, watch};

use super::{
    Address, Answered, ApiError, ApiRequest, ApiResponse, Code, DataApi, Exchange, Principal, Saved, Tag,
    documents::Documents,
    exchange::Exchanges,
    groups::Place,
    listeners::{Answer, Told, told},
    live::{Begun, Listener},
};

/// Live queries that are planned again at a time: the first of many equal ones plans, the others
/// then find the plan. More at once would do the same work side by side, while requests wait.
const REPLANNED_AT_ONCE: usize = 4;
/// Tries to plan a live query again while the database does not answer; a minute of that, and its
/// client is better told.
const REPLAN_TRIES: usize = 12;
const REPLAN_PAUSE: Duration = Duration::from_secs(5);

/// The newest API; cloning gives another handle to the same.
#[derive(Clone)]
pub(crate) struct Current {
    newest: Arc<watch::Sender<DataApi>>,
    exchanges: Exchanges,
    refusal: Arc<ArcSwapOption<String>>,
    refused_documents: Arc<ArcSwapOption<String>>,
    replanning: Arc<Semaphore>,
    documents: Arc<Documents>,
}

impl Current {
    #[cfg(test)]
    pub(crate) fn new(api: DataApi) -> Current {
        Current::trusting(api, false)
    }

    /// Answers through this API; whether nothing is answered but documents that are trusted.
    pub(crate) fn trusting(api: DataApi, trusted_only: bool) -> Current {
        Current {
            documents: Arc::new(Documents::new(api.limits(), trusted_only)),
            newest: Arc::new(watch::Sender::new(api)),
            exchanges: Exchanges::default(),
            refusal: Arc::default(),
            refused_documents: Arc::default(),
            replanning: Arc::new(Semaphore::new(REPLANNED_AT_ONCE)),
        }
    }

    /// The API in force. What reads through it by itself may meet tables that have just moved; see
    /// [`Current::execute`].
    pub(crate) fn newest(&self) -> DataApi {
        self.newest.borrow().clone()
    }

    /// From now on the tables may be another definition's, until the guard goes: requests wait for
    /// that, and those under way are run again. For the commit and [`Current::replace`], and for
    /// nothing that takes long.
    pub(crate) fn exchange(&self) -> Exchange {
        self.exchanges.begin()
    }

    /// Puts the API of a newer definition in force, for new requests and for the live queries that
    /// are open.
    pub(crate) fn replace(&self, api: DataApi) {
        self.refusal.store(None);
        self.newest.send_replace(api);
    }

    /// Notes that there is a newer definition which is not in force, and why, in words for
    /// everybody.
    pub(crate) fn refuse(&self, why: impl Into<String>) {
        self.refusal.store(Some(Arc::new(why.into())));
    }

    /// Forgets a refused definition: what is in force is the newest again.
    pub(crate) fn accept(&self) {
        self.refusal.store(None);
    }

    /// Why a newer definition is not in force; `None` when there is none.
    pub(crate) fn refusal(&self) -> Option<Arc<String>> {
        self.refusal.load_full()
    }

    /// Trusts these documents from now on, and none that was trusted before.
    pub(crate) fn trust(&self, documents: Vec<Saved>) {
        self.documents.trust(documents);
        self.refused_documents.store(None);
    }

    /// Notes that newer documents are not trusted, and why, in words for everybody.
    pub(crate) fn refuse_documents(&self, why: impl Into<String>) {
        self.refused_documents.store(Some(Arc::new(why.into())));
    }

    /// Why newer documents are not trusted; none when there are none.
    pub(crate) fn refused_documents(&self) -> Option<Arc<String>> {
        self.refused_documents.load_full()
    }

    /// The trusted documents that do not fit the definition in force, and why.
    pub(crate) fn unfit_documents(&self) -> Vec<(Arc<Saved>, Vec<ApiError>)> {
        let api = self.newest();
        let all = self.documents.all().into_iter();
        all.filter_map(|saved| api.admits(&saved.text).err().map(|errors| (saved, errors)))
            .collect()
    }

    /// The saved query of this name.
    pub(crate) fn saved(&self, name: &str) -> Result<Arc<Saved>, ApiError> {
        self.documents.saved(name).map_err(|error| self.discreet(error))
    }

    /// The request that asks for a saved query with these parameters, or what is wrong with them.
    pub(crate) fn request(&self, saved: &Saved, parameters: Vec<(String, String)>) -> Result<ApiRequest, String> {
        let request = saved.request(parameters);
        request.map_err(|message| self.discreet(ApiError::new(Code::BadUserInput, message)).message)
    }

    /// The request with its document's text.
    fn resolve(&self, request: ApiRequest) -> Result<ApiRequest, ApiError> {
        self.documents.resolve(request).map_err(|error| self.discreet(error))
    }

    /// The same error without a suggestion, where names are not told.
    fn discreet(&self, mut error: ApiError) -> ApiError {
        if !self.newest().limits().introspection {
            error.suggest_nothing();
        }
        error
    }

    /// Answers a query. A subscription is refused: it needs a transport that can go on answering.
    pub(crate) async fn execute(&self, request: ApiRequest) -> ApiResponse {
        let request = match self.resolve(request) {
            Ok(request) => Arc::new(request),
            Err(error) => return error.into(),
        };
        let run = || {
            let (api, request) = (self.newest(), request.clone());
            async move { api.execute(request).await }
        };
        self.exchanges.settled(run).await.unwrap_or_else(|| unsettled().into())
    }

    /// The same for one who has answers of these names; what comes has its own.
    pub(crate) async fn answer(&self, request: ApiRequest, has: Vec<Tag>) -> Answered {
        let request = match self.resolve(request) {
            Ok(request) => Arc::new(request),
            Err(error) => return Answered::New(error.into(), None),
        };
        let has = Arc::<[Tag]>::from(has);
        let run = || {
            let (api, request, has) = (self.newest(), request.clone(), has.clone());
            async move { api.answer(request, &has).await }
        };
        let settled = self.exchanges.settled(run).await;
        settled.unwrap_or_else(|| Answered::New(unsettled().into(), None))
    }

    /// An address at which somebody asks, before anything of it is read; none where it is too long.
    pub(crate) fn address(&self, text: &str) -> Option<Address> {
        Address::of(text, self.documents.number())
    }

    /// Which of these names the answer has that is asked for at an address, if that can be told at
    /// once: it was asked for there before, and nobody has to be asked what was committed since.
    pub(crate) fn same(&self, address: &str, principal: Principal, has: &[Tag]) -> Option<Tag> {
        let before = self.exchanges.quiet()?;
        let documents = self.documents.number();
        let tag = self.newest.borrow().same(address, documents, principal, has)?;
        (self.exchanges.quiet() == Some(before)).then_some(tag)
    }

    /// How long caches may take the answer at an address for the present one, so long at most; none
    /// where nothing was asked for there.
    pub(crate) fn good_for(&self, address: &str, principal: Principal, most: Duration) -> Option<Duration> {
        let documents = self.documents.number();
        self.newest.borrow().good_for(address, documents, principal, most)
    }

    /// The answers to a request: one for a query, one and then one per change for a subscription.
    pub(crate) fn answers(&self, request: ApiRequest) -> BoxStream<'static, ApiResponse> {
        let current = self.clone();
        let request = match self.resolve(request) {
            Ok(request) => Arc::new(ApiRequest {
                streams: true,
                ..request
            }),
            Err(error) => return once(error.into()),
        };
        let began = async move {
            // Watching begins before the plan, so that no exchange falls between.
            let apis = current.newest.subscribe();
            match current.begin(&request, None).await {
                Ok(Begun::Once(answer)) => once(answer),
                Ok(Begun::Live(listener)) => {
                    let live = LiveQuery {
                        current,
                        apis,
                        request,
                        listener,
                        last: None,
                    };
                    stream::unfold(Some(live), LiveQuery::next).boxed()
                }
                Err(errors) => once(ApiResponse::of(Err(errors))),
            }
        };
        // By itself, so that nothing is left of it while a live query rests.
        stream::once(Box::pin(began)).flatten().boxed()
    }

    /// Begins a request under the API in force; `place` is the one that a live query has already.
    async fn begin(&self, request: &Arc<ApiRequest>, place: Option<Place>) -> Result<Begun, Vec<ApiError>> {
        let run = || {
            let (api, request, place) = (self.newest(), request.clone(), place.clone());
            async move { api.begin(request, place).await }
        };
        let settled = self.exchanges.settled(run).await;
        settled.unwrap_or_else(|| Err(vec![unsettled()]))
    }
}

/// The database went away in the middle of an exchange, or definitions change faster than they can
/// be read under.
fn unsettled() -> ApiError {
    ApiError::new(
        Code::Timeout,
        "the definition is just being changed, which takes longer than it should; ask again",
    )
}

fn once(answer: ApiResponse) -> BoxStream<'static, ApiResponse> {
    stream::iter([answer]).boxed()
}

/// A live query of one client, over all definitions that it lives to see.
struct LiveQuery {
    current: Current,
    apis: watch::Receiver<DataApi>,
    request: Arc<ApiRequest>,
    listener: Listener,
    /// What the client was sent: the same bytes are not sent again, also not because of a newer
    /// definition.
    last: Option<Told>,
}

impl LiveQuery {
    /// The next answer, and the live query if it goes on; the end when nothing will change any
    /// more.
    async fn next(live: Option<LiveQuery>) -> Option<(ApiResponse, Option<LiveQuery>)> {
        let mut live = live?;
        loop {
            let answer = tokio::select! {
                biased;
                changed = live.apis.changed() => {
                    changed.ok()?;
                    live = match Box::pin(live.replan()).await {
                        Ok(live) => live,
                        Err(last) => return Some((last, None)),
                    };
                    continue;
                }
                answer = live.listener.next() => answer?,
            };
            // It may have been read while the tables moved: then it is read again after the plan.
            live.current.exchanges.over().await;
            if live.apis.has_changed().ok()? {
                continue;
            }
            if live.is_news(&answer) {
                live.last = Some(told(&answer));
                return Some((ApiResponse::of(answer.map_err(|error| vec![error])), Some(live)));
            }
        }
    }

    /// Whether the client should hear of it. That there is no room just now ends a live query that
    /// has not begun; one that has goes on, as it is tried again.
    fn is_news(&self, answer: &Answer) -> bool {
        match (&self.last, answer) {
            (None, _) => true,
            (Some(_), Err(error)) if error.code == Code::Overloaded => false,
            (Some(last), answer) => *last != told(answer),
        }
    }

    /// Goes over to the newest API; where the query does not fit any more, its last answer says
    /// why.
    async fn replan(mut self) -> Result<LiveQuery, ApiResponse> {
        let mut tries = 0;
        loop {
            // The semaphore is never closed; were it, planning at once would do no harm.
            let turn = self.current.replanning.acquire().await.ok();
            self.apis.mark_unchanged();
            let begun = self.current.begin(&self.request, Some(self.listener.place())).await;
            drop(turn);
            tries += 1;
            match begun {
                Ok(Begun::Live(listener)) => {
                    self.listener = listener;
                    return Ok(self);
                }
                Ok(Begun::Once(answer)) => return Err(answer),
                // The database's fault, or that of others who ask; not the query's.
                Err(errors) if tries < REPLAN_TRIES && errors.iter().all(|error| error.code.passes()) => {
                    tokio::time::sleep(REPLAN_PAUSE).await;
                }
                Err(errors) => return Err(ApiResponse::of(Err(explained(errors)))),
            }
        }
    }
}

/// Says with the first error why it comes now.
fn explained(mut errors: Vec<ApiError>) -> Vec<ApiError> {
    if let Some(first) = errors.first_mut() {
        first
            .message
            .push_str(" (the definition has changed since this live query began)");
    }
    errors
}
