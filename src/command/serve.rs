//! `hayloft serve`, and what it shares with `demo`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    app::{self, DefinitionFiles, Serving},
    config::{
        DatabaseSetting, DefinitionSetting, DestructiveSetting, DocumentSetting, Environment, FilterSetting,
        LimitSetting, ListenSetting, RetentionSetting, StatementSetting,
    },
};

use super::Failure;

/// How to serve, whatever the definition.
#[derive(Args, Debug)]
pub(super) struct ServingSettings {
    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    statements: StatementSetting,

    #[command(flatten)]
    destructive: DestructiveSetting,

    #[command(flatten)]
    listen: ListenSetting,

    #[command(flatten)]
    documents: DocumentSetting,

    #[command(flatten)]
    limits: LimitSetting,

    #[command(flatten)]
    filters: FilterSetting,

    #[command(flatten)]
    retention: RetentionSetting,
}

impl ServingSettings {
    /// What is served: this definition, its database beside `path` unless the settings name one.
    pub(super) fn serving(
        self,
        definition: DefinitionFiles,
        path: &Path,
        watched: Option<PathBuf>,
        environment: Environment,
    ) -> Result<Serving, Failure> {
        if self.documents.trusted_only && self.documents.documents.is_none() {
            let told =
                "error: --trusted-only answers nothing without saved queries; name their folder with --documents";
            return Err(Failure::setup(told));
        }
        Ok(Serving {
            definition,
            watched,
            database: self.database.or_beside(path),
            statements: self.statements,
            access: app::access(self.destructive),
            listen: self.listen,
            documents: self.documents,
            environment,
            filters: self.filters,
            limits: app::limits(&self.limits)?,
            keep: app::retention(&self.retention),
        })
    }
}

/// Harvests on schedule and serves the data, until Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft serve --schema my.graphql --database sqlite:my.db --listen 127.0.0.1:4000")]
pub(super) struct Serve {
    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    settings: ServingSettings,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let path = self.definition.schema;
        let definition = DefinitionFiles::read(&path)?;
        let environment = Environment::of_process();
        let serving = self
            .settings
            .serving(definition, &path, Some(path.clone()), environment)?;
        serving.run(app::shutdown_on_signals()?).await
    }
}
