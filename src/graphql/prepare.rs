//! From a request to a compiled operation with its parameters, remembered by document and shape.
//! Knows the caches; runs nothing.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use apollo_compiler::{ExecutableDocument, Node, executable::Operation, response::JsonMap};
use bytes::Bytes;
use chrono::Utc;
use lru::LruCache;

use crate::{
    catalog::{Catalog, EntityId, Part, Valid},
    change::Cell,
    definition::did_you_mean,
    query::{Filter, Output, OutputValue, Read, RootValue, Visitor, visit_outputs},
    store::{Statement, Store, StoreError},
    value::Value,
};

use super::{
    ApiError, ApiRequest, Code, Limits, Principal, SchemaError, Served,
    admission::admits,
    coerce::coerce,
    digits,
    fingerprint::fingerprint,
    gate::{self, Admitted},
    keyed::{self, KeyedRoots},
    lock::lock,
    object::object,
    plan::{self, Param, Plan},
};

/// Answers without any row (introspection) larger than this are kept in a cache of their own, of
/// [`LARGE_PLANS`].
const LARGE_ANSWER: usize = 64 * 1_024;
const LARGE_PLANS: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// Parsed documents that are kept; at most 32 KiB of text each, and about ten times as much parsed.
const DOCUMENTS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Plans requests to one definition's API, and remembers them.
pub(super) struct Planner {
    catalog: Arc<Valid<Catalog>>,
    served: Served,
    store: Store,
    limits: Limits,
    documents: Cache<u128, Admitted>,
    /// The literals that decide a plan, by documents of one kind.
    exact: Cache<PlanId, Vec<usize>>,
    plans: Cache<PlanId, Prepared>,
    large_plans: Cache<PlanId, Prepared>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How the plans that are kept do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlanFigures {
    pub hits: u64,
    pub misses: u64,
    pub entries: usize,
}

type Cache<K, V> = Mutex<LruCache<K, Arc<V>>>;

/// A document but for what is bound to its plan, an operation of it, the shape of its variables,
/// and for whom it is planned. Live queries and shared turns are keyed by it, and so are a
/// principal's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanId {
    document: u128,
    operation: u128,
    shape: u128,
    /// Answers that need no row are part of their plans.
    pub principal: Principal,
}

#[cfg(test)]
impl PlanId {
    /// One made by hand.
    pub(super) fn numbered(number: u128) -> PlanId {
        PlanId {
            document: number,
            operation: 0,
            shape: 0,
            principal: Principal::ANONYMOUS,
        }
    }
}

/// A planned and compiled operation.
pub(super) struct Prepared {
    pub id: PlanId,
    pub entities: BTreeSet<EntityId>,
    /// What of them can change the answer.
    pub parts: BTreeSet<Part>,
    /// How new each of them is.
    pub versions: Arc<[Cell]>,
    /// The types whose harvests may change them.
    pub harvested: Arc<[EntityId]>,
    /// Whether the answer stays the same until one of them changes.
    pub is_lasting: bool,
    pub plan: Plan,
    /// With its fragments expanded.
    pub fields: usize,
    pub way: Way,
    pub took: Took,
    /// It costs the same whatever is stored: rows by their keys, and what belongs to one.
    pub is_settled: bool,
}

/// How long the last run of an operation took, and how long it had been estimated to take.
#[derive(Debug, Default)]
pub(super) struct Took(Mutex<Option<(Duration, Duration)>>);

/// An estimate may be so many times too long or too short for the values of one run, and right for
/// those of the next.
const TIMES_MAX: f64 = 1_000.0;

impl Took {
    pub(super) fn note(&self, length: Duration, estimated: Duration) {
        *self.both() = Some((length, estimated));
    }

    /// Nothing before the first run.
    pub(super) fn last(&self) -> Duration {
        self.both().map_or(Duration::ZERO, |(last, _)| last)
    }

