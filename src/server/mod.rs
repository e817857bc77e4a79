//! The HTTP server: GraphQL over HTTP and WebSocket, health, the web page. Knows axum; knows no SQL and no harvest.

mod assets;
mod graphql;
mod headers;
mod health;
mod negotiate;
mod origin;
mod protocol;
mod router;
mod shared;
mod socket;
#[cfg(test)]
mod tests;

use std::{future::IntoFuture, io, time::Duration};

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::shared::Shared;
use crate::graphql::DataApi;

/// How long requests under way may take after the shutdown began; together with closing, less than a second.
const GRACE: Duration = Duration::from_millis(800);

/// What the server serves.
#[derive(Clone)]
pub struct ServerContext {
    pub api: DataApi,
}

/// Serves until `shutdown`, then ends within a second: sockets are closed with 1001, requests under way may finish.
///
/// Binding the port is the caller's part, and so is the error when it is in use.
pub async fn serve(listener: TcpListener, context: ServerContext, shutdown: CancellationToken) -> io::Result<()> {
    let shared = Shared::new(context, shutdown.clone());
    let router = router::router(shared.clone());
    let stopping = shutdown.clone();
    // Answers go out at once: each is one write, and waiting to fill a packet would only delay it.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
    });
    let server = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
    let all = async {
        let ended = server.into_future().await;
        // Sockets have left axum's hands; their close frames are still to be sent.
        shared.sockets_closed().await;
        ended
    };
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = all => ended,
        () = too_late => {
            tracing::info!("requests under way were given up at shutdown");
            Ok(())
        }
    }
}
