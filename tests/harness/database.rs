//! On which database a test runs, and a look into it beside Hayloft. Knows both drivers; no table of a definition.

use std::path::Path;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::cluster::Database;

/// The databases that everything must hold on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
}

/// Makes of each `async fn name(db: Db)` the tests `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::harness::Db;

            #[tokio::test]
            async fn sqlite() {
                super::$name(Db::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                super::$name(Db::Postgres).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// The database of one test.
pub enum Place {
    /// `schema.db` in the test's folder: the default, so nothing is said about it.
    File,
    Cluster(Database),
    /// Somewhere that the test itself sees to.
    Elsewhere(String),
}

impl Place {
    pub fn new(db: Db) -> Place {
        match db {
            Db::Sqlite => Place::File,
            Db::Postgres => Place::Cluster(Database::new()),
        }
    }

    /// What `HAYLOFT_DATABASE` must say.
    pub fn url(&self, folder: &Path) -> String {
        match self {
            Place::File => format!("sqlite:{}", folder.join("schema.db").display()),
            Place::Cluster(database) => database.url(),
            Place::Elsewhere(url) => url.clone(),
        }
    }
}

/// Runs SQL beside Hayloft; gives all values as texts, null as an empty one.
pub async fn rows(url: &str, sql: &str) -> Vec<Vec<String>> {
    match url.strip_prefix("sqlite:") {
        Some(path) => rows_of_file(path, sql),
        None => rows_of_server(url, sql).await,
    }
}

fn rows_of_file(path: &str, sql: &str) -> Vec<Vec<String>> {
    use rusqlite::types::Value;
    let database = rusqlite::Connection::open(path).expect("the database");
    let text = |value: Value| match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{bytes:?}"),
    };
    let mut statement = database.prepare(sql).expect(sql);
    let width = statement.column_count();
    let rows = statement.query_map([], |row| (0..width).map(|at| row.get(at).map(text)).collect());
    rows.expect(sql).collect::<Result<_, _>>().expect(sql)
}

async fn rows_of_server(url: &str, sql: &str) -> Vec<Vec<String>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database");
    let connection = tokio::spawn(connection);
    let messages = client
        .simple_query(sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push(
                (0..row.len())
                    .map(|at| row.get(at).unwrap_or_default().to_owned())
                    .collect(),
            );
        }
    }
    drop(client);
    let _ = connection.await;
    rows
}

/// What a statement of a test locks on a server, so that whoever wants it waits.
pub struct Hold {
    url: String,
    client: Client,
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

impl Hold {
    pub async fn of(url: &str, sql: &str) -> Hold {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the database");
        let connection = tokio::spawn(connection);
        client.batch_execute(&format!("BEGIN;{sql}")).await.expect(sql);
        Hold {
            url: url.to_owned(),
            client,
            connection,
        }
    }

    /// Waits until somebody else on the same database waits for a lock.
    pub async fn is_waited_for(&self) {
        let waits = "SELECT 1 FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'";
        super::eventually("somebody who waits", || async {
            let waiting = rows_of_server(&self.url, waits).await;
            (!waiting.is_empty()).then_some(())
        })
        .await;
    }

    pub async fn let_go(self) {
        self.client.batch_execute("COMMIT").await.expect("an end");
        drop(self.client);
        let _ = self.connection.await;
    }
}
