//! An error as a client sees it. Knows GraphQL's error format; knows no cause that is not meant for
//! the public.

use apollo_compiler::{
    diagnostic::Diagnostic,
    parser::{SourceMap, SourceSpan},
    request::RequestError,
    response::GraphQLError,
    validation::DiagnosticData,
};
use serde_json::json;

use crate::store::{Beyond, StoreError};

/// Diagnostics shown of one document: more would only repeat its first mistakes.
const DIAGNOSTICS_MAX: usize = 20;
/// What to do about too many rows.
pub(super) const TOO_MANY: &str = ", cut the lists with first, or filter by key";
/// What to do about an answer that is too large.
pub(super) const TOO_LARGE: &str = ", cut the lists with first, or select fewer fields";

/// What to do beside raising a limit. Of what has more to say where it is found there is nothing
/// here.
fn smaller(knob: &str) -> &'static str {
    match knob {
        "query_bytes" => ", or send large values as variables",
        "tokens" | "fields" | "aliases" | "root_fields" => ", or ask for it in several operations",
        "operations" => ", or send only the operation that is meant",
        "nesting" | "filter_depth" => ", or write it with fewer parts within parts",
        "depth" => ", or ask for the rows that are far away by their keys",
        "schema_fields" => ", or ask for __type by name",
        "directives" => ", or put @include and @skip on what encloses the fields",
        "conditions" => ", or compare with a list: `in` is one condition",
        "operands" => ", or ask in several operations, with a part of the list each",
        "text_letters" | "pattern_letters" => ", or look for a part of it",
        "spool_bytes" => ", or cut the lists with first",
        _ => "",
    }
}

/// What kind of failure it was: `extensions.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    ParseFailed,
    ValidationFailed,
    BadUserInput,
    TooComplex,
    OperationResolution,
    MethodNotAllowed,
    TooManySubscriptions,
    Overloaded,
    Timeout,
    DefinitionReplaced,
    DocumentNotFound,
    DocumentNotTrusted,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    Internal,
}

impl Code {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Code::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Code::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Code::BadUserInput => "BAD_USER_INPUT",
            Code::TooComplex => "TOO_COMPLEX",
            Code::OperationResolution => "OPERATION_RESOLUTION_FAILURE",
            Code::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Code::TooManySubscriptions => "TOO_MANY_SUBSCRIPTIONS",
            Code::Overloaded => "OVERLOADED",
            Code::Timeout => "TIMEOUT",
            Code::DefinitionReplaced => "DEFINITION_REPLACED",
            Code::DocumentNotFound => "DOCUMENT_NOT_FOUND",
            Code::DocumentNotTrusted => "DOCUMENT_NOT_TRUSTED",
            Code::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Code::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Code::Internal => "INTERNAL",
        }
    }

    /// Whether the same may be answered a little later.
    pub(super) fn passes(self) -> bool {
        self.is_execution() || self == Code::Overloaded
    }

    /// Whether the request was read, and does not fit what it is asked of.
    pub(crate) fn is_unfit(self) -> bool {
        matches!(
            self,
            Code::ValidationFailed | Code::BadUserInput | Code::TooComplex | Code::OperationResolution
        )
    }

    /// Whether it was found while running: the answer then has `data: null` instead of no `data`.
    pub(crate) fn is_execution(self) -> bool {
        matches!(self, Code::Timeout | Code::DefinitionReplaced | Code::Internal)
    }
}

/// One entry of `errors`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    pub message: String,
    pub code: Code,
    /// Line and column in the query's text, from 1.
    pub locations: Vec<(usize, usize)>,
    /// Response keys, for an error of one field.
    pub path: Vec<String>,
}

