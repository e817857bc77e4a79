//! Which documents the operator trusts. Knows flags; reads no file.

use std::path::PathBuf;

use clap::{Args, builder::BoolishValueParser};

/// Trusted documents.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DocumentSetting {
    /// A folder of saved queries: each *.graphql file in it is a document that can be asked for by
    /// its name or its hash (documentId), and one with a single query as /q/<name>.json
    #[arg(long, env = "HAYLOFT_DOCUMENTS", value_name = "FOLDER")]
    pub documents: Option<PathBuf>,

    /// Answer nothing but these documents; the page with GraphiQL is not served then
    #[arg(
        long,
        env = "HAYLOFT_TRUSTED_ONLY",
        value_parser = BoolishValueParser::new(),
        requires = "documents"
    )]
    pub trusted_only: bool,
}
