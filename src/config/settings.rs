//! The settings that commands share, each declared once with its flag, variable and default.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::{Arg, Args, Command, ValueEnum, builder::TypedValueParser, error::ErrorKind};

use super::{DatabaseUrl, DatabaseUrlError, StatementTimeout};

/// Where the definition is.
#[derive(Args, Clone, Debug)]
pub(crate) struct DefinitionSetting {
    /// The definition: your types and where their rows come from. A file, or a folder whose
    /// *.graphql files make it up
    #[arg(long, env = "HAYLOFT_SCHEMA", value_name = "PATH", default_value = "schema.graphql")]
    pub schema: PathBuf,
}

/// Where the data lives.
#[derive(Args, Clone, Debug)]
pub(crate) struct DatabaseSetting {
    /// The database, such as sqlite:farm.db or postgres://user@host/farm [default: beside the
    /// definition, under its name with .db at the end]. Options of PostgreSQL follow a question
    /// mark: sslmode, sslrootcert, pool (connections that answer operations), statement_timeout
    /// (such as 10s)
    #[arg(
        long,
        env = "HAYLOFT_DATABASE",
        value_name = "URL",
        hide_env_values = true,
        value_parser = DatabaseParser
    )]
    pub database: Option<DatabaseUrl>,
}

/// Reads an address and never repeats it in an error, as clap would: it can hold a password.
#[derive(Clone)]
struct DatabaseParser;

impl TypedValueParser for DatabaseParser {
    type Value = DatabaseUrl;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<DatabaseUrl, clap::Error> {
        let refused = |reason: String| {
            let text = format!("the value of --database cannot be used: {reason}\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| refused("it is not UTF-8".to_owned()))?;
        text.parse()
            .map_err(|error: DatabaseUrlError| refused(error.to_string()))
    }
}

impl DatabaseSetting {
    /// The database that was asked for, else the file beside the definition.
    pub(crate) fn or_beside(&self, definition: &Path) -> DatabaseUrl {
        self.database
            .clone()
            .unwrap_or_else(|| DatabaseUrl::Sqlite(beside(definition)))
    }
}

/// `farm.db` for `farm.graphql` and for the folder `farm`.
fn beside(definition: &Path) -> PathBuf {
    if !definition.is_dir() {
        return definition.with_extension("db");
    }
    // `.` and `..` have no name of their own, but the folder that they mean has.
    let folder = match definition.file_name() {
        Some(_) => definition.to_owned(),
        None => definition.canonicalize().unwrap_or_else(|_| definition.to_owned()),
    };
    match folder.file_name() {
        // A dot in a folder's name is no extension.
        Some(name) => {
            let mut name = name.to_owned();
            name.push(".db");
            folder.with_file_name(name)
        }
        None => folder.join("schema.db"),
    }
}

/// How long the database may take.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct StatementSetting {
    /// The longest that one operation may take in the database, such as 10s or 500ms [default: 5s].
    /// The option statement_timeout of a PostgreSQL address goes before it
    #[arg(long, env = "HAYLOFT_STATEMENT_TIMEOUT", value_name = "TIME")]
    pub statement_timeout: Option<StatementTimeout>,
}

/// How records are read.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct FilterSetting {
    /// The longest that the definition's filters may work for one record, such as 30s or 2m; what
    /// other programs do meanwhile does not count
    #[arg(long, env = "HAYLOFT_FILTER_TIME", value_name = "TIME", default_value = "30s")]
    pub filter_time: FilterTime,

    /// The most memory that one of the definition's filters may take at once, such as 64MB or 1GB
    #[arg(long, env = "HAYLOFT_FILTER_MEMORY", value_name = "SIZE", default_value = "64MB")]
    pub filter_memory: FilterMemory,
}

/// Answers that are kept in a folder, or come from one.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TapeSetting {
    /// Keep every answer in this folder, a file each: a cassette. Secrets are masked in it
    #[arg(long, value_name = "FOLDER", conflicts_with = "replay")]
    pub record: Option<PathBuf>,

    #[command(flatten)]
    pub replay: ReplaySetting,
}

/// Answers that come from a folder.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ReplaySetting {
    /// Take every answer from this folder, and ask nobody. Variables that are not set need not be
    #[arg(long, value_name = "FOLDER")]
    pub replay: Option<PathBuf>,
}

/// A length of time that is not none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterTime(pub Duration);

impl FromStr for FilterTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<FilterTime, Self::Err> {
        let Age(time) = text.parse()?;
        match time.is_zero() {
            true => Err("filters need some time: 1s at least"),
            false => Ok(FilterTime(time)),
        }
    }
}

/// Bytes, a megabyte of them at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FilterMemory(pub usize);

