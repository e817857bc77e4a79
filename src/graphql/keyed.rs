//! Loads by key joined into one statement, also those of different requests. Knows keys and the
//! store; knows no GraphQL.

use std::{
    collections::{HashMap, HashSet},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::{Principal, fingerprint::fingerprint, lock::lock};
use crate::{
    catalog::FieldId,
    query::{Filter, Operand, Read, RootValue, Select, is_plain, renumber},
    store::{KeyedStatement, Store, StoreError},
    value::{Key, Value},
};

/// How long a batch waits at most for what is under way before it: less than a person or a network
/// notices.
const WAIT: Duration = Duration::from_micros(200);
/// Keys that start a statement at once. The last operation to join brings its own (limit
/// `root_fields`) on top; the store takes 2,048 at a time, so all of them are one statement.
const BATCH_MAX: usize = 1_000;

/// A load of one entity's rows by one key with one selection.
#[derive(Debug)]
pub(super) struct KeyedPlan {
    /// Equal for equal loads, whatever document they come from.
    id: u128,
    statement: KeyedStatement,
}

/// An operation that is nothing but loads, all by one plan with the same values: they run in one
/// statement, and so in one snapshot.
#[derive(Debug)]
pub(super) struct KeyedRoots {
    plan: Arc<KeyedPlan>,
    /// The operation's parameters whose values the plan's own parameters have.
    params: Vec<usize>,
    /// The operands of each root's key; none for roots that need no row.
    keys: Vec<Option<Vec<Operand>>>,
}

/// The fields and operands of a selection that is nothing but a lookup by key.
fn lookup(select: &Select) -> Option<(&[FieldId], &[Operand])> {
    match &select.filter {
        Some(Filter::Key { fields, operands }) => Some((fields, operands)),
        _ => None,
    }
}

/// The loads of a read, if it consists of loads by one plan only, without work that takes long for
/// one of them.
pub(super) fn keyed_roots(store: &Store, read: &Read) -> Result<Option<KeyedRoots>, StoreError> {
    let mut found: Option<(Arc<KeyedPlan>, Vec<usize>)> = None;
    let mut keys = Vec::new();
    for root in &read.roots {
        let select = match &root.value {
            RootValue::Json(_) => {
                keys.push(None);
                continue;
            }
            RootValue::One(select) => select,
            RootValue::Many(_)
            | RootValue::Connection(_)
            | RootValue::Grouped(_)
            | RootValue::Past(_)
            | RootValue::Versions(_)
            | RootValue::Freshness(_) => {
                return Ok(None);
            }
        };
        // These statements wait for no turn, so nothing that may take long is among them.
        let Some((by, operands)) = lookup(select).filter(|_| is_plain(&select.output)) else {
            return Ok(None);
        };
        let entity = select.entity;
        let mut output = select.output.clone();
        // Numbered anew, so that documents which ask for the same in other words share a plan.
        let params = renumber(&mut output);
        let id = fingerprint(format!("{entity:?}{by:?}{output:?}").as_bytes());
        match &found {
            // Two plans would be two statements, and so two snapshots in one answer.
            Some((plan, shared)) if plan.id == id && *shared == params => {}
            Some(_) => return Ok(None),
            None => {
                let Some(statement) = store.compile_keyed(entity, by, &output)? else {
                    return Ok(None);
                };
                found = Some((Arc::new(KeyedPlan { id, statement }), params));
            }
        }
        keys.push(Some(operands.to_vec()));
    }
    Ok(found.map(|(plan, params)| KeyedRoots { plan, params, keys }))
}

impl KeyedRoots {
    /// The load for somebody with these values of the operation's parameters, and the key that each
    /// root wants; none for those that need no row.
    pub(super) fn wanted(&self, principal: Principal, values: &[Value]) -> (Load, Vec<Option<Key>>) {
        let value = |at: &usize| values.get(*at).cloned().unwrap_or(Value::Null);
        let operand = |operand: &Operand| match operand {
            Operand::Value(value) => value.clone(),
            Operand::Param(at) => value(at),
        };
        let load = Load {
            principal,
            plan: self.plan.clone(),
            values: Arc::new(Key(self.params.iter().map(value).collect())),
        };
        let key = |key: &Vec<Operand>| Key(key.iter().map(operand).collect());
        (load, self.keys.iter().map(|wanted| wanted.as_ref().map(key)).collect())
    }
}

/// For whom, a plan and the values of its parameters: the same row is another answer under other
/// values, and may be for another one.
#[derive(Clone)]
pub(super) struct Load {
    principal: Principal,
    plan: Arc<KeyedPlan>,
    values: Arc<Key>,
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        self.principal == other.principal && self.plan.id == other.plan.id && self.values == other.values
    }
}

impl Eq for Load {}

impl Hash for Load {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.principal.hash(state);
        self.plan.id.hash(state);
        self.values.hash(state);
    }
}

/// What a batch has found: each row's JSON by its key.
pub(super) struct Found {
    pub rows: HashMap<Key, Bytes>,
    /// The change log's head when they were read.
    pub head: Option<i64>,
    /// How long the statement took for each key.
    pub took_each: Duration,
}

type Outcome = Result<Arc<Found>, Arc<StoreError>>;

/// Loads by key from a store. One goes at once when no equal one is under way; those that come
/// meanwhile are one batch. Others share neither its time nor its failure.
#[derive(Clone)]
pub(super) struct Rows {
    store: Store,
    /// The loads that are under way.
    busy: Arc<Mutex<HashMap<Load, Busy>>>,
}

