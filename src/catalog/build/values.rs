//! Value types: objects without a key, stored inside their owner. Knows that they hold leaves and
//! values only.

use super::{Builder, enums::deprecated, plan::Meaning};
use crate::{
    catalog::{Catalog, Leaf, List, MEMBERS_MAX, ValueField, ValueFieldKind, ValueId, ValueType},
    definition::{Fault, FieldDefinition, TypeDefinition},
    value::Scalar,
};

impl Builder<'_> {
    pub(super) fn values(&mut self) -> Vec<ValueType> {
        let ids = (0..self.plan.values.len() as u32).map(ValueId);
        ids.map(|id| self.value_type(id, self.plan.values[id.index()]))
            .collect()
    }

    fn value_type(&mut self, id: ValueId, declared: &TypeDefinition) -> ValueType {
        if self.value_holds(id, id) {
            let message = format!("the value `{}` contains itself", declared.name.value);
            let hint = "give it a key and link it with @ref, or use JSON";
            self.fault(Fault::at(declared.name.span.clone(), message).hint(hint));
        }
        ValueType {
            name: declared.name.value.clone(),
            description: declared.description.clone(),
            fields: declared
                .fields
                .iter()
                .map(|field| self.value_field(declared, field))
                .collect(),
        }
    }

    /// Members of values can be asked for each by itself, which is bounded.
    pub(super) fn check_members(&mut self, catalog: &Catalog) {
        for (at, declared) in self.plan.values.clone().into_iter().enumerate() {
            if catalog.members_in(ValueId(at as u32)) > MEMBERS_MAX {
                let name = &declared.name.value;
                let message =
                    format!("`{name}` has more than {MEMBERS_MAX} members, those of the values in it counted");
                let hint = "make a part of it JSON, or give one of the values a key and link it with @ref";
                self.fault(Fault::at(declared.name.span.clone(), message).hint(hint));
            }
        }
    }

    /// Whether a value has, at any depth, a field of type `target`.
    fn value_holds(&self, from: ValueId, target: ValueId) -> bool {
        let mut open = vec![from];
        let mut seen: Vec<ValueId> = Vec::new();
        while let Some(next) = open.pop() {
            for field in &self.plan.values[next.index()].fields {
                match self.plan.meaning(&field.ty.name) {
                    Some(Meaning::Value(inner)) if inner == target => return true,
                    Some(Meaning::Value(inner)) if !seen.contains(&inner) => {
                        seen.push(inner);
                        open.push(inner);
                    }
                    _ => {}
                }
            }
        }
        false
    }

    fn value_field(&mut self, owner: &TypeDefinition, field: &FieldDefinition) -> ValueField {
        self.refuse_search_in_value(owner, field);
        let list = field.ty.list.map(|item_required| List { item_required });
        let kind = match self.plan.meaning(&field.ty.name) {
            Some(Meaning::Leaf(leaf)) => ValueFieldKind::Leaf { leaf, list },
            Some(Meaning::Value(value)) => ValueFieldKind::Value { value, list },
            Some(Meaning::Entity(_)) if !field.broken && !self.plan.may_be_nested(&owner.name.value) => {
                let message = format!(
                    "`{}` has no key, so it cannot link to `{}`",
                    owner.name.value, field.ty.name
                );
                let hint = format!("give `{}` a key with @id, or nest it with @nested", owner.name.value);
                self.fault(Fault::at(field.ty.span.clone(), message).hint(hint));
                stand_in()
            }
            _ => stand_in(),
        };
        ValueField {
            name: field.name.value.clone(),
            description: field.description.clone(),
            deprecated: deprecated(field.directive("deprecated")),
            kind,
            required: field.ty.required,
            selection: {
                self.no_css(field, "a value");
                self.selection(field, "select", false)
            },
        }
    }
}

/// What takes the place of a field about which a fault is known.
fn stand_in() -> ValueFieldKind {
    ValueFieldKind::Leaf {
        leaf: Leaf::Scalar(Scalar::String),
        list: None,
    }
}
