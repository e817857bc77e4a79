//! What handlers share: the API, the shutdown, how much more may be open. Knows bounds; knows no handler.

use std::sync::Arc;

use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

use super::{
    ServerContext,
    client::{self, Peer},
};
use crate::graphql::{Client, Shares};

/// What handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub context: ServerContext,
    pub shutdown: CancellationToken,
    /// Requests under way.
    pub requests: Arc<Shares>,
    /// Open sockets. Below the bound of connections, of which the server keeps a tenth for plain requests.
    pub sockets: Arc<Shares>,
    /// Bytes of requests.
    pub received: Arc<Shares>,
    /// Whether only this machine can reach the server.
    pub is_loopback: bool,
}

impl Shared {
    pub fn new(context: ServerContext, shutdown: CancellationToken, connections: usize) -> Shared {
        let limits = context.api.newest().limits().clone();
        Shared {
            context,
            shutdown,
            requests: Shares::new(limits.requests),
            sockets: Shares::new(limits.sockets.min(connections - connections / 10)),
            received: Shares::new(limits.received_bytes),
            is_loopback: false,
        }
    }

    /// Who sent a request.
    pub fn client(&self, parts: &Parts) -> Client {
        let peer = parts.extensions.get::<Peer>();
        client::of(peer, &parts.headers, &self.context.trusted_proxies)
    }
}
