//! How a command fails: the text and the exit code.

use std::{io::Write, process::ExitCode};

use super::terminal::plain;

/// A failure that ends the program.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
    passes: bool,
    /// The colours in the text are our own.
    coloured: bool,
}

impl Failure {
    /// What was asked for cannot begin: a faulty definition, a setting, a port in use. Exit code 2.
    pub(crate) fn setup(text: impl Into<String>) -> Failure {
        Failure {
            code: 2,
            text: text.into(),
            passes: false,
            coloured: false,
        }
    }

    /// The same for faults of a definition, which are shown in colours where there are any.
    pub(crate) fn faults(text: impl Into<String>) -> Failure {
        Failure {
            coloured: true,
            ..Failure::setup(text)
        }
    }

    /// It began and did not succeed: an upstream that is down, a database that failed. Exit code 1.
    pub(crate) fn work(text: impl Into<String>) -> Failure {
        Failure {
            code: 1,
            text: text.into(),
            passes: false,
            coloured: false,
        }
    }

    /// Nothing failed, but something waits for a person to decide. Exit code 3.
    pub(crate) fn waiting(text: impl Into<String>) -> Failure {
        Failure {
            code: 3,
            text: text.into(),
            passes: false,
            coloured: false,
        }
    }

    /// Whether the same may succeed later although nobody changes anything.
    pub(crate) fn passes(&self) -> bool {
        self.passes
    }

    /// As another process told it.
    pub(super) fn told(code: u8, text: String) -> Failure {
        Failure {
            code,
            text,
            passes: false,
            coloured: false,
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// What happened and what to do.
    pub(crate) fn text(&self) -> &str {
        self.text.trim_end()
    }

    /// The same for a log, which says by itself that it is an error.
    pub(crate) fn bare(&self) -> &str {
        let text = self.text();
        text.strip_prefix("error: ").unwrap_or(text)
    }

    /// Tells it on stderr; gives the exit code.
    pub(crate) fn tell(self) -> ExitCode {
        let text = match self.coloured {
            true => self.text().into(),
            false => plain(self.text()),
        };
        if !text.is_empty() {
            // Nobody may be there to read it; the exit code is told anyway.
            let _ = writeln!(std::io::stderr(), "{text}");
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
        let failure = match error {
            E::Locked(_) | E::Unusable(_) | E::LayoutDiffers(_) => Failure::setup(format!("error: {error}")),
            _ => Failure::work(format!("error: {error}")),
        };
        let passes = matches!(
            error,
            E::Unreachable | E::Crowded | E::Conflict | E::Waited(_) | E::Timeout(_) | E::Full
        );
        Failure { passes, ..failure }
    }
}
