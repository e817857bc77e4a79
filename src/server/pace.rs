//! A connection that has to get on: what is to be sent leaves, and what has begun to arrive comes
//! to an end, step by step. Knows bytes and time; no protocol.
//!
//! One rule for all that is sent, whatever protocol makes it: while bytes wait, 64 KB of them leave
//! within ten seconds. It looks at what the system takes from us, so a client that reads one byte
//! now and then does not pass for one that reads.

use std::{
    future::Future,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{meter::Meter, progress::Progress};

/// A stream under that rule.
pub(super) struct Paced<S> {
    stream: S,
    meter: Arc<Meter>,
    progress: Progress,
    sending: Alarm,
    receiving: Alarm,
}

/// Wakes at a time that may change.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl<S> Paced<S> {
    pub(super) fn new(stream: S, meter: Arc<Meter>) -> Paced<S> {
        Paced {
            stream,
            meter,
            progress: Progress::default(),
            sending: Alarm::default(),
            receiving: Alarm::default(),
        }
    }

    /// What becomes of a try to send: progress, or a wait that has an end.
    fn sent(&mut self, context: &mut Context<'_>, tried: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match tried {
            Poll::Ready(Ok(bytes)) => self.progress.moved(bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => ready!(self.sending.late(context, self.progress.awaited())),
        }
        match tried {
            Poll::Pending => Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not read"))),
            tried => tried,
        }
    }
}

impl Alarm {
    /// Ready when it is later than that.
    fn late(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Ready(Ok(())) => Poll::Ready(self.meter.received(into.filled().get(before..).unwrap_or_default())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let Some(deadline) = self.meter.deadline() else {
                    return Poll::Pending;
                };
                ready!(self.receiving.late(context, deadline));
                let error = io::Error::new(ErrorKind::TimedOut, "the rest of a message did not come");
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(context, tried)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent(context, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Whoever flushes has nothing left that waits: it was all taken before.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.progress.rest();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::graphql::{Client, Shares};

    fn pair(buffer: usize) -> (Paced<DuplexStream>, DuplexStream) {
        let (own, other) = duplex(buffer);
        (Paced::new(own, Meter::new(Shares::new(1 << 20), Client(1))), other)
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_too_slowly_is_given_up() {
        for (every, bytes, want) in [(1, 8_192, true), (1, 4_096, false), (20, 1, false), (9, 65_536, true)] {
            let (mut paced, mut other) = pair(1_000);
            let writing = tokio::spawn(async move {
                let written = paced.write_all(&[0; 500_000]).await;
                (written, paced)
            });
            let reading = tokio::spawn(async move {
                let mut read = vec![0; bytes];
                while other.read_exact(&mut read).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(every)).await;
                }
            });
            let (written, paced) = writing.await.expect("no panic");
            assert_eq!(written.is_ok(), want, "{bytes} bytes every {every} s");
            drop(paced);
            reading.await.expect("no panic");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn small_answers_far_apart_are_no_slow_reading() {
        let (mut paced, mut other) = pair(100);
        for _ in 0..3 {
            let writing = async {
                paced.write_all(&[0; 300]).await.expect("it is read");
                paced.flush().await.expect("it is read");
            };
            let reading = async {
                tokio::time::sleep(Duration::from_secs(8)).await;
                other.read_exact(&mut [0; 300]).await.expect("bytes");
            };
            tokio::join!(writing, reading);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_message_is_not_waited_for() {
        let (mut paced, mut other) = pair(1_000);
        other.write_all(b"half").await.expect("room");
        let mut read = [0; 8];
        let error = paced.read_exact(&mut read).await.expect_err("no other half");
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
