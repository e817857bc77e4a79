//! Requests to answers: admit, plan, bind, run. Knows the store's contract; knows no SQL and no transport.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apollo_compiler::response::JsonMap;

use crate::{
    catalog::{Catalog, Valid},
    query::RootValue,
    store::{Store, StoreError},
};

use super::{
    ApiError, ApiRequest, ApiResponse, Client, Code, Limits, SchemaError, Served,
    describe::{self, describe},
    gate,
    kept::{Data, Keeping},
    keyed::{self, KeyedRoots, Rows},
    live::Live,
    prepare::{Bound, Caches, Way},
    statistics::Statistics,
    turns::{Turn, Turns, Work},
};

/// The data API; cloning gives another handle to the same one.
#[derive(Clone)]
pub struct DataApi(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub catalog: Arc<Valid<Catalog>>,
    pub served: Served,
    pub store: Store,
    pub limits: Limits,
    pub live: Live,
    pub keeping: Arc<Keeping>,
    /// At the database's readers.
    pub turns: Arc<Turns>,
    /// At reading and planning documents.
    planning: Arc<Turns>,
    rows: Rows,
    statistics: Statistics,
    pub caches: Caches,
}

impl DataApi {
    /// Builds the served schema; nothing is read from the store yet.
    pub fn new(catalog: Arc<Valid<Catalog>>, store: Store, limits: Limits) -> Result<DataApi, SchemaError> {
        let live = Live::new(limits.subscriptions);
        let keeping = Keeping::new(&limits);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // One more than there are processors: a single client may have all but one.
        let turns = [Turns::new(store.readers()), Turns::new(cores + 1)];
        DataApi::of(catalog, store, limits, live, keeping, turns)
    }

    /// The API of a newer definition, under the same limits; `store` is a handle to the same database.
    pub fn redefined(&self, catalog: Arc<Valid<Catalog>>, store: Store) -> Result<DataApi, SchemaError> {
        let (live, keeping) = (Live::after(&self.0.live), self.0.keeping.clone());
        let turns = [self.0.turns.clone(), self.0.planning.clone()];
        DataApi::of(catalog, store, self.0.limits.clone(), live, keeping, turns)
    }

    fn of(
        catalog: Arc<Valid<Catalog>>,
        store: Store,
        limits: Limits,
        live: Live,
        keeping: Arc<Keeping>,
        [turns, planning]: [Arc<Turns>; 2],
    ) -> Result<DataApi, SchemaError> {
        Ok(DataApi(Arc::new(Inner {
            served: Served::of(&catalog)?,
            live,
            keeping,
            turns,
            planning,
            rows: keyed::loader(store.clone()),
            statistics: Statistics::default(),
            caches: Caches::new(&limits),
            catalog,
            store,
            limits,
        })))
    }

