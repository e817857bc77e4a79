//! Bodies of answers: sent piece by piece, with the request's place kept until they have left.
//! Knows answers and time; no route.
//!
//! An HTTP/2 client may leave one answer unread and go on with others, so no connection ever stands
//! still. The answers under way on a connection share its step in ten seconds; one that does not
//! come to its part is lost: its memory, its file and its place are free again, and the stream is
//! reset.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::task::AbortOnDropHandle;

use super::progress::{PATIENCE, STEP};
use crate::graphql::{Parts, Share};

/// Bytes of a piece, so of what one unread answer holds beside its file.
const PIECE: usize = 64 * 1024;
/// The same of one of many on a connection: with as many as there may be, 256 KB of it.
const PIECE_OF_MANY: usize = 8 * 1024;

/// How many answers are under way on a connection.
#[derive(Debug, Default)]
pub(super) struct Answers(AtomicUsize);

/// One of them.
struct Counted(Arc<Answers>);

impl Answers {
    fn add(self: Arc<Self>) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An answer on its way, and all that it holds.
struct OnItsWay {
    parts: Mutex<Option<(Parts, [Share; 2])>>,
    left: AtomicUsize,
}

/// A body; `beside` are those that are sent beside it on the same connection, where there may be
/// others.
pub(super) fn body(parts: Parts, shares: [Share; 2], beside: Option<Arc<Answers>>) -> Body {
    let len = parts.len();
    let answer = Arc::new(OnItsWay {
        parts: Mutex::new(Some((parts, shares))),
        left: AtomicUsize::new(len),
    });
    let most = beside.as_ref().map_or(PIECE, |_| PIECE_OF_MANY);
    let watch = beside.map(|beside| tokio::spawn(watch(Arc::downgrade(&answer), beside.add())));
    let pieces = stream::unfold((answer, 0), move |(answer, at)| async move {
        if at >= len {
            return None;
        }
        let piece = answer.piece(at, most).await?;
        let at = at + piece.as_ref().map_or(len, Bytes::len);
        answer.left.store(len.saturating_sub(at), Ordering::Relaxed);
        Some((piece, (answer, at)))
    });
    Body::new(Sending {
        left: len as u64,
        pieces: pieces.fuse().boxed(),
        _watch: watch.map(AbortOnDropHandle::new),
    })
}

impl OnItsWay {
    /// The piece that begins at a byte; none at the end.
    async fn piece(&self, at: usize, most: usize) -> Option<io::Result<Bytes>> {
        let parts = self.parts().as_ref().map(|(parts, _)| parts.clone());
        match parts {
            Some(parts) => piece_of(&parts, at, most).await,
            None => Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read"))),
        }
    }

    /// Bytes that are still to be asked for.
    fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    fn parts(&self) -> MutexGuard<'_, Option<(Parts, [Share; 2])>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The piece of a response that begins at a byte; none at its end.
pub(super) async fn piece_of(Parts { head, data, tail }: &Parts, at: usize, most: usize) -> Option<io::Result<Bytes>> {
    let of = |bytes: &Bytes, at: usize| bytes.slice(at..bytes.len().min(at + most));
    if at < head.len() {
        return Some(Ok(of(head, at)));
    }
    let (at, len) = (at - head.len(), data.as_ref().map_or(0, |data| data.len()));
    match data {
        Some(data) if at < len => Some(data.piece(at, most).await),
        _ => Some(at - len).filter(|at| *at < tail.len()).map(|at| Ok(of(tail, at))),
    }
}

/// Takes away what an answer holds when it does not get on: when it is behind its part of the
/// connection's steps by more than a piece, for the answers leave by turns and piece by piece. Ends
/// with the answer.
async fn watch(answer: Weak<OnItsWay>, counted: Counted) {
    let mut behind: usize = 0;
    let Some(mut before) = answer.upgrade().map(|answer| answer.left()) else {
        return;
    };
    loop {
        tokio::time::sleep(PATIENCE).await;
        let Some(answer) = answer.upgrade() else { return };
        let left = answer.left();
        let due = STEP / counted.0.0.load(Ordering::Relaxed).max(1);
        behind = (behind + due).saturating_sub(before.saturating_sub(left));
        if behind > PIECE_OF_MANY {
            tracing::debug!(left, "an answer was given up that is not read");
            *answer.parts() = None;
            return;
        }
        before = left;
    }
}

struct Sending {
    left: u64,
    pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    _watch: Option<AbortOnDropHandle<()>>,
}

impl HttpBody for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.as_mut().poll_next(context).map(|piece| {
            let piece = piece?;
            if let Ok(piece) = &piece {
                self.left = self.left.saturating_sub(piece.len() as u64);
            }
            Some(piece.map(Frame::data))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::graphql::{Client, Shares};

    fn parts(head: usize) -> Parts {
        Parts {
            head: vec![b'h'; head].into(),
            data: None,
            tail: Bytes::from_static(b"tail"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_read_holds_nothing_for_long() {
        let requests = Shares::new(10);
        let shares = || [requests.take(Client(1)).expect("a place"), requests.none(Client(1))];
        let body = |many: bool| body(parts(200_000), shares(), many.then(Arc::default));
        // One that is read, however slowly, as long as it is a step in ten seconds.
        let mut pieces = body(true).into_data_stream();
        let mut read = 0;
        while let Some(piece) = pieces.next().await {
            read += piece.expect("a piece").len();
            tokio::time::sleep(Duration::from_millis(1_000)).await;
        }
        assert_eq!(read, 200_004);
        drop(pieces);
        requests.all_free().await;
        let mut unread = body(true).into_data_stream();
        unread.next().await.expect("a piece").expect("a piece");
        requests.all_free().await;
        unread.next().await.expect("an end").expect_err("it was given up");
        // Alone on its connection, that is looked after where it is sent.
        let alone = body(false);
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(alone.size_hint().exact(), Some(200_004));
        drop(alone);
        requests.all_free().await;
    }
    /// A slow line is shared by all that is sent on it; only what is not read at all is given up.
    #[tokio::test(start_paused = true)]
    async fn answers_of_one_connection_share_its_steps() {
        let requests = Shares::new(100);
        let beside = Arc::<Answers>::default();
        let begin = || {
            let shares = [requests.take(Client(1)).expect("a place"), requests.none(Client(1))];
            body(parts(200_000), shares, Some(Arc::clone(&beside))).into_data_stream()
        };
        let mut unread = begin();
        let all = (0..31).map(|_| begin()).map(|mut pieces| async move {
            let mut read = 0;
            while let Some(piece) = pieces.next().await {
                read += piece.expect("a piece").len();
                // 80 KB in ten seconds of all of them together.
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            read
        });
        let read = futures_util::future::join_all(all).await;
        assert_eq!(read, [200_004; 31]);
        requests.all_free().await;
        unread.next().await.expect("an end").expect_err("it was given up");
    }

    #[tokio::test]
    async fn nothing_watches_an_answer_that_has_left() {
        let requests = Shares::new(10);
        let shares = || [requests.none(Client(1)), requests.none(Client(1))];
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let bodies: Vec<_> = (0..10)
            .map(|_| body(parts(10), shares(), Some(Arc::default())))
            .collect();
        let rest = async || {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        rest().await;
        assert_eq!(tasks(), before + 10);
        drop(bodies);
        // They end at once, and not when they would look again.
        rest().await;
        assert_eq!(tasks(), before);
    }
}
