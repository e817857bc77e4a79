//! Reads a body up to its limit: in memory, or on disk when it is large and whoever asked for it
//! reads it from there. Knows sizes and time; nothing of what is in it.

use std::{
    fs::File,
    io::Read as _,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use reqwest::Response;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::Xxh3;

use super::failure::{Failure, of_error};
use crate::harvest::{
    charset,
    error::PageFault,
    limits::{BODY_MAX, CHUNK, PAGE_RATE_MIN, PAGE_TIMEOUT, SPOOL_FROM, SPOOL_MAX},
    packed,
    secrets::Secrets,
    spool::{Spool, SpoolError, Spools},
};

/// Bytes of a body's beginning that tell what it is.
const BEGIN: usize = 1_024;

/// A body, wherever it is.
#[derive(Debug)]
pub(in crate::harvest) enum Text {
    /// As it came, until [`Text::utf8`].
    Memory(Bytes),
    /// With its media type, where that tells how to read it.
    Spool(Spool, Option<String>),
}

impl Text {
    pub(in crate::harvest) fn bytes(&self) -> u64 {
        match self {
            Text::Memory(bytes) => bytes.len() as u64,
            Text::Spool(spool, _) => spool.bytes(),
        }
    }

    pub(super) fn memory(&self) -> Option<&[u8]> {
        match self {
            Text::Memory(bytes) => Some(bytes),
            Text::Spool(..) => None,
        }
    }

    /// Without the credentials that it repeats, if it is in memory; what is on disk is read so.
    pub(super) fn covered(self, secrets: &Secrets) -> Text {
        match self {
            Text::Memory(bytes) => Text::Memory(secrets.cover(bytes)),
            spool => spool,
        }
    }

    /// Unpacked and in UTF-8, if it is in memory; what is on disk is read so.
    pub(super) async fn utf8(self, media: Option<&str>, place: &str) -> Result<Text, PageFault> {
        Ok(match self {
            Text::Memory(bytes) => Text::Memory(charset::utf8(packed::unpacked(bytes, place).await?, media)),
            spool => spool,
        })
    }
}

/// A body that was read to its end.
pub(super) struct Whole {
    pub text: Text,
    /// As much of it as tells what it is.
    pub begin: Vec<u8>,
    pub hash: u64,
}

/// Reads a body, counted after decompression. With spools it may be large.
pub(super) async fn read(
    mut response: Response,
    place: &str,
    media: Option<&str>,
    spools: Option<&Arc<Spools>>,
    secrets: &Secrets,
) -> Result<Whole, Failure> {
    let most = if spools.is_some() { SPOOL_MAX } else { BODY_MAX };
    let too_large = || match spools {
        Some(_) => PageFault::TooLargeForDisk {
            place: place.to_owned(),
        },
        None => PageFault::TooLarge {
            place: place.to_owned(),
        },
    };
    if response.content_length().is_some_and(|length| length > most) {
        return Err(too_large().into());
    }
    let began = Instant::now();
    let (mut memory, mut spool) = (BytesMut::new(), None);
    let (mut begin, mut hash, mut bytes) = (Vec::new(), Xxh3::new(), 0);
    let mut utf8 = Utf8::default();
    let failed = |error: reqwest::Error| of_error(&error, place, secrets);
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        bytes += chunk.len() as u64;
        if bytes > most {
            return Err(too_large().into());
        }
        if is_late(began, bytes) {
            return Err(Failure::passing(PageFault::Timeout {
                place: place.to_owned(),
                after: began.elapsed(),
            }));
        }
        hash.update(&chunk);
        utf8.see(&chunk);
        memory.extend_from_slice(&chunk);
        let wanted = chunk.len().min(BEGIN.saturating_sub(begin.len()));
        begin.extend_from_slice(chunk.get(..wanted).unwrap_or_default());
        let full = if spool.is_some() { CHUNK } else { SPOOL_FROM };
        if let Some(spools) = spools.filter(|_| memory.len() >= full) {
            spool = Some(put(spools, spool, memory.split().freeze(), place).await?);
        }
    }
    // What is packed may be as large as it likes once it is unpacked.
    let packed = packed::is_packed(&begin);
    let text = match spools.filter(|_| spool.is_some() || packed) {
        Some(spools) => {
            let mut spool = put(spools, spool, memory.freeze(), place).await?;
            let mut valid = utf8.is_valid();
            if packed && media.is_some() {
                (spool, valid) = unpacked_is_utf8(spool).await?;
            }
            // Most servers that declare a charset of one byte do so by habit, and send UTF-8.
            Text::Spool(
                spool,
                media
                    .filter(|media| !valid || charset::is_said(media))
                    .map(str::to_owned),
            )
        }
        None => Text::Memory(memory.freeze()),
    };
    Ok(Whole {
        text,
        begin,
        hash: hash.digest(),
    })
}

