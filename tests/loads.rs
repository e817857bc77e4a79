//! Processes that end while a first load has left its indexes for the end, or is building them: the next start has them all, and
//! nothing is lost.

use std::{fmt::Write as _, os::unix::process::ExitStatusExt as _};

use serde_json::json;

use crate::harness::{Db, Scratch, eventually, on_both};

on_both!(
    killed_among_its_indexes_a_load_is_whole_after_the_next_harvest,
    a_start_builds_what_a_load_left,
);

/// More rows than those from which on indexes are left for the end, in more than one group.
const ITEMS: usize = 17_000;

const SIGABRT: i32 = 6;

const DEFINITION: &str = "extend schema @source(name: \"files\", url: \"file:.\")\n\
    type Item @fetch(source: \"files\", FILE: \"items.ndjson\", format: NDJSON, missing: DELETE) {\n\
      id: ID! slug: String! @unique price: Int! @index labels: [String!] @index @select(jq: \".tags\") seller: Npc @ref(jq: \".seller\")\n\
      tags: [Tag!]! @ref(jq: \".tags[]\") parts: [Part!]! @nested(jq: \".parts[]\") }\n\
    type Part { item: Item! name: String! @id size: Int! @index }\n\
    type Npc { id: ID! sells: [Item!]! @inverse(field: \"seller\") }\n\
    type Tag { id: ID! items: [Item!]! @inverse(field: \"tags\") }\n";

/// Every point at which something of the indexes has happened, and the times that it is passed before the process ends there.
const KILLS: [(&str, u64); 8] = [
    ("indexes::dropped", 0),
    ("load::rows", 1),
    ("indexes::building", 0),
    ("indexes::building", 2),
    ("indexes::made", 1),
    ("indexes::built", 0),
    ("indexes::built", 3),
    ("indexes::built", 4),
];

fn items() -> String {
    let mut items = String::new();
    for id in 0..ITEMS {
        let parts = [json!({ "name": "a", "size": id % 11 })];
        let tags = [format!("t{}", id % 7), format!("t{}", 7 + id % 5)];
        let item = json!({
            "id": id.to_string(), "slug": format!("s{id}"), "price": id % 13, "seller": format!("n{}", id % 17), "tags": tags, "parts": parts,
        });
        writeln!(items, "{item}").expect("a String takes all");
    }
    items
}

fn world(db: Db) -> Scratch {
    let scratch = Scratch::on(db, DEFINITION);
    scratch.write("items.ndjson", &items());
    scratch
}

/// The indexes of the definition's tables that are of use.
async fn indexes(scratch: &Scratch, db: Db) -> Vec<Vec<String>> {
    let sql = match db {
        Db::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type='index' AND sql IS NOT NULL AND tbl_name NOT LIKE 'hayloft%' ORDER BY 1"
        }
        Db::Postgres => {
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid=i.indexrelid JOIN pg_class t ON t.oid=i.indrelid \
             WHERE i.indisvalid AND c.relnamespace='public'::regnamespace AND t.relname NOT LIKE 'hayloft%' ORDER BY c.relname COLLATE \"C\""
        }
    };
    scratch.rows(sql).await
}

async fn check(scratch: &Scratch, db: Db, wanted: &[Vec<String>], kill: &str) {
    assert_eq!(indexes(scratch, db).await, wanted, "{kill}");
    for (table, rows) in [("item", ITEMS), ("part", ITEMS), ("item_tags", 2 * ITEMS)] {
        let count = scratch.rows(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(count, [[rows.to_string()]], "{kill}: {table}");
    }
    if db == Db::Sqlite {
        let items = scratch.rows("SELECT count(*) FROM \"item$labels$items\"").await;
        assert_eq!(items, [[(2 * ITEMS).to_string()]], "{kill}");
        assert_eq!(scratch.rows("PRAGMA integrity_check").await, [["ok"]], "{kill}");
    }
}

/// Ends a first harvest at a point.
async fn end_at(scratch: &Scratch, (point, passes): (&str, u64)) -> String {
    let kill = format!("{point}={passes}*off->return");
    let output = scratch.end(&["harvest"], &[("FAILPOINTS", &kill)]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(SIGABRT), "{kill}: {told}");
    scratch.bury_the_dead().await;
    kill
}

async fn killed_among_its_indexes_a_load_is_whole_after_the_next_harvest(db: Db) {
    let whole = world(db);
    whole.must(&["harvest"], &[]).await;
    let wanted = indexes(&whole, db).await;
    assert!(wanted.len() > 8, "{wanted:?}");
    check(&whole, db, &wanted, "no kill").await;
    for kill in KILLS {
        let scratch = world(db);
        let kill = end_at(&scratch, kill).await;
        scratch.must(&["harvest"], &[]).await;
        check(&scratch, db, &wanted, &kill).await;
    }
}

/// Who asks right after the start gets the right answer; soon all indexes are there, and `status` names none as missing.
async fn a_start_builds_what_a_load_left(db: Db) {
    let whole = world(db);
    whole.must(&["harvest"], &[]).await;
    let wanted = indexes(&whole, db).await;
    let scratch = world(db);
    // After the last group: all rows are there.
    end_at(&scratch, ("indexes::building", 0)).await;
    assert!(indexes(&scratch, db).await.len() < wanted.len());
    let status = scratch.must(&["status"], &[]).await.out;
    assert!(status.contains("Item.price"), "{status}");
    let program = scratch.serve(&[]).await;
    let query =
        "{ items(where: {price: {eq: 3}, labels: {has: \"t2\"}, parts: {some: {size: {eq: 5}}}}, first: 3) { id } }";
    let answer = program.query(query).await;
    assert_eq!(
        answer,
        json!({ "items": [{ "id": "10026" }, { "id": "1017" }, { "id": "11027" }] })
    );
    eventually("the indexes are there", || async {
        (indexes(&scratch, db).await == wanted).then_some(())
    })
    .await;
    assert_eq!(program.terminate().await, Some(0));
    check(&scratch, db, &wanted, "serve").await;
}
