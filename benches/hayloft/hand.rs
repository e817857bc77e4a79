//! The same work by hand with rusqlite: the limit to compare with.

use std::{
    fmt::Write,
    io::{BufRead, BufReader},
    path::Path,
    time::Instant,
};

use rusqlite::{Connection, OpenFlags, params};
use serde_json::Value;

pub fn open(path: &Path) -> Connection {
    let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database");
    database.set_prepared_statement_cache_capacity(16);
    database
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("text")
}

/// 100 items, the quests that need each, as JSON: three prepared statements and string building.
pub fn nested(database: &Connection) -> String {
    let mut items = database
        .prepare_cached("SELECT id, name, price FROM item ORDER BY id LIMIT 100")
        .expect("SQL");
    let mut needs = database
        .prepare_cached(
            "SELECT n.quantity, q.id, q.title FROM quest_item n JOIN quest q ON q.id = n.quest_id \
             WHERE n.item_id = ?1 ORDER BY n.quest_id, n.item_id",
        )
        .expect("SQL");
    let mut out = String::from("{\"items\":[");
    let mut rows = items.query([]).expect("rows");
    let mut first = true;
    while let Some(row) = rows.next().expect("a row") {
        let id = row.get_ref(0).expect("id").as_str().expect("text");
        let name = row.get_ref(1).expect("name").as_str().expect("text");
        let price: Option<f64> = row.get(2).expect("price");
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        let price = price.map_or_else(|| "null".to_owned(), |price| format!("{price:?}"));
        let _ = write!(
            out,
            "{comma}{{\"id\":{},\"name\":{},\"price\":{price},\"requiredFor\":[",
            quoted(id),
            quoted(name)
        );
        let mut lines = needs.query(params![id]).expect("rows");
        let mut first = true;
        while let Some(line) = lines.next().expect("a row") {
            let quantity: i64 = line.get(0).expect("quantity");
            let quest = line.get_ref(1).expect("id").as_str().expect("text");
            let title = line.get_ref(2).expect("title").as_str().expect("text");
            let comma = if std::mem::take(&mut first) { "" } else { "," };
            let (quest, title) = (quoted(quest), quoted(title));
            let _ = write!(
                out,
                "{comma}{{\"quantity\":{quantity},\"quest\":{{\"id\":{quest},\"title\":{title}}}}}"
            );
        }
        out.push_str("]}");
    }
    out.push_str("]}");
    out
}

/// 5,000 rows of 8 columns as JSON.
pub fn flat(database: &Connection) -> String {
    let mut items = database
        .prepare_cached(
            "SELECT id, name, price, rarity, weight, stock, active, updated FROM item ORDER BY id LIMIT 5000",
        )
        .expect("SQL");
    let mut out = String::from("{\"items\":[");
    let mut rows = items.query([]).expect("rows");
    let mut first = true;
    while let Some(row) = rows.next().expect("a row") {
        let text = |column: usize| quoted(row.get_ref(column).expect("a column").as_str().expect("text"));
        let price: f64 = row.get(2).expect("price");
        let (weight, stock): (i64, i64) = (row.get(4).expect("weight"), row.get(5).expect("stock"));
        let active: bool = row.get(6).expect("active");
        // Stored with six digits of a second, served without those that are zero.
        let updated = text(7).replace(".000000Z", "Z");
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        let _ = write!(
            out,
            "{comma}{{\"id\":{},\"name\":{},\"price\":{price:?},\"rarity\":{},\"weight\":{weight},\"stock\":{stock},\
             \"active\":{active},\"updated\":{updated}}}",
            text(0),
            text(1),
            text(3),
        );
    }
    out.push_str("]}");
    out
}

/// Loads the million rows: parse, bind, insert, a commit every 4,000 rows. Gives the seconds.
pub fn load(folder: &Path) -> f64 {
    const PER_COMMIT: usize = 4_000;
    let began = Instant::now();
    let path = folder.join("by-hand.db");
    let mut database = Connection::open(&path).expect("a database");
    database
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (_row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, \
             name TEXT NOT NULL, price REAL, rarity TEXT, weight INTEGER, stock INTEGER, active INTEGER, updated TEXT)",
        )
        .expect("a table");
    let mut lines =
        BufReader::with_capacity(1 << 20, std::fs::File::open(folder.join("rows.ndjson")).expect("rows")).lines();
    loop {
        let transaction = database.transaction().expect("a transaction");
        let mut done = 0;
        {
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO t (id,name,price,rarity,weight,stock,active,updated) VALUES (?,?,?,?,?,?,?,?)",
                )
                .expect("SQL");
            for line in lines.by_ref().take(PER_COMMIT) {
                let row: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
                insert
                    .execute(params![
                        row["id"].as_str(),
                        row["name"].as_str(),
                        row["price"].as_f64(),
                        row["rarity"].as_str(),
                        row["weight"].as_i64(),
                        row["stock"].as_i64(),
                        row["active"].as_bool(),
                        row["updated"].as_str(),
                    ])
                    .expect("insert");
                done += 1;
            }
        }
        transaction.commit().expect("commit");
        if done < PER_COMMIT {
            break;
        }
    }
    began.elapsed().as_secs_f64()
}
