//! How the signs of a text are spelled, told in a few letters by which the text can be spelled so
//! again. Knows texts only.

use super::{
    forms,
    signs::{LAYERS, NAMES, SHORT, read},
};

/// In the place of letters that would tell how a text is spelled: in a way that has none.
pub(super) const ANY: &str = "?";

/// How the signs of a text are spelled: the number of each run, if it is not one, and its letter.
pub(super) fn spelling(text: &str, spelled: &str) -> Option<String> {
    (0..=LAYERS).find_map(|layer| spelling_at(text, spelled, layer))
}

fn spelling_at(text: &str, spelled: &str, layer: usize) -> Option<String> {
    let mut runs: Vec<(usize, Way)> = Vec::new();
    let (mut known, mut at) = (0, 0);
    while known < text.len() {
        let sign = read(spelled.as_bytes(), at, layer)?;
        let rest = text.as_bytes().get(known..)?;
        let piece = spelled.as_bytes().get(at..at + sign.length)?;
        let is_it = |way: &Way| {
            rest.starts_with(sign.bytes()) && way.takes(rest) == sign.bytes().len() && way.write(sign.bytes()) == piece
        };
        let way = Way::all().find(is_it)?;
        match runs.last_mut() {
            Some((count, last)) if *last == way => *count += 1,
            _ => runs.push((1, way)),
        }
        known += sign.bytes().len();
        at += sign.length;
    }
    let runs = runs.iter().map(|(count, way)| match count {
        1 => way.letters(),
        _ => format!("{count}{}", way.letters()),
    });
    (at == spelled.len()).then(|| runs.collect::<Vec<_>>().join(","))
}

/// A text in a spelling that was told.
pub(super) fn spell(text: &str, spelling: &str) -> Option<String> {
    if spelling == ANY {
        return Some(forms::strict(text));
    }
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    for run in spelling.split(',') {
        let begin = run.find(|sign: char| !sign.is_ascii_digit())?;
        let (count, letters) = run.split_at(begin);
        let count = if count.is_empty() { 1 } else { count.parse().ok()? };
        let way = Way::all().find(|way| way.letters() == letters)?;
        for _ in 0..count {
            let (sign, behind) = rest.split_at_checked(way.takes(rest))?;
            if sign.is_empty() {
                return None;
            }
            out.extend(way.write(sign));
            rest = behind;
        }
    }
    rest.is_empty().then(|| String::from_utf8(out).ok())?
}

/// A way to spell a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    /// So many times percent-encoded.
    Percent {
        times: usize,
        upper: bool,
    },
    /// `\u002b`
    Unicode {
        upper: bool,
    },
    /// `\/`
    Short,
    /// `&amp;`
    Named,
    /// `&#43;`
    Number,
    /// `&#x2b;`
    Hexadecimal {
        upper: bool,
    },
}

impl Way {
    pub(super) fn all() -> impl Iterator<Item = Way> {
        let percent = (1..=LAYERS).flat_map(|times| [true, false].map(|upper| Way::Percent { times, upper }));
        let cased = [true, false]
            .into_iter()
            .flat_map(|upper| [Way::Unicode { upper }, Way::Hexadecimal { upper }]);
        let others = [Way::Plain, Way::Short, Way::Named, Way::Number];
        others.into_iter().chain(percent).chain(cased)
    }

    fn letters(self) -> String {
        let cased = |upper: bool, letter: char| if upper { letter.to_ascii_uppercase() } else { letter }.to_string();
        match self {
            Way::Plain => "p".to_owned(),
            Way::Percent { times: 1, upper } => cased(upper, 'c'),
            Way::Percent { times, upper } => format!("{}{times}", cased(upper, 'c')),
            Way::Unicode { upper } => cased(upper, 'u'),
            Way::Short => "s".to_owned(),
            Way::Named => "n".to_owned(),
            Way::Number => "d".to_owned(),
            Way::Hexadecimal { upper } => cased(upper, 'x'),
        }
    }

    /// How many bytes of a text are its first sign.
    pub(super) fn takes(self, text: &[u8]) -> usize {
        match self {
            Way::Plain | Way::Percent { .. } => text.len().min(1),
            _ => first_char(text).map_or(0, char::len_utf8),
        }
    }

    pub(super) fn write(self, sign: &[u8]) -> Vec<u8> {
        let hex = |upper: bool, text: String| if upper { text.to_uppercase() } else { text };
        let byte = sign.first().copied().unwrap_or_default();
        let code = first_char(sign).map_or(0, u32::from);
        let text = match self {
            Way::Plain => return sign.to_vec(),
            Way::Percent { times, upper } => {
                format!("%{}{}", "25".repeat(times - 1), hex(upper, format!("{byte:02x}")))
            }
            Way::Unicode { upper } => {
                let mut units = [0; 2];
                let units = first_char(sign).map(|sign| &*sign.encode_utf16(&mut units));
                let units = units.unwrap_or_default().iter();
                units
                    .map(|unit| format!("\\u{}", hex(upper, format!("{unit:04x}"))))
                    .collect()
            }
            Way::Short => match SHORT.iter().find(|(_, of)| *of == byte && sign.len() == 1) {
                Some((letter, _)) => format!("\\{}", char::from(*letter)),
                None => String::new(),
            },
            Way::Named => match NAMES.iter().find(|(_, of)| *of == byte && sign.len() == 1) {
                Some((name, _)) => format!("&{};", String::from_utf8_lossy(name)),
                None => String::new(),
            },
            Way::Number => format!("&#{code};"),
            Way::Hexadecimal { upper } => format!("&#x{};", hex(upper, format!("{code:x}"))),
        };
        text.into_bytes()
    }
}

fn first_char(text: &[u8]) -> Option<char> {
    let begin = text.get(..text.len().min(4))?;
    begin.utf8_chunks().next()?.valid().chars().next()
}
