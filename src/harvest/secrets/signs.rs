//! Signs as they are once a text is decoded: percent-encoded, escaped as in JSON, or named as in
//! HTML, once or several times over. Knows texts only.

/// How often a text may have been encoded.
pub(super) const LAYERS: usize = 4;
/// How far one sign may reach in the text, so that a text of nothing but escapes costs little.
const REACH: usize = 96;
/// Letters of the longest name of a sign in HTML, and digits of its number.
pub(super) const NAME_MAX: usize = 8;
/// The names of signs in HTML that encoders use.
pub(super) const NAMES: [(&[u8], u8); 14] = [
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"sol", b'/'),
    (b"plus", b'+'),
    (b"equals", b'='),
    (b"percnt", b'%'),
    (b"colon", b':'),
    (b"commat", b'@'),
    (b"num", b'#'),
    (b"excl", b'!'),
    (b"dollar", b'$'),
];
/// The letters of short escapes in JSON.
pub(super) const SHORT: [(u8, u8); 9] = [
    (b'"', b'"'),
    (b'\\', b'\\'),
    (b'/', b'/'),
    (b'\'', b'\''),
    (b'b', 8),
    (b'f', 12),
    (b'n', b'\n'),
    (b'r', b'\r'),
    (b't', b'\t'),
];
/// A sign of the decoded text.
#[derive(Clone, Copy)]
pub(super) struct Sign {
    bytes: [u8; 4],
    count: usize,
    /// How much of the text it takes.
    pub length: usize,
}

impl Sign {
    fn byte(byte: u8, length: usize) -> Sign {
        Sign {
            bytes: [byte, 0, 0, 0],
            count: 1,
            length,
        }
    }

    fn code(code: u32, length: usize) -> Option<Sign> {
        let mut bytes = [0; 4];
        let count = char::from_u32(code)?.encode_utf8(&mut bytes).len();
        Some(Sign { bytes, count, length })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.count).unwrap_or_default()
    }

    /// Its one byte.
    fn only(&self) -> Option<u8> {
        match self.bytes() {
            [byte] => Some(*byte),
            _ => None,
        }
    }
}

/// The sign at a place of a text that is decoded so often.
pub(super) fn read(text: &[u8], at: usize, layer: usize) -> Option<Sign> {
    let end = text.len().min(at + REACH);
    decoded(text.get(at..end)?, layer)
}

/// The first sign.
fn decoded(text: &[u8], layer: usize) -> Option<Sign> {
    let Some(below) = layer.checked_sub(1) else {
        return text.first().map(|byte| Sign::byte(*byte, 1));
    };
    let first = decoded(text, below)?;
    let mut reader = Reader {
        text,
        at: first.length,
        layer: below,
    };
    let escaped = match first.only() {
        Some(b'%') => reader.percent(),
        Some(b'\\') => reader.backslash(),
        Some(b'&') => reader.entity(),
        _ => None,
    };
    Some(escaped.unwrap_or(first))
}

/// Reads what is behind the sign that begins an escape.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    layer: usize,
}

impl Reader<'_> {
    fn sign(&mut self) -> Option<u8> {
        let sign = decoded(self.text.get(self.at..)?, self.layer)?;
        self.at += sign.length;
        sign.only()
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |number, _| {
            Some(number * 16 + char::from(self.sign()?).to_digit(16)?)
        })
    }

    fn percent(&mut self) -> Option<Sign> {
        let byte = u8::try_from(self.digits(2)?).ok()?;
        Some(Sign::byte(byte, self.at))
    }

    fn backslash(&mut self) -> Option<Sign> {
        let letter = self.sign()?;
        if letter == b'u' {
            let code = match self.digits(4)? {
                high @ 0xd800..0xdc00 => {
                    (self.sign()? == b'\\' && self.sign()? == b'u').then_some(())?;
                    let low = self.digits(4)?.checked_sub(0xdc00)?;
                    0x1_0000 + ((high - 0xd800) << 10) + low
                }
                code => code,
            };
            return Sign::code(code, self.at);
        }
        let (_, sign) = SHORT.iter().find(|(short, _)| *short == letter)?;
        Some(Sign::byte(*sign, self.at))
    }

    fn entity(&mut self) -> Option<Sign> {
        let mut name = Vec::with_capacity(NAME_MAX);
        loop {
            match self.sign()? {
                b';' => break,
                sign if name.len() < NAME_MAX && (sign.is_ascii_alphanumeric() || sign == b'#') => name.push(sign),
                _ => return None,
            }
        }
        if let Some(number) = name.strip_prefix(b"#") {
            let number = std::str::from_utf8(number).ok()?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            return Sign::code(code.ok()?, self.at);
        }
        let (_, sign) = NAMES.iter().find(|(known, _)| **known == *name)?;
        Some(Sign::byte(*sign, self.at))
    }
}

pub(super) fn is_escape(byte: &u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}
