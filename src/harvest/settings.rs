//! What a harvest is told from outside the definition. Plain data.

use std::{path::PathBuf, time::Duration};

use super::limits::FILTER_TIME;
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
}

impl Default for HarvestSettings {
    fn default() -> HarvestSettings {
        HarvestSettings {
            environment: Environment::default(),
            definition_dir: PathBuf::new(),
            filter_time: FILTER_TIME,
            filter_memory: FILTER_MEMORY,
        }
    }
}
