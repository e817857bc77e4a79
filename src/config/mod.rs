//! Settings: flags, then environment, then defaults. The only module that reads the environment.

mod database;
mod environment;

pub use database::{DatabaseUrl, DatabaseUrlError};
pub use environment::Environment;
