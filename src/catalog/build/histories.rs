//! `@history`: types whose rows' past versions are kept. Knows which types can have it; no table.

use super::Builder;
use crate::{
    catalog::{Catalog, EntityId},
    definition::{Directive, Fault, TypeDefinition},
};

/// Arguments that root fields have beside those of the key, where the past is kept.
const ARGUMENTS: [&str; 4] = ["asOf", "ago", "first", "offset"];

impl Builder<'_> {
    /// Notes which types have it, once it is known which are nested and which are of groups.
    pub(super) fn histories(&mut self, catalog: &mut Catalog) {
        for id in self.plan.entity_ids() {
            let declared = self.plan.entity(id).definition;
            if let Some(directive) = declared.directive("history") {
                self.check_history(id, declared, directive);
            }
            let has_history = self.has_history(id);
            if has_history {
                self.check_arguments(id, declared);
            }
            if let Some(entity) = catalog.entities.get_mut(id.index()) {
                entity.history = has_history;
            }
        }
        for declared in self.plan.values.clone() {
            if let Some(directive) = declared.directive("history") {
                let name = &declared.name.value;
                let message = format!("`@history` cannot stand on `{name}`, which has no rows of its own");
                let hint = "give it to the type that holds the value: its rows are kept whole";
                self.fault(Fault::at(directive.span.clone(), message).hint(hint));
            }
        }
    }

    /// Whether the past of a type's rows is kept, by what it says or what it is nested in.
    pub(super) fn has_history(&self, id: EntityId) -> bool {
        let outermost = self.plan.entity(self.outermost(id)).definition;
        outermost.directive("history").is_some()
    }

    /// The type in whose rows all others stand that lie around one; a type that is nested in itself
    /// is reported.
    fn outermost(&self, id: EntityId) -> EntityId {
        let mut at = id;
        for _ in self.plan.entity_ids() {
            match &self.plan.entity(at).owner {
                Some(owner) if owner.entity != id => at = owner.entity,
                _ => break,
            }
        }
        at
    }

    fn check_history(&mut self, id: EntityId, declared: &TypeDefinition, directive: &Directive) {
        let planned = self.plan.entity(id);
        let name = &declared.name.value;
        let mut faults = Vec::new();
        let fault = |message: String, hint: String| Fault::at(directive.span.clone(), message).hint(hint);
        if let Some(owner) = &planned.owner {
            let owner = self.plan.name(owner.entity);
            let message = format!("`{name}` is nested in `{owner}`, and its past goes with that of its owner");
            let hint = format!("write @history on `{owner}`, or on what that is nested in");
            faults.push(fault(message, hint));
        }
        if declared.directive("rollup").is_some() {
            let message = format!("the rows of `{name}` are computed, and no past of them is kept");
            let hint = "write @history on the type whose rows are grouped, and group those as of a moment";
            faults.push(fault(message, hint.to_owned()));
        }
        self.faults.extend(faults);
    }

    fn check_arguments(&mut self, id: EntityId, declared: &TypeDefinition) {
        let mut faults = Vec::new();
        let planned = self.plan.entity(id);
        let key = planned.key.iter();
        let key = key.filter_map(|field| declared.fields.get(field.index()));
        for field in key.filter(|field| ARGUMENTS.contains(&field.name.value.as_str())) {
            let name = &field.name.value;
            let message = format!("`{name}` is a part of the key of a type with `@history`");
            let hint = format!(
                "root fields of such a type have an argument `{name}`; choose another name and add `@select(jq: \".{name}\")`"
            );
            faults.push(Fault::at(field.name.span.clone(), message).hint(hint));
        }
        self.faults.extend(faults);
    }
}
