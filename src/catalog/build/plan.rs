//! Which types have keys, which are values, who owns whom. Knows names and directives; looks at no
//! value of one.

use std::collections::{HashMap, HashSet};

use crate::{
    catalog::{
        ids::{EntityId, EnumId, FieldId, ValueId},
        model::Leaf,
    },
    definition::{Definition, Fault, FieldDefinition, TypeDefinition},
    value::Scalar,
};

/// What a type name means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Leaf(Leaf),
    Entity(EntityId),
    Value(ValueId),
}

/// What a field of an entity is, by its type and directives alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Leaf,
    Value,
    Reference(EntityId),
    Links(EntityId),
    Inverse(EntityId),
    Nested(EntityId),
    Closure(EntityId),
    /// A fault is known about it, or will be reported where it is built.
    Broken,
}

/// An entity to be.
pub(super) struct PlannedEntity<'d> {
    pub definition: &'d TypeDefinition,
    pub key: Vec<FieldId>,
    pub owner: Option<PlannedOwner>,
    pub positional: bool,
    /// It is nested in itself, which is reported; what follows from that is not.
    pub cyclic: bool,
}

pub(super) struct PlannedOwner {
    pub entity: EntityId,
    pub field: FieldId,
    pub parent: FieldId,
    /// Whether the parent field is one of the definition.
    pub declared: bool,
}

pub(super) struct Plan<'d> {
    pub entities: Vec<PlannedEntity<'d>>,
    pub values: Vec<&'d TypeDefinition>,
    meanings: HashMap<&'d str, Meaning>,
    /// Types of lists with a fault: one of them may be the `@nested` that a type misses.
    suspects: HashSet<&'d str>,
}

/// The key fields that a type declares: `@id`, else `id: ID!`.
fn declared_key(definition: &TypeDefinition) -> Vec<FieldId> {
    let fields = || definition.fields.iter().enumerate();
    let ids: Vec<FieldId> = fields()
        .filter(|(_, field)| field.has("id"))
        .map(|(at, _)| FieldId(at as u32))
        .collect();
    if !ids.is_empty() {
        return ids;
    }
    let is_default = |field: &FieldDefinition| {
        field.name.value == "id" && field.ty.name == "ID" && field.ty.required && field.ty.list.is_none()
    };
    fields()
        .filter(|(_, field)| is_default(field))
        .map(|(at, _)| FieldId(at as u32))
        .collect()
}