    /// The served schema as SDL.
    pub fn sdl(&self) -> &str {
        self.0.served.sdl()
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Answers a query. A subscription is refused: it needs a transport that can go on answering.
    pub async fn execute(&self, request: impl Into<Arc<ApiRequest>>) -> ApiResponse {
        let request = request.into();
        let client = request.client;
        let work = async {
            let bound = self.bind(request).await?;
            self.run(&bound, client).await.map_err(|error| vec![error])
        };
        let limit = self.0.limits.request_timeout;
        ApiResponse(tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!(
                "the request took longer than {limit:?}; ask for less, or raise it with --limit request_timeout=…"
            );
            Err(vec![ApiError::new(Code::Timeout, message)])
        }))
    }

    /// Everything before the run: gate, plan, parameters, estimate.
    pub(super) async fn bind(&self, request: Arc<ApiRequest>) -> Result<Bound, Vec<ApiError>> {
        let mut bound = self.bound(request).await;
        if let (Err(errors), false) = (&mut bound, self.0.limits.introspection) {
            errors.iter_mut().for_each(ApiError::suggest_nothing);
        }
        bound
    }

    async fn bound(&self, request: Arc<ApiRequest>) -> Result<Bound, Vec<ApiError>> {
        let inner = self.0.clone();
        // Parsing, validation and planning take up to some hundred milliseconds (a large schema introspected), so they
        // run beside the async threads unless all their results are known.
        let bound = match inner.known(&request) {
            Some(bound) => bound?,
            None => {
                let turn = self.turn(&inner.planning, Work::Request(request.client), inner.limits.queue_wait);
                let turn = turn.await.map_err(|error| vec![error])?;
                let prepare = move || (inner.prepare(&request), turn);
                let planned = tokio::task::spawn_blocking(prepare).await.map_err(|cause| {
                    tracing::error!(%cause, "planning a request failed");
                    vec![ApiError::new(
                        Code::Internal,
                        "the query could not be planned; the log has the cause",
                    )]
                });
                planned?.0?
            }
        };
        self.check_rows(&bound).await.map_err(|error| vec![error])?;
        Ok(bound)
    }

    /// Refuses what would return or look at too many rows. Counts are asked for only when `first` and keys do not settle it.
    async fn check_rows(&self, bound: &Bound) -> Result<(), ApiError> {
        let inner = &self.0;
        let read = &bound.prepared.plan.read;
        let check = |counts| {
            check_cost(
                gate::estimate(&inner.catalog, read, &bound.params, counts),
                &inner.limits,
            )
        };
        if check(None).is_ok() {
            return Ok(());
        }
        let counts = inner.statistics.rows(&inner.store, inner.catalog.entities.len()).await;
        check(Some(&counts.map_err(|error| ApiError::from_store(&error))?))
    }

    /// Runs a bound operation: the `data` object as JSON, kept until it is sent.
    pub(super) async fn run(&self, bound: &Bound, client: Client) -> Result<Data, ApiError> {
        let work = match bound.prepared.took.is_long() {
            true => Work::Long(client),
            false => Work::Request(client),
        };
        self.run_as(bound, client, work, self.0.limits.queue_wait).await
    }

    /// The same for a live query, which waits until others have had their turn, for as long as whoever asks for this waits.
    pub(super) async fn run_again(&self, bound: &Bound, client: Client) -> Result<Data, ApiError> {
        self.run_as(bound, client, Work::Live(client), Duration::MAX).await
    }

    async fn run_as(&self, bound: &Bound, client: Client, work: Work, patience: Duration) -> Result<Data, ApiError> {
        let fail = |error: &StoreError| ApiError::from_store(error);
        let keep = |json: String| self.0.keeping.keep(json, client);
        match &bound.prepared.way {
            Way::Constant(json) => keep(json.clone()).await,
            // Those of many are one statement, so they wait for no turn.
            Way::Keyed(roots) => keep(self.load(roots, bound).await.map_err(|error| fail(&error))?).await,
            Way::Statement(statement) => {
                // A large answer is out of the memory before the turn ends.
                let _turn = self.turn(&self.0.turns, work, patience).await?;
                let began = Instant::now();
                let answer = self.0.store.read(statement, &bound.params).await;
                bound.prepared.took.note(began.elapsed());
                keep(answer.map_err(|error| fail(&error))?.json).await
            }
        }
    }

    /// A turn, or who was not called in time is told so.
    async fn turn(&self, turns: &Arc<Turns>, work: Work, patience: Duration) -> Result<Turn, ApiError> {
        turns.take(work, patience).await.ok_or_else(|| {
            let message = format!(
                "waited {patience:?} behind other operations; try again in a second, or raise it with --limit queue_wait=…"
            );
            ApiError::new(Code::Overloaded, message)
        })
    }

    async fn load(&self, roots: &KeyedRoots, bound: &Bound) -> Result<String, Arc<StoreError>> {
        let wanted = roots.wanted(&bound.params);
        let rows = self.0.rows.load_many(wanted.iter().flatten().cloned()).await?;
        let members = bound.prepared.plan.read.roots.iter().zip(&wanted);
        Ok(object(members.map(|(root, wanted)| {
            let row = wanted.as_ref().and_then(|wanted| rows.get(wanted));
            let value = match (&root.value, row) {
                (RootValue::Json(json), _) => json.as_str(),
                (_, Some(row)) => row.as_ref(),
                (_, None) => "null",
            };
            (root.key.as_str(), value.to_owned())
        })))
    }

    /// How an operation is answered: its parameters, the read, the SQL and the database's own plan.
    pub async fn explain(&self, query: &str, variables: Option<JsonMap>) -> Result<String, Vec<ApiError>> {
        let request = ApiRequest {
            query: query.to_owned(),
            variables,
            streams: true,
            ..ApiRequest::default()
        };
        let bound = self.bind(request.into()).await?;
        let read = &bound.prepared.plan.read;
        let fail = |error: StoreError| vec![ApiError::from_store(&error)];
        let mut text = describe(&self.0.catalog, read);
        for (number, param) in bound.params.iter().enumerate() {
            text.push_str(&format!("${number} = {}\n", describe::value(param)));
        }
        if let Way::Constant(_) = bound.prepared.way {
            text.push_str("\nNo row is needed: the answer is known from the schema.\n");
            return Ok(text);
        }
        // A load by key is shown as the statement that answers it alone.
        let statement = self.0.store.compile(read).map_err(fail)?;
        let explanation = self.0.store.explain(&statement, &bound.params).await.map_err(fail)?;
        text.push_str(&format!("\n{}\n\n{}\n", explanation.sql, explanation.plan.join("\n")));
        Ok(text)
    }
}

fn check_cost(cost: gate::Cost, limits: &Limits) -> Result<(), ApiError> {
    let advice = |mut error: ApiError, advice: &str| {
        error.message.push_str(advice);
        Err(error)
    };
    for (what, found, limit, knob) in [
        (
            "letters of a text to look for",
            cost.text_letters,
            limits.text_letters,
            "text_letters",
        ),
        (
            "letters of a pattern",
            cost.pattern_letters,
            limits.pattern_letters,
            "pattern_letters",
        ),
    ] {
        if found > limit {
            return Err(ApiError::over(what, found, limit, knob));
        }
    }
    if cost.rows > limits.rows {
        let error = ApiError::over("estimated rows of the answer", cost.rows, limits.rows, "rows");
        return advice(error, ", cut the lists with first, or filter by key");
    }
    if cost.filter_rows > limits.filter_rows {
        let what = "estimated rows that where and orderBy look at in other types";
        let error = ApiError::over(what, cost.filter_rows, limits.filter_rows, "filter_rows");
        return advice(error, ", take fewer steps into other types, or filter by key");
    }
    Ok(())
}

/// A JSON object of members that are JSON already.
pub(super) fn object<'k>(members: impl Iterator<Item = (&'k str, String)>) -> String {
    let mut json = String::from("{");
    for (position, (key, value)) in members.enumerate() {
        if position > 0 {
            json.push(',');
        }
        // Response keys are GraphQL names: nothing in them needs an escape.
        json.push_str(&format!("\"{key}\":{value}"));
    }
    json.push('}');
    json
}
