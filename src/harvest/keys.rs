//! Keys that a record names: of one row, or of many. Knows leaves and how keys are written; no catalog, no rows.

use std::collections::HashSet;

use jaq_json::Val;

use super::{leaf::LeafShape, select::Found};
use crate::value::{Key, Value, describe};

/// The key that a reference holds, or `None` for null.
pub(super) fn reference(leaves: &[LeafShape], value: &Val) -> Result<Option<Key>, String> {
    match (leaves, value) {
        (_, Val::Null) => Ok(None),
        // A record where its key was meant.
        ([_], Val::Obj(_) | Val::Arr(_)) => Err(format!(
            "expected a key, found {}; take the key out of it, such as @ref(jq: \".seller.id\")",
            describe(value)
        )),
        ([leaf], value) => Ok(Some(Key(vec![leaf.convert(value)?]))),
        (leaves, Val::Arr(parts)) if parts.len() == leaves.len() => {
            let pairs = leaves.iter().zip(parts.iter());
            let key: Vec<Value> = pairs.map(|(leaf, part)| leaf.convert(part)).collect::<Result<_, _>>()?;
            if key.iter().any(Value::is_null) {
                return Err(format!("expected a key without null, found {}", describe(value)));
            }
            Ok(Some(Key(key)))
        }
        (leaves, value) => Err(format!(
            "expected a key of {} parts as an array, such as @ref(jq: \"[.a, .b]\"), found {}",
            leaves.len(),
            describe(value)
        )),
    }
}

/// The keys that a to-many reference holds; of a repeated one the first counts.
pub(super) fn targets(leaves: &[LeafShape], found: &Found<'_>) -> Result<Vec<Key>, String> {
    let items = match found {
        // One output that is a composite key, not a list of keys.
        Found::Outputs(outputs) if leaves.len() > 1 && is_one_composite(outputs) => Some(&outputs[..]),
        found => found.items().map_err(|reason| format!(": {reason}"))?,
    };
    let items = items.unwrap_or(&[]);
    let mut keys = Vec::with_capacity(items.len());
    let mut seen = HashSet::with_capacity(items.len());
    for (position, item) in items.iter().enumerate() {
        let key = reference(leaves, item).map_err(|reason| format!("[{position}]: {reason}"))?;
        let key = key.ok_or_else(|| format!("[{position}]: expected a key, found null"))?;
        if seen.insert(key.clone()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn is_one_composite(outputs: &[Val]) -> bool {
    matches!(outputs, [Val::Arr(parts)] if !matches!(parts.first(), None | Some(Val::Arr(_))))
}
