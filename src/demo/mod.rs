//! A stand-in of a game's HTTP API, for `hayloft demo` and for tests. An upstream like any other:
//! the harvest knows it only by HTTP, and it knows nothing of the harvest.

mod api;
mod names;
mod shared;
mod world;

use std::{net::SocketAddr, sync::MutexGuard, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use shared::Shared;
pub(crate) use world::World;

/// The definition that the repository ships: the farm.
pub const FARM_DEFINITION: &str = include_str!("../../schema.graphql");

/// Prices move and quests come and go this often.
pub const TICK: Duration = Duration::from_secs(2);

/// A running stand-in on a loopback port.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    world: Shared,
}

impl Upstream {
    /// Starts the API on a free loopback port, with the world that this seed makes. It ends with
    /// `shutdown`.
    ///
    /// With a `tick` the world moves by itself; without one only [`Upstream::tick`] moves it.
    pub async fn start(seed: u64, tick: Option<Duration>, shutdown: CancellationToken) -> std::io::Result<Upstream> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let world = Shared::new(World::new(seed, format!("http://{address}")));
        let router = api::router(world.clone());
        let upstream = Upstream { address, world };
        let stop = shutdown.clone();
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the stand-in of the game's API stopped");
            }
        });
        if let Some(period) = tick {
            tokio::spawn(upstream.clone().keep_moving(period, shutdown));
        }
        Ok(upstream)
    }

    /// The address as a source's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Moves the world one step.
    pub fn tick(&self) {
        self.world().tick();
    }

    /// The world as it is; hold the guard only briefly, requests wait for it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.world()
    }

    async fn keep_moving(self, period: Duration, shutdown: CancellationToken) {
        let mut clock = tokio::time::interval(period);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = clock.tick() => self.tick(),
            }
        }
    }
}
