//! SDL text to a `Definition` with spans, and the vocabulary of directives. Knows GraphQL syntax; knows no tables, no HTTP.

mod fault;

pub use fault::{Fault, SourceFile};
