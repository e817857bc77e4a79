//! Requests to answers: admit, plan, bind, run. Knows the store's contract; knows no SQL and no
//! transport.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    catalog::{Catalog, Valid},
    query::RootValue,
    store::{Bounds, Statement, Store, StoreError},
};

use super::{
    ApiError, ApiRequest, ApiResponse, Client, Code, Limits, SchemaError,
    addresses::Addresses,
    answers::Answers,
    cost,
    gate::{self, Cost},
    groups::Live,
    kept::{Data, Keeping},
    keyed::{KeyedRoots, Rows},
    object::object,
    prepare::{Bound, Planner, Way},
    statistics::Statistics,
    together::{self, Ran, Together, Waited},
    turns::{Turn, Turns, Work},
};

/// From so long on an operation is a long one: fifty times as long as a page of rows takes.
const LONG: Duration = Duration::from_millis(25);
/// Rows below a key, at most, of what is looked up beside the queue: as many as take no longer than
/// a few keys more.
const LOOKUP_ROWS: u64 = 1_000;

/// The data API; cloning gives another handle to the same one.
#[derive(Clone)]
pub(crate) struct DataApi(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub catalog: Arc<Valid<Catalog>>,
    pub store: Store,
    pub limits: Limits,
    pub live: Live,
    pub keeping: Arc<Keeping>,
    pub answers: Answers,
    pub addresses: Addresses,
    /// At the database's readers.
    pub turns: Arc<Turns>,
    /// At reading and planning documents.
    planning: Arc<Turns>,
    pub together: Arc<Together>,
    pub rows: Rows,
    statistics: Statistics,
    pub planner: Planner,
}

/// What came of a run.
pub(super) struct Fresh {
    pub data: Data,
    /// The change log's head when it was read; none where no row was, or at several times.
    pub head: Option<i64>,
}

/// How the runs of an operation take their turns.
pub(super) fn work_of(bound: &Bound, client: Client) -> Work {
    match bound.expected() >= LONG {
        true => Work::Long(client),
        false => Work::Request(client),
    }
}

impl DataApi {
    /// Builds the served schema; nothing is read from the store yet.
    pub(crate) fn new(catalog: Arc<Valid<Catalog>>, store: Store, limits: Limits) -> Result<DataApi, SchemaError> {
        store.bound_answers(Bounds {
            rows: limits.rows,
            bytes: limits.answer_bytes as u64,
        });
        let live = Live::new(limits.subscriptions);
        let keeping = Keeping::new(&limits);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Two more than there are processors, as with the readers: so many are left for who comes.
        let turns = [Turns::new(store.readers()), Turns::new(cores + 2)];
        let answers = Answers::new(limits.answer_cache);
        DataApi::of(catalog, store, limits, live, (keeping, answers), turns)
    }

    /// The API of a newer definition, under the same limits; `store` is a handle to the same
    /// database.
    pub(crate) fn redefined(&self, catalog: Arc<Valid<Catalog>>, store: Store) -> Result<DataApi, SchemaError> {
        let (live, keeping) = (Live::after(&self.0.live), self.0.keeping.clone());
        let turns = [self.0.turns.clone(), self.0.planning.clone()];
        let answers = Answers::after(&self.0.answers);
        let limits = self.0.limits.clone();
        DataApi::of(catalog, store, limits, live, (keeping, answers), turns)
    }

