//! Connections: how many there are, how long they may take to say what they want, how they end.
//! Knows hyper; knows no route.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    http::{Request, Version},
    response::Response,
};
use futures_util::future::BoxFuture;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    client::{self, Peer},
    meter::{HEAD_MAX, Meter},
    pace::Paced,
    sending::Answers,
    shared::Shared,
    unchanged,
};
use crate::graphql::{FILES_MAX, Share, Shares};

/// Connections at once; a machine that serves more wants several processes anyway.
const CONNECTIONS_MAX: usize = 20_000;
/// Files kept for others: the database's connections with their journals, the harvest's own
/// requests, the log, large answers.
const FILES_KEPT: usize = 100 + FILES_MAX;
/// Connections even where files are so few that none would be left: the operating system then
/// refuses the last ones.
const CONNECTIONS_MIN: usize = 16;
/// How long a request's head may take to arrive, and how long a connection may be idle between two
/// requests. Ten seconds are enough for a slow phone, and a bound on what half a request can hold.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Pings find out dead HTTP/2 connections: their streams come and go, so no read is ever late.
const PING_EVERY: Duration = Duration::from_secs(25);
const PING_PATIENCE: Duration = Duration::from_secs(10);
/// Requests at once on an HTTP/2 connection. Each may hold a piece of an unread answer and one of a
/// body, 16 kB in all.
const STREAMS_MAX: u32 = 32;
/// Bytes that an HTTP/2 client may send ahead of their reader: the least that the protocol knows,
/// for all its requests together.
const WINDOW: u32 = 65_535;
/// Bytes of an answer that HTTP/2 may take on before the client wants them.
const SEND_AHEAD: usize = 16 * 1024;
/// Requests that an HTTP/2 client may take back before they are looked at, and faults of its
/// streams: more end the connection.
const RESETS_MAX: usize = 20;
const STREAM_FAULTS_MAX: usize = 100;
/// Bytes of a request's headers over HTTP/2.
const HEADERS_MAX: u32 = 64 * 1024;
/// The pause after an accept that failed for the whole process, such as for want of files: trying
/// at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How often it is told that no connection is free.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What all connections together, and each of them, may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub connections: usize,
    pub head_patience: Duration,
}

impl Bounds {
    /// As many connections as this process may open files, with room for the rest of the program.
    pub(super) fn of_process() -> Bounds {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        Bounds {
            connections: connections_of(files),
            head_patience: HEAD_PATIENCE,
        }
    }
}

/// Without a limit on files, only our own.
fn connections_of(files: Option<u64>) -> usize {
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX));
    files.saturating_sub(FILES_KEPT).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

/// A connection's place among all of them. Whoever takes a connection over (a WebSocket) keeps it
/// with it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    _taken: Arc<(OwnedSemaphorePermit, Share)>,
}

/// Accepts and serves until `stopping`, then waits for requests under way. Whoever finds no place
/// waits in the system's queue.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shared: Shared,
    bounds: Bounds,
    stopping: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let free = Arc::new(Semaphore::new(bounds.connections));
    let shares = Shares::new(bounds.connections);
    let mut told = None;
    loop {
        if free.available_permits() == 0 && told.is_none_or(|at: Instant| at.elapsed() > TELL_EVERY) {
            let connections = bounds.connections;
            tracing::warn!(
                connections,
                "all connections are taken, others wait; more need a higher limit of open files"
            );
            told = Some(Instant::now());
        }
        let next = async {
            let permit = free.clone().acquire_owned().await.ok()?;
            Some((accept(&listener).await, permit))
        };
        let accepted = tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            accepted = next => accepted,
        };
        let Some(((stream, peer), permit)) = accepted else {
            break;
        };
        let Some(place) = place(permit, &shares, peer, &shared) else {
            tracing::debug!(%peer, "a connection was refused: its address has so many that the rest is for others");
            continue;
        };
        let visitor = Visitor {
            router: router.clone(),
            shared: shared.clone(),
            place,
            peer: Peer(peer),
            meter: Meter::new(shared.received.clone(), client::of_peer(peer)),
            answers: Arc::default(),
            has_asked: Arc::default(),
        };
        tasks.spawn(converse(stream, visitor, bounds.head_patience, stopping.clone()));
    }
    // Closed before the wait, so that new clients are refused instead of left hanging.
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// A place for a connection; none when its address has its share already. Proxies speak for many.
fn place(permit: OwnedSemaphorePermit, shares: &Arc<Shares>, peer: SocketAddr, shared: &Shared) -> Option<Place> {
    let proxies = &shared.context.trusted_proxies;
    let speaks_for_many = proxies.iter().any(|proxy| proxy.includes(peer.ip().to_canonical()));
    let client = client::of_peer(peer);
    let share = match speaks_for_many {
        true => shares.none(client),
        false => shares.take(client).ok()?,
    };
    Some(Place {
        _taken: Arc::new((permit, share)),
    })
}

