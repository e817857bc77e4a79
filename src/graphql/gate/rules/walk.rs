//! What the walk over one operation carries along, and how a fault is noted. Knows no grammar.

use std::collections::{HashMap, HashSet};

use apollo_compiler::{
    Name, Node, Schema, ast,
    parser::{SourceMap, SourceSpan},
    response::JsonMap,
};

use crate::{
    definition::did_you_mean,
    graphql::{ApiError, Code, input_path::InputPath},
};

/// A place that takes no null, and a variable there that may be null because it has a default.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::graphql) struct NeverNull {
    pub variable: Name,
    pub place: String,
    pub wanted: String,
}

impl NeverNull {
    /// Refuses a null that was given for the variable.
    pub(in crate::graphql) fn check(&self, variables: &JsonMap) -> Result<(), ApiError> {
        if variables
            .get(self.variable.as_str())
            .is_none_or(|value| !value.is_null())
        {
            return Ok(());
        }
        let NeverNull {
            variable,
            place,
            wanted,
        } = self;
        let message =
            format!("${variable} is null, and {wanted} is wanted here; give a value, or leave ${variable} out");
        Err(ApiError::input(place, message))
    }
}

/// The walk over one operation. It recurses into selections and values, whose nesting is bounded,
/// and never from fragment to fragment: those wait for their turn.
pub(super) struct Walk<'a> {
    pub schema: &'a Schema,
    pub sources: &'a SourceMap,
    pub fragments: &'a HashMap<&'a str, &'a Node<ast::FragmentDefinition>>,
    pub operation: &'a Node<ast::OperationDefinition>,
    /// Fragments that were met, with the place of their first spread.
    pub waiting: Vec<(&'a ast::FragmentDefinition, String)>,
    pub visited: HashSet<&'a str>,
    pub faults: Vec<ApiError>,
    pub never_null: Vec<NeverNull>,
}

impl Walk<'_> {
    pub(super) fn fault(&mut self, span: Option<SourceSpan>, message: impl Into<String>) {
        let fault = ApiError::new(Code::ValidationFailed, message).at(span, self.sources);
        self.faults.push(fault);
    }

    /// The same for what stands somewhere in an argument.
    pub(super) fn misplaced(&mut self, span: Option<SourceSpan>, place: &InputPath, message: impl std::fmt::Display) {
        self.fault(span, format!("{place}: {message}"));
    }
}

/// `; did you mean …?` or nothing.
pub(super) fn near<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    did_you_mean(word, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
