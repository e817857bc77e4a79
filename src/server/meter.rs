//! What a connection has sent that is not yet a whole head or message: how much, since when, and
//! out of which budget. Knows bytes and time; no protocol.
//!
//! Half a message is kept in memory until its other half comes. So it counts, and has to get on.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{
    halves::Halves,
    intake::{FREE, MESSAGE_MAX},
    progress::Progress,
};
use crate::graphql::{Client, Share, Shares};

/// Bytes of a request's head, and of an answer that has left its handler and not yet the process.
pub(super) const HEAD_MAX: usize = 64 * 1024;
/// What a control frame has beside its payload, as clients send it.
const CONTROL_HEAD: usize = 6;

/// Counts what one connection receives.
#[derive(Debug)]
pub(super) struct Meter(Mutex<Count>);

#[derive(Debug)]
struct Count {
    budget: Arc<Shares>,
    client: Client,
    counts: Counts,
    halves: Halves,
    bytes: usize,
    share: Option<Share>,
    progress: Progress,
}

/// Whose bytes these are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Counts {
    /// This meter's: a head's or a message's, which comes to so many at most.
    Here(usize),
    /// A body's, whose reader counts them.
    Elsewhere,
    /// Of many requests at once: a head that is half, which comes to so many at most.
    Halves(usize),
    /// Nobody's: they are thrown away.
    Never,
}

impl Meter {
    pub(super) fn new(budget: Arc<Shares>, client: Client) -> Arc<Meter> {
        Arc::new(Meter(Mutex::new(Count {
            budget,
            client,
            counts: Counts::Here(HEAD_MAX),
            halves: Halves::default(),
            bytes: 0,
            share: None,
            progress: Progress::default(),
        })))
    }

