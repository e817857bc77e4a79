//! What our natives are made of: the data that jaq hands on, answers, failures. Knows no native.

use std::fmt::{self, Write as _};

use jaq_core::data::JustLut;
use jaq_json::Val;

/// Bytes of a message: more than is shown of it.
const BEGINNING: usize = 2_000;

pub(super) type Data = JustLut<Val>;

pub(super) type Answer = Result<Val, jaq_core::Error<Val>>;

pub(super) fn failure(message: &str) -> jaq_core::Error<Val> {
    jaq_core::Error::str(message)
}

/// The beginning of a text that may have all of a value in it.
pub(super) fn beginning(text: &dyn fmt::Display) -> String {
    let mut beginning = Beginning(String::new());
    // It breaks off where nobody reads on.
    let _ = write!(beginning, "{text}");
    beginning.0
}

struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let left = BEGINNING.saturating_sub(self.0.len());
        self.0.push_str(&more[..more.floor_char_boundary(left)]);
        if more.len() > left { Err(fmt::Error) } else { Ok(()) }
    }
}
