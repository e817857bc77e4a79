//! The upstream of an example as a process of its own. Knows how it is started and asked; knows no example's data.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{PATIENCE, program::client};

/// The folder of an example.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The text of a file of an example.
pub fn text_of_example(name: &str, file: &str) -> String {
    let path = example(name).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A running `upstream.mjs`; killed when dropped.
pub struct StandIn {
    _child: Child,
    /// `http://127.0.0.1:40123`
    pub url: String,
    client: reqwest::Client,
}

impl StandIn {
    /// Starts the upstream of an example on a free port and waits until it says where.
    pub async fn start(name: &str, options: &[&str]) -> StandIn {
        let mut command = Command::new("node");
        command.args(["upstream.mjs", "--port", "0"]).args(options);
        command.current_dir(example(name)).stdin(Stdio::null());
        let child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.expect("node runs upstream.mjs");
        let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("it says something").expect("its stdout").expect("a line");
        let url = line.strip_prefix("listening on ").expect("its address").to_owned();
        StandIn {
            _child: child,
            url,
            client: client(),
        }
    }

    /// All that its world holds.
    pub async fn truth(&self) -> Value {
        self.asks(self.client.get(format!("{}/stand-in/truth", self.url))).await
    }

    /// How many requests came, and how many were told that nothing changed.
    pub async fn asked(&self) -> Asked {
        self.asked_below("/").await
    }

    /// The same, and how many of them were for addresses that begin so.
    pub async fn asked_below(&self, begin: &str) -> Asked {
        let url = format!("{}/stand-in/asked?below={begin}", self.url);
        let told = self.asks(self.client.get(url)).await;
        let number = |name: &str| told[name].as_u64().expect("a count");
        Asked {
            requests: number("requests"),
            unchanged: number("unchanged"),
            spoiled: number("spoiled"),
            below: number("below"),
            most: number("most"),
        }
    }

    /// Moves its world one step; gives what it says of that.
    pub async fn step(&self) -> Value {
        self.asks(self.client.post(format!("{}/stand-in/step", self.url))).await
    }

    async fn asks(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.expect("an answer of the stand-in");
        let text = answer.text().await.expect("its body");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }
}

/// What a stand-in was asked so far.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub requests: u64,
    /// Those of whom it knew that they had the answer.
    pub unchanged: u64,
    pub spoiled: u64,
    pub below: u64,
    /// Requests for the address that was asked for most.
    pub most: u64,
}
