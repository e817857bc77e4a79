//! The memory that a filter may take. Knows how many bytes its thread holds, as the program's
//! allocator counts them, and how large values are; runs nothing.
//!
//! A filter looks at the count wherever it looks at the clock (`budget`); a step that makes much of
//! little at once asks before it does. Without the program's allocator nothing is counted, and
//! these steps alone are bounded.

use std::cell::Cell;

use jaq_json::{Num, Val};

/// What one filter may take at once, unless the settings say otherwise: four times the longest
/// record.
pub(crate) const FILTER_MEMORY: usize = 64 << 20;

/// The error of a filter that is over it. It is told with the number when the filter has ended.
const TOO_MUCH: &str = "it takes too much memory";
/// Letters of any number that has no text, and more than it needs.
const NUMBER: usize = 24;
/// What a control character, a quotation mark or `\` takes beside itself in JSON.
const ESCAPE: usize = 5;

thread_local! {
    /// Bytes that were allocated here and not freed here. What one thread makes another may free,
    /// so it says little by itself.
    static HELD: Cell<isize> = const { Cell::new(0) };
    /// Where that may come to while a filter is at work.
    static TOP: Cell<isize> = const { Cell::new(isize::MAX) };
    static MOST: Cell<usize> = const { Cell::new(FILTER_MEMORY) };
    static OVER: Cell<bool> = const { Cell::new(false) };
}

/// Counts what the allocator gives on this thread, or takes back.
#[inline]
pub(crate) fn count(bytes: isize) {
    HELD.set(HELD.get().wrapping_add(bytes));
}

/// From now on a filter of this thread may take so much.
pub(super) fn allow(bytes: usize) {
    MOST.set(bytes);
}

/// What one may take.
pub(super) fn most() -> usize {
    MOST.get()
}

/// A filter at work on this thread, until it is dropped.
pub(super) struct Meter {
    around: (isize, bool),
}

impl Meter {
    pub(super) fn begin() -> Meter {
        let around = (TOP.get(), OVER.get());
        hand_on();
        OVER.set(false);
        Meter { around }
    }

    /// Whether it wanted too much, even if it caught the error: what it said then means nothing.
    pub(super) fn is_over(&self) -> bool {
        OVER.get()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        TOP.set(self.around.0);
        OVER.set(self.around.1);
    }
}

/// Begins the account of the filter at work anew, once an output is handed on: from then on it is
/// somebody else's, with all that was made of it.
pub(super) fn hand_on() {
    TOP.set(HELD.get().saturating_add_unsigned(MOST.get()));
}

/// The error is a message.
pub(super) fn look() -> Result<(), &'static str> {
    match HELD.get() > TOP.get() {
        true => over(),
        false => Ok(()),
    }
}

/// The same before so many bytes are taken at once.
pub(super) fn wants(bytes: usize) -> Result<(), &'static str> {
    match bytes > room() {
        true => over(),
        false => Ok(()),
    }
}

/// Whether all outputs together may have so many bytes.
pub(super) fn all(bytes: usize) -> Result<(), &'static str> {
    match bytes > MOST.get() {
        true => over(),
        false => Ok(()),
    }
}

fn over() -> Result<(), &'static str> {
    OVER.set(true);
    Err(TOO_MUCH)
}

/// What is left to the filter at work.
pub(super) fn room() -> usize {
    let left = TOP.get().saturating_sub(HELD.get());
    usize::try_from(left).unwrap_or(0).min(MOST.get())
}

/// Bytes of a value as JSON. A part that it has several times counts as often, though it is in
/// memory once. What is beyond `enough` is not looked at.
pub(crate) fn json_bytes(value: &Val, enough: usize) -> usize {
    let mut bytes = own_bytes(value);
    let mut open = Vec::new();
    parts(value, &mut open);
    while let Some(value) = open.pop() {
        bytes = bytes.saturating_add(own_bytes(value));
        if bytes > enough {
            return bytes;
        }
        parts(value, &mut open);
    }
    bytes
}

fn parts<'v>(value: &'v Val, open: &mut Vec<&'v Val>) {
    match value {
        Val::Arr(items) => open.extend(items.iter()),
        Val::Obj(members) => open.extend(members.iter().flat_map(|(key, value)| [key, value])),
        _ => {}
    }
}

