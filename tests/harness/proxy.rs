//! A way to a PostgreSQL server that a test can cut, at any moment or around a COMMIT. Knows sockets and one message.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// A simple query, as the driver commits: the message's letter, its length, the text.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

const BUFFER: usize = 64 * 1024;

/// What becomes of a connection whose client commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    Nothing,
    /// The server never hears of it.
    Before,
    /// The server commits, and the client never hears of it.
    After,
}

struct State {
    /// The server's port.
    target: AtomicU16,
    /// Commits to let pass before the next cut; 0 is no cut.
    countdown: AtomicU64,
    /// Whether the cut is before (1) or after (2).
    cut: AtomicU32,
    cuts: AtomicU64,
    /// Raised to end all connections.
    generation: watch::Sender<u64>,
}

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    pub async fn start(target: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let state = Arc::new(State {
            target: AtomicU16::new(target),
            countdown: AtomicU64::new(0),
            cut: AtomicU32::new(0),
            cuts: AtomicU64::new(0),
            generation: watch::Sender::new(0),
        });
        let proxy = Proxy {
            address: listener.local_addr().expect("its address"),
            state,
        };
        let serving = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = serving.state.clone();
                tokio::spawn(async move {
                    let _ = pass(client, state).await;
                });
            }
        });
        proxy
    }

    /// New connections go to another server, and those that there are end.
    pub fn point_to(&self, port: u16) {
        self.state.target.store(port, Ordering::SeqCst);
        self.cut_all();
    }

    pub fn cut_all(&self) {
        self.state.generation.send_modify(|generation| *generation += 1);
    }

    /// Cuts the connection at the commit after so many others.
    pub fn cut_at_commit(&self, cut: Cut, after: u64) {
        let after = if cut == Cut::Nothing { None } else { Some(after) };
        self.state
            .cut
            .store(if cut == Cut::Before { 1 } else { 2 }, Ordering::SeqCst);
        self.state
            .countdown
            .store(after.map_or(0, |after| after + 1), Ordering::SeqCst);
    }

    /// How many commits were cut so far.
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::SeqCst)
    }
}

impl State {
    /// What to do about a commit that is passing.
    fn at_commit(&self) -> Cut {
        let counted = self
            .countdown
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if counted != Ok(1) {
            return Cut::Nothing;
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
        match self.cut.load(Ordering::SeqCst) {
            1 => Cut::Before,
            _ => Cut::After,
        }
    }
}

async fn pass(client: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let mut generation = state.generation.subscribe();
    let server = TcpStream::connect(("127.0.0.1", state.target.load(Ordering::SeqCst))).await?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let swallow = AtomicBool::new(false);
    // Dropping the other halves closes both sockets, whichever way ends first.
    tokio::select! {
        ended = requests(from_client, to_server, &state, &swallow) => ended,
        ended = answers(from_server, to_client, &swallow) => ended,
        _ = generation.changed() => Ok(()),
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    swallow: &AtomicBool,
) -> std::io::Result<()> {
    let mut bytes = vec![0; BUFFER];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        // The driver sends a commit by itself, and waits for its answer before it sends more.
        match bytes[..count].ends_with(COMMIT).then(|| state.at_commit()) {
            Some(Cut::Before) => return Ok(()),
            Some(Cut::After) => swallow.store(true, Ordering::SeqCst),
            Some(Cut::Nothing) | None => {}
        }
        to.write_all(&bytes[..count]).await?;
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, swallow: &AtomicBool) -> std::io::Result<()> {
    let mut bytes = vec![0; BUFFER];
    loop {
        let count = from.read(&mut bytes).await?;
        // The answer to the commit: the server has committed, and nobody will know.
        if count == 0 || swallow.load(Ordering::SeqCst) {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}
