//! Through an XML text, element by element, however long it is: all of it as one value, or the
//! elements at a path one by one. Knows where elements begin and end; what they mean is for
//! `build`.
//!
//! Nothing is fetched and nothing is defined: a document type is passed over, and of entities only
//! the five that XML has are known.

use bytes::Bytes;
use jaq_json::{Map, Val};
use quick_xml::{
    Reader,
    errors::{Error, IllFormedError},
    escape::{resolve_predefined_entity, unescape},
    events::{BytesRef, BytesStart, Event},
};

use super::{build::Builder, source::Source};
use crate::harvest::{
    error::{PageFault, Stop, file_fault, rows_fault},
    format::DecodeContext,
    limits::{LINE_MAX, PAGE_MEMORY},
    text::Long,
};

/// What the values of one element at the path may take in memory.
const ITEM_MEMORY: usize = if cfg!(test) { 4 << 20 } else { 48 << 20 };

/// One element at the path.
pub(super) struct Item {
    /// None: its values take more than they may.
    pub value: Option<Val>,
    /// Counted from one.
    pub number: u64,
    pub bytes: u64,
}

/// What stands in a text.
#[derive(Default)]
pub(super) struct Outline {
    /// The root under its name; elements at the path are left out, and an empty list stands there.
    pub page: Option<Val>,
    /// There is something in which the elements at the path would lie.
    pub led: bool,
    pub items: u64,
    pub bytes: u64,
}

/// What a walk is for.
pub(super) enum Aim<'a> {
    /// All that is not at the path.
    Outline,
    /// What is at the path, one after the other.
    Items(&'a mut dyn FnMut(Item) -> Result<(), Stop>),
}

/// Walks through a text, of which the elements under these names are the items; without names there
/// are none.
pub(super) fn walk<'a>(
    text: Long<'_>,
    keys: &'a [String],
    context: &DecodeContext<'_>,
    aim: Aim<'a>,
) -> Result<Outline, Stop> {
    let parts = text.pieces().map_err(|error| file_fault(context.place, &error))?;
    let mut reader = Reader::from_reader(Source::new(parts));
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.allow_dangling_amp = true;
    let most = match aim {
        Aim::Outline => PAGE_MEMORY,
        Aim::Items(_) => ITEM_MEMORY,
    };
    let mut walk = Walk {
        reader,
        keys,
        context,
        aim,
        builder: Builder::new(context, most),
        outline: Outline::default(),
        depth: 0,
        matched: 0,
        inside: None,
        began: 0,
        beside: 0,
    };
    let mut buffer = Vec::new();
    while walk.step(&mut buffer)? {}
    walk.outline.bytes = walk.reader.buffer_position();
    Ok(walk.outline)
}

struct Walk<'a, 'c> {
    reader: Reader<Source>,
    keys: &'a [String],
    context: &'c DecodeContext<'c>,
    aim: Aim<'a>,
    builder: Builder<'c>,
    outline: Outline,
    /// Elements that are open, and how many of them, from the root on, are those of the path.
    depth: usize,
    matched: usize,
    /// The depth at which the item in hand began.
    inside: Option<usize>,
    began: u64,
    /// Bytes that stand beside the items.
    beside: u64,
}

