//! The settings that commands share, each declared once with its flag, variable and default.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DatabaseUrl;

/// Where the definition is.
#[derive(Args, Clone, Debug)]
pub struct DefinitionSetting {
    /// The definition: your types and where their rows come from
    #[arg(long, env = "HAYLOFT_SCHEMA", value_name = "FILE", default_value = "schema.graphql")]
    pub schema: PathBuf,
}

/// Where the data lives.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSetting {
    /// The database, such as sqlite:farm.db [default: a file beside the definition, its name ending in .db]
    #[arg(long, env = "HAYLOFT_DATABASE", value_name = "URL")]
    pub database: Option<DatabaseUrl>,
}

impl DatabaseSetting {
    /// The database that was asked for, else the file beside the definition.
    pub fn or_beside(&self, definition: &std::path::Path) -> DatabaseUrl {
        self.database
            .clone()
            .unwrap_or_else(|| DatabaseUrl::Sqlite(definition.with_extension("db")))
    }
}

/// Where to serve.
#[derive(Args, Clone, Debug)]
pub struct ListenSetting {
    /// The address to serve on
    #[arg(long, env = "HAYLOFT_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4000")]
    pub listen: String,
}

/// How to log.
#[derive(Args, Clone, Debug)]
pub struct LogSetting {
    /// The form of the log on stderr
    #[arg(
        long,
        env = "HAYLOFT_LOG",
        value_name = "FORM",
        default_value = "text",
        global = true
    )]
    pub log: LogForm,

    /// What to log, such as info, debug or hayloft::harvest=trace
    #[arg(
        long,
        env = "HAYLOFT_LOG_LEVEL",
        value_name = "FILTER",
        default_value = "info",
        global = true
    )]
    pub log_level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    /// Lines for a person
    Text,
    /// One JSON object a line
    Json,
}
