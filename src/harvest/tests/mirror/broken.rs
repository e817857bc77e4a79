//! What is broken of the upstream's records, for as long as nobody mends it, and how it is written.
//! Knows JSON; knows no pages.

use std::collections::BTreeMap;

use rand::{Rng as _, rngs::StdRng};
use serde_json::{Value as Json, json};

/// Values that are no JSON, each with a plain end.
const VALUES: [&[u8]; 6] = [b"NaN", b"01", b"\"a\\ud83d\"", b"\"a\tb\"", b"\"\xff\"", b"\"\\x\""];
/// A line of which nobody can tell what it was to be.
const LINE: &[u8] = b"{\"id\": ";

/// Records by list and key, each with what is broken of it.
#[derive(Default)]
pub(super) struct Broken(BTreeMap<(&'static str, String), (&'static str, usize)>);

impl Broken {
    /// One more of a list's records.
    pub(super) fn add(&mut self, random: &mut StdRng, list: &'static str, records: &[Json]) -> String {
        let at = random.random_range(0..records.len().max(1));
        let Some(id) = records.get(at).and_then(|record| record["id"].as_str()) else {
            return "nothing breaks".to_owned();
        };
        // What nobody needs may break, too.
        let parts = if list == "items" { "parts" } else { "name" };
        let field = ["id", "name", "text", "extra", parts, "line"][random.random_range(0..6)];
        let how = random.random_range(0..VALUES.len());
        self.0.insert((list, id.to_owned()), (field, how));
        format!("{field} of {id} in {list} breaks")
    }

    /// All is as it should be.
    pub(super) fn mend(&mut self) {
        self.0.clear();
    }

    /// Puts marks in the place of what is broken.
    pub(super) fn mark(&self, list: &'static str, records: &mut [Json]) {
        for record in records {
            let id = record["id"].as_str().unwrap_or_default().to_owned();
            let Some((field, how)) = self.0.get(&(list, id)) else {
                continue;
            };
            let mark = json!(format!("@broken{how}@"));
            match *field {
                "parts" => {
                    if let Some(part) = record["parts"].as_array_mut().and_then(|parts| parts.last_mut()) {
                        part["weight"] = mark;
                    }
                }
                "line" if list == "labels" => *record = json!("@line@"),
                "line" => record["extra"] = mark,
                field => record[field] = mark,
            }
        }
    }
}

/// A text with what is broken in the place of its marks.
pub(super) fn written(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let marks = (0..VALUES.len()).map(|how| (format!("\"@broken{how}@\""), VALUES[how]));
    for (mark, value) in marks.chain([("\"@line@\"".to_owned(), LINE)]) {
        while let Some(at) = bytes.windows(mark.len()).position(|window| window == mark.as_bytes()) {
            bytes.splice(at..at + mark.len(), value.iter().copied());
        }
    }
    bytes
}
