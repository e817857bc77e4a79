//! Entities and their fields. Knows what each directive asks of a field's type.

use super::{
    Builder,
    enums::deprecated,
    plan::{Meaning, PlannedOwner, Shape},
    renames::was,
    search,
    shown::names,
};
use crate::{
    catalog::{Entity, EntityId, Field, FieldId, FieldKind, Leaf, List, Owner, Selection, names::snake_case},
    definition::{Fault, FieldDefinition, did_you_mean},
    value::Scalar,
};

/// The name of the reference to the owner that a nested type does not declare; fields' own names
/// have no `_` in front.
const HIDDEN_PARENT: &str = "_owner";
/// The directives that say where the rows of a link are.
const LINKS: [&str; 5] = ["ref", "inverse", "closure", "nested", "fetch"];

impl Builder<'_> {
    pub(super) fn entities(&mut self) -> Vec<Entity> {
        self.plan.entity_ids().map(|id| self.entity(id)).collect()
    }

    fn entity(&mut self, id: EntityId) -> Entity {
        let declared = self.plan.entity(id).definition;
        let mut fields: Vec<Field> = declared
            .fields
            .iter()
            .enumerate()
            .map(|(at, field)| self.field(id, FieldId(at as u32), field))
            .collect();
        self.check_searched(declared);
        let planned = self.plan.entity(id);
        let owner = planned.owner.as_ref().map(
            |PlannedOwner {
                 entity, field, parent, ..
             }| Owner {
                entity: *entity,
                field: *field,
                parent: *parent,
            },
        );
        if let Some(owner) = planned.owner.as_ref().filter(|owner| !owner.declared) {
            fields.push(self.hidden_parent(owner.entity));
        }
        Entity {
            name: declared.name.value.clone(),
            was: was(declared.directive("was")),
            description: declared.description.clone(),
            names: names(declared),
            key: planned.key.clone(),
            positional: planned.positional,
            indexes: self.indexes(id),
            fields,
            derived: Vec::new(),
            owner,
            fetch: None,
            groups: None,
            history: false,
        }
    }

    fn hidden_parent(&self, owner: EntityId) -> Field {
        Field {
            name: HIDDEN_PARENT.to_owned(),
            was: None,
            description: None,
            deprecated: None,
            kind: FieldKind::Reference {
                target: owner,
                by: self.plan.entity(owner).key.clone(),
            },
            required: true,
            selection: Selection::Names(Vec::new()),
            unique: false,
            indexed: false,
            searched: false,
            language: None,
            served: false,
            fetch: None,
            rollup: None,
        }
    }

    fn field(&mut self, entity: EntityId, id: FieldId, field: &FieldDefinition) -> Field {
        let is_parent = self
            .plan
            .entity(entity)
            .owner
            .as_ref()
            .is_some_and(|owner| owner.parent == id);
        let kind = if field.broken {
            None
        } else {
            self.kind(entity, field, is_parent)
        };
        let broken = kind.is_none();
        let kind = kind.unwrap_or(FieldKind::Leaf {
            leaf: Leaf::Scalar(Scalar::String),
            list: None,
        });
        let directive = match kind {
            FieldKind::Reference { .. } | FieldKind::Links { .. } => "ref",
            FieldKind::Nested { .. } => "nested",
            _ => "select",
        };
        if !broken {
            self.check_index(field, &kind);
            self.check_search(field, &kind);
        }
        let is_reference = matches!(kind, FieldKind::Reference { .. });
        Field {
            name: field.name.value.clone(),
            was: was(field.directive("was")),
            description: field.description.clone(),
            deprecated: deprecated(field.directive("deprecated")),
            kind,
            required: field.ty.required,
            selection: match field.has("rollup") {
                // No record says it.
                true => Selection::Names(Vec::new()),
                false => self.selection(field, directive, is_reference),
            },
            unique: field.has("unique"),
            indexed: field.has("index"),
            searched: field.has("search"),
            language: search::language(field),
            served: !field.has("private"),
            fetch: None,
            rollup: None,
        }
    }

    /// How a field's value is taken: the `jq` of a directive, else by names.
    pub(super) fn selection(&mut self, field: &FieldDefinition, directive: &str, or_id: bool) -> Selection {
        if let Some(key) = self.css_key(field) {
            return Selection::Names(vec![key]);
        }
        let jq = field.directive(directive).and_then(|directive| directive.text("jq"));
        if let Some(filter) = jq.and_then(|jq| self.filter(&jq)) {
            return Selection::Jq(filter);
        }
        let snake = snake_case(&field.name.value);
        let mut names = vec![field.name.value.clone()];
        if snake != field.name.value {
            names.push(snake.clone());
        }
        if or_id {
            names.push(format!("{snake}_id"));
        }
        Selection::Names(names)
    }

    /// What a field is; `None` when it has a fault, which is reported here.
    fn kind(&mut self, entity: EntityId, field: &FieldDefinition, is_parent: bool) -> Option<FieldKind> {
        let list = field.ty.list.map(|item_required| List { item_required });
        self.rollup_alone(field)?;
        match self.plan.meaning(&field.ty.name)? {
            Meaning::Leaf(leaf) => {
                self.refuse_links(field, &format!("`{}` is not a type with a key", field.ty.name))?;
                Some(FieldKind::Leaf { leaf, list })
            }
            Meaning::Value(value) => {
                self.refuse_links(field, &format!("`{}` has no key", field.ty.name))?;
                Some(FieldKind::Value { value, list })
            }
            Meaning::Entity(target) if is_parent => {
                let by = self.plan.entity(target).key.clone();
                Some(FieldKind::Reference { target, by })
            }
            Meaning::Entity(target) => {
                self.one_link_directive(field)?;
                match list {
                    Some(_) => self.link_to_many(entity, target, field),
                    None => self.link_to_one(entity, target, field),
                }
            }
        }
    }

    fn refuse_links(&mut self, field: &FieldDefinition, why: &str) -> Option<()> {
        let found = LINKS.iter().find_map(|name| field.directive(name));
        let Some(directive) = found else { return Some(()) };
        let message = format!("`@{}` leads to rows, but {why}", directive.name);
        let hint = match directive.name.as_str() {
            "fetch" => "name a type with a key; let `rows` make records of single values, such as `.[] | {id: .}`",
            _ => "name a type with a key, or use @select(jq:)",
        };
        self.fault(Fault::at(directive.span.clone(), message).hint(hint));
        None
    }

    fn one_link_directive(&mut self, field: &FieldDefinition) -> Option<()> {
        let links: Vec<_> = field
            .directives
            .iter()
            .filter(|one| LINKS.contains(&one.name.as_str()))
            .collect();
        if let [first, second, ..] = &links[..] {
            let message = format!("`@{}` and `@{}` exclude each other", first.name, second.name);
            self.fault(Fault::at(second.span.clone(), message).hint("keep one of them"));
            return None;
        }
        if let Some(select) = field.directive("select") {
            let message = format!("`@select` takes values, but `{}` is a type with a key", field.ty.name);
            self.fault(
                Fault::at(select.span.clone(), message)
                    .hint("write @ref(jq:) with the key, or @nested(jq:) with the rows"),
            );
            return None;
        }
        Some(())
    }

    fn link_to_many(&mut self, entity: EntityId, target: EntityId, field: &FieldDefinition) -> Option<FieldKind> {
        let name = &field.ty.name;
        if !field.ty.required || field.ty.list != Some(true) {
            let message = "a list of rows is never null and holds no nulls".to_owned();
            self.fault(Fault::at(field.ty.span.clone(), message).hint(format!("write `[{name}!]!`")));
            return None;
        }
        match self.plan.shape(field) {
            Shape::Inverse(_) => self.inverse(entity, target, field, true),
            Shape::Closure(_) => self.closure(entity, target, field),
            Shape::Nested(child) => self.nested(entity, child, field),
            Shape::Links(_) => {
                if self.plan.entity(entity).positional {
                    self.no_identity(field, self.plan.name(entity), "its links could not be kept apart");
                    return None;
                }
                let by = self.by(target, field)?;
                Some(FieldKind::Links { target, by })
            }
            _ => {
                let message = format!("a list of `{name}` needs to know where its rows are");
                let hint = "add @ref (keys in this record), @inverse (a field over there leads here), @nested (rows in this \
                            record), @fetch (a request for each record) or @closure (all that a link leads to)";
                self.fault(Fault::at(field.name.span.clone(), message).hint(hint));
                None
            }
        }
    }

    fn link_to_one(&mut self, entity: EntityId, target: EntityId, field: &FieldDefinition) -> Option<FieldKind> {
        let name = &field.ty.name;
        if let Some(nested) = field.directive("nested") {
            let message = "`@nested` needs a list".to_owned();
            let hint =
                format!("write `[{name}!]!`; for a single object leave the key of `{name}` out, so that it is a value");
            self.fault(Fault::at(nested.span.clone(), message).hint(hint));
            return None;
        }
        if let Some(closure) = field.directive("closure") {
            let fault = Fault::at(closure.span.clone(), "`@closure` needs a list");
            self.fault(fault.hint(format!("write `[{name}!]!`")));
            return None;
        }
        if field.ty.required {
            self.required_link(entity, target, field);
            return None;
        }
        if let Shape::Inverse(_) = self.plan.shape(field) {
            return self.inverse(entity, target, field, false);
        }
        if field.has("fetch") {
            self.one_fetched_row(entity, field)?;
        }
        let by = self.by(target, field)?;
        Some(FieldKind::Reference { target, by })
    }

    /// A link that a request of its own brings: its row must be found again, and nobody can promise
    /// what will be answered.
    fn one_fetched_row(&mut self, entity: EntityId, field: &FieldDefinition) -> Option<()> {
        if self.plan.entity(entity).positional {
            self.no_identity(field, self.plan.name(entity), "its links could not be kept apart");
            return None;
        }
        let Some(unique) = field.directive("unique") else {
            return Some(());
        };
        let name = &field.name.value;
        let message = format!("`@unique` cannot stand on `{name}`: two answers may name the same row");
        self.fault(Fault::at(unique.span.clone(), message).hint("leave it out; a link is indexed without it"));
        None
    }

    fn required_link(&mut self, entity: EntityId, target: EntityId, field: &FieldDefinition) {
        let planned = self.plan.entity(entity);
        let here = &planned.definition.name.value;
        let name = &field.ty.name;
        if planned.owner.is_none() && self.plan.may_be_nested(here) {
            return;
        }
        let fault = match &planned.owner {
            Some(owner) if owner.entity == target && owner.declared => Fault::at(
                field.name.span.clone(),
                format!("`{here}` has two references to its owner `{name}`"),
            )
            .hint(format!("keep one; a link to another `{name}` is nullable and has @ref")),
            _ => {
                let message =
                    format!("a link may lead to a row that is not there yet, so `{name}!` cannot be promised");
                Fault::at(field.ty.span.clone(), message).hint(format!("write `{name}`"))
            }
        };
        self.fault(fault);
    }

    fn nested(&mut self, owner: EntityId, child: EntityId, field: &FieldDefinition) -> Option<FieldKind> {
        if self.plan.entity(owner).cyclic {
            return None;
        }
        if self.plan.entity(owner).positional {
            self.no_identity(
                field,
                self.plan.name(owner),
                "rows nested in it could not be kept apart",
            );
            return None;
        }
        Some(FieldKind::Nested { child })
    }

    fn no_identity(&mut self, field: &FieldDefinition, name: &str, why: &str) {
        let message = format!("rows of `{name}` are told apart by their position only: {why}");
        self.fault(Fault::at(field.ty.span.clone(), message).hint(format!("mark a field of `{name}` with @id")));
    }

    /// The fields of the target that a link holds.
    fn by(&mut self, target: EntityId, field: &FieldDefinition) -> Option<Vec<FieldId>> {
        let planned = self.plan.entity(target);
        let Some(by) = field.directive("ref").and_then(|directive| directive.text("by")) else {
            if planned.positional {
                self.no_identity(field, self.plan.name(target), "they cannot be linked to");
                return None;
            }
            return Some(planned.key.clone());
        };
        let fields = &planned.definition.fields;
        let Some(at) = fields.iter().position(|field| field.name.value == by.value) else {
            let message = format!("`{}` has no field `{}`", field.ty.name, by.value);
            let fault = Fault::at(by.span, message);
            let near = did_you_mean(by.value, fields.iter().map(|field| field.name.value.as_str()));
            self.fault(match near {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint("name a @unique field of that type"),
            });
            return None;
        };
        let id = FieldId(at as u32);
        let by_field = &fields[at];
        if by_field.broken {
            return None;
        }
        let plain = self.plan.shape(by_field) == Shape::Leaf && by_field.ty.list.is_none();
        if plain && (by_field.has("unique") || planned.key == [id]) {
            return Some(vec![id]);
        }
        let message = format!("`{}.{}` does not find one row", field.ty.name, by.value);
        let hint = if plain {
            "mark it with @unique"
        } else {
            "name a scalar that is @unique"
        };
        self.fault(Fault::at(by.span, message).hint(hint));
        None
    }

    fn inverse(
        &mut self,
        entity: EntityId,
        source: EntityId,
        field: &FieldDefinition,
        many: bool,
    ) -> Option<FieldKind> {
        let directive = field.directive("inverse")?;
        let named = directive.text("field")?;
        let here = self.plan.name(entity);
        let there = self.plan.name(source);
        let planned = self.plan.entity(source);
        let fields = &planned.definition.fields;
        let Some(at) = fields.iter().position(|field| field.name.value == named.value) else {
            let fault = Fault::at(named.span, format!("`{there}` has no field `{}`", named.value));
            let near = did_you_mean(named.value, fields.iter().map(|field| field.name.value.as_str()));
            self.fault(match near {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint(format!("name a field of `{there}` that leads to `{here}`")),
            });
            return None;
        };
        let id = FieldId(at as u32);
        let other = &fields[at];
        let shape = self.plan.shape(other);
        if shape == Shape::Broken {
            return None;
        }
        if shape != Shape::Reference(entity) && shape != Shape::Links(entity) {
            let message = format!("`{there}.{}` does not lead to `{here}`", named.value);
            self.fault(Fault::at(named.span, message).hint(format!(
                "name a reference or @ref list of `{there}` whose type is `{here}`"
            )));
            return None;
        }
        let only_one = shape == Shape::Reference(entity) && (other.has("unique") || planned.key == [id]);
        if !many && !only_one {
            let message = format!("many rows of `{there}` may have the same `{}`", named.value);
            let or = match other.has("fetch") {
                true => String::new(),
                false => format!(", or mark `{there}.{}` with @unique", named.value),
            };
            self.fault(Fault::at(field.ty.span.clone(), message).hint(format!("write `[{there}!]!`{or}")));
            return None;
        }
        Some(FieldKind::Inverse {
            source,
            field: id,
            many,
        })
    }

    /// `@unique` and `@index` need something that a database can compare; the items of a list can
    /// be found, and not be unique.
    fn check_index(&mut self, field: &FieldDefinition, kind: &FieldKind) {
        self.refuse_fields_of_index(field);
        let (single, listed) = match kind {
            FieldKind::Leaf { leaf, list } => {
                let fits = *leaf != Leaf::Scalar(Scalar::Json);
                (fits && list.is_none(), fits)
            }
            FieldKind::Reference { .. } => (true, true),
            _ => (false, false),
        };
        let rules = [
            ("unique", single, "it is for single scalars, enums and references"),
            (
                "index",
                listed,
                "it is for scalars, enums, lists of them, and references",
            ),
        ];
        for (name, fits, hint) in rules {
            if let Some(directive) = field.directive(name).filter(|_| !fits) {
                let message = format!("`@{name}` cannot stand on `{}`", field.name.value);
                self.fault(Fault::at(directive.span.clone(), message).hint(hint));
            }
        }
    }
}
