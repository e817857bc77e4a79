//! From a page of one row's answer to the rows it brings and the links it means. Knows filters and shapes; no HTTP, no store.

use std::{collections::HashMap, ops::ControlFlow, path::Path, time::Duration};

use bytes::Bytes;
use jaq_json::Val;
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{
        EntityId, Fetch, FetchId, Format, Repeats,
        jq::{Budget, Filter, Items},
    },
    harvest::{
        charset,
        document::parse,
        error::{PageFault, file_fault, rows_fault, spoiled_page},
        inner::Inner,
        json,
        limits::{BODY_MAX, LINE_MAX, REFUSED_TRIED, ROW_MEMORY},
        lines::Lines,
        packed,
        page::PageInfo,
        records::Parts,
        refusal::{in_place, in_vain, refused_costly, refused_item, refused_value, too_large},
        select::{broken_for, keeps, spoiled},
        shape::Shaper,
        stage::Content,
        turn::Turn,
    },
    store::Refused,
    value::{Key, Row, describe, first_broken},
};

/// What the records of an answer became.
#[derive(Default)]
pub(super) struct Records {
    pub rows: Vec<Row>,
    /// In the upstream's order, and as often as it names them.
    pub links: Vec<Key>,
    pub refused: Vec<Refused>,
    /// How many records there were, whatever became of them.
    pub count: u64,
    /// Those of them that were put to an earlier part of their row.
    pub merged: u64,
}

impl Records {
    /// Adds those of the next page.
    pub(super) fn add(&mut self, more: Records) {
        self.count += more.count;
        self.merged += more.merged;
        self.rows.extend(more.rows);
        self.refused.extend(more.refused);
        self.links.extend(more.links);
    }

    /// How often a key came again with other values than before, and the first key that came again at all.
    pub(super) fn repeats(&self, shaper: &Shaper, entity: EntityId) -> (u64, Option<Key>) {
        let mut last: HashMap<Key, i64> = HashMap::with_capacity(self.rows.len());
        let (mut others, mut first) = (0, None);
        for row in &self.rows {
            let Some(key) = shaper.key_of(entity, row) else {
                continue;
            };
            if let Some(before) = last.insert(key.clone(), row.hash) {
                others += u64::from(before != row.hash);
                first.get_or_insert(key);
            }
        }
        (others, first)
    }
}

/// What is read in one go: a page of an answer, or what its pages left.
pub(super) struct Reading {
    pub id: FetchId,
    pub place: String,
    /// The row that is asked about, as filters see it.
    pub this: Val,
    /// The rows so far that come in parts.
    pub parts: Parts,
    pub stop: CancellationToken,
}

/// Reads a page. Blocks: for a thread of its own.
pub(super) fn read(
    inner: &Inner,
    reading: Reading,
    content: Content,
    link: Option<String>,
) -> Result<(PageInfo, Records, Parts), PageFault> {
    let stop = reading.stop.clone();
    let mut reader = Reader::new(inner, reading);
    let mut info = match content {
        Content::Bytes(bytes) if reader.fetch.format == Format::Json => {
            let turn = Turn::of(bytes.len(), || stop.is_cancelled());
            let _turn = turn.ok_or(PageFault::Internal)?;
            reader.json(&bytes, link)?
        }
        Content::Bytes(bytes) => reader.lines(&bytes, link)?,
        Content::Lines(path) => reader.lines(&file(&path, &reader.place)?, link)?,
        // Whoever asked knows this without reading, and did not ask for what is read by record.
        Content::Unchanged { .. } | Content::Past | Content::Spool { .. } | Content::File(_) => PageInfo::default(),
    };
    (info.rows, info.left_out) = (reader.count, reader.left_out);
    Ok((info, reader.records, reader.parts))
}

/// Makes rows of what came in parts, once all are there. Blocks. Their links came with the first part of each.
pub(super) fn whole(inner: &Inner, mut reading: Reading) -> Result<Records, PageFault> {
    let parts = std::mem::take(&mut reading.parts);
    let mut reader = Reader::new(inner, reading);
    for record in parts.whole() {
        let (record, _) = record.map_err(|reason| rows_fault(&reader.place, reason))?;
        reader.budget.allow(reader.filter_time);
        let (row, refused) = reader.shaper.part(reader.entity, &record);
        reader.in_time()?;
        reader.records.refused.extend(refused);
        match row {
            Some(row) if row.size() > ROW_MEMORY => {
                let id = reader.shaper.key_of(reader.entity, &row);
                reader.records.refused.push(too_large(id, &record));
            }
            row => reader.records.rows.extend(row),
        }
    }
    Ok(reader.records)
}

