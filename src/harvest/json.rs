//! Strict JSON to jq values. Knows RFC 8259 and a depth limit; knows no record's meaning.
//!
//! jaq's own reader accepts a superset (comments, `NaN`, byte strings) and recurses without limit,
//! so an upstream's mistake would pass as data. Numbers keep every digit. A broken value among
//! others is marked, and spoils only what needs it.

use std::{borrow::Cow, cell::Cell};

use bytes::Bytes;
use hifijson::{
    SliceLexer,
    num::LexWrite as _,
    str::LexAlloc as _,
    token::{Expect, Lex as _},
};
use jaq_json::{Map, Num, Val};

use super::mend;
use crate::value::broken;

/// Nesting beyond this is no data but an attack on the stack.
const DEPTH_MAX: usize = 128;

/// Digits are turned into a number in quadratic time, and no measurement needs so many.
pub(super) const NUMBER_MAX: usize = 1_000;

/// Memory that the values of one record may take. A text of small values takes twenty times and
/// more of what it has in bytes, so that its length says little.
const VALUES_MAX: usize = if cfg!(test) { 4 << 20 } else { 48 << 20 };

/// What a text, an array and an object take beside what they hold, an object for each member, and a
/// number that is kept as it is written.
const TEXT_ROOM: usize = 32;
const ARRAY_ROOM: usize = 48;
const OBJECT_ROOM: usize = 112;
const MEMBER_ROOM: usize = 64;
const DIGITS_ROOM: usize = 80;
/// A mark of something broken, beside what stood there.
const MARK_ROOM: usize = 160;

/// Values of open arrays and objects that there is always room for.
const OPEN_KEPT: usize = 1_024;

/// Bytes of a bare word that are told.
const WORD_SHOWN: usize = 20;

/// Why a text is not JSON.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("byte {at}: {message}")]
pub(super) struct JsonError {
    pub at: u64,
    pub message: String,
    /// The text ended where something was still open.
    pub cut_off: bool,
    /// It is JSON, but for a number longer than [`NUMBER_MAX`].
    pub long_number: bool,
    /// Its values would take more than [`VALUES_MAX`].
    pub too_much: bool,
}

impl JsonError {
    /// Why a text is no record.
    pub(super) fn reason(&self) -> String {
        match self.too_much {
            true => self.message.clone(),
            false => format!("no JSON ({self})"),
        }
    }
}

enum Cause {
    Json(hifijson::Error),
    LongNumber,
    Trailing,
    TooMuch,
}

impl Cause {
    fn message(&self, room: usize) -> String {
        match self {
            Cause::Trailing => "something follows the value".to_owned(),
            Cause::TooMuch => format!("its values take more than {} MB of memory", room >> 20),
            Cause::LongNumber => long_number_text(),
            Cause::Json(hifijson::Error::Depth) => format!("nested deeper than {DEPTH_MAX}"),
            Cause::Json(cause) => cause.to_string(),
        }
    }
}

impl From<hifijson::Error> for Cause {
    fn from(error: hifijson::Error) -> Cause {
        Cause::Json(error)
    }
}

impl From<Expect> for Cause {
    fn from(error: Expect) -> Cause {
        Cause::Json(error.into())
    }
}

/// Parses exactly one JSON value, which begins at the byte `from` of its text. Its texts are parts
/// of `source`, as far as they hold no escapes: a copy of each would be half the cost of reading.
///
/// A value within it that is broken, but whose end is plain, is marked ([`broken`]); a mark and an
/// error have their place in the text.
pub(super) fn parse(source: &Bytes, from: u64) -> Result<Val, JsonError> {
    parse_within(source, from, VALUES_MAX)
}

/// The same of a text whose values may take so much memory.
pub(super) fn parse_within(source: &Bytes, from: u64, room: usize) -> Result<Val, JsonError> {
    // Byte order marks are not JSON, but editors put them into files.
    let text = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    let mut lexer = SliceLexer::new(text);
    let mut reader = Reader {
        source,
        length: text.len(),
        from,
        room,
        open: OPEN.take(),
    };
    let parsed = match lexer.ws_peek() {
        Some(next) => reader.value(DEPTH_MAX, next, &mut lexer),
        None => Err(Expect::Value.into()),
    };
    let at = |lexer: &SliceLexer<'_>| reader.at(lexer.as_slice());
    let parsed = match parsed {
        Ok(_) if lexer.ws_peek().is_some() => Err(Cause::Trailing),
        parsed => parsed,
    };
    let parsed = parsed.map_err(|cause| JsonError {
        at: at(&lexer),
        message: cause.message(room),
        cut_off: lexer.as_slice().is_empty(),
        long_number: matches!(cause, Cause::LongNumber),
        too_much: matches!(cause, Cause::TooMuch),
    });
    OPEN.set(reader.open.emptied());
    parsed
}

