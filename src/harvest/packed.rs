//! Data that is packed, known by its first bytes: files as people have them, and bodies that no
//! header calls so. Knows gzip, Zstandard and zip, and how much may come out of them; knows no
//! JSON.

mod zip;

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use bytes::Bytes;
use flate2::{Crc, read::DeflateDecoder, read::MultiGzDecoder};

use super::{
    error::{PageFault, file_fault},
    limits::BODY_MAX,
    unreadable::Unreadable,
};

/// How texts of each kind begin; no text does.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ZIP: &[u8] = b"PK\x03\x04";
/// An archive of nothing.
const ZIP_EMPTY: &[u8] = b"PK\x05\x06";
const MAGIC_BYTES: usize = 4;
/// So many times as much as is packed may come out of it: no data repeats itself more. Looked at
/// from [`RATIO_FROM`] bytes on.
const RATIO_MAX: u64 = 1_000;
const RATIO_FROM: u64 = 16 << 20;
/// What may come out of one file or body.
const UNPACKED_MAX: u64 = 1 << 40;
/// Of Zstandard, the logarithm of what one may look back to: 64 MB.
const WINDOW_LOG_MAX: u32 = 26;

/// Whether a text that begins so is packed.
pub(super) fn is_packed(begin: &[u8]) -> bool {
    [GZIP, ZSTD, ZIP, ZIP_EMPTY]
        .iter()
        .any(|magic| begin.starts_with(magic))
}

/// The same of a file; whoever reads it next tells why it cannot be read.
pub(super) fn is_packed_file(path: &Path) -> bool {
    let mut first = Vec::with_capacity(MAGIC_BYTES);
    let file = File::open(path);
    file.is_ok_and(|file| file.take(MAGIC_BYTES as u64).read_to_end(&mut first).is_ok()) && is_packed(&first)
}

/// A whole body or file as it was before it was packed; off the threads that wait for the network.
pub(super) async fn unpacked(bytes: Bytes, place: &str) -> Result<Bytes, PageFault> {
    if !is_packed(&bytes) {
        return Ok(bytes);
    }
    let place = place.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || unpack(&bytes, place));
    unpacking.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the unpacking of a body broke");
        Err(PageFault::Internal)
    })
}

/// The same where one may block.
pub(super) fn unpack(bytes: &Bytes, place: String) -> Result<Bytes, PageFault> {
    if !is_packed(bytes) {
        return Ok(bytes.clone());
    }
    let mut whole = Vec::new();
    let reader = unpacking(Cursor::new(bytes.clone()));
    let read = reader.and_then(|reader| reader.take(BODY_MAX + 1).read_to_end(&mut whole));
    match read {
        Err(error) if Unreadable::words(&error).is_some() => Err(file_fault(&place, &error)),
        Err(_) => Err(PageFault::Packed { place }),
        Ok(_) if whole.len() as u64 > BODY_MAX => Err(PageFault::TooLarge { place }),
        Ok(_) => Ok(whole.into()),
    }
}

/// A file that is read in pieces from its beginning, unpacked as it comes.
pub(super) fn reader(file: File) -> io::Result<Box<dyn Read>> {
    unpacking(file)
}

fn unpacking<R: Read + Seek + 'static>(mut packed: R) -> io::Result<Box<dyn Read>> {
    packed.seek(SeekFrom::Start(0))?;
    let mut first = Vec::with_capacity(MAGIC_BYTES);
    (&mut packed).take(MAGIC_BYTES as u64).read_to_end(&mut first)?;
    let length = packed.seek(SeekFrom::End(0))?;
    packed.seek(SeekFrom::Start(0))?;
    let bounded = |inner: Box<dyn Read>, packed: u64| Box::new(Bounded { inner, packed, came: 0 }) as Box<dyn Read>;
    if first.starts_with(GZIP) {
        return Ok(bounded(Box::new(MultiGzDecoder::new(packed)), length));
    }
    if first.starts_with(ZSTD) {
        let mut decoder = zstd::Decoder::new(packed)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        return Ok(bounded(Box::new(decoder), length));
    }
    if first.starts_with(ZIP) || first.starts_with(ZIP_EMPTY) {
        let member = zip::only(&mut packed)?;
        packed.seek(SeekFrom::Start(member.at))?;
        let lying = packed.take(member.packed);
        let inner: Box<dyn Read> = match member.deflated {
            true => Box::new(DeflateDecoder::new(lying)),
            false => Box::new(lying),
        };
        let checked = Checked {
            inner,
            crc: Crc::new(),
            want: member.crc,
        };
        return Ok(bounded(Box::new(checked), member.packed));
    }
    Ok(Box::new(packed))
}

