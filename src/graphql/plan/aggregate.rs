//! `aggregate`. Knows its members; what they compute is the query's.

use apollo_compiler::executable::Field;

use super::{
    Planner,
    connection::sets,
    internal,
    select::{first, served},
};
use crate::{
    catalog::EntityId,
    graphql::{ApiError, names},
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
                    AggregateValue::Of(function, self.aggregated(entity, function, &fields)?)
                }
            };
            let key = key.to_owned();
            Ok(Member { key, value })
        });
        Ok(Aggregate(members.collect::<Result<_, ApiError>>()?))
    }

    fn aggregated(
        &self,
        entity: EntityId,
        function: Function,
        fields: &[&'a Field],
    ) -> Result<Vec<Member<Aggregated>>, ApiError> {
        let entity = self.catalog.entity(entity);
        let type_name = names::function_type(entity, function);
        let members = self.collect(&type_name, &sets(fields)).into_iter();
        let members = members.map(|(key, fields)| {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => Aggregated::Text(type_name.clone()),
                name => {
                    let field = served(entity, name);
                    Aggregated::Field(field.ok_or_else(|| internal("an aggregate of a field that is not there"))?)
                }
            };
            let key = key.to_owned();
            Ok(Member { key, value })
        });
        members.collect()
    }
}
