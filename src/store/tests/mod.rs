//! The store as its users see it, over a real file. Knows the farm's catalog.

mod abandoned;
mod answers;
mod aside;
mod between;
mod bounds;
mod changes;
mod deferred;
mod definition_status;
mod dice;
mod each;
mod edits;
mod entities;
mod figures;
mod gathered;
mod generations;
mod group_totals;
mod groups;
mod held;
mod indexes;
mod keys;
mod languages;
mod led;
mod lists;
mod loads;
mod made;
mod offsets;
mod older;
mod opens;
mod owed;
mod pages;
mod plans;
mod processes;
mod prunes;
mod quarantine;
mod reads;
mod recomputed;
mod repeats;
mod retry;
mod rollup_groups;
mod rollup_rules;
mod rollups;
mod rollups_at_once;
mod runs;
mod search;
mod single;
mod taken;
mod timed_groups;
mod unchanged;
mod values;
mod versions;
mod ways;

use chrono::{DateTime, Utc};

use crate::{
    catalog::{EntityId, FieldId, Missing},
    query::{Output, Read},
    store::db::pool,
    value::{Key, Row, Value},
};

use super::testing::*;
use super::*;

fn slot(minute: u32) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + i64::from(minute) * 60, 0).expect("an instant")
}

async fn start(store: &Store, fetch: &str, entity: EntityId, minute: u32) -> Run {
    let start = StartRun {
        fetch: fetch.to_owned(),
        entity,
        slot: slot(minute),
        reason: Reason::Hand,
        resume: Some(1),
    };
    store.start_run(&start).await.expect("a run").expect("a free slot")
}

fn rows(rows: Vec<Row>) -> Group {
    Group {
        rows,
        ..Group::default()
    }
}

fn complete(missing_max: f64) -> Finish {
    Finish::Complete {
        missing: Missing::Delete,
        missing_max,
        told: Told::default(),
    }
}

/// One whole run of one group.
async fn harvest(
    store: &Store,
    fetch: &str,
    entity: EntityId,
    minute: u32,
    all: Vec<Row>,
) -> (GroupOutcome, RunSummary) {
    let run = start(store, fetch, entity, minute).await;
    let outcome = store.commit_group(&run, rows(all)).await.expect("a commit");
    (outcome, store.finish_run(&run, complete(1.0)).await.expect("an end"))
}

async fn farm(store: &Store) {
    harvest(store, "Npc", NPC, 0, vec![npc("n1", "ann"), npc("n2", "bob")]).await;
    harvest(store, "Tag", TAG, 0, vec![tag("a"), tag("b")]).await;
    let items = vec![
        item("i1", "Sword", 9.5, Some("n1"), &["b", "a", "dangling"]),
        item("i2", "Shield", 3.0, Some("n9"), &[]),
        item("i3", "sw%rd_\"x\"", 7.25, None, &["a"]),
    ];
    harvest(store, "Item", ITEM, 0, items).await;
    let quests = vec![
        quest("q1", "First", &[("i2", 2), ("i1", 1), ("i9", 9)]),
        quest("q2", "Second", &[("i1", 4)]),
    ];
    harvest(store, "Quest", QUEST, 0, quests).await;
}

/// One value of the first row and column of a statement on the writer.
async fn number(store: &Store, sql: &str) -> i64 {
    let writer = store.context.writer().expect("a writer");
    let rows = writer.fetch_all(store.context.params().query(sql)).await;
    pool::get(rows.expect("rows").first().expect("a row"), 0).expect("a number")
}

/// Runs a statement on the writer; the number of rows that it changed.
async fn run(store: &Store, sql: &str) -> u64 {
    let writer = store.context.writer().expect("a writer");
    writer
        .execute(store.context.params().query(sql))
        .await
        .expect("it runs")
}

/// A read of our own, which gives the log's position and a text.
fn statement(sql: &str) -> Statement {
    Statement {
        shown: Default::default(),
        sql: sql.into(),
        binds: Arc::new([]),
        roots: Arc::new([]),
        types: Arc::new([]),
        many: None,
        led: None,
    }
}