/// The next connection; failures of one connection are passed over, those of the process are waited
/// out.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_peer(error.kind()) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted; the next try is in a second");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_the_peer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

async fn converse(stream: TcpStream, visitor: Visitor, patience: Duration, stopping: CancellationToken) {
    // Answers go out at once: each is one write, and waiting to fill a packet would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    let has_asked = visitor.has_asked.clone();
    let builder = builder(patience);
    let stream = TokioIo::new(Paced::new(stream, visitor.meter.clone()));
    let connection = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(visitor));
    let mut connection = std::pin::pin!(connection);
    // hyper's own clock starts when it knows the protocol; who sends only the first bytes of it is
    // waited for here.
    let mut first_request = std::pin::pin!(tokio::time::sleep(patience));
    let (mut is_stopping, mut was_patient) = (false, false);
    loop {
        tokio::select! {
            // What was said before what was waited for: a process that had no time hears both at
            // once.
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = stopping.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = &mut first_request, if !was_patient => {
                was_patient = true;
                if !has_asked.load(Ordering::Relaxed) {
                    tracing::debug!("a connection asked for nothing");
                    return;
                }
            }
        }
    }
}

fn builder(patience: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD_MAX);
    // Answers to pings and settings need no bound of their own: the next is read when the last has
    // left.
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buf_size(SEND_AHEAD)
        .max_header_list_size(HEADERS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(STREAM_FAULTS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE);
    builder
}

/// The routes as one connection sees them: its requests carry its place.
#[derive(Clone)]
struct Visitor {
    router: Router,
    shared: Shared,
    place: Place,
    peer: Peer,
    meter: Arc<Meter>,
    answers: Arc<Answers>,
    has_asked: Arc<AtomicBool>,
}

impl<B> tower::Service<Request<B>> for Visitor
where
    Router: tower::Service<Request<B>, Response = Response>,
    <Router as tower::Service<Request<B>>>::Future: Send + 'static,
{
    type Response = <Router as tower::Service<Request<B>>>::Response;
    type Error = <Router as tower::Service<Request<B>>>::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.router.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.has_asked.store(true, Ordering::Relaxed);
        // No handler has to know of it.
        if let Some(answer) = unchanged::answer(&self.shared, &request) {
            self.meter.request(request.version() == Version::HTTP_2);
            self.meter.again();
            return Box::pin(async { Ok(answer) });
        }
        request.extensions_mut().insert(self.place.clone());
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.meter.clone());
        let many = request.version() == Version::HTTP_2;
        if many {
            request.extensions_mut().insert(self.answers.clone());
        }
        self.meter.request(many);
        let (answer, meter) = (self.router.call(request), self.meter.clone());
        Box::pin(async move {
            let answer = answer.await;
            // Its body was read, or will not be: what comes now is the next request.
            meter.again();
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        let cases = [
            (Some(1_024), 796),
            (Some(20_000), 19_772),
            (Some(1 << 20), 20_000),
            (Some(50), 16),
            (None, 20_000),
        ];
        for (files, want) in cases {
            assert_eq!(connections_of(files), want, "{files:?}");
        }
    }
}
