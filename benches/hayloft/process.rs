//! The program under test as a process: its time, its memory, its answers.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub const BINARY: &str = env!("CARGO_BIN_EXE_hayloft");

/// What a harvest cost.
pub struct Harvested {
    pub seconds: f64,
    pub peak_mb: f64,
    pub out: String,
}

/// The program in a folder, over a database other than the one beside the definition if one is given.
fn program(folder: &Path, database: Option<&str>) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(folder);
    if let Some(url) = database {
        command.env("HAYLOFT_DATABASE", url);
    }
    command
}

/// Runs `hayloft harvest` in a folder; panics when it fails.
pub fn harvest(folder: &Path, database: Option<&str>, environment: &[(&str, &str)], arguments: &[&str]) -> Harvested {
    let began = Instant::now();
    let mut command = program(folder, database);
    command.arg("harvest").args(arguments).envs(environment.iter().copied());
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program");
    let mut peak_mb = 0.0_f64;
    // The kernel keeps the high-water mark, so looking often only matters for the last moments.
    #[allow(
        clippy::disallowed_methods,
        reason = "nothing here is asynchronous, and the process does not tell when it grows"
    )]
    while child.try_wait().expect("its state").is_none() {
        peak_mb = peak_mb.max(high_water_mb(child.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().expect("its output");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}");
    Harvested { seconds, peak_mb, out }
}

/// Looks until something is so; panics when it takes too long.
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_until_every(Duration::from_millis(100), what, holds);
}

/// The same with a look so often.
pub fn wait_until_every(gap: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(60);
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        #[allow(
            clippy::disallowed_methods,
            reason = "nothing here is asynchronous, and databases do not call"
        )]
        std::thread::sleep(gap);
    }
}

fn high_water_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1_024.0 / 1e6
}

/// Bytes that this process and its children that ended have written to disk.
pub fn own_written() -> u64 {
    written("self")
}

/// The same of the parent of a process and of all that it has started.
pub fn written_by(child: &str) -> u64 {
    let parent = parent_of(child).expect("the server's own process");
    written(&parent) + children(&parent).map(|child| written(&child)).sum::<u64>()
}

fn children(parent: &str) -> impl Iterator<Item = String> {
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let names = processes.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(move |name| parent_of(name).as_deref() == Some(parent))
}

/// The fourth word of its state; the second may hold anything in parentheses.
pub fn parent_of(process: &str) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, words) = stat.rsplit_once(')')?;
    words.split_whitespace().nth(1).map(str::to_owned)
}

fn written(process: &str) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

/// The machine's memory, for the head of the report.
pub fn memory() -> String {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = info
        .lines()
        .next()
        .and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.map_or_else(
        || "memory unknown".to_owned(),
        |size| format!("{:.0} GiB of memory", size / f64::from(1 << 20)),
    )
}

/// CPU time of this thread.
pub fn own_cpu_seconds() -> f64 {
    scheduled_seconds(Path::new("/proc/thread-self"))
}

/// Nanoseconds on a processor: the first number of the kernel's schedstat.
fn scheduled_seconds(task: &Path) -> f64 {
    let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse::<f64>().ok());
    nanoseconds.unwrap_or(0.0) / 1e9
}

/// CPU time of all threads of a process so far.
pub fn cpu_seconds(process: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("its threads");
    tasks.flatten().map(|task| scheduled_seconds(&task.path())).sum()
}

/// CPU time of a process and of all that it has started and that still run, each of which has one thread.
pub fn cpu_of_family(parent: &str) -> f64 {
    let of = |process: &str| scheduled_seconds(&Path::new("/proc").join(process));
    of(parent) + children(parent).map(|child| of(&child)).sum::<f64>()
}

/// A serving process with one connection kept open to it.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    connection: Mutex<BufReader<TcpStream>>,
}

impl Server {
    pub fn start(folder: &Path, database: Option<&str>, environment: &[(&str, &str)]) -> Server {
        let mut command = program(folder, database);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        // What is measured is how answers are made, where nothing else is said.
        command.env("HAYLOFT_ANSWER_CACHE", "0");
        command.envs(environment.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program");
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("open http://")?.1.split('/').next()?.to_owned()))
            .expect("the address");
        // Somebody must go on reading, or the program would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.parse().expect("an address");
        let connection = TcpStream::connect(address).expect("a connection");
        connection.set_nodelay(true).expect("no delay");
        Server {
            child,
            address,
            connection: Mutex::new(BufReader::with_capacity(1 << 20, connection)),
        }
    }

    /// Ends it in order, so that nobody waits for a sign of life from it.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(asked.expect("kill").success());
        self.child.wait().expect("its end");
    }

    /// Its largest resident memory since it was last forgotten.
    pub fn peak_mb(&self) -> f64 {
        high_water_mb(self.child.id())
    }

    /// From now on another peak is measured.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("its peak is reset");
    }

    /// CPU time of all threads so far.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }

    /// Asks and reads the whole answer.
    pub fn ask(&self, query: &str) {
        assert!(!self.body(query).is_empty());
    }

    /// Bytes of an answer.
    pub fn length(&self, query: &str) -> usize {
        self.body(query).len()
    }

    /// A request as it is sent.
    pub fn request(&self, request: &Value) -> Value {
        serde_json::from_slice(&self.sent(&request.to_string())).expect("JSON")
    }

    pub fn json(&self, query: &str) -> Value {
        serde_json::from_slice(&self.body(query)).expect("JSON")
    }

    fn body(&self, query: &str) -> Vec<u8> {
        self.sent(&json!({ "query": query }).to_string())
    }

    fn sent(&self, body: &str) -> Vec<u8> {
        let mut connection = self.connection.lock().expect("the connection");
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let stream = connection.get_mut();
        stream
            .write_all([head.as_bytes(), body.as_bytes()].concat().as_slice())
            .expect("send");
        let mut length = 0;
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).expect("a header");
            let line = line.trim().to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().expect("a length");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        connection.read_exact(&mut answer).expect("the body");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
