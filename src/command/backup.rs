//! `hayloft backup`.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, text};
use crate::{
    config::{DatabaseSetting, DefinitionSetting},
    store::Store,
};

/// Copies the database as it is at this moment into a file, while it is served and harvested
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  hayloft backup farm-monday.db --database sqlite:farm.db\n\nOf PostgreSQL, pg_dump makes the backups: see docs/backup.md."
)]
pub(super) struct Backup {
    /// The file to make; one that exists is never written over
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let url = self.database.or_beside(&self.definition.schema);
        let made = Store::backup(&url, &self.file).await?;
        text::print(&format!(
            "{}: {} of {url} in {}, checked; change log {} up to {}\n",
            self.file.display(),
            text::bytes(made.bytes),
            text::duration(made.took),
            made.epoch,
            made.head,
        ))
    }
}
