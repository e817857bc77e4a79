//! The log on stderr: lines for a person, or JSON. Knows tracing; knows nothing of what is logged.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::{EnvFilter, fmt, fmt::time::FormatTime};

use crate::{
    app::terminal::straight,
    config::{LogForm, LogSetting},
};

/// What libraries say below a warning only helps their own authors.
const QUIET: &str = "hyper=warn,h2=warn,reqwest=warn,rustls=warn,sqlx=warn,sea_orm=warn,sea_orm_migration=warn,\
                     tokio_cron_scheduler=warn,tower=warn,tungstenite=warn";

/// Starts the log. A filter that cannot be read is an error: a log that is silently empty helps
/// nobody.
pub(crate) fn start(setting: &LogSetting) -> Result<(), String> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", setting.log_level))
        .map_err(|error| format!("--log-level `{}`: {error}", setting.log_level))?;
    // A line that cannot be written would be told by `eprintln!`, which panics when nobody takes
    // that either: the log must not end the task that logs.
    let log = fmt()
        .with_env_filter(filter)
        .with_writer(|| Straight)
        .log_internal_errors(false);
    match setting.log {
        LogForm::Json => log.json().flatten_event(true).init(),
        LogForm::Text => log
            .with_timer(ClockTime)
            .with_target(false)
            .with_ansi(io::stderr().is_terminal())
            .compact()
            .init(),
    }
    Ok(())
}

/// Stderr, where nothing turns the words of a line round. Each line comes whole.
struct Straight;

impl Write for Straight {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        io::stderr().write_all(straight(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// `14:03:07`: who watches a terminal knows the day.
struct ClockTime;

impl FormatTime for ClockTime {
    fn format_time(&self, out: &mut fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(out, "{}", chrono::Local::now().format("%H:%M:%S"))
    }
}
