//! `hayloft print`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};

use crate::{
    app::Loaded,
    config::DefinitionSetting,
    graphql::{
        self,
        changes::{self, Changes, Severity},
    },
};

use super::{Failure, text};

/// Bytes of a schema to compare with: the largest definition serves less.
const SCHEMA_MAX: u64 = 64 << 20;

/// Prints the GraphQL schema that is served, or what changed in it
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hayloft print --schema my.graphql > served.graphql\n  \
                        hayloft print --schema my.graphql --check served.graphql\n\n\
                        Exit codes of --check: 0 when clients of the old API go on working, 1 when a change is as severe \
                        as --fail-on says, 2 when a file cannot be read.")]
pub(super) struct Print {
    #[command(flatten)]
    definition: DefinitionSetting,

    /// Instead, list what changed since this schema was printed: breaking, dangerous and safe
    /// changes
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,

    /// List the changes as JSON
    #[arg(long, requires = "check")]
    json: bool,

    /// From which severity on a change is a failure
    #[arg(long, requires = "check", value_name = "SEVERITY", default_value = "breaking")]
    fail_on: FailOn,
}

/// The severities that can fail a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// What clients of the old API cannot take
    Breaking,
    /// Also what may mean something else to them
    Dangerous,
}

impl Print {
    pub(super) fn run(self) -> Result<(), Failure> {
        let loaded = Loaded::read(&self.definition.schema)?;
        let served = graphql::Served::of(&loaded.catalog).map_err(|error| Failure::work(error.to_string()))?;
        let Some(path) = &self.check else {
            return text::print_as_it_is(served.sdl());
        };
        let before = read(path)?;
        let before = changes::read(&path.display().to_string(), &before)
            .map_err(|error| Failure::setup(format!("error: cannot compare with {}: {error}", path.display())))?;
        let changes = changes::between(&before, &served.schema);
        text::print(&if self.json { changes.json() } else { changes.text() })?;
        self.judge(&changes, path)
    }

    fn judge(&self, changes: &Changes, path: &Path) -> Result<(), Failure> {
        let breaking = changes.count(Severity::Breaking);
        let dangerous = changes.count(Severity::Dangerous);
        let fails = breaking > 0 || (self.fail_on == FailOn::Dangerous && dangerous > 0);
        if fails {
            return Err(Failure::work(format!(
                "error: not compatible with {}: {}",
                path.display(),
                changes.counted()
            )));
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let failure = |error: &dyn std::fmt::Display| {
        Failure::setup(format!(
            "error: cannot read {}: {error}; `hayloft print > {}` writes it",
            path.display(),
            path.display()
        ))
    };
    let file = std::fs::File::open(path).map_err(|error| failure(&error))?;
    let mut text = String::new();
    let mut limited = file.take(SCHEMA_MAX + 1);
    limited.read_to_string(&mut text).map_err(|error| failure(&error))?;
    if text.len() as u64 > SCHEMA_MAX {
        return Err(failure(&format!("it is larger than {SCHEMA_MAX} bytes")));
    }
    Ok(text)
}
