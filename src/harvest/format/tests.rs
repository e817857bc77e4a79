//! What each format gives of a text, by a sink that writes down what it is given.

use std::{io::Write as _, time::Duration};

use bytes::Bytes;
use jaq_json::Val;
use tokio_util::sync::CancellationToken;

use super::{DecodeContext, Envelope, Sink, rows::Found};
use crate::{
    catalog::{self, Catalog, Valid, jq::FILTER_MEMORY},
    harvest::{
        allowance::Allowance,
        error::{PageFault, Stop},
        format, json,
        limits::{CHUNK, LONG_FROM},
        refusal::At,
        text::Long,
    },
    store::Refused,
};

/// Writes down what it is given; arrays are no records to it.
#[derive(Default)]
pub(super) struct Noted {
    pub bytes: u64,
    pub events: Vec<String>,
    pub records: Vec<Val>,
}

impl Sink for Noted {
    fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    fn envelope(&mut self, envelope: Envelope<'_>) -> Result<(), Stop> {
        let counted = if envelope.counted { "" } else { " or more" };
        self.events
            .push(format!("{}{counted} in {}", envelope.items, envelope.page));
        Ok(())
    }

    fn check(&self, record: &Val) -> Result<(), PageFault> {
        match record {
            Val::Arr(_) => Err(PageFault::Internal),
            _ => Ok(()),
        }
    }

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
        self.events.push(format!("{at:?} {record}"));
        self.records.push(record.clone());
        Ok(())
    }

    fn refuse(&mut self, refused: Refused, _: u64, at: At) -> Result<(), Stop> {
        self.events.push(format!("{at:?} refused: {}", refused.reason));
        Ok(())
    }
}

fn catalog(fetch: &str) -> Valid<Catalog> {
    let text = format!("type A @fetch(source: \"s\", GET: \"/a\", {fetch}) {{ id: ID! }}");
    catalog::testing::catalog(&text)
}

