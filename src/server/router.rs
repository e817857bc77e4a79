//! Routes and what wraps them. Knows every handler; does nothing itself.

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::{CompressionLevel, compression::CompressionLayer};

use super::{ServerContext, assets, graphql, headers, health};

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
        }
    }

    /// Waits until no socket is open any more.
    pub async fn sockets_closed(&self) {
        // The semaphore is never closed, so this ends when every permit is back.
        let _ = self.sockets.acquire_many(self.sockets_max).await;
    }
}

pub(super) fn router(shared: Shared) -> Router {
    // The page's own files are compressed at build time; answers are worth only the fastest level.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    let api = Router::new()
        .route(
            "/graphql",
            get(graphql::get).post(graphql::post).fallback(graphql::other),
        )
        .route("/graphql/ws", get(graphql::get))
        .layer(compression);
    Router::new()
        .merge(api)
        .route("/healthz", get(health::healthy))
        .route("/readyz", get(health::ready))
        .fallback(assets::serve)
        .layer(middleware::map_response(headers::secure))
        .with_state(shared)
}
