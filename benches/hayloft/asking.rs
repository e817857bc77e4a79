//! Clients that ask again as soon as they are answered, all on one thread, and a bystander on another. Knows as much of HTTP/1.1 as
//! the server speaks; no query.
//!
//! They share the processors with the server, so they are cheap: one write and a few reads a request, and nothing of an answer
//! is looked at but its head.

use std::{
    cell::RefCell,
    io,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    task::{JoinSet, LocalSet},
};

/// A server's `Retry-After`, which these clients keep to.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// What comes sooner was not waited for.
const AT_ONCE: f64 = 500.0;
/// How often the bystander asks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes of an answer that are read at once.
const READ: usize = 64 * 1024;

/// Whom a server takes the clients for: loopback has sixteen million addresses to come from.
#[derive(Clone, Copy, PartialEq)]
pub enum As {
    /// One address, so one client.
    One,
    /// Each its own.
    Many,
}

impl As {
    fn address(self, client: usize) -> Ipv4Addr {
        match self {
            As::One => Ipv4Addr::new(127, 0, 0, 2),
            As::Many => Ipv4Addr::new(127, 1, (client / 250) as u8, (client % 250 + 1) as u8),
        }
    }
}

/// What became of the requests of some seconds: how long each took, in milliseconds.
#[derive(Default)]
pub struct Asked {
    pub answered: Vec<f64>,
    /// Turned away at once.
    pub refused: Vec<f64>,
    /// Turned away after a wait.
    pub shed: Vec<f64>,
    pub seconds: f64,
}

/// So many clients ask for some time, one after the other at first; only what is asked when all are there counts. They go on until
/// that is answered: when fewer ask, those who had waited in vain are answered after all.
pub fn ask(server: SocketAddr, clients: usize, as_: As, request: &[u8], measured: Duration) -> Asked {
    // As long as those who are turned away need to come again: from then on they come at all times.
    const WARM_UP: Duration = Duration::from_millis(2_500);
    // Longer than the server lets anybody wait.
    const WAITED: Duration = Duration::from_millis(1_500);
    let asked = Rc::new(RefCell::new(Asked::default()));
    let begins = Instant::now() + WARM_UP;
    let ends = begins + measured;
    let leaves = ends + WAITED;
    let local = LocalSet::new();
    let request: Rc<[u8]> = request.into();
    let all = local.run_until(async {
        let mut running = JoinSet::new();
        for client in 0..clients {
            let (request, asked) = (request.clone(), asked.clone());
            running.spawn_local(async move {
                // Not all in one moment.
                tokio::time::sleep(WARM_UP * client as u32 / clients as u32).await;
                let mut client = Client::new(server, as_.address(client));
                while Instant::now() < leaves {
                    let began = Instant::now();
                    let status = client.ask(&request).await.expect("an answer");
                    let took = began.elapsed().as_secs_f64() * 1e3;
                    if (begins..ends).contains(&began) {
                        let mut asked = asked.borrow_mut();
                        match status {
                            200 => asked.answered.push(took),
                            503 if took < AT_ONCE => asked.refused.push(took),
                            503 => asked.shed.push(took),
                            other => panic!("the status {other}"),
                        }
                    }
                    if status == 503 {
                        // As soon as it may, or a little later, so that those who were told together do not come together.
                        let more = rand::random_range(0.0..1.0);
                        tokio::time::sleep(RETRY_AFTER.mul_f64(1.0 + more)).await;
                    }
                }
            });
        }
        running.join_all().await;
    });
    runtime().block_on(all);
    let mut asked = asked.take();
    asked.seconds = measured.as_secs_f64();
    asked
}

/// How long a bystander's requests take in milliseconds, until he is told to stop: each in turn, now and then.
pub fn stand_by(server: SocketAddr, requests: &[Vec<u8>], stop: &std::sync::atomic::AtomicBool) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); requests.len()];
    runtime().block_on(async {
        let mut client = Client::new(server, Ipv4Addr::LOCALHOST);
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            for (request, times) in requests.iter().zip(&mut times) {
                let began = Instant::now();
                let status = client.ask(request).await.expect("an answer");
                assert!([200, 503].contains(&status), "the bystander is answered {status}");
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    times
}

/// One client asks so often, one request after the other, and is told this each time.
pub fn repeat(server: SocketAddr, request: &[u8], times: usize, status: u16) {
    runtime().block_on(async {
        let mut client = Client::new(server, Ipv4Addr::LOCALHOST);
        for _ in 0..times {
            assert_eq!(client.ask(request).await.expect("an answer"), status);
        }
    });
}

/// The body of one answer.
pub fn body(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(server).expect("a connection");
    stream.write_all(request).expect("send");
    let mut answer = Vec::new();
    let mut buffer = [0; READ];
    loop {
        let read = stream.read(&mut buffer).expect("an answer");
        answer.extend_from_slice(&buffer[..read]);
        match head(&answer) {
            Some((_, length, at)) if answer.len() >= at + length => return answer.split_off(at),
            _ => assert!(read > 0, "the answer is whole"),
        }
    }
}

/// A query as a request.
pub fn post(query: &str) -> Vec<u8> {
    let body = serde_json::json!({ "query": query }).to_string();
    let head =
        "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// Of times that are sorted here; 0 without any.
pub fn percentile(times: &mut [f64], hundredths: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (times.len() * hundredths).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or(0.0)
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Connects from an address of this machine.
pub async fn connect(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

struct Client {
    server: SocketAddr,
    from: Ipv4Addr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(server: SocketAddr, from: Ipv4Addr) -> Client {
        Client {
            server,
            from,
            stream: None,
            buffer: vec![0; READ],
        }
    }

    /// Sends a request and reads the whole answer; its status.
    async fn ask(&mut self, request: &[u8]) -> io::Result<u16> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(connect(self.server, self.from).await?),
        };
        stream.write_all(request).await?;
        let mut filled = 0;
        let (status, mut left) = loop {
            let read = stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some((status, length, body_at)) = head(&self.buffer[..filled]) {
                break (status, length - (filled - body_at));
            }
        };
        while left > 0 {
            let read = stream.read(&mut self.buffer).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= read;
        }
        Ok(status)
    }
}

/// The status, the body's length and where it begins; none while the head is not whole.
fn head(answer: &[u8]) -> Option<(u16, usize, usize)> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..end]).expect("text");
    let status = text
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let length = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    Some((status, length, end + 4))
}
