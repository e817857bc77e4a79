//! What an upstream wrote that is no value: it stands in its place, so that it spoils what needs it
//! and nothing else. Knows how it is marked and told; reads no JSON.
//!
//! A mark is a byte string, which no JSON has and no type takes: a filter may carry it on, and
//! whatever takes it fails with its place.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

use jaq_json::{Map, Val};

/// Whether this process has made a mark. Until then nobody need look for one, which would cost each
/// record a walk.
static MADE: AtomicBool = AtomicBool::new(false);

/// Before and after the words of a mark; no text has this byte.
const SIGN: u8 = 0xff;
/// Bytes of a broken value that are kept to be shown.
const RAW_MAX: usize = 64 << 10;

/// A mark: `what` was found at a byte of its text, where `raw` was written.
pub(crate) fn broken(what: &str, at: u64, raw: &[u8]) -> Val {
    let words = format!("{what} (byte {at})");
    let raw = raw.get(..RAW_MAX).unwrap_or(raw);
    MADE.store(true, Ordering::Relaxed);
    Val::byte_str([&[SIGN], words.as_bytes(), &[SIGN], raw].concat())
}

/// The words of a mark, and what was written there.
fn parts(value: &Val) -> Option<(&str, &[u8])> {
    let Val::BStr(bytes) = value else { return None };
    let marked = bytes.strip_prefix(&[SIGN])?;
    let end = marked.iter().position(|byte| *byte == SIGN)?;
    let (words, raw) = marked.split_at(end);
    Some((std::str::from_utf8(words).ok()?, raw.get(1..)?))
}

/// What a broken value is: `NaN, which is no JSON (byte 48)`.
pub(crate) fn as_broken(value: &Val) -> Option<&str> {
    parts(value).map(|(words, _)| words)
}

/// The first broken value or name within a value.
pub(crate) fn first_broken(value: &Val) -> Option<&str> {
    if !MADE.load(Ordering::Relaxed) {
        return None;
    }
    // Values within values that are still to be looked at, the next one last.
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Val::BStr(_) => {
                if let Some(words) = as_broken(value) {
                    return Some(words);
                }
            }
            Val::Arr(values) => open.extend(values.iter().rev()),
            Val::Obj(members) => {
                let both = members.iter().flat_map(|(key, value)| [key, value]);
                let from = open.len();
                open.extend(both);
                open[from..].reverse();
            }
            _ => {}
        }
    }
    None
}

/// The first broken name of an object's members: what it would have been nobody knows.
pub(crate) fn broken_name(members: &Map) -> Option<&str> {
    match MADE.load(Ordering::Relaxed) {
        true => members.keys().find_map(as_broken),
        false => None,
    }
}

/// A value as it is shown: what was written stands in the place of each mark.
pub(crate) fn as_written(value: &Val) -> Cow<'_, Val> {
    match first_broken(value) {
        None => Cow::Borrowed(value),
        Some(_) => Cow::Owned(written(value)),
    }
}

/// Recursion ends with the value's own depth, which the parser limits.
fn written(value: &Val) -> Val {
    match value {
        Val::Arr(values) => Val::Arr(values.iter().map(written).collect::<Vec<_>>().into()),
        Val::Obj(members) => Val::obj(
            members
                .iter()
                .map(|(key, value)| (written(key), written(value)))
                .collect(),
        ),
        value => match parts(value) {
            Some((_, raw)) => Val::utf8_str(String::from_utf8_lossy(raw).into_owned()),
            None => value.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        let text = |text: &'static str| Val::utf8_str(text);
        let nan = broken("`NaN`, which is no JSON", 48, b"NaN");
        assert_eq!(as_broken(&nan), Some("`NaN`, which is no JSON (byte 48)"));
        assert_eq!(as_broken(&Val::byte_str("NaN")), None);
        let name = broken("a name with bytes that are no UTF-8", 3, b"na\xffme");
        let record = Val::obj(
            [(text("a"), Val::Arr(vec![Val::Null, nan].into())), (name, text("x"))]
                .into_iter()
                .collect(),
        );
        assert_eq!(first_broken(&record), Some("`NaN`, which is no JSON (byte 48)"));
        assert_eq!(
            as_written(&record).to_string(),
            "{\"a\":[null,\"NaN\"],\"na\u{fffd}me\":\"x\"}"
        );
        let Val::Obj(members) = &record else { unreachable!() };
        assert_eq!(
            broken_name(members),
            Some("a name with bytes that are no UTF-8 (byte 3)")
        );
        assert!(matches!(as_written(&text("x")), Cow::Borrowed(_)));
    }
}
