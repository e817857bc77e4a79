//! Bytes to UTF-8: by a byte order mark, by where ASCII of several bytes has its zeros, else by the
//! declared charset. Knows charsets; knows no JSON and no HTTP.
//!
//! What a charset does not have becomes a byte that UTF-8 does not have either: whoever reads the
//! text then finds the fault at its place, instead of a sign that might have been the upstream's
//! own.

use bytes::{Bytes, BytesMut};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// No text of UTF-8 has this byte.
const BROKEN: u8 = 0xff;
/// Bytes that tell the charset: JSON begins with ASCII.
const FIRST: usize = 4;
/// Bytes of a web page that may say its charset.
const META: usize = 1_024;
/// An XML declaration is shorter.
const DECLARATION: usize = 200;
/// Room for the decoded text of one step.
const STEP: usize = 64 << 10;

/// Turns a whole text into UTF-8; `media` is its `Content-Type`.
pub(super) fn utf8(bytes: Bytes, media: Option<&str>) -> Bytes {
    let Some(mut decoding) = Decoding::of(&bytes, media) else {
        return bytes;
    };
    // Most servers that declare a charset of one byte do so by habit, and send UTF-8: what is valid
    // UTF-8 beyond ASCII is hardly ever anything else.
    if !media.is_some_and(is_said) && decoding.is_single_byte() && std::str::from_utf8(&bytes).is_ok() {
        return bytes;
    }
    let mut out = BytesMut::with_capacity(bytes.len() + bytes.len() / 2);
    decoding.decode(&bytes, true, &mut out);
    out.freeze()
}

/// What a definition says of a text's charset, in the place of its `Content-Type`.
pub(super) fn said(charset: &str) -> String {
    format!("; charset={charset}")
}

/// Whether it was a definition that said so: it is believed, whatever the bytes look like.
pub(super) fn is_said(media: &str) -> bool {
    media.starts_with(';')
}

/// Turns a text into UTF-8 that arrives in pieces, such as a file: by what it begins with.
#[derive(Default)]
pub(super) struct Pieces {
    first: BytesMut,
    /// Its `Content-Type`, where that is believed.
    media: Option<String>,
    /// Once it is known: none for UTF-8.
    decoding: Option<Option<Decoding>>,
}

impl Pieces {
    /// Of a text that is not UTF-8 by its bytes.
    pub(super) fn declared(media: Option<&str>) -> Pieces {
        Pieces {
            media: media.map(str::to_owned),
            ..Pieces::default()
        }
    }

    /// The next piece; `last` with an empty one at the end.
    pub(super) fn utf8(&mut self, piece: Bytes, last: bool) -> Bytes {
        let piece = match self.decoding {
            Some(_) => piece,
            None => match self.begin(piece, last) {
                Some(begin) => begin,
                None => return Bytes::new(),
            },
        };
        let Some(decoding) = self.decoding.as_mut().and_then(Option::as_mut) else {
            return piece;
        };
        let mut out = BytesMut::with_capacity(piece.len() + piece.len() / 2);
        decoding.decode(&piece, last, &mut out);
        out.freeze()
    }

    /// The text so far, once there is enough of it to tell its charset.
    fn begin(&mut self, piece: Bytes, last: bool) -> Option<Bytes> {
        let begin = if self.first.is_empty() {
            piece
        } else {
            self.first.extend_from_slice(&piece);
            self.first.split().freeze()
        };
        if begin.len() < FIRST && !last {
            self.first.extend_from_slice(&begin);
            return None;
        }
        self.decoding = Some(Decoding::of(&begin, self.media.as_deref()));
        Some(begin)
    }
}

/// A text that is not UTF-8, on its way.
enum Decoding {
    Known(Decoder),
    Utf32 { big: bool, open: Vec<u8> },
}

