//! The one file in a zip archive: where it lies, and how it is packed. Knows the directory at an
//! archive's end; unpacks nothing.

use std::io::{self, Read, Seek, SeekFrom};

use crate::harvest::unreadable::Unreadable;

/// What ends an archive, and the most that may follow it: a remark.
const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const REMARK_MAX: usize = 0xffff;
/// A file in the directory, and its head where it lies.
const FILE: &[u8] = b"PK\x01\x02";
const FILE_BYTES: usize = 46;
const HEAD: &[u8] = b"PK\x03\x04";
const HEAD_BYTES: u64 = 30;
/// The directory is read as a whole.
const DIRECTORY_MAX: u64 = 16 << 20;
/// Names that a fault shows.
const NAMES_SHOWN: usize = 5;

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Where its bytes begin, and how many there are.
    pub at: u64,
    pub packed: u64,
    /// Packed by deflate; else it lies there as it is.
    pub deflated: bool,
    pub crc: u32,
}

/// The only file of an archive.
pub(super) fn only<R: Read + Seek>(archive: &mut R) -> io::Result<Member> {
    let directory = directory(archive)?;
    let mut rest = &directory[..];
    let mut files = Vec::new();
    while rest.starts_with(FILE) {
        let head = rest.get(..FILE_BYTES).ok_or_else(damaged)?;
        let [name, extra, remark] = [28, 30, 32].map(|at| usize::from(u16_at(head, at)));
        let bytes = rest.get(FILE_BYTES..FILE_BYTES + name).ok_or_else(damaged)?;
        let shown = String::from_utf8_lossy(bytes).into_owned();
        // Folders, and what one system adds for itself.
        if !shown.ends_with('/') && !shown.starts_with("__MACOSX/") {
            files.push((shown, head.to_vec()));
        }
        rest = rest.get(FILE_BYTES + name + extra + remark..).ok_or_else(damaged)?;
    }
    match &files[..] {
        [] => Err(other("is a zip archive without a file in it")),
        [(_, head)] => member(archive, head),
        many => {
            let names: Vec<&str> = many.iter().take(NAMES_SHOWN).map(|(name, _)| name.as_str()).collect();
            let more = if many.len() > NAMES_SHOWN { ", …" } else { "" };
            let (count, names) = (many.len(), names.join(", "));
            Err(other(&format!(
                "is a zip archive of {count} files ({names}{more}), and only one of one file is read"
            )))
        }
    }
}

/// The directory of an archive.
fn directory<R: Read + Seek>(archive: &mut R) -> io::Result<Vec<u8>> {
    let length = archive.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub((END_BYTES + REMARK_MAX) as u64);
    archive.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    archive.take(length - from).read_to_end(&mut tail)?;
    let at = tail
        .windows(END.len())
        .rposition(|bytes| bytes == END)
        .ok_or_else(damaged)?;
    let end = tail.get(at..at + END_BYTES).ok_or_else(damaged)?;
    let (size, start) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    if start == u64::from(u32::MAX) || u16_at(end, 10) == u16::MAX {
        return Err(other(
            "is a zip archive of the 64-bit kind, which is not read; pack it as .gz or .zst",
        ));
    }
    if size > DIRECTORY_MAX {
        return Err(damaged());
    }
    archive.seek(SeekFrom::Start(start))?;
    let mut directory = Vec::new();
    archive.take(size).read_to_end(&mut directory)?;
    match directory.len() as u64 == size {
        true => Ok(directory),
        false => Err(damaged()),
    }
}

fn member<R: Read + Seek>(archive: &mut R, head: &[u8]) -> io::Result<Member> {
    let (flags, method) = (u16_at(head, 8), u16_at(head, 10));
    if flags & 1 != 0 {
        return Err(other("is a zip archive with a password"));
    }
    let deflated = match method {
        0 => false,
        8 => true,
        _ => {
            return Err(other(
                "is a zip archive packed in a way that is not read; pack it by deflate",
            ));
        }
    };
    let (packed, begin) = (u32_at(head, 20), u64::from(u32_at(head, 42)));
    if packed == u32::MAX || begin == u64::from(u32::MAX) {
        return Err(other(
            "is a zip archive of the 64-bit kind, which is not read; pack it as .gz or .zst",
        ));
    }
    archive.seek(SeekFrom::Start(begin))?;
    let mut own = Vec::new();
    archive.take(HEAD_BYTES).read_to_end(&mut own)?;
    if own.len() as u64 != HEAD_BYTES || !own.starts_with(HEAD) {
        return Err(damaged());
    }
    Ok(Member {
        at: begin + HEAD_BYTES + u64::from(u16_at(&own, 26)) + u64::from(u16_at(&own, 28)),
        packed: u64::from(packed),
        deflated,
        crc: u32_at(head, 16),
    })
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let found = bytes.get(at..at + 2).and_then(|found| found.try_into().ok());
    found.map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..at + 4).and_then(|found| found.try_into().ok());
    found.map_or(0, u32::from_le_bytes)
}

fn damaged() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn other(message: &str) -> io::Error {
    Unreadable::error(message)
}
