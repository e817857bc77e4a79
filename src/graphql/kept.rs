//! The data of an answer until it is sent: in memory while it is small and there is room, else in a
//! file without a name. Knows bytes and budgets; no JSON and no transport.
//!
//! Who reads an answer may take his time, and many may do so at once. So what waits counts: small
//! answers to a budget of the process, large ones to the disk, where they hold nothing but a number
//! of files.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use super::{ApiError, Client, Code, Limits, Share, Shares, error::TOO_LARGE};

/// Larger answers lie on the disk, whatever room there is.
const MEMORY_MAX: usize = 1_000_000;
/// Smaller ones than this are not counted: a socket's operations hold 200 kB of them at most, a
/// request and a live query one.
const FREE: usize = 4_096;
/// Answers on the disk at once: each is an open file.
pub(crate) const FILES_MAX: usize = 128;

/// What all answers of a process may hold.
pub(super) struct Keeping {
    memory: Arc<Shares>,
    files: Arc<Shares>,
    disk: Arc<Shares>,
    most: usize,
}

/// The data of an answer as JSON; cloning gives another handle to the same.
#[derive(Clone, Debug)]
pub(crate) struct Data(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    len: usize,
    print: Print,
    place: Place,
}

/// An answer's text, in parts that others may have too.
#[derive(Debug)]
pub(super) struct Text(Vec<Bytes>);

/// Length and hash of an answer's bytes: two with the same are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(usize, u128);

/// An answer's bytes in memory, which count to nobody; cloning gives another handle to the same.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    json: Bytes,
    print: Print,
}

/// An answer as long as somebody else has it, or as it is too small to count.
#[derive(Debug, Default)]
pub(super) struct Loan {
    lent: Weak<Kept>,
    _small: Option<Data>,
}

#[derive(Debug)]
enum Place {
    Memory { json: Bytes, _share: Share },
    Disk { file: File, _shares: [Share; 2] },
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        self.print() == other.print()
    }
}

impl Keeping {
    pub(super) fn new(limits: &Limits) -> Arc<Keeping> {
        Arc::new(Keeping {
            memory: Shares::new(limits.unsent_bytes),
            files: Shares::new(FILES_MAX),
            disk: Shares::new(limits.spool_bytes),
            most: limits.answer_bytes,
        })
    }

    /// Bytes that count.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.memory.in_use()
    }

    /// Keeps an answer for the first of its clients that has room; refuses one that is too large,
    /// or for which nobody has any.
    pub(super) async fn keep(&self, json: impl Into<Text>, clients: impl AsRef<[Client]>) -> Result<Data, ApiError> {
        let json = json.into();
        let clients = clients.as_ref();
        let len = json.len();
        if len > self.most {
            let error = ApiError::over("bytes of the answer", len, self.most, "answer_bytes");
            return Err(error.with(TOO_LARGE));
        }
        if let Some(share) = self.memory(len, clients) {
            let print = Print::of(&json);
            let json = json.joined();
            return Ok(Data::within(Whole { json, print }, share));
        }
        // What has no room even alone will have none later.
        let most = self.memory.most_of_one().min(MEMORY_MAX).max(self.disk.most_of_one());
        if len > most {
            return Err(ApiError::over("bytes of the answer", len, most, "spool_bytes"));
        }
        let (Some(file), Some(room)) = (room(&self.files, clients, 1), room(&self.disk, clients, len)) else {
            let message =
                "too many large answers wait to be read; read those first, ask for less, or try again in a second";
            return Err(ApiError::new(Code::Overloaded, message));
        };
        self.spool(json, [file, room]).await.map_err(|error| {
            tracing::error!(%error, "a large answer could not be put on the disk for temporary files");
            ApiError::new(
                Code::Internal,
                "the answer could not be kept until it is sent; the log has the cause",
            )
        })
    }

    /// Keeps an answer once more that is in memory already.
    pub(super) async fn share(&self, whole: Whole, client: Client) -> Result<Data, ApiError> {
        match self.memory(whole.len(), &[client]) {
            Some(share) => Ok(Data::within(whole, share)),
            None => self.keep(whole.json, [client]).await,
        }
    }

    /// Room in memory for an answer of so many bytes, if it may be there.
    fn memory(&self, len: usize, clients: &[Client]) -> Option<Share> {
        let counted = if len <= FREE { 0 } else { len };
        (len <= MEMORY_MAX)
            .then(|| room(&self.memory, clients, counted))
            .flatten()
    }

    async fn spool(&self, json: Text, shares: [Share; 2]) -> io::Result<Data> {
        let write = move || {
            let mut file = tempfile::tempfile()?;
            for part in &json.0 {
                file.write_all(part)?;
            }
            Ok(Data(Arc::new(Kept {
                len: json.len(),
                print: Print::of(&json),
                place: Place::Disk { file, _shares: shares },
            })))
        };
        tokio::task::spawn_blocking(write).await.map_err(io::Error::other)?
    }
}

