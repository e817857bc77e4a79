//! What is kept beside the sums and means of groups, so that a commit goes on from them. Knows
//! which of these do not tell by themselves what one more row makes of them; not how they are
//! brought up to date, which is the store's.

use crate::{
    catalog::{
        Catalog, Entity, EntityId, Field, FieldId, FieldKind, Function, Kept, Leaf, Rolled, Rollup, Selection,
        snake_case,
    },
    value::Scalar,
};

/// Bytes of a name that stand in the name of what is kept for it: with more, the column's name
/// would be too long.
const NAME_MAX: usize = 40;

/// Adds the hidden fields, once all rollups are known. What is computed now and then goes on from
/// nothing.
pub(super) fn keep(catalog: &mut Catalog) {
    let ids: Vec<EntityId> = catalog.entity_ids().collect();
    for id in ids {
        let wanted = wanted(catalog, catalog.entity(id));
        let Some(entity) = catalog.entities.get_mut(id.index()) else {
            continue;
        };
        for (field, scalar) in wanted {
            let kept = add(entity, field, scalar);
            if let (Some(groups), Some(kept)) = (&mut entity.groups, kept) {
                groups.totals.push(kept);
            }
        }
    }
}

/// The sums and means of a type of groups for which something is kept, and the types of what they
/// are of. A sum of exact numbers is shifted by itself where rows only come, as they do most.
fn wanted(catalog: &Catalog, entity: &Entity) -> Vec<(FieldId, Scalar)> {
    let groups = entity.groups.as_ref().filter(|groups| groups.every.is_none());
    let fields = groups.into_iter().flat_map(|_| entity.field_ids());
    let found = fields.filter_map(|id| {
        let rollup = entity.field(id).rollup.as_ref()?;
        let Rolled::Of(function, of) = rollup.what else {
            return None;
        };
        let scalar = scalar_of(catalog, rollup.target, of)?;
        match (function, scalar) {
            (Function::Avg, _) | (Function::Sum, Scalar::Float | Scalar::Duration) => Some((id, scalar)),
            _ => None,
        }
    });
    found.collect()
}

fn scalar_of(catalog: &Catalog, entity: EntityId, field: FieldId) -> Option<Scalar> {
    match catalog.entity(entity).field(field).kind {
        FieldKind::Leaf {
            leaf: Leaf::Scalar(scalar),
            list: None,
        } => Some(scalar),
        _ => None,
    }
}

fn add(entity: &mut Entity, field: FieldId, scalar: Scalar) -> Option<Kept> {
    let own = entity.field(field);
    let (name, rollup) = (short(&own.name), own.rollup.clone()?);
    let Rolled::Of(_, of) = rollup.what else {
        return None;
    };
    let mut push = |word: &str, scalar: Scalar, required: bool, what: Rolled| {
        let text = rollup.text.split_once('(').map_or("", |(_, rest)| rest);
        let rollup = Rollup {
            what,
            text: format!("{}({text}", word.to_uppercase()),
            ..rollup.clone()
        };
        let id = FieldId(entity.fields.len() as u32);
        entity
            .fields
            .push(hidden(format!("_{word}_{name}"), scalar, required, rollup));
        id
    };
    let values = push("values", Scalar::BigInt, true, Rolled::Values(of));
    let sum = push("total", Scalar::Decimal, false, Rolled::Exact(of));
    // The places of a sum are not those of its numbers: 0.5 and 0.5 are 1.
    let fine = (scalar == Scalar::Decimal).then(|| push("fine", Scalar::BigInt, true, Rolled::Fine(of)));
    Some(Kept {
        field,
        values,
        sum,
        fine,
    })
}

/// A name that is short enough to stand in another one, and as different from others.
fn short(name: &str) -> String {
    let column = snake_case(name);
    match column.split_at_checked(NAME_MAX) {
        Some((begin, rest)) if !rest.is_empty() => {
            format!("{begin}{:08x}", xxhash_rust::xxh3::xxh3_64(column.as_bytes()) as u32)
        }
        _ => column,
    }
}

/// A field that is computed and that nobody is shown.
pub(super) fn hidden(name: String, scalar: Scalar, required: bool, rollup: Rollup) -> Field {
    Field {
        name,
        was: None,
        description: None,
        deprecated: None,
        kind: FieldKind::Leaf {
            leaf: Leaf::Scalar(scalar),
            list: None,
        },
        required,
        selection: Selection::Names(Vec::new()),
        unique: false,
        indexed: false,
        searched: false,
        language: None,
        served: false,
        fetch: None,
        rollup: Some(rollup),
    }
}

#[cfg(test)]
mod tests {
    use crate::catalog::{EntityId, testing::catalog};

    #[test]
    fn means_and_sums_that_do_not_add_up_have_something_kept() {
        let long = "a".repeat(63);
        let text = format!(
            "type Sale @f {{ id: ID! note: String n: Int d: Decimal f: Float t: Duration }}
            type ByNote @rollup(of: \"Sale\", by: [\"note\"] EVERY) {{
                id: ID! note: String sales: Int! @rollup(fn: COUNT) sold: BigInt @rollup(fn: SUM, field: \"n\")
                mean: Float @rollup(fn: AVG, field: \"n\", where: {{n: {{gt: 1}}}}) price: Decimal @rollup(fn: AVG, field: \"d\")
                weight: Float @rollup(fn: SUM, field: \"f\") took: Duration @rollup(fn: SUM, field: \"t\")
                {long}: Float @rollup(fn: AVG, field: \"f\")
            }}"
        );
        let names = |text: &str| -> Vec<String> {
            let catalog = catalog(text);
            let entity = catalog.entity(EntityId(1));
            let hidden = entity.fields.iter().filter(|field| field.name.starts_with('_'));
            let shown = hidden.map(|field| {
                let rollup = field.rollup.as_ref().expect("a rollup");
                format!("{} {}", field.name, rollup.text)
            });
            shown.collect()
        };
        let cut = format!(
            "{}{:08x}",
            "a".repeat(40),
            xxhash_rust::xxh3::xxh3_64(long.as_bytes()) as u32
        );
        assert_eq!(
            names(&text.replace("EVERY", "")),
            [
                "_rows COUNT()".to_owned(),
                "_values_mean VALUES(n) where {n: {gt: 1}}".to_owned(),
                "_total_mean TOTAL(n) where {n: {gt: 1}}".to_owned(),
                "_values_price VALUES(d)".to_owned(),
                "_total_price TOTAL(d)".to_owned(),
                "_fine_price FINE(d)".to_owned(),
                "_values_weight VALUES(f)".to_owned(),
                "_total_weight TOTAL(f)".to_owned(),
                "_values_took VALUES(t)".to_owned(),
                "_total_took TOTAL(t)".to_owned(),
                format!("_values_{cut} VALUES(f)"),
                format!("_total_{cut} TOTAL(f)"),
            ]
        );
        assert_eq!(names(&text.replace("EVERY", ", every: \"1h\"")), ["_rows COUNT()"]);
    }
}
