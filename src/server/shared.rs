//! What handlers share: the API, the shutdown, how much more may be open. Knows bounds; knows no
//! handler.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use axum::http::{HeaderMap, request::Parts};
use tokio_util::sync::CancellationToken;

use super::{
    client::{self, Peer},
    statuses::Statuses,
};
use crate::{
    config::{AllowedHost, AllowedOrigin, TrustedProxy},
    graphql::{Client, Current, Principal, Shares},
};

/// What the server serves.
#[derive(Clone)]
pub(crate) struct ServerContext {
    pub api: Current,
    /// Names to answer to, beside those of this machine's loopback address.
    pub allowed_hosts: Arc<[AllowedHost]>,
    /// Whose pages may use the API, beside our own and, on a loopback address, those of this
    /// machine.
    pub allowed_origins: Arc<[AllowedOrigin]>,
    /// Whose word on who asks is taken.
    pub trusted_proxies: Arc<[TrustedProxy]>,
    /// Whether statuses are those of the newest draft.
    pub http_draft: bool,
    /// How long caches may keep an answer without asking.
    pub max_age: Duration,
    /// Whether the page is served.
    pub graphiql: bool,
    /// Whether what is counted is told.
    pub metrics: bool,
    /// How long the port stays open at the end.
    pub drain: Duration,
    /// Ends that wait: somebody does not want to wait for it.
    pub hurry: CancellationToken,
}

/// What handlers share; cloning gives another handle to the same, which each layer that a request
/// passes does.
#[derive(Clone)]
pub(super) struct Shared(Arc<Common>);

#[derive(Clone)]
pub(super) struct Common {
    pub context: ServerContext,
    pub shutdown: CancellationToken,
    /// Requests under way.
    pub requests: Arc<Shares>,
    /// Open sockets. Below the bound of connections, of which the server keeps a tenth for plain
    /// requests.
    pub sockets: Arc<Shares>,
    /// Bytes of requests.
    pub received: Arc<Shares>,
    pub statuses: Arc<Statuses>,
    /// Whether only this machine can reach the server.
    pub is_loopback: bool,
}

impl Shared {
    pub(super) fn new(context: ServerContext, shutdown: CancellationToken, connections: usize) -> Shared {
        let limits = context.api.newest().limits().clone();
        Shared(Arc::new(Common {
            context,
            shutdown,
            requests: Shares::new(limits.requests),
            sockets: Shares::new(sockets_of(limits.sockets, connections)),
            received: Shares::new(limits.received_bytes),
            statuses: Arc::default(),
            is_loopback: false,
        }))
    }

    /// Who sent a request.
    pub(super) fn client(&self, parts: &Parts) -> Client {
        let peer = parts.extensions.get::<Peer>();
        client::of(peer, &parts.headers, &self.context.trusted_proxies)
    }
}

/// Who asks, as far as rights go. All ways to an answer ask here, the shortest one too: who is
/// recognised by something in the headers is so on each of them.
pub(super) fn principal(_headers: &HeaderMap) -> Principal {
    Principal::ANONYMOUS
}

impl Deref for Shared {
    type Target = Common;

    fn deref(&self) -> &Common {
        &self.0
    }
}

/// Before it is shared.
impl DerefMut for Shared {
    fn deref_mut(&mut self) -> &mut Common {
        Arc::make_mut(&mut self.0)
    }
}

/// Nine tenths of the connections at most.
fn sockets_of(limit: usize, connections: usize) -> usize {
    limit.min(connections * 9 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever comes to recognise some has one place to say so.
    #[test]
    fn who_asks_is_said_in_one_place() {
        for text in [
            include_str!("graphql.rs"),
            include_str!("handshake.rs"),
            include_str!("saved.rs"),
            include_str!("socket.rs"),
            include_str!("unchanged.rs"),
        ] {
            assert!(!text.contains("ANONYMOUS"));
        }
    }

    #[test]
    fn sockets_leave_connections_for_requests() {
        for (limit, connections, want) in [
            (18_000, 796, 716),
            (18_000, 20_000, 18_000),
            (18_000, 16, 14),
            (50, 796, 50),
        ] {
            assert_eq!(sockets_of(limit, connections), want);
        }
    }
}
