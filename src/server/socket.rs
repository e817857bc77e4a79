//! One WebSocket: frames in and out, deadlines, shutdown. Knows axum's socket and async-graphql's engine; the rules of the
//! protocol are in `protocol`.

use std::{pin::pin, time::Duration};

use async_graphql_axum::{GraphQLProtocol, GraphQLWebSocket};
use axum::{
    extract::{
        FromRequestParts, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::PollSender;

use super::{
    connections::Place,
    graphql,
    negotiate::Media,
    protocol::{Protocol, Verdict},
    shared::Shared,
};

const SUBPROTOCOL: &str = "graphql-transport-ws";
/// Bytes of a buffer in each direction. The default of 128 KiB would cost ten thousand sockets 2.5 GB. The write buffer
/// has no upper bound of its own, because one message must fit into it: each is flushed before the next is made.
const BUFFER: usize = 4 * 1024;
/// Bytes of a message from a client: as much as of a request body.
const MESSAGE_MAX: usize = 1024 * 1024;
/// How long a client may take to send `connection_init`.
const INIT_PATIENCE: Duration = Duration::from_secs(10);
/// And how much longer a process looks for it that had no time before: it may have come long ago.
const INIT_GRACE: Duration = Duration::from_millis(100);
/// How long a message may take to leave; a client that does not read is gone.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// Pings keep proxies from closing idle sockets and find out dead ones: after two without an answer.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Messages read and not yet taken by the engine, which is always asked first.
const QUEUE: usize = 16;

/// Answers the handshake; the socket keeps its connection's place.
pub(super) async fn accept(parts: &mut Parts, shared: Shared) -> Response {
    let offered = offered(&parts.headers);
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade.protocols(offered),
        Err(rejection) => return rejection.into_response(),
    };
    let Some(agreed) = agreed(&upgrade, parts).await else {
        let message = "the subprotocol graphql-transport-ws must be offered (Sec-WebSocket-Protocol)";
        return (StatusCode::BAD_REQUEST, message).into_response();
    };
    let place = parts.extensions.get::<Place>().cloned();
    let share = match shared.sockets.take(shared.client(parts)) {
        Ok(share) => share,
        Err(denied) => return graphql::busy(Media::Json, denied, "sockets are open", "sockets"),
    };
    upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
        .on_upgrade(move |socket| async move {
            serve(socket, agreed, shared).await;
            drop((share, place));
        })
}

/// Our protocol as the client writes it: some write it with other letters, and take the answer only in their own form.
fn offered(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let names = all
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    let mut ours = names
        .map(str::trim)
        .filter(|name| name.eq_ignore_ascii_case(SUBPROTOCOL));
    ours.next().map(str::to_owned)
}

/// What the engine is to speak: the protocol that was agreed on, which need not be the first that the client offered.
async fn agreed(upgrade: &WebSocketUpgrade, parts: &mut Parts) -> Option<GraphQLProtocol> {
    upgrade.selected_protocol()?;
    let ours = HeaderValue::from_static(SUBPROTOCOL);
    parts.headers.insert(header::SEC_WEBSOCKET_PROTOCOL, ours);
    GraphQLProtocol::from_request_parts(parts, &()).await.ok()
}

/// The reason why a socket ends: a close frame to send, or none when the peer is gone.
type End = Option<CloseFrame>;

async fn serve(socket: WebSocket, agreed: GraphQLProtocol, shared: Shared) {
    let (mut sink, stream) = socket.split();
    let end = converse(&mut sink, stream, agreed, &shared).await;
    if let Some(frame) = end {
        let close = sink.send(Message::Close(Some(frame)));
        // The peer may be gone already; then there is nobody to tell.
        let _ = tokio::time::timeout(SEND_PATIENCE, close).await;
    }
}

/// async-graphql's engine hears only what the rules let through, and what it says passes them too.
async fn converse(
    sink: &mut Sender,
    mut stream: SplitStream<WebSocket>,
    agreed: GraphQLProtocol,
    shared: &Shared,
) -> End {
    let api = &shared.context.api;
    let (forward, heard_by_engine) = mpsc::channel::<Result<Message, axum::Error>>(QUEUE);
    // One message on its way is enough: the next is made when it has left.
    let (said, mut said_by_engine) = mpsc::channel::<Message>(1);
    let incoming = ReceiverStream::new(heard_by_engine);
    let engine = GraphQLWebSocket::new_with_pair(PollSender::new(said), incoming, api.clone(), agreed);
    let mut engine = pin!(engine.serve());
    let mut engine_runs = true;
    let mut protocol = Protocol::new(api.newest().limits().socket_operations);
    let mut init_deadline = Instant::now() + INIT_PATIENCE;
    let mut is_overdue = false;
    let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let verdict = tokio::select! {
            // The engine before the client: it takes all that was forwarded, so that the queue is empty again.
            biased;
            () = shared.shutdown.cancelled() => close(1001, "the server is stopping"),
            () = tokio::time::sleep_until(init_deadline), if !protocol.is_initialised() => {
                if !is_overdue {
                    is_overdue = true;
                    init_deadline = Instant::now() + INIT_GRACE;
                    continue;
                }
                close(4408, "Connection initialisation timeout")
            }
            // What it said last is still to be sent; then the channel is at its end.
            () = &mut engine, if engine_runs => {
                engine_runs = false;
                continue;
            }
            message = said_by_engine.recv() => match message? {
                Message::Text(text) => match protocol.outgoing(&text) {
                    Verdict::Pass => {
                        send(sink, Message::Text(text)).await?;
                        continue;
                    }
                    other => other,
                },
                Message::Close(Some(frame)) => close(frame.code, &frame.reason),
                _ => return None,
            },
            _ = pings.tick() => {
                unanswered += 1;
                if unanswered > 2 {
                    return None;
                }
                send(sink, Message::Ping(Default::default())).await?;
                continue;
            }
            frame = stream.next() => {
                unanswered = 0;
                heard(frame, &mut protocol)?
            }
        };
        match verdict {
            Verdict::Ignore | Verdict::Pass => {}
            Verdict::Send(text) => send(sink, Message::Text(text.into())).await?,
            Verdict::Forward(text) => {
                if forward.try_send(Ok(Message::Text(text.into()))).is_err() {
                    return Some(frame_of(4429, "Too many messages"));
                }
            }
            Verdict::Close(code, reason) => return Some(frame_of(code, &reason)),
        }
    }
}

/// What becomes of a frame from the client; none when it is gone.
fn heard(frame: Option<Result<Message, axum::Error>>, protocol: &mut Protocol) -> Option<Verdict> {
    match frame?.ok()? {
        Message::Text(text) => Some(protocol.incoming(&text)),
        Message::Binary(_) => Some(close(4400, "Messages are text")),
        Message::Ping(_) | Message::Pong(_) => Some(Verdict::Ignore),
        Message::Close(_) => None,
    }
}

type Sender = SplitSink<WebSocket, Message>;

/// Sends a message; none when the client does not take it.
async fn send(sink: &mut Sender, message: Message) -> Option<()> {
    tokio::time::timeout(SEND_PATIENCE, sink.send(message)).await.ok()?.ok()
}

fn close(code: u16, reason: &str) -> Verdict {
    Verdict::Close(code, reason.to_owned())
}

/// A close frame holds 125 bytes: two for the code, the rest for the reason.
fn frame_of(code: u16, reason: &str) -> CloseFrame {
    let reason = &reason[..reason.floor_char_boundary(123)];
    CloseFrame {
        code,
        reason: reason.into(),
    }
}