/// Gives a test what a page of a fetch is read with.
fn with<T>(catalog: &Catalog, test: impl FnOnce(&DecodeContext<'_>) -> T) -> T {
    let cancel = CancellationToken::new();
    let allowance = Allowance::of_thread(Duration::from_secs(60), FILTER_MEMORY, cancel.clone());
    test(&DecodeContext {
        fetch: &catalog.fetches[0],
        place: "GET /a",
        variables: &[],
        allowance: &allowance,
        cancel: &cancel,
        secrets: None,
    })
}

/// What a text gives, and why it ended, if it did before its end.
pub(super) fn read(fetch: &str, text: Long<'_>) -> (Noted, Option<Stop>) {
    let catalog = catalog(fetch);
    let mut noted = Noted::default();
    let stop = with(&catalog, |context| {
        let decoder = format::of(context.fetch.format);
        decoder.read(text, context, &mut noted).err()
    });
    (noted, stop)
}

#[test]
fn each_format_gives_its_records() {
    for (fetch, text, want) in [
        (
            "rows: \".list[]\"",
            "{\"n\":2,\"list\":[{\"id\":1},{\"id\":2}]}",
            &[
                "2 in {\"n\":2,\"list\":[{\"id\":1},{\"id\":2}]}",
                "Record(1) {\"id\":1}",
                "Record(2) {\"id\":2}",
            ][..],
        ),
        (
            "rows: \".[] | {id: (.a + 1)}\"",
            "[{\"a\":1},{\"a\":NaN}]",
            &[
                "2 or more in []",
                "Record(1) {\"id\":2}",
                "Record(2) refused: rows: found `NaN`, which is no JSON (byte 14)",
            ],
        ),
        (
            "format: NDJSON",
            "{\"id\":1}\n\n{\"id\":}\n[2]",
            &[
                "Line(1) {\"id\":1}",
                // The value is marked, so that what uses it is refused and says where it stands.
                "Line(3) {\"id\":b\"\\xffnothing where a value should be (byte 6)\\xff\"}",
                "Line(4) [2]",
            ],
        ),
        (
            "format: NDJSON, rows: \".[]\"",
            "[1,2]\n[3]\n",
            &["Line(1) 1", "Line(1) 2", "Line(2) 3"],
        ),
    ] {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let (noted, stop) = read(fetch, Long::Memory(&bytes));
        assert!(stop.is_none(), "{fetch}: {stop:?}");
        assert_eq!(noted.events, want, "{fetch}");
        assert_eq!(noted.bytes, text.len() as u64, "{fetch}");
    }
}

#[test]
fn what_breaks_off_is_a_fault() {
    for (fetch, text) in [
        ("rows: \".list[]\"", "{\"list\":[{\"id\":1},"),
        ("format: NDJSON", "{\"id\":1}\n{\"id\":"),
    ] {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let (_, stop) = read(fetch, Long::Memory(&bytes));
        assert!(
            matches!(stop, Some(Stop::Fault(PageFault::CutOffJson { .. }))),
            "{fetch}: {stop:?}"
        );
    }
}

/// However a text lies, it gives the same; a long one without its list around it. One on the disk
/// is read in several pieces.
#[test]
fn large_texts_are_read_from_where_they_lie() {
    let items: Vec<String> = (0..80_000).map(|id| format!("{{\"id\":\"{id:010}\"}}")).collect();
    let page = format!("{{\"list\":[{}],\"n\":80000}}", items.join(","));
    for (fetch, text) in [("rows: \".list[]\"", page), ("format: NDJSON", items.join("\n"))] {
        assert!(text.len() > LONG_FROM && text.len() > CHUNK);
        let bytes = Bytes::from(text);
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("it is written");
        let (memory, file) = (read(fetch, Long::Memory(&bytes)), read(fetch, Long::File(&file, None)));
        assert!(memory.1.is_none() && file.1.is_none());
        assert_eq!(memory.0.events, file.0.events, "{fetch}");
        let around = memory.0.events.iter().filter(|event| !event.contains('('));
        let want: &[&str] = match fetch.contains("NDJSON") {
            true => &[],
            false => &["80000 in {\"list\":[],\"n\":80000}"],
        };
        assert_eq!(around.collect::<Vec<_>>(), want);
        assert_eq!(memory.0.events.len(), 80_000 + want.len());
    }
}

/// `rows` runs once over a page, unless what it makes takes more than may be kept; the records are
/// the same.
#[test]
fn records_wait_only_where_there_is_room() {
    let page = json::parse(&format!("[{}1]", "1,".repeat(19)).into(), 0).expect("JSON");
    for (rows, kept) in [
        (".[]", true),
        (".[] | {id: .}", true),
        ("range(20) | {id: ., text: (\"x\" * 8192)}", false),
    ] {
        let catalog = catalog(&format!("rows: {rows:?}"));
        with(&catalog, |context| {
            let mut noted = Noted::default();
            let found = Found::on(&page, context, &noted).ok().expect("records");
            assert_eq!((found.count, found.keeps()), (20, kept), "{rows}");
            found.give(&page, 1, context, &mut noted).expect("they are given");
            assert_eq!(noted.events.len(), 20);
            assert!(noted.events[19].starts_with("Record(20) "), "{}", noted.events[19]);
        });
    }
}

/// A page that has something among its records which is none gives none of them.
#[test]
fn nothing_is_given_before_all_of_a_page_is_looked_at() {
    let bytes = Bytes::from_static(b"[{\"id\":1},[2]]");
    let (noted, stop) = read("rows: \".[]\"", Long::Memory(&bytes));
    assert!(matches!(stop, Some(Stop::Fault(PageFault::Internal))), "{stop:?}");
    assert_eq!(noted.events, [""; 0]);
}

/// What ends the elements at a path is no part of what stands beside them, however many there are.
#[test]
fn elements_are_as_many_as_they_are() {
    let name = "b".repeat(4_000);
    let count = 20_000_000 / name.len();
    let page = format!("<a>{}</a>", format!("<{name}></{name}>").repeat(count));
    let (noted, stop) = read(
        &format!("format: XML, rows: \".a.{name}[]\""),
        Long::Memory(&page.into()),
    );
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!(noted.records.len(), count);
}
