//! How many rows a read may return, and how many its filters and orders may look at in other types. Knows the read and
//! rows per type; a guess, made before anything runs.

use crate::{
    catalog::{Catalog, EntityId, FieldKind},
    query::{Filter, Operand, Output, OutputValue, Read, RootValue, Select, TextTest},
    value::Value,
};

/// Rows behind a many-to-many field when nothing better is known.
const LINKS_PER_ROW: u64 = 10;

/// Rows per type; none when they are not known yet, and every list without a bound is then endless.
pub(in crate::graphql) type Counts<'a> = Option<&'a [u64]>;

/// What a read is guessed to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::graphql) struct Cost {
    /// Rows in all lists of the answer.
    pub rows: u64,
    /// Rows of other types that filters and orders step to, for each row they are asked of.
    pub filter_rows: u64,
    /// Letters of the longest text that `contains`, `startsWith` or `endsWith` looks for.
    pub text_letters: usize,
    /// The same of a pattern.
    pub pattern_letters: usize,
}

impl Cost {
    fn plus(self, other: Cost) -> Cost {
        Cost {
            rows: self.rows.saturating_add(other.rows),
            filter_rows: self.filter_rows.saturating_add(other.filter_rows),
            text_letters: self.text_letters.max(other.text_letters),
            pattern_letters: self.pattern_letters.max(other.pattern_letters),
        }
    }
}

