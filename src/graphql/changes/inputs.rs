//! Changes of what a client sends: arguments and input fields. Knows which old requests are still
//! taken, and as what.

use apollo_compiler::{
    Name, Node,
    ast::{InputValueDefinition, Type, Value},
    collections::IndexMap,
    schema::Component,
};

use super::{Comparison, Pair, pairs};

/// The names of changes, which differ between arguments and input fields.
struct Kinds {
    noun: &'static str,
    removed: &'static str,
    required_added: &'static str,
    optional_added: &'static str,
    type_changed: &'static str,
    type_changed_safely: &'static str,
    default_added: &'static str,
    default_changed: &'static str,
    default_removed: &'static str,
}

const ARGUMENT: Kinds = Kinds {
    noun: "argument",
    removed: "ARG_REMOVED",
    required_added: "REQUIRED_ARG_ADDED",
    optional_added: "OPTIONAL_ARG_ADDED",
    type_changed: "ARG_CHANGED_KIND",
    type_changed_safely: "ARG_CHANGED_KIND_SAFE",
    default_added: "ARG_DEFAULT_VALUE_ADDED",
    default_changed: "ARG_DEFAULT_VALUE_CHANGE",
    default_removed: "ARG_DEFAULT_VALUE_REMOVED",
};

const INPUT_FIELD: Kinds = Kinds {
    noun: "input field",
    removed: "FIELD_REMOVED",
    required_added: "REQUIRED_INPUT_FIELD_ADDED",
    optional_added: "OPTIONAL_INPUT_FIELD_ADDED",
    type_changed: "FIELD_CHANGED_KIND",
    type_changed_safely: "FIELD_CHANGED_KIND_SAFE",
    default_added: "INPUT_FIELD_DEFAULT_VALUE_ADDED",
    default_changed: "INPUT_FIELD_DEFAULT_VALUE_CHANGE",
    default_removed: "INPUT_FIELD_DEFAULT_VALUE_REMOVED",
};

impl Comparison<'_> {
    /// The arguments of a field or a directive.
    pub(super) fn arguments(
        &mut self,
        owner: &str,
        old: &[Node<InputValueDefinition>],
        new: &[Node<InputValueDefinition>],
    ) {
        let before = old.iter().map(|argument| (argument.name.as_str(), &**argument));
        let after = new.iter().map(|argument| (argument.name.as_str(), &**argument));
        for (name, pair) in pairs(before, after) {
            self.input(&format!("{owner}({name}:)"), pair, &ARGUMENT);
        }
    }

    pub(super) fn input_fields(
        &mut self,
        owner: &str,
        old: &IndexMap<Name, Component<InputValueDefinition>>,
        new: &IndexMap<Name, Component<InputValueDefinition>>,
    ) {
        let before = old.iter().map(|(name, field)| (name.as_str(), &***field));
        let after = new.iter().map(|(name, field)| (name.as_str(), &***field));
        for (name, pair) in pairs(before, after) {
            self.input(&format!("{owner}.{name}"), pair, &INPUT_FIELD);
        }
    }

    fn input(&mut self, at: &str, pair: Pair<InputValueDefinition>, kinds: &Kinds) {
        let noun = kinds.noun;
        match pair {
            Pair::Removed(_) => self.breaking(at, kinds.removed, format!("the {noun} was removed")),
            Pair::Added(new) if new.is_required() => {
                self.breaking(
                    at,
                    kinds.required_added,
                    format!("the {noun} was added, and must be given"),
                );
            }
            Pair::Added(_) => self.dangerous(at, kinds.optional_added, format!("the optional {noun} was added")),
            Pair::Both(old, new) => {
                if *old.ty != *new.ty {
                    let message = format!("its type was `{}` and is `{}`", old.ty, new.ty);
                    if takes_the_same(&old.ty, &new.ty) {
                        self.safe(at, kinds.type_changed_safely, message);
                    } else {
                        self.breaking(at, kinds.type_changed, message);
                    }
                }
                self.default(at, old, new, kinds);
                self.description(at, old.description.as_deref(), new.description.as_deref());
                self.applied(at, &old.directives, &new.directives);
            }
        }
    }

    fn default(&mut self, at: &str, old: &InputValueDefinition, new: &InputValueDefinition, kinds: &Kinds) {
        let shown = |value: &Value| value.serialize().no_indent().to_string();
        match (&old.default_value, &new.default_value) {
            (Some(before), Some(after)) if !same_value(before, after) => {
                let message = format!("its default was `{}` and is `{}`", shown(before), shown(after));
                self.dangerous(at, kinds.default_changed, message);
            }
            // Nobody could leave it out before.
            (None, Some(after)) if old.is_required() => {
                let message = format!("it may be left out now; its default is `{}`", shown(after));
                self.safe(at, kinds.default_added, message);
            }
            (None, Some(after)) => {
                let message = format!("it had no default; now it is `{}`", shown(after));
                self.dangerous(at, kinds.default_added, message);
            }
            (Some(before), None) if new.is_required() => {
                let message = format!("it must be given now; its default was `{}`", shown(before));
                self.breaking(at, kinds.default_removed, message);
            }
            (Some(before), None) => {
                let message = format!("its default was `{}`; now it has none", shown(before));
                self.dangerous(at, kinds.default_removed, message);
            }
            _ => {}
        }
    }
}

/// Whether every value and variable of the old type fits the new one: it may only ask for less.
fn takes_the_same(old: &Type, new: &Type) -> bool {
    match (old, new) {
        (Type::Named(old) | Type::NonNullNamed(old), Type::Named(new))
        | (Type::NonNullNamed(old), Type::NonNullNamed(new)) => old == new,
        (Type::List(old) | Type::NonNullList(old), Type::List(new))
        | (Type::NonNullList(old), Type::NonNullList(new)) => takes_the_same(old, new),
        _ => false,
    }
}

/// Equal values, the order of an object's members aside. The parser bounds their nesting.
fn same_value(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::List(old), Value::List(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_value(old, new))
        }
        (Value::Object(old), Value::Object(new)) => {
            let found = |name: &Name| new.iter().find(|(other, _)| other == name);
            old.len() == new.len()
                && old
                    .iter()
                    .all(|(name, value)| found(name).is_some_and(|(_, other)| same_value(value, other)))
        }
        _ => old == new,
    }
}
