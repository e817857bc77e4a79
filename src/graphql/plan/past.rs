//! Rows as they were: `asOf`, `ago` and `itemHistory`. Knows what has a past that is kept, and says
//! what has none; knows no SQL.

use apollo_compiler::executable::Field;

use super::{Planner, connection::sets, select::first};
use crate::{
    catalog::{Catalog, EntityId, FieldId, FieldKind, PartOf},
    graphql::{ApiError, input_path::InputPath, names, schema::history},
    query::{
        Filter, Member, Order, Output, OutputValue, Past, RootValue, Select, To, VersionValue, Versions, Visitor,
        visit_outputs, visit_root,
    },
};

impl<'a> Planner<'a> {
    /// A root at the moment that its arguments say, if they say one.
    pub(super) fn as_of(&mut self, field: &'a Field, value: RootValue, at: &InputPath) -> Result<RootValue, ApiError> {
        let given = ["asOf", "ago"].map(|name| self.argument(field, name).filter(|input| !input.is_null()));
        let (input, place, is_ago) = match given {
            [None, None] => return Ok(value),
            [Some(_), Some(_)] => {
                let message = "a moment is said by `asOf` or by `ago`, not by both";
                return Err(ApiError::input(at.then("ago"), message));
            }
            [Some(input), None] => (input, at.then("asOf"), false),
            [None, Some(input)] => (input, at.then("ago"), true),
        };
        let mut kept = Kept {
            catalog: self.catalog,
            at: Vec::new(),
            lacks: None,
        };
        visit_root(&value, &mut kept);
        if let Some(lacks) = kept.lacks {
            return Err(ApiError::input(&place, lacks));
        }
        let moment = match is_ago {
            true => self.ago(input, &place)?,
            false => self.moment(input, &place)?,
        };
        Ok(RootValue::Past(Box::new(Past { moment, value })))
    }

    /// `itemHistory(id:, …)`: the versions of the row with that key.
    pub(super) fn versions(
        &mut self,
        entity: EntityId,
        fields: &[&'a Field],
        at: &InputPath,
    ) -> Result<Versions, ApiError> {
        let field = first(fields)?;
        let filter = self.keyed(entity, field, at)?;
        let select = Select {
            entity,
            filter: Some(filter),
            order: Vec::new(),
            first: self.count(self.argument(field, "first"), &at.then("first"))?,
            offset: self.count(self.argument(field, "offset"), &at.then("offset"))?,
            output: Vec::new(),
        };
        let of = names::version_type(self.catalog.entity(entity));
        let mut output = Vec::new();
        for (key, fields) in self.collect(&of, &sets(fields)) {
            let value = match history::member(first(&fields)?.name.as_str(), || of.clone()) {
                Some(value) => value,
                None => VersionValue::Row(self.version_row(entity, &fields, &at.below(key))?),
            };
            output.push(Member {
                key: key.to_owned(),
                value,
            });
        }
        Ok(Versions { select, output })
    }

    /// What is wanted of a row as a version has it.
    fn version_row(&mut self, entity: EntityId, fields: &[&'a Field], at: &InputPath) -> Result<Vec<Output>, ApiError> {
        let outputs = self.output(entity, fields, at)?;
        let own = self.catalog.entity(entity);
        for output in &outputs {
            if let OutputValue::One { field, .. }
            | OutputValue::Many { field, .. }
            | OutputValue::Connection { field, .. } = &output.value
            {
                let message = format!(
                    "a version has the row's own values, and `{}` leads to other rows; ask `{}` for them, with the version's \
                     `from` as `asOf`",
                    own.field(*field).name,
                    own.names.single
                );
                return Err(ApiError::input(at.then(&output.key), message));
            }
        }
        let mut kept = Kept {
            catalog: self.catalog,
            at: vec![Some(entity)],
            lacks: None,
        };
        visit_outputs(&outputs, &mut kept);
        match kept.lacks {
            Some(lacks) => Err(ApiError::input(at, lacks)),
            None => Ok(outputs),
        }
    }
}

/// Looks for what has no past that is kept.
struct Kept<'c> {
    catalog: &'c Catalog,
    /// The types on the way to what is looked at.
    at: Vec<Option<EntityId>>,
    /// The first that has none, and what to do.
    lacks: Option<String>,
}

impl Kept<'_> {
    fn lack(&mut self, message: String) {
        self.lacks.get_or_insert(message);
    }

