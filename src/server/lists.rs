//! Headers that are lists, in one line or several. Knows commas and qualities; no header.

use axum::http::{HeaderMap, HeaderName, header::ACCEPT_ENCODING};

/// Entries that are looked at; browsers send a dozen.
const ENTRIES_MAX: usize = 50;

/// The entries of a header; a line that is no text is an empty one.
pub(super) fn entries<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'h str> + use<'h> {
    let lines = headers.get_all(name).into_iter();
    lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(str::trim)
}

/// The entries of a header that says what is wanted, each with how much: 1 where it does not say, 0
/// for not at all.
pub(super) fn wanted<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'h str, f32)> + use<'h> {
    let entries = entries(headers, name).filter(|entry| !entry.is_empty());
    entries.take(ENTRIES_MAX).map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        (parts.next().unwrap_or_default(), quality(parts))
    })
}

/// Whether an answer may come in a coding, by what is said of it or of all.
pub(super) fn takes_coding(headers: &HeaderMap, coding: &str) -> bool {
    let said = |name: &str| {
        let mut entries = wanted(headers, &ACCEPT_ENCODING);
        entries.find(|(entry, _)| entry.eq_ignore_ascii_case(name))
    };
    said(coding)
        .or_else(|| said("*"))
        .is_some_and(|(_, quality)| quality > 0.0)
}

/// What cannot be read is not wanted.
fn quality<'h>(parameters: impl Iterator<Item = &'h str>) -> f32 {
    let mut pairs = parameters.filter_map(|pair| pair.split_once('='));
    let Some((_, value)) = pairs.find(|(name, _)| name.trim_end().eq_ignore_ascii_case("q")) else {
        return 1.0;
    };
    let quality = value.trim_start().parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&quality) { quality } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT;

    use super::*;

    #[test]
    fn lists_are_one_in_several_lines() {
        let mut headers = HeaderMap::new();
        for line in ["a;x=1, b ; Q=0.5", "", "c;q=0", "d; q = 0.1,e;q=nan,f;q=7"] {
            headers.append(ACCEPT, line.parse().expect("a header"));
        }
        let all: Vec<_> = entries(&headers, &ACCEPT).collect();
        assert_eq!(
            all,
            ["a;x=1", "b ; Q=0.5", "", "c;q=0", "d; q = 0.1", "e;q=nan", "f;q=7"]
        );
        assert_eq!(entries(&headers, &ACCEPT).next_back(), Some("f;q=7"));
        let wanted: Vec<_> = wanted(&headers, &ACCEPT).collect();
        let want = [("a", 1.0), ("b", 0.5), ("c", 0.0), ("d", 0.1), ("e", 0.0), ("f", 0.0)];
        assert_eq!(wanted, want);
    }
}
