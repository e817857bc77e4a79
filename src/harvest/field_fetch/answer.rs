//! From a page of one row's answer to the rows it brings and the links it means. Knows filters and
//! shapes; no HTTP, no store.

use std::collections::HashMap;

use bytes::Bytes;
use jaq_json::Val;
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{EntityId, Fetch, FetchId, Repeats},
    harvest::{
        allowance::Allowance,
        error::{PageFault, Stop, rows_fault},
        format::{self, Envelope, Sink},
        inner::Inner,
        limits::{REFUSED_TRIED, ROW_MEMORY},
        page::PageInfo,
        parts::Parts,
        refusal::{At, in_place, in_vain, refused_value, too_large},
        select::keeps,
        shape::Shaper,
        stage::Content,
        text::Long,
        witness::Witness,
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

    /// How often a key came again with other values than before, and the first key that came again
    /// at all.
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
pub(super) struct AnswerContext {
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
    context: AnswerContext,
    content: Content,
    link: Option<String>,
) -> Result<(PageInfo, Records, Parts), PageFault> {
    let (allowance, stop) = (allowance(inner, &context), context.stop.clone());
    let mut reader = Reader::new(inner, context, &allowance);
    if let Some(witness) = reader.witness {
        witness.page(&reader.place, &content);
    }
    // Whoever asked knows the others without reading, and did not ask for what is read from where
    // it lies.
    if let Content::Bytes(bytes) = content {
        reader.info.link_next(&reader.fetch.paging, link.clone());
        reader.link = link;
        let (place, this) = (reader.place.clone(), reader.this.clone());
        let context = format::DecodeContext {
            fetch: reader.fetch,
            place: &place,
            variables: &this,
            allowance: &allowance,
            cancel: &stop,
            secrets: None,
        };
        let decoder = format::of(reader.fetch.format);
        decoder
            .read(Long::Memory(&bytes), &context, &mut reader)
            .map_err(fault)?;
    }
    let mut info = reader.info;
    (info.rows, info.left_out) = (reader.count, reader.left_out);
    Ok((info, reader.records, reader.parts))
}

/// Why an answer was not read to its end. When nobody needs it any more, nobody is told.
fn fault(stop: Stop) -> PageFault {
    match stop {
        Stop::Fault(fault) => fault,
        Stop::Gone => PageFault::Internal,
    }
}

fn allowance(inner: &Inner, context: &AnswerContext) -> Allowance {
    let allowance = Allowance::of_thread(inner.filter_time, inner.filter_memory, context.stop.clone());
    allowance.begin();
    allowance
}

/// Makes rows of what came in parts, once all are there. Blocks. Their links came with the first
/// part of each.
pub(super) fn whole(inner: &Inner, mut context: AnswerContext) -> Result<Records, PageFault> {
    let parts = std::mem::take(&mut context.parts);
    let allowance = allowance(inner, &context);
    let mut reader = Reader::new(inner, context, &allowance);
    for record in parts.whole() {
        let (record, _) = record.map_err(|reason| rows_fault(&reader.place, reason))?;
        reader.allowance.begin();
        let (row, refused) = reader.shaper.part(reader.entity, &record);
        reader.in_time().map_err(fault)?;
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

struct Reader<'a> {
    fetch: &'a Fetch,
    entity: EntityId,
    /// The field leads to one row: null says that there is none.
    one: bool,
    shaper: &'a Shaper,
    witness: Option<&'a Witness>,
    allowance: &'a Allowance,
    place: String,
    /// The row that is asked about: the variable of the filters.
    this: [Val; 1],
    count: u64,
    left_out: u64,
    refused: u64,
    /// What the page says of the others, and the link that came with it.
    info: PageInfo,
    link: Option<String>,
    records: Records,
    parts: Parts,
}

impl<'a> Reader<'a> {
    fn new(inner: &'a Inner, context: AnswerContext, allowance: &'a Allowance) -> Reader<'a> {
        let fetch = inner.catalog.fetch(context.id);
        Reader {
            fetch,
            entity: fetch.entity,
            one: fetch.field_fetch.as_ref().is_some_and(|each| each.one),
            shaper: &inner.shaper,
            witness: inner.witness.as_deref(),
            allowance,
            place: context.place,
            this: [context.this],
            count: 0,
            left_out: 0,
            refused: 0,
            info: PageInfo::default(),
            link: None,
            records: Records::default(),
            parts: context.parts,
        }
    }

    /// An object is a row and its key; anything else is a key.
    fn one(&mut self, record: &Val, at: At) -> Result<(), Stop> {
        self.count += 1;
        self.allowance.begin();
        match keeps(&self.fetch.keep, record, &self.this) {
            Ok(true) => {}
            Ok(false) => {
                self.left_out += 1;
                if let Some(witness) = self.witness {
                    witness.left_out(record);
                }
                return self.in_time();
            }
            Err(reason) => {
                self.in_time()?;
                return Ok(self.note(self.shaper.refuse(self.entity, record, reason), at)?);
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
                if let Some(witness) = self.witness {
                    witness.shaped(record, row.as_ref(), &refused);
                }
                let Some(row) = row else {
                    return Ok(refused.into_iter().try_for_each(|refused| self.note(refused, at))?);
                };
                if row.size() > ROW_MEMORY {
                    let refused = too_large(self.shaper.key_of(self.entity, &row), record);
                    return Ok(self.note(refused, at)?);
                }
                self.records.count += 1;
                self.records.refused.extend(refused);
                self.records.links.extend(self.shaper.key_of(self.entity, &row));
                self.records.rows.push(row);
            }
            value => match self.shaper.key(self.entity, value) {
                Ok(key) => {
                    self.records.count += 1;
                    if let Some(witness) = self.witness {
                        witness.link(record, &key);
                    }
                    self.records.links.push(key);
                }
                Err(_) if matches!(value, Val::Arr(_)) => {
                    let message = format!(
                        "rows: jq `{}` gave {} where each row should be an object or a key; does it lack `[]`?",
                        self.fetch.rows.text(),
                        describe(value)
                    );
                    return Err(rows_fault(&self.place, message).into());
                }
                Err(reason) => self.note(refused_value(reason, value), at)?,
            },
        }
        Ok(())
    }

    /// Keeps a record that is a part of a row, if rows come in parts.
    fn part(&mut self, record: &Val) -> Result<bool, Stop> {
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
            .map_err(|reason| rows_fault(&self.place, reason))?
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
    fn note(&mut self, mut refused: Refused, at: At) -> Result<(), PageFault> {
        self.records.count += 1;
        self.refused += 1;
        self.records.links.extend(refused.id.clone());
        in_place(
            &mut refused,
            match at {
                At::Record(_) => At::Record(self.count),
                line => line,
            },
        );
        // What has found nothing among so many would find nothing.
        if self.refused >= REFUSED_TRIED && self.refused == self.count - self.left_out {
            return Err(in_vain(&self.place, self.refused, &refused.reason));
        }
        self.records.refused.push(refused);
        Ok(())
    }

    /// What filters said after their time was over means nothing.
    fn in_time(&self) -> Result<(), Stop> {
        self.allowance.in_time(&self.place)
    }
}

impl Sink for Reader<'_> {
    /// Whoever asked has counted them.
    fn came(&mut self, _: u64) {}

    fn envelope(&mut self, envelope: Envelope<'_>) -> Result<(), Stop> {
        self.info = PageInfo::read(&self.fetch.paging, envelope.page, self.link.take(), &self.place)?;
        self.info.count(envelope.page, envelope.items, envelope.alone);
        Ok(())
    }

    /// What is none is told of when it comes: a key may be an array, and null that there is
    /// nothing.
    fn check(&self, _: &Val) -> Result<(), PageFault> {
        Ok(())
    }

    /// The answer to one row is small, and each record is asked for its key.
    fn plain(&mut self, _: &Bytes, _: u64) -> Result<bool, Stop> {
        Ok(false)
    }

    fn names(&self) -> Option<Vec<String>> {
        None
    }

    fn named(&mut self, _: &[Option<Val>], _: u64) -> Result<bool, Stop> {
        Ok(false)
    }

    fn record(&mut self, record: &Val, _: u64, at: At) -> Result<(), Stop> {
        self.one(record, at)
    }

    fn refuse(&mut self, refused: Refused, _: u64, at: At) -> Result<(), Stop> {
        self.count += 1;
        Ok(self.note(refused, at)?)
    }
}