    fn of(
        catalog: Arc<Valid<Catalog>>,
        store: Store,
        limits: Limits,
        live: Live,
        (keeping, answers): (Arc<Keeping>, Answers),
        [turns, planning]: [Arc<Turns>; 2],
    ) -> Result<DataApi, SchemaError> {
        Ok(DataApi(Arc::new(Inner {
            planner: Planner::new(catalog.clone(), store.clone(), limits.clone())?,
            live,
            keeping,
            turns,
            planning,
            together: Arc::default(),
            answers,
            addresses: Addresses::default(),
            rows: Rows::of(store.clone()),
            statistics: Statistics::default(),
            catalog,
            store,
            limits,
        })))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Whether a document fits the schema and the limits and can be planned, or what is wrong with
    /// it.
    pub(crate) fn admits(&self, text: &str) -> Result<(), Vec<ApiError>> {
        self.0.planner.admits(text)
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    /// Answers a query. A subscription is refused: it needs a transport that can go on answering.
    pub(crate) async fn execute(&self, request: impl Into<Arc<ApiRequest>>) -> ApiResponse {
        let request = request.into();
        let client = request.client;
        if request.wants_more() {
            return self.with_more(request).await;
        }
        let work = async {
            let bound = self.plan(request).await?;
            let known = self.known_or_run(bound, client, None).await;
            let (data, _) = known.map_err(|error| vec![error])?;
            Ok(ApiResponse::of(Ok(data)))
        };
        let answered = self.in_time(work).await;
        answered.unwrap_or_else(|errors| ApiResponse::of(Err(errors)))
    }

    /// What comes of a request's work, in the time that one may take.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Vec<ApiError>>>,
    ) -> Result<T, Vec<ApiError>> {
        let limit = self.0.limits.request_timeout;
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!(
                "the request took longer than {limit:?}; ask for less, or raise it with --limit request_timeout=…"
            );
            Err(vec![ApiError::new(Code::Timeout, message)])
        })
    }

    /// Everything before the run: gate, plan, parameters, estimate.
    pub(super) async fn bind(&self, request: Arc<ApiRequest>) -> Result<Bound, Vec<ApiError>> {
        let bound = self.plan(request).await?;
        self.estimate(bound).await.map_err(|error| vec![error])
    }

    /// The same but for the estimate, without which nothing runs.
    pub(super) async fn plan(&self, request: Arc<ApiRequest>) -> Result<Bound, Vec<ApiError>> {
        let mut bound = self.planned(request).await;
        if let (Err(errors), false) = (&mut bound, self.0.limits.introspection) {
            errors.iter_mut().for_each(ApiError::suggest_nothing);
        }
        bound
    }

    async fn planned(&self, request: Arc<ApiRequest>) -> Result<Bound, Vec<ApiError>> {
        let inner = self.0.clone();
        // Parsing, validation and planning take up to some hundred milliseconds (a large schema
        // introspected), so they run beside the async threads unless all their results are known.
        match inner.planner.known(&request) {
            Some(bound) => bound,
            None => {
                let turn = self.turn(&inner.planning, Work::Request(request.client), inner.limits.queue_wait);
                let turn = turn.await.map_err(|error| vec![error])?;
                let prepare = move || (inner.planner.prepare(&request), turn);
                let planned = tokio::task::spawn_blocking(prepare).await.map_err(|cause| {
                    tracing::error!(%cause, "planning a request failed");
                    vec![ApiError::new(
                        Code::Internal,
                        "the query could not be planned; the log has the cause",
                    )]
                });
                planned?.0
            }
        }
    }

    /// Refuses what would return or look at too much, and notes how long the rest may take.
    pub(super) async fn estimate(&self, mut bound: Bound) -> Result<Bound, ApiError> {
        let inner = &self.0;
        let prepared = &bound.prepared;
        // A row by its key costs what it always costs.
        if prepared.is_settled {
            bound.is_small = true;
            return Ok(bound);
        }
        let cost = self.cost(&bound).await?;
        cost::check(&cost, &inner.limits)?;
        bound.estimated = cost.time;
        bound.is_small = cost.rows <= LOOKUP_ROWS && cost.filter_rows == 0;
        Ok(bound)
    }

    /// What an operation may cost with these values.
    pub(super) async fn cost(&self, bound: &Bound) -> Result<Cost, ApiError> {
        let (inner, prepared) = (&self.0, &bound.prepared);
        let known = inner.statistics.known(&inner.store, &prepared.entities).await;
        let known = known.map_err(|error| ApiError::from_store(&error))?;
        Ok(gate::estimate(
            &inner.catalog,
            &prepared.plan.read,
            &bound.params,
            &known,
        ))
    }

    /// Runs a bound operation: the `data` object as JSON, kept until it is sent.
    pub(super) async fn run(&self, bound: &Bound, client: Client) -> Result<Fresh, ApiError> {
        let work = work_of(bound, client);
        self.run_as(bound, &[client], work, self.0.limits.queue_wait).await
    }

    /// The same for a live query, which waits until others have had their turn, for as long as
    /// whoever asks for this waits. It is all its clients': the one who has least under way goes,
    /// and whoever has room keeps the answer.
    pub(super) async fn run_again(&self, bound: &Bound, clients: &[Client]) -> Result<Data, ApiError> {
        let work = Work::Live(self.0.turns.least_busy(clients));
        let fresh = self.run_as(bound, clients, work, Duration::MAX).await?;
        Ok(fresh.data)
    }

    async fn run_as(
        &self,
        bound: &Bound,
        clients: &[Client],
        work: Work,
        patience: Duration,
    ) -> Result<Fresh, ApiError> {
        let keeping = &self.0.keeping;
        let alone = || {
            let statement = self.0.store.compile(&bound.prepared.plan.read);
            statement.map_err(|error| ApiError::from_store(&error))
        };
        let statement = match &bound.prepared.way {
            Way::Constant(json) => {
                let data = keeping.keep(json.clone(), clients).await?;
                return Ok(Fresh { data, head: None });
            }
            // Those of many are one statement, so they wait for no turn.
            Way::Keyed(roots) if bound.is_small => match self.load(roots, bound).await {
                Ok((text, head)) => {
                    let data = keeping.keep(text, clients).await?;
                    return Ok(Fresh { data, head });
                }
                // Another one's key may be to blame.
                Err(error) if matches!(*error, StoreError::Timeout(_) | StoreError::Beyond(_)) => &alone()?,
                Err(error) => return Err(ApiError::from_store(&error)),
            },
            // With very much behind it, a row by key is no look-up that others should wait for.
            Way::Keyed(_) => &alone()?,
            Way::Statement(statement) => statement,
        };
        let ran = self.read(statement, bound, work, patience).await?;
        self.keep(ran, bound, clients).await
    }

    /// Keeps what came of a run. A large answer is out of the memory before the turn ends.
    async fn keep(&self, ran: Ran, bound: &Bound, clients: &[Client]) -> Result<Fresh, ApiError> {
        let Ran { read, _turn } = ran;
        bound.note(read.as_ref().map(|answer| answer.took));
        let answer = read.map_err(|error| ApiError::from_store(&error))?;
        self.0.store.show(answer.head);
        Ok(Fresh {
            data: self.0.keeping.keep(answer.json, clients).await?,
            head: Some(answer.head),
        })
    }

    /// Runs a statement in a turn that was taken.
    pub(super) async fn run_in(
        &self,
        turn: Turn,
        statement: &Statement,
        bound: &Bound,
        client: Client,
    ) -> Result<Fresh, ApiError> {
        let ran = Ran {
            read: self.0.store.read(statement, &bound.params).await,
            _turn: Arc::new(turn),
        };
        self.keep(ran, bound, &[client]).await
    }

    /// Runs a statement in a turn: in one of its own, or, what is short of live queries, in one
    /// that others share.
    async fn read(
        &self,
        statement: &Statement,
        bound: &Bound,
        work: Work,
        patience: Duration,
    ) -> Result<Ran, ApiError> {
        let inner = &self.0;
        let shares = matches!(work, Work::Live(_)) && together::is_short(bound);
        let waited = match shares {
            true => {
                inner
                    .together
                    .wait(&inner.store, statement, bound, &inner.turns, work)
                    .await
            }
            false => None,
        };
        let turn = match waited {
            Some(Waited::Ran(ran)) => return Ok(ran),
            Some(Waited::Turn(turn)) => turn,
            None => self.turn(&inner.turns, work, patience).await?,
        };
        Ok(Ran {
            read: inner.store.read(statement, &bound.params).await,
            _turn: Arc::new(turn),
        })
    }

    /// A turn, or who was not called in time is told so.
    pub(super) async fn turn(&self, turns: &Arc<Turns>, work: Work, patience: Duration) -> Result<Turn, ApiError> {
        turns.take(work, patience).await.ok_or_else(|| {
            let message = format!(
                "waited {patience:?} behind other operations; try again in a second, or raise it with --limit queue_wait=…"
            );
            ApiError::new(Code::Overloaded, message)
        })
    }

    /// The rows of an operation that is nothing but loads, and the change log's head then.
    async fn load(&self, roots: &KeyedRoots, bound: &Bound) -> Result<(Vec<Bytes>, Option<i64>), Arc<StoreError>> {
        let (load, keys) = roots.wanted(bound.prepared.id.principal, &bound.params);
        let wanted = keys.iter().flatten();
        let found = self.0.rows.load(load, wanted.clone().cloned()).await?;
        // Its part of the batch: how many others come along says nothing of it.
        let own = u32::try_from(wanted.count()).unwrap_or(u32::MAX);
        bound.note(Ok(found.took_each.saturating_mul(own)));
        if let Some(head) = found.head {
            self.0.store.show(head);
        }
        let members = bound.prepared.plan.read.roots.iter().zip(&keys);
        let text = object(members.map(|(root, key)| {
            let row = key.as_ref().and_then(|key| found.rows.get(key));
            let value = match (&root.value, row) {
                (RootValue::Json(json), _) => json.clone().into(),
                (_, Some(row)) => row.clone(),
                (_, None) => Bytes::from_static(b"null"),
            };
            (root.key.as_str(), value)
        }));
        Ok((text, found.head))
    }
}