impl Walk<'_, '_> {
    /// Reads the next event; false at the end.
    fn step(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Stop> {
        buffer.clear();
        if self.inside.is_none() {
            self.reader.get_mut().allow();
        }
        let at = self.reader.buffer_position();
        let event = match self.reader.read_event_into(buffer) {
            Ok(event) => event,
            Err(error) => return Err(self.fault(&error)),
        };
        let kept = self.is_kept();
        match event {
            Event::Start(start) => self.start(&start, at)?,
            Event::End(_) => self.end()?,
            Event::Text(text) if kept => self.words(&text.xml10_content(), at)?,
            Event::CData(text) if kept => self.words(&text.xml10_content(), at)?,
            Event::GeneralRef(entity) if kept => self.entity(&entity, at)?,
            Event::Eof => return self.whole().map(|()| false),
            _ => {}
        }
        if kept && self.inside.is_none() && matches!(self.aim, Aim::Outline) {
            self.beside += self.reader.buffer_position() - at;
            if self.beside > LINE_MAX as u64 && !self.keys.is_empty() {
                return Err(self.too_long(None));
            }
            if self.builder.is_full() {
                let place = self.context.place.to_owned();
                return Err(PageFault::TooManyValues { place }.into());
            }
        }
        Ok(true)
    }

    /// Whether what comes now becomes a value.
    fn is_kept(&self) -> bool {
        match self.aim {
            Aim::Outline => self.inside.is_none(),
            Aim::Items(_) => self.inside.is_some(),
        }
    }

    fn start(&mut self, start: &BytesStart<'_>, at: u64) -> Result<(), Stop> {
        if self.depth == 0 && (self.outline.page.is_some() || self.outline.bytes > 0) {
            return Err(self.wrong("another element follows the outermost one"));
        }
        let name = start.name();
        if self.inside.is_none()
            && self.depth == self.matched
            && self.keys.get(self.depth).is_some_and(|key| key == name.0)
        {
            self.matched += 1;
            if self.matched == self.keys.len() {
                self.item(name.0, at)?;
            }
        }
        self.outline.led |= self.matched + 1 >= self.keys.len() && self.matched > 0;
        self.depth += 1;
        if self.is_kept() {
            self.builder.start(name.0, at);
            self.attributes(start, at);
        }
        Ok(())
    }

    /// An element at the path begins.
    fn item(&mut self, name: &str, at: u64) -> Result<(), Stop> {
        self.context.wanted()?;
        if matches!(self.aim, Aim::Outline) {
            self.builder.list(name);
        }
        self.inside = Some(self.depth);
        self.began = at;
        self.outline.items += 1;
        self.reader.get_mut().allow();
        Ok(())
    }

    fn attributes(&mut self, start: &BytesStart<'_>, at: u64) {
        for attribute in start.attributes().with_checks(true) {
            match attribute {
                Ok(attribute) => match unescape(&attribute.value) {
                    Ok(value) => self.builder.attribute(attribute.key.0, &value),
                    Err(error) => self.builder.wrong(&format!("an attribute with {error}"), at),
                },
                Err(error) => self.builder.wrong(&format!("an attribute that is none, {error}"), at),
            }
        }
    }

    fn words(&mut self, words: &str, at: u64) -> Result<(), Stop> {
        if self.depth == 0 && !words.trim_start_matches('\u{feff}').trim().is_empty() {
            return match at < 4 {
                true => Err(self.no_xml(words)),
                false => Err(self.wrong("a text outside of all elements")),
            };
        }
        self.builder.text(words);
        Ok(())
    }

    /// `&name;`
    fn entity(&mut self, entity: &BytesRef<'_>, at: u64) -> Result<(), Stop> {
        match entity.resolve_char_ref() {
            Ok(Some(sign)) => return self.words(sign.encode_utf8(&mut [0; 4]), at),
            Ok(None) => {
                if let Some(text) = resolve_predefined_entity(entity) {
                    return self.words(text, at);
                }
            }
            Err(_) => {}
        }
        let name: String = entity.chars().take(20).collect();
        self.builder
            .wrong(&format!("the entity `&{name};`, which XML does not have"), at);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stop> {
        let full = self.builder.is_full();
        let ended = if self.is_kept() { self.builder.end() } else { None };
        self.depth = self.depth.saturating_sub(1);
        self.matched = self.matched.min(self.depth);
        if self.inside == Some(self.depth) {
            self.inside = None;
            if let Aim::Items(each) = &mut self.aim {
                each(Item {
                    value: ended.filter(|_| !full).map(|(_, value)| value),
                    number: self.outline.items,
                    bytes: self.reader.buffer_position() - self.began,
                })?;
            }
        } else if let Some((name, value)) = ended {
            let root = Val::utf8_str(Bytes::copy_from_slice(name.as_bytes()));
            self.outline.page = Some(Val::obj(Map::from_iter([(root, value)])));
        }
        if self.depth == 0 {
            self.outline.bytes = self.reader.buffer_position();
        }
        Ok(())
    }

    /// At the end of the text.
    fn whole(&self) -> Result<(), Stop> {
        let place = self.context.place.to_owned();
        match (self.depth, self.outline.bytes) {
            (0, 0) => Err(PageFault::Empty { place }.into()),
            (0, _) => Ok(()),
            (open, _) => Err(self.cut_off(format!("{open} of its elements are open"))),
        }
    }

    fn fault(&self, error: &Error) -> Stop {
        let place = self.context.place;
        match error {
            Error::Io(_) if self.reader.get_ref().is_exhausted() => {
                self.too_long(self.inside.map(|_| self.outline.items))
            }
            Error::Io(error) => file_fault(place, error).into(),
            // Each is something that nothing ends.
            Error::Syntax(error) => self.cut_off(error.to_string()),
            Error::IllFormed(IllFormedError::MissingEndTag(name)) => self.cut_off(format!("`{name}` is open")),
            error => self.wrong(&error.to_string()),
        }
    }

    fn too_long(&self, record: Option<u64>) -> Stop {
        let place = self.context.place.to_owned();
        match record {
            Some(record) => PageFault::LongRecord { place, record },
            None => PageFault::LongRest { place },
        }
        .into()
    }

    fn cut_off(&self, message: String) -> Stop {
        let message = format!("{message} (byte {})", self.reader.buffer_position());
        let place = self.context.place.to_owned();
        PageFault::CutOffText { place, message }.into()
    }

    fn wrong(&self, message: &str) -> Stop {
        let at = self.reader.error_position().max(self.reader.buffer_position());
        rows_fault(self.context.place, format!("not XML ({message}, byte {at})")).into()
    }

    fn no_xml(&self, begin: &str) -> Stop {
        let begin: String = begin.trim_start().chars().take(60).collect();
        rows_fault(self.context.place, format!("not XML; it begins {begin:?}")).into()
    }
}