/// So much for the first of these clients that may have it.
fn room(shares: &Arc<Shares>, clients: &[Client], amount: usize) -> Option<Share> {
    clients.iter().find_map(|client| {
        let mut share = shares.none(*client);
        share.grow(amount).ok().map(|()| share)
    })
}

impl Text {
    fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// In one piece, no larger than its bytes.
    fn joined(mut self) -> Bytes {
        match self.0.len() {
            1 => self.0.swap_remove(0),
            _ => self.0.concat().into(),
        }
    }
}

impl From<Vec<Bytes>> for Text {
    fn from(parts: Vec<Bytes>) -> Text {
        Text(parts)
    }
}

impl From<Bytes> for Text {
    fn from(whole: Bytes) -> Text {
        Text(vec![whole])
    }
}

impl From<String> for Text {
    fn from(whole: String) -> Text {
        // What a text has room for beyond its end would be held, and not counted.
        Text(vec![whole.into_boxed_str().into_boxed_bytes().into()])
    }
}

impl Print {
    fn of(json: &Text) -> Print {
        let mut hash = Xxh3::new();
        json.0.iter().for_each(|part| hash.update(part));
        Print(json.len(), hash.digest128())
    }
}

impl Loan {
    pub(super) fn data(&self) -> Option<Data> {
        self.lent.upgrade().map(Data)
    }
}

impl Whole {
    pub(super) fn len(&self) -> usize {
        self.json.len()
    }
}

impl Data {
    fn within(Whole { json, print }: Whole, share: Share) -> Data {
        Data(Arc::new(Kept {
            len: json.len(),
            print,
            place: Place::Memory { json, _share: share },
        }))
    }

    /// Its bytes, if they are in memory.
    pub(super) fn memory(&self) -> Option<Whole> {
        match &self.0.place {
            Place::Memory { json, .. } => Some(Whole {
                json: json.clone(),
                print: self.0.print,
            }),
            Place::Disk { .. } => None,
        }
    }

    pub(super) fn print(&self) -> Print {
        self.0.print
    }

    pub(super) fn lend(&self) -> Loan {
        Loan {
            lent: Arc::downgrade(&self.0),
            _small: (self.0.len <= FREE).then(|| self.clone()),
        }
    }

