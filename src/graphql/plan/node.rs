//! `node(nodeId:)`: the look-up that a row's own id stands for. Knows types; knows no SQL, and not
//! what is inside of an id.

use std::sync::Arc;

use apollo_compiler::executable::Field;

use crate::{
    catalog::EntityId,
    definition::did_you_mean,
    query::{Filter, Select},
};

use super::{Planner, params::ParamKind, select::first};
use crate::graphql::{
    ApiError,
    input_path::InputPath,
    names,
    node_id::{DAMAGED, NodeForm, parts},
    schema::node::ID,
};

impl<'a> Planner<'a> {
    /// `node(nodeId:)`: the row with that key of the type that the id is of.
    pub(super) fn node(&mut self, fields: &[&'a Field], at: &InputPath) -> Result<Select, ApiError> {
        let field = first(fields)?;
        let place = at.then(ID);
        let input = self.argument(field, ID);
        let text = input.as_ref().and_then(|input| input.as_text());
        let entity = self.node_type(text.unwrap_or_default());
        let entity = entity.map_err(|error| ApiError::input(&place, error))?;
        let form = Arc::new(NodeForm::of(self.catalog, entity));
        let mut operands = Vec::with_capacity(form.scalars.len());
        for number in 0..form.scalars.len() {
            let kind = ParamKind::Node(form.clone(), number);
            operands.push(self.node_key(kind, input.clone(), &place)?);
        }
        let filter = Filter::Key {
            fields: self.catalog.entity(entity).key.clone(),
            operands,
        };
        self.select(entity, fields, filter, at)
    }

    /// The type that an id is of.
    fn node_type(&self, id: &str) -> Result<EntityId, String> {
        let (name, _) = parts(id).ok_or(DAMAGED)?;
        let found = self.catalog.entity_named(&name);
        if let Some(entity) = found.filter(|id| names::is_node(self.catalog.entity(*id))) {
            return Ok(entity);
        }
        let types = self.catalog.entities.iter().filter(|entity| names::is_node(entity));
        let near = did_you_mean(&name, types.map(|entity| entity.name.as_str()));
        let near = near.map_or_else(String::new, |near| format!(" (there is `{near}`)"));
        Err(format!(
            "the nodeId is of the type `{name}`, of which this API has no rows by key{near}; it is of another API, or of \
             an older definition"
        ))
    }
}
