//! JSON objects in parts, of members that are JSON already. Knows no row.

use bytes::Bytes;

/// A JSON object of members that are JSON already, in parts: nothing is copied.
pub(super) fn object<'k>(members: impl Iterator<Item = (&'k str, Bytes)>) -> Vec<Bytes> {
    let mut parts = Vec::new();
    for (key, value) in members {
        let begin = if parts.is_empty() { '{' } else { ',' };
        // Response keys are GraphQL names: nothing in them needs an escape.
        parts.push(format!("{begin}\"{key}\":").into());
        parts.push(value);
    }
    if parts.is_empty() {
        parts.push(Bytes::from_static(b"{"));
    }
    parts.push(Bytes::from_static(b"}"));
    parts
}
