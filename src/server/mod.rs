//! The HTTP server: GraphQL over HTTP and WebSocket, health, the web page. Knows axum; knows no SQL
//! and no harvest.

mod assets;
mod client;
mod codings;
mod connections;
mod frames;
mod graphql;
mod halves;
mod handshake;
mod headers;
mod health;
mod intake;
mod lasting;
mod lists;
mod meter;
mod metrics;
mod negotiate;
mod operations;
mod origin;
mod pace;
mod parameters;
mod progress;
mod protocol;
mod refusals;
mod router;
mod saved;
mod sending;
mod shared;
mod socket;
mod statuses;
#[cfg(test)]
mod tests;
mod unchanged;
mod validators;

use std::{io, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{connections::Bounds, shared::Shared};

pub(crate) use self::shared::ServerContext;

/// How long requests under way may take after the shutdown began; together with closing, less than
/// a second.
const GRACE: Duration = Duration::from_millis(800);

/// Serves until `shutdown`, then drains: new requests are told to go elsewhere, sockets are closed
/// with 1001. When that is over it ends within a second; requests under way may finish.
///
/// Binding the port is the caller's part, and so is the error when it is in use.
pub(crate) async fn serve(
    listener: TcpListener,
    context: ServerContext,
    shutdown: CancellationToken,
) -> io::Result<()> {
    serve_within(listener, context, shutdown, Bounds::of_process()).await
}

async fn serve_within(
    listener: TcpListener,
    context: ServerContext,
    shutdown: CancellationToken,
    bounds: Bounds,
) -> io::Result<()> {
    let mut shared = Shared::new(context, shutdown.clone(), bounds.connections);
    shared.is_loopback = listener.local_addr()?.ip().is_loopback();
    let router = router::router(shared.clone());
    let closing = CancellationToken::new();
    let all = async {
        connections::serve(listener, router, shared.clone(), bounds, closing.clone()).await;
        // Sockets have left hyper's hands; their close frames are still to be sent.
        shared.sockets.all_free().await;
    };
    let too_late = async {
        shutdown.cancelled().await;
        if !shared.context.drain.is_zero() {
            tracing::info!(
                "new requests are refused; the port closes in {:?}",
                shared.context.drain
            );
            let context = &shared.context;
            let waited = context.hurry.run_until_cancelled(tokio::time::sleep(context.drain));
            if waited.await.is_none() {
                tracing::info!("the port closes now, as it was asked for again");
            }
        }
        closing.cancel();
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = all => {}
        () = too_late => tracing::info!("requests under way were given up at shutdown"),
    }
    Ok(())
}
