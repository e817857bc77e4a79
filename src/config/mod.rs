//! Settings: flags, then environment, then defaults. The only module that reads the environment.

mod database;
mod documents;
mod environment;
mod listen;
mod settings;

pub(crate) use database::{DatabaseUrl, DatabaseUrlError, PostgresUrl, StatementTimeout};
pub(crate) use documents::DocumentSetting;
pub(crate) use environment::Environment;
pub(crate) use listen::{AllowedHost, AllowedOrigin, ListenSetting, TrustedProxy};
pub(crate) use settings::{
    DatabaseSetting, DefinitionSetting, DestructiveSetting, FilterSetting, LimitChange, LimitSetting, LogForm,
    LogSetting, ReplaySetting, RetentionSetting, StatementSetting, TapeSetting,
};
