//! `hayloft check`.

use clap::Args;

use crate::{app::Loaded, config::DefinitionSetting};

use super::{Failure, text};

/// Reports every fault of a definition, each with its place and what to do
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft check --schema my.graphql")]
pub(super) struct Check {
    #[command(flatten)]
    definition: DefinitionSetting,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let catalog = &loaded.catalog;
        text::print(&format!(
            "{}: no faults; {}, {}, {}\n",
            self.definition.schema.display(),
            text::count(catalog.entities.len() as u64, "type"),
            text::count(catalog.fetches.len() as u64, "fetch"),
            text::count(catalog.sources.len() as u64, "source"),
        ))?;
        // No fault: a definition may be written type by type.
        let mut told = loaded.unfilled().chain(loaded.shared());
        told.try_for_each(|told| text::print(&format!("{told}\n")))
    }
}
