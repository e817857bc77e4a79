//! What answers are compared with: a server that passes on what a handwritten statement gives, and does nothing else. Knows axum and
//! statements; nothing of what they ask.
//!
//! It is this program again, as a process of its own, so that its time can be told from that of the clients.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::post,
};
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls, Statement};

use crate::{hand, process};

/// The word by which this program is told to be that server.
pub const WORD: &str = "pass-on";
/// Connections to the database: as many as there are processors, and a few more.
const CONNECTIONS: usize = 8;

/// Such a server as a process.
pub struct Passing {
    child: Child,
    pub address: SocketAddr,
}

impl Passing {
    /// Over the database file, or the address of a database, with the statements of a file, a line each.
    pub fn start(database: &str, statements: &Path) -> Passing {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(WORD).arg(database).arg(statements);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("this program again");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its address");
        let address = line.trim().parse().expect("an address");
        Passing { child, address }
    }

    pub fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(self.child.id())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request for the answer of a statement, by its place. The body is as long as one that asks this by a query.
pub fn request(at: usize) -> Vec<u8> {
    let body = serde_json::json!({ "query": "{ items(first: 100) { id name price } }" }).to_string();
    let head =
        "POST /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: application/json";
    format!(
        "{head}\r\nx-statement: {at}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Serves until it is killed.
pub fn serve(arguments: &[String]) {
    let [database, statements] = arguments else {
        panic!("a database and a file of statements");
    };
    let text = std::fs::read_to_string(statements).expect("statements");
    let statements: Vec<String> = text.lines().map(str::to_owned).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let asked = match database.starts_with("postgres") {
            true => Asked::Server(connect(database, &statements).await),
            false => Asked::File(Arc::new(opened(Path::new(database), statements))),
        };
        let app = Router::new().route("/graphql", post(answer)).with_state(asked);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        axum::serve(listener, app).await.expect("served");
    });
}

#[derive(Clone)]
enum Asked {
    File(Arc<File>),
    Server(Arc<[(Client, Vec<Statement>)]>),
}

struct File {
    free: Mutex<Vec<Connection>>,
    path: std::path::PathBuf,
    statements: Vec<String>,
}

fn opened(path: &Path, statements: Vec<String>) -> File {
    File {
        free: Mutex::default(),
        path: path.to_owned(),
        statements,
    }
}

async fn connect(url: &str, statements: &[String]) -> Arc<[(Client, Vec<Statement>)]> {
    let mut all = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client.batch_execute("SET jit=off").await.expect("SQL");
        let mut prepared = Vec::new();
        for sql in statements {
            prepared.push(client.prepare(sql).await.expect("SQL"));
        }
        all.push((client, prepared));
    }
    all.into()
}

async fn answer(State(asked): State<Asked>, headers: HeaderMap, _body: String) -> impl IntoResponse {
    let at = headers.get("x-statement").and_then(|at| at.to_str().ok()?.parse().ok());
    let at: usize = at.expect("which statement");
    let json = match asked {
        Asked::File(file) => tokio::task::spawn_blocking(move || from_file(&file, at))
            .await
            .expect("a thread"),
        Asked::Server(clients) => {
            // In turns: no client waits for another one's connection.
            static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
            let turn = TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let (client, statements) = &clients[turn % clients.len()];
            let row = client.query_one(&statements[at], &[]).await.expect("an answer");
            row.get::<_, String>(0)
        }
    };
    let body = format!("{{\"data\":{json}}}");
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body)
}

fn from_file(file: &File, at: usize) -> String {
    let free = file.free.lock().expect("connections").pop();
    let connection = free.unwrap_or_else(|| hand::open(&file.path));
    let json = {
        let mut statement = connection.prepare_cached(&file.statements[at]).expect("SQL");
        statement.query_row([], |row| row.get(0)).expect("an answer")
    };
    file.free.lock().expect("connections").push(connection);
    json
}