    #[allow(clippy::len_without_is_empty)] // It never is: the least is `{}`.
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    /// The piece that begins at a byte, of so many bytes at most.
    pub(crate) async fn piece(&self, at: usize, most: usize) -> io::Result<Bytes> {
        let end = self.0.len.min(at.saturating_add(most));
        if let Place::Memory { json, .. } = &self.0.place {
            return Ok(json.slice(at.min(end)..end));
        }
        let kept = Arc::clone(&self.0);
        let read = move || kept.read(at, end);
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// The whole of it.
    #[cfg(test)]
    pub(crate) fn whole(&self) -> Bytes {
        self.at_once().expect("the file")
    }

    /// The same for who has the memory for it.
    pub(super) fn at_once(&self) -> io::Result<Bytes> {
        self.0.read(0, self.0.len)
    }
}

impl Kept {
    /// Of a file, with the disk's patience.
    fn read(&self, at: usize, end: usize) -> io::Result<Bytes> {
        let mut piece = vec![0; end.saturating_sub(at)];
        match &self.place {
            Place::Memory { json, .. } => return Ok(json.slice(at..end)),
            Place::Disk { file, .. } => file.read_exact_at(&mut piece, at as u64)?,
        }
        Ok(piece.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeping(limits: &Limits) -> Arc<Keeping> {
        Keeping::new(limits)
    }

    async fn read(data: &Data) -> String {
        let mut text = Vec::new();
        while text.len() < data.len() {
            let piece = data.piece(text.len(), 1_000).await.expect("a piece");
            assert!(!piece.is_empty() && piece.len() <= 1_000);
            text.extend_from_slice(&piece);
        }
        assert_eq!(data.whole(), text);
        String::from_utf8(text).expect("text")
    }

    #[tokio::test]
    async fn what_is_kept_comes_back_from_wherever_it_is() {
        let limits = Limits {
            unsent_bytes: 10_000,
            ..Limits::default()
        };
        let keeping = keeping(&limits);
        let mut kept = Vec::new();
        for (letter, len, on_disk) in [
            ("a", 4_096, false),
            ("b", 8_000, false),
            ("c", 8_001, true),
            ("d", MEMORY_MAX + 1, true),
        ] {
            let data = keeping.keep(letter.repeat(len), [Client(1)]).await.expect("room");
            assert_eq!(matches!(data.0.place, Place::Disk { .. }), on_disk, "{letter}");
            assert_eq!(read(&data).await, letter.repeat(len));
            kept.push(data);
        }
        let again = keeping.keep("b".repeat(8_000), [Client(2)]).await.expect("room");
        assert_eq!(again, kept[1]);
        assert_ne!(again, kept[2]);
    }

    /// In whatever parts a text comes, in memory and on the disk.
    #[tokio::test]
    async fn parts_are_one_text() {
        let keeping = keeping(&Limits::default());
        for len in [10, 10_000, MEMORY_MAX] {
            let long = Bytes::from("x".repeat(len));
            let parts = vec![Bytes::from_static(b"{"), long.clone(), long, Bytes::from_static(b"}")];
            let whole = format!("{{{}}}", "x".repeat(2 * len));
            let parted = keeping.keep(parts, [Client(1)]).await.expect("room");
            assert_eq!(read(&parted).await, whole);
            assert_eq!(parted, keeping.keep(whole, [Client(1)]).await.expect("room"));
        }
        let roomy = format!("{}{}", String::with_capacity(100_000), "x");
        let data = keeping.keep(roomy, [Client(1)]).await.expect("room");
        assert_eq!(read(&data).await, "x");
    }

    #[tokio::test]
    async fn whoever_has_room_keeps_it_for_all() {
        let limits = Limits {
            unsent_bytes: 40_000,
            spool_bytes: 0,
            ..Limits::default()
        };
        let keeping = keeping(&limits);
        let _full = keeping.keep("x".repeat(25_000), [Client(1)]).await.expect("room");
        let text = || "y".repeat(10_000);
        assert!(keeping.keep(text(), [Client(1)]).await.is_err());
        let kept = keeping.keep(text(), [Client(1), Client(2)]).await;
        assert_eq!(read(&kept.expect("room")).await, text());
    }

    #[tokio::test]
    async fn there_is_an_end_to_it() {
        let limits = Limits {
            answer_bytes: 9_000,
            unsent_bytes: 0,
            spool_bytes: 10_000,
            ..Limits::default()
        };
        let keeping = keeping(&limits);
        for (bytes, part, knob) in [
            (9_001, "9001, at most 9000", "answer_bytes"),
            (8_001, "8001, at most 8000", "spool_bytes"),
        ] {
            let refused = keeping
                .keep("x".repeat(bytes), [Client(1)])
                .await
                .expect_err("too large");
            assert_eq!(refused.code, Code::TooComplex);
            assert!(
                refused.message.contains(part) && refused.message.contains(knob),
                "{refused}"
            );
        }
        let held = keeping.keep("x".repeat(8_000), [Client(1)]).await.expect("room");
        let refused = keeping.keep("y".repeat(8_000), [Client(2)]).await.expect_err("no room");
        assert_eq!(refused.code, Code::Overloaded);
        drop(held);
        keeping.keep("y".repeat(8_000), [Client(2)]).await.expect("room again");
    }
}