    /// These bytes have come; fails where there is no room for them.
    pub(super) fn received(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut count = self.count();
        let half = count.halves.see(bytes);
        let most = match count.counts {
            Counts::Here(most) => {
                count.bytes += bytes.len();
                most
            }
            Counts::Halves(most) => {
                if half.was_whole {
                    count.clear();
                }
                count.bytes = half.bytes;
                // Bodies are counted by who reads them.
                if half.is_head { most } else { 0 }
            }
            Counts::Elsewhere | Counts::Never => return Ok(()),
        };
        if count.bytes == 0 {
            return Ok(());
        }
        if count.bytes > FREE && count.share.is_none() {
            // All that it may come to at once: many that grow side by side would stop each other
            // half-way.
            let mut share = count.budget.none(count.client);
            if share.grow(most).is_err() {
                return Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    "too many half messages are held",
                ));
            }
            count.share = Some(share);
        }
        count.progress.moved(bytes.len());
        count.progress.awaited();
        Ok(())
    }

    /// A message is whole.
    pub(super) fn whole(&self) {
        self.count().clear();
    }

    /// A control frame, which may stand in the middle of a message.
    pub(super) fn control(&self, payload: usize) {
        let mut count = self.count();
        count.bytes = count.bytes.saturating_sub(payload + CONTROL_HEAD);
        if count.bytes == 0 {
            count.clear();
        }
    }

    /// A request's head is whole; what follows is its body, and with `many` other requests beside
    /// it.
    pub(super) fn request(&self, many: bool) {
        let mut count = self.count();
        match (many, count.counts) {
            (true, Counts::Halves(_)) => {}
            (true, _) => {
                count.counts = Counts::Halves(HEAD_MAX);
                let bytes = count.halves.bytes();
                count.rest_of(bytes);
            }
            (false, _) => {
                count.clear();
                count.counts = Counts::Elsewhere;
            }
        }
    }

    /// The connection is a socket of this client now: what comes are messages.
    pub(super) fn messages(&self, client: Client) {
        let mut count = self.count();
        count.clear();
        count.client = client;
        count.counts = Counts::Here(MESSAGE_MAX);
    }

    /// What comes from now on is thrown away.
    pub(super) fn ignore(&self) {
        let mut count = self.count();
        count.clear();
        count.counts = Counts::Never;
    }

    /// The request is over; the next head may come.
    pub(super) fn again(&self) {
        let mut count = self.count();
        if count.counts == Counts::Elsewhere {
            count.clear();
            count.counts = Counts::Here(HEAD_MAX);
        }
    }

    /// When the rest of what has begun is too late; none when nothing has.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.count().progress.deadline()
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    /// What came is whole, but for so many bytes of the next.
    fn rest_of(&mut self, bytes: usize) {
        let share = self.share.take().filter(|_| bytes > FREE);
        self.clear();
        (self.bytes, self.share) = (bytes, share);
        if bytes > 0 {
            self.progress.awaited();
        }
    }

    fn clear(&mut self) {
        self.bytes = 0;
        self.share = None;
        self.progress.rest();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn half_messages_count_and_have_to_get_on() {
        let budget = Shares::new(2 * MESSAGE_MAX);
        let meter = Meter::new(budget.clone(), Client(1));
        meter.received(&[0; FREE + 1]).expect("half a head");
        assert_eq!(budget.in_use(), HEAD_MAX);
        meter.messages(Client(1));
        meter.received(&[0; FREE]).expect("free");
        assert_eq!(budget.in_use(), 0);
        assert!(meter.deadline().is_some());
        meter.received(&[0; 70_000]).expect("room");
        assert_eq!(budget.in_use(), MESSAGE_MAX);
        let other = Meter::new(budget.clone(), Client(2));
        other.messages(Client(2));
        assert!(other.received(&[0; FREE + 1]).is_err());
        // A step of 64 KB gives it ten more seconds.
        let until = meter.deadline().expect("half a message");
        tokio::time::advance(Duration::from_secs(3)).await;
        meter.received(&[0; 10]).expect("room");
        assert_eq!(meter.deadline(), Some(until));
        meter.whole();
        assert_eq!(meter.deadline(), None);
        assert_eq!(budget.in_use(), 0);
    }

    #[tokio::test]
    async fn control_frames_and_bodies_are_no_half_messages() {
        let meter = Meter::new(Shares::new(0), Client(1));
        meter.received(&[0; 131 + 50]).expect("free");
        meter.control(125);
        assert!(meter.deadline().is_some(), "half a message beside a ping");
        meter.whole();
        meter.received(&[0; 6]).expect("free");
        meter.control(0);
        assert_eq!(meter.deadline(), None);
        meter.request(false);
        meter.received(&vec![0; 1 << 20]).expect("a body's");
        assert_eq!(meter.deadline(), None);
        meter.again();
        assert!(meter.received(&vec![0; 1 << 20]).is_err());
    }

    /// Of many requests only what is half counts, and again after the first of them.
    #[tokio::test(start_paused = true)]
    async fn half_heads_beside_other_requests_count() {
        let budget = Shares::new(2 * HEAD_MAX);
        let meter = Meter::new(budget.clone(), Client(1));
        meter.received(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("free");
        meter.received(&[0, 0, 1, 1, 4, 0, 0, 0, 1, 7, 0]).expect("free");
        meter.request(true);
        assert!(meter.deadline().is_some(), "the next has begun");
        meter.again();
        meter.received(&[0, 0, 4, 0, 0, 0, 0, 0]).expect("free");
        assert_eq!(meter.deadline(), None, "settings without a word");
        let data = [&[0, 0x40, 0, 0, 0, 0, 0, 0, 1][..], &[7; 0x4000]].concat();
        for _ in 0..10 {
            meter.received(&data).expect("whole frames");
            assert_eq!(meter.deadline(), None);
        }
        let (begin, rest) = data.split_at(5_000);
        meter.received(begin).expect("free");
        assert!(meter.deadline().is_some(), "half a frame");
        assert_eq!(budget.in_use(), 0, "its body's");
        meter.received(rest).expect("free");
        let head = [&[0, 0x40, 0, 1, 4, 0, 0, 0, 3][..], &[7; 0x4000]].concat();
        let (begin, rest) = head.split_at(5_000);
        meter.received(begin).expect("room");
        let until = meter.deadline().expect("half a head");
        assert_eq!(budget.in_use(), HEAD_MAX);
        tokio::time::advance(Duration::from_secs(3)).await;
        meter.received(&rest[..10]).expect("room");
        assert_eq!(meter.deadline(), Some(until));
        meter.received(&rest[10..]).expect("room");
        assert_eq!(meter.deadline(), None);
        assert_eq!(budget.in_use(), 0);
    }
}
