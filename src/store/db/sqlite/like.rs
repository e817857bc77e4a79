//! `LIKE` by hand: SQLite's own matching takes no long pattern, and cannot be ended while it is at
//! a long text. Knows letters; no SQL.

use crate::value::folded;

/// Letters of a pattern's begin by which an index finds the rows: more would find few less.
const PREFIX_MAX: usize = 64;
/// Places of a text at which a segment is tried before the caller is asked whether to go on: each
/// may cost as many steps as the segment has letters.
const TRIES: u32 = 4_096;

/// The letters of ASCII with which each text begins that is of this pattern. SQLite knows the case
/// of no others.
pub(crate) fn ascii_prefix(like: &str) -> String {
    prefix(like).chars().take_while(char::is_ascii).collect()
}

/// The letters with which each text begins that is of this pattern.
pub(crate) fn prefix(like: &str) -> String {
    let mut prefix = String::new();
    let mut letters = like.chars();
    while let Some(letter) = letters.next().filter(|letter| !matches!(letter, '%' | '_')) {
        match letter {
            '\\' => prefix.push(letters.next().unwrap_or('\\')),
            other => prefix.push(other),
        }
    }
    prefix.chars().take(PREFIX_MAX).collect()
}

/// Asks now and then whether to go on.
struct Watch<'s> {
    stop: &'s dyn Fn() -> bool,
    left: u32,
    stopped: bool,
}

impl Watch<'_> {
    /// Counts a step; whether there may be another.
    fn goes_on(&mut self) -> bool {
        self.left -= 1;
        if self.left == 0 {
            self.left = TRIES;
            self.stopped = (self.stop)();
        }
        !self.stopped
    }
}

/// A pattern taken apart once, to be matched with many texts.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// What stands between the `%`: the first begins the text, the last ends it, the others follow
    /// one another.
    segments: Vec<Segment>,
    ignores_case: bool,
}

/// A part without `%`.
#[derive(Debug)]
enum Segment {
    Plain(String),
    /// With `_`, which is no letter here.
    Holes(Vec<Option<char>>),
}

impl Pattern {
    /// `\` makes the next letter plain, and stands for itself at the end.
    pub(crate) fn new(like: &str, ignores_case: bool) -> Pattern {
        let like = cased(like, ignores_case);
        let mut segments = Vec::new();
        let mut segment = Vec::new();
        let mut letters = like.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => segments.push(Segment::new(std::mem::take(&mut segment))),
                '_' => segment.push(None),
                '\\' => segment.push(Some(letters.next().unwrap_or('\\'))),
                other => segment.push(Some(other)),
            }
        }
        segments.push(Segment::new(segment));
        Pattern { segments, ignores_case }
    }

    /// Whether the whole text is of this pattern; `None` when `stop` has said that nobody needs to
    /// know.
    pub(crate) fn matches(&self, text: &str, stop: &dyn Fn() -> bool) -> Option<bool> {
        let text = cased(text, self.ignores_case);
        let mut watch = Watch {
            stop,
            left: TRIES,
            stopped: false,
        };
        let matched = self.matched(&text, &mut watch) == Some(true);
        (!watch.stopped).then_some(matched)
    }

    /// `None` where a segment is not found.
    fn matched(&self, text: &str, watch: &mut Watch<'_>) -> Option<bool> {
        let (first, rest) = self.segments.split_first()?;
        let at = first.length_at_begin(text)?;
        let Some((last, between)) = rest.split_last() else {
            return Some(at == text.len());
        };
        let mut text = text.get(at..)?;
        text = text.get(..last.begin_at_end(text)?)?;
        for segment in between {
            text = text.get(segment.end_of_first(text, watch)?..)?;
        }
        Some(true)
    }
}

impl Segment {
    fn new(letters: Vec<Option<char>>) -> Segment {
        match letters.iter().copied().collect() {
            Some(plain) => Segment::Plain(plain),
            None => Segment::Holes(letters),
        }
    }

