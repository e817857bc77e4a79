//! What a text is: JSON, or something that says why it is none. Knows texts and faults; knows no
//! rows.

use bytes::Bytes;
use jaq_json::Val;

use crate::harvest::{error::PageFault, html::begins_html, json, limits::PAGE_MEMORY};

/// Parses a page, and says what it is when it is no JSON.
pub(super) fn parse(bytes: &Bytes, place: &str) -> Result<Val, PageFault> {
    let place = place.to_owned();
    if bytes.trim_ascii().is_empty() {
        return Err(PageFault::Empty { place });
    }
    if begins_html(bytes) {
        return Err(PageFault::Html { place });
    }
    let room = PAGE_MEMORY.saturating_sub(bytes.len());
    json::parse_within(bytes, 0, room).map_err(|error| not_json(bytes, &error, place))
}

/// The fault of a text that is no JSON.
pub(super) fn not_json(bytes: &[u8], error: &json::JsonError, place: String) -> PageFault {
    let message = error.to_string();
    if error.too_much {
        return PageFault::TooManyValues { place };
    }
    if error.long_number {
        return PageFault::LongNumber { place, at: error.at };
    }
    if error.cut_off && matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return PageFault::CutOffJson { place, message };
    }
    let begin = String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes))
        .chars()
        .take(60)
        .collect::<String>();
    PageFault::NotJson {
        place,
        message,
        begin: format!("{begin:?}"),
    }
}