/// The values of the members of an object that have these names, each in its name's place. `None`
/// where the text is not that simple, and [`parse`] tells what it is: something in it is broken, or
/// too much.
pub(super) fn members(source: &Bytes, names: &[String], found: &mut Vec<Option<Val>>) -> Option<()> {
    found.clear();
    found.resize_with(names.len(), || None);
    let mut lexer = SliceLexer::new(source);
    let mut reader = Reader {
        source,
        length: source.len(),
        from: 0,
        room: VALUES_MAX,
        open: OPEN.take(),
    };
    let read = match lexer.ws_peek() {
        Some(b'{') => reader.named(&mut lexer, names, found),
        _ => Err(Expect::Value.into()),
    };
    OPEN.set(reader.open.emptied());
    (read.is_ok() && lexer.ws_peek().is_none()).then_some(())
}

thread_local! {
    /// Room for what is open, kept from text to text.
    static OPEN: Cell<Open> = const { Cell::new(Open { items: Vec::new(), members: Vec::new() }) };
}

/// The values of the arrays and objects whose end is still to come. So each is made as large as it
/// is, and in one piece.
#[derive(Default)]
struct Open {
    items: Vec<Val>,
    members: Vec<(Val, Val)>,
}

impl Open {
    /// Without what a fault left in it; a large one is not worth keeping.
    fn emptied(mut self) -> Open {
        self.items.clear();
        self.members.clear();
        self.items.shrink_to(OPEN_KEPT);
        self.members.shrink_to(OPEN_KEPT);
        self
    }
}

/// What the values of one text are made from.
struct Reader<'a> {
    source: &'a Bytes,
    /// Of the text without its mark.
    length: usize,
    from: u64,
    /// What further values may take in memory.
    room: usize,
    open: Open,
}