    /// The bytes that it takes at the text's begin.
    fn length_at_begin(&self, text: &str) -> Option<usize> {
        match self {
            Segment::Plain(plain) => text.starts_with(plain).then_some(plain.len()),
            Segment::Holes(letters) => {
                let mut given = text.chars();
                for wanted in letters {
                    let letter = given.next()?;
                    if wanted.is_some_and(|wanted| wanted != letter) {
                        return None;
                    }
                }
                Some(text.len() - given.as_str().len())
            }
        }
    }

    /// Where it begins, if it ends the text.
    fn begin_at_end(&self, text: &str) -> Option<usize> {
        match self {
            Segment::Plain(plain) => text.strip_suffix(plain.as_str()).map(str::len),
            Segment::Holes(letters) => {
                let (begin, _) = text.char_indices().rev().nth(letters.len() - 1)?;
                self.length_at_begin(text.get(begin..)?).map(|_| begin)
            }
        }
    }

    /// Where the first one in the text ends.
    fn end_of_first(&self, text: &str, watch: &mut Watch<'_>) -> Option<usize> {
        match self {
            Segment::Plain(plain) => text.find(plain.as_str()).map(|begin| begin + plain.len()),
            Segment::Holes(_) => text
                .char_indices()
                .take_while(|_| watch.goes_on())
                .find_map(|(begin, _)| {
                    let length = self.length_at_begin(text.get(begin..)?)?;
                    Some(begin + length)
                }),
        }
    }
}

fn cased(text: &str, ignores_case: bool) -> std::borrow::Cow<'_, str> {
    match ignores_case {
        true => folded(text).into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (like, text, exact, ignoring) in [
            ("", "", true, true),
            ("", "a", false, false),
            ("%", "", true, true),
            ("%%", "ab", true, true),
            ("a%", "abc", true, true),
            ("A%", "abc", false, true),
            ("a%a", "a", false, false),
            ("%b%c", "abxc", true, true),
            ("%b%c", "abxcd", false, false),
            ("%b_d%", "abcbcde", true, true),
            ("%_", "", false, false),
            ("%_", "ä", true, true),
            ("%_ä", "xä", true, true),
            ("_b", "äb", true, true),
            ("__", "ä", false, false),
            ("%ab%ab", "abab", true, true),
            ("%ab%ab", "aba", false, false),
            ("%aab", "aaab", true, true),
            ("a\\%b", "a%b", true, true),
            ("a\\%b", "axb", false, false),
            ("a\\", "a\\", true, true),
            ("Ä", "ä", false, true),
            ("%Σ_", "aςß", false, true),
            ("ss", "ß", false, false),
            ("k", "\u{212a}", false, false),
            ("*[a]?", "*[a]?", true, true),
        ] {
            for (ignores_case, want) in [(false, exact), (true, ignoring)] {
                let matched = Pattern::new(like, ignores_case).matches(text, &|| false);
                assert_eq!(matched, Some(want), "{like} {text}");
            }
        }
    }

    /// In a time that grows with the lengths, not with their product.
    #[test]
    fn long_ones() {
        let text = "ba".repeat(100_000);
        for (like, want) in [
            ("%a".repeat(100_000), true),
            ("%a".repeat(100_001), false),
            (format!("%{}", "ba".repeat(60_000)), true),
            (format!("%{}c%", "ba".repeat(60_000)), false),
            (format!("%{}", "_".repeat(200_000)), true),
            (format!("%{}", "_".repeat(200_001)), false),
        ] {
            assert_eq!(
                Pattern::new(&like, false).matches(&text, &|| false),
                Some(want),
                "{} letters",
                like.len()
            );
        }
    }

    #[test]
    fn begins_of_patterns() {
        for (like, want) in [
            ("", ""),
            ("abc", "abc"),
            ("ab%c", "ab"),
            ("_b", ""),
            ("a\\%b_", "a%b"),
            ("ä\\", "ä\\"),
        ] {
            assert_eq!(prefix(like), want, "{like}");
        }
        assert_eq!(prefix(&"ä".repeat(100)), "ä".repeat(PREFIX_MAX));
        assert_eq!(ascii_prefix("abäc%"), "ab");
    }

    #[test]
    fn nobody_waits_for_a_long_text() {
        let text = "a".repeat(1_000_000);
        let pattern = Pattern::new(&format!("%_{}b%", "a".repeat(150)), false);
        assert_eq!(pattern.matches(&text, &|| true), None);
    }
}
