//! Counts over a parsed document. Knows selections; every fragment is measured once, however often
//! it is spread.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, ast,
    executable::{Operation, Selection, SelectionSet},
};

use crate::graphql::{ApiError, Code, Limits};

/// Counts over the text as it was written: operations, aliases, directives.
pub(super) fn check_source(document: &ast::Document, limits: &Limits) -> Result<(), ApiError> {
    let mut written = Written::default();
    for definition in &document.definitions {
        match definition {
            ast::Definition::OperationDefinition(operation) => {
                written.operations += 1;
                written.directives += operation.directives.len();
                written.count(&operation.selection_set);
            }
            ast::Definition::FragmentDefinition(fragment) => {
                written.directives += fragment.directives.len();
                written.count(&fragment.selection_set);
            }
            _ => {}
        }
    }
    let counts = [
        (
            "operations of the document",
            written.operations,
            limits.operations,
            "operations",
        ),
        ("aliases of the document", written.aliases, limits.aliases, "aliases"),
        (
            "directives of the document",
            written.directives,
            limits.directives,
            "directives",
        ),
    ];
    for (what, found, limit, knob) in counts {
        if found > limit {
            return Err(ApiError::over(what, found, limit, knob));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Written {
    operations: usize,
    aliases: usize,
    directives: usize,
}

impl Written {
    /// Recursion is bounded by `Limits::nesting`, which the lexer has checked.
    fn count(&mut self, selections: &[ast::Selection]) {
        for selection in selections {
            match selection {
                ast::Selection::Field(field) => {
                    self.aliases += usize::from(field.alias.is_some());
                    self.directives += field.directives.len();
                    self.count(&field.selection_set);
                }
                ast::Selection::FragmentSpread(spread) => self.directives += spread.directives.len(),
                ast::Selection::InlineFragment(inline) => {
                    self.directives += inline.directives.len();
                    self.count(&inline.selection_set);
                }
            }
        }
    }
}

/// What a selection set amounts to when every fragment is put in place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Expanded {
    /// Fields at this level.
    width: usize,
    /// Fields at this level and below.
    fields: usize,
    /// Levels below this one.
    depth: usize,
}

impl Expanded {
    fn add(&mut self, other: Expanded) {
        self.width = self.width.saturating_add(other.width);
        self.fields = self.fields.saturating_add(other.fields);
        self.depth = self.depth.max(other.depth);
    }
}

/// Counts over every operation as it would be executed: root fields, all fields, depth.
pub(super) fn check_expanded(document: &ExecutableDocument, limits: &Limits) -> Result<(), ApiError> {
    let mut measured = HashMap::new();
    for operation in document.operations.iter() {
        let found = expand(document, &operation.selection_set, &mut measured);
        let mut roots = operation.root_fields(document);
        if !limits.introspection && roots.any(|field| matches!(field.name.as_str(), "__schema" | "__type")) {
            let message = "this server does not tell its schema (--no-introspection); ask who runs it for a copy";
            return Err(ApiError::new(Code::ValidationFailed, message));
        }
        let schemas = operation.root_fields(document).filter(|field| field.name == "__schema");
        let counts = [
            (
                "root fields of the operation",
                found.width,
                limits.root_fields,
                "root_fields",
            ),
            (
                "__schema fields of the operation",
                schemas.count(),
                limits.schema_fields,
                "schema_fields",
            ),
            (
                "fields of the operation with its fragments expanded",
                found.fields,
                limits.fields,
                "fields",
            ),
            ("nested selections of the operation", found.depth, limits.depth, "depth"),
        ];
        for (what, found, limit, knob) in counts {
            if found > limit {
                return Err(ApiError::over(what, found, limit, knob));
            }
        }
    }
    Ok(())
}

/// Fields of an operation with its fragments expanded.
pub(in crate::graphql) fn fields_of(document: &ExecutableDocument, operation: &Operation) -> usize {
    expand(document, &operation.selection_set, &mut HashMap::new()).fields
}

/// Recursion is bounded: fragments of a valid document do not contain themselves, and each is
/// walked once.
fn expand<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    measured: &mut HashMap<&'a str, Expanded>,
) -> Expanded {
    let mut total = Expanded::default();
    for selection in &set.selections {
        total.add(match selection {
            Selection::Field(field) => {
                let inner = expand(document, &field.selection_set, measured);
                // Introspection has a depth check of its own, and every client's own query is
                // deeper than ours may be.
                let is_introspection = field.name.starts_with("__");
                let nests = !field.selection_set.is_empty() && !is_introspection;
                Expanded {
                    width: 1,
                    fields: inner.fields.saturating_add(1),
                    depth: if nests { inner.depth + 1 } else { 0 },
                }
            }
            Selection::InlineFragment(inline) => expand(document, &inline.selection_set, measured),
            Selection::FragmentSpread(spread) => fragment(document, spread.fragment_name.as_str(), measured),
        });
    }
    total
}

fn fragment<'a>(
    document: &'a ExecutableDocument,
    name: &'a str,
    measured: &mut HashMap<&'a str, Expanded>,
) -> Expanded {
    if let Some(known) = measured.get(name) {
        return *known;
    }
    let found = document.fragments.get(name);
    let total = found.map_or_else(Expanded::default, |fragment| {
        expand(document, &fragment.selection_set, measured)
    });
    measured.insert(name, total);
    total
}
