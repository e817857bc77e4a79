//! How a command fails: the text and the exit code.

use std::process::ExitCode;

/// A failure that ends the program.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// What was asked for cannot begin: a faulty definition, a setting, a port in use. Exit code 2.
    pub fn setup(text: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            text: text.into(),
        }
    }

    /// It began and did not succeed: an upstream that is down, a database that failed. Exit code 1.
    pub fn work(text: impl Into<String>) -> Failure {
        Failure {
            code: 1,
            text: text.into(),
        }
    }

    /// Tells it on stderr; gives the exit code.
    pub fn tell(self) -> ExitCode {
        let text = self.text.trim_end();
        if !text.is_empty() {
            eprintln!("{text}");
        }
        ExitCode::from(self.code)
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Failure {
        use crate::store::StoreError as E;
        if let E::Database(cause) = &error {
            tracing::error!(%cause, "the database failed");
        }
        match error {
            E::Locked(_) | E::Unusable(_) | E::LayoutDiffers(_) => Failure::setup(format!("error: {error}")),
            _ => Failure::work(format!("error: {error}")),
        }
    }
}
