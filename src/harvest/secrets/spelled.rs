//! A text that comes back in any mixture of spellings: it is looked for in the text as it is once
//! that is decoded, sign by sign, so that a place in the one is a place in the other. Knows texts
//! only.

use super::signs::{LAYERS, NAME_MAX, is_escape, read};

/// Texts that are looked for.
pub(super) struct Search<'w> {
    needles: Vec<Needle<'w>>,
    /// The bytes that signs of them begin with.
    signs: [bool; 256],
}

pub(super) struct Needle<'w> {
    pub text: &'w str,
    /// How much of it is enough where the text was cut.
    pub begin: Option<usize>,
}

/// Where one of them stands.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub needle: usize,
    pub at: usize,
    pub length: usize,
}

impl<'w> Search<'w> {
    pub(super) fn of(needles: Vec<Needle<'w>>) -> Search<'w> {
        let mut signs = [false; 256];
        for byte in needles.iter().flat_map(|needle| needle.text.bytes()) {
            if let Some(known) = signs.get_mut(usize::from(byte)) {
                *known = true;
            }
        }
        Search { needles, signs }
    }

    /// The first place behind `from` where one of them stands of which a sign is spelled otherwise.
    pub(super) fn next(&self, text: &str, from: usize) -> Option<Found> {
        if self.needles.is_empty() {
            return None;
        }
        let mut at = from;
        while let Some(ahead) = text.as_bytes().get(at..)?.iter().position(is_escape) {
            at += ahead;
            if let Some(found) = self.around(text, from, at) {
                return Some(found);
            }
            // The second of two begins no escape.
            let is_pair = text.as_bytes().get(at..at + 2) == Some(b"\\\\");
            at += if is_pair { 2 } else { 1 };
        }
        None
    }

    /// One whose first sign that is spelled otherwise is here.
    fn around(&self, text: &str, from: usize, at: usize) -> Option<Found> {
        if !self.may_be(text.as_bytes(), at) {
            return None;
        }
        let before = text.as_bytes().get(from..at)?;
        let mut best: Option<Found> = None;
        for layer in 1..=LAYERS {
            let sign = read(text.as_bytes(), at, layer)?;
            if sign.length == 1 {
                continue;
            }
            for (number, needle) in self.needles.iter().enumerate() {
                for plain in 0..needle.text.len().min(before.len() + 1) {
                    let (begin, end) = needle.text.as_bytes().split_at(plain);
                    if !end.starts_with(sign.bytes()) || !before.ends_with(begin) {
                        continue;
                    }
                    let (known, length) = along(text.as_bytes(), at, layer, end);
                    let Some(more) = needle.ends(text, plain + known, at + length) else {
                        continue;
                    };
                    let found = Found {
                        needle: number,
                        at: at - plain,
                        length: plain + length + more,
                    };
                    let is_better = |best: &Found| (found.at, best.length) < (best.at, found.length);
                    if best.as_ref().is_none_or(is_better) {
                        best = Some(found);
                    }
                }
            }
        }
        best
    }

    /// Whether what is here, however often it is decoded, is a sign of any of them.
    fn may_be(&self, text: &[u8], at: usize) -> bool {
        for layer in 1..=LAYERS {
            let Some(sign) = read(text, at, layer) else {
                return false;
            };
            let first = sign.bytes().first().copied().unwrap_or_default();
            if sign.length > 1 && self.signs.get(usize::from(first)).copied().unwrap_or_default() {
                return true;
            }
            if !is_escape(&first) {
                return false;
            }
        }
        false
    }
}

impl Needle<'_> {
    /// Whether it is here, or was cut here: how much more of the text belongs to it.
    fn ends(&self, text: &str, known: usize, at: usize) -> Option<usize> {
        match known == self.text.len() {
            true => Some(0),
            false if known >= self.begin? => cut(text.get(at..)?),
            false => None,
        }
    }
}

/// Whether a text was cut before the rest of it, at its end or in a piece that is quoted: the
/// length of a broken escape that stands there.
pub(super) fn cut(rest: &str) -> Option<usize> {
    let broken = match rest.bytes().next().is_some_and(|byte| is_escape(&byte)) {
        true => {
            let of_it = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
            1 + rest.bytes().skip(1).take(NAME_MAX).take_while(of_it).count()
        }
        false => 0,
    };
    let rest = rest.get(broken..)?;
    (rest.is_empty() || rest.starts_with(['…', '"'])).then_some(broken)
}

