//! Starts that end without warning while the tables are made or brought up to date: all of it is done or nothing, and the
//! next start goes on.

use std::os::unix::process::ExitStatusExt;

use crate::harness::{Db, Scratch, on_both};

on_both!(a_first_start_may_end_at_every_point);

const SIGABRT: i32 = 6;

/// The definition that `cases/starts/0.1.0.sql` was harvested by.
const DEFINITION: &str = r#"
extend schema @source(name: "here", url: "file:.")
type Item @fetch(source: "here", every: "1d", FILE: "items.ndjson", format: NDJSON) {
  id: ID!
  slug: String @unique
  price: Int @index
  tags: [Tag!]! @ref
}
type Tag @fetch(source: "here", every: "1d", FILE: "tags.ndjson", format: NDJSON) { id: ID! }
"#;

/// A database as version 0.1.0 left it.
const FIRST_VERSION: &str = include_str!("cases/starts/0.1.0.sql");

/// The indexes of its items under the names that they have now.
const INDEXES: [&str; 4] = [
    "item$id$key",
    "item$price$index",
    "item$slug$unique",
    "item_tags$target_id$targets",
];

/// The points of a start on every database.
const POINTS: [&str; 3] = ["open::system", "open::layout", "open::done"];

fn scratch(db: Db) -> Scratch {
    let scratch = Scratch::on(db, DEFINITION);
    let items = r#"{"id":"a","slug":"one","price":5,"tags":["x","y"]}
{"id":"b","slug":"two","price":7,"tags":["y"]}
"#;
    scratch.write("items.ndjson", items);
    scratch.write("tags.ndjson", "{\"id\":\"x\"}\n{\"id\":\"y\"}\n");
    scratch
}

/// With the tables of version 0.1.0 and what it harvested.
fn upgraded() -> Scratch {
    let scratch = scratch(Db::Sqlite);
    let database = rusqlite::Connection::open(scratch.path("schema.db")).expect("a file");
    database.execute_batch(FIRST_VERSION).expect("the old tables");
    scratch
}

/// Whether a harvest ended at this point; otherwise it must have succeeded.
async fn ends_at(scratch: &Scratch, point: &str) -> bool {
    let points = format!("{point}->return");
    let output = scratch.end(&["harvest"], &[("FAILPOINTS", &points)]).await;
    let told = String::from_utf8_lossy(&output.stderr);
    let aborted = output.status.signal() == Some(SIGABRT);
    assert!(aborted || output.status.success(), "{point}: {told}");
    aborted
}

/// The next start has everything.
async fn goes_on(scratch: &Scratch, point: &str) {
    let output = scratch.run(&["harvest"], &[]).await;
    assert_eq!(output.code, Some(0), "after {point}: {output:?}");
    let rows = scratch.rows("SELECT id,slug,price FROM item ORDER BY id").await;
    assert_eq!(rows, [["a", "one", "5"], ["b", "two", "7"]], "after {point}");
    // Also the log of a version that kept each change in a row of its own. Which type comes first is open: they are harvested
    // side by side where several can write.
    let log = scratch
        .rows("SELECT type,row_key FROM hayloft_change_log WHERE seq<5 ORDER BY type,row_key")
        .await;
    let changes = [
        ["Item", "[\"a\"]"],
        ["Item", "[\"b\"]"],
        ["Tag", "[\"x\"]"],
        ["Tag", "[\"y\"]"],
    ];
    assert_eq!(log, changes, "after {point}");
    let planned = scratch.must(&["plan"], &[]).await;
    assert!(planned.out.starts_with("nothing"), "after {point}: {}", planned.out);
}

/// SQLite has a commit for each statement that is in no transaction: ends before each of them, up to the end of a harvest.
async fn ends_before_every_commit(start: impl Fn() -> Scratch) {
    let mut commits = 0;
    loop {
        let (scratch, point) = (start(), format!("disk::commit={commits}*off"));
        if !ends_at(&scratch, &point).await {
            break;
        }
        goes_on(&scratch, &point).await;
        commits += 1;
    }
    println!("{commits} commits");
    assert!(commits > 5, "only {commits} commits were met");
}

async fn a_first_start_may_end_at_every_point(db: Db) {
    for point in POINTS {
        let scratch = scratch(db);
        assert!(ends_at(&scratch, &format!("{point}=0*off")).await, "{point}");
        goes_on(&scratch, point).await;
    }
    if db == Db::Sqlite {
        ends_before_every_commit(|| scratch(db)).await;
    }
}

#[tokio::test]
async fn an_upgrade_may_end_at_every_point() {
    for point in POINTS {
        let scratch = upgraded();
        assert!(ends_at(&scratch, &format!("{point}=0*off")).await, "{point}");
        goes_on(&scratch, point).await;
        let indexes = "SELECT name FROM sqlite_master WHERE type='index' AND name LIKE 'item%' ORDER BY name";
        let names = scratch.rows(indexes).await.concat();
        assert_eq!(names, INDEXES, "{point}");
    }
    ends_before_every_commit(upgraded).await;
}
