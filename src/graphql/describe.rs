//! A read in words, for `explain`: a line for each level. Knows the read and the catalog's names;
//! knows no SQL.

mod words;

use crate::{
    catalog::{Catalog, EntityId, FieldId, FieldKind},
    query::{
        Connection, Filter, GroupKey, GroupMeasure, GroupOrder, GroupTerm, GroupValue, Grouped, GroupedBy, Having,
        Matches, Measure, Order, Output, OutputValue, Place, Read, RootValue, Select,
    },
};

use super::names;

pub(super) use words::value;
use words::{direction, form_words, joined, json_test, list, operand, path_words, quantifier_word, sign, test_word};

/// The read, ending in a new line. Parameters are `$0`, `$1`, …
pub(super) fn describe(catalog: &Catalog, read: &Read) -> String {
    let mut words = Words {
        catalog,
        text: String::new(),
    };
    for root in &read.roots {
        words.root(&root.key, &root.value);
    }
    words.text
}

struct Words<'a> {
    catalog: &'a Catalog,
    text: String,
}

impl Words<'_> {
    fn root(&mut self, key: &str, root: &RootValue) {
        match root {
            RootValue::Json(_) => self.line(0, &format!("{key}: known from the schema")),
            RootValue::Freshness(_) => self.line(0, &format!("{key}: of each type, from the ledger")),
            RootValue::One(select) => self.select(0, key, "the row", "", select),
            RootValue::Many(select) => self.select(0, key, "rows", "", select),
            RootValue::Connection(connection) => self.connection(0, key, "", connection),
            RootValue::Grouped(grouped) => self.grouped(key, grouped),
            RootValue::Past(past) => {
                self.line(0, &format!("as of {}:", operand(&past.moment)));
                self.root(key, &past.value);
            }
            RootValue::Versions(versions) => {
                let line = self.rows(key, "versions of the row", "", &versions.select);
                self.line(0, &line);
                let keys: Vec<&str> = versions.output.iter().map(|member| member.key.as_str()).collect();
                self.line(1, &keys.join(", "));
                versions
                    .rows()
                    .for_each(|outputs| self.output(1, outputs, versions.select.entity));
            }
        }
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn select(&mut self, depth: usize, key: &str, what: &str, through: &str, select: &Select) {
        let line = self.rows(key, what, through, select);
        self.line(depth, &line);
        self.output(depth + 1, &select.output, select.entity);
    }

    /// Pages, and below them what is wanted of their rows and of what lies around.
    fn connection(&mut self, depth: usize, key: &str, through: &str, connection: &Connection) {
        let what = match connection.backwards {
            true => "pages from the end",
            false => "pages",
        };
        let mut line = self.rows(key, what, through, &connection.select);
        for (word, place) in [("after", &connection.after), ("before", &connection.before)] {
            if let Some(Place(operands)) = place {
                line.push_str(&format!(" {word} ({})", list(operands)));
            }
        }
        self.line(depth, &line);
        let keys: Vec<&str> = connection.output.iter().map(|member| member.key.as_str()).collect();
        self.line(depth + 1, &keys.join(", "));
        for outputs in connection.rows() {
            self.output(depth + 1, outputs, connection.select.entity);
        }
    }

    /// Groups, and below them what is wanted of each and of the rows that are keys.
    fn grouped(&mut self, key: &str, grouped: &Grouped) {
        let entity = grouped.select.entity;
        let mut line = self.rows(key, "groups", "", &grouped.select);
        let keys = grouped.keys.iter().map(|key| self.key(key, entity));
        line.push_str(&format!(" by {}", joined(keys, ", ")));
        if let Some(having) = &grouped.having {
            line.push_str(&format!(" having {}", self.having(having, grouped)));
        }
        if !grouped.order.is_empty() {
            let orders = grouped.order.iter().map(|order| self.group_order(order, grouped));
            line.push_str(&format!(" order by {}", joined(orders, ", ")));
        }
        self.line(0, &line);
        let keys: Vec<&str> = grouped.output.iter().map(|member| member.key.as_str()).collect();
        self.line(1, &keys.join(", "));
        for (at, key) in grouped.keys.iter().enumerate() {
            let end = self.end_of(&key.path, entity);
            if let Some(target) = self.catalog.entity(end).field(key.field).kind.target() {
                let rows = grouped.rows_of(at).into_iter();
                rows.for_each(|outputs| self.output(1, outputs, target));
            }
        }
        for member in &grouped.output {
            let GroupValue::Led(at, _) = &member.value else {
                continue;
            };
            if let Some(led) = grouped.led.get(*at) {
                let filter = led.filter.as_ref();
                let filter = filter.map(|filter| format!(" where {}", self.filter(filter, led.entity)));
                let (of, through) = (&self.catalog.entity(led.entity).name, self.through(entity, led.field));
                let line = format!("{}: of rows of {of}{through}{}", member.key, filter.unwrap_or_default());
                self.line(1, &line);
            }
        }
    }

    /// The type at the end of a chain of links.
    fn end_of(&self, path: &[FieldId], entity: EntityId) -> EntityId {
        let step = |at, field: &FieldId| self.catalog.entity(at).field(*field).kind.target().unwrap_or(at);
        path.iter().fold(entity, step)
    }

    fn key(&self, key: &GroupKey, entity: EntityId) -> String {
        let name = self.way(&key.path, key.field, entity);
        let GroupedBy::Span(span) = &key.by else {
            return name;
        };
        let zone = span.zone.as_ref().map_or("UTC", |zone| zone.name());
        let shift = span
            .shift
            .as_ref()
            .map_or(String::new(), |shift| format!(" from {} on", operand(shift)));
        let fill = if span.fill { " without gaps" } else { "" };
        format!("{name} in each {} of {zone}{shift}{fill}", span.unit.name())
    }

    fn measure(&self, measure: GroupMeasure, grouped: &Grouped) -> String {
        let led = measure.of.and_then(|at| grouped.led.get(at));
        let entity = led.map_or(grouped.select.entity, |led| led.entity);
        let of = led.map(|led| format!("{}.", self.field(grouped.select.entity, led.field)));
        let of = of.unwrap_or_default();
        match measure.measure {
            Measure::Count => format!("{of}count"),
            Measure::Of(function, field) => {
                let function = names::function_field(function);
                format!("{function}({of}{})", self.field(entity, field))
            }
        }
    }

    fn having(&self, having: &Having, grouped: &Grouped) -> String {
        let all = |all: &[Having], word: &str, empty: &str| match all {
            [] => empty.to_owned(),
            [only] => self.having(only, grouped),
            all => {
                let each = all.iter().map(|having| self.having(having, grouped));
                format!("({})", joined(each, word))
            }
        };
        match having {
            Having::And(havings) => all(havings, " and ", "true"),
            Having::Or(havings) => all(havings, " or ", "false"),
            Having::Not(having) => format!("not {}", self.having(having, grouped)),
            Having::Compare {
                measure,
                compare,
                operand: with,
            } => format!(
                "{} {} {}",
                self.measure(*measure, grouped),
                sign(*compare),
                operand(with)
            ),
            Having::In { measure, operands } => format!("{} in ({})", self.measure(*measure, grouped), list(operands)),
            Having::IsNull { measure } => format!("{} is null", self.measure(*measure, grouped)),
            Having::Text {
                measure,
                test,
                operand: with,
            } => format!(
                "{} {} {}",
                self.measure(*measure, grouped),
                test_word(*test),
                operand(with)
            ),
        }
    }

    fn group_order(&self, order: &GroupOrder, grouped: &Grouped) -> String {
        let entity = grouped.select.entity;
        let at = |key: usize| {
            let key = grouped.keys.get(key)?;
            Some((key.path.as_slice(), key.field))
        };
        let text = match &order.by {
            GroupTerm::Key(key) => at(*key).map_or_else(String::new, |(path, field)| self.way(path, field, entity)),
            GroupTerm::Measure(measure) => self.measure(*measure, grouped),
            GroupTerm::Behind { key, path, field, form } => {
                let key = at(*key).into_iter();
                let key = key.flat_map(|(before, link)| before.iter().copied().chain([link]));
                let path: Vec<FieldId> = key.chain(path.iter().copied()).collect();
                self.way(&path, *field, entity) + form_words(form).as_str()
            }
        };
        text + direction(order.direction, order.nulls).as_str()
    }

    /// Which rows, in which order, and how many.
    fn rows(&self, key: &str, what: &str, through: &str, select: &Select) -> String {
        let mut line = format!("{key}: {what} of {}{through}", self.catalog.entity(select.entity).name);
        if let Some(filter) = &select.filter {
            line.push_str(&format!(" where {}", self.filter(filter, select.entity)));
        }
        if !select.order.is_empty() {
            let orders = select.order.iter().map(|order| self.order(order, select.entity));
            line.push_str(&format!(" order by {}", joined(orders, ", ")));
        }
        if select.ranked_by().is_some() {
            line.push_str(" order by rank");
        }
        for (word, count) in [("first", &select.first), ("offset", &select.offset)] {
            if let Some(count) = count {
                line.push_str(&format!(" {word} {}", operand(count)));
            }
        }
        line
    }

    /// Leaves share one line, each link has its own.
    fn output(&mut self, depth: usize, output: &[Output], entity: EntityId) {
        let mut leaves = Vec::new();
        for member in output {
            match &member.value {
                OutputValue::Text(text) => leaves.push(format!("{} = \"{text}\"", member.key)),
                OutputValue::NodeId(_) => leaves.push(format!("{} = the row's own id", member.key)),
                OutputValue::Matches(Matches { search, words, .. }) => leaves.push(match search {
                    Some(search) => format!(
                        "{} = where {} stands, {} words around it",
                        member.key,
                        operand(search),
                        operand(words)
                    ),
                    None => format!("{} = nothing, for nothing is searched for", member.key),
                }),
                OutputValue::Leaf(field) | OutputValue::Value { field, .. } => {
                    let name = self.field(entity, *field);
                    let alias = if name == member.key { "" } else { &member.key };
                    let colon = if alias.is_empty() { "" } else { ": " };
                    leaves.push(format!("{alias}{colon}{name}"));
                }
                OutputValue::One { .. } | OutputValue::Many { .. } | OutputValue::Connection { .. } => {}
            }
        }
        if !leaves.is_empty() {
            self.line(depth, &leaves.join(", "));
        }
        for member in output {
            match &member.value {
                OutputValue::One { field, output } => {
                    let Some(target) = self.catalog.entity(entity).field(*field).kind.target() else {
                        continue;
                    };
                    let through = self.through(entity, *field);
                    let name = &self.catalog.entity(target).name;
                    self.line(depth, &format!("{}: the row of {name}{through}", member.key));
                    self.output(depth + 1, output, target);
                }
                OutputValue::Many { field, select } => {
                    let through = self.through(entity, *field);
                    self.select(depth, &member.key, "rows", &through, select);
                }
                OutputValue::Connection { field, connection } => {
                    let through = self.through(entity, *field);
                    self.connection(depth, &member.key, &through, connection);
                }
                OutputValue::Text(_)
                | OutputValue::NodeId(_)
                | OutputValue::Leaf(_)
                | OutputValue::Value { .. }
                | OutputValue::Matches(_) => {}
            }
        }
    }

    /// How a row leads to others.
    fn through(&self, entity: EntityId, field: FieldId) -> String {
        let owner = self.catalog.entity(entity);
        match &owner.field(field).kind {
            FieldKind::Inverse { source, field, .. } => format!(" by {}", self.field(*source, *field)),
            FieldKind::Nested { .. } => format!(" in {}.{}", owner.name, owner.field(field).name),
            FieldKind::Closure { of, .. } => {
                format!(" over any number of steps{}", self.through(entity, *of))
            }
            _ => format!(" linked by {}.{}", owner.name, owner.field(field).name),
        }
    }

    fn field(&self, entity: EntityId, field: FieldId) -> &str {
        &self.catalog.entity(entity).field(field).name
    }

    fn order(&self, order: &Order, entity: EntityId) -> String {
        let way = self.way(&order.path, order.field, entity);
        [way, form_words(&order.form), direction(order.direction, order.nulls)].concat()
    }

    /// A leaf behind a chain of to-one fields.
    fn way(&self, path: &[FieldId], field: FieldId, entity: EntityId) -> String {
        let mut at = entity;
        let mut text = String::new();
        for step in path {
            text.push_str(&format!("{}.", self.field(at, *step)));
            at = self.catalog.entity(at).field(*step).kind.target().unwrap_or(at);
        }
        text.push_str(self.field(at, field));
        text
    }

    fn filter(&self, filter: &Filter, entity: EntityId) -> String {
        let all = |filters: &[Filter], word: &str, empty: &str| match filters {
            [] => empty.to_owned(),
            [only] => self.filter(only, entity),
            filters => {
                let each = filters.iter().map(|filter| self.filter(filter, entity));
                format!("({})", joined(each, word))
            }
        };
        match filter {
            Filter::And(filters) => all(filters, " and ", "true"),
            Filter::Or(filters) => all(filters, " or ", "false"),
            Filter::Not(filter) => format!("not {}", self.filter(filter, entity)),
            Filter::One { field, filter } => self.step(entity, *field, "", filter),
            Filter::Many {
                field,
                quantifier,
                filter,
            } => self.step(entity, *field, quantifier_word(*quantifier), filter),
            Filter::Items {
                field,
                quantifier,
                filter,
            } => {
                let (word, inner) = (quantifier_word(*quantifier), self.filter(filter, entity));
                format!("{word}{} with {inner}", self.field(entity, *field))
            }
            Filter::Key { fields, operands } => {
                let names = joined(fields.iter().map(|field| self.field(entity, *field).to_owned()), ", ");
                format!("({names}) = ({})", list(operands))
            }
            leaf => self.test(leaf, entity),
        }
    }

    fn step(&self, entity: EntityId, field: FieldId, word: &str, filter: &Filter) -> String {
        let target = self.catalog.entity(entity).field(field).kind.target();
        let inner = self.filter(filter, target.unwrap_or(entity));
        format!("{word}{} has ({inner})", self.field(entity, field))
    }

    /// A condition on one field.
    fn test(&self, filter: &Filter, entity: EntityId) -> String {
        match filter {
            Filter::Compare {
                field,
                compare,
                operand: with,
            } => {
                let sign = sign(*compare);
                format!("{} {sign} {}", self.field(entity, *field), operand(with))
            }
            Filter::In { field, operands } => format!("{} in ({})", self.field(entity, *field), list(operands)),
            Filter::IsNull { field } => format!("{} is null", self.field(entity, *field)),
            Filter::Text {
                field,
                test,
                operand: with,
            } => {
                let word = test_word(*test);
                format!("{} {word} {}", self.field(entity, *field), operand(with))
            }
            Filter::Json { field, path, test } => {
                let field = self.field(entity, *field);
                format!("{field}{} {}", path_words(path), json_test(test))
            }
            Filter::Search { fields, operand: with } => {
                let names = fields.iter().map(|field| self.field(entity, *field).to_owned());
                format!("({}) search {}", joined(names, ", "), operand(with))
            }
            Filter::Has { field, all, operands } => {
                let word = if *all { "has every of" } else { "has some of" };
                format!("{} {word} ({})", self.field(entity, *field), list(operands))
            }
            other => self.filter(other, entity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    #[test]
    fn a_line_for_each_level() {
        let query = r#"{
            items(where: {price: {gt: 2.5}, or: [{name: {like: "a%"}}, {tags: {some: {id: {in: ["x", "y"]}}}}]},
                  orderBy: [{price: DESC}, {seller: {name: ASC}}], first: 5) {
                id title: name
                seller { slug }
                requiredFor(offset: 1) { quantity quest { __typename } }
                tags { name }
            }
            item(id: "1") { items: requiredFor { quantity } }
            __typename
        }"#;
        let (catalog, plan) = testing::plan(query);
        testing::golden("explained.txt", &describe(&catalog, &plan.read));
    }
}
