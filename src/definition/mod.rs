//! SDL text to a `Definition` with spans, and the vocabulary of directives. Knows GraphQL syntax;
//! knows no tables, no HTTP.

mod fault;
mod files;
mod model;
mod parse;
mod render;
pub mod reserved;
mod suggest;
mod values;
mod vocabulary;

pub(crate) use fault::{Fault, in_file_order};
pub(crate) use files::Lines;
pub use files::SourceFile;
pub use model::{
    Definition, Directive, EnumDefinition, EnumValueDefinition, FieldDefinition, FieldType, Literal, LiteralKind, Span,
    Spanned, TypeDefinition,
};
pub(crate) use parse::{TEXT_MAX, parse_partly};
pub use render::render;
pub(crate) use suggest::did_you_mean;
pub use vocabulary::{DIRECTIVES, Entry, entries};
