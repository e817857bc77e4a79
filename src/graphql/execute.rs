//! Requests to answers: admit, plan, bind, run. Knows the store's contract; knows no SQL and no transport.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use apollo_compiler::{
    ExecutableDocument, Node, executable::Operation, request::coerce_variable_values, response::JsonMap,
    validation::Valid as ValidGraphql,
};
use lru::LruCache;

use crate::{
    catalog::{Catalog, EntityId, Valid},
    query::{Read, RootValue},
    store::{Statement, Store, StoreError},
    value::Value,
};

use super::{
    ApiError, ApiResponse, Code, Limits, SchemaError, Served, gate,
    keyed::{self, KeyedRoot, LoadKey, Rows},
    live::Live,
    plan::{self, Plan},
    statistics::Statistics,
};

/// Answers without any row (introspection) larger than this are kept in a cache of their own, of [`LARGE_PLANS`].
const LARGE_ANSWER: usize = 64 * 1_024;
const LARGE_PLANS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Parsed documents that are kept; at most 32 KiB of text each, and about ten times as much parsed.
const DOCUMENTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// A GraphQL request, however it arrived.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiRequest {
    pub query: String,
    #[serde(default)]
    pub operation_name: Option<String>,
    #[serde(default)]
    pub variables: Option<JsonMap>,
    /// Accepted and not used, as the specification allows.
    #[serde(default)]
    pub extensions: Option<JsonMap>,
    /// Set for requests that must not do anything but read once (GET): other operations are then refused.
    #[serde(skip)]
    pub query_only: bool,
}

/// The data API; cloning gives another handle to the same one.
#[derive(Clone)]
pub struct DataApi(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub catalog: Arc<Valid<Catalog>>,
    pub served: Served,
    pub store: Store,
    pub limits: Limits,
    pub live: Live,
    rows: Rows,
    statistics: Statistics,
    documents: Cache<u128, ValidGraphql<ExecutableDocument>>,
    plans: Cache<PlanId, Prepared>,
    large_plans: Cache<PlanId, Prepared>,
}

type Cache<K, V> = Mutex<LruCache<K, Arc<V>>>;

/// A document, an operation of it, and the shape of its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanId(u128, u128, u128);

/// A planned and compiled operation.
pub(super) struct Prepared {
    pub id: PlanId,
    pub entities: BTreeSet<EntityId>,
    plan: Plan,
    way: Way,
}

/// How an operation is answered.
enum Way {
    /// No row is needed.
    Constant(String),
    /// Loads by key, joined with those of other requests.
    Keyed(Vec<Option<KeyedRoot>>),
    Statement(Statement),
}

/// A prepared operation with the values of its parameters.
#[derive(Clone)]
pub(super) struct Bound {
    pub prepared: Arc<Prepared>,
    pub params: Arc<[Value]>,
    pub is_subscription: bool,
}

