//! What can go wrong in a harvest, each with what to do. Knows the texts; knows no cause's details,
//! which go to the log.

use std::time::Duration;

use crate::store::StoreError;

use super::limits::{BODY_MAX, LINE_MAX, PAGE_MEMORY, RETRY_AFTER_MAX, SPOOL_FROM, SPOOL_MAX, SPOOLS_MAX};
use super::{json::NUMBER_MAX, unreadable::Unreadable};

/// A harvest that could not be set up, or whose store failed. A failed page is no such error: the
/// run then ends as failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HarvestError {
    /// Variables in `$env` that are not set, each with who uses it.
    #[error(
        "these environment variables are not set: {0}; set them, such as `NAME=value hayloft serve`, or change the definition"
    )]
    Environment(String),
    /// A source or a fetch whose address cannot be used.
    #[error("{place}: {message}")]
    Address { place: String, message: String },
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be made on this machine; the log has the cause")]
    Client,
    /// The slot or the fetch is already taken by another run.
    #[error("{0} is being harvested already; wait until that run ends")]
    Busy(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a page, and so its run, failed. The text is public: it is kept in the ledger and shown.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum PageFault {
    #[error("{place}: cannot connect; is the upstream running, and its address right?")]
    Connect { place: String },
    #[error("{place}: no answer within {after:?}; the upstream is too slow or stuck")]
    Timeout { place: String, after: Duration },
    #[error("{place}: the answer broke off; the upstream or the network closed it early")]
    CutOff { place: String },
    #[error("{place}: the request failed; the log has the cause")]
    Request { place: String },
    #[error("{place}: is not in the cassette{nearest}; record it again with `hayloft harvest --record`")]
    NotRecorded { place: String, nearest: String },
    #[error("{place}: the answer cannot be kept: {message}")]
    NotKept { place: String, message: String },
    /// Its TLS or its certificate cannot be accepted: trying again does not help.
    #[error("{place}: cannot connect safely: {reason}")]
    Tls { place: String, reason: &'static str },
    #[error("{place}: answered {status}{}{hint}", quoted(said))]
    Status {
        place: String,
        status: u16,
        /// The upstream's own words, cut.
        said: String,
        hint: &'static str,
    },
    #[error(
        "{fault}; if that is how the upstream says that there are no more pages, write `pages: {{end: [{status}]}}`"
    )]
    Beyond { fault: Box<PageFault>, status: u16 },
    /// A GraphQL API says so, whatever the status.
    #[error("{place}: answered with errors: `{said}`; try the query in the API's own tools")]
    Errors { place: String, said: String },
    #[error(
        "{place}: answered {status} with the address {to}, where a POST would lose its body; if that is meant, make it the \
         source's url and the fetch's path"
    )]
    RedirectBody { place: String, status: u16, to: String },
    #[error(
        "{place}: asks to wait {asked:?}, and at most {RETRY_AFTER_MAX:?} is waited; harvest less often, or lower the source's rate"
    )]
    RetryAfter { place: String, asked: Duration },
    #[error(
        "{place}: redirects from {from} to {to}; another host is never followed: if it is meant, make it the source's url"
    )]
    RedirectHost { place: String, from: String, to: String },
    #[error("{place}: redirects again and again; try its URL in a browser")]
    RedirectLoop { place: String },
    #[error(
        "{place}: an HTML page instead of data; {}",
        advice(
            place,
            "give the file that has the data",
            "it may be a login or an error page: check the path and the credentials"
        )
    )]
    Html { place: String },
    #[error("{place}: {} is empty", advice(place, "the file", "the body"))]
    Empty { place: String },
    #[error("{place}: not JSON ({message}); it begins {begin}")]
    NotJson {
        place: String,
        message: String,
        begin: String,
    },
    #[error(
        "{place}: byte {at}: a number of more than {NUMBER_MAX} characters; write it as a text, and read it as a String"
    )]
    LongNumber { place: String, at: u64 },
    #[error(
        "{place}: JSON that breaks off ({message}); {}",
        advice(
            place,
            "the file is not whole: write it under another name and rename it when it is done",
            "the upstream or the network closed it early"
        )
    )]
    CutOffJson { place: String, message: String },
    #[error(
        "{place}: it breaks off: {message}; {}",
        advice(
            place,
            "the file is not whole: write it under another name and rename it when it is done",
            "the upstream or the network closed it early"
        )
    )]
    CutOffText { place: String, message: String },
    #[error(
        "{place}: larger than {BODY_MAX} bytes; let `rows` begin with a plain path to the list, such as `.items[]`, and it is read \
         record by record; or {}",
        advice(place, "write it as NDJSON", "ask for smaller pages")
    )]
    TooLarge { place: String },
    #[error(
        "{place}: takes more than {} MB of memory with all its values; let `rows` begin with a plain path to the list, such as \
         `.items[]`, and it is read record by record; or {}",
        PAGE_MEMORY >> 20,
        advice(place, "write it as NDJSON", "ask for smaller pages")
    )]
    TooManyValues { place: String },
    #[error("{place}: packed data that is damaged or breaks off; make it anew, or harvest again when it is whole")]
    Packed { place: String },
    #[error("{place}: line {line} is longer than {LINE_MAX} bytes; is it NDJSON?")]
    LongLine { place: String, line: u64 },
    #[error(
        "{place}: the definition's filters took longer than {most:?} for one record; make them simpler, or give them more with \
         --filter-time"
    )]
    SlowFilter { place: String, most: Duration },
    #[error("{place}, record {record}: longer than {LINE_MAX} bytes, which is more than a record may have")]
    LongRecord { place: String, record: u64 },
    #[error("{place}: more than {LINE_MAX} bytes beside the list of records; is the path in `rows` the right one?")]
    LongRest { place: String },
    #[error("{place}: larger than {SPOOL_MAX} bytes; ask for smaller pages")]
    TooLargeForDisk { place: String },
    #[error(
        "{place}: all large answers together are larger than the {SPOOLS_MAX} bytes of disk that they may take; ask for smaller \
         pages, or for fewer at once"
    )]
    SpoolsFull { place: String },
    #[error(
        "{place}: an answer of more than {SPOOL_FROM} bytes cannot be kept on disk; is there room in the folder for temporary \
         files, and may this process write there? The log has the cause"
    )]
    SpoolDisk { place: String },
    #[error("{place}: {message}")]
    Rows { place: String, message: String },
    #[error("{place}: pages: {{{argument}}}: {message}")]
    Paging {
        place: String,
        argument: &'static str,
        message: String,
    },
    #[error("{place}: more than {max} pages; raise `pages: {{max}}` if so many are meant")]
    TooManyPages { place: String, max: u64 },
    #[error(
        "{place}: the same page again; does the URL use the paging placeholder, and the upstream know the parameter?"
    )]
    RepeatedPage { place: String },
    #[error("{place}: the pages shifted while they were read, so that a row may be missing; they are read again")]
    Shifted { place: String },
    #[error("{place}: {doubt}")]
    Doubtful { place: String, doubt: String },
    #[error("{place}: leads back to a page that was read already; the upstream's paging runs in a circle")]
    RepeatedNext { place: String },
    #[error("{place}: the next page is on {to}, not on {from}; another host is never followed")]
    NextHost { place: String, from: String, to: String },
    #[error("{place}: the next page's address is no URL: {found}")]
    NextUrl { place: String, found: String },
    #[error("{seen} rows arrived, but the upstream says that there are {total}; nothing is deleted, harvest again")]
    Incomplete { seen: u64, total: u64 },
    #[error("{0}")]
    AllRefused(String),
    /// What should have let us in.
    #[error("{place}: {message}")]
    Token { place: String, message: String },
    #[error("{place}: {message}")]
    File { place: String, message: String },
    #[error("{place}: {message}")]
    Template { place: String, message: String },
    /// An invariant broke in the process itself; a shutdown in the middle of a page is no fault.
    #[error("the harvest stopped unexpectedly; the log has the cause")]
    Internal,
}

