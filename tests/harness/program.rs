//! The real binary as a child process, in a folder that goes with the test.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use super::{Db, PATIENCE, Place, database, eventually};

/// A temporary folder with a definition in it, and a database beside or in it.
pub struct Scratch {
    folder: tempfile::TempDir,
    place: Place,
}

impl Scratch {
    /// With SQLite, for what has little to do with the database.
    pub fn new(definition: &str) -> Scratch {
        Scratch::on(Db::Sqlite, definition)
    }

    pub fn on(db: Db, definition: &str) -> Scratch {
        Scratch::at(Place::new(db), definition)
    }

    pub fn at(place: Place, definition: &str) -> Scratch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scratch = Scratch { folder, place };
        scratch.write("schema.graphql", definition);
        scratch
    }

    /// The address of its database.
    pub fn database(&self) -> String {
        self.place.url(self.folder.path())
    }

    /// Runs SQL beside Hayloft; gives all values as texts, null as an empty one.
    pub async fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        database::rows(&self.database(), sql).await
    }

    /// Whoever runs something keeps its lease for a while. A test has no time for that, so it lets the time pass in the database.
    pub async fn let_leases_end(&self) {
        if self.shares_its_database().await {
            let end = "UPDATE hayloft_run SET lease_until='2000-01-01T00:00:00.000Z' WHERE state='running'";
            self.rows(end).await;
        }
    }

    /// The same when no process lives: who comes does not wait for those that are gone.
    pub async fn bury_the_dead(&self) {
        if self.shares_its_database().await {
            self.last_words().await;
            self.rows("DELETE FROM hayloft_process").await;
            self.let_leases_end().await;
        }
    }

    /// Waits until the server has done what the dead had asked for: a commit that was on its way is still made.
    async fn last_words(&self) {
        // Those of a pooler stay, and are idle.
        let busy = "SELECT 1 FROM pg_stat_activity WHERE datname=current_database() AND backend_type='client backend' \
                    AND state<>'idle' AND pid<>pg_backend_pid()";
        eventually("the end of what the dead had asked for", || async {
            self.rows(busy).await.is_empty().then_some(())
        })
        .await;
    }

    /// Whether several processes may use it; false also before the first start, when there is no table yet.
    async fn shares_its_database(&self) -> bool {
        let table = "SELECT 1 FROM pg_tables WHERE tablename='hayloft_process'";
        self.database().starts_with("postgres") && !self.rows(table).await.is_empty()
    }

    /// What the test says, and where the database is when it is not the file that is used by default.
    fn command(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = command(self.folder.path(), arguments, &[]);
        if !matches!(self.place, Place::File) {
            command.env("HAYLOFT_DATABASE", self.database());
        }
        set(&mut command, environment);
        command
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("write into the temporary folder");
    }

    /// Runs a command of the program to its end.
    pub async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = self.command(arguments, environment);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let waiting = child.expect("start the program").wait_with_output();
        let output = tokio::time::timeout(PATIENCE, waiting).await;
        let output = output.expect("the program ends").expect("its output");
        Output {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The same of a command that must succeed.
    pub async fn must(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let output = self.run(arguments, environment).await;
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
        output
    }

    /// Runs a command until it ends by itself, or is ended by a point of `FAILPOINTS`.
    pub async fn end(&self, arguments: &[&str], environment: &[(&str, &str)]) -> std::process::Output {
        self.end_at(arguments, environment, std::future::pending()).await
    }

    /// The same, but it is killed at a moment, if it has not ended before.
    pub async fn end_at(
        &self,
        arguments: &[&str],
        environment: &[(&str, &str)],
        moment: impl Future<Output = ()>,
    ) -> std::process::Output {
        let mut command = self.command(arguments, environment);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let child = child.expect("start the program");
        let id = child.id().expect("it runs");
        let ended = tokio::time::timeout(PATIENCE, child.wait_with_output());
        let mut ended = std::pin::pin!(ended);
        let output = tokio::select! {
            output = &mut ended => output,
            () = moment => {
                // It may have ended by itself; nobody else has its number before it is waited for.
                let _ = send("KILL", id).await;
                ended.await
            }
        };
        output.expect("the program ends").expect("its output")
    }

    /// Starts `serve` on a free port and waits until it says where.
    pub async fn serve(&self, environment: &[(&str, &str)]) -> Program {
        Program::spawn(self.command(&SERVE, environment)).await
    }

    /// The same where it can have no more memory than that: whoever asks for more is refused it, and ends.
    pub async fn serve_within(&self, megabytes: usize, environment: &[(&str, &str)]) -> Program {
        Program::spawn(within(megabytes, &self.command(&SERVE, environment))).await
    }
}

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// The same command by a shell that sets the limit (`RLIMIT_DATA`) first, and becomes what it starts.
pub fn within(megabytes: usize, command: &Command) -> Command {
    let plain = command.as_std();
    let mut limited = Command::new("/bin/sh");
    limited.args([
        "-c",
        "ulimit -d \"$0\" && exec \"$@\"",
        &(megabytes * 1_000).to_string(),
    ]);
    limited.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.current_dir(plain.get_current_dir().unwrap_or(Path::new(".")));
    limited.stdin(Stdio::null()).kill_on_drop(true);
    limited
}

