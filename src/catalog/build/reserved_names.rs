//! Names that are taken: by the served API, by tables, by each other. Knows which types and fields
//! the API adds.

use std::collections::{HashMap, HashSet};

use super::{Builder, plan::Shape, shown::names};
use crate::{
    catalog::{NODE_ID, Names, connection_name},
    definition::{Fault, FieldDefinition, Spanned},
    value::Scalar,
};

/// Types that the API has beside those of the definition.
const TYPES: &[&str] = &[
    "Query",
    "Mutation",
    "Subscription",
    "Sort",
    "Node",
    "PageInfo",
    "Freshness",
    "HarvestState",
    "ByValue",
    "ByRow",
    "ByDateTime",
    "ByDate",
    "ByTime",
    "DateTimeUnit",
    "DateUnit",
    "TimeUnit",
    "DateTimeKeys",
    "DateKeys",
    "TimeKeys",
    "DateTimeKeysOrder",
    "DateKeysOrder",
    "TimeKeysOrder",
    "TimeZone",
    "ByCount",
    "ByJSON",
    "JSONPath",
];
/// The same where fields are searched.
const OF_SEARCH: &[&str] = &["SearchMatch", "SearchMatchPart"];
/// What is added to the name of a type with a key.
const OF_ENTITIES: &[&str] = &[
    "Where",
    "ListWhere",
    "Key",
    "Order",
    "Connection",
    "Edge",
    "Aggregate",
    "CountDistinct",
    "Sum",
    "Avg",
    "MinMax",
    "Group",
    "GroupBy",
    "GroupKeys",
    "GroupKeysOrder",
    "GroupOrder",
    "CountDistinctOrder",
    "SumOrder",
    "AvgOrder",
    "MinMaxOrder",
    "AggregateOrder",
    "AggregateHaving",
    "Having",
    "HavingCountDistinct",
    "HavingSum",
    "HavingAvg",
    "HavingMinMax",
];
/// The same where past versions are kept, and the type that all of those share.
const OF_HISTORIES: &[&str] = &["Version"];
const VERSION_BEGIN: &str = "VersionBegin";
/// What is added to the name of a value that something holds one of, by which rows are filtered,
/// ordered and grouped.
const OF_VALUES: &[&str] = &[
    "Where",
    "Order",
    "CountDistinct",
    "Sum",
    "Avg",
    "MinMax",
    "GroupBy",
    "GroupKeys",
    "GroupKeysOrder",
    "CountDistinctOrder",
    "SumOrder",
    "AvgOrder",
    "MinMaxOrder",
    "HavingCountDistinct",
    "HavingSum",
    "HavingAvg",
    "HavingMinMax",
];
/// The same of one that something holds a list of.
const OF_LISTED: &[&str] = &["Where", "ListWhere"];
/// What is added to the name of a scalar or enum.
const OF_LEAVES: &[&str] = &["Filter", "ListFilter"];
/// Root fields beside those of the types.
const ROOTS: &[&str] = &["node", "freshness"];
/// Field names that mean something else in `where`.
const FIELDS: &[&str] = &["and", "or", "not"];

