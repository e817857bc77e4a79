//! What handlers share: the API, the shutdown, how much more may be open. Knows bounds; knows no handler.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::ServerContext;

/// Requests to the API at once: more would only wait for the database's few connections until they time out.
const REQUESTS_MAX: usize = 512;
/// Open sockets; each holds two buffers of 4 KiB and its operations. Below the bound of connections, of which the server
/// keeps a tenth for plain requests.
const SOCKETS_MAX: usize = 18_000;

/// What handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub context: ServerContext,
    pub shutdown: CancellationToken,
    pub requests: Arc<Semaphore>,
    pub sockets: Arc<Semaphore>,
    sockets_max: u32,
    /// Whether only this machine can reach the server.
    pub is_loopback: bool,
}

impl Shared {
    pub fn new(context: ServerContext, shutdown: CancellationToken, connections: usize) -> Shared {
        let sockets_max = SOCKETS_MAX.min(connections - connections / 10);
        Shared {
            context,
            shutdown,
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            sockets: Arc::new(Semaphore::new(sockets_max)),
            sockets_max: u32::try_from(sockets_max).unwrap_or(u32::MAX),
            is_loopback: false,
        }
    }

    /// Waits until no socket is open any more.
    pub async fn sockets_closed(&self) {
        // The semaphore is never closed, so this ends when every permit is back.
        let _ = self.sockets.acquire_many(self.sockets_max).await;
    }
}
