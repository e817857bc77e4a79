//! Pages that are read record by record instead of as a whole. Knows the list that `rows` leads to; what becomes of a record
//! is the worker's affair.

use std::{io, ops::ControlFlow};

use jaq_json::Val;
use tokio::sync::oneshot;

use super::{Step, Stop, Worker};
use crate::{
    catalog::jq::Items,
    harvest::{
        document::parse,
        error::{PageFault, file_fault, rows_fault},
        json,
        page::PageInfo,
        refusal::{refused_costly, refused_item, refused_text},
        select::spoiled,
        stream::{Broken, Item, walk},
        text::Long,
    },
    store::Refused,
    value::first_broken,
};

/// What a page tells beside its text.
pub(super) struct Beside {
    pub link: Option<String>,
    pub hash: Option<u64>,
    /// None when the page is read a second time.
    pub reply: Option<oneshot::Sender<Step>>,
}

impl Worker<'_> {
    /// Goes through a page twice: for what stands beside the list and the number of the records, then for the records.
    pub(super) fn long(&mut self, page: Long<'_>, beside: Beside, place: &str) -> Result<(), Stop> {
        let fetch = self.fetch;
        let items = self.items.ok_or(PageFault::Internal)?;
        let io = |error: io::Error| Stop::Fault(file_fault(place, &error));
        let bytes = page.bytes().map_err(io)?;
        let cancel = self.cancel.clone();
        let seen = walk(page.reader().map_err(io)?, &items.keys, &mut |_| !cancel.is_cancelled());
        let outline = seen.map_err(|broken| stop(broken, place))?;
        // What was read so far took no filter.
        self.budget.allow(self.filter_time);
        let rest = parse(&self.covered(outline.rest.into()), place)?;
        if !outline.found {
            // Without its list it is a small page: what `rows` says of that is said as of any other.
            let counted = self.count(&rest, place);
            return self.whole((&rest, counted), bytes, beside, place);
        }
        self.size = bytes;
        self.group.bytes += bytes;
        let Beside { link, hash, reply } = beside;
        let info = PageInfo::read(&fetch.paging, &rest, link, place);
        self.in_time()?;
        self.info = info?;
        self.reveal();
        let mut reply = Some(reply);
        // One item lies too far from what stands beside the list to be taken for a part of it.
        self.info.count(&rest, outline.items, None);
        if items.one_each {
            self.step(hash, place, reply.take().flatten())?;
        }
        self.info.rows = if items.one_each { outline.items } else { 0 };
        let mut halt = None;
        let each = &mut |item: Item| {
            halt = self.item(&item, items, place).err();
            halt.is_none()
        };
        let walked = walk(page.reader().map_err(io)?, &items.keys, each);
        if let Some(halt) = halt {
            return Err(halt);
        }
        walked.map_err(|broken| stop(broken, place))?;
        if let Some(reply) = reply {
            self.step(hash, place, reply)?;
        }
        Ok(())
    }

    /// Works off one item of the list.
    fn item(&mut self, item: &Item, items: &Items, place: &str) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Gone);
        }
        self.at = item.number;
        let bytes = item.text.len() as u64;
        let text = self.covered(item.text.clone());
        if items.each.is_none()
            && let Some(row) = self.plain(&text)
        {
            return self.keep(row, bytes);
        }
        self.budget.allow(self.filter_time);
        let value = match json::parse(&text, item.at) {
            Ok(value) => value,
            // Where it ends is plain, so it spoils nothing but itself.
            Err(error) => {
                if !items.one_each {
                    self.info.rows += 1;
                }
                let text = String::from_utf8_lossy(&text).into_owned();
                self.refuse(refused_text(error.reason(), text));
                return self.added(bytes);
            }
        };
        let Some(filter) = &items.each else {
            return self.listed(&value, bytes, true, place);
        };
        if let Some(words) = spoiled(filter, &value) {
            return self.refuse_item(refused_item(words, &value), bytes, items);
        }
        let mut halt = None;
        let each = &mut |record: &Val| match self.listed(record, bytes, items.one_each, place) {
            Ok(()) => ControlFlow::Continue(()),
            Err(stop) => {
                halt = Some(stop);
                ControlFlow::Break(())
            }
        };
        let ran = filter.run_each(&value, &[], each);
        if halt.is_none() {
            self.in_time()?;
        }
        if let Some(halt) = halt {
            return Err(halt);
        }
        match (ran, first_broken(&value)) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(words)) => self.refuse_item(refused_item(words, &value), bytes, items),
            (Err(error), None) if error.too_much => self.refuse_item(refused_costly(&error, &value), bytes, items),
            (Err(error), None) => Err(rows_fault(place, format!("rows: {}", error.message)).into()),
        }
    }

    /// Refuses an item of which the records cannot be had.
    fn refuse_item(&mut self, refused: Refused, bytes: u64, items: &Items) -> Result<(), Stop> {
        if !items.one_each {
            self.info.rows += 1;
        }
        self.refuse(refused);
        self.added(bytes)
    }

    /// A record of the list; its number is known before where each item gives one.
    fn listed(&mut self, record: &Val, bytes: u64, known: bool, place: &str) -> Result<(), Stop> {
        if !known {
            self.info.rows += 1;
        }
        self.check_record(record, place)?;
        self.record(record, bytes)
    }
}

fn stop(broken: Broken, place: &str) -> Stop {
    broken.fault(place).map_or(Stop::Gone, Stop::Fault)
}
