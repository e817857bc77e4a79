//! From a validated operation and its variables to a `query::Read`. Knows GraphQL's execution
//! rules; knows no SQL.
//!
//! Scalar variables become numbered parameters, so one plan serves every request that differs only
//! in them. Everything else in the variables (which members a filter has, how long a list is,
//! Booleans, enums, nulls) shapes the plan; its [`shape`] is part of the plan's identity. So are
//! the literals of the document that did not become parameters.

mod aggregate;
mod conditions;
mod connection;
mod cursor;
mod filter;
mod found;
mod freshness;
mod grouped;
mod having;
mod input;
mod introspect;
mod json;
mod keys;
mod matches;
mod node;
mod order;
mod params;
mod past;
mod select;
mod shape;

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument,
    executable::{Field, Operation},
    response::JsonMap,
    validation::Valid as ValidGraphql,
};

use crate::{
    catalog::{Catalog, Valid},
    query::{Read, Root as ReadRoot, RootValue},
};

use self::found::FoundBy;
pub(super) use self::{
    params::{Param, to_json},
    shape::shape,
};
use super::{ApiError, Code, Limits, Served, input_path::InputPath, literals::Literals, schema::Root};

/// A planned operation.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    pub read: Read,
    /// Where the values of the read's numbered parameters come from.
    pub params: Vec<Param>,
}

/// Plans an operation; `variables` are the coerced ones. With its literals, those that are compared
/// with rows become parameters too.
pub(super) fn plan(
    catalog: &Valid<Catalog>,
    served: &Served,
    limits: &Limits,
    document: &ValidGraphql<ExecutableDocument>,
    operation: &Operation,
    variables: &JsonMap,
    literals: Option<&Literals>,
) -> Result<Plan, ApiError> {
    let mut planner = Planner {
        catalog,
        served,
        limits,
        document,
        operation,
        variables,
        literals,
        params: Vec::new(),
        by_origin: HashMap::new(),
        conditions: 0,
        operands: 0,
        links: Vec::new(),
        found: FoundBy::default(),
    };
    let read = planner.read()?;
    Ok(Plan {
        read,
        params: planner.params,
    })
}

/// The state of one planning.
struct Planner<'a> {
    catalog: &'a Valid<Catalog>,
    served: &'a Served,
    limits: &'a Limits,
    document: &'a ValidGraphql<ExecutableDocument>,
    operation: &'a Operation,
    variables: &'a JsonMap,
    literals: Option<&'a Literals>,
    params: Vec<Param>,
    /// Their numbers; one place may be of several kinds.
    by_origin: HashMap<params::Origin, Vec<usize>>,
    conditions: usize,
    operands: usize,
    /// How to ask for rows without each of the links that the filter at hand stands behind.
    links: Vec<String>,
    /// What the rows at hand are found by.
    found: FoundBy,
}

impl<'a> Planner<'a> {
    fn read(&mut self) -> Result<Read, ApiError> {
        let set = &self.operation.selection_set;
        let mut roots = Vec::new();
        for (key, fields) in self.collect(set.ty.as_str(), &[set]) {
            let place = fields.first().and_then(|field| field.name.location());
            let value = self.root(key, &fields);
            let value = value.map_err(|error| error.at(place, &self.document.sources))?;
            roots.push(ReadRoot {
                key: key.to_owned(),
                value,
            });
        }
        Ok(Read { roots })
    }

    fn root(&mut self, key: &str, fields: &[&'a Field]) -> Result<RootValue, ApiError> {
        let Some(field) = fields.first() else {
            return Err(internal("a root without a field"));
        };
        let at = InputPath::root(key);
        match field.name.as_str() {
            "__typename" => Ok(RootValue::Json(quoted(self.operation.object_type()))),
            "__schema" | "__type" => self.introspect(fields).map(RootValue::Json),
            name => {
                let value = match self.served.root(name) {
                    Some(Root::Single(entity)) => self.single(entity, fields, &at).map(RootValue::One),
                    Some(Root::Node) => self.node(fields, &at).map(RootValue::One),
                    Some(Root::By(entity)) => self.by_unique(entity, fields, &at).map(RootValue::One),
                    Some(Root::Freshness) => self.freshness(fields).map(RootValue::Freshness),
                    Some(Root::Connection(entity)) => {
                        let connection = self.connection(entity, None, fields, &at);
                        connection.map(RootValue::Connection)
                    }
                    Some(Root::Grouped(entity)) => self.grouped(entity, fields, &at).map(RootValue::Grouped),
                    Some(Root::Many(entity)) => self.many(entity, fields, &at).map(RootValue::Many),
                    Some(Root::History(entity)) => self.versions(entity, fields, &at).map(RootValue::Versions),
                    None => Err(internal("a root field that the catalog does not have")),
                };
                self.as_of(field, value?, &at)
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What validation rules out; said to the client without detail, and to the log with it.
fn internal(cause: &'static str) -> ApiError {
    tracing::error!(cause, "planning met what validation should have refused");
    ApiError::new(Code::Internal, "the query could not be planned; the log has the cause")
}

#[cfg(test)]
mod tests;
