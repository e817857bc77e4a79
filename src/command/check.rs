//! `hayloft check`.

use std::path::PathBuf;

use clap::Args;

use crate::{
    app::{DocumentFiles, Loaded},
    config::DefinitionSetting,
    graphql::{self, Limits, Served},
};

use super::{Failure, text};

/// Reports every fault of a definition, each with its place and what to do
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft check --schema my.graphql")]
pub(super) struct Check {
    #[command(flatten)]
    definition: DefinitionSetting,

    /// A folder of saved queries, each of which has to fit the definition
    #[arg(long, env = "HAYLOFT_DOCUMENTS", value_name = "FOLDER")]
    documents: Option<PathBuf>,
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
        if let Some(folder) = &self.documents {
            let files = DocumentFiles::read(folder)?;
            let served = Served::of(catalog).map_err(|error| Failure::setup(format!("error: {error}")))?;
            files.check(|query| graphql::admits(catalog, &served, &Limits::default(), query))?;
            let number = text::count(files.len() as u64, "file");
            text::print(&format!("{}: no faults; {number} of saved queries\n", folder.display()))?;
            for (name, title) in files.titles() {
                text::print(&format!("  {name}: {title}\n"))?;
            }
        }
        let mut told = loaded.unfilled().chain(loaded.shared()).chain(loaded.slow_groups());
        told.try_for_each(|told| text::print(&format!("{told}\n")))
    }
}
