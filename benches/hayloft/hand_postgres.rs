//! The same work by hand with tokio-postgres: what to compare with on PostgreSQL.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    time::Instant,
};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, Statement};

/// 100 items and the quests that need each, as one statement that gives the answer.
const NESTED: &str = r#"
SELECT json_build_object('items', coalesce(json_agg(json_build_object(
         'id', i.id, 'name', i.name, 'price', i.price, 'requiredFor', n.list) ORDER BY i.id), '[]'))::text
FROM (SELECT id, name, price FROM item ORDER BY id LIMIT 100) i
CROSS JOIN LATERAL (
  SELECT coalesce(json_agg(json_build_object('quantity', n.quantity, 'quest', json_build_object('id', q.id, 'title', q.title))
           ORDER BY n.quest_id, n.item_id), '[]') AS list
  FROM quest_item n JOIN quest q ON q.id = n.quest_id WHERE n.item_id = i.id
) n"#;

/// 5,000 rows of 8 columns. Times are stored with six digits of a second, and served without those that are zero.
const FLAT: &str = r#"
SELECT json_build_object('items', coalesce(json_agg(json_build_object(
         'id', id, 'name', name, 'price', price, 'rarity', rarity, 'weight', weight, 'stock', stock, 'active', active,
         'updated', replace(updated, '.000000Z', 'Z')) ORDER BY id), '[]'))::text
FROM (SELECT id, name, price, rarity, weight, stock, active, updated FROM item ORDER BY id LIMIT 5000) i"#;

/// The same rows as they are stored: the caller makes the JSON.
const ROWS: &str = "SELECT id,name,price,rarity,weight,stock,active,updated FROM item ORDER BY id LIMIT 5000";

/// A connection with the statements prepared.
pub struct Hand {
    runtime: Runtime,
    client: Client,
    nested: Statement,
    flat: Statement,
    rows: Statement,
}

impl Hand {
    /// Connects to a database that the program has filled with the farm.
    pub fn connect(url: &str) -> Hand {
        let (runtime, client) = connect(url);
        // Autovacuum would do so within a minute; both sides read the same tables, and neither should wait for it.
        runtime.block_on(client.batch_execute("ANALYZE")).expect("ANALYZE");
        let nested = runtime.block_on(client.prepare(NESTED)).expect("SQL");
        let flat = runtime.block_on(client.prepare(FLAT)).expect("SQL");
        let rows = runtime.block_on(client.prepare(ROWS)).expect("SQL");
        Hand {
            runtime,
            client,
            nested,
            flat,
            rows,
        }
    }

    pub fn nested(&self) -> String {
        self.answer(&self.nested)
    }

    pub fn flat(&self) -> String {
        self.answer(&self.flat)
    }

    /// The flat answer, put together here instead of in the database.
    pub fn flat_from_rows(&self) -> String {
        let rows = self.runtime.block_on(self.client.query(&self.rows, &[]));
        let mut out = String::from("{\"items\":[");
        for (at, row) in rows.expect("rows").iter().enumerate() {
            let text = |column| serde_json::to_string(row.get::<usize, &str>(column)).expect("text");
            let comma = if at == 0 { "" } else { "," };
            let (price, weight, stock, active): (f64, i64, i64, bool) =
                (row.get(2), row.get(4), row.get(5), row.get(6));
            let updated = text(7).replace(".000000Z", "Z");
            let written = std::fmt::Write::write_fmt(
                &mut out,
                format_args!(
                    "{comma}{{\"id\":{},\"name\":{},\"price\":{price:?},\"rarity\":{},\"weight\":{weight},\"stock\":{stock},\
                     \"active\":{active},\"updated\":{updated}}}",
                    text(0),
                    text(1),
                    text(3),
                ),
            );
            written.expect("a String takes all");
        }
        out.push_str("]}");
        out
    }

    fn answer(&self, statement: &Statement) -> String {
        let row = self.runtime.block_on(self.client.query_one(statement, &[]));
        row.expect("an answer").get(0)
    }
}

/// A connection, and what drives it.
pub fn connect(url: &str) -> (Runtime, Client) {
    // One thread for the caller and the connection: nothing is lost by waking another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (client, connection) = runtime
        .block_on(tokio_postgres::connect(url, NoTls))
        .expect("a connection");
    runtime.spawn(connection);
    (runtime, client)
}

/// One number of a database, such as a count.
pub fn number(url: &str, sql: &str) -> i64 {
    let (runtime, client) = connect(url);
    runtime.block_on(client.query_one(sql, &[])).expect("a number").get(0)
}

/// The same again and again, by one connection.
pub fn numbers(url: &str, sql: &'static str) -> impl FnMut() -> i64 + use<> {
    let (runtime, client) = connect(url);
    move || runtime.block_on(client.query_one(sql, &[])).expect("a number").get(0)
}

/// The server's first process, which has started all others.
pub fn postmaster(url: &str) -> String {
    let (runtime, client) = connect(url);
    let row = runtime.block_on(client.query_one("SELECT pg_backend_pid()", &[]));
    let own: i32 = row.expect("a number").get(0);
    crate::process::parent_of(&own.to_string()).expect("the process of a connection")
}

/// Runs statements that give nothing.
pub fn execute(url: &str, sql: &str) {
    let (runtime, client) = connect(url);
    runtime.block_on(client.batch_execute(sql)).expect("SQL");
}

/// Copies the million rows, parsed beforehand, into a table with the same columns and key. Gives the seconds.
pub fn copy(folder: &Path, url: &str) -> f64 {
    let rows = as_copy_text(folder);
    let (runtime, client) = connect(url);
    runtime.block_on(async {
        client
            .batch_execute(
                "CREATE TABLE copied (id TEXT COLLATE \"C\" PRIMARY KEY, name TEXT NOT NULL, price DOUBLE PRECISION, rarity TEXT, \
                 weight BIGINT, stock BIGINT, active BOOLEAN, updated TEXT)",
            )
            .await
            .expect("a table");
        let began = Instant::now();
        let sink = client.copy_in("COPY copied FROM STDIN").await.expect("COPY");
        futures_util::pin_mut!(sink);
        for piece in rows.chunks(64 << 10) {
            let piece = bytes::Bytes::copy_from_slice(piece);
            futures_util::SinkExt::feed(&mut sink, piece).await.expect("send");
        }
        let count = sink.finish().await.expect("the end of COPY");
        assert_eq!(count, 1_000_000);
        began.elapsed().as_secs_f64()
    })
}

/// The rows in COPY's own format. None of their texts holds a tab, a line break or a backslash.
fn as_copy_text(folder: &Path) -> Vec<u8> {
    const COLUMNS: [&str; 8] = ["id", "name", "price", "rarity", "weight", "stock", "active", "updated"];
    let file = File::open(folder.join("rows.ndjson")).expect("rows");
    let mut out = Vec::with_capacity(128 << 20);
    for line in BufReader::with_capacity(1 << 20, file).lines() {
        let row: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        for (at, column) in COLUMNS.into_iter().enumerate() {
            let end = if at + 1 == COLUMNS.len() { "\n" } else { "\t" };
            match &row[column] {
                Value::String(text) => write!(out, "{text}{end}"),
                other => write!(out, "{other}{end}"),
            }
            .expect("write");
        }
    }
    out
}