/// How many bytes of `needle` stand at a place, and how much of the text they take.
fn along(text: &[u8], from: usize, layer: usize, needle: &[u8]) -> (usize, usize) {
    let (mut rest, mut at) = (needle, from);
    while !rest.is_empty() {
        let Some(sign) = read(text, at, layer) else {
            break;
        };
        let Some(behind) = rest.strip_prefix(sign.bytes()) else {
            break;
        };
        rest = behind;
        at += sign.length;
    }
    (needle.len() - rest.len(), at - from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harvest::secrets::{
        forms,
        ways::{ANY, Way, spell, spelling},
    };

    const KEY: &str = "sEcr3t+/k&ey=Z9";

    fn found(needle: &str, begin: Option<usize>, text: &str) -> Option<String> {
        let search = Search::of(vec![Needle { text: needle, begin }]);
        let found = search.next(text, 0)?;
        text.get(found.at..found.at + found.length).map(str::to_owned)
    }

    /// Each sign in a way of its own, by a number.
    fn mixed(text: &str, mut seed: usize, ways: &[Way]) -> String {
        let mut next = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        let mut out = Vec::new();
        for sign in text.chars() {
            let way = ways[next() % ways.len()];
            let mut bytes = [0; 4];
            let sign = sign.encode_utf8(&mut bytes).as_bytes();
            let pieces = sign.chunks(way.takes(sign)).map(|piece| way.write(piece));
            let written = pieces.collect::<Vec<_>>().concat();
            out.extend(if written.is_empty() { sign.to_vec() } else { written });
        }
        String::from_utf8(out).expect("a text")
    }

    #[test]
    fn any_mixture_is_found_and_can_be_spelled_again() {
        let percent: Vec<Way> = Way::all()
            .filter(|way| matches!(way, Way::Plain | Way::Percent { .. }))
            .collect();
        for needle in [KEY, "pass wörd 7/😀=", "a%2Fb%25c/d+e&amp;f"] {
            for seed in 0..400 {
                let all: Vec<Way> = Way::all().collect();
                let any = mixed(needle, seed, &all);
                if any != needle && !needle.contains('%') {
                    let text = format!("%2Fx\\n{any}&y=1%");
                    let here = found(needle, None, &text);
                    assert_eq!(here.as_deref(), Some(any.as_str()), "{needle}");
                }
                let once = mixed(needle, seed, if seed % 2 == 0 { &percent[..3] } else { &percent });
                if !needle.contains('%') {
                    let told = spelling(needle, &once).expect("a spelling");
                    assert_eq!(spell(needle, &told).as_deref(), Some(once.as_str()), "{told}");
                }
            }
        }
        // A text with escapes of its own is no less found for it.
        let odd = "a%2Fb%25c/d+e&amp;f";
        let coded = forms::strict(odd);
        assert_eq!(found(odd, None, &format!("?k={coded}")), Some(coded.clone()));
        let twice = forms::strict(&coded);
        assert_eq!(found(odd, None, &format!("?k={twice}")), Some(twice));
    }

    #[test]
    fn encoders_that_leave_other_signs_plain() {
        for (spelled, told) in [
            ("sEcr3t%2B/k%26ey%3DZ9", "6p,C,2p,C,2p,C,2p"),
            ("sEcr3t%2b/k%26ey%3DZ9", "6p,c,2p,C,2p,C,2p"),
            ("sEcr3t%252B/k%2526ey%253DZ9", "6p,C2,2p,C2,2p,C2,2p"),
            ("sEcr3t\\u002b\\/k\\u0026ey=Z9", "6p,u,s,p,U,5p"),
            ("sEcr3t&#43;/k&amp;ey&#x3D;Z9", "6p,d,2p,n,2p,X,2p"),
        ] {
            let text = format!("/t1?tok={spelled}&p=2");
            assert_eq!(found(KEY, None, &text).as_deref(), Some(spelled));
            assert_eq!(spelling(KEY, spelled).as_deref(), Some(told));
            assert_eq!(spell(KEY, told).as_deref(), Some(spelled));
        }
        let all = "%73%45%63%72%33%74%2B%2F%6B%26%65%79%3D%5A%39";
        assert_eq!(found(KEY, None, all).as_deref(), Some(all));
        // Escapes within escapes have no letters.
        let nested = "sEcr3t\\u00252B/k&ey=Z9";
        assert_eq!(found(KEY, None, nested).as_deref(), Some(nested));
        assert_eq!(spelling(KEY, nested), None);
        assert_eq!(spell(KEY, ANY).as_deref(), Some("sEcr3t%2B%2Fk%26ey%3DZ9"));
        for wrong in ["", "p", "99p", "15q", "15p,p", "0"] {
            assert_eq!(spell(KEY, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_else_is_found() {
        for text in [
            "",
            "%",
            "\\",
            "&",
            "sEcr3t%2B/k%26ey%3DZ8",
            "%zz&#;&#x;\\u12\\ud83d",
            "sEcr3t+/k&ey=Z9",
        ] {
            assert_eq!(found(KEY, None, text), None, "{text}");
        }
        // Never from the second sign of `\\` on: what is left would be no text of JSON.
        for whole in ["\\\\/abcdefg", "\\\\\\/abcdefg"] {
            assert_eq!(found("/abcdefg", None, whole).as_deref(), Some(whole));
        }
    }

    #[test]
    fn a_beginning_counts_where_the_text_was_cut() {
        for (text, want) in [
            ("k=sEcr3t%2B/k…", Some("sEcr3t%2B/k")),
            ("k=sEcr3t%2B/k%2…", Some("sEcr3t%2B/k%2")),
            ("k=sEcr3t%2B/k\"", Some("sEcr3t%2B/k")),
            ("k=sEcr3t%2B/k is", None),
            ("k=sEcr3t%2B…", None),
        ] {
            assert_eq!(found(KEY, Some(8), text).as_deref(), want, "{text}");
        }
    }
}
