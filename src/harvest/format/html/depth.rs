//! How deep the elements of a web page lie in each other, as far as its tags tell. Knows tags; no
//! tree.

use memchr::{memchr, memchr_iter};

/// Elements in each other at most. For each tag the parser looks through those that are open, so a
/// page that is deep takes a time that grows with the square of that.
pub(super) const DEPTH_MAX: usize = 10_000;

/// Elements that have no end, or one that need not be written.
const ENDLESS: [&str; 25] = [
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "optgroup", "option",
    "p", "param", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "wbr",
];

/// Whether more elements are open at some place than [`DEPTH_MAX`]. What looks like a tag in a
/// script counts, too.
pub(super) fn is_beyond(bytes: &[u8]) -> bool {
    let mut open = 0_usize;
    memchr_iter(b'<', bytes).any(|at| {
        let tag = bytes.get(at + 1..).unwrap_or_default();
        match tag.first() {
            Some(b'/') => open -= usize::from(open > 0 && !is_endless(tag.get(1..).unwrap_or_default())),
            Some(first) if first.is_ascii_alphabetic() => {
                let end = memchr(b'>', tag).unwrap_or(tag.len());
                let is_closed = tag.get(..end).unwrap_or_default().ends_with(b"/");
                open += usize::from(!is_closed && !is_endless(tag));
            }
            _ => {}
        }
        open > DEPTH_MAX
    })
}

fn is_endless(tag: &[u8]) -> bool {
    let end = tag.iter().position(|sign| !sign.is_ascii_alphanumeric());
    let name = tag.get(..end.unwrap_or(tag.len())).unwrap_or_default();
    ENDLESS
        .iter()
        .any(|endless| endless.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_open_is_counted() {
        let many = DEPTH_MAX + 1;
        for deep in ["<div>", "<b class=\"x\">", "<Section a='1'>text"] {
            assert!(is_beyond(deep.repeat(many).as_bytes()), "{deep}");
            assert!(!is_beyond(deep.repeat(many - 1).as_bytes()), "{deep}");
        }
        for flat in [
            "<div>a</div>",
            "<br>",
            "<LI>one",
            "<path d=\"M0\"/>",
            "<!-- x -->",
            "a < b",
            "<td>1<td>2<tr>",
        ] {
            assert!(!is_beyond(flat.repeat(many).as_bytes()), "{flat}");
        }
    }
}
