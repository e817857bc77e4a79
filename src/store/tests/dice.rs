//! Random choices of tests, and how many they make: `HAYLOFT_ROLLUPS` sets the number of commits,
//! `HAYLOFT_SEED` begins elsewhere. Knows no rows.

use super::{On, edits::setting};

/// Random numbers that come again with their seed.
pub(super) struct Dice(u64);

/// Commits under one definition.
pub(super) const STEPS: usize = 40;

/// How many definitions are in force one after the other, where nobody asks for more. PostgreSQL
/// plans each of the many statements of a commit anew, and takes ten times as long: it gets some of
/// them.
pub(super) fn rounds(on: On, usual: usize, few: usize) -> usize {
    let usual = if on == On::Sqlite { usual } else { few };
    let asked = setting("HAYLOFT_ROLLUPS").map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    asked.map_or(usual, |count| count.div_ceil(STEPS))
}

impl Dice {
    /// Those of the seed that is set, or else of this one.
    pub(super) fn new(usual: u64) -> Dice {
        Dice(setting("HAYLOFT_SEED").unwrap_or(usual))
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    pub(super) fn maybe(&mut self, end: u64) -> Option<u64> {
        (self.below(4) > 0).then(|| self.below(end))
    }
}
