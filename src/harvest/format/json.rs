//! JSON: one value, a small one read as a whole, a large one item by item where `rows` leads to a
//! list. Knows how `rows` is taken apart; what becomes of a record is the sink's affair.

use std::io;

use bytes::Bytes;
use jaq_json::Val;

use super::{
    DecodeContext, Decoder, Envelope, Sink,
    document::parse,
    errors,
    rows::{Found, NotFound, of_item},
    stream::{Broken, Item, walk},
};
use crate::{
    catalog::{Fetch, jq::Items},
    harvest::{
        error::{PageFault, Stop, file_fault, spoiled_page},
        json,
        limits::LONG_FROM,
        refusal::{At, refused_text},
        select::{broken_for, spoiled},
        text::Long,
        turn::Turn,
    },
};

pub(super) struct Json;

impl Decoder for Json {
    fn in_pieces_from(&self, fetch: &Fetch) -> Option<u64> {
        fetch.items().map(|_| LONG_FROM as u64)
    }

    fn ends_by_itself(&self) -> bool {
        true
    }

    fn read(&self, text: Long<'_>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
        match (text, context.fetch.items()) {
            (Long::Memory(bytes), None) => whole(bytes, None, context, sink),
            (Long::Memory(bytes), items) if bytes.len() < LONG_FROM => whole(bytes, items, context, sink),
            (text, Some(items)) => in_pieces(text, items, context, sink),
            // Whoever got the page asked first whether it may be read so.
            (Long::File(..), None) => Err(PageFault::Internal.into()),
        }
    }
}

/// Reads a page as a whole, unless one item of it would cost the others.
fn whole(bytes: &Bytes, items: Option<&Items>, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let _turn = Turn::of(bytes.len(), || context.cancel.is_cancelled()).ok_or(Stop::Gone)?;
    let page = parse(bytes, context.place)?;
    let items = items.filter(|items| items.each.is_some());
    if let Some(items) = items
        && broken_for(&context.fetch.rows, &page).is_some()
    {
        return in_pieces(Long::Memory(bytes), items, context, sink);
    }
    let found = Found::on(&page, context, sink);
    if let Some(items) = items
        && found.as_ref().is_err_and(|not_found| not_found.too_much)
    {
        return in_pieces(Long::Memory(bytes), items, context, sink);
    }
    parsed(&page, found, bytes.len() as u64, context, sink)
}

/// Reads a page that is a value in memory; `bytes` is how large it was as a text.
pub(super) fn parsed(
    page: &Val,
    found: Result<Found, NotFound>,
    bytes: u64,
    context: &DecodeContext<'_>,
    sink: &mut dyn Sink,
) -> Result<(), Stop> {
    // Before all else: where a query failed, it is no news that there are no rows.
    errors::check(context.fetch, page, context.place)?;
    let rows = &context.fetch.rows;
    if let Some(words) = spoiled(rows, page) {
        return Err(spoiled_page(context.place, rows.text(), words).into());
    }
    sink.came(bytes);
    context.in_time()?;
    let found = found.map_err(|not_found| not_found.fault)?;
    sink.envelope(Envelope {
        page,
        items: found.count,
        alone: found.alone.as_ref(),
        counted: true,
    })?;
    let share = bytes / found.count.max(1);
    found.give(page, share, context, sink)
}

/// Goes through a page twice: for what stands beside the list and the number of its items, then for
/// these.
fn in_pieces(text: Long<'_>, items: &Items, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    let place = context.place;
    let io = |error: io::Error| Stop::Fault(file_fault(place, &error));
    let bytes = text.bytes().map_err(io)?;
    let seen = walk(text.reader().map_err(io)?, &items.keys, &mut |_| {
        context.wanted().is_ok()
    });
    let outline = seen.map_err(|broken| stop(broken, place))?;
    // What was read so far took no filter.
    context.allow();
    let rest = parse(&context.covered(outline.rest.into()), place)?;
    if !outline.found {
        // Without its list it is a small page: what `rows` says of that is said as of any other.
        let found = Found::on(&rest, context, sink);
        return parsed(&rest, found, bytes, context, sink);
    }
    errors::check(context.fetch, &rest, place)?;
    sink.came(bytes);
    sink.envelope(Envelope {
        page: &rest,
        items: outline.items,
        // One item lies too far from what stands beside the list to be taken for a part of it.
        alone: None,
        counted: items.one_each,
    })?;
    let mut halt = None;
    let each = &mut |found: Item| {
        halt = item(&found, items, context, sink).err();
        halt.is_none()
    };
    let walked = walk(text.reader().map_err(io)?, &items.keys, each);
    match halt {
        Some(halt) => Err(halt),
        None => walked.map(drop).map_err(|broken| stop(broken, place)),
    }
}

/// Reads one item of the list.
fn item(item: &Item, items: &Items, context: &DecodeContext<'_>, sink: &mut dyn Sink) -> Result<(), Stop> {
    context.wanted()?;
    let (at, bytes) = (At::Record(item.number), item.text.len() as u64);
    let text = context.covered(item.text.clone());
    if items.each.is_none() && sink.plain(&text, bytes)? {
        return Ok(());
    }
    context.allow();
    let value = match json::parse(&text, item.at) {
        Ok(value) => value,
        // Where it ends is plain, so it spoils nothing but itself.
        Err(error) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            return sink.refuse(refused_text(error.reason(), text), bytes, at);
        }
    };
    match &items.each {
        Some(filter) => of_item(filter, &value, (bytes, at), context, sink),
        None => sink.record(&value, bytes, at),
    }
}

fn stop(broken: Broken, place: &str) -> Stop {
    broken.fault(place).map_or(Stop::Gone, Stop::Fault)
}
