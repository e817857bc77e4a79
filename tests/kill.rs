//! `kill -9` at random moments of a harvest: after a restart and one run, the rows are the upstream's, all compared.

use std::{collections::BTreeMap, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::harness::{Reply, Scratch, Upstream};

const KILLS: u64 = 20;
const PAGES: usize = 12;
const PER_PAGE: usize = 120;

const DEFINITION: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", every: \"1h\", GET: \"/things?page={$page}\", rows: \".rows[]\", pages: {last: \".pages\"}, missing: DELETE, maxMissing: 1) {\n\
      id: ID! n: Int! tags: [Tag!]! @ref(jq: \".tags[]\") parts: [Part!]! @nested(jq: \".parts[]\") }\n\
    type Tag { id: ID! things: [Thing!]! @inverse(field: \"tags\") }\n\
    type Part { thing: Thing! name: String! @id size: Int! }\n";

/// One version of the upstream: about a fifth of the rows differ from one version to the next, some come, some go.
fn version(number: u64) -> BTreeMap<String, Value> {
    let mut random = StdRng::seed_from_u64(number);
    let mut rows = BTreeMap::new();
    for id in 0..PAGES * PER_PAGE {
        if random.random_bool(0.05) {
            continue;
        }
        let stays = random.random_bool(0.8);
        let n = if stays {
            id as u64
        } else {
            random.random_range(0..1_000)
        };
        let parts: Vec<Value> = (0..n % 3)
            .map(|part| json!({ "name": format!("p{part}"), "size": n + part }))
            .collect();
        let row = json!({ "id": id.to_string(), "n": n, "tags": [format!("t{}", n % 7), format!("t{}", n % 5 + 10)], "parts": parts });
        rows.insert(format!("{id:06}"), row);
    }
    rows
}

fn publish(upstream: &Upstream, rows: &BTreeMap<String, Value>) {
    let rows: Vec<Value> = rows.values().cloned().collect();
    upstream.handle(move |path| {
        let page: usize = path.strip_prefix("/things?page=")?.parse().ok()?;
        let slice: Vec<&Value> = rows.iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).collect();
        Some(Reply::json(
            &json!({ "rows": slice, "pages": rows.len().div_ceil(PER_PAGE) }),
        ))
    });
}

/// All that the database holds, read without Hayloft: rows, links and children by id.
fn stored(scratch: &Scratch) -> BTreeMap<String, Value> {
    let database = rusqlite::Connection::open(scratch.path("schema.db")).expect("the database");
    let whole: String = database
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("a check");
    assert_eq!(whole, "ok");
    let text = |sql: &str| {
        let mut statement = database.prepare(sql).expect("SQL");
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
        rows.expect("rows").collect::<Result<Vec<_>, _>>().expect("texts")
    };
    let mut things = BTreeMap::new();
    for (id, n) in text("SELECT id, CAST(n AS TEXT) FROM thing") {
        let n: u64 = n.parse().expect("a number");
        let fresh = json!({ "id": id, "n": n, "tags": [], "parts": [] });
        assert!(things.insert(format!("{id:0>6}"), fresh).is_none(), "{id} twice");
    }
    let mut append = |sql: &str, list: &str| {
        for (id, entry) in text(sql) {
            let thing = things
                .get_mut(&format!("{id:0>6}"))
                .unwrap_or_else(|| panic!("{list} of {id} without owner"));
            let entry = serde_json::from_str(&entry).expect("JSON");
            thing[list].as_array_mut().expect("a list").push(entry);
        }
    };
    append(
        "SELECT owner_id, json_quote(target_id) FROM thing_tags ORDER BY owner_id, _position",
        "tags",
    );
    append(
        "SELECT thing_id, json_object('name', name, 'size', size) FROM part ORDER BY thing_id, _position",
        "parts",
    );
    things
}

#[tokio::test]
async fn twenty_kills_lose_and_double_nothing() {
    let upstream = Upstream::start().await;
    let scratch = Scratch::new(DEFINITION);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let mut random = StdRng::seed_from_u64(20_261_121);
    for number in 1..=KILLS {
        let rows = version(number);
        publish(&upstream, &rows);
        let program = scratch.serve(&environment).await;
        // Random moments, from before the first page to after the last.
        tokio::time::sleep(Duration::from_millis(random.random_range(0..250))).await;
        program.kill().await;
        let harvest = scratch.run(&["harvest"], &environment).await;
        assert_eq!(harvest.code, Some(0), "kill {number}: {harvest:?}");
        let stored = stored(&scratch);
        assert_eq!(stored.len(), rows.len(), "kill {number}");
        assert!(
            stored == rows,
            "kill {number}: {:?}",
            stored.iter().find(|(key, row)| rows.get(*key) != Some(*row))
        );
    }
    let database = rusqlite::Connection::open(scratch.path("schema.db")).expect("the database");
    let (first, last, count): (i64, i64, i64) = database
        .query_row(
            "SELECT MIN(seq), MAX(seq), COUNT(*) FROM hayloft_change_log",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .expect("the change log");
    assert_eq!(last - first + 1, count, "the change log is dense");
}