/// A whole file: the answer to one row is small.
fn file(path: &Path, place: &str) -> Result<Bytes, PageFault> {
    let fault = |error: std::io::Error| file_fault(place, &error);
    if std::fs::metadata(path).map_err(fault)?.len() > BODY_MAX {
        return Err(PageFault::TooLarge {
            place: place.to_owned(),
        });
    }
    let bytes = std::fs::read(path).map_err(fault)?.into();
    Ok(charset::utf8(packed::unpack(&bytes, place.to_owned())?, None))
}

struct Reader<'a> {
    fetch: &'a Fetch,
    entity: EntityId,
    /// The field leads to one row: null says that there is none.
    one: bool,
    shaper: &'a Shaper,
    budget: Budget,
    filter_time: Duration,
    place: String,
    /// The row that is asked about: the variable of the filters.
    this: [Val; 1],
    count: u64,
    left_out: u64,
    refused: u64,
    /// The line in hand.
    at: u64,
    /// The record of a page that has one only.
    alone: Option<Val>,
    records: Records,
    parts: Parts,
}

impl<'a> Reader<'a> {
    fn new(inner: &'a Inner, reading: Reading) -> Reader<'a> {
        let stop = reading.stop;
        let budget = Budget::of_thread(move || stop.is_cancelled()).with_memory(inner.filter_memory);
        budget.allow(inner.filter_time);
        let fetch = inner.catalog.fetch(reading.id);
        Reader {
            fetch,
            entity: fetch.entity,
            one: fetch.each.as_ref().is_some_and(|each| each.one),
            shaper: &inner.shaper,
            budget,
            filter_time: inner.filter_time,
            place: reading.place,
            this: [reading.this],
            count: 0,
            left_out: 0,
            refused: 0,
            at: 0,
            alone: None,
            records: Records::default(),
            parts: reading.parts,
        }
    }

    fn json(&mut self, bytes: &Bytes, link: Option<String>) -> Result<PageInfo, PageFault> {
        let page = parse(bytes, &self.place)?;
        let mut info = PageInfo::read(&self.fetch.paging, &page, link, &self.place)?;
        match self.fetch.rows.items() {
            // What is made of one item must not cost the others.
            Some(items) if items.each.is_some() || broken_for(&self.fetch.rows, &page).is_some() => {
                self.items(items, &page)?;
            }
            _ => match spoiled(&self.fetch.rows, &page) {
                Some(words) => return Err(spoiled_page(&self.place, self.fetch.rows.text(), words)),
                None => self.rows(&page)?,
            },
        }
        info.count(&page, self.count, self.alone.as_ref());
        Ok(info)
    }

    fn lines(&mut self, bytes: &Bytes, link: Option<String>) -> Result<PageInfo, PageFault> {
        let mut lines = Lines::default();
        let last = bytes.split(|byte| *byte == b'\n').count() as u64;
        for (number, line) in (1u64..).zip(bytes.split(|byte| *byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if line.len() > LINE_MAX {
                let place = self.place.clone();
                return Err(PageFault::LongLine { place, line: number });
            }
            let line = bytes.slice_ref(line);
            let place = || format!("{}, line {number}", self.place);
            self.at = number;
            match json::parse(&line, 0) {
                Ok(record) => {
                    lines.good += 1;
                    self.line(&record)?;
                }
                Err(error) => {
                    self.count += 1;
                    let refused = lines.bad(&line, &error, number == last, place())?;
                    self.refuse(refused)?;
                }
            }
        }
        let mut info = PageInfo::default();
        info.link_next(&self.fetch.paging, link);
        Ok(info)
    }

    /// The records of a line, unless what it has broken would be made something of.
    fn line(&mut self, line: &Val) -> Result<(), PageFault> {
        match spoiled(&self.fetch.rows, line) {
            Some(words) => self.refuse_item(refused_item(words, line)),
            None => self.run(&self.fetch.rows, line, true),
        }
    }

    /// The items of a list one by one, so that what is broken in one of them costs no other.
    fn items(&mut self, items: &Items, page: &Val) -> Result<(), PageFault> {
        let mut list = page;
        for key in &items.keys {
            match list {
                Val::Obj(members) => {
                    let key = Val::utf8_str(Bytes::copy_from_slice(key.as_bytes()));
                    list = members.get(&key).unwrap_or(&Val::Null);
                }
                _ => return self.rows(page),
            }
        }
        let (Val::Arr(values), Some(each)) = (list, &items.each) else {
            return self.rows(page);
        };
        for value in values.iter() {
            match spoiled(each, value) {
                Some(words) => self.refuse_item(refused_item(words, value))?,
                None => self.run(each, value, true)?,
            }
        }
        Ok(())
    }

    fn refuse_item(&mut self, refused: Refused) -> Result<(), PageFault> {
        self.count += 1;
        self.refuse(refused)
    }

    fn rows(&mut self, page: &Val) -> Result<(), PageFault> {
        self.run(&self.fetch.rows, page, false)
    }

    /// The records that a filter makes of a page, or of one of its items alone.
    fn run(&mut self, filter: &Filter, input: &Val, alone: bool) -> Result<(), PageFault> {
        let mut stop = None;
        let this = self.this.clone();
        let each = &mut |record: &Val| match self.record(record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(fault) => {
                stop = Some(fault);
                ControlFlow::Break(())
            }
        };
        let ran = filter.run_each(input, &this, each);
        if let Some(fault) = stop {
            return Err(fault);
        }
        self.in_time()?;
        match (ran, first_broken(input)) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(words)) if alone => self.refuse_item(refused_item(words, input)),
            (Err(error), None) if alone && error.too_much => self.refuse_item(refused_costly(&error, input)),
            (Err(error), _) => Err(self.fault(format!("rows: {}", error.message))),
        }
    }

