//! What is refused before any planning. Knows text, tokens and the shape of a document; knows no
//! catalog and no row.
//!
//! In the order of their cost: bytes, then an iterative lexer (tokens, nesting), then the parser
//! and the validator, which recurse and so must never see deep text, then counts over the document
//! with every fragment counted once.

mod descriptions;
mod estimate;
mod lexer;
mod measure;
mod rules;
#[cfg(test)]
pub(super) mod testing;

use apollo_compiler::{
    ExecutableDocument, Name, Schema,
    diagnostic::Diagnostic,
    executable::Operation,
    parser::Parser,
    response::JsonMap,
    validation::{DiagnosticData, Valid},
};

pub(crate) use descriptions::title;
pub(super) use descriptions::without as without_descriptions;
pub(super) use estimate::{Cost, estimate};
pub(super) use measure::fields_of;

use super::{ApiError, Code, Limits, Served, literals::Literals};

/// The parser's own recursion limit: it counts more than brackets, so it lies above
/// `Limits::nesting`.
const PARSER_RECURSION: usize = 200;

/// A document that is safe to plan.
#[derive(Debug)]
pub(super) struct Admitted {
    pub document: Valid<ExecutableDocument>,
    /// What stands in it where a variable might.
    pub literals: Literals,
    operations: Vec<(Option<Name>, Vec<rules::NeverNull>)>,
}

impl Admitted {
    /// Refuses variables that are null where the operation takes none.
    pub(super) fn check_nulls(&self, operation: &Operation, variables: &JsonMap) -> Result<(), ApiError> {
        let of_it = self.operations.iter().filter(|(name, _)| *name == operation.name);
        of_it
            .flat_map(|(_, places)| places)
            .try_for_each(|place| place.check(variables))
    }
}

/// Checks a query's text, parses it and validates it.
pub(super) fn admit(served: &Served, limits: &Limits, query: &str) -> Result<Admitted, Vec<ApiError>> {
    lexer::check(query, limits).map_err(|error| vec![error])?;
    let parsed = Parser::new()
        .recursion_limit(PARSER_RECURSION)
        .token_limit(limits.tokens * 2)
        .parse_ast(without_descriptions(query), "query.graphql")
        .map_err(|found| ApiError::from_diagnostics(Code::ParseFailed, found.errors.iter()))?;
    measure::check_source(&parsed, limits).map_err(|error| vec![error])?;
    let operations = rules::check(&served.schema, &parsed)?;
    let built = parsed
        .to_executable(&served.schema)
        .map_err(|found| ApiError::from_diagnostics(Code::ValidationFailed, found.errors.iter()))?;
    let document = validated(built, &served.schema)?;
    measure::check_expanded(&document, limits).map_err(|error| vec![error])?;
    Ok(Admitted {
        literals: Literals::of(&document),
        document,
        operations,
    })
}

/// Validates a document that has passed our own rules.
fn validated(built: ExecutableDocument, schema: &Valid<Schema>) -> Result<Valid<ExecutableDocument>, Vec<ApiError>> {
    let found = match built.validate(schema) {
        Ok(document) => return Ok(document),
        Err(found) => found,
    };
    let counts = |found: &Diagnostic<DiagnosticData>| !is_of_merged_roots(found.error);
    if found.errors.iter().any(|error| counts(&error)) {
        let errors = found.errors.iter().filter(counts);
        return Err(ApiError::from_diagnostics(Code::ValidationFailed, errors));
    }
    Ok(Valid::assume_valid(found.partial))
}

/// Whether it says that a subscription has several root fields. It counts selections, and a field
/// that is selected twice is one;
/// `rules` counts those.
fn is_of_merged_roots(error: &DiagnosticData) -> bool {
    error.unstable_error_name() == Some("SubscriptionUsesMultipleFields")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graphql::testing;

    fn refusal_of(query: &str) -> Option<ApiError> {
        let served = Served::of(&testing::catalog()).expect("the farm's schema");
        let refused = admit(&served, &Limits::default(), query).err()?;
        refused.into_iter().next()
    }

    fn code_of(query: &str) -> Option<Code> {
        refusal_of(query).map(|error| error.code)
    }

    #[test]
    fn hostile_documents_are_refused() {
        for (name, query, want) in super::testing::documents() {
            let refused = refusal_of(&query).unwrap_or_else(|| panic!("{name} is admitted"));
            assert_eq!(refused.code, want, "{name}");
            // The number, the setting, and a smaller way to ask.
            let told = ["at most ", "; raise it with --limit ", ", or "];
            if want == Code::TooComplex {
                assert!(
                    told.iter().all(|part| refused.message.contains(part)),
                    "{name}: {}",
                    refused.message
                );
            }
        }
        // Circular introspection is valid; planning refuses it before it runs.
        let types = "fields { type { ".repeat(6) + "name" + &" } }".repeat(6);
        assert_eq!(code_of(&format!("{{ __schema {{ types {{ {types} }} }} }}")), None);
    }

    #[test]
    fn ordinary_documents_pass() {
        let cases = [
            "{ items { name image price requiredFor { quantity quest { title } } } }",
            "query Q($id: ID!) { item(id: $id) { ...F } } fragment F on Item { id tags { name items { id } } }",
            "# a comment with { [ (\n{ items(where: {name: {eq: \"}}}\\\"{{{[[[\"}}) { id } }",
            "\"What is there\" query Q(\"How many\" $n: Int = 3) { items(first: $n) { ...F } } \"\"\"a part\"\"\" fragment F on Item { id }",
            "{ items(where: {name: {eq: \"\"\"a block \" with {{{ \\\"\"\" quotes\"\"\"}}) { id } }",
        ];
        for query in cases {
            assert_eq!(code_of(query), None, "{query}");
        }
    }
}
