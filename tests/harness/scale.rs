//! How long the long tests are: enough for every day here, more by environment variables. `make soak` sets all of them.
//!
//! | variable | means | every day |
//! |---|---|---|
//! | `HAYLOFT_KILLS` | processes killed per database (`tests/kill.rs`) | 50 |
//! | `HAYLOFT_CHAOS_SECONDS` | how long four processes are killed and stopped (`tests/chaos.rs`) | 60 |
//! | `HAYLOFT_OPERATIONS` | operations asked with literals and with variables (`tests/equal/variables.rs`) | 150 |
//! | `HAYLOFT_GROUPS` | groupings compared with a naive evaluator (`tests/equal/groups.rs`) | 250 |
//! | `HAYLOFT_SEED` | where the random choices begin; each failure prints it | 20261121 |

use rand::{SeedableRng, rngs::StdRng};

/// A number of the environment, or the usual one.
pub fn scale(name: &str, usual: u64) -> u64 {
    #[allow(clippy::disallowed_methods)] // The tests' own scale is no setting of the program.
    let text = std::env::var(name);
    let number = |text: String| text.parse().unwrap_or_else(|_| panic!("{name}: {text} is no number"));
    text.map_or(usual, number)
}

/// The seed of all random choices.
pub fn seed() -> u64 {
    scale("HAYLOFT_SEED", 20_261_121)
}

/// Random choices of their own for each `lane`, the same whenever the seed is.
pub fn random(lane: u64) -> StdRng {
    StdRng::seed_from_u64(seed().wrapping_add(lane))
}
