//! Selections: fields merged and ordered as the specification says, then resolved against the
//! catalog.

use std::collections::HashSet;

use apollo_compiler::{
    Name,
    executable::{DirectiveList, Field, Selection, SelectionSet},
    response::JsonValue,
};
use indexmap::IndexMap;

use crate::{
    catalog::{Entity, EntityId, FieldId, FieldKind, ValueFieldKind, ValueId},
    query::{Filter, Output, OutputValue, Select, ValueOutput, ValueOutputValue},
};

use super::{super::names, Planner, found::FoundBy, input::Input, internal};
use crate::graphql::{
    ApiError,
    input_path::InputPath,
    node_id::signature,
    schema::{matches, node},
};

/// The fields under each response key, in the order in which the keys first appear.
type Collected<'a> = IndexMap<&'a str, Vec<&'a Field>>;

impl<'a> Planner<'a> {
    /// `CollectFields` of the specification. All our types are objects but for one interface, which
    /// no fragment names where it does not fit, so a type condition matches by name alone.
    pub(super) fn collect(&self, type_name: &str, sets: &[&'a SelectionSet]) -> Collected<'a> {
        let mut collected = IndexMap::new();
        let mut visited = HashSet::new();
        for set in sets {
            self.collect_into(type_name, set, &mut collected, &mut visited);
        }
        collected
    }

    fn collect_into(
        &self,
        type_name: &str,
        set: &'a SelectionSet,
        collected: &mut Collected<'a>,
        visited: &mut HashSet<&'a str>,
    ) {
        for selection in &set.selections {
            if !self.is_included(selection.directives()) {
                continue;
            }
            match selection {
                Selection::Field(field) => collected.entry(field.response_key().as_str()).or_default().push(field),
                Selection::InlineFragment(inline) => {
                    if inline
                        .type_condition
                        .as_ref()
                        .is_none_or(|name| name == type_name || name == node::TYPE)
                    {
                        self.collect_into(type_name, &inline.selection_set, collected, visited);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    let fits = |name: &Name| name == type_name || name == node::TYPE;
                    let Some(fragment) = fragment.filter(|found| fits(found.type_condition())) else {
                        continue;
                    };
                    if visited.insert(spread.fragment_name.as_str()) {
                        self.collect_into(type_name, &fragment.selection_set, collected, visited);
                    }
                }
            }
        }
    }

    fn is_included(&self, directives: &DirectiveList) -> bool {
        let holds = |name: &str| {
            let directive = directives.get(name)?;
            let value = directive.specified_argument_by_name("if")?;
            match value.as_variable() {
                Some(variable) => self.variables.get(variable.as_str()).and_then(JsonValue::as_bool),
                None => value.to_bool(),
            }
        };
        holds("skip") != Some(true) && holds("include") != Some(false)
    }

    /// `item(id:)`: the row with that key.
    pub(super) fn single(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Select, ApiError> {
        let filter = self.keyed(entity, first(fields)?, at)?;
        self.select(entity, fields, filter, at)
    }

    /// The row with the key that the arguments of a field say.
    pub(super) fn keyed(&mut self, entity: EntityId, field: &'a Field, at: &InputPath) -> Result<Filter, ApiError> {
        let mut operands = Vec::new();
        for argument in names::key_arguments(self.catalog, entity) {
            let place = at.then(&argument.name);
            let input = self.argument(field, &argument.name);
            operands.push(self.operand(argument.leaf, input, &place)?);
        }
        Ok(Filter::Key {
            fields: self.catalog.entity(entity).key.clone(),
            operands,
        })
    }

    /// `itemBy(key:)`: the row with that unique value.
    pub(super) fn by_unique(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Select, ApiError> {
        let field = first(fields)?;
        let place = at.then("key");
        let Some(key) = self.argument(field, "key") else {
            return Err(ApiError::input(&place, "it is missing"));
        };
        let (name, input) = self.only_member(&key, &place)?;
        let keys = names::unique_keys(self.catalog, entity);
        let Some((id, argument)) = keys.into_iter().find(|(_, argument)| argument.name == name) else {
            return Err(internal("a unique key that the catalog does not have"));
        };
        let operand = self.operand(argument.leaf, Some(input), &place.then(name))?;
        let filter = Filter::Key {
            fields: vec![id],
            operands: vec![operand],
        };
        self.select(entity, fields, filter, at)
    }

    pub(super) fn select(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        filter: Filter,
        at: &InputPath,
    ) -> Result<Select, ApiError> {
        Ok(Select {
            entity,
            filter: Some(filter),
            order: Vec::new(),
            first: None,
            offset: None,
            output: self.output(entity, fields, at)?,
        })
    }

    /// A list of rows, with its arguments.
    pub(super) fn many(&mut self, entity: EntityId, fields: &[&'a Field], at: &InputPath) -> Result<Select, ApiError> {
        let field = first(fields)?;
        let mut select = self.rows(entity, field, at)?;
        select.first = self.count(self.argument(field, "first"), &at.then("first"))?;
        select.offset = self.count(self.argument(field, "offset"), &at.then("offset"))?;
        let found = self.found_by(field, &select);
        select.output = self.among(found, |planner| planner.output(entity, fields, at))?;
        Ok(select)
    }

    /// The rows that `where`, `search` and `orderBy` of a field speak of, nothing selected.
    pub(super) fn rows(&mut self, entity: EntityId, field: &'a Field, at: &InputPath) -> Result<Select, ApiError> {
        let mut select = self.rows_where(entity, field, at)?;
        if let Some(input) = self.argument(field, "orderBy").filter(|input| !input.is_null()) {
            select.order = self.order(entity, input, &at.then("orderBy"))?;
        }
        Ok(select)
    }

    /// The rows that `where` and `search` of a field speak of, in no order.
    pub(super) fn rows_where(
        &mut self,
        entity: EntityId,
        field: &'a Field,
        at: &InputPath,
    ) -> Result<Select, ApiError> {
        let filter = match self.argument(field, "where").filter(|input| !input.is_null()) {
            Some(input) => Some(self.filter(entity, input, &at.then("where"))?),
            None => None,
        };
        let filter = match self.argument(field, "search").filter(|input| !input.is_null()) {
            Some(input) => Some(self.searched(entity, filter, input, &at.then("search"))?),
            None => filter,
        };
        Ok(Select {
            entity,
            filter,
            order: Vec::new(),
            first: None,
            offset: None,
            output: Vec::new(),
        })
    }

    /// What is searched for, beside another condition.
    fn searched(
        &mut self,
        entity: EntityId,
        other: Option<Filter>,
        input: Input<'a>,
        place: &InputPath,
    ) -> Result<Filter, ApiError> {
        let own = self.catalog.entity(entity);
        let search = Filter::Search {
            fields: own.field_ids().filter(|id| own.field(*id).searched).collect(),
            operand: self.search(input, place)?,
        };
        Ok(match other {
            Some(Filter::And(mut all)) => {
                all.push(search);
                Filter::And(all)
            }
            Some(other) => Filter::And(vec![other, search]),
            None => search,
        })
    }

    /// A field's argument as given, or its variable's value; none when it was left out.
    pub(super) fn argument(&self, field: &'a Field, name: &str) -> Option<Input<'a>> {
        let value = field.specified_argument_by_name(name)?;
        self.resolve(value)
    }

    /// The members selected of a row.
    pub(super) fn output(
        &mut self,
        id: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Vec<Output>, ApiError> {
        let catalog = self.catalog;
        let entity = catalog.entity(id);
        let sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        let mut output = Vec::new();
        for (key, fields) in self.collect(&entity.name, &sets) {
            let field = first(&fields)?;
            let value = match field.name.as_str() {
                "__typename" => OutputValue::Text(entity.name.clone()),
                name => match served(entity, name) {
                    Some(member) => self.member(&entity.field(member).kind, member, &fields, &at.below(key))?,
                    None if name == node::ID => OutputValue::NodeId(signature(&entity.name)),
                    None if name == matches::FIELD => {
                        OutputValue::Matches(self.matches(id, &fields, &at.below(key))?)
                    }
                    None => self.companion(id, name, &fields, &at.below(key))?,
                },
            };
            output.push(Output {
                key: key.to_owned(),
                value,
            });
        }
        Ok(output)
    }

    fn member(
        &mut self,
        kind: &FieldKind,
        field: FieldId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<OutputValue, ApiError> {
        match kind {
            FieldKind::Leaf { .. } => Ok(OutputValue::Leaf(field)),
            FieldKind::Value { value, .. } => {
                let output = self.value_output(*value, fields)?;
                Ok(OutputValue::Value { field, output })
            }
            FieldKind::Reference { target, .. }
            | FieldKind::Inverse {
                source: target,
                many: false,
                ..
            } => {
                let output = self.among(FoundBy::NoSearch, |planner| planner.output(*target, fields, at))?;
                Ok(OutputValue::One { field, output })
            }
            FieldKind::Links { target, .. }
            | FieldKind::Nested { child: target }
            | FieldKind::Closure { entity: target, .. }
            | FieldKind::Inverse { source: target, .. } => {
                let select = self.many(*target, fields, at)?;
                Ok(OutputValue::Many { field, select })
            }
        }
    }

    /// The members selected of a value object.
    fn value_output(&mut self, id: ValueId, fields: &[&'a Field]) -> Result<Vec<ValueOutput>, ApiError> {
        let catalog = self.catalog;
        let value_type = catalog.value(id);
        let sets: Vec<&SelectionSet> = fields.iter().map(|field| &field.selection_set).collect();
        let mut output = Vec::new();
        for (key, fields) in self.collect(&value_type.name, &sets) {
            let name = first(&fields)?.name.as_str();
            let position = value_type.fields.iter().position(|field| field.name == name);
            let value = match (name, position) {
                ("__typename", _) => ValueOutputValue::Text(value_type.name.clone()),
                (_, Some(position)) => self.value_member(id, position, &fields)?,
                (_, None) => return Err(internal("a value's field that the catalog does not have")),
            };
            output.push(ValueOutput {
                key: key.to_owned(),
                value,
            });
        }
        Ok(output)
    }

    fn value_member(&mut self, id: ValueId, at: usize, fields: &[&'a Field]) -> Result<ValueOutputValue, ApiError> {
        let catalog = self.catalog;
        let field = FieldId(at as u32);
        match catalog.value(id).fields.get(at).map(|field| &field.kind) {
            Some(ValueFieldKind::Value { value, .. }) => Ok(ValueOutputValue::Value {
                field,
                output: self.value_output(*value, fields)?,
            }),
            Some(ValueFieldKind::Leaf { .. }) => Ok(ValueOutputValue::Leaf(field)),
            None => Err(internal("a value's field that the catalog does not have")),
        }
    }
}

/// The field of that name, or the part of a link's key, if it is served.
pub(super) fn served(entity: &Entity, name: &str) -> Option<FieldId> {
    entity.shown_named(name)
}

/// Fields under one response key are equal but for their selections: validation made sure.
pub(super) fn first<'a>(fields: &[&'a Field]) -> Result<&'a Field, ApiError> {
    fields
        .first()
        .copied()
        .ok_or_else(|| internal("a response key without a field"))
}
