//! The settings that commands share, each declared once with its flag, variable and default.

use std::{path::PathBuf, str::FromStr};

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

    /// A host name to answer to although the address is a loopback one, for a reverse proxy; repeatable
    #[arg(long, env = "HAYLOFT_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub allow_host: Vec<String>,
}

/// What one request may ask for.
#[derive(Args, Clone, Debug)]
pub struct LimitSetting {
    /// A limit of the API, such as rows=5000000 or request_timeout=60s; may be given several times. Errors name the
    /// limit that they are about
    #[arg(
        long = "limit",
        env = "HAYLOFT_LIMITS",
        value_name = "NAME=VALUE",
        value_delimiter = ','
    )]
    pub limits: Vec<LimitChange>,
}

/// `NAME=VALUE`; which names there are is for others to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitChange {
    pub name: String,
    pub value: String,
}

impl FromStr for LimitChange {
    type Err = String;

    fn from_str(text: &str) -> Result<LimitChange, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("a limit is written NAME=VALUE, such as rows=5000000")?;
        Ok(LimitChange {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
        })
    }
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
