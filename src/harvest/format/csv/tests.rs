//! Tables that another program writes are read as they were, and no text brings the reader down.

use std::io::Write as _;

use bytes::Bytes;
use csv::{QuoteStyle, Terminator, WriterBuilder};
use jaq_json::{Map, Val};
use proptest::prelude::*;

use super::super::tests::{Noted, read};
use crate::harvest::{error::Stop, limits::CHUNK, text::Long};

fn read_text(fetch: &str, text: &[u8]) -> (Noted, Option<Stop>) {
    read(fetch, Long::Memory(&Bytes::copy_from_slice(text)))
}

/// The same from the disk, in pieces.
fn read_file(fetch: &str, text: &[u8]) -> (Noted, Option<Stop>) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text).expect("it is written");
    read(fetch, Long::File(&file, None))
}

fn text(text: &str) -> Val {
    match text.is_empty() {
        true => Val::Null,
        false => Val::utf8_str(Bytes::copy_from_slice(text.as_bytes())),
    }
}

/// What a cell may be, with much of what has a meaning.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z0-9 .]{0,8}",
        2 => "[,;\t|\"'\r\nä日 =-]{0,6}",
        1 => any::<String>(),
    ]
}

fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1usize..6).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(cell(), width), 0..12))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_a_writer_writes(rows in table(), delimiter in 0usize..4, always: bool, crlf: bool) {
        let sign = b",;\t|"[delimiter];
        let mut writer = WriterBuilder::new()
            .delimiter(sign)
            .quote_style(if always { QuoteStyle::Always } else { QuoteStyle::Necessary })
            .terminator(if crlf { Terminator::CRLF } else { Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        let width = rows.first().map_or(1, Vec::len);
        let names: Vec<String> = (0..width).map(|column| format!("c{column}")).collect();
        writer.write_record(&names).expect("memory");
        rows.iter().for_each(|row| writer.write_record(row).expect("memory"));
        let written = writer.into_inner().expect("memory");
        let fetch = format!("format: CSV, table: {{delimiter: {:?}}}", char::from(sign).to_string());
        let want: Vec<Val> = rows.iter().map(|row| {
            let members = names.iter().zip(row).map(|(name, cell)| (text(name), text(cell)));
            Val::obj(members.collect::<Map>())
        }).collect();
        for (noted, stop) in [read_text(&fetch, &written), read_file(&fetch, &written)] {
            prop_assert!(stop.is_none(), "{stop:?} in {:?}", String::from_utf8_lossy(&written));
            prop_assert_eq!(&noted.records, &want);
        }
    }

    /// Whatever it is, it ends, and lies in memory as on the disk.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200)) {
        for fetch in ["format: CSV", "format: TSV", "format: CSV, table: {quotes: false, skip: 1, columns: [\"a\", \"\"]}"] {
            let (memory, file) = (read_text(fetch, &bytes), read_file(fetch, &bytes));
            // A file is told its charset by its first bytes; memory was before.
            if !bytes.contains(&0) && !bytes.starts_with(b"\xff\xfe") && !bytes.starts_with(b"\xfe\xff") {
                prop_assert_eq!(memory.0.events, file.0.events);
                prop_assert_eq!(memory.1.is_some(), file.1.is_some());
            }
        }
    }
}

/// Pieces of a file end anywhere.
#[test]
fn records_over_the_ends_of_pieces() {
    let long = "x,\"\r\n".repeat(40_000);
    let quoted = long.replace('"', "\"\"");
    let mut written = "a,b\r\n".to_owned();
    let mut want = Vec::new();
    for number in 0..40 {
        written.push_str(&format!("{number},\"{quoted}{}\"\r\n", "y".repeat(number)));
        want.push((number.to_string(), format!("{long}{}", "y".repeat(number))));
    }
    assert!(written.len() > 8 * CHUNK);
    let (noted, stop) = read_file("format: CSV", written.as_bytes());
    assert!(stop.is_none(), "{stop:?}");
    assert_eq!(noted.bytes, written.len() as u64);
    let cell = |record: &Val, name: &str| match record {
        Val::Obj(members) => members.get(&text(name)).cloned(),
        _ => None,
    };
    assert_eq!(noted.records.len(), want.len());
    for ((a, b), record) in want.iter().zip(&noted.records) {
        assert_eq!(cell(record, "a"), Some(text(a)));
        assert!(cell(record, "b") == Some(text(b)), "{a}");
    }
}

/// A quotation mark that nothing closes takes no more than a record may have.
#[test]
fn a_record_without_an_end_is_refused_early() {
    let file = tempfile::tempfile().expect("a file");
    // As good as endless: the rest of it are zeros that no disk has.
    (&file).write_all(b"a,b\n1,\"").expect("it is written");
    file.set_len(10 << 30).expect("it is sparse");
    let (noted, stop) = read("format: CSV, charset: \"utf-8\"", Long::File(&file, None));
    let Some(Stop::Fault(fault)) = stop else {
        panic!("no fault")
    };
    assert!(fault.to_string().contains("begins in line 2 is longer than"), "{fault}");
    assert!(noted.bytes < 32 << 20, "{} bytes", noted.bytes);
}
