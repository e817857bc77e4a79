//! `hayloft reject`.

use clap::Args;

use super::{Failure, operate::OperateSettings};
use crate::app::operate::Order;

/// Keeps the rows whose deletion is held, until the upstream has them again
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hayloft reject Item --schema my.graphql")]
pub(super) struct Reject {
    /// The type whose held rows stay, such as Item
    #[arg(value_name = "TYPE")]
    name: String,

    #[command(flatten)]
    settings: OperateSettings,
}

impl Reject {
    pub(super) async fn run(self) -> Result<(), Failure> {
        self.settings.perform(Order::Reject(self.name)).await
    }
}
