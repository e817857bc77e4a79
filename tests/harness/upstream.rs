//! An upstream that does what a test says: answers, cuts off, stalls, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
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
}

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
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
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
}

type Handler = dyn Fn(&str) -> Option<Reply> + Send + Sync;

/// A server on loopback. Paths are looked up with their query first, then without it, then by the handler.
#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    handler: Arc<Mutex<Option<Arc<Handler>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Gates up to this one are open.
    open: watch::Sender<usize>,
}

impl Upstream {
    pub async fn start() -> Upstream {
        Upstream::on("127.0.0.1:0".parse().expect("an address")).await
    }

    /// On a given port, for an upstream that comes up later.
    pub async fn on(address: SocketAddr) -> Upstream {
        let listener = TcpListener::bind(address).await.expect("a loopback port");
        let upstream = Upstream {
            address: listener.local_addr().expect("its address"),
            replies: Arc::default(),
            handler: Arc::default(),
            asked: Arc::default(),
            open: watch::Sender::new(usize::MAX),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let upstream = serving.clone();
                tokio::spawn(async move {
                    let _ = upstream.answer(socket).await;
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

    fn reply_to(&self, path: &str) -> Reply {
        let bare = path.split('?').next().unwrap_or(path);
        let replies = self.replies.lock().expect("replies");
        let fixed = replies.get(path).or_else(|| replies.get(bare)).cloned();
        let handler = self.handler.lock().expect("handler").clone();
        fixed
            .or_else(|| handler.and_then(|handler| handler(path)))
            .unwrap_or_else(|| Reply::text(404, "text/plain", "no such path"))
    }

    async fn answer(&self, socket: TcpStream) -> std::io::Result<()> {
        let mut socket = BufReader::new(socket);
        let mut path = String::new();
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or("/").to_owned();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        self.asked.lock().expect("asked").push(path.clone());
        let reply = self.reply_to(&path);
        tokio::time::sleep(reply.delay).await;
        let _ = self.open.subscribe().wait_for(|open| *open >= reply.gate).await;
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
