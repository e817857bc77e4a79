//! The linked rows by hand: rusqlite and tokio-postgres, tables with their keys first, all other indexes last.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    pin::pin,
    time::Instant,
};

use futures_util::SinkExt;
use rusqlite::{Connection, ToSql, params_from_iter, types::Value as Cell};
use serde_json::Value;
use tokio_postgres::Client;

use crate::hand_postgres::connect;

/// Rows of one transaction, as the program has them.
const PER_COMMIT: usize = 4_000;

/// A table: its file, its columns beside the key, which is a text.
struct Table {
    name: &'static str,
    file: &'static str,
    columns: &'static [(&'static str, &'static str)],
    indexes: &'static [&'static str],
}

const TABLES: [Table; 5] = [
    Table {
        name: "tag",
        file: "tags.ndjson",
        columns: &[("name", "TEXT")],
        indexes: &[],
    },
    Table {
        name: "npc",
        file: "npcs.ndjson",
        columns: &[("name", "TEXT")],
        indexes: &[],
    },
    Table {
        name: "item",
        file: "items.ndjson",
        columns: &[("name", "TEXT"), ("price", "DOUBLE PRECISION")],
        indexes: &[],
    },
    Table {
        name: "quest",
        file: "quests.ndjson",
        columns: &[("title", "TEXT"), ("npc", "TEXT")],
        indexes: &["npc"],
    },
    Table {
        name: "line",
        file: "lines.ndjson",
        columns: &[("quest", "TEXT"), ("item", "TEXT"), ("quantity", "BIGINT")],
        indexes: &["quest", "item"],
    },
];

/// The links of items to tags, by position.
const LINKS: &str =
    "item_tags (item TEXT NOT NULL, position BIGINT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (item, position))";
const LINKS_INDEX: &str = "CREATE INDEX item_tags_tag ON item_tags (tag)";

impl Table {
    fn create(&self, end: &str) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|(name, kind)| format!("{name} {kind}"))
            .collect();
        format!(
            "CREATE TABLE {} (id TEXT NOT NULL {end}, {})",
            self.name,
            columns.join(", ")
        )
    }

    fn index(&self) -> String {
        let index = |column: &&str| format!("CREATE INDEX {0}_{column} ON {0} ({column});", self.name);
        self.indexes.iter().map(index).collect()
    }

    fn names(&self) -> Vec<&'static str> {
        ["id"]
            .into_iter()
            .chain(self.columns.iter().map(|(name, _)| *name))
            .collect()
    }

    fn records(&self, folder: &Path) -> impl Iterator<Item = Value> + use<> {
        let file = File::open(folder.join(self.file)).expect("rows");
        let lines = BufReader::with_capacity(1 << 20, file).lines();
        lines.map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
    }
}

fn tags(record: &Value) -> impl Iterator<Item = &str> {
    let tags = record["tags"].as_array().into_iter().flatten();
    tags.map(|tag| tag.as_str().expect("a text"))
}

/// What a load by hand took, from the files to the last commit.
pub fn sqlite(folder: &Path, first: bool) -> f64 {
    let began = Instant::now();
    let mut database = Connection::open(folder.join("by-hand.db")).expect("a database");
    run(
        &database,
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16384",
    );
    if first {
        TABLES.iter().for_each(|table| run(&database, &table.create("UNIQUE")));
        run(&database, &format!("CREATE TABLE {LINKS} WITHOUT ROWID"));
    }
    for table in &TABLES {
        let mut records = table.records(folder).peekable();
        while records.peek().is_some() {
            let transaction = database.transaction().expect("a transaction");
            write(&transaction, table, records.by_ref().take(PER_COMMIT));
            transaction.commit().expect("commit");
        }
    }
    if first {
        TABLES.iter().for_each(|table| run(&database, &table.index()));
        run(&database, LINKS_INDEX);
    }
    began.elapsed().as_secs_f64()
}

fn run(database: &Connection, sql: &str) {
    database.execute_batch(sql).expect("SQL");
}

/// New rows are added, differing ones updated, and the links of those replaced.
fn write(database: &Connection, table: &Table, records: impl Iterator<Item = Value>) {
    let names = table.names();
    let marks = vec!["?"; names.len()].join(",");
    let sets: Vec<String> = names[1..]
        .iter()
        .map(|name| format!("{name}=excluded.{name}"))
        .collect();
    let differs: Vec<String> = names[1..]
        .iter()
        .map(|name| format!("{name} IS NOT excluded.{name}"))
        .collect();
    let sql = format!(
        "INSERT INTO {}({}) VALUES ({marks}) ON CONFLICT(id) DO UPDATE SET {} WHERE {}",
        table.name,
        names.join(","),
        sets.join(","),
        differs.join(" OR ")
    );
    let mut upsert = database.prepare_cached(&sql).expect("SQL");
    let mut unlink = database
        .prepare_cached("DELETE FROM item_tags WHERE item=?")
        .expect("SQL");
    let mut link = database
        .prepare_cached("INSERT INTO item_tags VALUES (?,?,?)")
        .expect("SQL");
    for record in records {
        let cells = names.iter().map(|name| cell(&record[*name]));
        let written = upsert.execute(params_from_iter(cells)).expect("a row");
        if written == 0 || table.name != "item" {
            continue;
        }
        let id = record["id"].as_str().expect("an id");
        unlink.execute([id]).expect("no links");
        for (position, tag) in (0_i64..).zip(tags(&record)) {
            let link_cells: [&dyn ToSql; 3] = [&id, &position, &tag];
            link.execute(link_cells).expect("a link");
        }
    }
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::String(text) => Cell::Text(text.clone()),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| Cell::Real(number.as_f64().expect("a number")), Cell::Integer),
        _ => Cell::Null,
    }
}