    /// How long a run with this estimate will take: as the last one did, longer or shorter by as
    /// much as the estimates differ.
    pub(super) fn expected(&self, estimated: Duration) -> Duration {
        let Some((last, before)) = *self.both() else {
            return estimated;
        };
        let micros = |time: Duration| time.as_micros().max(1) as f64;
        let times = micros(estimated) / micros(before);
        last.mul_f64(times.clamp(1.0 / TIMES_MAX, TIMES_MAX))
    }

    fn both(&self) -> MutexGuard<'_, Option<(Duration, Duration)>> {
        lock(&self.0)
    }
}

/// How an operation is answered.
pub(super) enum Way {
    /// No row is needed.
    Constant(Bytes),
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
    /// How long it may take, by its estimate.
    pub estimated: Duration,
    /// So few rows are estimated that they may be looked up beside the queue.
    pub is_small: bool,
}

impl Bound {
    /// How long it will take, as far as that is known.
    pub(super) fn expected(&self) -> Duration {
        self.prepared.took.expected(self.estimated)
    }

    /// Notes how long the statement took. A failure tells that only if it was one of time; who
    /// waited for a reader did not run.
    pub(super) fn note(&self, took: Result<Duration, &StoreError>) {
        let length = match took {
            Ok(length) => length,
            Err(StoreError::Timeout(limit)) => *limit,
            Err(_) => return,
        };
        self.prepared.took.note(length, self.estimated);
    }
}

/// A request's operation: what documents of its kind are known by, the operation, its coerced
/// variables.
type Resolved<'d> = (PlanId, &'d Node<Operation>, JsonMap);

