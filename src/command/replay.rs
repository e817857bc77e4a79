//! `hayloft replay`.

use clap::Args;

use super::{Failure, operate::OperateSettings};
use crate::app::operate::Order;

/// Reads again, in full, the pages and answers that had refused records
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft replay Item --schema my.graphql")]
pub(super) struct Replay {
    /// The type or field, such as Item [default: everything that has refused records]
    #[arg(value_name = "TYPE")]
    name: Option<String>,

    #[command(flatten)]
    settings: OperateSettings,
}

impl Replay {
    pub(super) async fn run(self) -> Result<(), Failure> {
        self.settings.perform(Order::Replay(self.name)).await
    }
}
