//! The database's address. Knows URL forms; opens nothing.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

/// Where the data lives: `sqlite:PATH` or `postgres://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A PostgreSQL address. It may hold a password, so that it shows only server and database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl {
    url: url::Url,
    /// Our own options, which stand in the address beside the driver's: `pool=8`,
    /// `statement_timeout=10s`.
    pub pool: Option<usize>,
    pub statement_timeout: Option<Duration>,
}

impl PostgresUrl {
    /// The address without our own options, password included: for the driver alone.
    pub(crate) fn secret(&self) -> &url::Url {
        &self.url
    }
}

/// Connections that answer operations, at most: more would only wait for the server's processors.
const POOL_MAX: usize = 200;
/// What takes longer is no question that somebody waits for.
const STATEMENT_TIMEOUT_MAX: Duration = Duration::from_secs(86_400);

impl fmt::Display for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "postgres://{}", self.url.host_str().unwrap_or_default())?;
        if let Some(port) = self.url.port() {
            write!(out, ":{port}")?;
        }
        write!(out, "{}", self.url.path())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PostgresUrl({self})")
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DatabaseUrlError {
    #[error("the PostgreSQL address cannot be read: {0}; it is written postgres://user:password@host:5432/database")]
    Postgres(&'static str),
    #[error("the PostgreSQL address has an option `{0}`, which Hayloft does not know; there are {known}", known = OPTIONS.join(", "))]
    Option(String),
    #[error("{0} is not a database that Hayloft can use: give sqlite:PATH or postgres://user@host/database")]
    Other(&'static str),
    #[error(
        "`{0}` does not say which database it is: for a file write sqlite:{0}, for a server postgres://user@host/database"
    )]
    NoScheme(String),
    #[error("{0}: databases are sqlite:PATH or postgres://user@host/database")]
    Unknown(String),
    #[error("sqlite: needs a path, such as sqlite:farm.db")]
    NoPath,
    #[error("an in-memory database cannot be shared by a writer and its readers; give a file, such as sqlite:farm.db")]
    InMemory,
}

/// The options of an address: ours, and those of the driver's that make sense here. It would only
/// warn of others, with their values in the log: and one letter less in `sslmode` is a connection
/// without encryption.
const OPTIONS: &[&str] = &[
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "user",
    "password",
    "options",
    "pool",
    "statement_timeout",
];

/// Schemes that people may try, by the names of their databases.
const OTHERS: &[(&str, &str)] = &[
    ("mysql", "MySQL"),
    ("mariadb", "MariaDB"),
    ("mssql", "Microsoft SQL Server"),
    ("sqlserver", "Microsoft SQL Server"),
    ("oracle", "Oracle"),
    ("mongodb", "MongoDB"),
    ("mongodb+srv", "MongoDB"),
    ("redis", "Redis"),
    ("duckdb", "DuckDB"),
    ("libsql", "libSQL"),
];

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    /// Accepts `sqlite:PATH`, `sqlite://PATH`, `postgres://…` and `postgresql://…`. Of other
    /// addresses only the scheme is repeated: they can hold passwords.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text
            .split_once(':')
            .ok_or_else(|| DatabaseUrlError::NoScheme(text.to_owned()))?;
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
            "postgres" | "postgresql" => postgres(text).map(DatabaseUrl::Postgres),
            other => Err(match OTHERS.iter().find(|(scheme, _)| *scheme == other) {
                Some((_, name)) => DatabaseUrlError::Other(name),
                None => DatabaseUrlError::Unknown(format!("`{other}:` is not supported")),
            }),
        }
    }
}

/// Checks what can be checked without the server; the rest of the address is the driver's.
fn postgres(text: &str) -> Result<PostgresUrl, DatabaseUrlError> {
    let url = url::Url::parse(text).map_err(|_| DatabaseUrlError::Postgres("it is no URL"))?;
    if url.cannot_be_a_base() {
        return Err(DatabaseUrlError::Postgres("`//` is missing after the colon"));
    }
    if url.path().trim_start_matches('/').is_empty() {
        return Err(DatabaseUrlError::Postgres(
            "the name of a database is missing at its end",
        ));
    }
    let mut read = PostgresUrl {
        url: url.clone(),
        pool: None,
        statement_timeout: None,
    };
    read.url.set_query(None);
    for (name, value) in url.query_pairs() {
        match &*name {
            "pool" => read.pool = Some(pool(&value)?),
            "statement_timeout" => {
                let timeout: StatementTimeout = value.parse().map_err(DatabaseUrlError::Postgres)?;
                read.statement_timeout = Some(timeout.0);
            }
            known if OPTIONS.contains(&known) => {
                read.url.query_pairs_mut().append_pair(&name, &value);
            }
            other => return Err(DatabaseUrlError::Option(other.to_owned())),
        }
    }
    verify_certificates(&mut read.url)?;
    Ok(read)
}