    /// An object is a row and its key; anything else is a key.
    fn record(&mut self, record: &Val) -> Result<(), PageFault> {
        self.count += 1;
        self.budget.allow(self.filter_time);
        self.alone = (self.count == 1).then(|| record.clone());
        match keeps(&self.fetch.keep, record, &self.this) {
            Ok(true) => {}
            Ok(false) => {
                self.left_out += 1;
                return self.in_time();
            }
            Err(reason) => {
                self.in_time()?;
                return self.refuse(self.shaper.refuse(self.entity, record, reason));
            }
        }
        if self.one && matches!(record, Val::Null) {
            return Ok(());
        }
        match record {
            Val::Obj(_) if self.part(record)? => {}
            Val::Obj(_) => {
                let (row, refused) = self.shaper.part(self.entity, record);
                self.in_time()?;
                let Some(row) = row else {
                    return refused.into_iter().try_for_each(|refused| self.refuse(refused));
                };
                if row.size() > ROW_MEMORY {
                    return self.refuse(too_large(self.shaper.key_of(self.entity, &row), record));
                }
                self.records.count += 1;
                self.records.refused.extend(refused);
                self.records.links.extend(self.shaper.key_of(self.entity, &row));
                self.records.rows.push(row);
            }
            value => match self.shaper.key(self.entity, value) {
                Ok(key) => {
                    self.records.count += 1;
                    self.records.links.push(key);
                }
                Err(_) if matches!(value, Val::Arr(_)) => {
                    return Err(self.fault(format!(
                        "rows: jq `{}` gave {} where each row should be an object or a key; does it lack `[]`?",
                        self.fetch.rows.text(),
                        describe(value)
                    )));
                }
                Err(reason) => self.refuse(refused_value(reason, value))?,
            },
        }
        Ok(())
    }

    /// Keeps a record that is a part of a row, if rows come in parts.
    fn part(&mut self, record: &Val) -> Result<bool, PageFault> {
        // What is broken cannot be kept as a text.
        if self.fetch.repeats != Repeats::Merge || first_broken(record).is_some() {
            return Ok(false);
        }
        let Some(key) = self.shaper.key_of_record(self.entity, record) else {
            return Ok(false);
        };
        self.in_time()?;
        match self
            .parts
            .add(key.clone(), record)
            .map_err(|reason| self.fault(reason))?
        {
            true => self.records.merged += 1,
            false => {
                self.records.count += 1;
                self.records.links.push(key);
            }
        }
        Ok(true)
    }

    /// The last good version of a refused row stays, and stays linked, when its key can be read.
    fn refuse(&mut self, mut refused: Refused) -> Result<(), PageFault> {
        self.records.count += 1;
        self.refused += 1;
        self.records.links.extend(refused.id.clone());
        let at = match self.fetch.format {
            Format::Json => self.count,
            Format::NdJson => self.at,
        };
        in_place(&mut refused, self.fetch.format, at);
        // What has found nothing among so many would find nothing.
        if self.refused >= REFUSED_TRIED && self.refused == self.count - self.left_out {
            return Err(in_vain(&self.place, self.refused, &refused.reason));
        }
        self.records.refused.push(refused);
        Ok(())
    }

    /// What filters said after their time was over means nothing.
    fn in_time(&self) -> Result<(), PageFault> {
        match self.budget.is_spent() {
            true => Err(PageFault::SlowFilter {
                place: self.place.clone(),
                most: self.filter_time,
            }),
            false => Ok(()),
        }
    }

    fn fault(&self, message: String) -> PageFault {
        rows_fault(&self.place, message)
    }
}
