//! The beginning of a WebSocket: what a client asks for, and what it is granted. Knows headers and
//! places; no frame.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    connections::Place,
    lists::entries,
    meter::Meter,
    negotiate::Media,
    refusals,
    shared::{Shared, principal},
    socket::{self, Agreed},
};

const SUBPROTOCOL: &str = "graphql-transport-ws";
/// The one version that there is.
const VERSION: &str = "13";

/// Answers the handshake; the socket keeps its connection's place.
pub(super) fn accept(parts: &mut Parts, shared: Shared) -> Response {
    if shared.shutdown.is_cancelled() {
        return refusals::stopping(Media::Json);
    }
    let headers = &parts.headers;
    let bad = |message: &'static str| (StatusCode::BAD_REQUEST, message).into_response();
    let Some(offered) = offered(headers) else {
        return bad("the subprotocol graphql-transport-ws must be offered (Sec-WebSocket-Protocol)");
    };
    if !lists(headers, &header::CONNECTION, "upgrade") {
        return bad("Connection: upgrade is missing");
    }
    if !lists(headers, &header::SEC_WEBSOCKET_VERSION, VERSION) {
        let version = [(header::SEC_WEBSOCKET_VERSION, VERSION)];
        return (
            StatusCode::UPGRADE_REQUIRED,
            version,
            "Sec-WebSocket-Version must be 13",
        )
            .into_response();
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return bad("Sec-WebSocket-Key is missing");
    };
    let accepted = derive_accept_key(key.as_bytes());
    let (client, principal) = (shared.client(parts), principal(&parts.headers));
    let share = match shared.sockets.take(client) {
        Ok(share) => share,
        Err(denied) => return refusals::busy(Media::Json, denied, "sockets are open", "sockets"),
    };
    let Some(upgrade) = parts.extensions.remove::<OnUpgrade>() else {
        return bad("this connection cannot become a socket; use HTTP/1.1");
    };
    let place = parts.extensions.get::<Place>().cloned();
    let meter = parts.extensions.get::<Arc<Meter>>().cloned();
    let meter = meter.unwrap_or_else(|| Meter::new(shared.received.clone(), client));
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                meter.messages(client);
                let agreed = Agreed {
                    upgraded,
                    meter,
                    client,
                    principal,
                };
                socket::serve(agreed, shared).await;
            }
            Err(error) => tracing::debug!(%error, "a connection ended before it was a socket"),
        }
        drop((share, place));
    });
    let granted = [
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_PROTOCOL, offered),
    ];
    let accepted = [(header::SEC_WEBSOCKET_ACCEPT, accepted)];
    (StatusCode::SWITCHING_PROTOCOLS, granted, accepted).into_response()
}

/// Our protocol as the client writes it: some write it with other letters, and take the answer only
/// in their own form.
fn offered(headers: &HeaderMap) -> Option<HeaderValue> {
    let ours = entries(headers, &header::SEC_WEBSOCKET_PROTOCOL).find(|name| name.eq_ignore_ascii_case(SUBPROTOCOL))?;
    HeaderValue::from_str(ours).ok()
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    entries(headers, name).any(|entry| entry.eq_ignore_ascii_case(wanted))
}
