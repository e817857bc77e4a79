//! The names in a document, the values of its arguments, and how it uses its variables, against the
//! served schema. Knows the grammar and the specification; knows no catalog and no row.
//!
//! Validation proper is apollo-compiler's. This comes before it: it says where in an argument
//! something stands and which name was perhaps meant, it is strict where that is not (variables
//! inside lists and input objects, `@oneOf`), and it finds the variables that must not be null
//! although their types allow it.

mod inputs;
mod subscription;
mod walk;

use std::collections::{HashMap, HashSet};

use apollo_compiler::{Name, Node, Schema, ast, schema::ExtendedType};

use crate::graphql::{ApiError, Code, input_path::InputPath};

pub(super) use walk::NeverNull;
use walk::{Walk, near};

/// The places of each operation, in the order of the document.
pub(super) type Operations = Vec<(Option<Name>, Vec<NeverNull>)>;

/// Checks a document; gives the places of each operation that take no null.
pub(super) fn check(schema: &Schema, document: &ast::Document) -> Result<Operations, Vec<ApiError>> {
    let mut fragments = HashMap::new();
    for definition in &document.definitions {
        if let ast::Definition::FragmentDefinition(fragment) = definition {
            fragments.entry(fragment.name.as_str()).or_insert(fragment);
        }
    }
    let mut faults: Vec<ApiError> = Vec::new();
    let mut operations = Vec::new();
    for definition in &document.definitions {
        let ast::Definition::OperationDefinition(operation) = definition else {
            continue;
        };
        let mut walk = Walk {
            schema,
            sources: &document.sources,
            fragments: &fragments,
            operation,
            waiting: Vec::new(),
            visited: HashSet::new(),
            faults: Vec::new(),
            never_null: Vec::new(),
        };
        walk.operation();
        // A fragment's faults are those of each operation that spreads it.
        walk.faults.retain(|fault| !faults.contains(fault));
        faults.append(&mut walk.faults);
        operations.push((operation.name.clone(), walk.never_null));
    }
    match faults.is_empty() {
        true => Ok(operations),
        false => Err(ApiError::at_most(faults, Code::ValidationFailed)),
    }
}

impl<'a> Walk<'a> {
    fn operation(&mut self) {
        let operation = self.operation;
        for variable in &operation.variables {
            self.variable(variable);
        }
        let kind = operation.operation_type.name();
        self.directives(&operation.directives, &InputPath::root(kind));
        let Some(root) = self.schema.root_operation(operation.operation_type) else {
            return;
        };
        self.selections(&operation.selection_set, root, None);
        while let Some((fragment, place)) = self.waiting.pop() {
            let place = (!place.is_empty()).then(|| InputPath::root(&place));
            self.directives(&fragment.directives, &InputPath::root(&fragment.name));
            if self.is_type(&fragment.type_condition) {
                self.selections(&fragment.selection_set, &fragment.type_condition, place.as_ref());
            }
        }
        self.one_root();
    }

    fn variable(&mut self, variable: &'a ast::VariableDefinition) {
        let name = format!("${}", variable.name);
        let place = InputPath::root(&name);
        if self.is_type(variable.ty.inner_named_type())
            && let Some(default) = &variable.default_value
        {
            self.value(default, inputs::Place::plain(&variable.ty), &place);
        }
        self.directives(&variable.directives, &place);
    }

    /// Whether there is a type of this name; a fault if not.
    fn is_type(&mut self, name: &'a Name) -> bool {
        let known = self.schema.types.contains_key(name);
        if !known {
            let types = self.schema.types.keys().map(Name::as_str);
            let near = near(name, types.filter(|name| !name.starts_with("__")));
            self.fault(name.location(), format!("there is no type `{name}`{near}"));
        }
        known
    }

    /// `at` is the place of the field whose selection it is; none for the roots.
    fn selections(&mut self, selections: &'a [ast::Selection], parent: &str, at: Option<&InputPath>) {
        for selection in selections {
            match selection {
                ast::Selection::Field(field) => self.field(field, parent, at),
                ast::Selection::InlineFragment(inline) => {
                    self.directives(&inline.directives, at.unwrap_or(&InputPath::root("...")));
                    match &inline.type_condition {
                        Some(name) if !self.is_type(name) => {}
                        Some(name) => self.selections(&inline.selection_set, name, at),
                        None => self.selections(&inline.selection_set, parent, at),
                    }
                }
                ast::Selection::FragmentSpread(spread) => self.spread(spread, at),
            }
        }
    }

    fn spread(&mut self, spread: &'a ast::FragmentSpread, at: Option<&InputPath>) {
        let name = &spread.fragment_name;
        self.directives(&spread.directives, at.unwrap_or(&InputPath::root(name)));
        match self.fragments.get(name.as_str()) {
            Some(&fragment) => {
                if self.visited.insert(name.as_str()) {
                    let place = at.map(ToString::to_string).unwrap_or_default();
                    self.waiting.push((fragment.as_ref(), place));
                }
            }
            None => {
                let near = near(name, self.fragments.keys().copied());
                self.fault(name.location(), format!("there is no fragment `{name}`{near}"));
            }
        }
    }

    fn field(&mut self, field: &'a ast::Field, parent: &str, at: Option<&InputPath>) {
        let key = field.response_name();
        let place = match at {
            Some(at) => at.below(key),
            None => InputPath::root(key),
        };
        self.directives(&field.directives, &place);
        let schema = self.schema;
        let Ok(definition) = schema.type_field(parent, &field.name) else {
            return self.unknown_field(field, parent);
        };
        let of = format!("{parent}.{}", field.name);
        self.arguments(&field.arguments, &definition.arguments, &of, &place);
        let inner = definition.ty.inner_named_type();
        self.selections(&field.selection_set, inner, Some(&place));
    }

    fn unknown_field(&mut self, field: &ast::Field, parent: &str) {
        // A selection of what has no fields is for validation to refuse.
        let (fields, below) = match self.schema.types.get(parent) {
            Some(ExtendedType::Object(object)) => (&object.fields, ""),
            Some(ExtendedType::Interface(interface)) => (
                &interface.fields,
                "; ask for fields of a type below `... on` and its name",
            ),
            _ => return,
        };
        let name = &field.name;
        let near = match near(name, fields.keys().map(Name::as_str)) {
            near if near.is_empty() => below.to_owned(),
            near => near,
        };
        self.fault(
            name.location(),
            format!("type `{parent}` does not have a field `{name}`{near}"),
        );
    }

    fn directives(&mut self, directives: &'a ast::DirectiveList, at: &InputPath) {
        let schema = self.schema;
        for directive in directives.iter() {
            let name = &directive.name;
            let Some(definition) = schema.directive_definitions.get(name) else {
                let near = near(name, schema.directive_definitions.keys().map(Name::as_str));
                self.fault(name.location(), format!("there is no directive `@{name}`{near}"));
                continue;
            };
            let of = format!("@{name}");
            self.arguments(&directive.arguments, &definition.arguments, &of, &at.below(&of));
        }
    }

    fn arguments(
        &mut self,
        given: &'a [Node<ast::Argument>],
        defined: &'a [Node<ast::InputValueDefinition>],
        of: &str,
        at: &InputPath,
    ) {
        for argument in given {
            let name = &argument.name;
            match defined.iter().find(|definition| definition.name == *name) {
                Some(definition) => self.value(&argument.value, inputs::Place::of(definition), &at.then(name)),
                None => {
                    let near = near(name, defined.iter().map(|definition| definition.name.as_str()));
                    self.fault(
                        name.location(),
                        format!("`{of}` does not have an argument `{name}`{near}"),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
