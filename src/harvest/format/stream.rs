//! The items of one list inside a JSON text, one after the other, however long the text is. Knows
//! where a value begins and ends; what it holds is for `json` to read.
//!
//! What stands beside the list (the number of the last page, a total, the next page's URL) is
//! collected as a small text of its own, in which the list is empty.

use std::io::Read;

use bytes::Bytes;

use crate::harvest::{
    error::{PageFault, file_fault},
    json::JsonError,
    limits::{CHUNK, LINE_MAX},
};

/// Why a text could not be walked to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It cannot be read.
    Io(std::io::Error),
    NotJson(JsonError),
    /// An item, or what stands beside the list, is larger than [`LINE_MAX`].
    TooLong {
        item: Option<u64>,
    },
    /// The list is there a second time.
    Twice,
    /// Whoever is given the items wants no more.
    Stopped,
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Broken {
        Broken::Io(error)
    }
}

impl Broken {
    /// As the fault of a page; `None` when it is none.
    pub(super) fn fault(self, place: &str) -> Option<PageFault> {
        let place = place.to_owned();
        Some(match self {
            Broken::Stopped => return None,
            Broken::Io(error) => file_fault(&place, &error),
            Broken::NotJson(error) if error.cut_off => PageFault::CutOffJson {
                place,
                message: error.to_string(),
            },
            Broken::NotJson(error) => PageFault::Rows {
                place,
                message: format!("not JSON ({error})"),
            },
            Broken::TooLong { item: Some(item) } => PageFault::LongRecord { place, record: item },
            Broken::TooLong { item: None } => PageFault::LongRest { place },
            Broken::Twice => PageFault::Rows {
                place,
                message: "the list of `rows` is there twice".to_owned(),
            },
        })
    }
}

/// What a walk saw beside the items.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outline {
    /// The text without the items.
    pub rest: Vec<u8>,
    /// The path led to a list, or to an object whose members are the items.
    pub found: bool,
    pub items: u64,
}

/// One of the items.
pub(super) struct Item {
    pub text: Bytes,
    /// Counted from one.
    pub number: u64,
    /// The byte of the whole text at which it begins.
    pub at: u64,
}

/// Walks a text to the list under these keys, and gives each of its items to `each`, until that
/// says false.
pub(super) fn walk<R: Read>(reader: R, keys: &[String], each: &mut dyn FnMut(Item) -> bool) -> Result<Outline, Broken> {
    let mut walk = Walk {
        text: Text::new(reader),
        each,
        outline: Outline::default(),
        length: 0,
    };
    walk.text.skip_mark()?;
    walk.along(keys)?;
    match walk.text.after_space(&mut Vec::new())? {
        None => Ok(walk.outline),
        Some(_) => Err(walk.text.wrong("something follows the value")),
    }
}

struct Walk<'e, R> {
    text: Text<R>,
    each: &'e mut dyn FnMut(Item) -> bool,
    outline: Outline,
    /// Of the last item.
    length: usize,
}