    fn here(&self) -> Option<EntityId> {
        self.at.last().copied().flatten()
    }

    /// The type that a field leads to.
    fn follow(&mut self, entity: EntityId, field: FieldId) -> Option<EntityId> {
        let own = self.catalog.entity(entity);
        if let Some(derived) = own.derived(field) {
            // A number of rows is that of what the field leads to; any other part is the row's own.
            if derived.part == PartOf::Count {
                self.follow(entity, derived.base);
            }
            return None;
        }
        let of = own.field(field);
        let name = format!("{}.{}", own.name, of.name);
        if of.rollup.is_some() {
            self.lack(format!(
                "`{name}` is computed of other rows (@rollup), and no past of it is kept; leave it out, or have it computed of \
                 the rows themselves, by `aggregate` of their connection"
            ));
        }
        if let FieldKind::Closure { .. } = of.kind {
            self.lack(format!(
                "`{name}` leads over any number of steps (@closure), which is read of the present alone; leave it out, or follow \
                 the link itself"
            ));
        }
        let target = of.kind.target()?;
        let to = self.catalog.entity(target);
        if !to.history {
            self.lack(format!(
                "`{name}` leads to rows of `{0}`, whose past is not kept; leave it out, or add @history to `type {0}`, by which it \
                 is kept from then on",
                outermost(self.catalog, target)
            ));
        }
        Some(target)
    }

    fn follow_here(&mut self, field: FieldId) -> Option<EntityId> {
        self.here().and_then(|entity| self.follow(entity, field))
    }
}

/// The name of the type that has to say so.
fn outermost(catalog: &Catalog, entity: EntityId) -> &str {
    let owner = |id: &EntityId| catalog.entity(*id).owner.map(|owner| owner.entity);
    let last = std::iter::successors(Some(entity), owner).last();
    &catalog.entity(last.unwrap_or(entity)).name
}

impl Visitor for Kept<'_> {
    fn enter(&mut self, to: To) {
        let entity = match to {
            To::Rows(entity) => Some(entity),
            To::Behind(field) => self.follow_here(field),
        };
        self.at.push(entity);
    }

    fn leave(&mut self) {
        self.at.pop();
    }

    fn output(&mut self, output: &Output) {
        // Of a search there is none here: it is refused by itself.
        output.value.field().and_then(|field| self.follow_here(field));
    }

    fn filter(&mut self, filter: &Filter) {
        match filter {
            Filter::Key { fields, .. } => {
                // Values of its own, also where they are those of a link.
                let entity = self.here();
                let rollup = |field: &FieldId| {
                    let field = self.catalog.entity(entity?).field(*field);
                    field.rollup.as_ref().map(|_| field.name.clone())
                };
                if let Some(name) = fields.iter().find_map(rollup) {
                    self.lack(format!("`{name}` is computed of other rows (@rollup), and no past of it is kept"));
                }
            }
            Filter::Search { .. } => self.lack(
                "words are searched (`search`) in the present alone; leave it out, or compare texts in `where`, such as with \
                 `ilike`"
                    .to_owned(),
            ),
            filter => {
                filter.field().and_then(|field| self.follow_here(field));
            }
        }
    }

    fn order(&mut self, order: &Order) {
        let mut at = self.here();
        for field in order.path.iter().chain([&order.field]) {
            at = at.and_then(|entity| self.follow(entity, *field));
        }
    }
}
