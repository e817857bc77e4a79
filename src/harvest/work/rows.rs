//! What becomes of a record: a row of the group in hand, or, where rows come in parts, a part that
//! waits for the others of its row. Knows records, keys and rows; knows no formats.

use bytes::Bytes;
use jaq_json::Val;

use super::Worker;
use crate::{
    catalog::Repeats,
    harvest::{
        error::{PageFault, Stop, no_record, rows_fault},
        format::{Envelope, Sink},
        limits::{GROUP_REFUSED, GROUP_ROWS, PART_BYTES, REFUSED_TRIED, ROW_MEMORY},
        page::PageInfo,
        refusal::{At, in_place, in_vain, too_large},
        select::keeps,
    },
    store::Refused,
    value::{Row, describe, first_broken},
};

impl Sink for Worker<'_> {
    fn came(&mut self, bytes: u64) {
        self.group.bytes += bytes;
    }

    fn envelope(&mut self, envelope: Envelope<'_>) -> Result<(), Stop> {
        let link = self.beside.as_mut().and_then(|beside| beside.link.take());
        let info = PageInfo::read(&self.fetch.paging, envelope.page, link, &self.place);
        self.in_time()?;
        self.info = info?;
        // The next page's address is asked with what was covered in it.
        self.info.next = self.info.next.take().map(|next| self.secrets.reveal(&next));
        self.info.count(envelope.page, envelope.items, envelope.alone);
        self.counted = envelope.counted;
        match envelope.counted {
            // The fetch stage need not wait for the shaping.
            true => self.step()?,
            false => self.info.rows = 0,
        }
        Ok(())
    }

    fn check(&self, record: &Val) -> Result<(), PageFault> {
        let odd = matches!(record, Val::Arr(_) | Val::Null) && self.shaper.needs_object(self.fetch.entity);
        match odd && keeps(&self.fetch.keep, record, &[]) == Ok(true) {
            true => Err(no_record(&self.place, self.fetch.rows.text(), &describe(record))),
            false => Ok(()),
        }
    }

    fn plain(&mut self, text: &Bytes, bytes: u64) -> Result<bool, Stop> {
        let entity = self.fetch.entity;
        let row = self.plain.then(|| self.shaper.plain(entity, text, &mut self.named));
        let Some(row) = row.flatten() else { return Ok(false) };
        self.came_uncounted();
        self.keep(row, bytes)?;
        Ok(true)
    }

    fn names(&self) -> Option<Vec<String>> {
        let names = self.plain.then(|| self.shaper.names(self.fetch.entity));
        names.flatten().map(<[String]>::to_vec)
    }

    fn named(&mut self, values: &[Option<Val>], bytes: u64) -> Result<bool, Stop> {
        let Some(row) = self.shaper.named(self.fetch.entity, values) else {
            return Ok(false);
        };
        self.came_uncounted();
        self.keep(row, bytes)?;
        Ok(true)
    }

    fn record(&mut self, record: &Val, bytes: u64, at: At) -> Result<(), Stop> {
        self.came_uncounted();
        // A line that is none costs no other.
        if matches!(at, At::Record(_)) {
            self.check(record)?;
        }
        self.one(record, bytes, at)
    }

    fn refuse(&mut self, refused: Refused, bytes: u64, at: At) -> Result<(), Stop> {
        self.came_uncounted();
        self.refused_apart(refused, bytes, at)
    }
}