/// Whoever gives a certificate of an authority wants the server's to be checked. As in libpq,
/// `require` then means
/// `verify-ca`; the modes that may go without encryption would make the certificate a decoration.
fn verify_certificates(url: &mut url::Url) -> Result<(), DatabaseUrlError> {
    let given = |name: &str| url.query_pairs().any(|(option, _)| option == name);
    if !given("sslrootcert") {
        return Ok(());
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mode = pairs.iter().find(|(option, _)| option == "sslmode");
    match mode.map(|(_, mode)| mode.as_str()) {
        Some("verify-ca" | "verify-full") => return Ok(()),
        Some("require") => {}
        _ => {
            return Err(DatabaseUrlError::Postgres(
                "sslrootcert is only looked at with sslmode=verify-full, verify-ca or require",
            ));
        }
    }
    let raised = pairs.iter().map(|(option, value)| match option.as_str() {
        "sslmode" => (option.as_str(), "verify-ca"),
        option => (option, value.as_str()),
    });
    url.query_pairs_mut().clear().extend_pairs(raised);
    Ok(())
}

fn pool(text: &str) -> Result<usize, DatabaseUrlError> {
    let number = text.parse().ok().filter(|number| (1..=POOL_MAX).contains(number));
    number.ok_or(DatabaseUrlError::Postgres(
        "pool is a number of connections from 1 to 200",
    ))
}

/// The longest that one statement may read: `10s`, `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatementTimeout(pub Duration);

impl FromStr for StatementTimeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<StatementTimeout, Self::Err> {
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s').unwrap_or_default(), 1_000),
        };
        let number = number.parse::<u32>().ok().filter(|number| *number > 0);
        let timeout = number.map(|number| Duration::from_millis(u64::from(number) * unit));
        let timeout = timeout.filter(|timeout| *timeout <= STATEMENT_TIMEOUT_MAX);
        timeout
            .map(StatementTimeout)
            .ok_or("statement_timeout is a time such as 10s or 500ms, and at most a day (86400s)")
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(out, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(url) => write!(out, "{url}"),
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
        for other in [
            "mysql://me:hunter2@db/x",
            "postgres:hunter2",
            "postgres://me:hunter2@db",
        ] {
            let error = other.parse::<DatabaseUrl>().expect_err("refused").to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let named = "mysql://db/x".parse::<DatabaseUrl>().expect_err("refused");
        assert!(named.to_string().starts_with("MySQL "), "{named}");
    }

    #[test]
    fn passwords_are_not_shown() {
        let url: DatabaseUrl = "postgresql://me:hunter2@db:5433/farm?sslmode=require&password=hunter2"
            .parse()
            .expect("an address");
        assert_eq!(url.to_string(), "postgres://db:5433/farm");
        assert!(!format!("{url:?}").contains("hunter2"));
    }

    #[test]
    fn our_own_options_are_taken_out() {
        let url = "postgres://db/farm?pool=8&sslmode=require&statement_timeout=1500ms";
        let Ok(DatabaseUrl::Postgres(url)) = url.parse() else {
            panic!("an address")
        };
        assert_eq!(
            (url.pool, url.statement_timeout),
            (Some(8), Some(Duration::from_millis(1_500)))
        );
        assert_eq!(url.secret().query(), Some("sslmode=require"));
        for option in [
            "pool=0",
            "pool=many",
            "statement_timeout=5",
            "statement_timeout=0s",
            "statement_timeout=86401s",
        ] {
            assert!(
                format!("postgres://db/farm?{option}").parse::<DatabaseUrl>().is_err(),
                "{option}"
            );
        }
    }

    #[test]
    fn unknown_options_are_refused_without_their_values() {
        for option in ["sslmod", "passwd", "sslpassword", "dbname", "application_name"] {
            let url = format!("postgres://db/farm?{option}=hunter2");
            let error = url.parse::<DatabaseUrl>().expect_err(option).to_string();
            assert!(
                error.contains(&format!("`{option}`")) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_certificate_of_an_authority_is_always_used() {
        let query = |options: &str| match format!("postgres://db/farm?{options}").parse() {
            Ok(DatabaseUrl::Postgres(url)) => url.secret().query().map(str::to_owned),
            _ => None,
        };
        for (options, want) in [
            (
                "sslmode=require&sslrootcert=ca.crt",
                Some("sslmode=verify-ca&sslrootcert=ca.crt"),
            ),
            (
                "sslrootcert=ca.crt&sslmode=verify-full",
                Some("sslrootcert=ca.crt&sslmode=verify-full"),
            ),
            ("sslmode=require", Some("sslmode=require")),
            ("sslmode=prefer&sslrootcert=ca.crt", None),
            ("sslrootcert=ca.crt", None),
        ] {
            assert_eq!(query(options).as_deref(), want, "{options}");
        }
    }
}