impl<R: Read> Walk<'_, R> {
    /// The value that comes next, of which the path goes on with these keys. As deep as there are
    /// keys.
    fn along(&mut self, keys: &[String]) -> Result<(), Broken> {
        let next = self.text.after_space(&mut self.outline.rest)?;
        match (keys.split_first(), next) {
            (None, Some(b'[')) => self.list(),
            (None, Some(b'{')) => self.members(),
            (Some((key, keys)), Some(b'{')) => self.object(key, keys),
            _ => self.text.value(&mut self.outline.rest, None),
        }
    }

    /// An object on the way to the list.
    fn object(&mut self, key: &str, keys: &[String]) -> Result<(), Broken> {
        self.text.step();
        self.outline.rest.push(b'{');
        let mut first = true;
        while self.more(b'}', first)? {
            let begin = self.outline.rest.len();
            self.text.string(&mut self.outline.rest)?;
            let is_key = self.outline.rest.get(begin..).is_some_and(|text| is_text(text, key));
            self.colon()?;
            match is_key {
                true => self.along(keys)?,
                false => {
                    self.text.after_space(&mut self.outline.rest)?;
                    self.text.value(&mut self.outline.rest, None)?;
                }
            }
            first = false;
        }
        Ok(())
    }

    /// The list itself.
    fn list(&mut self) -> Result<(), Broken> {
        self.begin(b'[')?;
        let mut first = true;
        while self.item_follows(b']', first)? {
            self.item()?;
            first = false;
        }
        self.outline.rest.push(b']');
        Ok(())
    }

    /// An object whose members are the items.
    fn members(&mut self) -> Result<(), Broken> {
        self.begin(b'{')?;
        let mut first = true;
        while self.item_follows(b'}', first)? {
            self.text.string(&mut Vec::new())?;
            self.colon_into(&mut Vec::new())?;
            self.text.after_space(&mut Vec::new())?;
            self.item()?;
            first = false;
        }
        self.outline.rest.push(b'}');
        Ok(())
    }

    fn begin(&mut self, open: u8) -> Result<(), Broken> {
        self.text.step();
        self.outline.rest.push(open);
        match std::mem::replace(&mut self.outline.found, true) {
            true => Err(Broken::Twice),
            false => Ok(()),
        }
    }

    fn item(&mut self) -> Result<(), Broken> {
        self.outline.items += 1;
        let (number, at) = (self.outline.items, self.text.place());
        // Records are mostly as long as the one before.
        let mut text = Vec::with_capacity(self.length);
        self.text.value(&mut text, Some(number))?;
        self.length = text.len();
        let text = text.into();
        match (self.each)(Item { text, number, at }) {
            true => Ok(()),
            false => Err(Broken::Stopped),
        }
    }

    /// Whether a member follows; what separates it from the one before goes into the rest.
    fn more(&mut self, close: u8, first: bool) -> Result<bool, Broken> {
        let mut rest = std::mem::take(&mut self.outline.rest);
        let more = self.text.more(close, first, &mut rest);
        self.outline.rest = rest;
        more
    }

    /// The same for items, of which nothing goes into the rest.
    fn item_follows(&mut self, close: u8, first: bool) -> Result<bool, Broken> {
        self.text.more(close, first, &mut Vec::new())
    }

    fn colon(&mut self) -> Result<(), Broken> {
        let mut rest = std::mem::take(&mut self.outline.rest);
        let colon = self.colon_into(&mut rest);
        self.outline.rest = rest;
        colon
    }

    fn colon_into(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self.text.after_space(out)? {
            Some(b':') => {
                self.text.step();
                out.push(b':');
                Ok(())
            }
            _ => Err(self.text.wrong("expected a colon")),
        }
    }
}

/// Whether a JSON string, with its quotes, is this text.
fn is_text(string: &[u8], text: &str) -> bool {
    match string.contains(&b'\\') {
        false => string.get(1..string.len().saturating_sub(1)) == Some(text.as_bytes()),
        true => serde_json::from_slice::<String>(string).is_ok_and(|string| string == text),
    }
}

/// A text that is read in pieces.
struct Text<R> {
    reader: R,
    piece: Vec<u8>,
    at: usize,
    /// Bytes before the piece.
    before: u64,
}

impl<R: Read> Text<R> {
    fn new(reader: R) -> Text<R> {
        Text {
            reader,
            piece: Vec::new(),
            at: 0,
            before: 0,
        }
    }

    /// What is there of the text and not read yet; empty at its end.
    fn ahead(&mut self) -> Result<&[u8], Broken> {
        if self.at >= self.piece.len() {
            self.before += self.piece.len() as u64;
            self.at = 0;
            self.piece.resize(CHUNK, 0);
            let read = self.reader.read(&mut self.piece)?;
            self.piece.truncate(read);
        }
        Ok(self.piece.get(self.at..).unwrap_or_default())
    }

    fn peek(&mut self) -> Result<Option<u8>, Broken> {
        Ok(self.ahead()?.first().copied())
    }

    fn step(&mut self) {
        self.at += 1;
    }

    /// The place of the next byte.
    fn place(&self) -> u64 {
        self.before + self.at as u64
    }

    /// A byte order mark is no JSON, but editors put it into files.
    fn skip_mark(&mut self) -> Result<(), Broken> {
        for byte in *b"\xef\xbb\xbf" {
            if self.peek()? != Some(byte) {
                break;
            }
            self.step();
        }
        Ok(())
    }

