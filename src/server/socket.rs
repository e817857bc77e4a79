//! One WebSocket: frames in and out, deadlines, shutdown. Knows frames; the rules of the protocol are in `protocol`, what runs is
//! in `operations`.
//!
//! Nothing piles up: a frame is read when all that the last one called for has left, pongs included, and one message is on its
//! way at a time, the large ones in pieces.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use super::{
    handshake::Agreed,
    intake::{self, MESSAGE_MAX},
    meter::Meter,
    operations::{Event, Operations},
    protocol::{self, Protocol, Verdict},
    sending::piece_of,
    shared::Shared,
};
use crate::graphql::{ApiResponse, Client, Parts};

/// Bytes of a buffer in each direction. The default of 128 KiB would cost ten thousand sockets 2.5 GB.
const BUFFER: usize = 4 * 1024;
/// Bytes of a piece of a large answer. The library keeps room for the largest frame as long as the socket lives.
const PIECE: usize = 16 * 1024;
/// Bytes that wait to be sent: a piece of an answer, and what control frames call for.
const UNSENT_MAX: usize = 256 * 1024;
/// How long a client may take to send `connection_init`.
const INIT_PATIENCE: Duration = Duration::from_secs(10);
/// And how much longer a process looks for it that had no time before: it may have come long ago.
const INIT_GRACE: Duration = Duration::from_millis(100);
/// How long the end of a socket may take to leave.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
/// Pings keep proxies from closing idle sockets and find out dead ones: after two without an answer.
const PING_EVERY: Duration = Duration::from_secs(25);
const UNANSWERED_MAX: u32 = 2;

/// The reason why a socket ends: a close frame to send, or none when the peer is gone.
type End = Option<CloseFrame>;
/// To go on, or to end.
type Flow = ControlFlow<End>;

struct Socket {
    frames: WebSocketStream<TokioIo<Upgraded>>,
    protocol: Protocol,
    operations: Operations,
    meter: Arc<Meter>,
    client: Client,
    shared: Shared,
}

/// Speaks until either side ends it.
pub(super) async fn serve(agreed: Agreed, shared: Shared) {
    let Agreed {
        upgraded,
        meter,
        client,
    } = agreed;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(UNSENT_MAX)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let operations_max = shared.context.api.newest().limits().socket_operations;
    let stopping = shared.shutdown.clone();
    let mut socket = Socket {
        frames: WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await,
        protocol: Protocol::new(operations_max),
        operations: Operations::default(),
        meter,
        client,
        shared,
    };
    // Also in the middle of a message: a close frame may stand between its pieces.
    let end = tokio::select! {
        biased;
        () = stopping.cancelled() => Some(frame_of(1001, "the server is stopping")),
        end = socket.converse() => end,
    };
    if let Some(frame) = end {
        // The peer may be gone already; then there is nobody to tell.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, socket.frames.close(Some(frame))).await;
    }
}

impl Socket {
    async fn converse(&mut self) -> End {
        let mut init_deadline = Instant::now() + INIT_PATIENCE;
        let mut is_overdue = false;
        let mut pings = pings();
        let mut unanswered = 0;
        loop {
            let flow = tokio::select! {
                () = tokio::time::sleep_until(init_deadline), if !self.protocol.is_initialised() => {
                    if is_overdue {
                        return Some(frame_of(4408, "Connection initialisation timeout"));
                    }
                    is_overdue = true;
                    init_deadline = Instant::now() + INIT_GRACE;
                    continue;
                }
                (id, event) = self.operations.next() => self.say(id, event).await,
                _ = pings.tick() => {
                    if unanswered >= UNANSWERED_MAX {
                        return None;
                    }
                    unanswered += 1;
                    self.send(Message::Ping(Bytes::new())).await
                }
                frame = self.frames.next() => {
                    unanswered = 0;
                    self.hear(frame).await
                }
            };
            if let ControlFlow::Break(end) = flow {
                return end;
            }
        }
    }

