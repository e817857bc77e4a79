//! `hayloft harvest`.

use clap::Args;

use super::{Failure, operate::OperateSettings};
use crate::{app::operate::Order, config::TapeSetting};

/// Harvests once, now, and says what came of it; beside `serve`, through it
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  hayloft harvest --schema my.graphql\n  hayloft harvest Item --schema my.graphql\n  \
                        hayloft harvest --schema my.graphql --record cassette"
)]
pub(super) struct Harvest {
    /// The type or field to harvest, or the groups to compute, such as Item or Item.recipes
    /// [default: everything with a @fetch, then groups with `every`]
    #[arg(value_name = "TYPE")]
    name: Option<String>,

    #[command(flatten)]
    tape: TapeSetting,

    #[command(flatten)]
    settings: OperateSettings,
}

impl Harvest {
    pub(super) async fn run(self) -> Result<(), Failure> {
        self.settings.perform_with(Order::Harvest(self.name), &self.tape).await
    }
}