impl FromStr for FilterMemory {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<FilterMemory, Self::Err> {
        match text.parse()? {
            Size(0..1_048_576) => Err("filters need some memory: 1MB at least"),
            Size(bytes) => Ok(FilterMemory(bytes)),
        }
    }
}

/// Bytes, also none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub usize);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Size, Self::Err> {
        let form = "a size is a number and a unit, such as 64MB or 1GB";
        let units = [("kB", 10), ("MB", 20), ("GB", 30)];
        let mut read = units
            .into_iter()
            .filter_map(|(unit, bits)| Some((text.strip_suffix(unit)?, bits)));
        let (number, bits) = read.next().unwrap_or((text, 0));
        let number: usize = number.trim().parse().map_err(|_| form)?;
        let bytes = number
            .checked_mul(1 << bits)
            .filter(|bytes| *bytes <= isize::MAX.unsigned_abs());
        bytes.map(Size).ok_or("that is more than any machine has")
    }
}

/// What may be done to data that is stored.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DestructiveSetting {
    /// Do the steps of a changed definition although they lose data; `hayloft plan` lists them
    #[arg(long, env = "HAYLOFT_ALLOW_DESTRUCTIVE", value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_destructive: bool,
}

/// What one request may ask for.
#[derive(Args, Clone, Debug)]
pub(crate) struct LimitSetting {
    /// A limit of the API, such as rows=5000000 or request_timeout=60s; may be given several times.
    /// Errors name the limit that they are about
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
pub(crate) struct LimitChange {
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

/// How much of the change log is kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct RetentionSetting {
    /// How long changes are kept for those who follow them, such as 12h or 30d
    #[arg(long, env = "HAYLOFT_KEEP_CHANGES", value_name = "AGE", default_value = "30d")]
    pub keep_changes: Age,

    /// How many changes are kept at most
    #[arg(
        long,
        env = "HAYLOFT_KEEP_CHANGES_MAX",
        value_name = "NUMBER",
        default_value = "1000000"
    )]
    pub keep_changes_max: u64,
}

/// A length of time in words of one unit: `90s`, `30m`, `12h`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub Duration);

/// A hundred years: more is a mistake.
const AGE_MAX_SECONDS: u64 = 100 * 365 * 86_400;

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Age, Self::Err> {
        let form = "an age is a number and a unit, such as 90s, 30m, 12h or 30d";
        let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
        let mut read = units
            .into_iter()
            .filter_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
        let (number, seconds) = read.next().ok_or(form)?;
        let number: u64 = number.parse().map_err(|_| form)?;
        let whole = number.checked_mul(seconds).filter(|whole| *whole <= AGE_MAX_SECONDS);
        whole
            .map(Duration::from_secs)
            .map(Age)
            .ok_or("an age is at most a hundred years")
    }
}

/// How to log.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogSetting {
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
pub(crate) enum LogForm {
    /// Lines for a person
    Text,
    /// One JSON object a line
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_lies_beside_the_definition() {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = scratch.path().canonicalize().expect("a path");
        std::fs::create_dir(root.join("farm.v2")).expect("a folder");
        for (definition, database) in [
            ("farm.graphql", "farm.db"),
            ("farm", "farm.db"),
            ("farm.v2", "farm.v2.db"),
            ("farm.v2/", "farm.v2.db"),
            ("farm.v2/.", "farm.v2.db"),
        ] {
            assert_eq!(beside(&root.join(definition)), root.join(database), "{definition}");
        }
        let parent = root.join("farm.v2/..");
        let named = root.file_name().expect("a name").to_string_lossy().into_owned() + ".db";
        assert_eq!(beside(&parent), root.with_file_name(named));
        assert_eq!(beside(Path::new("/")), Path::new("/schema.db"));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64MB", 64 << 20),
            ("1GB", 1 << 30),
            ("2048kB", 2 << 20),
            ("1048576", 1 << 20),
        ] {
            assert_eq!(text.parse(), Ok(FilterMemory(bytes)), "{text}");
        }
        for text in ["", "MB", "1.5GB", "-1MB", "64M", "0MB", "1000kB", "99999999999GB"] {
            assert!(text.parse::<FilterMemory>().is_err(), "{text}");
        }
        assert_eq!("0".parse(), Ok(Size(0)));
    }

    #[test]
    fn ages() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("30m", Some(1_800)),
            ("12h", Some(43_200)),
            ("30d", Some(2_592_000)),
        ] {
            assert_eq!(text.parse().ok(), seconds.map(Duration::from_secs).map(Age), "{text}");
        }
        for text in [
            "",
            "d",
            "30",
            "30 d",
            "-1d",
            "1.5h",
            "30dd",
            "36501d",
            "99999999999999999999d",
        ] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