/// Without its parts; with what stands between them.
fn own_bytes(value: &Val) -> usize {
    match value {
        Val::Null | Val::Bool(_) => 5,
        Val::Num(Num::Dec(text)) => text.len(),
        Val::Num(Num::BigInt(int)) => usize::try_from(int.bits() / 3).unwrap_or(usize::MAX),
        Val::Num(_) => NUMBER,
        Val::TStr(text) => {
            let escaped = text.iter().filter(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
            text.len() + ESCAPE * escaped.count() + 2
        }
        Val::BStr(bytes) => 4 * bytes.len() + 2,
        Val::Arr(items) => items.len() + 2,
        Val::Obj(members) => 2 * members.len() + 2,
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::catalog::jq::{Budget, Filter};

    fn json(text: &str) -> Val {
        jaq_json::read::parse_single(text.as_bytes()).expect("test JSON")
    }

    /// A text of one letter.
    fn large(letter: &str, times: usize) -> Val {
        json(&format!("\"{}\"", letter.repeat(times)))
    }

    /// Each takes gigabytes, or for ever, where nothing bounds it.
    #[test]
    fn a_filter_has_its_memory_and_no_more() {
        let _budget = Budget::of_thread(|| false).with_memory(2 << 20);
        let numbers = json(&format!("[{}1]", "1,".repeat(50_000)));
        let wide = json(&format!("[[{}1]{}]", "1,".repeat(25_000), ",[]".repeat(1_000)));
        let deep = json(&format!("[{}[]]", "[[[[[[1]]]]]],".repeat(25_000)));
        let (text, commas) = (large("a", 312_500), large(",", 312_500));
        let null = Val::Null;
        for (filter, input) in [
            ("[range(1000000) as $n | range(1000000)]", &null),
            ("[range(1000000) | tostring]", &null),
            ("[range(1000000) as $n | \"x\" * 65536]", &null),
            (
                "[range(12500)] | [.[], .[]] | [.[], .[]] | [.[], .[]] | [.[], .[]]",
                &null,
            ),
            ("[(1,2) as $a | (1,2) as $b | (1,2) as $c | range(200000)]", &null),
            ("[.,.,.,.,.,.,.,.] | add", &text),
            ("[range(1000000) as $n | .] | add", &text),
            ("[range(100000) as $n | .] | join(\"-\")", &text),
            (
                "(. + .) | (. + .) | (. + .) | (. + .) | (. + .) | (. + .) | length",
                &text,
            ),
            ("\"\\(.)\\(.)\\(.)\\(.)\\(.)\\(.)\\(.)\"", &text),
            ("def d: . + .; d | d | d | d | d | d | d | length", &text),
            ("explode", &text),
            ("[explode[]] | implode", &text),
            ("split(\",\") | length", &commas),
            ("split(\"\") | length", &text),
            (". / \",\" | length", &commas),
            ("indices(\",\") | length", &commas),
            ("[.,.,.] | [.,.,.] | [.,.,.] | tojson", &text),
            ("[.,.] | [.,.] | [.,.] | [.,.] | @base64", &text),
            (". + . | @html", &text),
            ("sort_by(.) | length", &numbers),
            ("group_by(.) | length", &numbers),
            ("map([.]) | map([.]) | length", &numbers),
            ("map({a: ., b: ., c: .}) | length", &numbers),
            ("[.[] | tostring | {(.): .}] | length", &numbers),
            ("transpose | length", &wide),
            ("[paths] | length", &deep),
            // What it catches does not help it.
            ("try ([range(1000000) | tostring | [.]] | length) catch 0", &null),
            ("([range(1000000) | tostring | [.]] | length)? // 0", &null),
            // Little memory, and much of whoever writes it out.
            ("[.,.] | [.,.] | [.,.] | [.,.] | [.,.] | [.,.] | [.,.] | [.,.]", &text),
            ("range(10000) as $n | .", &text),
        ] {
            let compiled = Filter::compile(filter, &[]).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
            let error = compiled.run(input, &[]).expect_err(filter);
            assert!(error.too_much, "{filter}: {error}");
            assert!(error.message.contains("more than 2 MB of memory"), "{error}");
        }
    }

    #[test]
    fn what_is_within_it_is_done() {
        let (text, null) = (large("a", 1_250_000), Val::Null);
        for (filter, input, want) in [
            ("[range(50000)] | map({a: .}) | length", &null, "50000"),
            (". + . | length", &text, "2500000"),
            ("tojson | length", &text, "1250002"),
            ("\"\\(.)!\" | length", &text, "1250001"),
            ("split(\",\") | length", &text, "1"),
            ("index(\"b\")", &text, "null"),
            ("@base64 | length", &text, "1666668"),
            ("[range(100000) | select(. == 5)] | length", &null, "1"),
            ("\"a,b\" | split(\",\") | tojson", &null, "\"[\\\"a\\\",\\\"b\\\"]\""),
            ("6 / 2, 5", &null, "3.0"),
            ("\"abcb\" | indices(\"b\")", &null, "[1,3]"),
            ("[1,2,1] | indices(1)", &null, "[0,2]"),
            ("[1,2,1] | indices([2,1])", &null, "[1]"),
            (
                "\"\\(1)\\(2)\\(3)\\(4)\\(5)\\(6)\\(7)\\(8)\\(9)\\(10)\"",
                &null,
                "\"12345678910\"",
            ),
            ("[3,1,2] | sort_by(.) | del(.[0]) | map_values(. + 1)", &null, "[3,4]"),
            ("{a: 1} | to_entries | from_entries | .a += 2", &null, "{\"a\":3}"),
        ] {
            let compiled = Filter::compile(filter, &[]).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
            let outputs = compiled.run(input, &[]).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(outputs.first().map(Val::to_string).as_deref(), Some(want), "{filter}");
        }
    }

    /// What becomes of the outputs is not the filter's.
    #[test]
    fn outputs_that_are_handed_on_are_not_counted() {
        let budget = Budget::of_thread(|| false).with_memory(4 << 20);
        let filter = Filter::compile_rows("range(200) | {n: ., text: (\"x\" * 65536)}", &[]).expect("a filter");
        let mut kept = Vec::new();
        let ran = filter.run_each(&Val::Null, &[], &mut |output| {
            kept.push((output.clone(), vec![0_u8; 100_000]));
            ControlFlow::Continue(())
        });
        assert_eq!((ran, kept.len()), (Ok(()), 200));
        // Outputs that are collected for it are.
        let error = filter.run(&Val::Null, &[]).expect_err("too much");
        assert!(error.message.contains("more than 4 MB of memory"), "{error}");
        drop(budget);
        assert_eq!(most(), FILTER_MEMORY);
    }

    #[test]
    fn values_are_weighed_as_they_are_written() {
        let one = json("[1,\"a\\n\",{\"k\":null}]");
        let twice: Val = [one.clone(), one.clone()].into_iter().collect();
        assert!(json_bytes(&twice, usize::MAX) >= twice.to_string().len());
        assert!(json_bytes(&twice, usize::MAX) > 2 * json_bytes(&one, usize::MAX));
        assert!(json_bytes(&twice, 10) > 10);
    }
}
