//! How two definitions differ, in numbers for a log line. Knows names of types and fields; not what
//! a database makes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Catalog;

/// How many types and fields came and went from one definition to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    types_added: usize,
    types_removed: usize,
    /// Of types that are in both.
    fields_added: usize,
    fields_removed: usize,
}

impl Difference {
    pub(crate) fn between(old: &Catalog, new: &Catalog) -> Difference {
        let (old, new) = (types(old), types(new));
        let mut found = Difference {
            types_added: new.keys().filter(|name| !old.contains_key(*name)).count(),
            ..Difference::default()
        };
        for (name, before) in &old {
            match new.get(name) {
                None => found.types_removed += 1,
                Some(after) => {
                    found.fields_added += after.difference(before).count();
                    found.fields_removed += before.difference(after).count();
                }
            }
        }
        found
    }
}

/// The names of all types with those of their fields.
fn types(catalog: &Catalog) -> BTreeMap<&str, BTreeSet<&str>> {
    let entities = catalog.entities.iter().map(|entity| {
        let fields = entity.fields.iter().filter(|field| field.served);
        (
            entity.name.as_str(),
            fields.map(|field| field.name.as_str()).collect::<BTreeSet<_>>(),
        )
    });
    let values = catalog.values.iter().map(|value| {
        let fields = value.fields.iter().map(|field| field.name.as_str());
        (value.name.as_str(), fields.collect())
    });
    let enums = catalog.enums.iter().map(|kind| {
        let values = kind.values.iter().map(|value| value.name.as_str());
        (kind.name.as_str(), values.collect())
    });
    entities.chain(values).chain(enums).collect()
}

/// `1 type, 2 fields added; 1 field removed`.
impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |types, fields, verb: &str| {
            let counted = [counted(types, "type"), counted(fields, "field")];
            let counted: Vec<String> = counted.into_iter().flatten().collect();
            (!counted.is_empty()).then(|| format!("{} {verb}", counted.join(", ")))
        };
        let parts = [
            part(self.types_added, self.fields_added, "added"),
            part(self.types_removed, self.fields_removed, "removed"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.as_slice() {
            [] => out.write_str("no type or field added or removed"),
            parts => out.write_str(&parts.join("; ")),
        }
    }
}

fn counted(count: usize, what: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_words() {
        let of = |types_added, types_removed, fields_added, fields_removed| Difference {
            types_added,
            types_removed,
            fields_added,
            fields_removed,
        };
        for (difference, want) in [
            (of(0, 0, 0, 0), "no type or field added or removed"),
            (of(1, 0, 2, 0), "1 type, 2 fields added"),
            (of(0, 0, 1, 1), "1 field added; 1 field removed"),
            (of(0, 2, 0, 0), "2 types removed"),
        ] {
            assert_eq!(difference.to_string(), want);
        }
    }
}
