//! How far the change log was heard of, and which part of it is our own. Asks nobody.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Commits of our own between two looks that are told apart from those of others; see
/// [`CHANGES_MAX`].
const OWN_MAX: usize = 64;

/// How far the change log was heard of, and which part of it is our own.
#[derive(Default)]
pub(crate) struct Heard {
    known: Mutex<Known>,
    /// The database has no notifications.
    pub(crate) mute: AtomicBool,
    /// Another process has told that there is work, or that it waits for a sign of life.
    pub(crate) work: Notify,
}

#[derive(Clone, Default)]
struct Known {
    pub(crate) head: i64,
    /// Numbers of our own commits after `head`: after the first, up to the second.
    pub(crate) own: Vec<(i64, i64)>,
    /// A commit of ours failed: its numbers may be another's by now.
    pub(crate) unsure: bool,
}

/// A commit of our own that is about to happen.
pub(crate) struct Own<'a> {
    pub(crate) heard: &'a Heard,
    pub(crate) span: (i64, i64),
    pub(crate) done: bool,
}

impl Heard {
    /// What another handle of the same process has heard, for one that goes on after it.
    pub(crate) fn beside(older: &Heard) -> Heard {
        Heard {
            known: Mutex::new(older.known().clone()),
            mute: AtomicBool::new(older.mute.load(Ordering::Relaxed)),
            work: Notify::new(),
        }
    }

    pub(crate) fn start(&self, head: i64) {
        self.known().head = head;
    }

    /// Notes a commit before it happens, so that no look takes it for another's.
    pub(crate) fn expect(&self, after: i64, upto: i64) -> Own<'_> {
        let mut guard = self.known();
        let known = &mut *guard;
        let room = known.own.len() < OWN_MAX;
        match known.own.last_mut() {
            Some(last) if last.1 == after => last.1 = upto,
            _ if room => known.own.push((after, upto)),
            _ => known.unsure = true,
        }
        drop(guard);
        Own {
            heard: self,
            span: (after, upto),
            done: false,
        }
    }

    /// The parts of the log up to `head` that others wrote; `None` when that cannot be told. From
    /// now on they are heard of.
    pub(crate) fn others(&self, head: i64) -> Option<Vec<(i64, i64)>> {
        let mut known = self.known();
        let before = std::mem::replace(&mut known.head, head);
        let unsure = std::mem::take(&mut known.unsure) || head < before;
        let own = std::mem::take(&mut known.own);
        // What is not committed yet is left for the next look.
        known.own = own.iter().filter(|span| span.1 > head).copied().collect();
        if unsure {
            return None;
        }
        let mut spans = Vec::new();
        let mut from = before;
        for (after, upto) in own {
            if after > from {
                spans.push((from, after.min(head)));
            }
            from = from.max(upto).min(head);
        }
        spans.push((from, head));
        spans.retain(|(after, upto)| after < upto);
        Some(spans)
    }

    /// The log is another one, or has lost what was heard of.
    pub(crate) fn doubt(&self) {
        let mut known = self.known();
        known.unsure = true;
        known.own.clear();
    }

    pub(crate) fn is_news(&self, head: i64) -> bool {
        let known = self.known();
        known.unsure || known.head != head
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Own<'_> {
    pub(crate) fn committed(mut self) {
        self.done = true;
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if !self.done {
            let mut known = self.heard.known();
            known.unsure = true;
            known.own.retain(|span| span.1 <= self.span.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_commits_are_told_apart() {
        let heard = Heard::default();
        heard.start(10);
        heard.expect(12, 15).committed();
        heard.expect(15, 16).committed();
        let next = heard.expect(20, 22);
        assert!(heard.is_news(20));
        assert_eq!(heard.others(20), Some(vec![(10, 12), (16, 20)]));
        next.committed();
        assert_eq!(heard.others(22), Some(vec![]), "our own alone");
        assert!(!heard.is_news(22));
        assert_eq!(heard.others(25), Some(vec![(22, 25)]), "another's alone");
    }

    #[test]
    fn what_is_not_sure_is_everything() {
        let heard = Heard::default();
        heard.start(10);
        drop(heard.expect(10, 12));
        assert!(heard.is_news(10), "a commit that failed may have happened");
        assert_eq!(heard.others(12), None);
        assert_eq!(heard.others(14), Some(vec![(12, 14)]));
        assert_eq!(heard.others(3), None, "a log that goes back is another one");
        for at in 0..=OWN_MAX as i64 {
            heard.expect(10 * at + 3, 10 * at + 4).committed();
        }
        assert_eq!(heard.others(10_000), None, "more than are kept apart");
    }
}