/// Whether bytes that come in pieces are UTF-8.
#[derive(Default)]
struct Utf8 {
    open: Vec<u8>,
    broken: bool,
}

impl Utf8 {
    fn see(&mut self, piece: &[u8]) {
        if self.broken {
            return;
        }
        let mut text = std::mem::take(&mut self.open);
        text.extend_from_slice(piece);
        if let Err(error) = std::str::from_utf8(&text) {
            self.broken = error.error_len().is_some();
            self.open = text.split_off(error.valid_up_to());
        }
    }

    fn is_valid(&self) -> bool {
        !self.broken && self.open.is_empty()
    }
}

/// Whether a packed text is UTF-8. One that cannot be unpacked is told of when it is read. A little
/// may unpack to very much, so the look ends with whoever waits for it.
async fn unpacked_is_utf8(spool: Spool) -> Result<(Spool, bool), Failure> {
    let given_up = CancellationToken::new();
    let _ends = given_up.clone().drop_guard();
    let look = tokio::task::spawn_blocking(move || {
        let valid = spool.file().try_clone().and_then(|file| is_utf8(file, &given_up));
        (spool, valid.unwrap_or(false))
    });
    look.await.map_err(|error| {
        tracing::error!(%error, "looking at a packed answer broke");
        PageFault::Internal.into()
    })
}

fn is_utf8(file: File, given_up: &CancellationToken) -> std::io::Result<bool> {
    let mut reader = packed::reader(file)?;
    let (mut utf8, mut piece) = (Utf8::default(), vec![0; CHUNK]);
    while !utf8.broken && !given_up.is_cancelled() {
        match reader.read(&mut piece)? {
            0 => return Ok(utf8.is_valid()),
            count => utf8.see(piece.get(..count).unwrap_or_default()),
        }
    }
    Ok(false)
}

/// An upstream that drips is as good as down; one that sends much may take long.
fn is_late(began: Instant, bytes: u64) -> bool {
    began.elapsed() > PAGE_TIMEOUT + Duration::from_secs(bytes / PAGE_RATE_MIN)
}

/// Appends to a spool, off the threads that wait for the network.
async fn put(spools: &Arc<Spools>, spool: Option<Spool>, piece: Bytes, place: &str) -> Result<Spool, Failure> {
    let spools = Arc::clone(spools);
    let put = tokio::task::spawn_blocking(move || {
        let mut spool = spool.map_or_else(|| spools.begin(), Ok)?;
        spool.write(&piece).map(|()| spool)
    });
    let place = place.to_owned();
    let fault = match put.await {
        Ok(Ok(spool)) => return Ok(spool),
        Ok(Err(SpoolError::Full)) => PageFault::SpoolsFull { place },
        Ok(Err(SpoolError::Io(error))) => {
            tracing::error!(%error, "a large answer cannot be kept on disk");
            PageFault::SpoolDisk { place }
        }
        Err(error) => {
            tracing::error!(%error, "keeping a large answer broke");
            PageFault::Internal
        }
    };
    Err(fault.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(text: &[u8]) -> File {
        let mut packer = GzEncoder::new(tempfile::tempfile().expect("a file"), Compression::fast());
        packer.write_all(text).expect("it is packed");
        packer.finish().expect("it is packed")
    }

    #[test]
    fn a_look_at_a_packed_text_ends_with_who_waits_for_it() {
        let token = CancellationToken::new();
        let looked = |text: &[u8], token: &CancellationToken| is_utf8(packed(text), token).expect("it is read");
        let text = "\u{20ac}".repeat(100_000);
        assert!(looked(text.as_bytes(), &token));
        assert!(!looked(&[text.as_bytes(), b"\xff"].concat(), &token));
        token.cancel();
        assert!(!looked(text.as_bytes(), &token));
    }
}
