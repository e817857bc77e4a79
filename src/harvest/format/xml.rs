//! XML: the elements that `rows` leads to one by one, or a page as a whole. Knows how `rows` is
//! taken apart; what an element becomes is in `build`.

mod build;
mod source;
mod walk;

use std::io::Read as _;

use self::walk::{Aim, Item, Outline, walk};
use super::{
    DecodeContext, Decoder, Envelope, Sink,
    json::parsed,
    rows::{Found, of_item},
};
use crate::{
    catalog::{Fetch, jq::Items},
    harvest::{
        error::{PageFault, Stop, file_fault},
        html::begins_html,
        limits::LONG_FROM,
        refusal::{At, refused_text},
        text::Long,
        turn::Turn,
    },
};

pub(super) struct Xml;

impl Decoder for Xml {
    fn in_pieces_from(&self, fetch: &Fetch) -> Option<u64> {
        fetch.items().map(|_| LONG_FROM as u64)
    }

    fn ends_by_itself(&self) -> bool {
        true
    }

    fn read(&self, text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
        no_html(text, context)?;
        match context.fetch.rows.items().filter(|items| !items.keys.is_empty()) {
            Some(items) => elements(text, items, context, sink),
            None => whole(text, context, sink),
        }
    }
}

fn no_html(text: Long<'_>, context: &DecodeContext<'_>) -> Result<(), Stop> {
    let io = |error: std::io::Error| file_fault(context.place, &error);
    let mut begin = Vec::new();
    let mut reader = text.reader().map_err(io)?.take(256);
    reader.read_to_end(&mut begin).map_err(io)?;
    match begins_html(&begin) {
        true => Err(PageFault::Html {
            place: context.place.to_owned(),
        }
        .into()),
        false => Ok(()),
    }
}

/// Reads a page as one value.
fn whole(text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let bytes = text.bytes().map_err(|error| file_fault(context.place, &error))?;
    let _turn = Turn::of(bytes as usize, || context.cancel.is_cancelled()).ok_or(Stop::Gone)?;
    let outline = walk(text, &[], context, Aim::Outline)?;
    let Some(page) = outline.page else {
        return Err(PageFault::Internal.into());
    };
    let found = Found::on(&page, context, sink);
    parsed(&page, found, outline.bytes, context, sink)
}

/// Goes through a page twice: for what stands beside the elements at the path and their number,
/// then for these. Where `pages` looks at them, what stands beside them is all of the page.
fn elements(text: Long<'_>, items: &Items, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let bytes = text.bytes().map_err(|error| file_fault(context.place, &error))?;
    let apart = walk(text, &items.keys, context, Aim::Outline)?;
    let page = match context.fetch.items() {
        Some(_) => apart.page.clone(),
        None => walk(text, &[], context, Aim::Outline)?.page,
    };
    let Some(page) = page else {
        return outermost(text, items, bytes, &apart, context, sink);
    };
    context.allow();
    if !apart.led {
        // Without anything in which they could be, `rows` says what is wrong.
        let found = Found::on(&page, context, sink);
        return parsed(&page, found, bytes, context, sink);
    }
    sink.came(bytes);
    sink.envelope(Envelope {
        page: &page,
        items: apart.items,
        alone: None,
        counted: items.one_each,
    })?;
    give(text, items, context, sink)
}

/// The outermost element is the only record; nothing stands beside it.
fn outermost(
    text: Long<'_>,
    items: &Items,
    bytes: u64,
    apart: &Outline,
    context: &DecodeContext<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Stop> {
    sink.came(bytes);
    sink.envelope(Envelope {
        page: &jaq_json::Val::Null,
        items: apart.items,
        alone: None,
        counted: items.one_each,
    })?;
    give(text, items, context, sink)
}

fn give(text: Long<'_>, items: &Items, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let each = &mut |found: Item| item(&found, items, context, sink);
    walk(text, &items.keys, context, Aim::Items(each)).map(drop)
}

/// Reads one element at the path.
fn item(item: &Item, items: &Items, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let (at, bytes) = (At::Record(item.number), item.bytes);
    let Some(value) = &item.value else {
        let reason = "it takes too much memory with all its values".to_owned();
        return sink.refuse(refused_text(reason, String::new()), bytes, at);
    };
    context.allow();
    match &items.each {
        Some(filter) => of_item(filter, value, (bytes, at), context, sink),
        None => sink.record(value, bytes, at),
    }
}
