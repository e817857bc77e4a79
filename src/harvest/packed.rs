//! Data that is gzip, known by its first bytes: files as people have them, and bodies that no
//! header calls so. Knows gzip; knows no JSON.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::Path,
};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use super::{error::PageFault, limits::BODY_MAX};

/// No text begins so.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Whether a text that begins so is packed.
pub(super) fn is_packed(begin: &[u8]) -> bool {
    begin.starts_with(&MAGIC)
}

/// The same of a file; whoever reads it next tells why it cannot be read.
pub(super) fn is_packed_file(path: &Path) -> bool {
    let mut first = Vec::with_capacity(MAGIC.len());
    let file = File::open(path);
    file.is_ok_and(|file| file.take(MAGIC.len() as u64).read_to_end(&mut first).is_ok()) && is_packed(&first)
}

/// A whole body or file as it was before it was packed; off the threads that wait for the network.
pub(super) async fn unpacked(bytes: Bytes, place: &str) -> Result<Bytes, PageFault> {
    if !bytes.starts_with(&MAGIC) {
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
    if !bytes.starts_with(&MAGIC) {
        return Ok(bytes.clone());
    }
    let mut whole = Vec::new();
    let read = MultiGzDecoder::new(&bytes[..])
        .take(BODY_MAX + 1)
        .read_to_end(&mut whole);
    match read {
        Err(_) => Err(PageFault::Packed { place }),
        Ok(_) if whole.len() as u64 > BODY_MAX => Err(PageFault::TooLarge { place }),
        Ok(_) => Ok(whole.into()),
    }
}

/// A file that is read in pieces from its beginning, unpacked as it comes.
pub(super) fn reader(mut file: File) -> io::Result<Box<dyn Read>> {
    file.seek(SeekFrom::Start(0))?;
    let mut first = Vec::with_capacity(MAGIC.len());
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut first)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(match first == MAGIC {
        true => Box::new(MultiGzDecoder::new(file)),
        false => Box::new(file),
    })
}
