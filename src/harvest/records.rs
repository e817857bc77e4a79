//! What becomes of a record: a row of the group in hand, or, where rows come in parts, a part that waits for the others of its
//! row. Knows records, keys and rows; knows no pages.

use std::collections::HashMap;

use bytes::Bytes;
use jaq_json::Val;

use super::{
    error::{PageFault, rows_fault},
    json,
    limits::{GROUP_REFUSED, GROUP_ROWS, PART_BYTES, REFUSED_TRIED, ROW_MEMORY},
    refusal::{in_place, in_vain, too_large},
    select::keeps,
    work::{Stop, Worker},
};
use crate::{
    catalog::Repeats,
    store::Refused,
    value::{Key, Row, Value, first_broken},
};

/// What the records of a run take in memory that are kept until its end, where rows come in parts.
const PARTS_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 128 << 20 };
/// What a record takes beside its text and its key: its place among the others, and what each allocation rounds up.
const RECORD: usize = 200;

/// The records of a run so far, the parts of each row put together. They are kept as text, which takes the least room.
#[derive(Default)]
pub(super) struct Parts {
    places: HashMap<Key, usize>,
    records: Vec<Bytes>,
    bytes: usize,
}

impl Parts {
    /// Adds a part; true when there was one of its row before.
    pub(super) fn add(&mut self, key: Key, part: &Val) -> Result<bool, String> {
        let Some(at) = self.places.get(&key).copied() else {
            let record = text(part);
            self.bytes += record.len() + RECORD + size(&key);
            self.places.insert(key, self.records.len());
            self.records.push(record);
            return self.bounded(false);
        };
        if let Some(record) = self.records.get_mut(at) {
            let both = text(&both(read(record)?, part));
            self.bytes = self.bytes + both.len() - record.len();
            *record = both;
        }
        self.bounded(true)
    }

    fn bounded(&self, again: bool) -> Result<bool, String> {
        match self.bytes > PARTS_BYTES_MAX {
            true => Err(format!(
                "`repeats: MERGE` keeps records until all parts of a row are there, and these {} take more than {} MB; let `rows` \
                 and the request leave out what no field needs",
                self.records.len(),
                PARTS_BYTES_MAX >> 20
            )),
            false => Ok(again),
        }
    }
}

impl Parts {
    /// The records as far as they came: the parts of each row together, in the order of the first of them.
    pub(super) fn whole(self) -> impl Iterator<Item = Result<(Val, u64), String>> {
        self.records
            .into_iter()
            .map(|record| Ok((read(&record)?, record.len() as u64)))
    }
}

/// Bytes of a key.
fn size(Key(values): &Key) -> usize {
    let texts = values.iter().map(|value| match value {
        Value::Text(text) => text.len(),
        _ => 0,
    });
    size_of_val(values.as_slice()) + texts.sum::<usize>()
}

fn text(record: &Val) -> Bytes {
    record.to_string().into()
}

fn read(record: &Bytes) -> Result<Val, String> {
    json::parse(record, 0).map_err(|error| format!("a part of a row cannot be read again: {error:?}"))
}

/// An object with the members of both, the later ones where both have one. Anything else has no parts.
fn both(earlier: Val, later: &Val) -> Val {
    match (earlier, later) {
        (Val::Obj(earlier), Val::Obj(later)) => {
            let mut all = (*earlier).clone();
            all.extend(later.iter().map(|(name, value)| (name.clone(), value.clone())));
            Val::obj(all)
        }
        (_, later) => later.clone(),
    }
}

impl Worker<'_> {
    /// Takes a record that `rows` yielded; `bytes` is its share of the input.
    pub(super) fn record(&mut self, record: &Val, bytes: u64) -> Result<(), Stop> {
        let entity = self.fetch.entity;
        self.budget.allow(self.filter_time);
        match keeps(&self.fetch.keep, record, &[]) {
            Ok(true) => {}
            Ok(false) => {
                self.info.left_out += 1;
                self.group.left_out += 1;
                self.since += bytes;
                return self.in_time();
            }
            Err(reason) => {
                let refused = self.shaper.refuse(entity, record, reason);
                self.in_time()?;
                self.refuse(refused);
                return self.added(bytes);
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
            return Ok(());
        }
        self.row(record, bytes)
    }

    /// Makes a record a row, or refuses it.
    fn row(&mut self, record: &Val, bytes: u64) -> Result<(), Stop> {
        let (row, refused) = self.shaper.record(self.fetch.entity, record);
        self.in_time()?;
        match row {
            Some(row) if row.size() > ROW_MEMORY => {
                let id = self.shaper.key_of(self.fetch.entity, &row);
                self.refuse(too_large(id, record));
                self.added(bytes)
            }
            Some(row) => {
                self.group.refused.extend(refused);
                self.keep(row, bytes)
            }
            None => {
                refused.into_iter().for_each(|refused| self.refuse(refused));
                self.added(bytes)
            }
        }
    }

    /// Adds a row to the group.
    pub(super) fn keep(&mut self, row: Row, bytes: u64) -> Result<(), Stop> {
        self.kept += 1;
        // Many small values, or rows within it, take more than their text.
        let bytes = bytes.max(row.size() as u64);
        self.group.rows.push(row);
        self.added(bytes)
    }

    /// Puts a record into quarantine, with its place.
    pub(super) fn refuse(&mut self, mut refused: Refused) {
        self.refused += 1;
        self.info.nameless += u64::from(refused.id.is_none());
        if self.at > 0 {
            in_place(&mut refused, self.fetch.format, self.at);
        }
        self.group.refused.push(refused);
    }

    /// Sends the group when it is full.
    pub(super) fn added(&mut self, bytes: u64) -> Result<(), Stop> {
        self.since += bytes;
        if self.kept == 0 && self.refused >= REFUSED_TRIED {
            return Err(self.in_vain().into());
        }
        let full = self.group.rows.len() >= GROUP_ROWS
            || self.group.refused.len() >= GROUP_REFUSED
            || self.since >= PART_BYTES;
        if full { self.send() } else { Ok(()) }
    }

    /// The run has found no row so far, and will not: each refused record is written.
    fn in_vain(&self) -> PageFault {
        let first = self.group.refused.first().map_or("", |refused| &refused.reason);
        in_vain(&self.place, self.refused, first)
    }

    /// At the end of a run: the rows whose parts are all there.
    pub(super) fn merged(&mut self) -> Result<(), Stop> {
        // They have no place any more.
        self.at = 0;
        for record in std::mem::take(&mut self.parts).whole() {
            self.budget.allow(self.filter_time);
            let (whole, bytes) = record.map_err(|reason| rows_fault(&self.place, reason))?;
            self.row(&whole, bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of two bytes takes a hundred times as much.
    #[test]
    fn records_count_by_what_they_take() {
        for (letters, most) in [
            (0, PARTS_BYTES_MAX / RECORD),
            (1_000, PARTS_BYTES_MAX / (RECORD + 1_000)),
        ] {
            let record = Val::from("x".repeat(letters));
            let mut parts = Parts::default();
            let adding = (0..).map(|at: usize| parts.add(Key::text(at.to_string()), &record));
            let kept = adding.take_while(|added| *added == Ok(false)).count();
            assert!((most / 2..most).contains(&kept), "{kept} of {letters} letters");
        }
    }
}
