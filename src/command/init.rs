//! `hayloft init`. Knows where a first definition is put; not what it means.

use std::{fs::OpenOptions, io::Write as _, path::PathBuf};

use clap::Args;

use super::{Failure, text};

/// A definition to begin with: `check` has nothing against it.
pub(super) const FIRST: &str = include_str!("first.graphql");
/// Its name, which all commands look for.
const NAME: &str = "schema.graphql";

/// Writes a first definition with comments, to be changed into your own
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft init farm && hayloft check --schema farm/schema.graphql")]
pub(super) struct Init {
    /// The folder; it is made if it is not there
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

impl Init {
    pub(super) fn run(self) -> Result<(), Failure> {
        let path = self.folder.join(NAME);
        let cannot = |error: std::io::Error| {
            Failure::setup(format!(
                "error: cannot write {}: {error}; give another folder, or take away what is there",
                path.display()
            ))
        };
        std::fs::create_dir_all(&self.folder).map_err(cannot)?;
        // A definition that is there already is never written over.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(cannot)?;
        file.write_all(FIRST.as_bytes()).map_err(cannot)?;
        text::print(&format!(
            "{} is written; change it, and `hayloft check --schema {0}` tells what is wrong in it\n",
            path.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::{catalog, definition, definition::SourceFile};

    #[test]
    fn the_first_definition_has_no_faults() {
        let files = [SourceFile {
            path: super::NAME.into(),
            text: super::FIRST.to_owned(),
        }];
        let loaded = catalog::load(&files);
        assert!(
            loaded.is_ok(),
            "{}",
            definition::render(&files, &loaded.err().unwrap_or_default(), false)
        );
    }
}
