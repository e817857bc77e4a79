//! Records of rows that come in parts, put together until the parts of each row are all there.
//! Knows records and keys; knows no rows and no pages.

use std::collections::HashMap;

use bytes::Bytes;
use jaq_json::Val;

use super::json;
use crate::value::{Key, Value};

/// What the records of a run take in memory that are kept until its end, where rows come in parts.
const PARTS_BYTES_MAX: usize = if cfg!(test) { 1 << 20 } else { 128 << 20 };
/// What a record takes beside its text and its key: its place among the others, and what each
/// allocation rounds up.
const RECORD: usize = 200;

/// The records of a run so far, the parts of each row put together. They are kept as text, which
/// takes the least room.
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
    /// The records as far as they came: the parts of each row together, in the order of the first
    /// of them.
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

/// An object with the members of both, the later ones where both have one. Anything else has no
/// parts.
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
