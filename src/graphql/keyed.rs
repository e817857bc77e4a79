//! Loads by key joined into one statement, also those of different requests. Knows keys and the store; knows no GraphQL.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use async_graphql::dataloader::{DataLoader, Loader};

use super::fingerprint::fingerprint;
use crate::{
    catalog::FieldId,
    query::{Filter, Operand, Read, RootValue, Select},
    store::{KeyedStatement, Store, StoreError},
    value::{Key, Value},
};

/// How long a load waits for others: less than a person or a network notices.
const WAIT: Duration = Duration::from_micros(200);
/// Keys that start a statement at once. The last operation to join brings its own (limit `root_fields`) on top; the store takes
/// 2,048 at a time, so all of them are one statement.
const BATCH_MAX: usize = 1_000;

/// A load of one entity's rows by one key with one selection.
#[derive(Debug)]
pub(super) struct KeyedPlan {
    /// Equal for equal loads, whatever document they come from.
    id: u128,
    statement: KeyedStatement,
}

/// A root field that is one load.
#[derive(Debug)]
pub(super) struct KeyedRoot {
    pub plan: Arc<KeyedPlan>,
    pub operands: Vec<Operand>,
}

/// The fields and operands of a selection that is nothing but a lookup by key.
fn lookup(select: &Select) -> Option<(&[FieldId], &[Operand])> {
    match &select.filter {
        Some(Filter::Key { fields, operands }) => Some((fields, operands)),
        _ => None,
    }
}

/// The loads of a read, if it consists of loads with one plan only: such loads run in one statement, and so in one
/// snapshot. Roots that need no row stand as none.
pub(super) fn keyed_roots(store: &Store, read: &Read) -> Result<Option<Vec<Option<KeyedRoot>>>, StoreError> {
    let mut plan: Option<Arc<KeyedPlan>> = None;
    let mut roots = Vec::new();
    for root in &read.roots {
        let select = match &root.value {
            RootValue::Json(_) => {
                roots.push(None);
                continue;
            }
            RootValue::One(select) => select,
            RootValue::Many(_) => return Ok(None),
        };
        let Some((by, operands)) = lookup(select) else {
            return Ok(None);
        };
        let Select { entity, output, .. } = select;
        let id = fingerprint(format!("{entity:?}{by:?}{output:?}").as_bytes());
        let shared = match plan.take() {
            Some(known) if known.id == id => known,
            Some(_) => return Ok(None),
            None => Arc::new(KeyedPlan {
                id,
                statement: store.compile_keyed(*entity, by, output)?,
            }),
        };
        plan = Some(shared.clone());
        roots.push(Some(KeyedRoot {
            plan: shared,
            operands: operands.to_vec(),
        }));
    }
    Ok(plan.map(|_| roots))
}

/// One row wanted.
#[derive(Clone)]
pub(super) struct LoadKey {
    plan: Arc<KeyedPlan>,
    key: Key,
}

impl LoadKey {
    pub fn of(root: &KeyedRoot, params: &[Value]) -> LoadKey {
        let values = root.operands.iter().map(|operand| match operand {
            Operand::Value(value) => value.clone(),
            Operand::Param(at) => params.get(*at).cloned().unwrap_or(Value::Null),
        });
        LoadKey {
            plan: root.plan.clone(),
            key: Key(values.collect()),
        }
    }
}

impl PartialEq for LoadKey {
    fn eq(&self, other: &Self) -> bool {
        self.plan.id == other.plan.id && self.key == other.key
    }
}

impl Eq for LoadKey {}

impl Hash for LoadKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plan.id.hash(state);
        self.key.hash(state);
    }
}

/// Loads by key from a store.
pub(super) struct RowLoader {
    store: Store,
}

pub(super) type Rows = DataLoader<RowLoader>;

pub(super) fn loader(store: Store) -> Rows {
    DataLoader::new(RowLoader { store }, tokio::spawn)
        .delay(WAIT)
        .max_batch_size(BATCH_MAX)
}

impl Loader<LoadKey> for RowLoader {
    type Value = Arc<str>;
    type Error = Arc<StoreError>;

    async fn load(&self, keys: &[LoadKey]) -> Result<HashMap<LoadKey, Arc<str>>, Arc<StoreError>> {
        let mut groups: HashMap<u128, (&KeyedPlan, Vec<Key>)> = HashMap::new();
        for wanted in keys {
            let group = groups.entry(wanted.plan.id).or_insert((&wanted.plan, Vec::new()));
            group.1.push(wanted.key.clone());
        }
        let loads = groups.into_values().map(|(plan, keys)| async move {
            let found = self.store.load(&plan.statement, &keys).await?;
            Ok::<_, StoreError>((plan.id, found))
        });
        let found: HashMap<u128, HashMap<Key, String>> =
            futures_util::future::try_join_all(loads).await?.into_iter().collect();
        let rows = keys.iter().filter_map(|wanted| {
            let row = found.get(&wanted.plan.id)?.get(&wanted.key)?;
            Some((wanted.clone(), Arc::from(row.as_str())))
        });
        Ok(rows.collect())
    }
}
