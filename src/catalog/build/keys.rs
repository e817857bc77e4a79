//! Keys and sizes. Knows what can be part of a key, and that no key may contain itself.

use super::{
    Builder,
    plan::{Meaning, Shape},
};
use crate::{
    catalog::{EntityId, FieldId, Leaf},
    definition::Fault,
    value::Scalar,
};

/// Types of one definition; each has a table and a set of served types.
const TYPES_MAX: usize = 500;
/// Fields of one type; each has a column, and databases end at 1,600 or 2,000.
const FIELDS_MAX: usize = 400;

impl Builder<'_> {
    pub(super) fn check_size(&mut self) {
        let types = &self.definition.types;
        if types.len() > TYPES_MAX {
            let message = format!(
                "a definition has at most {TYPES_MAX} types, this one has {}",
                types.len()
            );
            self.faults.push(Fault {
                span: None,
                ..Fault::at(0..0, message)
            });
        }
        for declared in types.iter().filter(|declared| declared.fields.len() > FIELDS_MAX) {
            let message = format!(
                "a type has at most {FIELDS_MAX} fields, `{}` has {}",
                declared.name.value,
                declared.fields.len()
            );
            self.faults
                .push(Fault::at(declared.name.span.clone(), message).hint("move some into a type without a key"));
        }
        if self.plan.entities.is_empty() {
            let fault = Fault::at(0..0, "the definition has no type with a key");
            self.fault(Fault { span: None, ..fault }.hint("declare one, such as `type Item @fetch(…) { id: ID! }`"));
        }
    }

    pub(super) fn check_keys(&mut self) {
        for id in self.plan.entity_ids() {
            let parent = self.plan.entity(id).owner.as_ref().map(|owner| owner.parent);
            for field in self.plan.entity(id).key.clone() {
                if Some(field) != parent {
                    self.check_key_field(id, field);
                }
            }
            if self.contains_itself(id) {
                let declared = &self.plan.entity(id).definition.name;
                let message = format!("the key of `{}` contains itself", declared.value);
                self.fault(
                    Fault::at(declared.span.clone(), message)
                        .hint("a key is made of plain fields and of references to types with such keys"),
                );
            }
        }
    }

    fn check_key_field(&mut self, id: EntityId, field: FieldId) {
        let field = &self.plan.entity(id).definition.fields[field.index()];
        let meaning = self.plan.meaning(&field.ty.name);
        let shape = self.plan.shape(field);
        let fault = Fault::at(
            field.ty.span.clone(),
            format!("`{}` cannot be part of a key", field.name.value),
        );
        let fault = match (shape, meaning) {
            (Shape::Broken, _) => return,
            (Shape::Leaf, _) if field.ty.list.is_some() => fault.hint("a key is made of single values"),
            (Shape::Leaf, Some(Meaning::Leaf(Leaf::Scalar(Scalar::Json)))) => {
                fault.hint("JSON values cannot be compared; select one value of it")
            }
            (Shape::Leaf, _) if !field.ty.required => fault
                .label("it may be null")
                .hint(format!("write `{}!`; a record without it is refused", field.ty.name)),
            (Shape::Reference(_), _) if field.has("fetch") => {
                fault.hint("the key of a row is in its record; what a request of its own brings comes later")
            }
            (Shape::Leaf | Shape::Reference(_), _) => return,
            _ => fault.hint("a key is made of scalars, enums and references to one row"),
        };
        self.fault(fault);
    }

    fn contains_itself(&self, id: EntityId) -> bool {
        let mut open = self.key_targets(id);
        let mut seen = Vec::new();
        while let Some(next) = open.pop() {
            if next == id {
                return true;
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.extend(self.key_targets(next));
            }
        }
        false
    }

    /// The types whose keys are part of this one's. Owners are left out: `nested in itself` is an
    /// own fault.
    fn key_targets(&self, id: EntityId) -> Vec<EntityId> {
        let entity = self.plan.entity(id);
        let fields = entity
            .key
            .iter()
            .filter_map(|field| entity.definition.fields.get(field.index()));
        fields
            .filter_map(|field| match self.plan.shape(field) {
                Shape::Reference(target) if field.directive("ref").and_then(|by| by.text("by")).is_none() => {
                    Some(target)
                }
                _ => None,
            })
            .filter(|target| entity.owner.as_ref().is_none_or(|owner| owner.entity != *target))
            .collect()
    }
}
