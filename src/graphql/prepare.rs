//! From a request to a compiled operation with its parameters, remembered by document and shape. Knows the caches; runs
//! nothing.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use apollo_compiler::{
    ExecutableDocument, Node, executable::Operation, request::coerce_variable_values, response::JsonMap,
    validation::Valid as ValidGraphql,
};
use lru::LruCache;

use crate::{
    catalog::EntityId,
    query::{Read, RootValue},
    store::{Statement, StoreError},
    value::Value,
};

use super::{
    ApiError, ApiRequest, Code, Limits, digits,
    execute::{Inner, object},
    fingerprint::fingerprint,
    gate,
    keyed::{self, KeyedRoots},
    plan::{self, Plan},
};

/// Answers without any row (introspection) larger than this are kept in a cache of their own, of [`LARGE_PLANS`].
const LARGE_ANSWER: usize = 64 * 1_024;
const LARGE_PLANS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Parsed documents that are kept; at most 32 KiB of text each, and about ten times as much parsed.
const DOCUMENTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What is remembered of earlier requests.
pub(super) struct Caches {
    documents: Cache<u128, Document>,
    plans: Cache<PlanId, Prepared>,
    large_plans: Cache<PlanId, Prepared>,
}

impl Caches {
    pub fn new(limits: &Limits) -> Caches {
        let plans = NonZeroUsize::new(limits.plans).unwrap_or(NonZeroUsize::MIN);
        Caches {
            documents: Mutex::new(LruCache::new(DOCUMENTS)),
            plans: Mutex::new(LruCache::new(plans)),
            large_plans: Mutex::new(LruCache::new(LARGE_PLANS)),
        }
    }
}

type Document = ValidGraphql<ExecutableDocument>;

type Cache<K, V> = Mutex<LruCache<K, Arc<V>>>;

/// A document, an operation of it, and the shape of its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanId(u128, u128, u128);

/// A planned and compiled operation.
pub(super) struct Prepared {
    pub id: PlanId,
    pub entities: BTreeSet<EntityId>,
    pub plan: Plan,
    pub way: Way,
}

/// How an operation is answered.
pub(super) enum Way {
    /// No row is needed.
    Constant(String),
    /// Loads by key, joined with those of other requests.
    Keyed(KeyedRoots),
    Statement(Statement),
}

/// A prepared operation with the values of its parameters.
#[derive(Clone)]
pub(super) struct Bound {
    pub prepared: Arc<Prepared>,
    pub params: Arc<[Value]>,
    pub is_subscription: bool,
}

/// A request's operation: the identity of its plan, the operation, its coerced variables.
type Resolved<'d> = (PlanId, &'d Node<Operation>, ValidGraphql<JsonMap>);

impl Inner {
    /// The bound request if its document and plan are known already.
    pub(super) fn known(&self, request: &ApiRequest) -> Option<Result<Bound, Vec<ApiError>>> {
        let hash = fingerprint(request.query.as_bytes());
        let document = lock(&self.caches.documents).get(&hash).cloned()?;
        let ready = self.resolve(hash, &document, request);
        let (id, operation, variables) = match ready {
            Ok(ready) => ready,
            Err(errors) => return Some(Err(errors)),
        };
        let prepared = lock(&self.caches.plans).get(&id).cloned();
        let prepared = prepared.or_else(|| lock(&self.caches.large_plans).get(&id).cloned())?;
        Some(bound(prepared, operation, &variables))
    }

    pub(super) fn prepare(&self, request: &ApiRequest) -> Result<Bound, Vec<ApiError>> {
        let hash = fingerprint(request.query.as_bytes());
        let found = lock(&self.caches.documents).get(&hash).cloned();
        let document = match found {
            Some(document) => document,
            None => {
                let document = Arc::new(gate::admit(&self.served, &self.limits, &request.query)?);
                lock(&self.caches.documents).put(hash, document.clone());
                document
            }
        };
        let (id, operation, variables) = self.resolve(hash, &document, request)?;
        let planned = self.compile(id, &document, operation, &variables);
        let prepared = Arc::new(planned.map_err(|error| vec![error.at(operation.location(), &document.sources)])?);
        match &prepared.way {
            Way::Constant(json) if json.len() > LARGE_ANSWER => {
                lock(&self.caches.large_plans).put(id, prepared.clone())
            }
            _ => lock(&self.caches.plans).put(id, prepared.clone()),
        };
        bound(prepared, operation, &variables)
    }

    /// The operation asked for, its coerced variables and the identity of its plan.
    fn resolve<'d>(
        &self,
        hash: u128,
        document: &'d Document,
        request: &ApiRequest,
    ) -> Result<Resolved<'d>, Vec<ApiError>> {
        let refuse = |code, error| vec![ApiError::from_request(code, &error, &document.sources)];
        let name = request.operation_name.as_deref();
        let operation = document
            .operations
            .get(name)
            .map_err(|error| refuse(Code::OperationResolution, error))?;
        if operation.is_subscription() && !request.streams {
            let message = "a subscription needs a WebSocket (graphql-transport-ws) on this path";
            return Err(vec![ApiError::new(Code::MethodNotAllowed, message)]);
        }
        let empty = JsonMap::new();
        let given = request.variables.as_ref().unwrap_or(&empty);
        let given = digits::settled(&self.served.schema, operation, given);
        let variables = coerce_variable_values(&self.served.schema, operation, &given)
            .map_err(|error| refuse(Code::BadUserInput, error))?;
        let introspects = operation
            .root_fields(document)
            .any(|field| field.name.starts_with("__") && field.name != "__typename");
        let shape = plan::shape(&self.served.schema, operation, &variables, introspects);
        let id = PlanId(hash, fingerprint(name.unwrap_or_default().as_bytes()), shape);
        Ok((id, operation, variables))
    }

    fn compile(
        &self,
        id: PlanId,
        document: &Document,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
