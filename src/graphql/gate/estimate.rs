//! How many rows a read may return. Knows the read and rows per type; a guess, made before anything runs.

use crate::{
    catalog::{Catalog, EntityId, FieldKind},
    query::{Filter, Operand, Output, OutputValue, Read, RootValue, Select},
    value::Value,
};

/// Rows behind a many-to-many field when nothing better is known.
const LINKS_PER_ROW: u64 = 10;

/// Rows per type; none when they are not known yet, and every list without a bound is then endless.
pub(in crate::graphql) type Counts<'a> = Option<&'a [u64]>;

/// Rows in all lists of a read.
pub(in crate::graphql) fn estimate(catalog: &Catalog, read: &Read, params: &[Value], counts: Counts) -> u64 {
    let estimate = Estimate {
        catalog,
        params,
        counts,
    };
    let roots = read.roots.iter();
    let rows = roots.map(|root| match &root.value {
        RootValue::Json(_) => 0,
        RootValue::One(select) => estimate.members(&select.output, select.entity, 1),
        RootValue::Many(select) => {
            let all = estimate.stored(select.entity).min(estimate.by_key(select));
            estimate.list(select, 1, all)
        }
    });
    rows.fold(0, u64::saturating_add)
}

struct Estimate<'a> {
    catalog: &'a Catalog,
    params: &'a [Value],
    counts: Counts<'a>,
}

impl Estimate<'_> {
    fn stored(&self, entity: EntityId) -> u64 {
        match self.counts {
            Some(counts) => counts.get(entity.index()).copied().unwrap_or(0),
            None => u64::MAX,
        }
    }

    /// A list under `parents` rows, `each` long unless `first` cuts it.
    fn list(&self, select: &Select, parents: u64, each: u64) -> u64 {
        let first = select.first.as_ref().and_then(|operand| self.count(operand));
        let rows = parents.saturating_mul(each.min(first.unwrap_or(u64::MAX)));
        rows.saturating_add(self.members(&select.output, select.entity, rows))
    }

    fn count(&self, operand: &Operand) -> Option<u64> {
        let value = match operand {
            Operand::Value(value) => Some(value),
            Operand::Param(at) => self.params.get(*at),
        };
        match value {
            Some(Value::Int(count)) => u64::try_from(*count).ok(),
            _ => None,
        }
    }

    /// The lists below one level; `rows` parents.
    fn members(&self, output: &[Output], entity: EntityId, rows: u64) -> u64 {
        let lists = output.iter().map(|member| match &member.value {
            OutputValue::Many { field, select } => {
                let kind = &self.catalog.entity(entity).field(*field).kind;
                self.list(select, rows, self.per_parent(kind, entity, select.entity))
            }
            OutputValue::One { field, output } => {
                let target = self.catalog.entity(entity).field(*field).kind.target();
                target.map_or(0, |target| self.members(output, target, rows))
            }
            OutputValue::Text(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => 0,
        });
        lists.fold(0, u64::saturating_add)
    }

    /// The mean length of a list: exact for fields whose rows belong to one parent each.
    fn per_parent(&self, kind: &FieldKind, parent: EntityId, target: EntityId) -> u64 {
        let through_links = match kind {
            FieldKind::Links { .. } => true,
            FieldKind::Inverse { source, field, .. } => {
                matches!(self.catalog.entity(*source).field(*field).kind, FieldKind::Links { .. })
            }
            _ => false,
        };
        match self.counts {
            None => u64::MAX,
            Some(_) if through_links => LINKS_PER_ROW.min(self.stored(target)),
            Some(_) => self.stored(target).div_ceil(self.stored(parent).max(1)),
        }
    }

    /// At most as many rows as a filter names keys.
    fn by_key(&self, select: &Select) -> u64 {
        let entity = self.catalog.entity(select.entity);
        let is_unique = |field| entity.key == [field] && !entity.positional || entity.field(field).unique;
        match &select.filter {
            Some(filter) => keys_named(filter, &is_unique),
            None => u64::MAX,
        }
    }
}

fn keys_named(filter: &Filter, is_unique: &dyn Fn(crate::catalog::FieldId) -> bool) -> u64 {
    match filter {
        Filter::Key { .. } => 1,
        Filter::Compare {
            field,
            compare: crate::query::Compare::Eq,
            ..
        } if is_unique(*field) => 1,
        Filter::In { field, operands } if is_unique(*field) => operands.len() as u64,
        Filter::And(filters) => {
            let each = filters.iter().map(|filter| keys_named(filter, is_unique));
            each.min().unwrap_or(u64::MAX)
        }
        Filter::Or(filters) => {
            let each = filters.iter().map(|filter| keys_named(filter, is_unique));
            each.fold(0, u64::saturating_add)
        }
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    #[test]
    fn rows_of_lists() {
        // Items, quests, lines of quests, characters, tags; in the order of the definition.
        let counts = [1_000, 100, 5_000, 10, 50];
        let cases = [
            ("{ items { id } }", 1_000),
            ("{ items(first: 7) { id } }", 7),
            ("{ items(first: 5000) { id } }", 1_000),
            ("{ items(where: {id: {eq: \"1\"}}) { id } }", 1),
            (
                "{ items(where: {id: {in: [\"1\", \"2\"]}, name: {eq: \"x\"}}) { id } }",
                2,
            ),
            (
                "{ items(where: {or: [{id: {eq: \"1\"}}, {name: {eq: \"x\"}}]}) { id } }",
                1_000,
            ),
            ("{ item(id: \"1\") { requiredFor { quantity } } }", 5),
            (
                "{ items { requiredFor { quest { items { quantity } } } } }",
                1_000 + 5_000 + 5_000 * 50,
            ),
            (
                "{ items(first: 10) { tags(first: 3) { items { id } } } }",
                10 + 30 + 300,
            ),
            (
                "{ npcs { sells { seller { sells(first: 2147483647) { id } } } } }",
                10 + 1_000 + 100_000,
            ),
            ("{ __typename }", 0),
        ];
        let mut wanted: Vec<String> = Vec::new();
        let mut got: Vec<String> = Vec::new();
        for (query, want) in cases {
            let (catalog, plan) = testing::plan(query);
            wanted.push(format!("{query} {want}"));
            got.push(format!(
                "{query} {}",
                estimate(&catalog, &plan.read, &[], Some(&counts))
            ));
        }
        assert_eq!(wanted, got);
    }

    #[test]
    fn without_counts_only_first_and_keys_bound() {
        for (query, want) in [
            ("{ items(first: 7) { id } }", 7),
            ("{ items(where: {id: {eq: \"1\"}}) { seller { name } } }", 1),
            ("{ items { id } }", u64::MAX),
            ("{ items(first: 1) { tags { id } } }", u64::MAX),
        ] {
            let (catalog, plan) = testing::plan(query);
            assert_eq!(estimate(&catalog, &plan.read, &[], None), want, "{query}");
        }
    }
}