impl Decoding {
    /// None for UTF-8, and for a charset that nobody knows, which is as good as none.
    fn of(bytes: &[u8], media: Option<&str>) -> Option<Decoding> {
        let utf32 = |big| Some(Decoding::Utf32 { big, open: Vec::new() });
        let known = |encoding: &'static Encoding| {
            (encoding != UTF_8).then(|| Decoding::Known(encoding.new_decoder_with_bom_removal()))
        };
        match bytes {
            [0xff, 0xfe, 0, 0, ..] => return utf32(false),
            [0, 0, 0xfe, 0xff, ..] => return utf32(true),
            _ => {}
        }
        if let Some((encoding, _)) = Encoding::for_bom(bytes) {
            return known(encoding);
        }
        match bytes {
            [first, 0, 0, 0, ..] if *first != 0 => utf32(false),
            [0, 0, 0, last, ..] if *last != 0 => utf32(true),
            [first, 0, ..] if *first != 0 => known(UTF_16LE),
            [0, second, ..] if *second != 0 => known(UTF_16BE),
            // Without a zero it is not of several bytes each, whatever is declared.
            _ => {
                let encoding = media
                    .and_then(declared)
                    .or_else(|| of_declaration(bytes).or_else(|| of_meta(bytes)))?;
                known(encoding).filter(|_| ![UTF_16LE, UTF_16BE].contains(&encoding))
            }
        }
    }

    fn is_single_byte(&self) -> bool {
        matches!(self, Decoding::Known(decoder) if decoder.encoding().is_single_byte())
    }

    fn decode(&mut self, bytes: &[u8], last: bool, out: &mut BytesMut) {
        match self {
            Decoding::Known(decoder) => decode(decoder, bytes, last, out),
            Decoding::Utf32 { big, open } => {
                open.extend_from_slice(bytes);
                let whole = open.len() - open.len() % FIRST;
                for unit in open[..whole].chunks_exact(FIRST) {
                    put(unit, *big, out);
                }
                open.drain(..whole);
                if last && !open.is_empty() {
                    out.extend_from_slice(&[BROKEN]);
                }
            }
        }
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], last: bool, out: &mut BytesMut) {
    let mut room = vec![0; STEP];
    loop {
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut room, last);
        out.extend_from_slice(&room[..written]);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => out.extend_from_slice(&[BROKEN]),
        }
    }
}

/// One character of UTF-32.
fn put(unit: &[u8], big: bool, out: &mut BytesMut) {
    let fold = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    let value = match big {
        true => unit.iter().fold(0, fold),
        false => unit.iter().rev().fold(0, fold),
    };
    match char::from_u32(value) {
        Some('\u{feff}') => {}
        Some(found) => out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[BROKEN]),
    }
}

/// `<?xml version="1.0" encoding="…"?>`, which nothing else begins with.
fn of_declaration(bytes: &[u8]) -> Option<&'static Encoding> {
    let begin = bytes.get(..DECLARATION).unwrap_or(bytes);
    let rest = begin.strip_prefix(b"<?xml")?;
    let declaration = std::str::from_utf8(rest.get(..rest.windows(2).position(|end| end == b"?>")?)?).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Encoding::for_label(value[1..].split(quote).next()?.as_bytes())
}

/// `<meta charset="…">` of a web page, or the same in a `Content-Type` that stands in one.
fn of_meta(bytes: &[u8]) -> Option<&'static Encoding> {
    let begin = bytes.get(..META).unwrap_or(bytes).trim_ascii_start();
    let text = String::from_utf8_lossy(begin.starts_with(b"<").then_some(begin)?).to_ascii_lowercase();
    let metas = text.split("<meta").skip(1).filter_map(|meta| meta.split('>').next());
    metas
        .filter_map(|meta| meta.split_once("charset"))
        .find_map(|(_, value)| {
            let value = value
                .trim_start()
                .strip_prefix('=')?
                .trim_start()
                .trim_start_matches(['"', '\'']);
            let end = value.find(|sign: char| sign.is_whitespace() || "\"';/".contains(sign));
            Encoding::for_label(&value.as_bytes()[..end.unwrap_or(value.len())])
        })
}

