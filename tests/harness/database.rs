//! On which database a test runs, and a look into it beside Hayloft. Knows both drivers; no table of a definition.

use std::path::Path;

use tokio_postgres::{NoTls, SimpleQueryMessage};

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