impl Builder<'_> {
    pub(super) fn check_names(&mut self) {
        self.check_type_names();
        self.check_roots();
        self.check_connections();
        self.check_ids();
        let types = &self.definition.types;
        for field in types.iter().flat_map(|declared| &declared.fields) {
            if FIELDS.contains(&field.name.value.as_str()) {
                let message = format!("a field cannot be named `{}`", field.name.value);
                let hint = format!(
                    "`where` uses the word; choose another and add `@select(jq: \".{}\")`",
                    field.name.value
                );
                self.faults.push(Fault::at(field.name.span.clone(), message).hint(hint));
            } else if field.name.value.starts_with('_') {
                let message = format!("a field's name cannot begin with `_`, as `{}` does", field.name.value);
                let hint = format!("choose another and add `@select(jq: \".{}\")`", field.name.value);
                self.faults.push(Fault::at(field.name.span.clone(), message).hint(hint));
            }
        }
    }

    /// Each row has an id of its own among all rows.
    fn check_ids(&mut self) {
        let entities = self.plan.entities.iter();
        let fields = entities.flat_map(|entity| &entity.definition.fields);
        let faults = fields.filter(|field| field.name.value == NODE_ID).map(|field| {
            let message = format!("a field of a type with a table cannot be named `{NODE_ID}`");
            let hint = format!(
                "the served API has a field of that name, by which `node` finds each row; choose another and add \
                 `@select(jq: \".{NODE_ID}\")`"
            );
            Fault::at(field.name.span.clone(), message).hint(hint)
        });
        let faults: Vec<Fault> = faults.collect();
        self.faults.extend(faults);
    }

    /// A list has its pages beside it.
    fn check_connections(&mut self) {
        let mut faults = Vec::new();
        for declared in &self.definition.types {
            for list in declared.fields.iter().filter(|field| self.is_of_rows(field)) {
                let taken = connection_name(&list.name.value);
                let Some(field) = declared.fields.iter().find(|field| field.name.value == taken) else {
                    continue;
                };
                let message = format!("a field cannot be named `{taken}`");
                let hint = format!(
                    "the served API has a field of that name for `{}`; choose another and add `@select(jq: \".{taken}\")`",
                    list.name.value
                );
                faults.push(Fault::at(field.name.span.clone(), message).hint(hint));
            }
        }
        self.faults.extend(faults);
    }

    /// Whether a field is a list of rows.
    fn is_of_rows(&self, field: &FieldDefinition) -> bool {
        match self.plan.shape(field) {
            Shape::Links(_) | Shape::Nested(_) => true,
            Shape::Inverse(_) | Shape::Closure(_) => field.ty.list.is_some(),
            Shape::Leaf | Shape::Value | Shape::Reference(_) | Shape::Broken => false,
        }
    }

    fn check_type_names(&mut self) {
        let mut taken: HashMap<String, String> = HashMap::new();
        let mut take = |name: &str, suffixes: &[&str]| {
            for suffix in suffixes {
                taken.insert(format!("{name}{suffix}"), name.to_owned());
            }
        };
        self.plan
            .entities
            .iter()
            .for_each(|entity| take(&entity.definition.name.value, OF_ENTITIES));
        let kept = self.plan.entity_ids().filter(|id| self.has_history(*id));
        let kept: Vec<&str> = kept.map(|id| self.plan.name(id)).collect();
        kept.iter().for_each(|name| take(name, OF_HISTORIES));
        let has_histories = !kept.is_empty();
        // Nobody orders or totals by a value that is held in lists only.
        let held = |in_list: bool| -> HashSet<&str> {
            let fields = self.definition.types.iter().flat_map(|declared| &declared.fields);
            let held = fields.filter(|field| field.ty.list.is_some() == in_list);
            held.map(|field| field.ty.name.as_str()).collect()
        };
        for (held, suffixes) in [(held(false), OF_VALUES), (held(true), OF_LISTED)] {
            let values = self.plan.values.iter().map(|value| value.name.value.as_str());
            values
                .filter(|value| held.contains(value))
                .for_each(|value| take(value, suffixes));
        }
        self.definition
            .enums
            .iter()
            .for_each(|declared| take(&declared.name.value, OF_LEAVES));
        Scalar::ALL.iter().for_each(|scalar| take(scalar.name(), OF_LEAVES));
        let definition = self.definition;
        let fields = definition.types.iter().flat_map(|declared| &declared.fields);
        let is_searched = fields.into_iter().any(|field| field.has("search"));
        let names = definition.types.iter().map(|declared| &declared.name);
        for name in names.chain(definition.enums.iter().map(|declared| &declared.name)) {
            let message = format!("a type cannot be named `{}`", name.value);
            let fault = Fault::at(name.span.clone(), message);
            let of_search = OF_SEARCH.contains(&name.value.as_str());
            let is_of_histories = has_histories && name.value == VERSION_BEGIN;
            if TYPES.contains(&name.value.as_str()) || of_search && is_searched || is_of_histories {
                self.fault(fault.hint("the served API has a type of that name; choose another"));
            } else if let Some(of) = taken.get(&name.value) {
                self.fault(fault.hint(format!(
                    "the served API has a type of that name for `{of}`; choose another"
                )));
            } else if name.value.starts_with('_') {
                self.fault(fault.hint("names that begin so are kept for the system; choose another"));
            }
        }
    }

    fn check_roots(&mut self) {
        let mut taken: HashMap<String, &str> = ROOTS.iter().map(|root| ((*root).to_owned(), "")).collect();
        let mut tables: HashMap<String, &str> = HashMap::new();
        let mut faults = Vec::new();
        for (entity, id) in self.plan.entities.iter().zip(self.plan.entity_ids()) {
            let name: &Spanned<String> = &entity.definition.name;
            let Names {
                table,
                single,
                many,
                by,
                connection,
                grouped,
                history,
            } = names(entity.definition);
            let history = self.has_history(id).then_some(history);
            let clash = [&single, &many, &by, &connection, &grouped]
                .into_iter()
                .chain(&history)
                .find_map(|root| {
                    let other = taken.get(root.as_str())?;
                    Some((format!("root field `{root}`"), *other))
                });
            let clash = clash.or_else(|| Some((format!("table `{table}`"), *tables.get(&table)?)));
            if let Some((what, other)) = clash.filter(|_| !TYPES.contains(&name.value.as_str())) {
                let message = match other {
                    "" => format!("the name `{}` gives the {what}, which the API has already", name.value),
                    other => format!("`{}` and `{other}` give the same {what}", name.value),
                };
                faults.push(Fault::at(name.span.clone(), message).hint("rename one of them"));
            }
            for root in [single, many, by, connection, grouped].into_iter().chain(history) {
                taken.entry(root).or_insert(&name.value);
            }
            tables.entry(table).or_insert(&name.value);
        }
        self.faults.extend(faults);
    }
}
