//! The farm served by the real program over a stand-in that moves only when a test moves it.

use hayloft::demo::{FARM_DEFINITION, Upstream};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Db, Program, Scratch};

/// The seed of every test's world.
const SEED: u64 = 7;

pub struct Farm {
    pub upstream: Upstream,
    pub scratch: Scratch,
    pub program: Program,
    _stop: DropGuard,
}

impl Farm {
    pub async fn start(db: Db) -> Farm {
        let stop = CancellationToken::new();
        let upstream = Upstream::start(SEED, None, stop.clone()).await.expect("the stand-in");
        // Every second instead of every few: the test moves the world itself and waits for the next harvest.
        let scratch = Scratch::on(db, &FARM_DEFINITION.replace("every: \"5s\"", "every: \"1s\""));
        let program = scratch.serve(&[("FARM_URL", &upstream.url())]).await;
        Farm {
            upstream,
            scratch,
            program,
            _stop: stop.drop_guard(),
        }
    }

    /// A farm of which every row of every type has arrived.
    pub async fn harvested(db: Db) -> Farm {
        let farm = Farm::start(db).await;
        let want = {
            let world = farm.upstream.world();
            [
                ("items", world.items.len()),
                ("quests", world.quests.len()),
                ("npcs", world.npcs.len()),
                ("tags", world.tags.len()),
            ]
        };
        let query = "{ items { id } quests { id } npcs { id } tags { id } }";
        farm.program
            .eventually("the whole farm is harvested", query, |data| {
                want.iter()
                    .all(|(list, count)| data[list].as_array().map(Vec::len) == Some(*count))
            })
            .await;
        farm
    }
}
