//! What a harvest is told from outside the definition. Plain data.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{cassette::Tape, limits::FILTER_TIME, witness::Witness};
use crate::{catalog::jq::FILTER_MEMORY, config::Environment};

/// What a harvest is told from outside the definition.
#[derive(Clone, Debug)]
pub(crate) struct HarvestSettings {
    /// Where `$env` comes from.
    pub environment: Environment,
    /// The folder of the definition: relative `file:` sources start there.
    pub definition_dir: PathBuf,
    /// The processor's time that the definition's filters may take for one record.
    pub filter_time: Duration,
    /// The most memory that one of them may take at once.
    pub filter_memory: usize,
    /// Where answers come from, or are kept, beside the network.
    pub tape: Tape,
    /// Sees what passes, and ends it when it has seen enough.
    pub witness: Option<Arc<Witness>>,
}

impl Default for HarvestSettings {
    fn default() -> HarvestSettings {
        HarvestSettings {
            environment: Environment::default(),
            definition_dir: PathBuf::new(),
            filter_time: FILTER_TIME,
            filter_memory: FILTER_MEMORY,
            tape: Tape::default(),
            witness: None,
        }
    }
}