/// Unpacked data, which ends where it is too much for what it came out of.
struct Bounded {
    inner: Box<dyn Read>,
    packed: u64,
    came: u64,
}

impl Read for Bounded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.came += count as u64;
        let most = self.packed.saturating_mul(RATIO_MAX).clamp(RATIO_FROM, UNPACKED_MAX);
        match self.came > most {
            true => Err(Unreadable::error(format!(
                "unpacks to more than {RATIO_MAX} times as much as it is, or more than {} GB: it is made to fill a machine",
                UNPACKED_MAX >> 30
            ))),
            false => Ok(count),
        }
    }
}

/// Data with the checksum that it has to have.
struct Checked {
    inner: Box<dyn Read>,
    crc: Crc,
    want: u32,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.crc.update(&out[..count]);
        match count == 0 && !out.is_empty() && self.crc.sum() != self.want {
            true => Err(io::ErrorKind::InvalidData.into()),
            false => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn read(packed: Vec<u8>) -> io::Result<u64> {
        io::copy(&mut unpacking(Cursor::new(packed))?, &mut io::sink())
    }

    #[test]
    fn what_comes_out() {
        let text = b"id,name\n1,a\n".repeat(1_000);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&text).expect("memory");
        let gzip = gzip.finish().expect("memory");
        let zstd = zstd::encode_all(&text[..], 3).expect("memory");
        for packed in [gzip, zstd] {
            assert!(is_packed(&packed) && !is_packed(&text));
            let out = unpack(&packed.clone().into(), "FILE a".to_owned()).expect("it is whole");
            assert_eq!(out, text);
            let cut = packed[..packed.len() - 4].to_vec();
            assert!(read(cut.clone()).is_err());
            let fault = unpack(&cut.into(), "FILE a".to_owned()).expect_err("it is cut");
            assert!(matches!(fault, PageFault::Packed { .. }), "{fault}");
        }
    }

    #[test]
    fn bombs() {
        let zeros = vec![0; 64 << 20];
        let packed = zstd::encode_all(&zeros[..], 3).expect("memory");
        assert!(packed.len() < 64 << 10);
        let error = read(packed).expect_err("too much");
        assert!(
            Unreadable::words(&error).is_some_and(|words| words.contains("1000 times")),
            "{error}"
        );
        // Little may repeat itself as it likes.
        assert_eq!(
            read(zstd::encode_all(&zeros[..8 << 20], 3).expect("memory")).ok(),
            Some(8 << 20)
        );
    }

    #[test]
    fn archives() {
        for (archive, want) in [
            (&include_bytes!("../../tests/cases/packed/one.zip")[..], Ok(8)),
            (include_bytes!("../../tests/cases/packed/stored.zip"), Ok(8)),
            (
                include_bytes!("../../tests/cases/packed/two.zip"),
                Err("2 files (a.csv, b/c.csv)"),
            ),
            (
                include_bytes!("../../tests/cases/packed/none.zip"),
                Err("without a file in it"),
            ),
        ] {
            match (read(archive.to_vec()), want) {
                (Ok(count), Ok(want)) => assert_eq!(count, want),
                (Err(error), Err(want)) => {
                    let words = Unreadable::words(&error).unwrap_or_default();
                    assert!(words.contains(want), "{words}");
                }
                (got, want) => panic!("{got:?}, not {want:?}"),
            }
        }
        // Every byte of the archive may be wrong: it is told, or nothing is.
        let archive = include_bytes!("../../tests/cases/packed/one.zip");
        for at in 0..archive.len() {
            let mut wrong = archive.to_vec();
            wrong[at] ^= 0x55;
            let _ = read(wrong.clone());
            let _ = read(wrong[..at].to_vec());
        }
    }
}
