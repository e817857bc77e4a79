//! How the pages of a run ended. Plain data.

use super::{error::PageFault, load::Last, stage::Read};

/// How the pages of a run ended.
pub(super) enum Outcome {
    Whole(Read, Last),
    Failed(PageFault),
    Interrupted,
}
