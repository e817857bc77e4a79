//! How a run that read its pages to the end is ended, and what a person should know of it. Knows
//! what was seen; pure, and knows no store.

use super::{page::Seen, secrets::Secrets, stage::Read};
use crate::{
    catalog::{Fetch, Missing, Repeats},
    store::{Finish, Run, Told},
};

/// Absence deletes only when it is known what was there. A refused row with a key stands for the
/// row stored under it; one without may stand for any.
pub(super) fn ending(fetch: &Fetch, run: &Run, secrets: &Secrets, read: Read) -> Finish {
    let deletes = fetch.missing == Missing::Delete;
    let unsure = unsure(run, &read).filter(|_| deletes);
    let copies = copies(fetch, read.copies);
    // Where rows may go, the reason why none does says the same.
    let shifted = (read.shifted && !deletes).then(|| SHIFTED.to_owned());
    let Seen { gap, more, mut notes } = read.seen;
    let reread = read.contradicted || gap.is_some();
    let doubts: Vec<String> = gap.into_iter().chain(more).chain(shifted).collect();
    let doubt = (!doubts.is_empty()).then(|| doubts.join("; "));
    let keep = unsure.is_some() || doubt.is_some();
    notes.extend(copies.into_iter().chain(unsure));
    let doubt = doubt.map(|doubt| match deletes {
        true => format!("{doubt}; nothing is deleted"),
        false => doubt,
    });
    let doubt = doubt.map(|doubt| secrets.mask(&doubt));
    notes.iter_mut().for_each(|note| *note = secrets.mask(note));
    Finish::Complete {
        missing: if keep { Missing::Keep } else { fetch.missing },
        missing_max: fetch.missing_max,
        told: Told { doubt, notes, reread },
    }
}

const SHIFTED: &str = "pages shifted while being read, so rows may be missing";

/// What is said of records whose key had come before.
fn copies(fetch: &Fetch, count: u64) -> Option<String> {
    // Who says that rows come in parts knows it.
    let told = count > 0 && fetch.repeats == Repeats::Last;
    let (records, have) = if count == 1 {
        ("record", "has")
    } else {
        ("records", "have")
    };
    told.then(|| {
        format!(
            "{count} {records} {have} a key that came before in the same run; the last of each counts (`repeats: LAST`; `MERGE` puts parts of a row together)"
        )
    })
}

/// Why what this run did not see may be there all the same, though it saw the pages to their end.
fn unsure(run: &Run, read: &Read) -> Option<String> {
    if run.checkpoint.is_some() {
        return Some("went on after an interruption, so nothing is deleted; the next run judges".to_owned());
    }
    if read.shifted {
        return Some(format!("{SHIFTED}; nothing is deleted, the next run judges"));
    }
    let nameless = read.nameless;
    let rows = if nameless == 1 { "row" } else { "rows" };
    (nameless > 0).then(|| format!("{nameless} refused {rows} had no key that could be read, so nothing is deleted"))
}
