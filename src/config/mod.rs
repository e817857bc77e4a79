//! Settings: flags, then environment, then defaults. The only module that reads the environment.

mod database;
mod environment;
mod settings;

pub use database::{DatabaseUrl, DatabaseUrlError, PostgresUrl, StatementTimeout};
pub use environment::Environment;
pub use settings::{
    AllowedOrigin, DatabaseSetting, DefinitionSetting, DestructiveSetting, LimitChange, LimitSetting, ListenSetting,
    LogForm, LogSetting, ReadingSetting, RetentionSetting, StatementSetting,
};
