//! Settings: flags, then environment, then defaults. The only module that reads the environment.

mod database;
mod environment;
mod listen;
mod settings;

pub use database::{DatabaseUrl, DatabaseUrlError, PostgresUrl, StatementTimeout};
pub use environment::Environment;
pub use listen::{AllowedHost, AllowedOrigin, ListenSetting, TrustedProxy};
pub use settings::{
    DatabaseSetting, DefinitionSetting, DestructiveSetting, LimitChange, LimitSetting, LogForm, LogSetting,
    ReadingSetting, RetentionSetting, StatementSetting,
};