    /// Does what a frame from the client calls for.
    async fn hear(&mut self, frame: Option<Result<Message, Error>>) -> Flow {
        let text = match frame {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Binary(_))) => return close(4400, "Messages are text"),
            Some(Ok(Message::Ping(payload))) => {
                self.meter.control(payload.len());
                // The pong leaves before anything else is read.
                return flow(self.frames.flush().await);
            }
            Some(Ok(Message::Pong(payload))) => {
                self.meter.control(payload.len());
                return ControlFlow::Continue(());
            }
            Some(Ok(Message::Close(_) | Message::Frame(_)) | Err(_)) | None => return ControlFlow::Break(None),
        };
        self.meter.whole();
        let mut received = self.shared.received.none(self.client);
        let verdict = match intake::weigh_all(&mut received, text.as_bytes()) {
            Ok(()) => self.protocol.incoming(&text),
            Err(_) => return close(1013, "too many bytes of requests are held; try again later"),
        };
        match verdict {
            Verdict::Ignore => ControlFlow::Continue(()),
            Verdict::Send(text) => self.send(Message::text(text)).await,
            Verdict::Stop(id) => {
                self.operations.stop(&id);
                ControlFlow::Continue(())
            }
            Verdict::Close(code, reason) => close(code, &reason),
            Verdict::Start(id, request) => {
                let request = request.by(self.client);
                let place = self.shared.requests.take(self.client).ok();
                let request = if place.is_some() { request } else { request.live_only() };
                let api = self.shared.context.api.clone();
                self.operations.start(id, api, request, place, received);
                ControlFlow::Continue(())
            }
        }
    }

    /// Tells what has come of an operation.
    async fn say(&mut self, id: String, event: Event) -> Flow {
        let Event::Answer(answer, place) = event else {
            self.protocol.ended(&id);
            return self.send(Message::text(protocol::complete(&id))).await;
        };
        if let Some(errors) = answer.ended_by() {
            self.protocol.ended(&id);
            self.operations.stop(&id);
            return self.send(Message::text(protocol::error(&id, &errors))).await;
        }
        let sent = self.send_answer(&id, answer).await;
        drop(place);
        sent
    }

    /// Sends an answer, a large one in pieces.
    async fn send_answer(&mut self, id: &str, answer: ApiResponse) -> Flow {
        let Parts { head, data, tail } = answer.into_parts();
        let parts = Parts {
            head: [protocol::next_head(id).as_bytes(), &head].concat().into(),
            data,
            tail: [&tail, &b"}"[..]].concat().into(),
        };
        let len = parts.len();
        let mut at = 0;
        let mut kind = Data::Text;
        while at < len {
            let mut piece = Vec::new();
            // What is small goes as one frame, whatever its parts.
            while piece.len() < PIECE && at < len {
                match piece_of(&parts, at, PIECE - piece.len()).await {
                    Some(Ok(part)) => {
                        at += part.len();
                        piece.extend_from_slice(&part);
                    }
                    Some(Err(error)) => {
                        tracing::error!(%error, "a large answer cannot be read back");
                        return close(1011, "Internal error");
                    }
                    None => return close(1011, "Internal error"),
                }
            }
            let frame = Frame::message(piece, OpCode::Data(kind), at == len);
            kind = Data::Continue;
            self.send(Message::Frame(frame)).await?;
        }
        ControlFlow::Continue(())
    }

    /// Sends a message, as fast as the connection gets on.
    async fn send(&mut self, message: Message) -> Flow {
        flow(self.frames.send(message).await)
    }
}

fn pings() -> Interval {
    let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

/// Goes on, unless the client is gone or does not read.
fn flow(sent: Result<(), Error>) -> Flow {
    match sent {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            tracing::debug!(%error, "a socket ended early");
            ControlFlow::Break(None)
        }
    }
}

fn close(code: u16, reason: &str) -> Flow {
    ControlFlow::Break(Some(frame_of(code, reason)))
}

/// A close frame holds 125 bytes: two for the code, the rest for the reason.
fn frame_of(code: u16, reason: &str) -> CloseFrame {
    let reason = &reason[..reason.floor_char_boundary(123)];
    CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }
}
