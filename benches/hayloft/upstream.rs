//! A stand-in upstream that takes its time, and says when it was first asked.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// What each request takes that is not answered at once.
pub const LATENCY: Duration = Duration::from_millis(50);

/// An answer to a path.
pub enum Answer {
    /// Once it is released.
    Released(String),
    /// After [`LATENCY`].
    Slow(String),
}

pub struct Upstream {
    pub url: String,
    state: Arc<State>,
}

struct State {
    answer: fn(&str) -> Answer,
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    released: bool,
    began: Option<Instant>,
    answered: HashSet<String>,
}

impl Upstream {
    pub fn start(answer: fn(&str) -> Answer) -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::new(State {
            answer,
            progress: Mutex::default(),
            changed: Condvar::new(),
        });
        thread::spawn({
            let state = state.clone();
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let state = state.clone();
                    thread::spawn(move || serve(&stream, &state));
                }
            }
        });
        Upstream { url, state }
    }

    pub fn release(&self) {
        self.state.progress.lock().expect("the progress").released = true;
        self.state.changed.notify_all();
    }

    /// Seconds from the first slow request until now, when so many are answered.
    pub fn seconds(&self, requests: usize) -> f64 {
        const PATIENCE: Duration = Duration::from_secs(300);
        let progress = self.state.progress.lock().expect("the progress");
        let (progress, waited) = self
            .state
            .changed
            .wait_timeout_while(progress, PATIENCE, |progress| progress.answered.len() < requests)
            .expect("the progress");
        assert!(
            !waited.timed_out(),
            "{} of {requests} requests came",
            progress.answered.len()
        );
        progress.began.expect("a first request").elapsed().as_secs_f64()
    }
}

/// Serves one connection until it is closed.
fn serve(stream: &TcpStream, state: &State) {
    stream.set_nodelay(true).expect("no delay");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let (body, slow) = match (state.answer)(&path) {
            Answer::Released(body) => (state.held(body), false),
            Answer::Slow(body) => (state.slow(body), true),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut out = stream;
        if out.write_all([head, body].concat().as_bytes()).is_err() {
            return;
        }
        if slow {
            let mut progress = state.progress.lock().expect("the progress");
            progress.answered.insert(path);
            state.changed.notify_all();
        }
    }
}

impl State {
    fn held(&self, body: String) -> String {
        let progress = self.progress.lock().expect("the progress");
        drop(self.changed.wait_while(progress, |progress| !progress.released));
        body
    }

    fn slow(&self, body: String) -> String {
        let mut progress = self.progress.lock().expect("the progress");
        progress.began.get_or_insert_with(Instant::now);
        drop(progress);
        #[allow(
            clippy::disallowed_methods,
            reason = "the latency that is measured; nothing here is asynchronous"
        )]
        thread::sleep(LATENCY);
        body
    }
}
