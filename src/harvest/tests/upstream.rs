//! A scripted HTTP server on loopback: raw answers, also broken ones.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Barrier,
};

/// A request as it arrived: its path with query, its head in small letters, and its body.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub path: String,
    pub head: String,
    pub body: String,
}

impl Asked {
    /// The value of a header, in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Length,
    Chunk,
    /// Not at all: the connection ends.
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the body that are left out, though the length promises them.
    cut: usize,
    /// How it says where it ends.
    end: End,
    silent: bool,
    /// Others that it waits for: it is sent when so many requests are under way at once.
    together: Option<Arc<Barrier>>,
}

impl Answer {
    pub(super) fn json(body: impl Into<String>) -> Answer {
        Answer::bytes(body.into().into_bytes())
    }

    pub(super) fn bytes(body: Vec<u8>) -> Answer {
        Answer {
            status: 200,
            headers: Vec::new(),
            body,
            cut: 0,
            end: End::Length,
            silent: false,
            together: None,
        }
    }

    pub(super) fn status(status: u16) -> Answer {
        Answer {
            status,
            ..Answer::json("")
        }
    }

    /// The same with another status.
    pub(super) fn called(mut self, status: u16) -> Answer {
        self.status = status;
        self
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn cut(mut self, bytes: usize) -> Answer {
        self.cut = bytes;
        self
    }

    pub(super) fn ends(mut self, end: End) -> Answer {
        self.end = end;
        self
    }

    /// Is sent only when as many requests are under way as the barrier wants.
    pub(super) fn together(mut self, barrier: &Arc<Barrier>) -> Answer {
        self.together = Some(Arc::clone(barrier));
        self
    }

    /// Never answers.
    pub(super) fn silent() -> Answer {
        Answer {
            silent: true,
            ..Answer::json("")
        }
    }
}

pub(super) struct Upstream {
    pub url: String,
    pub asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    /// Answers each request by the script, which is told how many came before.
    pub(super) async fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    let _ = serve(socket, script.as_ref(), &log).await;
                });
            }
        });
        Upstream { url, asked, task }
    }

    pub(super) fn bodies(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("log");
        asked.iter().map(|asked| asked.body.clone()).collect()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("log");
        asked.iter().map(|asked| asked.path.clone()).collect()
    }
}

async fn serve(
    mut socket: TcpStream,
    script: &(impl Fn(&Asked, usize) -> Answer + Send + Sync),
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut asked = Asked {
        path,
        head,
        body: String::new(),
    };
    if let Some(length) = asked.header("content-length").and_then(|length| length.parse().ok()) {
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await?;
        asked.body = String::from_utf8_lossy(&body).into_owned();
    }
    let answer = {
        let mut log = log.lock().expect("log");
        log.push(asked.clone());
        script(&asked, log.len() - 1)
    };
    if answer.silent {
        std::future::pending::<()>().await;
    }
    if let Some(barrier) = &answer.together {
        barrier.wait().await;
    }
    let mut out = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
    let (mut before, mut after) = (String::new(), "");
    match answer.end {
        End::Length => out.push_str(&format!("content-length: {}\r\n", answer.body.len())),
        End::Chunk => {
            out.push_str("transfer-encoding: chunked\r\n");
            (before, after) = (format!("{:x}\r\n", answer.body.len()), "\r\n0\r\n\r\n");
        }
        End::Nothing => {}
    }
    for (name, value) in &answer.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    out.push_str(&before);
    socket.write_all(out.as_bytes()).await?;
    socket
        .write_all(&answer.body[..answer.body.len().saturating_sub(answer.cut)])
        .await?;
    socket.write_all(after.as_bytes()).await?;
    socket.shutdown().await
}
