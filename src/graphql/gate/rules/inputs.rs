//! Values of arguments, and variables in their place: "All Variable Usages Are Allowed" of the
//! specification at every depth.

use std::collections::HashSet;

use apollo_compiler::{Name, Node, ast, schema::ExtendedType};

use super::walk::{NeverNull, Walk, near};
use crate::graphql::input_path::InputPath;

/// What a place in an argument takes.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    ty: &'a ast::Type,
    /// A member of a `@oneOf` input takes no null, whatever its type says.
    never_null: bool,
    /// Where null may stand for what is left out.
    has_default: bool,
}

impl<'a> Place<'a> {
    pub(super) fn plain(ty: &'a ast::Type) -> Place<'a> {
        Place {
            ty,
            never_null: ty.is_non_null(),
            has_default: false,
        }
    }

    pub(super) fn of(definition: &'a ast::InputValueDefinition) -> Place<'a> {
        Place {
            has_default: definition.default_value.is_some(),
            ..Place::plain(&definition.ty)
        }
    }

    /// Its type as it has to be met.
    fn wanted(&self) -> ast::Type {
        match self.never_null {
            true => self.ty.clone().non_null(),
            false => self.ty.clone(),
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn value(&mut self, value: &'a Node<ast::Value>, place: Place<'a>, at: &InputPath) {
        match value.as_ref() {
            ast::Value::Variable(name) => self.usage(name, place, at),
            ast::Value::Null if place.never_null => self.unfit(value, place, at),
            ast::Value::Null => {}
            ast::Value::List(items) if place.ty.is_list() => {
                for (number, item) in items.iter().enumerate() {
                    self.value(item, Place::plain(place.ty.item_type()), &at.item(number));
                }
            }
            // A single value stands for a list of itself.
            _ if place.ty.is_list() => self.value(value, Place::plain(place.ty.item_type()), at),
            _ => self.named(value, place, at),
        }
    }

    /// A literal where a type is wanted that is no list.
    fn named(&mut self, value: &'a Node<ast::Value>, place: Place<'a>, at: &InputPath) {
        let schema = self.schema;
        let name = place.ty.inner_named_type();
        match (schema.types.get(name), value.as_ref()) {
            (Some(ExtendedType::InputObject(input)), ast::Value::Object(members)) => {
                self.once(members, at);
                for (member, value) in members {
                    let Some(definition) = input.fields.get(member) else {
                        let near = near(member, input.fields.keys().map(Name::as_str));
                        self.misplaced(member.location(), at, format!("{name} has no member `{member}`{near}"));
                        continue;
                    };
                    let mut inner = Place::of(definition);
                    inner.never_null |= input.directives.has("oneOf");
                    self.value(value, inner, &at.then(member));
                }
                if input.directives.has("oneOf") && members.len() != 1 {
                    let found = members.len();
                    let message = format!("exactly one member with a value must be given, found {found}");
                    self.misplaced(value.location(), at, message);
                }
            }
            (Some(ExtendedType::Enum(values)), ast::Value::Enum(given)) if values.values.contains_key(given) => {}
            (Some(ExtendedType::Enum(values)), ast::Value::Enum(given)) => {
                let near = near(given, values.values.keys().map(Name::as_str));
                self.misplaced(value.location(), at, format!("{name} has no value `{given}`{near}"));
            }
            (Some(ExtendedType::Scalar(scalar)), given) => {
                let fits = match (scalar.name.as_str(), given) {
                    ("Int", ast::Value::Int(number)) => number.try_to_i32().is_ok(),
                    ("Float", ast::Value::Int(number)) => number.try_to_f64().is_ok(),
                    ("Float", ast::Value::Float(number)) => number.try_to_f64().is_ok(),
                    ("String" | "ID", ast::Value::String(_)) | ("ID", ast::Value::Int(_)) => true,
                    ("Boolean", ast::Value::Boolean(_)) => true,
                    ("Int" | "Float" | "String" | "ID" | "Boolean", _) => false,
                    // Of other scalars the plan knows what fits.
                    _ => true,
                };
                if !fits {
                    self.unfit(value, place, at);
                }
                self.document(value, at);
            }
            (Some(ExtendedType::Enum(values)), ast::Value::String(text))
                if values.values.contains_key(text.as_str()) =>
            {
                let message = format!("expected a value of {name}, found a text; write {text} without quotes");
                self.misplaced(value.location(), at, message);
            }
            (Some(ExtendedType::InputObject(_) | ExtendedType::Enum(_)), _) => self.unfit(value, place, at),
            // An unknown or output type in an input's place cannot be: the schema is valid.
            _ => {}
        }
    }

    /// A literal for a scalar that takes any document.
    fn document(&mut self, value: &'a Node<ast::Value>, at: &InputPath) {
        match value.as_ref() {
            ast::Value::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.document(item, &at.item(number));
                }
            }
            ast::Value::Object(members) => {
                self.once(members, at);
                for (member, value) in members {
                    self.document(value, &at.then(member));
                }
            }
            _ => {}
        }
    }

    /// "Input Object Field Uniqueness" of the specification: which of two would count?
    fn once(&mut self, members: &'a [(Name, Node<ast::Value>)], at: &InputPath) {
        let mut before = HashSet::new();
        for (member, _) in members {
            if !before.insert(member) {
                self.misplaced(member.location(), at, format!("`{member}` is given more than once"));
            }
        }
    }

    fn unfit(&mut self, value: &Node<ast::Value>, place: Place, at: &InputPath) {
        let found = match value.as_ref() {
            ast::Value::Null => "null".to_owned(),
            ast::Value::List(_) => "a list".to_owned(),
            ast::Value::Object(_) => "an object".to_owned(),
            ast::Value::String(_) => "a text".to_owned(),
            other => other.serialize().no_indent().to_string(),
        };
        let message = format!("expected a value of type {}, found {found}", place.wanted());
        self.misplaced(value.location(), at, message);
    }

    /// A variable in a place: its type must fit, and where null does not, its default may stand in
    /// for it.
    fn usage(&mut self, name: &'a Name, place: Place<'a>, at: &InputPath) {
        let operation = self.operation;
        let Some(variable) = operation.variables.iter().find(|variable| variable.name == *name) else {
            let near = near(name, operation.variables.iter().map(|variable| variable.name.as_str()));
            let message = format!(
                "${name} is not declared by the operation{}",
                near.replace("mean `", "mean `$")
            );
            return self.misplaced(name.location(), at, message);
        };
        // An unknown type has a fault of its own.
        if !self.schema.types.contains_key(variable.ty.inner_named_type()) {
            return;
        }
        let wanted = place.wanted();
        let may_be_null = wanted.is_non_null() && !variable.ty.is_non_null();
        let has_default = variable.default_value.as_ref().is_some_and(|value| !value.is_null());
        let fits = match may_be_null {
            true => (has_default || place.has_default) && variable.ty.is_assignable_to(&wanted.clone().nullable()),
            false => variable.ty.is_assignable_to(&wanted),
        };
        if fits {
            if may_be_null {
                self.never_null.push(NeverNull {
                    variable: name.clone(),
                    place: at.to_string(),
                    wanted: wanted.to_string(),
                });
            }
            return;
        }
        let message = format!(
            "${name} is of type {}, and {wanted} is wanted here; declare ${name}: {wanted}",
            variable.ty
        );
        self.misplaced(name.location(), at, message);
    }
}
