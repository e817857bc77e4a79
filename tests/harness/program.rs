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
};

use super::{PATIENCE, eventually};

/// A temporary folder with a definition in it.
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    pub fn new(definition: &str) -> Scratch {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scratch = Scratch { folder };
        scratch.write("schema.graphql", definition);
        scratch
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("write into the temporary folder");
    }

    /// Runs a command of the program to its end.
    pub async fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = command(self.folder.path(), arguments, environment);
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

    /// Starts `serve` on a free port and waits until it says where.
    pub async fn serve(&self, environment: &[(&str, &str)]) -> Program {
        Program::start(self.folder.path(), &["serve", "--listen", "127.0.0.1:0"], environment).await
    }
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
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// An HTTP client; like the program's, it must be told which provider of cryptography to use, even for plain HTTP.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy();
    // Packed files of the page arrive as they were sent, so that a test can see that they were packed.
    client.no_brotli().build().expect("an HTTP client")
}

impl Program {
    pub async fn start(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        let mut command = command(folder, arguments, environment);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("start the program");
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("its stderr");
        tokio::spawn({
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

    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Posts an operation; gives the whole response.
    pub async fn post(&self, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let request = self
            .client
            .post(format!("{}/graphql", self.url))
            .header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.expect("an answer");
        let text = response.text().await.expect("its body");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
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

    async fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.id().to_string()])
            .status()
            .await;
        assert!(status.expect("kill").success());
    }
}
