//! Records that became no rows: why, and as how much of them is kept. Knows no shapes.

use jaq_json::Val;

use super::limits::RECORD_MAX;
use crate::{store::Refused, value::Key};

/// Why a record is no row, and its key: as far as it could be read, and whole.
#[derive(Debug, Default)]
pub(super) struct Unfit {
    pub key: Option<String>,
    pub id: Option<Key>,
    pub reason: String,
}

/// A value that is neither a record nor a key.
pub(super) fn refused_value(reason: String, value: &Val) -> Refused {
    let unfit = Unfit {
        reason,
        ..Unfit::default()
    };
    refusal(unfit, value)
}

/// A record that became no row, as it is kept.
pub(super) fn refusal(unfit: Unfit, record: &Val) -> Refused {
    let Unfit { key, id, mut reason } = unfit;
    let mut text = record.to_string();
    if text.len() > RECORD_MAX {
        let mut end = RECORD_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        reason.push_str(" (the record is cut at 64 KiB)");
    }
    Refused {
        key,
        id,
        reason,
        record: text,
    }
}
