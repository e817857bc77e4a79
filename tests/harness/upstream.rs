//! An upstream that does what a test says: answers, cuts off, stalls, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

/// What the upstream answers to one path.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    content_type: &'static str,
    headers: Vec<(String, String)>,
    body: String,
    /// Bytes promised beyond those that are sent.
    cut: usize,
    delay: Duration,
    /// The gate that it waits for.
    gate: usize,
    held: Option<Arc<Condition>>,
    other: Option<Box<Reply>>,
}

/// What a held reply waits for.
type Condition = dyn Fn() -> bool + Send + Sync;

/// Connections that may wait to be taken, as many as a listener has by default.
const BACKLOG: u32 = 1_024;

/// Between looks at what is waited for here.
const GLANCE: Duration = Duration::from_millis(1);

impl Reply {
    pub fn json(value: &Value) -> Reply {
        Reply::text(200, "application/json", value.to_string())
    }

    pub fn text(status: u16, content_type: &'static str, body: impl Into<String>) -> Reply {
        Reply {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
            cut: 0,
            delay: Duration::ZERO,
            gate: 0,
            held: None,
            other: None,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an ETag of its own body, so that who has it is told that nothing changed.
    pub fn tagged(self) -> Reply {
        let tag = format!(
            "\"{:016x}\"",
            BuildHasherDefault::<DefaultHasher>::default().hash_one(&self.body)
        );
        self.header("etag", &tag)
    }

    /// What those get who have not this one's ETag.
    pub fn else_for_others(mut self, other: Reply) -> Reply {
        self.other = Some(Box::new(other));
        self
    }

    fn for_one_with(mut self, tag: &str) -> Reply {
        if self.headers.iter().any(|(name, value)| name == "etag" && value == tag) {
            self.status = 304;
            self.body.clear();
            return self;
        }
        self.other.take().map_or(self, |other| *other)
    }

    /// Promises more than it sends, then closes.
    pub fn cut_off(mut self) -> Reply {
        self.cut = 100;
        self
    }

    /// Waits until the upstream has opened this gate.
    pub fn behind(mut self, gate: usize) -> Reply {
        self.gate = gate;
        self
    }

    pub fn after(mut self, delay: Duration) -> Reply {
        self.delay = delay;
        self
    }

    /// Is sent when something has come to be, however long that takes.
    pub fn when(mut self, condition: impl Fn() -> bool + Send + Sync + 'static) -> Reply {
        self.held = Some(Arc::new(condition));
        self
    }
}

type Handler = dyn Fn(&str) -> Option<Reply> + Send + Sync;

/// An address for an upstream that comes up later: until then connections are refused, and nobody else gets it.
pub struct Reserved(TcpSocket);

impl Reserved {
    pub fn new() -> Reserved {
        let socket = TcpSocket::new_v4().expect("a socket");
        let loopback = "127.0.0.1:0".parse().expect("an address");
        socket.bind(loopback).expect("a loopback port");
        Reserved(socket)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("its address"))
    }

    pub fn listen(self) -> Upstream {
        Upstream::serve(self.0.listen(BACKLOG).expect("it listens"))
    }
}

/// A server on loopback. Paths are looked up with their query first, then without it, then by the handler.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    handler: Arc<Mutex<Option<Arc<Handler>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Connections that were taken and whose request is not read yet.
    unread: watch::Sender<usize>,
    /// Gates up to this one are open.
    open: watch::Sender<usize>,
}

impl Upstream {
    pub async fn start() -> Upstream {
        Reserved::new().listen()
    }

    fn serve(listener: TcpListener) -> Upstream {
        let upstream = Upstream {
            address: listener.local_addr().expect("its address"),
            replies: Arc::default(),
            handler: Arc::default(),
            asked: Arc::default(),
            unread: watch::Sender::new(0),
            open: watch::Sender::new(usize::MAX),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let upstream = serving.clone();
                serving.unread.send_modify(|unread| *unread += 1);
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let request = upstream.request(&mut socket).await;
                    upstream.unread.send_modify(|unread| *unread -= 1);
                    if let Ok(Some((path, known))) = request {
                        let _ = upstream.answer(socket, &path, &known).await;
                    }
                });
            }
        });
        upstream
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn set(&self, path: &str, reply: Reply) {
        self.replies.lock().expect("replies").insert(path.to_owned(), reply);
    }

    pub fn handle(&self, handler: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) {
        *self.handler.lock().expect("handler") = Some(Arc::new(handler));
    }

    /// Opens the gates up to this one, and shuts the others.
    pub fn open(&self, gate: usize) {
        self.open.send_replace(gate);
    }

    /// Every path that was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("asked").clone()
    }

    /// Waits until it was asked for so many more.
    pub async fn asks(&self, more: usize) {
        let count = || self.asked.lock().expect("asked").len();
        let want = count() + more;
        while count() < want {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Waits until it has seen all that was sent to it so far, also by those who have ended since.
    pub async fn settled(&self) {
        // Connections are taken in their order, so those before this one have been.
        let mut socket = TcpStream::connect(self.address).await.expect("a connection");
        socket
            .write_all(b"GET /settled HTTP/1.1\r\n\r\n")
            .await
            .expect("a request");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("an answer");
        let _ = self.unread.subscribe().wait_for(|unread| *unread == 0).await;
    }

    fn reply_to(&self, path: &str) -> Reply {
        let bare = path.split('?').next().unwrap_or(path);
        let replies = self.replies.lock().expect("replies");
        let fixed = replies.get(path).or_else(|| replies.get(bare)).cloned();
        let handler = self.handler.lock().expect("handler").clone();
        fixed
            .or_else(|| handler.and_then(|handler| handler(path)))
            .unwrap_or_else(|| Reply::text(404, "text/plain", "no such path"))
    }

    /// The path of a request and the ETag that it knows; none when nothing is asked.
    async fn request(&self, socket: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, String)>> {
        let mut path = String::new();
        let mut known = String::new();
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or("/").to_owned();
            }
            if let Some(tag) = line.to_lowercase().strip_prefix("if-none-match: ") {
                known = tag.trim().to_owned();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        self.asked.lock().expect("asked").push(path.clone());
        Ok(Some((path, known)))
    }

    async fn answer(&self, mut socket: BufReader<TcpStream>, path: &str, known: &str) -> std::io::Result<()> {
        let reply = self.reply_to(path).for_one_with(known);
        tokio::time::sleep(reply.delay).await;
        let _ = self.open.subscribe().wait_for(|open| *open >= reply.gate).await;
        while reply.held.as_ref().is_some_and(|condition| !condition()) {
            tokio::time::sleep(GLANCE).await;
        }
        let mut head = format!(
            "HTTP/1.1 {} X\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n",
            reply.status,
            reply.content_type,
            reply.body.len() + reply.cut
        );
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(reply.body.as_bytes()).await?;
        socket.shutdown().await
    }
}