impl Reader<'_> {
    /// The place of what is still to be read.
    fn at(&self, rest: &[u8]) -> u64 {
        self.from + (self.length - rest.len()) as u64
    }

    fn value(&mut self, depth: usize, next: u8, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        let begin = lexer.as_slice();
        match next {
            b'"' => {
                let text = self.text(lexer.discarded());
                // A text that is nothing but a broken value is no JSON at all.
                return text.and_then(|text| match text {
                    Val::BStr(_) if depth == DEPTH_MAX => Err(Expect::String.into()),
                    text => Ok(text),
                });
            }
            b'[' | b'{' => {
                return match depth.checked_sub(1) {
                    Some(depth) if next == b'[' => self.array(depth, lexer),
                    Some(depth) => self.object(depth, lexer),
                    None => self.too_deep(lexer),
                };
            }
            _ => {}
        }
        let plain = match next {
            b'a'..=b'z' => match lexer.null_or_bool() {
                Some(word) => Ok(word.map_or(Val::Null, Val::Bool)),
                None => Err(Expect::Value.into()),
            },
            b'0'..=b'9' | b'-' => self.number(lexer),
            _ => Err(Expect::Value.into()),
        };
        let goes_on = lexer.as_slice().first().is_some_and(u8::is_ascii_alphanumeric);
        if (plain.is_ok() && !goes_on) || depth == DEPTH_MAX {
            return plain;
        }
        let (false, Some(length)) = (matches!(plain, Err(Cause::TooMuch)), mend::word(begin)) else {
            return plain;
        };
        let what = match plain {
            Err(Cause::LongNumber) => long_number_text(),
            _ => format!("`{}`, which is no JSON", shortened(&begin[..length])),
        };
        self.broken(&what, 0, length, begin, lexer)
    }

    /// Marks what begins at `begin`, and goes on behind it; `at` is where in it the fault is.
    fn broken<'l>(
        &mut self,
        what: &str,
        at: usize,
        length: usize,
        begin: &'l [u8],
        lexer: &mut SliceLexer<'l>,
    ) -> Result<Val, Cause> {
        let (raw, rest) = begin.split_at(length);
        *lexer = SliceLexer::new(rest);
        self.mark(what, self.at(begin) + at as u64, raw)
    }

    fn mark(&mut self, what: &str, at: u64, raw: &[u8]) -> Result<Val, Cause> {
        let mark = broken(what, at, raw);
        let length = match &mark {
            Val::BStr(bytes) => bytes.len(),
            _ => 0,
        };
        self.take(MARK_ROOM + length)?;
        Ok(mark)
    }

    fn too_deep<'l>(&mut self, lexer: &mut SliceLexer<'l>) -> Result<Val, Cause> {
        let begin = lexer.as_slice();
        let length = mend::nested(begin).ok_or(Cause::Json(hifijson::Error::Depth))?;
        let what = format!("values nested deeper than {DEPTH_MAX}");
        self.broken(&what, 0, length, begin, lexer)
    }

    /// A text after its opening quote.
    fn text<'l>(&mut self, lexer: &mut SliceLexer<'l>) -> Result<Val, Cause> {
        let begin = lexer.as_slice();
        let error = match lexer.str_string() {
            Ok(text) => {
                self.take(TEXT_ROOM + if let Cow::Owned(text) = &text { text.len() } else { 0 })?;
                return Ok(Val::utf8_str(self.shared(text)));
            }
            Err(error) => hifijson::Error::from(error),
        };
        let text = mend::text(begin).ok_or(error)?;
        let (raw, rest) = begin.split_at(text.length);
        *lexer = SliceLexer::new(rest);
        let raw = raw.strip_suffix(b"\"").unwrap_or(raw);
        self.mark(text.what, self.at(begin) + text.at as u64, raw)
    }

    /// The lexer borrows from the source what it need not unescape.
    fn shared(&self, text: Cow<'_, str>) -> Bytes {
        match text {
            Cow::Borrowed(text) => self.source.slice_ref(text.as_bytes()),
            Cow::Owned(text) => text.into_bytes().into(),
        }
    }

    fn number(&mut self, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        let (text, parts) = lexer.num_string().validated().map_err(hifijson::Error::from)?;
        let text: &str = text;
        if text.len() > NUMBER_MAX {
            return Err(Cause::LongNumber);
        }
        let number = match parts.is_int().then(|| Num::from_str_radix(text, 10)).flatten() {
            Some(small @ Num::Int(_)) => return Ok(Val::Num(small)),
            Some(large) => large,
            None => Num::Dec(text.to_owned().into()),
        };
        self.take(DIGITS_ROOM + text.len())?;
        Ok(Val::Num(number))
    }

    /// Takes room for values; there is none left for endless ones.
    fn take(&mut self, bytes: usize) -> Result<(), Cause> {
        self.room = self.room.checked_sub(bytes).ok_or(Cause::TooMuch)?;
        Ok(())
    }

    fn array(&mut self, depth: usize, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        self.take(ARRAY_ROOM)?;
        let from = self.open.items.len();
        lexer.discarded().seq(b']', SliceLexer::ws_peek, |next, lexer| {
            self.take(size_of::<Val>())?;
            let item = self.value(depth, next, lexer)?;
            self.room = grown(&self.open.items, self.room)?;
            self.open.items.push(item);
            Ok::<_, Cause>(())
        })?;
        let items: Vec<Val> = self.open.items.drain(from..).collect();
        Ok(Val::Arr(items.into()))
    }

    /// The members of an object with these names, which mostly come in the same order in each
    /// record.
    fn named(&mut self, lexer: &mut SliceLexer<'_>, names: &[String], found: &mut [Option<Val>]) -> Result<(), Cause> {
        let mut expected = 0;
        lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
            let place = match names.get(expected).and_then(|name| after_name(lexer.as_slice(), name)) {
                Some(rest) => {
                    *lexer = SliceLexer::new(rest);
                    Some(expected)
                }
                None => {
                    let name = lexer.str_string().map_err(hifijson::Error::from)?;
                    names.iter().position(|known| *known == *name)
                }
            };
            lexer.expect(SliceLexer::ws_peek, b':').ok_or(Expect::Colon)?;
            let next = lexer.ws_peek().ok_or(Expect::Value)?;
            let value = self.value(DEPTH_MAX - 1, next, lexer)?;
            if let Some((place, slot)) = place.and_then(|place| Some((place, found.get_mut(place)?))) {
                // Of a repeated key the last value counts, as in every common parser.
                *slot = Some(value);
                expected = place + 1;
            }
            Ok::<_, Cause>(())
        })
    }

    fn object(&mut self, depth: usize, lexer: &mut SliceLexer<'_>) -> Result<Val, Cause> {
        self.take(OBJECT_ROOM)?;
        let from = self.open.members.len();
        lexer.discarded().seq(b'}', SliceLexer::ws_peek, |next, lexer| {
            self.take(MEMBER_ROOM)?;
            lexer.expect(|_| Some(next), b'"').ok_or(Expect::String)?;
            let key = self.text(lexer)?;
            lexer.expect(SliceLexer::ws_peek, b':').ok_or(Expect::Colon)?;
            let next = lexer.ws_peek().ok_or(Expect::Value)?;
            let value = match next {
                b',' | b'}' => self.mark("nothing where a value should be", self.at(lexer.as_slice()), &[])?,
                _ => self.value(depth, next, lexer)?,
            };
            self.room = grown(&self.open.members, self.room)?;
            self.open.members.push((key, value));
            Ok::<_, Cause>(())
        })?;
        let members = self.open.members.drain(from..);
        let mut fields = Map::with_capacity_and_hasher(members.len(), Default::default());
        // Of a repeated key the last value counts, as in every common parser.
        fields.extend(members);
        Ok(Val::obj(fields))
    }
}

/// What follows a name and its closing quote, if the text begins with them.
fn after_name<'l>(text: &'l [u8], name: &str) -> Option<&'l [u8]> {
    text.strip_prefix(name.as_bytes())?.strip_prefix(b"\"")
}

/// The room that is left when one more is pushed: a full list takes twice as much from then on.
fn grown<T>(list: &Vec<T>, room: usize) -> Result<usize, Cause> {
    let more = match list.len() < list.capacity() || list.len() < OPEN_KEPT {
        true => 0,
        false => 2 * size_of_val(&list[..]),
    };
    room.checked_sub(more).ok_or(Cause::TooMuch)
}

fn long_number_text() -> String {
    format!("a number of more than {NUMBER_MAX} characters")
}

/// The beginning of a word.
fn shortened(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(word.get(..WORD_SHOWN).unwrap_or(word))
}

#[cfg(test)]
mod tests;