impl<'d> Plan<'d> {
    pub(super) fn of(definition: &'d Definition) -> (Plan<'d>, Vec<Fault>) {
        let mut faults = Vec::new();
        let nested: HashSet<&str> = definition
            .types
            .iter()
            .flat_map(|ty| ty.fields.iter().filter(|field| field.has("nested")))
            .map(|field| field.ty.name.as_str())
            .collect();
        let all_fields = definition.types.iter().flat_map(|ty| &ty.fields);
        let suspects = all_fields.filter(|field| field.broken && field.ty.list.is_some());
        let suspects = suspects.map(|field| field.ty.name.as_str()).collect();
        let mut plan = Plan {
            entities: Vec::new(),
            values: Vec::new(),
            meanings: HashMap::new(),
            suspects,
        };
        for (at, declared) in definition.enums.iter().enumerate() {
            let meaning = Meaning::Leaf(Leaf::Enum(EnumId(at as u32)));
            plan.meanings.insert(&declared.name.value, meaning);
        }
        for declared in &definition.types {
            let key = declared_key(declared);
            let is_nested = nested.contains(declared.name.value.as_str());
            let meaning = if !key.is_empty() || is_nested || needs_key(declared) {
                if key.is_empty() && !is_nested && !plan.may_be_nested(&declared.name.value) {
                    faults.push(no_key(declared));
                }
                plan.entities.push(PlannedEntity {
                    definition: declared,
                    key,
                    owner: None,
                    positional: false,
                    cyclic: false,
                });
                Meaning::Entity(EntityId(plan.entities.len() as u32 - 1))
            } else {
                plan.values.push(declared);
                Meaning::Value(ValueId(plan.values.len() as u32 - 1))
            };
            plan.meanings.insert(&declared.name.value, meaning);
        }
        plan.find_owners(&mut faults);
        plan.find_unused(&mut faults);
        (plan, faults)
    }

    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        let scalar = || Scalar::from_name(name).map(|scalar| Meaning::Leaf(Leaf::Scalar(scalar)));
        self.meanings.get(name).copied().or_else(scalar)
    }

    /// Whether a fault is known about a list that may nest this type.
    pub(super) fn may_be_nested(&self, name: &str) -> bool {
        self.suspects.contains(name)
    }

    pub(super) fn entity(&self, id: EntityId) -> &PlannedEntity<'d> {
        &self.entities[id.index()]
    }

    pub(super) fn name(&self, id: EntityId) -> &'d str {
        &self.entity(id).definition.name.value
    }

    pub(super) fn entity_ids(&self) -> impl Iterator<Item = EntityId> + use<> {
        (0..self.entities.len() as u32).map(EntityId)
    }

    pub(super) fn shape(&self, field: &FieldDefinition) -> Shape {
        if field.broken {
            return Shape::Broken;
        }
        let target = match self.meaning(&field.ty.name) {
            Some(Meaning::Leaf(_)) => return Shape::Leaf,
            Some(Meaning::Value(_)) => return Shape::Value,
            Some(Meaning::Entity(target)) => target,
            None => return Shape::Broken,
        };
        match field.ty.list {
            _ if field.has("inverse") => Shape::Inverse(target),
            _ if field.has("closure") => Shape::Closure(target),
            Some(_) if field.has("nested") => Shape::Nested(target),
            Some(_) if field.has("ref") || field.has("fetch") => Shape::Links(target),
            None if !field.has("nested") => Shape::Reference(target),
            _ => Shape::Broken,
        }
    }

    fn find_owners(&mut self, faults: &mut Vec<Fault>) {
        for owner in self.entity_ids() {
            for (at, field) in self.entity(owner).definition.fields.iter().enumerate() {
                if let Shape::Nested(child) = self.shape(field) {
                    self.own(owner, FieldId(at as u32), child, faults);
                }
            }
        }
        for id in self.entity_ids() {
            let mut seen = vec![id];
            let mut current = id;
            while let Some(owner) = &self.entity(current).owner {
                current = owner.entity;
                if seen.contains(&current) {
                    break;
                }
                seen.push(current);
            }
            if current == id && self.entity(id).owner.is_some() {
                self.entities[id.index()].cyclic = true;
                let declared = &self.entity(id).definition.name;
                let message = format!("`{}` is nested in itself", declared.value);
                faults.push(
                    Fault::at(declared.span.clone(), message)
                        .hint("rows of the outermost type must come from a @fetch"),
                );
            }
        }
    }

    fn own(&mut self, owner: EntityId, field: FieldId, child: EntityId, faults: &mut Vec<Fault>) {
        let owner_name = self.name(owner);
        let child_name = self.name(child);
        let at = &self.entity(owner).definition.fields[field.index()];
        if let Some(other) = &self.entity(child).owner {
            let other_owner = self.entity(other.entity).definition;
            let other = format!(
                "{}.{}",
                other_owner.name.value,
                other_owner.fields[other.field.index()].name.value
            );
            let message = format!("`{child_name}` is already nested in `{other}`");
            faults.push(
                Fault::at(at.ty.span.clone(), message)
                    .hint("a nested type belongs to exactly one field; make a second type"),
            );
            return;
        }
        let parents: Vec<usize> = {
            let fields = self.entity(child).definition.fields.iter().enumerate();
            let is_parent = |field: &FieldDefinition| {
                field.ty.name == owner_name
                    && field.ty.required
                    && field.ty.list.is_none()
                    && field
                        .directives
                        .iter()
                        .all(|directive| ["id", "deprecated", "index", "was"].contains(&directive.name.as_str()))
            };
            fields.filter(|(_, field)| is_parent(field)).map(|(at, _)| at).collect()
        };
        let count = self.entity(child).definition.fields.len();
        let parent = FieldId(parents.first().copied().unwrap_or(count) as u32);
        let entity = &mut self.entities[child.index()];
        entity.key.retain(|field| *field != parent);
        entity.positional = entity.key.is_empty();
        entity.key.insert(0, parent);
        entity.owner = Some(PlannedOwner {
            entity: owner,
            field,
            parent,
            declared: !parents.is_empty(),
        });
    }

    fn find_unused(&self, faults: &mut Vec<Fault>) {
        let used: HashSet<&str> = self
            .entities
            .iter()
            .map(|entity| entity.definition)
            .chain(self.values.iter().copied())
            .flat_map(|ty| ty.fields.iter().filter(|field| field.ty.name != ty.name.value))
            .map(|field| field.ty.name.as_str())
            .collect();
        for value in &self.values {
            if !used.contains(value.name.value.as_str()) && !value.fields.is_empty() {
                let message = format!("`{}` has no key, and no other type uses it", value.name.value);
                faults.push(
                    Fault::at(value.name.span.clone(), message)
                        .hint("mark the key with @id (or name it `id: ID!`), or use the type in a field"),
                );
            }
        }
    }
}

/// Whether a type does what only a type with a key can do.
fn needs_key(definition: &TypeDefinition) -> bool {
    let relates = |field: &FieldDefinition| {
        [
            "ref", "inverse", "closure", "nested", "unique", "index", "fetch", "rollup",
        ]
        .iter()
        .any(|name| field.has(name))
    };
    let named = |name: &str| definition.directive(name).is_some();
    named("fetch") || named("index") || named("rollup") || definition.fields.iter().any(relates)
}

fn no_key(definition: &TypeDefinition) -> Fault {
    let name = &definition.name.value;
    let fault = Fault::at(definition.name.span.clone(), format!("`{name}` needs a key"));
    match definition.field("id") {
        Some(id) if !id.has("id") => fault
            .label("its `id` is not `ID!`")
            .hint(format!("write `id: ID!`, or `id: {}! @id`", id.ty.name)),
        _ => fault.hint("mark one or more fields with @id, or name one `id: ID!`"),
    }
}
