//! One WebSocket: frames in and out, deadlines, shutdown. Knows frames; the rules of the protocol
//! are in `protocol`, what runs is in `operations`.
//!
//! Nothing piles up: a frame is read when all that the last one called for has left, pongs
//! included, and one message is on its way at a time, the large ones in pieces.

use std::{io, ops::ControlFlow, sync::Arc, time::Duration};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{
    frames::{Fault, Frames, Heard},
    intake::{self, MESSAGE_MAX},
    meter::Meter,
    operations::{Event, Operations},
    protocol::{self, Protocol, Verdict},
    sending::piece_of,
    shared::Shared,
};
use crate::graphql::{ApiResponse, Client, Parts, Principal};

/// Bytes of a piece of a large answer.
const PIECE: usize = 16 * 1024;
/// How long a client may take to send `connection_init`.
const INIT_PATIENCE: Duration = Duration::from_secs(10);
/// And how much longer a process looks for it that had no time before: it may have come long ago.
const INIT_GRACE: Duration = Duration::from_millis(100);
/// How long the end of a socket may take: to leave, and to be taken note of.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
/// Pings keep proxies from closing idle sockets and find out dead ones: after two without an
/// answer.
const PING_EVERY: Duration = Duration::from_secs(25);
const UNANSWERED_MAX: u32 = 2;

/// Why a socket ends: what to say at last, or nothing when the peer is gone.
type End = Option<Last>;
/// To go on, or to end.
type Flow = ControlFlow<End>;

/// The last word; without a code where the client ended it without one.
struct Last {
    code: Option<u16>,
    reason: String,
}

/// A socket that was agreed on.
pub(super) struct Agreed {
    pub upgraded: Upgraded,
    pub meter: Arc<Meter>,
    pub client: Client,
    pub principal: Principal,
}

struct Socket {
    frames: Frames<TokioIo<Upgraded>>,
    protocol: Protocol,
    operations: Operations,
    meter: Arc<Meter>,
    client: Client,
    /// By the headers of its handshake.
    principal: Principal,
    shared: Shared,
}

/// Speaks until either side ends it.
pub(super) async fn serve(agreed: Agreed, shared: Shared) {
    let Agreed {
        upgraded,
        meter,
        client,
        principal,
    } = agreed;
    let operations_max = shared.context.api.newest().limits().socket_operations;
    let stopping = shared.shutdown.clone();
    let mut socket = Socket {
        frames: Frames::new(TokioIo::new(upgraded), MESSAGE_MAX),
        protocol: Protocol::new(operations_max),
        operations: Operations::default(),
        meter,
        client,
        principal,
        shared,
    };
    // Also in the middle of a message: a close frame may stand between its pieces.
    let end = tokio::select! {
        biased;
        () = stopping.cancelled() => Some(last(1001, "the server is stopping")),
        end = socket.converse() => end,
    };
    let Socket {
        mut frames,
        meter,
        operations,
        ..
    } = socket;
    drop(operations);
    if let Some(Last { code, reason }) = end {
        // Nothing is kept of what is only heard out.
        meter.ignore();
        // The peer may be gone already; then there is nobody to tell.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, frames.close(code, &reason)).await;
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
                        return Some(last(4408, "Connection initialisation timeout"));
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
                    self.send(Control::Ping, &[]).await
                }
                heard = self.frames.next() => {
                    unanswered = 0;
                    self.hear(heard).await
                }
            };
            if let ControlFlow::Break(end) = flow {
                return end;
            }
        }
    }

    /// Does what the client says.
    async fn hear(&mut self, heard: Result<Heard, Fault>) -> Flow {
        let text = match heard {
            Ok(Heard::Text(text)) => text,
            Ok(Heard::Ping(payload)) => {
                self.meter.control(payload.len());
                // The pong leaves before anything else is read.
                return self.send(Control::Pong, &payload).await;
            }
            Ok(Heard::Pong(bytes)) => {
                self.meter.control(bytes);
                return ControlFlow::Continue(());
            }
            // Its own code is the answer.
            Ok(Heard::Close(code)) => {
                let reason = String::new();
                return ControlFlow::Break(Some(Last { code, reason }));
            }
            Err(Fault::Refused(code, reason)) => return close(code, reason),
            Err(Fault::Gone) => return ControlFlow::Break(None),
        };
        self.meter.whole();
        let mut received = self.shared.received.none(self.client);
        let verdict = match intake::weigh_all(&mut received, text.as_bytes()) {
            Ok(()) => self.protocol.incoming(&text),
            Err(_) => return close(1013, "too many bytes of requests are held; try again later"),
        };
        match verdict {
            Verdict::Ignore => ControlFlow::Continue(()),
            Verdict::Send(text) => self.say_text(&text).await,
            Verdict::Stop(id) => {
                self.operations.stop(&id);
                ControlFlow::Continue(())
            }
            Verdict::Close(code, reason) => close(code, &reason),
            Verdict::Start(id, request) => {
                let request = request.by(self.client, self.principal);
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
        let (answer, place) = match event {
            Event::Answer(answer, place) => (answer, place),
            Event::Ended => {
                self.protocol.ended(&id);
                return self.say_text(&protocol::complete(&id)).await;
            }
            Event::Broken => {
                self.protocol.ended(&id);
                return self.say_text(&protocol::broken(&id)).await;
            }
        };
        if let Some(errors) = answer.ended_by() {
            self.protocol.ended(&id);
            self.operations.stop(&id);
            return self.say_text(&protocol::error(&id, &errors)).await;
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
            flow(self.frames.send(OpCode::Data(kind), at == len, &piece).await)?;
            kind = Data::Continue;
        }
        ControlFlow::Continue(())
    }

    /// Sends a message, as fast as the connection gets on.
    async fn say_text(&mut self, text: &str) -> Flow {
        flow(self.frames.send_text(text).await)
    }

    async fn send(&mut self, control: Control, payload: &[u8]) -> Flow {
        flow(self.frames.send(OpCode::Control(control), true, payload).await)
    }
}

fn pings() -> Interval {
    let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings
}

/// Goes on, unless the client is gone or does not read.
fn flow(sent: io::Result<()>) -> Flow {
    match sent {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            tracing::debug!(%error, "a socket ended early");
            ControlFlow::Break(None)
        }
    }
}

fn close(code: u16, reason: &str) -> Flow {
    ControlFlow::Break(Some(last(code, reason)))
}

fn last(code: u16, reason: &str) -> Last {
    Last {
        code: Some(code),
        reason: reason.to_owned(),
    }
}
