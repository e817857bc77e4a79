//! Keys that a record names: of one row, or of many. Knows leaves and how keys are written; no
//! catalog, no rows.

use jaq_json::Val;

use super::{leaf::LeafShape, select::Found};
use crate::value::{Key, Value, describe};

/// The key that a reference holds, or `None` for null, or for a composite key of nulls alone.
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
            match key.iter().filter(|part| part.is_null()).count() {
                0 => Ok(Some(Key(key))),
                // Nothing is named by nothing at all; a part alone names no row.
                nulls if nulls == key.len() => Ok(None),
                _ => Err(format!("expected a key without null, found {}", describe(value))),
            }
        }
        (leaves, value) => Err(format!(
            "expected a key of {} parts as an array, such as @ref(jq: \"[.a, .b]\") (in a list: \"[[.a, .b]]\"), found {}",
            leaves.len(),
            describe(value)
        )),
    }
}

/// The keys that a to-many reference holds, in the upstream's order and as often as it names them.
pub(super) fn targets(leaves: &[LeafShape], found: &Found<'_>) -> Result<Vec<Key>, String> {
    let items = found.items().unwrap_or(&[]);
    let key = |(position, item): (usize, &Val)| {
        let key = reference(leaves, item).map_err(|reason| format!("[{position}]: {reason}"))?;
        key.ok_or_else(|| {
            format!(
                "[{position}]: expected a key, found {}; leave such out, with jq: `… | values`",
                describe(item)
            )
        })
    };
    items.iter().enumerate().map(key).collect()
}