    /// Copies what comes before the next byte of a kind, and gives that byte; `None` at the end.
    fn copy_until(&mut self, out: &mut Vec<u8>, item: Option<u64>, ends: fn(u8) -> bool) -> Result<Option<u8>, Broken> {
        loop {
            let ahead = self.ahead()?;
            if ahead.is_empty() {
                return Ok(None);
            }
            let end = ahead.iter().position(|byte| ends(*byte));
            let found = end.and_then(|end| ahead.get(end).copied());
            let copied = ahead.get(..end.unwrap_or(ahead.len())).unwrap_or_default();
            if out.len() + copied.len() > LINE_MAX {
                return Err(Broken::TooLong { item });
            }
            out.extend_from_slice(copied);
            let count = copied.len();
            self.at += count;
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Copies white space, and gives what follows it.
    fn after_space(&mut self, out: &mut Vec<u8>) -> Result<Option<u8>, Broken> {
        self.copy_until(out, None, |byte| !byte.is_ascii_whitespace())
    }

    /// Whether another value follows in a list or an object, of which the closing bracket is taken,
    /// too.
    fn more(&mut self, close: u8, first: bool, out: &mut Vec<u8>) -> Result<bool, Broken> {
        match self.after_space(out)? {
            Some(byte) if byte == close => {
                self.step();
                // Of the list itself, whose end is written by itself.
                if close == b'}' {
                    out.push(byte);
                }
                Ok(false)
            }
            Some(b',') if !first => {
                self.step();
                out.push(b',');
                match self.after_space(out)? {
                    Some(byte) if byte == close => Err(self.wrong("expected a value after the comma")),
                    Some(_) => Ok(true),
                    None => Err(self.cut_off()),
                }
            }
            Some(_) if first => Ok(true),
            Some(_) => Err(self.wrong("expected a comma or the end of the list")),
            None => Err(self.cut_off()),
        }
    }

    /// Copies the value that begins here.
    fn value(&mut self, out: &mut Vec<u8>, item: Option<u64>) -> Result<(), Broken> {
        match self.peek()? {
            None => Err(self.cut_off()),
            Some(b'"') => self.string_of(out, item),
            Some(b'{' | b'[') => self.nested(out, item),
            Some(b',' | b']' | b'}' | b':') => Err(self.wrong("expected a value")),
            Some(_) => {
                let ends = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']' | b'}');
                self.copy_until(out, item, ends).map(|_| ())
            }
        }
    }

    fn nested(&mut self, out: &mut Vec<u8>, item: Option<u64>) -> Result<(), Broken> {
        let mut open = Vec::new();
        loop {
            match self.copy_until(out, item, |byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']'))? {
                None => return Err(self.cut_off()),
                Some(b'"') => self.string_of(out, item)?,
                Some(byte) => {
                    self.step();
                    out.push(byte);
                    match byte {
                        b'{' => open.push(b'}'),
                        b'[' => open.push(b']'),
                        // Where brackets do not match nobody can tell where the next item begins.
                        _ if open.pop() != Some(byte) => return Err(self.wrong("a bracket that none was opened for")),
                        _ if open.is_empty() => return Ok(()),
                        _ => {}
                    }
                }
            }
        }
    }

    /// A member's name.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        match self.peek()? {
            Some(b'"') => self.string_of(out, None),
            Some(_) => Err(self.wrong("expected a string")),
            None => Err(self.cut_off()),
        }
    }

    fn string_of(&mut self, out: &mut Vec<u8>, item: Option<u64>) -> Result<(), Broken> {
        self.step();
        out.push(b'"');
        loop {
            match self.copy_until(out, item, |byte| matches!(byte, b'"' | b'\\'))? {
                None => return Err(self.cut_off()),
                Some(byte) => {
                    self.step();
                    out.push(byte);
                    if byte == b'"' {
                        return Ok(());
                    }
                    out.push(self.peek()?.ok_or_else(|| self.cut_off())?);
                    self.step();
                }
            }
        }
    }

    fn wrong(&self, message: &str) -> Broken {
        self.error(message, false)
    }

    fn cut_off(&self) -> Broken {
        self.error("it breaks off", true)
    }

    fn error(&self, message: &str, cut_off: bool) -> Broken {
        Broken::NotJson(JsonError {
            at: self.place(),
            message: message.to_owned(),
            cut_off,
            long_number: false,
            too_much: false,
        })
    }
}

#[cfg(test)]
mod tests;