impl Planner {
    pub(super) fn new(catalog: Arc<Valid<Catalog>>, store: Store, limits: Limits) -> Result<Planner, SchemaError> {
        let plans = NonZeroUsize::new(limits.plans).unwrap_or(NonZeroUsize::MIN);
        Ok(Planner {
            served: Served::of(&catalog)?,
            catalog,
            store,
            limits,
            documents: Mutex::new(LruCache::new(DOCUMENTS)),
            exact: Mutex::new(LruCache::new(plans)),
            plans: Mutex::new(LruCache::new(plans)),
            large_plans: Mutex::new(LruCache::new(LARGE_PLANS)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// The bound request if its document and plan are known already.
    pub(super) fn known(&self, request: &ApiRequest) -> Option<Result<Bound, Vec<ApiError>>> {
        let known = self.find(request);
        let count = if known.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        known
    }

    pub(super) fn figures(&self) -> PlanFigures {
        PlanFigures {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: lock(&self.plans).len() + lock(&self.large_plans).len(),
        }
    }

    fn find(&self, request: &ApiRequest) -> Option<Result<Bound, Vec<ApiError>>> {
        let hash = fingerprint(request.query.as_bytes());
        let document = lock(&self.documents).get(&hash).cloned()?;
        match self.resolve(&document, request) {
            Ok(resolved) => self.planned(&resolved, &document),
            Err(errors) => Some(Err(errors)),
        }
    }

    /// The same by a plan that is known, if one is. A literal that does not fit is left to
    /// planning, which says where it stands.
    fn planned(
        &self,
        (kind, operation, variables): &Resolved<'_>,
        admitted: &Admitted,
    ) -> Option<Result<Bound, Vec<ApiError>>> {
        let id = self.identified(*kind, admitted)?;
        let prepared = lock(&self.plans).get(&id).cloned();
        let prepared = prepared.or_else(|| lock(&self.large_plans).get(&id).cloned())?;
        let mut literals = prepared.plan.params.iter().filter(|param| param.literal().is_some());
        let now = Utc::now();
        let fits = |param: &Param| param.bind(variables, &admitted.literals, &self.catalog, now).is_ok();
        literals
            .all(fits)
            .then(|| self.bound(prepared.clone(), admitted, operation, variables))
    }

    /// What the plan of a document is known by, if documents of its kind were planned before.
    fn identified(&self, kind: PlanId, admitted: &Admitted) -> Option<PlanId> {
        let literals = &admitted.literals;
        if literals.are_none() {
            return Some(kind);
        }
        let exact = lock(&self.exact).get(&kind).cloned()?;
        Some(PlanId {
            document: literals.print_with(&exact),
            ..kind
        })
    }

    /// The same once it is planned: by all literals that did not become parameters.
    fn identify(&self, kind: PlanId, admitted: &Admitted, plan: &Plan) -> PlanId {
        let literals = &admitted.literals;
        if literals.are_none() {
            return kind;
        }
        let lifted: BTreeSet<usize> = plan.params.iter().filter_map(Param::literal).collect();
        let exact: Vec<usize> = (0..literals.len()).filter(|number| !lifted.contains(number)).collect();
        let document = literals.print_with(&exact);
        lock(&self.exact).put(kind, Arc::new(exact));
        PlanId { document, ..kind }
    }

    /// How many plans are kept.
    #[cfg(test)]
    pub(super) fn plans(&self) -> usize {
        lock(&self.plans).len()
    }

    pub(super) fn admits(&self, text: &str) -> Result<(), Vec<ApiError>> {
        admits(&self.catalog, &self.served, &self.limits, text)
    }

    pub(super) fn prepare(&self, request: &ApiRequest) -> Result<Bound, Vec<ApiError>> {
        let hash = fingerprint(request.query.as_bytes());
        let found = lock(&self.documents).get(&hash).cloned();
        let document = match found {
            Some(document) => document,
            None => {
                let document = Arc::new(gate::admit(&self.served, &self.limits, &request.query)?);
                lock(&self.documents).put(hash, document.clone());
                document
            }
        };
        let resolved = self.resolve(&document, request)?;
        // Its text is new, and its kind may be known.
        if let Some(bound) = self.planned(&resolved, &document) {
            return bound;
        }
        let (kind, operation, variables) = resolved;
        let planned = self.compile(kind, &document, operation, &variables);
        let sources = &document.document.sources;
        let prepared = Arc::new(planned.map_err(|error| vec![error.at(operation.location(), sources)])?);
        let id = prepared.id;
        match &prepared.way {
            Way::Constant(json) if json.len() > LARGE_ANSWER => lock(&self.large_plans).put(id, prepared.clone()),
            _ => lock(&self.plans).put(id, prepared.clone()),
        };
        self.bound(prepared, &document, operation, &variables)
    }

    fn bound(
        &self,
        prepared: Arc<Prepared>,
        admitted: &Admitted,
        operation: &Node<Operation>,
        variables: &JsonMap,
    ) -> Result<Bound, Vec<ApiError>> {
        let now = Utc::now();
        let params = prepared.plan.params.iter();
        let params = params.map(|param| param.bind(variables, &admitted.literals, &self.catalog, now));
        let params = params.collect::<Result<_, ApiError>>();
        let params = params.map_err(|error| vec![error.at(operation.location(), &admitted.document.sources)])?;
        Ok(Bound {
            prepared,
            params,
            is_subscription: operation.is_subscription(),
            estimated: Duration::ZERO,
            is_small: false,
        })
    }

    /// The operation asked for, its coerced variables and what documents of its kind are known by.
    fn resolve<'d>(&self, admitted: &'d Admitted, request: &ApiRequest) -> Result<Resolved<'d>, Vec<ApiError>> {
        let document = &admitted.document;
        let name = request.operation_name.as_deref();
        let operation = operation(document, name).map_err(|error| vec![error])?;
        if operation.is_subscription() && !request.streams {
            let message = "a subscription needs a WebSocket (graphql-transport-ws) on this path";
            return Err(vec![ApiError::new(Code::MethodNotAllowed, message)]);
        }
        let empty = JsonMap::new();
        let given = request.variables.as_ref().unwrap_or(&empty);
        let given = digits::settled(&self.served.schema, operation, given);
        let variables = coerce(&self.served.schema, operation, &given, &document.sources);
        let variables = variables.map_err(|error| vec![error])?;
        let nulls = admitted.check_nulls(operation, &variables);
        nulls.map_err(|error| vec![error.at(operation.location(), &document.sources)])?;
        let introspects = operation
            .root_fields(document)
            .any(|field| field.name.starts_with("__") && field.name != "__typename");
        let shape = plan::shape(&self.served.schema, document, operation, &variables, introspects);
        let id = PlanId {
            document: admitted.literals.print(),
            operation: fingerprint(name.unwrap_or_default().as_bytes()),
            shape,
            principal: request.principal,
        };
        Ok((id, operation, variables))
    }

    fn compile(
        &self,
        kind: PlanId,
        admitted: &Admitted,
        operation: &Operation,
        variables: &JsonMap,
    ) -> Result<Prepared, ApiError> {
        let plan = plan::plan(
            &self.catalog,
            &self.served,
            &self.limits,
            &admitted.document,
            operation,
            variables,
            Some(&admitted.literals),
        )?;
        let way = match constant(&plan.read) {
            Some(json) => Way::Constant(json),
            None => self.way(&plan.read).map_err(|error| ApiError::from_store(&error))?,
        };
        let parts = plan.read.parts(&self.catalog);
        Ok(Prepared {
            id: self.identify(kind, admitted, &plan),
            entities: plan.read.entities(&self.catalog),
            versions: self.store.versions(&parts).into(),
            harvested: harvested(&self.catalog, &parts),
            parts,
            is_lasting: plan.read.is_lasting() && !plan.params.iter().any(Param::is_of_the_moment),
            is_settled: is_settled(&plan.read),
            fields: gate::fields_of(&admitted.document, operation),
            plan,
            way,
            took: Took::default(),
        })
    }

    fn way(&self, read: &Read) -> Result<Way, StoreError> {
        Ok(match keyed::keyed_roots(&self.store, read)? {
            Some(roots) => Way::Keyed(roots),
            None => Way::Statement(self.store.compile(read)?),
        })
    }
}

/// The operation of this name, or the only one.
fn operation<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Result<&'d Node<Operation>, ApiError> {
    let operations = &document.operations;
    operations.get(name).map_err(|_| {
        let message = match name {
            Some(name) => {
                let near = did_you_mean(name, operations.named.keys().map(|known| known.as_str()));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                format!("the document has no operation `{name}`{near}")
            }
            None => "the document has several operations; say which one is meant by operationName".to_owned(),
        };
        ApiError::new(Code::OperationResolution, message)
    })
}

/// The types whose harvests bring what an operation reads, those included of whose rows it shows
/// something that is computed.
fn harvested(catalog: &Catalog, parts: &BTreeSet<Part>) -> Arc<[EntityId]> {
    let computed = parts.iter().filter_map(|part| {
        let rollup = catalog.entity(part.entity).field(part.field?).rollup.as_ref()?;
        Some(rollup.target)
    });
    let all: BTreeSet<EntityId> = parts.iter().map(|part| part.entity).chain(computed).collect();
    all.into_iter().collect()
}

/// Whether a read has no list, and no filter but keys.
fn is_settled(read: &Read) -> bool {
    read.roots.iter().all(|root| match &root.value {
        RootValue::Json(_) => true,
        RootValue::One(select) => matches!(select.filter, Some(Filter::Key { .. })) && !Lists::are_in(&select.output),
        RootValue::Many(_)
        | RootValue::Connection(_)
        | RootValue::Grouped(_)
        | RootValue::Past(_)
        | RootValue::Versions(_)
        | RootValue::Freshness(_) => false,
    })
}

/// Looks for lists.
#[derive(Default)]
struct Lists(bool);

impl Lists {
    fn are_in(outputs: &[Output]) -> bool {
        let mut lists = Lists::default();
        visit_outputs(outputs, &mut lists);
        lists.0
    }
}

impl Visitor for Lists {
    fn output(&mut self, output: &Output) {
        self.0 |= matches!(output.value, OutputValue::Many { .. } | OutputValue::Connection { .. });
    }
}

/// The answer of a read that needs no row.
fn constant(read: &Read) -> Option<Bytes> {
    let members: Option<Vec<_>> = read
        .roots
        .iter()
        .map(|root| match &root.value {
            RootValue::Json(json) => Some((root.key.as_str(), json.clone().into())),
            _ => None,
        })
        .collect();
    members.map(|members| object(members.into_iter()).concat().into())
}
