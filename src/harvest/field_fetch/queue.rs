//! The claimed requests of a field fetch that nobody makes yet, and how many are claimed next. Pure
//! but for the clock.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::store::Parent;

/// Requests claimed at once, while they are answered so fast that claiming would cost more than
/// asking.
const CLAIM_MAX: usize = 1_024;
/// A batch that is used up faster than this was too small; one that lasts much longer keeps others
/// from helping at the end, where they would have nothing to do for as long.
const CLAIM_TIME: Duration = Duration::from_millis(500);

/// Claimed requests that nobody makes yet, and how many to claim next.
#[derive(Default)]
pub(super) struct Queue {
    pub parents: VecDeque<Parent>,
    batch: usize,
    claimed: Option<Instant>,
    /// It got fewer than it asked for.
    cut: bool,
    /// The last claim found nothing, and nothing has happened since.
    pub dry: bool,
}

impl Queue {
    /// Whether it is time for the next claim: before the last one is used up, where batches are
    /// used up fast.
    pub(super) fn wants(&self, most: usize) -> bool {
        let low = if self.batch > most || self.cut {
            self.batch.max(most) / 2
        } else {
            0
        };
        most > 0 && !self.dry && self.parents.len() <= low
    }

    /// Fast answers are claimed by the hundred, slow ones by the handful, so that others find some
    /// too.
    pub(super) fn batch(&mut self, least: usize) -> u32 {
        self.batch = match self.claimed.map(|at| at.elapsed() < CLAIM_TIME) {
            Some(true) => (self.batch * 2).min(CLAIM_MAX),
            Some(false) => self.batch / 2,
            None => self.batch,
        }
        .max(least);
        u32::try_from(self.batch).unwrap_or(u32::MAX)
    }

    pub(super) fn extend(&mut self, parents: Vec<Parent>) {
        self.dry = parents.is_empty();
        if !self.dry {
            self.claimed = Some(Instant::now());
            // Towards the end there are fewer than were asked for, and the rest is for others.
            self.cut = parents.len() < self.batch;
            self.batch = self.batch.min(parents.len());
            self.parents.extend(parents);
        }
    }
}