impl DataApi {
    /// Builds the served schema; nothing is read from the store yet.
    pub fn new(catalog: Arc<Valid<Catalog>>, store: Store, limits: Limits) -> Result<DataApi, SchemaError> {
        let plans = NonZeroUsize::new(limits.plans).unwrap_or(NonZeroUsize::MIN);
        Ok(DataApi(Arc::new(Inner {
            served: Served::of(&catalog)?,
            live: Live::new(limits.subscriptions),
            rows: keyed::loader(store.clone()),
            statistics: Statistics::default(),
            documents: Mutex::new(LruCache::new(DOCUMENTS)),
            plans: Mutex::new(LruCache::new(plans)),
            large_plans: Mutex::new(LruCache::new(LARGE_PLANS)),
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
    pub async fn execute(&self, request: ApiRequest) -> ApiResponse {
        let work = async {
            let bound = self.bind(request).await?;
            if bound.is_subscription {
                let message = "a subscription needs a WebSocket (graphql-transport-ws), see the Upgrade header";
                return Err(vec![ApiError::new(Code::MethodNotAllowed, message)]);
            }
            self.run(&bound).await.map_err(|error| vec![error])
        };
        let limit = self.0.limits.request_timeout;
        ApiResponse(tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("the request took longer than {limit:?}; ask for less (limit `request_timeout`)");
            Err(vec![ApiError::new(Code::Timeout, message)])
        }))
    }

    /// Everything before the run: gate, plan, parameters, estimate.
    pub(super) async fn bind(&self, request: ApiRequest) -> Result<Bound, Vec<ApiError>> {
        let inner = self.0.clone();
        // Parsing, validation and planning take up to some hundred milliseconds (a large schema introspected), so they
        // run beside the async threads unless all their results are known.
        let bound = match inner.known(&request) {
            Some(bound) => bound?,
            None => tokio::task::spawn_blocking(move || inner.prepare(&request))
                .await
                .map_err(|cause| {
                    tracing::error!(%cause, "planning a request failed");
                    vec![ApiError::new(
                        Code::Internal,
                        "the query could not be planned; the log has the cause",
                    )]
                })??,
        };
        self.check_rows(&bound).await.map_err(|error| vec![error])?;
        Ok(bound)
    }

    /// Refuses what would return too many rows. Counts are asked for only when `first` and keys do not settle it.
    async fn check_rows(&self, bound: &Bound) -> Result<(), ApiError> {
        let inner = &self.0;
        let limit = inner.limits.rows;
        let read = &bound.prepared.plan.read;
        if gate::estimate(&inner.catalog, read, &bound.params, None) <= limit {
            return Ok(());
        }
        let counts = inner.statistics.rows(&inner.store, inner.catalog.entities.len()).await;
        let counts = counts.map_err(|error| ApiError::from_store(&error))?;
        let rows = gate::estimate(&inner.catalog, read, &bound.params, Some(&counts));
        if rows <= limit {
            return Ok(());
        }
        let mut error = ApiError::over("estimated rows of the answer", rows, limit, "rows");
        error.message.push_str("; cut the lists with first, or filter by key");
        Err(error)
    }

    /// Runs a bound operation: the `data` object as JSON.
    pub(super) async fn run(&self, bound: &Bound) -> Result<String, ApiError> {
        match &bound.prepared.way {
            Way::Constant(json) => Ok(json.clone()),
            Way::Statement(statement) => {
                let answer = self.0.store.read(statement, &bound.params).await;
                answer
                    .map(|answer| answer.json)
                    .map_err(|error| ApiError::from_store(&error))
            }
            Way::Keyed(roots) => self
                .load(roots, bound)
                .await
                .map_err(|error| ApiError::from_store(&error)),
        }
    }

    async fn load(&self, roots: &[Option<KeyedRoot>], bound: &Bound) -> Result<String, Arc<StoreError>> {
        let key = |root: &KeyedRoot| LoadKey::of(root, &bound.params);
        let rows = self.0.rows.load_many(roots.iter().flatten().map(key)).await?;
        let members = bound.prepared.plan.read.roots.iter().zip(roots);
        Ok(object(members.map(|(root, keyed)| {
            let value = match (&root.value, keyed) {
                (RootValue::Json(json), _) => json.as_str(),
                (_, Some(keyed)) => rows.get(&key(keyed)).map_or("null", |row| row.as_ref()),
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
            ..ApiRequest::default()
        };
        let bound = self.bind(request).await?;
        let read = &bound.prepared.plan.read;
        let fail = |error: StoreError| vec![ApiError::from_store(&error)];
        let mut text = format!("{read:#?}\n\nparameters: {:?}\n", bound.params);
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

impl Inner {
    /// The bound request if its document and plan are known already.
    fn known(&self, request: &ApiRequest) -> Option<Result<Bound, Vec<ApiError>>> {
        let hash = document_hash(&request.query);
        let document = lock(&self.documents).get(&hash).cloned()?;
        let ready = self.resolve(hash, &document, request);
        let (id, operation, variables) = match ready {
            Ok(ready) => ready,
            Err(errors) => return Some(Err(errors)),
        };
        let prepared = lock(&self.plans).get(&id).cloned();
        let prepared = prepared.or_else(|| lock(&self.large_plans).get(&id).cloned())?;
        Some(bound(prepared, operation, &variables))
    }

    fn prepare(&self, request: &ApiRequest) -> Result<Bound, Vec<ApiError>> {
        let hash = document_hash(&request.query);
        let found = lock(&self.documents).get(&hash).cloned();
        let document = match found {
            Some(document) => document,
            None => {
                let document = Arc::new(gate::admit(&self.served, &self.limits, &request.query)?);
                lock(&self.documents).put(hash, document.clone());
                document
            }
        };
        let (id, operation, variables) = self.resolve(hash, &document, request)?;
        let planned = self.compile(id, &document, operation, &variables);
        let prepared = Arc::new(planned.map_err(|error| vec![error.at(operation.location(), &document.sources)])?);
        match &prepared.way {
            Way::Constant(json) if json.len() > LARGE_ANSWER => lock(&self.large_plans).put(id, prepared.clone()),
            _ => lock(&self.plans).put(id, prepared.clone()),
        };
        bound(prepared, operation, &variables)
    }

    /// The operation asked for, its coerced variables and the identity of its plan.
    fn resolve<'d>(
        &self,
        hash: u128,
        document: &'d ValidGraphql<ExecutableDocument>,
        request: &ApiRequest,
    ) -> Result<(PlanId, &'d Node<Operation>, ValidGraphql<JsonMap>), Vec<ApiError>> {
        let refuse = |code, error| vec![ApiError::from_request(code, &error, &document.sources)];
        let name = request.operation_name.as_deref();
        let operation = document
            .operations
            .get(name)
            .map_err(|error| refuse(Code::OperationResolution, error))?;
        if request.query_only && !operation.is_query() {
            let message = "only queries are answered to GET; send a subscription over a WebSocket";
            return Err(vec![ApiError::new(Code::MethodNotAllowed, message)]);
        }
        let empty = JsonMap::new();
        let given = request.variables.as_ref().unwrap_or(&empty);
        let variables = coerce_variable_values(&self.served.schema, operation, given)
            .map_err(|error| refuse(Code::BadUserInput, error))?;
        let introspects = operation
            .root_fields(document)
            .any(|field| field.name.starts_with("__") && field.name != "__typename");
        let shape = plan::shape(&self.served.schema, operation, &variables, introspects);
        let id = PlanId(hash, document_hash(name.unwrap_or_default()), shape);
        Ok((id, operation, variables))
    }

    fn compile(
        &self,
        id: PlanId,
        document: &ValidGraphql<ExecutableDocument>,
        operation: &Operation,
        variables: &ValidGraphql<JsonMap>,
    ) -> Result<Prepared, ApiError> {
        let plan = plan::plan(
            &self.catalog,
            &self.served,
            &self.limits,
            document,
            operation,
            variables,
        )?;
        let way = match constant(&plan.read) {
            Some(json) => Way::Constant(json),
            None => self.way(&plan.read).map_err(|error| ApiError::from_store(&error))?,
        };
        Ok(Prepared {
            id,
            entities: plan.read.entities(&self.catalog),
            plan,
            way,
        })
    }

    fn way(&self, read: &Read) -> Result<Way, StoreError> {
        Ok(match keyed::keyed_roots(&self.store, read)? {
            Some(roots) => Way::Keyed(roots),
            None => Way::Statement(self.store.compile(read)?),
        })
    }
}

fn bound(prepared: Arc<Prepared>, operation: &Operation, variables: &JsonMap) -> Result<Bound, Vec<ApiError>> {
    let params = prepared.plan.params.iter().map(|param| param.bind(variables));
    let params = params.collect::<Result<_, _>>().map_err(|error| vec![error])?;
    Ok(Bound {
        prepared,
        params,
        is_subscription: operation.is_subscription(),
    })
}

/// The answer of a read that needs no row.
fn constant(read: &Read) -> Option<String> {
    let members: Option<Vec<_>> = read
        .roots
        .iter()
        .map(|root| match &root.value {
            RootValue::Json(json) => Some((root.key.as_str(), json.clone())),
            _ => None,
        })
        .collect();
    members.map(|members| object(members.into_iter()))
}

/// A JSON object of members that are JSON already.
fn object<'k>(members: impl Iterator<Item = (&'k str, String)>) -> String {
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

fn document_hash(text: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
