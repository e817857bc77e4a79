//! Sees what passes through the stages of a run, and says when it has seen enough. Knows pages,
//! records and what became of them; shows nothing.

use std::{
    fs::File,
    io::{Read as _, Seek as _},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jaq_json::Val;
use tokio::sync::watch;

use super::{
    cassette::{Exchange, Keep},
    stage::Content,
};
use crate::{
    store::Refused,
    value::{Key, Row, as_written},
};

/// Bytes of an answer that are shown: what is in it is told by its records.
const BEGIN: usize = 600;
/// Bytes of a record that are kept.
const RECORD: usize = 64 << 10;
/// Records that are kept of the answers to some rows, each of which may be long.
const RECORDS: usize = 1_000;
/// Requests that are shown.
const PAGES: usize = 100;

/// One request and the beginning of its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedPage {
    pub place: String,
    /// None for files.
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
    pub bytes: u64,
    pub begin: String,
}

/// Sees the first records of a fetch.
#[derive(Debug)]
pub(crate) struct Witness {
    limit: u64,
    seen: Mutex<Seen>,
    /// Pages that were read to their end.
    read: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub pages: Vec<AskedPage>,
    /// Each with its text.
    pub records: Vec<(String, Fate)>,
    /// Records in all.
    pub count: u64,
    pub is_full: bool,
    /// The heads of answers whose bodies are still to be seen.
    heads: Vec<Exchange>,
    /// What comes now is of records that were counted before.
    ends: bool,
}

/// What became of a record.
#[derive(Debug)]
pub(super) enum Fate {
    /// With the reasons why rows in it were refused.
    Row(Box<Row>, Vec<String>),
    Part,
    Link(String),
    LeftOut,
    Refused(Vec<String>),
}

impl Witness {
    pub(crate) fn new(limit: u64) -> Witness {
        Witness {
            limit,
            seen: Mutex::default(),
            read: watch::Sender::new(0),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Seen {
        mem::take(&mut *self.seen())
    }

    /// Sees a page before it is read.
    pub(super) fn page(&self, place: &str, content: &Content) {
        let begin = begin_of(content);
        let mut seen = self.seen();
        if seen.pages.len() >= PAGES {
            return;
        }
        // Several may be under way at once, and one that was cut off has come again.
        let of_it = |head: &Exchange| place.ends_with(&head.question.path);
        let at = seen.heads.iter().rposition(of_it);
        let at = at.or_else(|| seen.heads.len().checked_sub(1));
        let head = at.map(|at| seen.heads.remove(at));
        let head = head.unwrap_or_default();
        seen.pages.push(AskedPage {
            place: place.to_owned(),
            status: (head.status > 0).then_some(head.status),
            headers: head.headers,
            bytes: content.bytes(),
            begin,
        });
    }

    /// A page was read to its end.
    pub(super) fn page_read(&self) {
        self.read.send_modify(|read| *read += 1);
    }

    /// Waits until so many pages were read: whether more records are wanted.
    pub(super) async fn wants_after(&self, pages: u64) -> bool {
        let mut read = self.read.subscribe();
        // The sender is this witness itself, which does not end meanwhile.
        let _ = read.wait_for(|read| *read >= pages).await;
        !self.seen().is_full
    }

    /// Whether all records that are wanted were seen.
    pub(super) fn is_full(&self) -> bool {
        let seen = self.seen();
        seen.is_full && !seen.ends
    }

    /// A record that was shaped.
    pub(super) fn shaped(&self, record: &Val, row: Option<&Row>, refused: &[Refused]) {
        let reasons = refused.iter().map(|refused| refused.reason.clone()).collect();
        let fate = match row {
            Some(row) => Fate::Row(Box::new(row.clone()), reasons),
            None => Fate::Refused(reasons),
        };
        self.record(text_of(record), fate);
    }

    /// A record that is no row by what it is.
    pub(super) fn refused(&self, refused: &Refused) {
        self.record(refused.record.clone(), Fate::Refused(vec![refused.reason.clone()]));
    }

    pub(super) fn left_out(&self, record: &Val) {
        self.record(text_of(record), Fate::LeftOut);
    }

    pub(super) fn link(&self, record: &Val, key: &Key) {
        self.record(text_of(record), Fate::Link(key.to_string()));
    }

    /// A part of a row.
    pub(super) fn part(&self, record: &Val) {
        self.record(text_of(record), Fate::Part);
    }

    /// What comes now are the rows of the parts that were seen.
    pub(super) fn ends(&self) {
        self.seen().ends = true;
    }

    fn record(&self, mut text: String, fate: Fate) {
        let mut seen = self.seen();
        if text.len() > RECORD {
            text.truncate(text.floor_char_boundary(RECORD));
            text.push('…');
        }
        if seen.records.len() < RECORDS && (!seen.is_full || seen.ends) {
            seen.records.push((text, fate));
        }
        if !seen.ends {
            seen.count += 1;
            seen.is_full |= seen.count >= self.limit;
        }
    }
}

impl Keep for Witness {
    fn bodies(&self) -> bool {
        false
    }

    fn keep(&self, exchange: Exchange) -> Result<(), String> {
        let mut seen = self.seen();
        // What led on, or was asked for again, has no page.
        if (200..300).contains(&exchange.status) && seen.heads.len() < PAGES {
            seen.heads.push(exchange);
        }
        Ok(())
    }
}

fn text_of(record: &Val) -> String {
    as_written(record).to_string()
}

/// The beginning of a page, wherever it lies.
fn begin_of(content: &Content) -> String {
    let mut begin = Vec::new();
    let mut of_file = |mut file: &File| {
        let taken = file.by_ref().take(BEGIN as u64).read_to_end(&mut begin);
        // Whoever reads it begins at its beginning by himself.
        taken.and_then(|_| file.rewind()).is_ok()
    };
    let read = match content {
        Content::Bytes(bytes) => {
            begin.extend_from_slice(bytes.get(..BEGIN).unwrap_or(bytes));
            true
        }
        Content::Spool { spool, .. } => of_file(spool.file()),
        Content::File(path) => File::open(path).is_ok_and(|file| of_file(&file)),
        Content::Unchanged { .. } | Content::Past => true,
    };
    let text = String::from_utf8_lossy(&begin);
    match (read, content.bytes() > begin.len() as u64) {
        (false, _) => String::new(),
        (true, true) => format!("{}…", text.trim_end_matches('\u{fffd}')),
        (true, false) => text.into_owned(),
    }
}