/// Why a page was left in the middle.
#[derive(Debug)]
pub(super) enum Stop {
    Fault(PageFault),
    /// Nobody needs it any more: the load has gone, or the run is cancelled.
    Gone,
}

impl From<PageFault> for Stop {
    fn from(fault: PageFault) -> Stop {
        Stop::Fault(fault)
    }
}

/// What to do differs for files and for what is asked of an upstream.
fn advice<'a>(place: &str, file: &'a str, upstream: &'a str) -> &'a str {
    match place.starts_with("FILE ") {
        true => file,
        false => upstream,
    }
}

/// ` and said: “no such key”`.
fn quoted(said: &str) -> String {
    match said.is_empty() {
        true => String::new(),
        false => format!(" and said `{said}`"),
    }
}

impl PageFault {
    /// Whether the same request may be answered soon: the upstream or the network was in trouble,
    /// not the request.
    pub(super) fn passes(&self) -> bool {
        match self {
            PageFault::Connect { .. } | PageFault::Timeout { .. } | PageFault::CutOff { .. } => true,
            PageFault::CutOffJson { .. }
            | PageFault::CutOffText { .. }
            | PageFault::Packed { .. }
            | PageFault::RetryAfter { .. } => true,
            PageFault::Shifted { .. } | PageFault::Doubtful { .. } => true,
            PageFault::Status { status, .. } => matches!(status, 202 | 408 | 425 | 429 | 500..),
            _ => false,
        }
    }

    /// The upstream lets nobody in who asks as we do.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, PageFault::Status { status: 401 | 403, .. })
    }
}

/// What `rows` could not do with a page.
pub(super) fn rows_fault(place: &str, message: String) -> PageFault {
    PageFault::Rows {
        place: place.to_owned(),
        message,
    }
}

/// A page of which nobody can tell which of its records a broken value spoils.
pub(super) fn spoiled_page(place: &str, jq: &str, words: &str) -> PageFault {
    rows_fault(
        place,
        format!(
            "rows: found {words}, and jq `{jq}` would make something of it; where `rows` begins with a plain path to a list, \
             such as `.items[] | …`, only the item that has it is refused"
        ),
    )
}

/// What went wrong with a file, without its full path.
pub(super) fn file_fault(place: &str, error: &std::io::Error) -> PageFault {
    let told = Unreadable::words(error);
    let message = told.unwrap_or(match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file in the source's folder",
        std::io::ErrorKind::PermissionDenied => "it may not be read by this process",
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput => {
            "is packed data that is damaged or breaks off"
        }
        std::io::ErrorKind::ArgumentListTooLong => "names more than 100,000 files",
        std::io::ErrorKind::IsADirectory => "is a folder, not a file",
        _ => "cannot be read; the log has the cause",
    });
    tracing::debug!(%error, place, "a file cannot be read");
    PageFault::File {
        place: place.to_owned(),
        message: message.to_owned(),
    }
}

/// What `rows` gave is no record of anything.
pub(super) fn no_record(place: &str, jq: &str, found: &str) -> PageFault {
    let advice = "where each row should be an object; does it lack `[]`, or a key?";
    rows_fault(place, format!("rows: jq `{jq}` gave {found} {advice}"))
}
