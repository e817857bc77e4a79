//! Connections: rows in pages, by the rules of the Relay specification. Knows their arguments and
//! members; knows no SQL.

use std::sync::Arc;

use apollo_compiler::executable::{Field, SelectionSet};

use super::{
    Planner,
    cursor::CursorForm,
    input::Input,
    internal,
    params::ParamKind,
    select::{first, served},
};
use crate::{
    catalog::{EntityId, FieldId, list_of_connection},
    graphql::{ApiError, input_path::InputPath, names, schema::connections},
    query::{Connection, ConnectionValue, EdgeValue, Member, Operand, OutputValue, PageInfoValue, Place},
};

impl<'a> Planner<'a> {
    /// The pages that stand beside a list of rows.
    pub(super) fn companion(
        &mut self,
        owner: EntityId,
        name: &str,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<OutputValue, ApiError> {
        let entity = self.catalog.entity(owner);
        let list = list_of_connection(name).and_then(|list| served(entity, list));
        let found = list.and_then(|list| Some((list, entity.field(list).kind.target()?)));
        let (field, target) = found.ok_or_else(|| internal("a field that the catalog does not have"))?;
        let connection = self.connection(target, Some((owner, field)), fields, at)?;
        Ok(OutputValue::Connection { field, connection })
    }

    /// The rows of a type in pages: all of them, or those behind a field.
    pub(super) fn connection(
        &mut self,
        entity: EntityId,
        behind: Option<(EntityId, FieldId)>,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Connection, ApiError> {
        let field = first(fields)?;
        let mut select = self.rows(entity, field, at)?;
        let first_rows = self.count(self.argument(field, "first"), &at.then("first"))?;
        let last_rows = self.count(self.argument(field, "last"), &at.then("last"))?;
        if first_rows.is_some() && last_rows.is_some() {
            let message = "a page is cut from one end; give `first` or `last`, not both";
            return Err(ApiError::input(at.then("last"), message));
        }
        let backwards = last_rows.is_some();
        select.first = first_rows.or(last_rows);
        let form = Arc::new(CursorForm::of(self.catalog, &select, behind));
        Ok(Connection {
            backwards,
            after: self.place(&form, self.argument(field, "after"), &at.then("after"))?,
            before: self.place(&form, self.argument(field, "before"), &at.then("before"))?,
            signature: form.signature(),
            output: {
                let found = self.found_by(field, &select);
                self.among(found, |planner| planner.connection_output(entity, fields, at))?
            },
            select,
        })
    }

    /// `after` or `before`: the values of a cursor, each an operand.
    fn place(
        &mut self,
        form: &Arc<CursorForm>,
        input: Option<Input<'a>>,
        place: &InputPath,
    ) -> Result<Option<Place>, ApiError> {
        let operands = match input.filter(|input| !input.is_null()) {
            None => return Ok(None),
            Some(Input::Variable { origin, .. }) => (0..form.len())
                .map(|at| self.param(origin.clone(), ParamKind::Cursor(form.clone(), at), place))
                .collect(),
            Some(input) => {
                let cursor = input
                    .as_text()
                    .ok_or_else(|| ApiError::input(place, "expected a cursor"))?;
                let values = form.read(cursor).map_err(|error| ApiError::input(place, error))?;
                values.into_iter().map(Operand::Value).collect()
            }
        };
        Ok(Some(Place(operands)))
    }

    fn connection_output(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Vec<Member<ConnectionValue>>, ApiError> {
        let type_name = names::connection_type(self.catalog.entity(entity));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&type_name, &sets(fields)) {
            let at = at.below(key);
            let value = match first(&fields)?.name.as_str() {
                "__typename" => ConnectionValue::Text(type_name.clone()),
                "edges" => ConnectionValue::Edges(self.edges(entity, &fields, &at)?),
                "nodes" => ConnectionValue::Nodes(self.output(entity, &fields, &at)?),
                "pageInfo" => ConnectionValue::PageInfo(self.page_info(&fields)?),
                "totalCount" => ConnectionValue::TotalCount,
                "aggregate" => ConnectionValue::Aggregate(self.aggregate(entity, &fields)?),
                _ => return Err(internal("a member of a connection that is not there")),
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(output)
    }

    fn edges(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Vec<Member<EdgeValue>>, ApiError> {
        let type_name = names::edge_type(self.catalog.entity(entity));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&type_name, &sets(fields)) {
            let value = match first(&fields)?.name.as_str() {
                "__typename" => EdgeValue::Text(type_name.clone()),
                "cursor" => EdgeValue::Cursor,
                "node" => EdgeValue::Node(self.output(entity, &fields, &at.below(key))?),
                _ => return Err(internal("a member of an edge that is not there")),
            };
            let key = key.to_owned();
            output.push(Member { key, value });
        }
        Ok(output)
    }

    fn page_info(&self, fields: &[&'a Field]) -> Result<Vec<Member<PageInfoValue>>, ApiError> {
        let members = self.collect(connections::PAGE_INFO, &sets(fields)).into_iter();
        let members = members.map(|(key, fields)| {
            let value = connections::page_info(&first(&fields)?.name);
            let value = value.ok_or_else(|| internal("a member of pageInfo that is not there"))?;
            let key = key.to_owned();
            Ok(Member { key, value })
        });
        members.collect()
    }
}

/// The selections of fields under one response key.
pub(super) fn sets<'a>(fields: &[&'a Field]) -> Vec<&'a SelectionSet> {
    fields.iter().map(|field| &field.selection_set).collect()
}
