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

    fn code_of(query: &str) -> Option<Code> {
        let served = Served::of(&testing::catalog()).expect("the farm's schema");
        let refused = admit(&served, &Limits::default(), query).err()?;
        refused.first().map(|error| error.code)
    }

    /// `levels` fragments, each spreading the next one `width` times.
    fn fragment_bomb(levels: usize, width: usize) -> String {
        let mut text = String::from("{ items { ...F0 } }");
        for level in 0..levels {
            let spread = format!(" a: seller {{ sells {{ ...F{} }} }}", level + 1);
            let spreads: String = (0..width)
                .map(|at| spread.replace(" a:", &format!(" a{at}:")))
                .collect();
            text.push_str(&format!(" fragment F{level} on Item {{{spreads} }}"));
        }
        text.push_str(&format!(" fragment F{levels} on Item {{ id }}"));
        text
    }

    fn repeated_bomb(levels: usize, width: usize) -> String {
        let mut text = String::from("{ items { ...F0 } }");
        for level in 0..levels {
            let spreads = format!(" ...F{}", level + 1).repeat(width);
            text.push_str(&format!(" fragment F{level} on Item {{{spreads} }}"));
        }
        text.push_str(&format!(" fragment F{levels} on Item {{ id name }}"));
        text
    }

    #[test]
    fn hostile_documents_are_refused() {
        let nested = |open: &str, count: usize| format!("{{ items(where: {} }}", open.repeat(count));
        let closed = |open: &str, inner: &str, close: &str, count: usize| {
            format!(
                "{{ items(where: {}{inner}{}) {{ id }} }}",
                open.repeat(count),
                close.repeat(count)
            )
        };
        let aliases: String = (0..50_000).map(|at| format!("a{at}:__typename ")).collect();
        let few_aliases: String = (0..101).map(|at| format!("a{at}:__typename ")).collect();
        let circular = "{ items { ...A } } fragment A on Item { ...B } fragment B on Item { ...A }";
        let types = "fields { type { ".repeat(6) + "name" + &" } }".repeat(6);
        let cases = [
            ("1,500 nested lists", nested("[", 1_500), Code::TooComplex),
            ("50,000 nested lists", nested("[", 50_000), Code::TooComplex),
            ("1,500 nested objects", nested("{a:", 1_500), Code::TooComplex),
            ("50,000 nested objects", nested("{not:", 50_000), Code::TooComplex),
            ("100 closed nots", closed("{not:", "{}", "}", 100), Code::TooComplex),
            ("fragments 7 x 10", repeated_bomb(7, 10), Code::TooComplex),
            ("fragments 9 x 10", repeated_bomb(9, 10), Code::TooComplex),
            ("fragments 30 x 2", repeated_bomb(30, 2), Code::TooComplex),
            ("aliased fragments 9 x 3", fragment_bomb(9, 3), Code::TooComplex),
            ("50,000 aliases", format!("{{ {aliases} }}"), Code::TooComplex),
            ("101 aliases", format!("{{ {few_aliases} }}"), Code::TooComplex),
            (
                "21 root fields",
                format!("{{ {} }}", "__typename ".repeat(21)),
                Code::TooComplex,
            ),
            (
                "3 schemas",
                "{ a: __schema { description } b: __schema { description } c: __schema { description } }".to_owned(),
                Code::TooComplex,
            ),
            ("circular fragments", circular.to_owned(), Code::ValidationFailed),
            ("5,000 deep selections", "{ items ".repeat(5_000), Code::TooComplex),
            (
                "20 deep selections",
                format!(
                    "{{ items {}id {} }}",
                    "{ seller { sells ".repeat(12) + "{ ",
                    "} ".repeat(25)
                ),
                Code::TooComplex,
            ),
            (
                "51 directives",
                format!("{{ items {{ id {} }} }}", "@skip(if: false) ".repeat(51)),
                Code::TooComplex,
            ),
            (
                "an unclosed string",
                "{ items(where: {name: {eq: \"abc".to_owned(),
                Code::ParseFailed,
            ),
            (
                "an unclosed block string",
                "{ a(b: \"\"\"abc".to_owned(),
                Code::ParseFailed,
            ),
            ("a stray bracket", "}".to_owned(), Code::ParseFailed),
            ("nothing", String::new(), Code::ParseFailed),
            ("binary", "\u{0}\u{1}{".to_owned(), Code::ParseFailed),
            (
                "an unknown field",
                "{ items { nope } }".to_owned(),
                Code::ValidationFailed,
            ),
            (
                "a mutation",
                "mutation { items { id } }".to_owned(),
                Code::ValidationFailed,
            ),
            (
                "two anonymous operations",
                "{ __typename } { __typename }".to_owned(),
                Code::ValidationFailed,
            ),
        ];
        for (name, query, want) in cases {
            assert_eq!(code_of(&query), Some(want), "{name}");
        }
        // Circular introspection is valid; planning refuses it before it runs.
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