impl Worker<'_> {
    /// Counts a record whose page did not say before how many there are.
    fn came_uncounted(&mut self) {
        self.info.rows += u64::from(!self.counted);
    }

    /// Takes a record that `rows` yielded; `bytes` is its share of the input.
    fn one(&mut self, record: &Val, bytes: u64, at: At) -> Result<(), Stop> {
        let entity = self.fetch.entity;
        self.allowance.begin();
        match keeps(&self.fetch.keep, record, &[]) {
            Ok(true) => {}
            Ok(false) => {
                self.info.left_out += 1;
                self.group.left_out += 1;
                self.since += bytes;
                if let Some(witness) = &self.witness {
                    witness.left_out(record);
                }
                self.in_time()?;
                return self.wanted();
            }
            Err(reason) => {
                let refused = self.shaper.refuse(entity, record, reason);
                self.in_time()?;
                return self.refused_apart(refused, bytes, at);
            }
        }
        if self.fetch.repeats == Repeats::Merge
            // What is broken cannot be kept as a text.
            && first_broken(record).is_none()
            && let Some(key) = self.shaper.key_of_record(entity, record)
        {
            self.in_time()?;
            let again = self
                .parts
                .add(key, record)
                .map_err(|reason| rows_fault(&self.place, reason))?;
            self.group.copies += u64::from(again);
            self.kept += 1;
            if let Some(witness) = &self.witness {
                witness.part(record);
            }
            return self.wanted();
        }
        self.row(record, bytes, Some(at))
    }

    /// Makes a record a row, or refuses it.
    fn row(&mut self, record: &Val, bytes: u64, at: Option<At>) -> Result<(), Stop> {
        let (row, refused) = self.shaper.record(self.fetch.entity, record);
        self.in_time()?;
        if let Some(witness) = &self.witness {
            witness.shaped(record, row.as_ref(), &refused);
        }
        match row {
            Some(row) if row.size() > ROW_MEMORY => {
                let id = self.shaper.key_of(self.fetch.entity, &row);
                self.refused(too_large(id, record), bytes, at)
            }
            Some(row) => {
                self.group.refused.extend(refused);
                self.keep(row, bytes)
            }
            None => {
                refused.into_iter().for_each(|refused| self.note(refused, at));
                self.added(bytes)
            }
        }
    }

    /// Adds a row to the group.
    fn keep(&mut self, row: Row, bytes: u64) -> Result<(), Stop> {
        self.kept += 1;
        // Many small values, or rows within it, take more than their text.
        let bytes = bytes.max(row.size() as u64);
        self.group.rows.push(row);
        self.added(bytes)
    }

    /// Refuses a record that was not shaped.
    fn refused_apart(&mut self, refused: Refused, bytes: u64, at: At) -> Result<(), Stop> {
        if let Some(witness) = &self.witness {
            let mut placed = refused.clone();
            in_place(&mut placed, at);
            witness.refused(&placed);
        }
        self.refused(refused, bytes, Some(at))
    }

    /// Nobody wants more records: a preview has its own.
    fn wanted(&self) -> Result<(), Stop> {
        match self.witness.as_ref().is_some_and(|witness| witness.is_full()) {
            true => Err(Stop::Gone),
            false => Ok(()),
        }
    }

    /// Refuses a record.
    fn refused(&mut self, refused: Refused, bytes: u64, at: Option<At>) -> Result<(), Stop> {
        self.note(refused, at);
        self.added(bytes)
    }

    /// Puts a record into quarantine, with its place.
    fn note(&mut self, mut refused: Refused, at: Option<At>) {
        self.refused += 1;
        self.info.nameless += u64::from(refused.id.is_none());
        if let Some(at) = at {
            in_place(&mut refused, at);
        }
        self.group.refused.push(refused);
    }

    /// Sends the group when it is full.
    fn added(&mut self, bytes: u64) -> Result<(), Stop> {
        self.since += bytes;
        if self.kept == 0 && self.refused >= REFUSED_TRIED {
            return Err(self.in_vain().into());
        }
        let full = self.group.rows.len() >= GROUP_ROWS
            || self.group.refused.len() >= GROUP_REFUSED
            || self.since >= PART_BYTES;
        if full {
            self.send()?;
        }
        self.wanted()
    }

    /// The run has found no row so far, and will not: each refused record is written.
    fn in_vain(&self) -> PageFault {
        let first = self.group.refused.first().map_or("", |refused| &refused.reason);
        in_vain(&self.place, self.refused, first)
    }

    /// At the end of a run: the rows whose parts are all there. They have no place any more.
    pub(super) fn merged(&mut self) -> Result<(), Stop> {
        if let Some(witness) = &self.witness {
            witness.ends();
        }
        for record in std::mem::take(&mut self.parts).whole() {
            self.allowance.begin();
            let (whole, bytes) = record.map_err(|reason| rows_fault(&self.place, reason))?;
            self.row(&whole, bytes, None)?;
        }
        Ok(())
    }
}
