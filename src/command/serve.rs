//! `hayloft serve`.

use clap::Args;

use crate::{
    app::{self, Loaded, Serving},
    config::{DatabaseSetting, DefinitionSetting, Environment, LimitSetting, ListenSetting},
};

use super::Failure;

/// Harvests on schedule and serves the data, until Ctrl-C
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft serve --schema my.graphql --database sqlite:my.db --listen 127.0.0.1:4000")]
pub struct Serve {
    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,

    #[command(flatten)]
    listen: ListenSetting,

    #[command(flatten)]
    limits: LimitSetting,
}

impl Serve {
    pub async fn run(self) -> Result<(), Failure> {
        let serving = Serving {
            loaded: Loaded::read(&self.definition.schema)?,
            database: self.database.or_beside(&self.definition.schema),
            listen: self.listen,
            environment: Environment::of_process(),
            limits: app::limits(&self.limits)?,
        };
        serving.run(app::shutdown_on_signals()?).await
    }
}
