//! One request for each row, to an upstream that takes its time: by one process, then by two that share a database.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Target,
    cluster::Cluster,
    figure,
    hand_postgres::number,
    process::{Server, wait_until},
};

/// Rows, and so requests: enough that the time until a helper notices the work is small beside the work.
const PARENTS: usize = 12_000;
/// What each request takes.
const LATENCY: Duration = Duration::from_millis(50);

/// The source allows more at once than two processes ask for, so that it is not what limits them.
const DEFINITION: &str = r#"extend schema @source(name: "up", url: "{$env.UP}", concurrency: 64)

type Item @fetch(source: "up", GET: "/items", rows: ".[]") {
  id: ID!
  recipes: [Recipe!]! @fetch(source: "up", GET: "/items/{$this.id}/recipes", rows: ".[]")
}

type Recipe {
  id: ID!
  name: String!
}
"#;

pub fn figures(folder: &Path, cluster: &Cluster) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    let one = seconds(folder, cluster, 1);
    let two = seconds(folder, cluster, 2);
    println!(
        "({PARENTS} requests of {} ms: {:.1} s by one process, {:.1} s by two)",
        LATENCY.as_millis(),
        one,
        two
    );
    figure(
        "PostgreSQL: fan-out by two processes ÷ by one",
        one / two,
        "×",
        &Target::AtLeast(1.8),
    );
}

/// From the first request to the answer of the last.
fn seconds(folder: &Path, cluster: &Cluster, processes: usize) -> f64 {
    let url = cluster.url(&cluster.create_database());
    let upstream = Upstream::start();
    let up = format!("http://{}", upstream.address);
    let servers: Vec<Server> = (0..processes)
        .map(|_| Server::start(folder, Some(&url), &[("UP", &up)]))
        .collect();
    // Nothing is harvested before all are there: the list of items is held back.
    let there = processes as i64;
    wait_until("all processes share the database", || {
        number(&url, "SELECT count(*) FROM hayloft_process") == there
    });
    upstream.release();
    let seconds = upstream.wait();
    let stored = PARENTS as i64;
    wait_until("every answer is stored", || {
        number(&url, "SELECT count(*) FROM recipe") == stored
    });
    drop(servers);
    seconds
}

/// A stand-in that answers each request after a while.
struct Upstream {
    address: std::net::SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    released: bool,
    began: Option<Instant>,
    ended: Option<Instant>,
    answered: HashSet<String>,
}

impl Upstream {
    fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(State::default());
        thread::spawn({
            let state = state.clone();
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let state = state.clone();
                    thread::spawn(move || serve(&stream, &state));
                }
            }
        });
        Upstream { address, state }
    }

    fn release(&self) {
        self.state.progress.lock().expect("the progress").released = true;
        self.state.changed.notify_all();
    }

    /// Waits for the last answer; gives the seconds since the first request.
    fn wait(&self) -> f64 {
        const PATIENCE: Duration = Duration::from_secs(300);
        let progress = self.state.progress.lock().expect("the progress");
        let (progress, waited) = self
            .state
            .changed
            .wait_timeout_while(progress, PATIENCE, |progress| progress.ended.is_none())
            .expect("the progress");
        assert!(
            !waited.timed_out(),
            "{} of {PARENTS} requests came",
            progress.answered.len()
        );
        let (began, ended) = progress.began.zip(progress.ended).expect("both ends");
        ended.duration_since(began).as_secs_f64()
    }
}

/// Serves one connection until it is closed.
fn serve(stream: &TcpStream, state: &State) {
    stream.set_nodelay(true).expect("no delay");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(request) = lines.next() {
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
        let body = answer(&path, state);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut out = stream;
        if out.write_all([head, body].concat().as_bytes()).is_err() {
            return;
        }
        state.note(&path);
    }
}

fn answer(path: &str, state: &State) -> String {
    let Some(item) = path.strip_prefix("/items/") else {
        let progress = state.progress.lock().expect("the progress");
        drop(state.changed.wait_while(progress, |progress| !progress.released));
        let items: Vec<String> = (0..PARENTS).map(|item| format!("{{\"id\":\"i{item}\"}}")).collect();
        return format!("[{}]", items.join(","));
    };
    state
        .progress
        .lock()
        .expect("the progress")
        .began
        .get_or_insert_with(Instant::now);
    #[allow(
        clippy::disallowed_methods,
        reason = "the latency that is measured; nothing here is asynchronous"
    )]
    thread::sleep(LATENCY);
    let item = item.split('/').next().unwrap_or_default();
    format!("[{{\"id\":\"r-{item}\",\"name\":\"Recipe of {item}\"}}]")
}

impl State {
    fn note(&self, path: &str) {
        if path == "/items" {
            return;
        }
        let mut progress = self.progress.lock().expect("the progress");
        progress.answered.insert(path.to_owned());
        if progress.answered.len() == PARENTS {
            progress.ended.get_or_insert_with(Instant::now);
            self.changed.notify_all();
        }
    }
}
