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
    query::{Filter, Operand, Read, RootValue, Select, renumber},
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

/// An operation that is nothing but loads, all by one plan with the same values: they run in one statement, and so in one
/// snapshot.
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

/// The loads of a read, if it consists of loads by one plan only.
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
            RootValue::Many(_) | RootValue::Freshness(_) => return Ok(None),
        };
        let Some((by, operands)) = lookup(select) else {
            return Ok(None);
        };
        let entity = select.entity;
        let mut output = select.output.clone();
        let params = renumber(&mut output);
        let id = fingerprint(format!("{entity:?}{by:?}{output:?}").as_bytes());
        match &found {
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
    /// What each root wants with these values of the operation's parameters; none for those that need no row.
    pub fn wanted(&self, values: &[Value]) -> Vec<Option<LoadKey>> {
        let value = |at: &usize| values.get(*at).cloned().unwrap_or(Value::Null);
        let operand = |operand: &Operand| match operand {
            Operand::Value(value) => value.clone(),
            Operand::Param(at) => value(at),
        };
        let shared = Arc::new(Key(self.params.iter().map(value).collect()));
        let keys = self.keys.iter();
        keys.map(|key| {
            let key = key.as_ref()?;
            Some(LoadKey {
                plan: self.plan.clone(),
                values: shared.clone(),
                key: Key(key.iter().map(operand).collect()),
            })
        })
        .collect()
    }
}

/// One row wanted.
#[derive(Clone)]
pub(super) struct LoadKey {
    plan: Arc<KeyedPlan>,
    /// Of the plan's parameters: the same row is another answer under other values.
    values: Arc<Key>,
    key: Key,
}

impl PartialEq for LoadKey {
    fn eq(&self, other: &Self) -> bool {
        self.plan.id == other.plan.id && self.key == other.key && self.values == other.values
    }
}

impl Eq for LoadKey {}

impl Hash for LoadKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.plan.id.hash(state);
        self.values.hash(state);
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
        let mut groups: HashMap<(u128, &Key), (&KeyedPlan, Vec<Key>)> = HashMap::new();
        for wanted in keys {
            let group = groups.entry((wanted.plan.id, &wanted.values));
            let (_, keys) = group.or_insert((&wanted.plan, Vec::new()));
            keys.push(wanted.key.clone());
        }
        let loads = groups.into_iter().map(|(group, (plan, keys))| async move {
            let found = self.store.load(&plan.statement, &group.1.0, &keys).await?;
            Ok::<_, StoreError>((group, found))
        });
        let found: HashMap<(u128, &Key), HashMap<Key, String>> =
            futures_util::future::try_join_all(loads).await?.into_iter().collect();
        let rows = keys.iter().filter_map(|wanted| {
            let group = (wanted.plan.id, wanted.values.as_ref());
            let row = found.get(&group)?.get(&wanted.key)?;
            Some((wanted.clone(), Arc::from(row.as_str())))
        });
        Ok(rows.collect())
    }
}
