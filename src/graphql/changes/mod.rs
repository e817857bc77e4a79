//! What changed in a served API, as its clients feel it. Knows two schemas; knows no definition, no
//! query and no row.
//!
//! The kinds of changes and their severity are those of `findSchemaChanges` in graphql-js, with
//! three refinements: a value that is added to an enum which no answer holds is safe, a directive
//! that no query can use breaks none, and an argument that loses the default it needs is breaking.
//! The order of members is no part of an API.

mod applied;
mod directives;
mod inputs;
mod report;
mod types;

use std::collections::HashSet;

use apollo_compiler::{Schema, ast::OperationType, parser::Parser, schema::ExtendedType};

/// Tokens and nesting of a schema to compare with: bounds for the parser's memory and stack, far
/// above what is served.
const TOKENS_MAX: usize = 20_000_000;
const NESTING_MAX: usize = 64;

/// What a change means for a client that was written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// A query that was valid is refused now, or gives what its client cannot take.
    Breaking,
    /// Queries stay valid, but may mean or give something else.
    Dangerous,
    /// Nobody who does not ask for it notices.
    Safe,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub severity: Severity,
    /// Where, as a schema coordinate: `Item.price`, `Query.items(first:)`, `Rarity.EPIC`, `@oneOf`.
    pub coordinate: String,
    /// Its kind, such as `FIELD_REMOVED`, for programs.
    pub kind: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// All changes, the most severe first, then by their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub list: Vec<Change>,
}

/// A text that is no schema of a served API.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableSchema {
    #[error("it is not the schema of an API, as `hayloft print` writes it\n{0}")]
    Broken(String),
    #[error("it has no type Query, so it is not the schema of an API, as `hayloft print` writes it")]
    NoQuery,
}

/// Reads the SDL of a served API, as `hayloft print` wrote it; `name` is shown in errors.
///
/// Whether it is valid by every rule does not matter: it was served. It must only be readable.
pub fn read(name: &str, text: &str) -> Result<Schema, UnreadableSchema> {
    let mut parser = Parser::new().token_limit(TOKENS_MAX).recursion_limit(NESTING_MAX);
    let schema = parser
        .parse_schema(text, name)
        .map_err(|broken| UnreadableSchema::Broken(broken.errors.to_string()))?;
    match schema.root_operation(OperationType::Query) {
        Some(query) if schema.types.contains_key(query) => Ok(schema),
        _ => Err(UnreadableSchema::NoQuery),
    }
}

/// What changed from one schema to another.
pub fn between(old: &Schema, new: &Schema) -> Changes {
    let mut comparison = Comparison {
        old,
        new,
        answered: answered(old).chain(answered(new)).collect(),
        found: Vec::new(),
    };
    comparison.roots();
    comparison.types();
    comparison.directives();
    let mut list = comparison.found;
    list.sort_by(|a, b| (a.severity, &a.coordinate, a.kind).cmp(&(b.severity, &b.coordinate, b.kind)));
    Changes { list }
}

/// The names of all types that an answer can hold.
fn answered(schema: &Schema) -> impl Iterator<Item = &str> {
    schema.types.values().flat_map(|declared| {
        let fields = match declared {
            ExtendedType::Object(object) => Some(&object.fields),
            ExtendedType::Interface(interface) => Some(&interface.fields),
            _ => None,
        };
        let types = fields.into_iter().flat_map(|fields| fields.values());
        types.map(|field| field.ty.inner_named_type().as_str())
    })
}

/// A comparison under way.
struct Comparison<'s> {
    old: &'s Schema,
    new: &'s Schema,
    /// The types that an answer of either can hold.
    answered: HashSet<&'s str>,
    found: Vec<Change>,
}

impl Comparison<'_> {
    fn add(&mut self, severity: Severity, coordinate: &str, kind: &'static str, message: impl Into<String>) {
        self.found.push(Change {
            severity,
            coordinate: coordinate.to_owned(),
            kind,
            message: message.into(),
        });
    }

    fn breaking(&mut self, coordinate: &str, kind: &'static str, message: impl Into<String>) {
        self.add(Severity::Breaking, coordinate, kind, message);
    }

    fn dangerous(&mut self, coordinate: &str, kind: &'static str, message: impl Into<String>) {
        self.add(Severity::Dangerous, coordinate, kind, message);
    }

    fn safe(&mut self, coordinate: &str, kind: &'static str, message: impl Into<String>) {
        self.add(Severity::Safe, coordinate, kind, message);
    }

    fn description(&mut self, coordinate: &str, old: Option<&str>, new: Option<&str>) {
        if old != new {
            let message = match (old, new) {
                (None, _) => "it has a description now",
                (_, None) => "it has no description any more",
                _ => "its description changed",
            };
            self.safe(coordinate, "DESCRIPTION_CHANGED", message);
        }
    }
}

/// A member of either side, or of both.
enum Pair<'a, T> {
    Removed(&'a T),
    Added(&'a T),
    Both(&'a T, &'a T),
}

/// Members of both sides joined by their names: those of the old side in their order, then what was
/// added.
fn pairs<'a, T: 'a>(
    old: impl Iterator<Item = (&'a str, &'a T)>,
    new: impl Iterator<Item = (&'a str, &'a T)>,
) -> Vec<(&'a str, Pair<'a, T>)> {
    let new: Vec<(&str, &T)> = new.collect();
    let by_name: std::collections::HashMap<&str, &T> = new.iter().copied().collect();
    let mut seen = HashSet::new();
    let mut joined = Vec::new();
    for (name, before) in old {
        seen.insert(name);
        joined.push(match by_name.get(name) {
            Some(after) => (name, Pair::Both(before, *after)),
            None => (name, Pair::Removed(before)),
        });
    }
    let added = new.into_iter().filter(|(name, _)| !seen.contains(name));
    joined.extend(added.map(|(name, after)| (name, Pair::Added(after))));
    joined
}
