//! Why packed data is not read, in the words that a person is told, on its way through readers.
//! Knows nothing of what it is about.

use std::io;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(String);

impl Unreadable {
    pub(super) fn error(words: impl Into<String>) -> io::Error {
        io::Error::other(Unreadable(words.into()))
    }

    /// The words of an error that has some.
    pub(super) fn words(error: &io::Error) -> Option<&str> {
        let inner = error.get_ref()?.downcast_ref::<Unreadable>()?;
        Some(&inner.0)
    }
}
