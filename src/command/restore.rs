//! `hayloft restore`.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, text};
use crate::{
    config::{DatabaseSetting, DefinitionSetting},
    store::Store,
};

/// Puts a backup in the place of the database, which nobody may be serving
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  hayloft restore farm-monday.db --database sqlite:farm.db --replace\n\nOf PostgreSQL, pg_restore does it: see docs/backup.md."
)]
pub(super) struct Restore {
    /// A file that `hayloft backup` made
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Put it in the place of a database that exists; the older one is kept beside it under another
    /// name
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    definition: DefinitionSetting,

    #[command(flatten)]
    database: DatabaseSetting,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let url = self.database.or_beside(&self.definition.schema);
        let done = Store::restore(&url, &self.file, self.replace).await?;
        let kept = match &done.kept {
            Some(kept) => format!("the older database is kept as {}\n", kept.display()),
            None => String::new(),
        };
        text::print(&format!(
            "{url}: restored from {}, {} in {}; change log {} begins in the place of {}\n{kept}",
            self.file.display(),
            text::bytes(done.bytes),
            text::duration(done.took),
            done.epoch,
            done.old_epoch,
        ))
    }
}
