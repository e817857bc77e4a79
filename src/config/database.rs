//! The database's address. Knows URL forms; opens nothing.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where the data lives: `sqlite:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    #[error("{0} is a PostgreSQL address: this version keeps its data in SQLite only; use sqlite:PATH")]
    Postgres(String),
    #[error("{0}: databases are sqlite:PATH")]
    Unknown(String),
    #[error("sqlite: needs a path, such as sqlite:farm.db")]
    NoPath,
    #[error("an in-memory database cannot be shared by a writer and its readers; give a file, such as sqlite:farm.db")]
    InMemory,
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// Accepts `sqlite:PATH` and `sqlite://PATH`. Of other addresses only the scheme is repeated: they can hold passwords.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| DatabaseUrlError::Unknown(format!("`{text}` has no scheme")))?;
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() {
                    return Err(DatabaseUrlError::NoPath);
                }
                if path == ":memory:" || path == "memory:" {
                    return Err(DatabaseUrlError::InMemory);
                }
                Ok(DatabaseUrl::Sqlite(PathBuf::from(path)))
            }
            "postgres" | "postgresql" => Err(DatabaseUrlError::Postgres(format!("{scheme}:…"))),
            other => Err(DatabaseUrlError::Unknown(format!("`{other}:` is not supported"))),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        assert_eq!("sqlite:a.db".parse(), sqlite("a.db"));
        assert_eq!("sqlite:///tmp/a.db".parse(), sqlite("/tmp/a.db"));
        assert_eq!("sqlite:".parse::<DatabaseUrl>(), Err(DatabaseUrlError::NoPath));
        assert_eq!(
            "sqlite::memory:".parse::<DatabaseUrl>(),
            Err(DatabaseUrlError::InMemory)
        );
        let secret = "postgres://me:hunter2@db/x".parse::<DatabaseUrl>();
        assert!(!secret.expect_err("refused").to_string().contains("hunter2"));
    }
}
