//! `hayloft explain`.

use clap::Args;

use crate::{
    app::{self, Loaded},
    config::{DatabaseSetting, DefinitionSetting, LimitSetting, StatementSetting},
    graphql::{ApiError, read_json},
    store::Access,
};

use super::{Failure, text};

/// Shows how a query is answered: its plan, its SQL, and the database's own plan
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft explain '{ items(first: 3) { name requiredFor { quest { title } } } }'")]
pub(super) struct Explain {
    /// The GraphQL operation
    query: String,

    /// Which operation, where the text has several
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,

    /// Its variables, as a JSON object
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    statements: StatementSetting,

    #[command(flatten)]
    limits: LimitSetting,
}

impl Explain {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let variables = match &self.variables {
            None => None,
            Some(text) => read_json(text.as_bytes())
                .map(Some)
                .map_err(|error| Failure::setup(format!("error: --variables is not a JSON object: {error}")))?,
        };
        let limits = app::limits(&self.limits)?;
        let loaded = Loaded::read(&self.definition.schema)?;
        let url = self.database.or_beside(&self.definition.schema);
        let store = loaded.open(&url, Access::Read, self.statements).await?;
        let api = loaded.api(&store, limits)?;
        let explained = api.explain(&self.query, self.operation, variables).await;
        store.close().await;
        text::print(&explained.map_err(refused)?)
    }
}

/// The errors that a client would get, a line each.
fn refused(errors: Vec<ApiError>) -> Failure {
    let lines: Vec<String> = errors.iter().map(|error| format!("error: {}", error.message)).collect();
    let lines = lines.join("\n").replace("by operationName", "by --operation NAME");
    Failure::setup(lines)
}
