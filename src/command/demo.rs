//! `hayloft demo`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::{
    app::{self, DefinitionFiles},
    config::Environment,
    definition::SourceFile,
    demo::{FARM_DEFINITION, TICK, Upstream},
};

use super::{Failure, serve::ServingSettings};

/// The seed of the demo's world: everybody sees the same farm.
const SEED: u64 = 20_261_121;

/// Starts a stand-in of a game's API, harvests it, and serves it: the whole of Hayloft in one
/// command
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft demo --listen 127.0.0.1:4000 --database sqlite:farm.db")]
pub(super) struct Demo {
    #[command(flatten)]
    settings: ServingSettings,
}

impl Demo {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let shutdown = app::shutdown_on_signals()?;
        let definition = SourceFile {
            path: PathBuf::from("schema.graphql"),
            text: FARM_DEFINITION.to_owned(),
        };
        let definition = DefinitionFiles {
            files: vec![definition],
            folder: PathBuf::from("."),
        };
        let upstream = Upstream::start(SEED, Some(TICK), shutdown.stop.clone())
            .await
            .map_err(|error| Failure::setup(format!("error: the stand-in of the game's API cannot start: {error}")))?;
        tracing::info!("a stand-in of a game's API is on {}", upstream.url());
        let environment = Environment::of_process().with("FARM_URL", upstream.url());
        let path = Path::new("schema.graphql");
        let serving = self.settings.serving(definition, path, None, environment)?;
        serving.run(shutdown).await
    }
}
