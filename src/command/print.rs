//! `hayloft print`.

use clap::Args;

use crate::{app::Loaded, config::DefinitionSetting, graphql};

use super::{Failure, text};

/// Prints the GraphQL schema that is served
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft print --schema my.graphql > served.graphql")]
pub struct Print {
    #[command(flatten)]
    definition: DefinitionSetting,
}

impl Print {
    pub fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let sdl = graphql::Served::of(&loaded.catalog)
            .map(|served| served.sdl().to_owned())
            .map_err(|error| Failure::work(error.to_string()))?;
        text::print(&sdl)
    }
}