impl ApiError {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> ApiError {
        ApiError {
            message: message.into(),
            code,
            locations: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Over a bound of [`super::Limits`]: says which, how far, and how to ask for less.
    pub(crate) fn over(
        what: &str,
        found: impl std::fmt::Display,
        limit: impl std::fmt::Display,
        knob: &str,
    ) -> ApiError {
        let smaller = smaller(knob);
        let message = format!("{what}: {found}, at most {limit} are allowed; raise it with --limit {knob}=…{smaller}");
        ApiError::new(Code::TooComplex, message)
    }

    /// The same with some advice at its end.
    #[must_use]
    pub(super) fn with(mut self, advice: &str) -> ApiError {
        self.message.push_str(advice);
        self
    }

    /// An argument or operand that does not fit; `place` is the path to it, such as
    /// `items.where.price.eq`.
    pub(crate) fn input(place: impl std::fmt::Display, message: impl std::fmt::Display) -> ApiError {
        ApiError::new(Code::BadUserInput, format!("{place}: {message}"))
    }

    /// Takes the name away that is suggested: whoever is not told the schema could learn it name by
    /// name.
    pub(super) fn suggest_nothing(&mut self) {
        if let Some(at) = self.message.find("; did you mean ") {
            self.message.truncate(at);
        }
    }

    #[must_use]
    pub(crate) fn at(mut self, span: Option<SourceSpan>, sources: &SourceMap) -> ApiError {
        if self.locations.is_empty() {
            let place = span.and_then(|span| span.line_column(sources));
            self.locations = place.map(|place| (place.line, place.column)).into_iter().collect();
        }
        self
    }

    pub(super) fn from_graphql(code: Code, error: GraphQLError) -> ApiError {
        let places = error.locations.iter();
        ApiError {
            message: error.message,
            code,
            locations: places.map(|place| (place.line, place.column)).collect(),
            path: Vec::new(),
        }
    }

    pub(super) fn from_request(code: Code, error: &RequestError, sources: &SourceMap) -> ApiError {
        ApiError::from_graphql(code, error.to_graphql_error(sources))
    }

    pub(super) fn from_diagnostics<'s>(
        code: Code,
        found: impl Iterator<Item = Diagnostic<'s, DiagnosticData>>,
    ) -> Vec<ApiError> {
        let errors = found.map(|diagnostic| ApiError::from_graphql(code, diagnostic.to_json()));
        ApiError::at_most(errors.collect(), code)
    }

    /// Not more of a document's errors than anybody reads, and how many more there are.
    pub(super) fn at_most(mut errors: Vec<ApiError>, code: Code) -> Vec<ApiError> {
        let more = errors.len().saturating_sub(DIAGNOSTICS_MAX);
        errors.truncate(DIAGNOSTICS_MAX);
        if more > 0 {
            errors.push(ApiError::new(code, format!("and {more} more errors")));
        }
        errors
    }

    /// The public side of a store's failure; the cause goes to the log.
    pub(super) fn from_store(error: &StoreError) -> ApiError {
        if let StoreError::Beyond(beyond) = error {
            return ApiError::beyond(beyond);
        }
        if let StoreError::BeforeHistory { .. } = error {
            return ApiError::new(Code::BadUserInput, error.to_string());
        }
        let code = match error {
            StoreError::Timeout(_) | StoreError::Waited(_) => Code::Timeout,
            StoreError::TooLarge(_) => Code::TooComplex,
            StoreError::Replaced => Code::DefinitionReplaced,
            _ => Code::Internal,
        };
        // That the store has told once.
        if code == Code::DefinitionReplaced {
            return ApiError::new(code, error.to_string());
        }
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::error!(error = %error, cause, "a read failed");
        ApiError::new(code, error.to_string())
    }

    /// An answer that was stopped while it was made.
    fn beyond(beyond: &Beyond) -> ApiError {
        match beyond {
            Beyond::Rows { found, most } => {
                let error = ApiError::over("rows when the answer was stopped", *found, *most, "rows");
                error.with(TOO_MANY)
            }
            Beyond::Bytes { found, most } => {
                let error = ApiError::over("bytes of the answer when it was stopped", *found, *most, "answer_bytes");
                error.with(TOO_LARGE)
            }
            Beyond::Steps { closure, most } => {
                let message = format!(
                    "rows of `{closure}` lie more than {most} steps away, which is the `maxDepth` of its `@closure`; raise it in the \
                     definition, or follow the link itself as far as is wanted"
                );
                ApiError::new(Code::TooComplex, message)
            }
        }
    }

    /// In the form of the specification.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut entry = json!({ "message": self.message });
        if let Some(object) = entry.as_object_mut() {
            if !self.locations.is_empty() {
                let places = self.locations.iter();
                let places: Vec<_> = places
                    .map(|(line, column)| json!({ "line": line, "column": column }))
                    .collect();
                object.insert("locations".to_owned(), places.into());
            }
            if !self.path.is_empty() {
                object.insert("path".to_owned(), self.path.clone().into());
            }
            object.insert("extensions".to_owned(), json!({ "code": self.code.as_str() }));
        }
        entry
    }
}
