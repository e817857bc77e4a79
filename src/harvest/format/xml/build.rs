//! Elements to values as JSON has them: attributes as `@name`, text as `#text`, elements that come
//! again as an array. Knows the mapping; reads no bytes.

use std::sync::Arc;

use bytes::Bytes;
use jaq_json::{Map, Val};

use super::source::SIGN;
use crate::{harvest::format::DecodeContext, value::broken};

/// Elements within each other, as many as JSON may have levels.
const DEPTH_MAX: usize = 128;
/// What an element takes in memory beside its texts, at least.
const ELEMENT: usize = 160;

/// An element whose end is still to come.
#[derive(Default)]
struct Open {
    name: String,
    members: Map,
    text: String,
    /// What was found in it that is no value.
    broken: Option<Val>,
    nil: bool,
}

/// Values in the making.
pub(super) struct Builder<'c> {
    context: &'c DecodeContext<'c>,
    open: Vec<Open>,
    /// Elements within the deepest one that is kept.
    below: usize,
    room: usize,
    most: usize,
}

impl<'c> Builder<'c> {
    /// `most`: what its values may take in memory.
    pub(super) fn new(context: &'c DecodeContext<'c>, most: usize) -> Builder<'c> {
        Builder {
            context,
            open: Vec::new(),
            below: 0,
            room: most,
            most,
        }
    }

    /// Whether the values would take too much.
    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    pub(super) fn start(&mut self, name: &str, at: u64) {
        if self.below > 0 || self.open.len() >= DEPTH_MAX {
            self.below += 1;
            self.wrong(&format!("elements nested deeper than {DEPTH_MAX}"), at);
            return;
        }
        self.takes(ELEMENT + name.len());
        if !self.is_full() || self.open.is_empty() {
            self.open.push(Open {
                name: name.to_owned(),
                ..Open::default()
            });
        } else {
            self.below += 1;
        }
    }

    pub(super) fn attribute(&mut self, name: &str, value: &str) {
        // What they declare is said by the names.
        if self.below > 0 || name == "xmlns" || name.starts_with("xmlns:") {
            return;
        }
        self.takes(ELEMENT / 2 + name.len() + value.len());
        let value = self.value(value);
        if let (false, Some(open)) = (self.room == 0, self.open.last_mut()) {
            open.nil |= name.ends_with(":nil") && matches!(&value, Val::TStr(text) if ***text == *b"true");
            open.members.insert(text(&format!("@{name}")), value);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.below == 0 {
            self.takes(text.len());
            if let (false, Some(open)) = (self.room == 0, self.open.last_mut()) {
                open.text.push_str(text);
            }
        }
    }

    /// Something in the element in hand that is no value.
    pub(super) fn wrong(&mut self, what: &str, at: u64) {
        if let Some(open) = self.open.last_mut() {
            open.broken.get_or_insert_with(|| broken(what, at, b""));
        }
    }

    /// A list in the element in hand whose items are given apart.
    pub(super) fn list(&mut self, name: &str) {
        if let Some(open) = self.open.last_mut() {
            open.members
                .entry(text(name))
                .or_insert_with(|| Val::Arr(Arc::default()));
        }
    }

    /// The end of an element; the outermost one gives its name and value.
    pub(super) fn end(&mut self) -> Option<(String, Val)> {
        if self.below > 0 {
            self.below -= 1;
            return None;
        }
        let open = self.open.pop()?;
        let (name, value) = (open.name.clone(), self.finished(open));
        let Some(parent) = self.open.last_mut() else {
            self.room = self.most;
            return Some((name, value));
        };
        add(&mut parent.members, &name, value);
        None
    }

    fn finished(&self, mut open: Open) -> Val {
        if let Some(broken) = open.broken {
            return broken;
        }
        let trimmed = open.text.trim_matches([' ', '\t', '\r', '\n']);
        let value = match trimmed.is_empty() {
            true => Val::Null,
            false => self.value(trimmed),
        };
        if open.members.is_empty() || (open.nil && matches!(value, Val::Null)) {
            return value;
        }
        if !matches!(value, Val::Null) {
            open.members.insert(text("#text"), value);
        }
        Val::obj(open.members)
    }

    /// A text, unless it has bytes that are none.
    fn value(&self, words: &str) -> Val {
        match words.find(SIGN) {
            Some(at) => broken("a text with bytes that are no UTF-8", at as u64, words.as_bytes()),
            None => Val::utf8_str(self.context.covered(Bytes::copy_from_slice(words.as_bytes()))),
        }
    }

    fn takes(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }
}

/// Adds an element to others of its name.
fn add(members: &mut Map, name: &str, value: Val) {
    match members.entry(text(name)) {
        indexmap::map::Entry::Vacant(place) => {
            place.insert(value);
        }
        indexmap::map::Entry::Occupied(mut place) => match place.get_mut() {
            Val::Arr(items) => Arc::make_mut(items).push(value),
            one => *one = Val::Arr(vec![std::mem::take(one), value].into()),
        },
    }
}

fn text(text: &str) -> Val {
    Val::utf8_str(Bytes::copy_from_slice(text.as_bytes()))
}
