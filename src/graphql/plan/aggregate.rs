//! `aggregate`. Knows its members; what they compute is the query's.

use apollo_compiler::executable::Field;

use super::{Planner, connection::sets, internal, select::first};
use crate::{
    catalog::{EntityId, FieldId, FieldKind},
    graphql::{ApiError, holder::Holder, names},
    query::{Aggregate, AggregateValue, Aggregated, Function, Member},
};

impl<'a> Planner<'a> {
    /// What is computed of rows of a type.
    pub(super) fn aggregate(&self, entity: EntityId, fields: &[&'a Field]) -> Result<Aggregate, ApiError> {
        let type_name = names::aggregate_type(self.catalog.entity(entity));
        let members = self.collect(&type_name, &sets(fields)).into_iter();
        let members = members.map(|(key, fields)| {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => AggregateValue::Text(type_name.clone()),
                "count" => AggregateValue::Count,
                name => {
                    let function = names::function(name);
                    let function = function.ok_or_else(|| internal("an aggregate that is not there"))?;
                    AggregateValue::Of(function, self.aggregated(entity, (function, None), &fields)?)
                }
            };
            let key = key.to_owned();
            Ok(Member { key, value })
        });
        Ok(Aggregate(members.collect::<Result<_, ApiError>>()?))
    }

    /// What a function gives of fields, or of the members of a value that one of them holds.
    fn aggregated(
        &self,
        entity: EntityId,
        (function, within): (Function, Option<FieldId>),
        fields: &[&'a Field],
    ) -> Result<Vec<Member<Aggregated>>, ApiError> {
        let type_name = names::function_type(self.holder(entity, within)?.name(self.catalog), function);
        let members = self.collect(&type_name, &sets(fields)).into_iter();
        let members = members.map(|(key, fields)| {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => Aggregated::Text(type_name.clone()),
                name => {
                    let field = self.measured(entity, within, name)?;
                    match self.catalog.entity(entity).field(field).kind {
                        FieldKind::Value { .. } => {
                            Aggregated::Within(self.aggregated(entity, (function, Some(field)), &fields)?)
                        }
                        _ => Aggregated::Field(field),
                    }
                }
            };
            let key = key.to_owned();
            Ok(Member { key, value })
        });
        members.collect()
    }

    /// What the fields stand in: rows, or a value that one of their fields holds.
    pub(super) fn holder(&self, entity: EntityId, within: Option<FieldId>) -> Result<Holder, ApiError> {
        let Some(field) = within else {
            return Ok(Holder::Rows(entity));
        };
        match self.catalog.entity(entity).field(field).kind {
            FieldKind::Value { value, .. } => Ok(Holder::Value(value)),
            _ => Err(internal("members of what is no value")),
        }
    }
}
