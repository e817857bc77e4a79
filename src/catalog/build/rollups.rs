//! Fields that are computed of other rows (`@rollup`). Knows what can be computed, and as which
//! type; the conditions are in `conditions`.

use super::{
    Builder,
    plan::{Meaning, Shape},
};
use crate::{
    catalog::{Catalog, EntityId, FieldId, FieldKind, Function, Leaf, Rolled, Rollup},
    definition::{Directive, Fault, FieldDefinition, Literal, Span, TypeDefinition, did_you_mean},
    value::Scalar,
};

/// The directives that say where a value comes from, or that it is told apart by.
const OTHERS: [&str; 9] = [
    "select", "ref", "inverse", "closure", "nested", "fetch", "id", "unique", "search",
];

impl Builder<'_> {
    /// A rollup is one value that no record says.
    pub(super) fn rollup_alone(&mut self, field: &FieldDefinition) -> Option<()> {
        let Some(rollup) = field.directive("rollup") else {
            return Some(());
        };
        if let Some(other) = OTHERS.iter().find_map(|name| field.directive(name)) {
            let message = format!("`@rollup` and `@{}` exclude each other", other.name);
            let hint = "the value is computed of other rows: no record says it, and several rows may have the same";
            self.fault(Fault::at(other.span.clone(), message).hint(hint));
            return None;
        }
        if let (Some(Meaning::Leaf(_)), None) = (self.plan.meaning(&field.ty.name), field.ty.list) {
            return Some(());
        }
        let fault = Fault::at(rollup.span.clone(), "a rollup is one number, text, time or Boolean");
        self.fault(fault.hint("give the field the type that its function gives"));
        None
    }

    /// Reads all rollups, once the kinds of all fields are known.
    pub(super) fn rollups(&mut self, catalog: &mut Catalog) {
        for id in self.plan.entity_ids() {
            let declared = self.plan.entity(id).definition;
            for (at, field) in declared.fields.iter().enumerate().filter(|(_, field)| !field.broken) {
                let Some(directive) = field.directive("rollup").filter(|directive| !directive.broken) else {
                    continue;
                };
                // What else it may be is refused where it is built.
                let alone = self.plan.shape(field) == Shape::Leaf && OTHERS.iter().all(|name| !field.has(name));
                if !alone || field.ty.list.is_some() {
                    continue;
                }
                let rollup = self.rollup(id, field, directive, catalog);
                if matches!(
                    rollup.as_ref().map(|rollup| rollup.what),
                    Some(Rolled::Of(Function::Min | Function::Max, _))
                ) {
                    self.refuse_long_in_index(declared, field);
                }
                let entity = catalog.entities.get_mut(id.index());
                if let Some(field) = entity.and_then(|entity| entity.fields.get_mut(at)) {
                    field.rollup = rollup;
                }
            }
        }
    }

    /// A text may be longer than an index holds. Where a record brings it, its row is refused; here
    /// it would come of another row, whose refusal nobody would understand.
    pub(super) fn refuse_long_in_index(&mut self, declared: &TypeDefinition, field: &FieldDefinition) {
        let long = [Scalar::String, Scalar::Id, Scalar::Url];
        if !long.iter().any(|scalar| field.ty.name == scalar.name()) {
            return;
        }
        let named = |directive: &&Directive| {
            let fields = directive.argument("fields").map(Literal::items).unwrap_or_default();
            let mut words = fields
                .iter()
                .filter_map(|item| item.as_text()?.value.split_whitespace().next());
            directive.name == "index" && words.any(|word| word == field.name.value)
        };
        let of_type = declared.directives.iter().filter(named);
        for directive in field.directive("index").into_iter().chain(of_type) {
            let message = format!(
                "`{}.{}` may be a longer text than an index holds",
                declared.name.value, field.name.value
            );
            let fault = Fault::at(directive.span.clone(), message);
            self.fault(
                fault.hint("a text of other rows cannot be indexed here; put `@index` on the field that it is of"),
            );
        }
    }

    fn rollup(
        &mut self,
        id: EntityId,
        field: &FieldDefinition,
        directive: &Directive,
        catalog: &Catalog,
    ) -> Option<Rollup> {
        self.no_groups_of_fields(directive);
        let (of, target) = self.rows_of(id, directive, catalog)?;
        let Some(word) = directive.text("fn") else {
            let fault = Fault::at(directive.span.clone(), "`@rollup` on a field needs `fn`");
            self.fault(fault.hint("say what is computed, such as `fn: COUNT`"));
            return None;
        };
        let (what, gives) = self.rolled(target, directive, catalog, word.value)?;
        let filter = match directive.argument("where") {
            Some(conditions) => Some(self.bounded_conditions(target, conditions, catalog)?),
            None => None,
        };
        self.fits(field, word.value, gives)?;
        Some(Rollup {
            of,
            target,
            what,
            filter,
            text: text(directive),
        })
    }

    /// The rows that a field is computed of: those behind a field of its type, or those of the
    /// group that its row stands for.
    fn rows_of(
        &mut self,
        id: EntityId,
        directive: &Directive,
        catalog: &Catalog,
    ) -> Option<(Option<FieldId>, EntityId)> {
        let declared = self.plan.entity(id).definition;
        if declared.directive("rollup").is_none() {
            let of = self.list_of(id, directive, catalog)?;
            let target = catalog.entity(id).field(of).kind.target()?;
            if self.plan.entity(target).definition.directive("rollup").is_some() {
                let message = format!("the rows of `{}` are computed themselves", self.plan.name(target));
                let fault = Fault::at(directive.span.clone(), message);
                self.fault(fault.hint("a rollup is of what records say; compute this one where you read"));
                return None;
            }
            return Some((Some(of), target));
        }
        let groups = catalog.entity(id).groups.as_ref()?;
        if let Some((of, _)) = directive.arguments.iter().find(|(name, _)| name.value == "of") {
            let message = format!(
                "`{}` is of groups, and its fields compute of those",
                declared.name.value
            );
            self.fault(Fault::at(of.span.clone(), message).hint("leave `of` out"));
            return None;
        }
        Some((None, groups.of))
    }

    /// The field whose rows are counted.
    fn list_of(&mut self, id: EntityId, directive: &Directive, catalog: &Catalog) -> Option<FieldId> {
        let declared = self.plan.entity(id).definition;
        let Some(named) = directive.text("of") else {
            let fault = Fault::at(directive.span.clone(), "`@rollup` on a field needs `of`");
            self.fault(fault.hint(format!("name a to-many field of `{}`", declared.name.value)));
            return None;
        };
        let at = self.field_of(declared, named.value, &named.span)?;
        let kind = &catalog.entity(id).field(FieldId(at as u32)).kind;
        let name = &declared.name.value;
        if matches!(kind, FieldKind::Closure { .. }) {
            let message = format!(
                "`{name}.{}` is a closure, which is followed when it is read",
                named.value
            );
            self.fault(Fault::at(named.span, message).hint("ask for `count` or an aggregate in the query"));
            return None;
        }
        if kind.is_to_many() {
            return Some(FieldId(at as u32));
        }
        let (message, hint) = match (self.plan.shape(declared.fields.get(at)?), kind) {
            // Its fault is told where it is built.
            (Shape::Links(_) | Shape::Nested(_) | Shape::Broken, _) => return None,
            (Shape::Inverse(_) | Shape::Closure(_), FieldKind::Leaf { .. }) => return None,
            (Shape::Reference(_) | Shape::Inverse(_), _) => (
                format!("`{name}.{}` leads to one row, and a rollup is of many", named.value),
                "name a list of rows: @inverse, @ref, @nested or @fetch",
            ),
            _ => (
                format!("`{name}.{}` leads to no rows", named.value),
                "name a list of rows: @inverse, @ref, @nested or @fetch",
            ),
        };
        self.fault(Fault::at(named.span, message).hint(hint));
        None
    }

    /// The place of a field among those of a type.
    pub(super) fn field_of(&mut self, declared: &TypeDefinition, name: &str, span: &Span) -> Option<usize> {
        let found = declared.fields.iter().position(|field| field.name.value == name);
        if found.is_none() {
            let fault = Fault::at(span.clone(), format!("`{}` has no field `{name}`", declared.name.value));
            let near = did_you_mean(name, declared.fields.iter().map(|field| field.name.value.as_str()));
            self.fault(match near {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault.hint(format!("name a field of `{}`", declared.name.value)),
            });
        }
        found
    }

    /// What is computed, and the type of what that gives: its name, and whether it is always there.
    fn rolled(
        &mut self,
        target: EntityId,
        directive: &Directive,
        catalog: &Catalog,
        word: &str,
    ) -> Option<(Rolled, (String, bool))> {
        let function = match word {
            "COUNT" | "EXISTS" => {
                if let Some((field, _)) = directive.arguments.iter().find(|(name, _)| name.value == "field") {
                    let fault = Fault::at(field.span.clone(), format!("`{word}` is of rows, and takes no `field`"));
                    let hint = "leave it out; `where: {…: {isNull: false}}` counts rows that have a value, COUNT_DISTINCT values";
                    self.fault(fault.hint(hint));
                    return None;
                }
                return Some(match word {
                    "COUNT" => (Rolled::Count, (Scalar::Int.name().to_owned(), true)),
                    _ => (Rolled::Exists, (Scalar::Boolean.name().to_owned(), true)),
                });
            }
            "COUNT_DISTINCT" => Function::CountDistinct,
            "SUM" => Function::Sum,
            "AVG" => Function::Avg,
            "MIN" => Function::Min,
            _ => Function::Max,
        };
        let declared = self.plan.entity(target).definition;
        let Some(named) = directive.text("field") else {
            let fault = Fault::at(directive.span.clone(), format!("`{word}` needs `field`"));
            self.fault(fault.hint(format!("name a field of `{}`", declared.name.value)));
            return None;
        };
        let at = self.field_of(declared, named.value, &named.span)?;
        let field = declared.fields.get(at)?;
        let message = format!("`{}.{}`", declared.name.value, named.value);
        let (message, hint) = match (self.plan.shape(field), self.plan.meaning(&field.ty.name)) {
            (Shape::Broken, _) => return None,
            _ if field.has("rollup") => (
                format!("{message} is a rollup itself"),
                "a rollup is of what records say; compute this one where you read",
            ),
            (Shape::Leaf, Some(Meaning::Leaf(leaf))) if field.ty.list.is_none() => match function.of(leaf) {
                Some(gives) => {
                    let name = match (function, leaf) {
                        (Function::Min | Function::Max, Leaf::Enum(of)) => catalog.enumeration(of).name.clone(),
                        _ => gives.name().to_owned(),
                    };
                    let what = Rolled::Of(function, FieldId(at as u32));
                    return Some((what, (name, function == Function::CountDistinct)));
                }
                None => (
                    format!("`{word}` says nothing of {message}, which is `{}`", field.ty.name),
                    "SUM and AVG are of numbers and durations, MIN and MAX of what `gt` compares, COUNT_DISTINCT of all but JSON",
                ),
            },
            _ => (
                format!("{message} is no single value"),
                "name a scalar or enum of the rows themselves",
            ),
        };
        self.fault(Fault::at(named.span, message).hint(hint));
        None
    }

    /// Whether the field has the type of what is computed.
    fn fits(&mut self, field: &FieldDefinition, word: &str, (name, required): (String, bool)) -> Option<()> {
        if field.ty.name == name && field.ty.required == required {
            return Some(());
        }
        let wanted = if required { format!("{name}!") } else { name };
        let message = match required {
            true => format!("`{word}` gives `{wanted}`"),
            false => format!("`{word}` gives `{wanted}`, null where no row has a value"),
        };
        let fault = Fault::at(field.ty.span.clone(), message);
        self.fault(fault.hint(format!("write `{}: {wanted}`", field.name.value)));
        None
    }
}

/// A rollup in one line.
fn text(directive: &Directive) -> String {
    let word = |name: &str| directive.text(name).map(|word| word.value);
    let field = match (word("of"), word("field")) {
        (Some(of), Some(field)) => format!("{of}.{field}"),
        (of, field) => of.or(field).unwrap_or_default().to_owned(),
    };
    let filter = directive
        .argument("where")
        .map(|conditions| format!(" where {}", conditions.shown()));
    format!(
        "{}({field}){}",
        word("fn").unwrap_or_default(),
        filter.unwrap_or_default()
    )
}
