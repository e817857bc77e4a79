//! What the API shows of a definition: fields that it does not, and names that are no English
//! plurals. Knows `@private` and `@plural`; no text of a schema.

use super::{Builder, plan::Shape};
use crate::{
    catalog::{EntityId, FieldId, Names},
    definition::{Fault, FieldDefinition, TypeDefinition},
};

impl Builder<'_> {
    pub(super) fn check_shown(&mut self) {
        for id in self.plan.entity_ids() {
            let planned = self.plan.entity(id);
            let fields = planned.key.iter();
            let key: Vec<&FieldDefinition> = fields
                .filter_map(|field| planned.definition.fields.get(field.index()))
                .collect();
            for field in key {
                let message = format!("`{}` is a part of the key and cannot be private", field.name.value);
                let hint = "cursors and links show the key; leave @private out, or choose another key with @id";
                self.refuse("private", &field.directives, message, hint);
            }
            self.check_links(id);
            let declared = self.plan.entity(id).definition;
            if let Some(name) = declared
                .directive("plural")
                .and_then(|directive| directive.text("name"))
            {
                let Names { single, by, .. } = names(declared);
                if *name.value == single || *name.value == by {
                    let message = format!("`{}` is what one row is called already", name.value);
                    let hint = format!("choose another, such as `all{}`", declared.name.value);
                    self.fault(Fault::at(name.span.clone(), message).hint(hint));
                }
                let mut letters = name.value.chars();
                let begins = letters.next().is_some_and(|letter| letter.is_ascii_lowercase());
                if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric()) {
                    let message = format!("`{}` is no name for a root field", name.value);
                    let hint = "write a small letter, then letters and digits, such as `people`";
                    self.fault(Fault::at(name.span.clone(), message).hint(hint));
                }
            }
        }
        for declared in self.plan.values.clone() {
            let name = &declared.name.value;
            let message = format!("`@plural` cannot stand on `{name}`, of which there are no lists in the API");
            self.refuse("plural", &declared.directives, message, "leave it out");
            for field in &declared.fields {
                let message = format!("`@private` cannot stand in `{name}`, which is stored and served as a whole");
                let hint = "leave the member out of the value, or make it a field of the type that holds the value";
                self.refuse("private", &field.directives, message, hint);
            }
        }
    }

    /// A link in a key, or one by which rows are found, shows the field that it is held by. Links
    /// in the keys that it leads to are looked at where those are.
    fn check_links(&mut self, id: EntityId) {
        let planned = self.plan.entity(id);
        let mut faults = Vec::new();
        for (at, field) in planned.definition.fields.iter().enumerate() {
            let is_key = planned.key.contains(&FieldId(at as u32));
            let shows = is_key || field.has("unique") && !field.has("private");
            let by = field.directive("ref").and_then(|directive| directive.text("by"));
            let (true, Shape::Reference(target), Some(by)) = (shows, self.plan.shape(field), by) else {
                continue;
            };
            let target = self.plan.entity(target);
            let held = target.definition.field(by.value);
            if !held.is_some_and(|held| held.has("private")) {
                continue;
            }
            let what = if is_key { "is a part of the key" } else { "is unique" };
            let message = format!(
                "`{}` {what} and cannot be held by `{}.{}`, which is private",
                field.name.value, field.ty.name, by.value
            );
            let hint = match is_key {
                true => "cursors and links show the key; leave `by` out, or choose another key with @id",
                false => "rows are found by it; leave `by` or @unique out, or make the link private",
            };
            faults.push(Fault::at(by.span.clone(), message).hint(hint));
        }
        self.faults.extend(faults);
    }

    fn refuse(&mut self, name: &str, directives: &[crate::definition::Directive], message: String, hint: &str) {
        let found = directives.iter().find(|directive| directive.name == name);
        let fault = found.map(|directive| Fault::at(directive.span.clone(), message).hint(hint));
        self.faults.extend(fault);
    }
}

/// The names of a type with a key.
pub(super) fn names(declared: &TypeDefinition) -> Names {
    let plural = declared
        .directive("plural")
        .and_then(|directive| directive.text("name"));
    Names::with(&declared.name.value, plural.map(|plural| plural.value))
}