/// `charset=…` of a media type.
fn declared(media: &str) -> Option<&'static Encoding> {
    let parameters = media.split(';').skip(1);
    let (_, value) = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Encoding::for_label(value.trim().trim_matches(['"', '\'']).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn utf32(text: &str, big: bool) -> Vec<u8> {
        let bytes = |sign: char| {
            if big {
                (sign as u32).to_be_bytes()
            } else {
                (sign as u32).to_le_bytes()
            }
        };
        text.chars().flat_map(bytes).collect()
    }

    #[test]
    fn whole_texts() {
        let text = "[\"Café – 日本 😀\"]";
        let marked = format!("\u{feff}{text}");
        let json = |charset: &str| Some(format!("application/json; charset={charset}"));
        let cases = [
            (text.as_bytes().to_vec(), None, text),
            (text.as_bytes().to_vec(), json("iso-8859-1"), text),
            (text.as_bytes().to_vec(), json("utf-16"), text),
            (text.as_bytes().to_vec(), json("martian"), text),
            (utf16(&marked, false), None, text),
            (utf16(&marked, true), json("utf-8"), text),
            (utf16(text, false), None, text),
            (utf16(text, true), None, text),
            (utf16(text, false), json("\"UTF-16LE\""), text),
            (utf32(&marked, false), None, text),
            (utf32(&marked, true), None, text),
            (utf32(text, false), json("utf-32"), text),
            (utf32(text, true), None, text),
            (b"[\"Caf\xe9\"]".to_vec(), json("ISO-8859-1"), "[\"Café\"]"),
            (b"[\"it\x92s\"]".to_vec(), json("windows-1252"), "[\"it’s\"]"),
            (b"[\"\x82\xa0\"]".to_vec(), json("Shift_JIS"), "[\"あ\"]"),
            (b"1".to_vec(), None, "1"),
            (
                b"<?xml version='1.0' encoding = 'ISO-8859-1'?><a>\xe9</a>".to_vec(),
                None,
                "<?xml version='1.0' encoding = 'ISO-8859-1'?><a>é</a>",
            ),
        ];
        for (bytes, media, want) in cases {
            let got = utf8(bytes.into(), media.as_deref());
            assert_eq!(String::from_utf8_lossy(&got), want, "{media:?}");
        }
    }

    #[test]
    fn what_is_broken_stays_broken() {
        let mut bytes = utf16("\u{feff}[\"a", false);
        bytes.extend([0x00, 0xd8]);
        bytes.extend(utf16("b\"]", false));
        assert_eq!(&utf8(bytes.into(), None)[..], b"[\"a\xffb\"]");
        let mut bytes = utf32("[\"a", true);
        bytes.extend([0, 0, 0xd8, 0, 0, 0x11, 0, 0]);
        bytes.extend(utf32("\"]", true));
        bytes.push(0);
        assert_eq!(&utf8(bytes.into(), None)[..], b"[\"a\xff\xff\"]\xff");
        // Nobody has said what it is.
        assert_eq!(&utf8(Bytes::from_static(b"[\"Caf\xe9\"]"), None)[..], b"[\"Caf\xe9\"]");
    }

    #[test]
    fn pieces_of_any_size() {
        let text = "{\"t\":\"日本 😀\"}\n{\"t\":\"é\"}\n";
        let marked = format!("\u{feff}{text}");
        let forms = [
            (text.as_bytes().to_vec(), text),
            (utf16(&marked, true), text),
            (utf16(text, false), text),
            (utf32(&marked, false), text),
            (utf16("1", false), "1"),
            (Vec::new(), ""),
        ];
        for (bytes, want) in forms {
            for size in [1, 2, 3, 7, 1000] {
                let mut pieces = Pieces::default();
                let mut out = Vec::new();
                for piece in bytes.chunks(size) {
                    out.extend_from_slice(&pieces.utf8(Bytes::copy_from_slice(piece), false));
                }
                out.extend_from_slice(&pieces.utf8(Bytes::new(), true));
                assert_eq!(String::from_utf8_lossy(&out), want, "{size} bytes at once");
            }
        }
    }
}