/// Equal loads: how many statements run, and the batch that more keys may join.
#[derive(Default)]
struct Busy {
    running: usize,
    open: Option<Arc<Batch>>,
}

struct Batch {
    keys: Mutex<HashSet<Key>>,
    /// It need not wait any longer: it is full, or what ran before it has ended.
    goes: Notify,
    outcome: watch::Sender<Option<Outcome>>,
}

/// A statement under way. When it ends, or is given up, the batch behind it goes.
struct Running {
    rows: Rows,
    load: Load,
}

/// How an operation's keys are looked for.
enum Way {
    /// At once, by itself.
    First(Running),
    /// With others.
    Joined(watch::Receiver<Option<Outcome>>),
}

impl Rows {
    pub(super) fn of(store: Store) -> Rows {
        Rows {
            store,
            busy: Arc::default(),
        }
    }

    /// The rows of these keys, all from one statement.
    pub(super) async fn load(&self, load: Load, keys: impl Iterator<Item = Key>) -> Outcome {
        let keys: Vec<Key> = keys.collect();
        // Before anything is awaited: the next operation finds it under way.
        let mut outcome = match self.enter(&load, &keys) {
            Way::First(_running) => return self.run(&load, keys).await,
            Way::Joined(outcome) => outcome,
        };
        let found = outcome.wait_for(Option::is_some).await;
        // It ends with its outcome, unless the runtime or its task does.
        let found = found.ok().and_then(|found| found.clone());
        found.unwrap_or_else(|| Err(Arc::new(StoreError::Internal("the load was given up".to_owned()))))
    }

    /// Whoever is the first goes: there is nobody to wait for, and a wait takes longer than most
    /// statements.
    fn enter(&self, load: &Load, keys: &[Key]) -> Way {
        let mut all = lock(&self.busy);
        let busy = all.entry(load.clone()).or_default();
        if busy.running == 0 && busy.open.is_none() {
            busy.running = 1;
            return Way::First(self.running(load));
        }
        // Under one lock with the keys: a batch that closes in between would leave them out.
        let batch = busy.open.get_or_insert_with(|| self.gather(load)).clone();
        let outcome = batch.outcome.subscribe();
        let mut joined = lock(&batch.keys);
        joined.extend(keys.iter().cloned());
        if joined.len() >= BATCH_MAX {
            // No more may join it; who comes next begins another, and waits for nothing of this
            // one.
            busy.open = None;
            batch.goes.notify_one();
        }
        Way::Joined(outcome)
    }

    /// Whether nothing is under way, nor remembered.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.busy).is_empty()
    }

    /// A load that is under way until it is dropped, for tests of what comes meanwhile.
    #[cfg(test)]
    pub(super) fn held(&self, load: &Load) -> impl Drop + use<> {
        match self.enter(load, &[]) {
            Way::First(running) => running,
            Way::Joined(_) => panic!("an equal load is under way"),
        }
    }

    fn running(&self, load: &Load) -> Running {
        Running {
            rows: self.clone(),
            load: load.clone(),
        }
    }

    /// A batch without keys, which runs when nothing else does, or after a moment.
    fn gather(&self, load: &Load) -> Arc<Batch> {
        let batch = Arc::new(Batch {
            keys: Mutex::default(),
            goes: Notify::new(),
            outcome: watch::Sender::new(None),
        });
        // A task of its own: the operation that began the batch may leave, and the others still
        // wait.
        tokio::spawn(self.clone().serve(load.clone(), batch.clone()));
        batch
    }

    async fn serve(self, load: Load, batch: Arc<Batch>) {
        // What takes long is nobody else's delay.
        tokio::select! {
            () = tokio::time::sleep(WAIT) => {}
            () = batch.goes.notified() => {}
        }
        // Closed before the statement begins, or keys would join that it does not ask for.
        let (_running, keys) = self.close(&load, &batch);
        tokio::select! {
            outcome = self.run(&load, keys) => {
                batch.outcome.send_replace(Some(outcome));
            }
            // Everybody who wanted it has gone.
            () = batch.outcome.closed() => {}
        }
    }

    /// Ends the time in which keys may join a batch; its keys.
    fn close(&self, load: &Load, batch: &Arc<Batch>) -> (Running, Vec<Key>) {
        let mut all = lock(&self.busy);
        let busy = all.entry(load.clone()).or_default();
        busy.running += 1;
        // A full one has left already, and the next may have begun.
        busy.open.take_if(|open| Arc::ptr_eq(open, batch));
        // Taken under the lock of all, under which keys are added.
        let keys = lock(&batch.keys).drain().collect();
        (self.running(load), keys)
    }

    async fn run(&self, load: &Load, keys: Vec<Key>) -> Outcome {
        let loaded = self.store.load(&load.plan.statement, &load.values.0, &keys).await?;
        let rows = loaded.rows.into_iter().map(|(key, row)| (key, Bytes::from(row)));
        Ok(Arc::new(Found {
            rows: rows.collect(),
            head: loaded.head,
            // For each key, because that is what an operation of one key is charged for.
            took_each: loaded.took / u32::try_from(keys.len()).unwrap_or(u32::MAX).max(1),
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut all = lock(&self.rows.busy);
        let Some(busy) = all.get_mut(&self.load) else { return };
        busy.running = busy.running.saturating_sub(1);
        match &busy.open {
            Some(next) => next.goes.notify_one(),
            None if busy.running == 0 => {
                all.remove(&self.load);
            }
            None => {}
        }
    }
}