/// The same with COPY: the first load into the tables themselves, a later one beside them.
pub fn postgres(folder: &Path, url: &str, first: bool) -> f64 {
    let (runtime, client) = connect(url);
    let began = Instant::now();
    runtime.block_on(async {
        if first {
            for table in &TABLES {
                batch(
                    &client,
                    &table.create("PRIMARY KEY").replace("TEXT", "TEXT COLLATE \"C\""),
                )
                .await;
            }
            let links = LINKS.replace("TEXT", "TEXT COLLATE \"C\"");
            batch(&client, &format!("CREATE TABLE {links}")).await;
        }
        for table in &TABLES {
            batch(&client, "BEGIN").await;
            let beside = if first { "" } else { "_came" };
            if !first {
                batch(
                    &client,
                    &format!("CREATE TEMPORARY TABLE {0}_came (LIKE {0}) ON COMMIT DROP", table.name),
                )
                .await;
            }
            if table.name == "item" && !first {
                batch(
                    &client,
                    "CREATE TEMPORARY TABLE item_tags_came (LIKE item_tags) ON COMMIT DROP",
                )
                .await;
            }
            copy(&client, table, folder, beside).await;
            if !first {
                merge(&client, table).await;
            }
            batch(&client, "COMMIT").await;
        }
        if first {
            for table in &TABLES {
                batch(&client, &table.index()).await;
            }
            batch(&client, LINKS_INDEX).await;
        }
    });
    began.elapsed().as_secs_f64()
}

async fn batch(client: &Client, sql: &str) {
    client.batch_execute(sql).await.expect("SQL");
}

async fn copy(client: &Client, table: &Table, folder: &Path, beside: &str) {
    let names = table.names();
    let mut links = String::new();
    {
        let sql = format!("COPY {}{beside}({}) FROM STDIN", table.name, names.join(","));
        let mut sink = pin!(client.copy_in(&sql).await.expect("COPY"));
        let mut text = String::new();
        for record in table.records(folder) {
            for (at, name) in names.iter().enumerate() {
                let end = if at + 1 == names.len() { '\n' } else { '\t' };
                match &record[*name] {
                    // None of the texts holds a tab, a line break or a backslash.
                    Value::String(cell) => write!(text, "{cell}{end}"),
                    other => write!(text, "{other}{end}"),
                }
                .expect("a String takes all");
            }
            for (position, tag) in tags(&record).enumerate() {
                writeln!(links, "{}\t{position}\t{tag}", record["id"].as_str().expect("an id")).expect("write");
            }
            if text.len() > 1 << 16 {
                sink.feed(bytes::Bytes::from(std::mem::take(&mut text)))
                    .await
                    .expect("send");
            }
        }
        sink.feed(bytes::Bytes::from(text)).await.expect("send");
        sink.finish().await.expect("the end of COPY");
    }
    if links.is_empty() {
        return;
    }
    let mut sink = pin!(
        client
            .copy_in(&format!("COPY item_tags{beside} FROM STDIN"))
            .await
            .expect("COPY")
    );
    sink.feed(bytes::Bytes::from(links)).await.expect("send");
    sink.finish().await.expect("the end of COPY");
}

/// Brings what came beside a table into it, as far as it differs.
async fn merge(client: &Client, table: &Table) {
    let names = &table.names()[1..];
    let all = |form: &dyn Fn(&str) -> String, between: &str| {
        names.iter().map(|name| form(name)).collect::<Vec<_>>().join(between)
    };
    let own = all(&|name| format!("t.{name}"), ",");
    let came = all(&|name| format!("c.{name}"), ",");
    let sets = all(&|name| format!("{name}=c.{name}"), ",");
    batch(
        client,
        &format!(
            "UPDATE {0} t SET {sets} FROM {0}_came c WHERE t.id=c.id AND ({own}) IS DISTINCT FROM ({came})",
            table.name
        ),
    )
    .await;
    if table.name == "item" {
        batch(
            client,
            "CREATE TEMPORARY TABLE moved ON COMMIT DROP AS SELECT DISTINCT c.item FROM item_tags_came c LEFT JOIN item_tags t \
             ON t.item=c.item AND t.position=c.position WHERE t.tag IS DISTINCT FROM c.tag;\
             DELETE FROM item_tags t USING moved m WHERE t.item=m.item;\
             INSERT INTO item_tags SELECT c.* FROM item_tags_came c JOIN moved m ON m.item=c.item",
        )
        .await;
    }
}

/// Lets SQLite look at its tables. Decimals have a collation of our own, which this data has none of.
pub fn analyze(path: &Path) {
    run(&Connection::open(path).expect("the database"), "ANALYZE");
}
