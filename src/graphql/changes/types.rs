//! Changes of types, fields, enum values and members. Knows what an answer may give to a client
//! that expects the old.

use apollo_compiler::{
    Name,
    ast::{EnumValueDefinition, FieldDefinition, OperationType, Type},
    collections::{IndexMap, IndexSet},
    schema::{Component, ComponentName, ExtendedType},
};

use super::{Comparison, Pair, pairs};

/// GraphQL's own scalars: a schema holds those that it uses.
const BUILTIN: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

type Fields = IndexMap<Name, Component<FieldDefinition>>;

impl Comparison<'_> {
    /// Which types the operations begin at.
    pub(super) fn roots(&mut self) {
        for operation in [
            OperationType::Query,
            OperationType::Mutation,
            OperationType::Subscription,
        ] {
            let (old, new) = (self.old.root_operation(operation), self.new.root_operation(operation));
            let name = operation.name();
            match (old, new) {
                (Some(old), None) => {
                    let message = format!("the {name} type `{old}` was removed");
                    self.breaking("schema", "ROOT_REMOVED", message);
                }
                (None, Some(new)) => {
                    let message = format!("the {name} type `{new}` was added");
                    self.safe("schema", "ROOT_ADDED", message);
                }
                (Some(old), Some(new)) if old != new => {
                    let message = format!("the {name} type was `{old}` and is `{new}`");
                    self.breaking("schema", "ROOT_CHANGED", message);
                }
                _ => {}
            }
        }
        let (old, new) = (&self.old.schema_definition, &self.new.schema_definition);
        self.description("schema", old.description.as_deref(), new.description.as_deref());
    }

    pub(super) fn types(&mut self) {
        let (old, new) = (self.old, self.new);
        let old = old.types.iter().map(|(name, declared)| (name.as_str(), declared));
        let new = new.types.iter().map(|(name, declared)| (name.as_str(), declared));
        for (name, pair) in pairs(old, new).into_iter().filter(|(name, _)| own(name)) {
            match pair {
                Pair::Removed(old) => {
                    self.breaking(name, "TYPE_REMOVED", format!("the {} was removed", kind(old)));
                }
                Pair::Added(new) => self.safe(name, "TYPE_ADDED", format!("the {} was added", kind(new))),
                Pair::Both(old, new) => self.one_type(name, old, new),
            }
        }
    }

    fn one_type(&mut self, name: &str, old: &ExtendedType, new: &ExtendedType) {
        match (old, new) {
            (ExtendedType::Object(old), ExtendedType::Object(new)) => {
                self.interfaces(name, &old.implements_interfaces, &new.implements_interfaces);
                self.fields(name, &old.fields, &new.fields);
            }
            (ExtendedType::Interface(old), ExtendedType::Interface(new)) => {
                self.interfaces(name, &old.implements_interfaces, &new.implements_interfaces);
                self.fields(name, &old.fields, &new.fields);
            }
            (ExtendedType::Union(old), ExtendedType::Union(new)) => self.members(name, &old.members, &new.members),
            (ExtendedType::Enum(old), ExtendedType::Enum(new)) => self.values(name, &old.values, &new.values),
            (ExtendedType::InputObject(old), ExtendedType::InputObject(new)) => {
                self.input_fields(name, &old.fields, &new.fields);
            }
            (ExtendedType::Scalar(_), ExtendedType::Scalar(_)) => {}
            _ => {
                let message = format!("it was {} and is {}", one(old), one(new));
                return self.breaking(name, "TYPE_CHANGED_KIND", message);
            }
        }
        self.description(
            name,
            old.description().map(|text| &**text),
            new.description().map(|text| &**text),
        );
        self.applied_to_type(name, old.directives(), new.directives());
    }

    fn interfaces(&mut self, name: &str, old: &IndexSet<ComponentName>, new: &IndexSet<ComponentName>) {
        for removed in old.difference(new) {
            let message = format!("it does not implement `{removed}` any more");
            self.breaking(name, "IMPLEMENTED_INTERFACE_REMOVED", message);
        }
        for added in new.difference(old) {
            // A fragment on the interface gives rows that its client has never seen.
            self.dangerous(
                name,
                "IMPLEMENTED_INTERFACE_ADDED",
                format!("it implements `{added}` now"),
            );
        }
    }

    fn members(&mut self, name: &str, old: &IndexSet<ComponentName>, new: &IndexSet<ComponentName>) {
        for removed in old.difference(new) {
            let message = format!("`{removed}` is not among its types any more");
            self.breaking(name, "TYPE_REMOVED_FROM_UNION", message);
        }
        for added in new.difference(old) {
            self.dangerous(name, "TYPE_ADDED_TO_UNION", format!("`{added}` is among its types now"));
        }
    }

    fn values(
        &mut self,
        name: &str,
        old: &IndexMap<Name, Component<EnumValueDefinition>>,
        new: &IndexMap<Name, Component<EnumValueDefinition>>,
    ) {
        let answered = self.answered.contains(name);
        let before = old.iter().map(|(name, value)| (name.as_str(), value));
        let after = new.iter().map(|(name, value)| (name.as_str(), value));
        for (value, pair) in pairs(before, after) {
            let at = format!("{name}.{value}");
            match pair {
                Pair::Removed(_) => self.breaking(&at, "VALUE_REMOVED_FROM_ENUM", "the value was removed"),
                Pair::Added(_) if answered => {
                    let message = "the value was added: clients may meet one that they do not know";
                    self.dangerous(&at, "VALUE_ADDED_TO_ENUM", message);
                }
                Pair::Added(_) => {
                    self.safe(
                        &at,
                        "VALUE_ADDED_TO_ENUM",
                        "the value was added, to an enum that no answer holds",
                    );
                }
                Pair::Both(old, new) => {
                    self.description(&at, old.description.as_deref(), new.description.as_deref());
                    self.applied(&at, &old.directives, &new.directives);
                }
            }
        }
    }

    fn fields(&mut self, name: &str, old: &Fields, new: &Fields) {
        let before = old.iter().map(|(name, field)| (name.as_str(), field));
        let after = new.iter().map(|(name, field)| (name.as_str(), field));
        for (field, pair) in pairs(before, after) {
            let at = format!("{name}.{field}");
            match pair {
                Pair::Removed(old) if old.directives.has("deprecated") => {
                    self.breaking(&at, "FIELD_REMOVED", "the field was removed; it had been deprecated");
                }
                Pair::Removed(_) => self.breaking(&at, "FIELD_REMOVED", "the field was removed"),
                Pair::Added(_) => self.safe(&at, "FIELD_ADDED", "the field was added"),
                Pair::Both(old, new) => self.field(&at, old, new),
            }
        }
    }

    fn field(&mut self, at: &str, old: &FieldDefinition, new: &FieldDefinition) {
        if old.ty != new.ty {
            let message = format!("its type was `{}` and is `{}`", old.ty, new.ty);
            if gives_the_same(&old.ty, &new.ty) {
                self.safe(at, "FIELD_CHANGED_KIND_SAFE", message);
            } else {
                self.breaking(at, "FIELD_CHANGED_KIND", message);
            }
        }
        self.arguments(at, &old.arguments, &new.arguments);
        self.description(at, old.description.as_deref(), new.description.as_deref());
        self.applied(at, &old.directives, &new.directives);
    }
}

/// Whether every answer of the new type is one of the old type: it may only promise more.
fn gives_the_same(old: &Type, new: &Type) -> bool {
    match (old, new) {
        (Type::Named(old), Type::Named(new) | Type::NonNullNamed(new))
        | (Type::NonNullNamed(old), Type::NonNullNamed(new)) => old == new,
        (Type::List(old), Type::List(new) | Type::NonNullList(new))
        | (Type::NonNullList(old), Type::NonNullList(new)) => gives_the_same(old, new),
        _ => false,
    }
}

/// Whether a type is the schema's own, and not GraphQL's.
fn own(name: &str) -> bool {
    !name.starts_with("__") && !BUILTIN.contains(&name)
}

/// `an enum`
fn one(declared: &ExtendedType) -> String {
    let kind = kind(declared);
    let article = if kind.starts_with(['e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn kind(declared: &ExtendedType) -> &'static str {
    match declared {
        ExtendedType::Scalar(_) => "scalar",
        ExtendedType::Object(_) => "object type",
        ExtendedType::Interface(_) => "interface",
        ExtendedType::Union(_) => "union",
        ExtendedType::Enum(_) => "enum",
        ExtendedType::InputObject(_) => "input type",
    }
}