/// The cost of all roots together.
pub(in crate::graphql) fn estimate(catalog: &Catalog, read: &Read, params: &[Value], counts: Counts) -> Cost {
    let estimate = Estimate {
        catalog,
        params,
        counts,
    };
    let roots = read.roots.iter();
    let costs = roots.map(|root| match &root.value {
        RootValue::Json(_) => Cost::default(),
        RootValue::Freshness(_) => Cost {
            rows: catalog.entities.len() as u64,
            ..Cost::default()
        },
        RootValue::One(select) => {
            let members = estimate.members(&select.output, select.entity, 1);
            members.plus(estimate.conditions(select, 1))
        }
        RootValue::Many(select) => {
            let all = estimate.stored(select.entity).min(estimate.by_key(select));
            estimate.list(select, 1, all)
        }
    });
    costs.fold(Cost::default(), Cost::plus)
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

    /// A list under `parents` rows, `each` long unless `first` cuts it. Filters and orders are asked before the cut.
    fn list(&self, select: &Select, parents: u64, each: u64) -> Cost {
        let first = select.first.as_ref().and_then(|operand| self.count(operand));
        let rows = parents.saturating_mul(each.min(first.unwrap_or(u64::MAX)));
        let list = Cost {
            rows,
            ..self.conditions(select, parents.saturating_mul(each))
        };
        list.plus(self.members(&select.output, select.entity, rows))
    }

    /// The filter and the orders of a select, asked of `rows` rows.
    fn conditions(&self, select: &Select, rows: u64) -> Cost {
        let filter = select.filter.as_ref();
        let filter = filter.map_or(0, |filter| self.filter(filter, select.entity, rows));
        let steps: usize = select.order.iter().map(|order| order.path.len()).sum();
        let mut cost = Cost {
            filter_rows: filter.saturating_add(rows.saturating_mul(steps as u64)),
            ..Cost::default()
        };
        if let Some(filter) = &select.filter {
            self.letters(filter, &mut cost);
        }
        cost
    }

    /// The longest operands of a filter's tests of texts.
    fn letters(&self, asked: &Filter, cost: &mut Cost) {
        match asked {
            Filter::And(filters) | Filter::Or(filters) => filters.iter().for_each(|filter| self.letters(filter, cost)),
            Filter::Not(filter) | Filter::One { filter, .. } | Filter::Many { filter, .. } => {
                self.letters(filter, cost);
            }
            Filter::Text { test, operand, .. } => {
                let Some(Value::Text(text)) = self.operand(operand) else {
                    return;
                };
                let longest = match test {
                    TextTest::Like | TextTest::ILike => &mut cost.pattern_letters,
                    TextTest::Contains | TextTest::StartsWith | TextTest::EndsWith => &mut cost.text_letters,
                };
                *longest = text.chars().count().max(*longest);
            }
            Filter::Compare { .. }
            | Filter::In { .. }
            | Filter::IsNull { .. }
            | Filter::Has { .. }
            | Filter::Key { .. } => {}
        }
    }

    /// Rows of other types that a filter looks at when it is asked of `rows` rows. The database may stop at the first
    /// one that decides; when none does, it looks at all.
    fn filter(&self, asked: &Filter, entity: EntityId, rows: u64) -> u64 {
        match asked {
            Filter::And(filters) | Filter::Or(filters) => {
                let each = filters.iter().map(|filter| self.filter(filter, entity, rows));
                each.fold(0, u64::saturating_add)
            }
            Filter::Not(filter) => self.filter(filter, entity, rows),
            Filter::One { field, filter } | Filter::Many { field, filter, .. } => {
                let kind = &self.catalog.entity(entity).field(*field).kind;
                let Some(target) = kind.target() else {
                    return 0;
                };
                let is_list = matches!(asked, Filter::Many { .. });
                let each = if is_list { self.fan_out(kind, entity, target) } else { 1 };
                let behind = rows.saturating_mul(each);
                behind.saturating_add(self.filter(filter, target, behind))
            }
            Filter::Compare { .. }
            | Filter::In { .. }
            | Filter::IsNull { .. }
            | Filter::Text { .. }
            | Filter::Has { .. }
            | Filter::Key { .. } => 0,
        }
    }

    fn count(&self, operand: &Operand) -> Option<u64> {
        match self.operand(operand) {
            Some(Value::Int(count)) => u64::try_from(*count).ok(),
            _ => None,
        }
    }

    fn operand<'o>(&'o self, operand: &'o Operand) -> Option<&'o Value> {
        match operand {
            Operand::Value(value) => Some(value),
            Operand::Param(at) => self.params.get(*at),
        }
    }

    /// The lists below one level; `rows` parents.
    fn members(&self, output: &[Output], entity: EntityId, rows: u64) -> Cost {
        let lists = output.iter().map(|member| match &member.value {
            OutputValue::Many { field, select } => {
                let kind = &self.catalog.entity(entity).field(*field).kind;
                self.list(select, rows, self.per_parent(kind, entity, select.entity))
            }
            OutputValue::One { field, output } => {
                let target = self.catalog.entity(entity).field(*field).kind.target();
                target.map_or(Cost::default(), |target| self.members(output, target, rows))
            }
            OutputValue::Text(_) | OutputValue::Leaf(_) | OutputValue::Value { .. } => Cost::default(),
        });
        lists.fold(Cost::default(), Cost::plus)
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

    /// The mean number of rows behind a step of a filter. Unlike a list, it has no `first`, so that the few rows to which
    /// many are linked count as what they are.
    fn fan_out(&self, kind: &FieldKind, parent: EntityId, target: EntityId) -> u64 {
        match (kind, self.counts) {
            (FieldKind::Inverse { source, field, .. }, Some(_))
                if matches!(self.catalog.entity(*source).field(*field).kind, FieldKind::Links { .. }) =>
            {
                let links = self.stored(*source).saturating_mul(LINKS_PER_ROW);
                let each = links.div_ceil(self.stored(parent).max(1));
                each.min(self.stored(*source))
            }
            _ => self.per_parent(kind, parent, target),
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
                estimate(&catalog, &plan.read, &[], Some(&counts)).rows
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
            assert_eq!(estimate(&catalog, &plan.read, &[], None).rows, want, "{query}");
        }
    }

    #[test]
    fn rows_that_filters_look_at() {
        let nested = |levels: usize| {
            let inner = "tags: {some: {items: {some: {".repeat(levels);
            let outer = "}}}}".repeat(levels);
            format!("{{ items(first: 1, where: {{{inner}{outer}}}) {{ id }} }}")
        };
        let by_key = |more: &str| format!("{{ items(where: {{id: {{eq: \"1\"}}, {more}}}) {{ id }} }}");
        // Items, quests, lines of quests, characters, tags; in the order of the definition.
        let counts = [20_000, 1_000, 40_000, 10, 50];
        let cases = [
            ("{ items(where: {name: {eq: \"x\"}}) { id } }".to_owned(), 0),
            (
                "{ items(first: 1, where: {seller: {name: {eq: \"x\"}}}) { id } }".to_owned(),
                20_000,
            ),
            (
                "{ items(where: {requiredFor: {none: {quest: {title: {eq: \"x\"}}}}}) { id } }".to_owned(),
                40_000 + 40_000,
            ),
            (
                "{ quests(where: {not: {or: [{items: {every: {item: {seller: {}}}}}]}}) { id } }".to_owned(),
                3 * 40_000,
            ),
            (
                "{ items(first: 3, orderBy: {seller: {name: ASC}}) { id } }".to_owned(),
                20_000,
            ),
            (
                "{ npcs { sells(first: 1, where: {seller: {id: {eq: \"1\"}}}) { id } } }".to_owned(),
                20_000,
            ),
            (by_key("tags: {some: {}}"), 10),
            (nested(1), 200_000 + 800_000_000),
            (nested(2), 200_000 + 800_000_000 + 8_000_000_000 + 32_000_000_000_000),
            (nested(5), u64::MAX),
        ];
        for (query, want) in cases {
            let (catalog, plan) = testing::plan(&query);
            let cost = estimate(&catalog, &plan.read, &[], Some(&counts));
            assert_eq!(cost.filter_rows, want, "{query}");
        }
    }
}