/// What a command printed.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A serving process; killed when dropped.
pub struct Program {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Reads what it says on stderr.
    reading: JoinHandle<()>,
    /// `http://127.0.0.1:4000`
    pub url: String,
    client: reqwest::Client,
}

fn command(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hayloft"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("HAYLOFT_LISTEN")
        .env_remove("HAYLOFT_DATABASE")
        .env_remove("HAYLOFT_SCHEMA")
        .env_remove("HAYLOFT_LOG")
        .env("HAYLOFT_LIMITS", UNHURRIED)
        .env("HAYLOFT_STATEMENT_TIMEOUT", "30s");
    set(&mut command, environment);
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Limits of time that no test meets unless it asks for them: tests share slow cores, and an operation may wait for its turn
/// and be at work as long as it takes.
const UNHURRIED: &str = "queue_wait=100s,request_timeout=200s";

/// Variables of a test. Limits come after those of all tests: of two for the same the later one holds.
fn set(command: &mut Command, environment: &[(&str, &str)]) {
    for (name, value) in environment {
        match *name {
            "HAYLOFT_LIMITS" => command.env(name, format!("{UNHURRIED},{value}")),
            _ => command.env(name, value),
        };
    }
}

/// An HTTP client; like the program's, it must be told which provider of cryptography to use, even for plain HTTP.
pub(super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The program closes what is idle for ten seconds. A test that starts a cluster holds its runtime up for longer, and
    // would send its next request on a connection that is closed.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    // Packed files of the page arrive as they were sent, so that a test can see that they were packed.
    client.no_brotli().build().expect("an HTTP client")
}

impl Program {
    pub async fn start(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        Program::spawn(command(folder, arguments, environment)).await
    }

    async fn spawn(mut command: Command) -> Program {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("start the program");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("its stderr");
        let reading = tokio::spawn({
            let log = log.clone();
            async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().expect("the log").push(line);
                }
            }
        });
        let mut program = Program {
            child,
            log,
            reading,
            url: String::new(),
            client: client(),
        };
        program.url = program.announced().await;
        program
    }

    /// The address that the program says one can open.
    async fn announced(&mut self) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let found = self.log().lines().find_map(|line| {
                let rest = line.split_once("open http://")?.1;
                Some(format!("http://{}", rest.split('/').next()?))
            });
            if let Some(url) = found {
                return url;
            }
            if let Some(status) = self.child.try_wait().expect("the program's state") {
                panic!("the program ended with {status}:\n{}", self.log());
            }
            assert!(tokio::time::Instant::now() < deadline, "no address:\n{}", self.log());
            tokio::time::sleep(super::LOOK_EVERY).await;
        }
    }

    /// A client of its own, for requests that are not plain operations.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// All that it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").join("\n")
    }

    /// Reads no more of its stderr, and closes that: what it writes from now on fails.
    pub async fn close_log(&mut self) {
        self.reading.abort();
        let ended = (&mut self.reading).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()), "it was still heard");
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Posts an operation; gives the whole response.
    pub async fn post(&self, query: &str, variables: Value) -> Value {
        let text = self.text(query, variables).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// The same as it was sent.
    pub async fn text(&self, query: &str, variables: Value) -> String {
        let body = json!({ "query": query, "variables": variables });
        let request = self
            .client
            .post(format!("{}/graphql", self.url))
            .header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await;
        let response = answer.unwrap_or_else(|error| panic!("no answer to {query}: {error:?}\n{}", self.log()));
        response.text().await.expect("its body")
    }

    /// The data of an operation that must succeed.
    pub async fn query(&self, query: &str) -> Value {
        let mut response = self.post(query, json!({})).await;
        assert!(response.get("errors").is_none(), "{response:#}\n{}", self.log());
        response["data"].take()
    }

    /// Waits until an operation's data satisfies a condition; gives that data.
    pub async fn eventually(&self, what: &str, query: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async {
            let data = self.query(query).await;
            is(&data).then_some(data)
        })
        .await
    }

    /// Ends it as the system would (SIGTERM) and gives the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal("TERM").await;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it ends").expect("its state").code()
    }

    /// Ends it without any warning (SIGKILL).
    pub async fn kill(mut self) {
        self.child.kill().await.expect("kill");
    }

    /// Sends it a signal, such as `STOP`.
    pub async fn signal(&self, name: &str) {
        let status = send(name, self.id()).await;
        assert!(status.expect("kill").success(), "kill -{name}");
    }
}

/// Sends a signal to a process.
async fn send(name: &str, id: u32) -> std::io::Result<std::process::ExitStatus> {
    let mut kill = Command::new("kill");
    // In some languages it does not find all signals by their names.
    kill.env("LC_ALL", "C").stderr(Stdio::null());
    kill.args([format!("-{name}"), id.to_string()]).status().await
}
