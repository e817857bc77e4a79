//! `hayloft approve`.

use clap::Args;

use super::{Failure, operate::OperateSettings};
use crate::app::operate::Order;

/// Lets the rows go whose deletion is held, and harvests the type again: those that are still
/// missing are deleted
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft approve Item --schema my.graphql")]
pub(super) struct Approve {
    /// The type whose held rows may go, such as Item
    #[arg(value_name = "TYPE")]
    name: String,

    #[command(flatten)]
    settings: OperateSettings,
}

impl Approve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        self.settings.perform(Order::Approve(self.name)).await
    }
}
