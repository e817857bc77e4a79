//! Records that became no rows: why, and as how much of them is kept. Knows no shapes.

use jaq_json::Val;

use super::{
    error::PageFault,
    limits::{RECORD_MAX, ROW_MEMORY},
};
use crate::{
    catalog::jq::JqError,
    store::{AllRefused, Refused},
    value::{Key, as_written},
};

/// Characters of a reason that the end of a run repeats; all of it is in the quarantine.
const REASON_SHOWN: usize = 300;

/// Why a record is no row, and its key: as far as it could be read, and whole.
#[derive(Debug, Default)]
pub(super) struct Unfit {
    pub key: Option<String>,
    pub id: Option<Key>,
    pub reason: String,
}

/// Where on its page a record stands, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Record(u64),
    Line(u64),
}

/// A value that is neither a record nor a key.
pub(super) fn refused_value(reason: String, value: &Val) -> Refused {
    let unfit = Unfit {
        reason,
        ..Unfit::default()
    };
    refusal(unfit, value)
}

/// What `rows` would make records of, if it were not broken.
pub(super) fn refused_item(words: &str, item: &Val) -> Refused {
    refused_value(format!("rows: found {words}"), item)
}

/// What `rows` would make records of, if that did not take too much memory.
pub(super) fn refused_costly(error: &JqError, item: &Val) -> Refused {
    refused_value(format!("rows: {}", error.message), item)
}

/// A record that became no row, as it is kept.
pub(super) fn refusal(unfit: Unfit, record: &Val) -> Refused {
    let Unfit { key, id, reason } = unfit;
    Refused {
        key,
        id,
        ..refused_text(reason, as_written(record).to_string())
    }
}

/// A text that is no record at all.
pub(super) fn refused_text(mut reason: String, mut text: String) -> Refused {
    // No text of PostgreSQL can have it.
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    if text.len() > RECORD_MAX {
        text.truncate(text.floor_char_boundary(RECORD_MAX));
        reason.push_str(" (the record is cut at 64 KiB)");
    }
    Refused {
        key: None,
        id: None,
        reason,
        record: text,
    }
}

/// A run, or a row's answer, of which every record was refused: it has brought nothing.
pub(super) fn all_refused(all: &AllRefused, fetch: &str) -> PageFault {
    let records = match all.count {
        1 => "the only record was refused".to_owned(),
        count => format!("all {count} records were refused"),
    };
    let first: String = all.first.chars().take(REASON_SHOWN).collect();
    let cut = if first.len() < all.first.len() { "…" } else { "" };
    PageFault::AllRefused(format!(
        "{records}; `hayloft status --refused {fetch}` lists why; the first: {first}{cut}"
    ))
}

/// A record with more rows in it than a row may have.
pub(super) fn too_large(id: Option<Key>, record: &Val) -> Refused {
    let unfit = Unfit {
        key: id.as_ref().map(Key::to_string),
        id,
        reason: format!(
            "it takes more than {} MB of memory with all rows nested in it; let them be a type of their own, with a `@fetch`",
            ROW_MEMORY >> 20
        ),
    };
    refusal(unfit, record)
}

/// A run of which so many records were refused, and none was not.
pub(super) fn in_vain(place: &str, count: u64, first: &str) -> PageFault {
    let first: String = first.chars().take(REASON_SHOWN).collect();
    PageFault::AllRefused(format!(
        "{place}: the first {count} records were all refused, so the rest is not read; `hayloft status --refused` lists why; one \
         of them: {first}"
    ))
}

/// Puts a refused record's place before its reason: its line, or its number on the page where no
/// key tells it from others.
pub(super) fn in_place(refused: &mut Refused, at: At) {
    let place = match at {
        At::Line(line) => format!("line {line}"),
        At::Record(record) if refused.key.is_none() => format!("record {record}"),
        At::Record(_) => return,
    };
    refused.reason = format!("{place}: {}", refused.reason);
}
