//! What a connection has sent that is not yet a whole head or message: how much, since when, and out of which budget. Knows
//! bytes and time; no protocol.
//!
//! Half a message is kept in memory until its other half comes. So it counts, and has to get on.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{
    connections::HEAD_MAX,
    intake::MESSAGE_MAX,
    pace::{PATIENCE, STEP},
};
use crate::graphql::{Client, Share, Shares};

/// Bytes that every connection may hold: most heads and messages are smaller.
const FREE: usize = 4_096;
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
    bytes: usize,
    share: Option<Share>,
    /// When the step under way began, and what has come of it.
    step: Option<(Instant, usize)>,
}

/// Whose bytes these are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Counts {
    /// This meter's: a head's or a message's, which comes to so many at most.
    Here(usize),
    /// A body's, whose reader counts them.
    Elsewhere,
    /// Nobody's, or those of many requests at once, which are counted one by one.
    Never,
}

impl Meter {
    pub fn new(budget: Arc<Shares>, client: Client) -> Arc<Meter> {
        Arc::new(Meter(Mutex::new(Count {
            budget,
            client,
            counts: Counts::Here(HEAD_MAX),
            bytes: 0,
            share: None,
            step: None,
        })))
    }

    /// So many bytes have come; fails where there is no room for them.
    pub fn received(&self, bytes: usize) -> io::Result<()> {
        let mut count = self.count();
        let Counts::Here(most) = count.counts else {
            return Ok(());
        };
        if bytes == 0 {
            return Ok(());
        }
        count.bytes += bytes;
        if count.bytes > FREE && count.share.is_none() {
            // All that it may come to at once: many that grow side by side would stop each other half-way.
            let mut share = count.budget.none(count.client);
            if share.grow(most).is_err() {
                return Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    "too many half messages are held",
                ));
            }
            count.share = Some(share);
        }
        let (since, of_step) = count.step.unwrap_or((Instant::now(), 0));
        count.step = Some(match of_step + bytes {
            enough if enough >= STEP => (Instant::now(), 0),
            few => (since, few),
        });
        Ok(())
    }

    /// A message is whole.
    pub fn whole(&self) {
        self.count().clear();
    }

    /// A control frame, which may stand in the middle of a message.
    pub fn control(&self, payload: usize) {
        let mut count = self.count();
        count.bytes = count.bytes.saturating_sub(payload + CONTROL_HEAD);
        if count.bytes == 0 {
            count.clear();
        }
    }

    /// A request's head is whole; what follows is its body, and with `many` other requests beside it.
    pub fn request(&self, many: bool) {
        let mut count = self.count();
        count.clear();
        count.counts = if many { Counts::Never } else { Counts::Elsewhere };
    }

    /// The connection is a socket of this client now: what comes are messages.
    pub fn messages(&self, client: Client) {
        let mut count = self.count();
        count.clear();
        count.client = client;
        count.counts = Counts::Here(MESSAGE_MAX);
    }

    /// What comes from now on is thrown away.
    pub fn ignore(&self) {
        let mut count = self.count();
        count.clear();
        count.counts = Counts::Never;
    }

    /// The request is over; the next head may come.
    pub fn again(&self) {
        let mut count = self.count();
        count.clear();
        if count.counts == Counts::Elsewhere {
            count.counts = Counts::Here(HEAD_MAX);
        }
    }

    /// When the rest of what has begun is too late; none when nothing has.
    pub fn deadline(&self) -> Option<Instant> {
        let count = self.count();
        count.step.map(|(since, _)| since + PATIENCE)
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn clear(&mut self) {
        self.bytes = 0;
        self.share = None;
        self.step = None;
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
        meter.received(FREE + 1).expect("half a head");
        assert_eq!(budget.in_use(), HEAD_MAX);
        meter.messages(Client(1));
        meter.received(FREE).expect("free");
        assert_eq!(budget.in_use(), 0);
        assert!(meter.deadline().is_some());
        meter.received(70_000).expect("room");
        assert_eq!(budget.in_use(), MESSAGE_MAX);
        let other = Meter::new(budget.clone(), Client(2));
        other.messages(Client(2));
        assert!(other.received(FREE + 1).is_err());
        // A step of 64 KB gives it ten more seconds.
        let until = meter.deadline().expect("half a message");
        tokio::time::advance(Duration::from_secs(3)).await;
        meter.received(10).expect("room");
        assert_eq!(meter.deadline(), Some(until));
        meter.whole();
        assert_eq!(meter.deadline(), None);
        assert_eq!(budget.in_use(), 0);
    }

    #[tokio::test]
    async fn control_frames_and_bodies_are_no_half_messages() {
        let meter = Meter::new(Shares::new(0), Client(1));
        meter.received(131 + 50).expect("free");
        meter.control(125);
        assert!(meter.deadline().is_some(), "half a message beside a ping");
        meter.whole();
        meter.received(6).expect("free");
        meter.control(0);
        assert_eq!(meter.deadline(), None);
        meter.request(false);
        meter.received(1 << 20).expect("a body's");
        assert_eq!(meter.deadline(), None);
        meter.again();
        assert!(meter.received(1 << 20).is_err());
        meter.request(true);
        meter.again();
        meter.received(1 << 20).expect("of many requests");
    }
}
