//! Which parts of types a commit notes as changed, and who hears of it.

use std::collections::BTreeMap;

use crate::{
    catalog::Part,
    change::Changed,
    value::{Absent, Part as PartOf},
};

use super::{
    changes::{lines, open},
    *,
};

on_both!(
    each_commit_notes_what_it_changes,
    parts_and_fields_note_what_they_change,
    another_process_hears_of_parts,
    a_newer_definition_makes_everything_new,
    who_knows_nothing_of_versions_changes_everything,
    a_commit_that_was_refused_leaves_no_doubt,
    rollups_of_exchanged_rows_are_noted,
);

/// What was noted since this was asked last.
#[derive(Default)]
pub(super) struct Noted(BTreeMap<String, String>);

impl Noted {
    pub(super) async fn now(&mut self, store: &Store) -> Vec<String> {
        let sql = "SELECT concat_ws(' ',concat_ws('.',type,field),seq) FROM hayloft_version";
        let all = lines(store, sql).await.into_iter();
        let all: BTreeMap<String, String> = all
            .filter_map(|line| {
                line.split_once(' ')
                    .map(|(part, seq)| (part.to_owned(), seq.to_owned()))
            })
            .collect();
        let new = all.iter().filter(|(part, seq)| self.0.get(*part) != Some(*seq));
        let new = new.map(|(part, _)| part.trim_end_matches('.').to_owned());
        // That of everything is of the beginning, and the count of what was noted is no part.
        let new = new.filter(|part| !part.is_empty() && part != ".noted").collect();
        self.0 = all;
        new
    }
}

/// Rows that exchange unique values are written anew, and have no rollups for a moment.
async fn rollups_of_exchanged_rows_are_noted(on: On) {
    let place = Place::new(on);
    let definition = "type Shop @f { id: ID! code: String @unique lines: [Line!]! @nested
        count: Int! @rollup(of: \"lines\", fn: COUNT) most: Decimal @rollup(of: \"lines\", fn: MAX, field: \"price\") }
        type Line { shop: Shop! no: Int! @id price: Decimal }";
    let store = open(&place.url, Access::Write, definition).await;
    let store = store.expect("a store");
    let shop = |id: &str, code: &str, lines: i64| {
        let line = |no| Row::new(vec![text(id), Value::Int(no), text("0.5")], vec![], vec![]);
        let values = vec![text(id), text(code), Value::Null, Value::Null];
        let apart = store.context.layout.entity(EntityId(0)).apart();
        Row::beside(&apart, values, vec![], vec![(0..lines).map(line).collect()])
    };
    let mut noted = Noted::default();
    let rounds: [([Row; 2], &[&str]); 3] = [
        (
            [shop("s1", "a", 3), shop("s2", "b", 0)],
            &["Line", "Shop", "Shop.count", "Shop.most"],
        ),
        (
            [shop("s1", "b", 0), shop("s2", "a", 0)],
            &["Line", "Shop.code", "Shop.count", "Shop.most"],
        ),
        // They have the values of before.
        ([shop("s1", "a", 0), shop("s2", "b", 0)], &["Shop.code"]),
    ];
    for (minute, (shops, want)) in (0..).zip(rounds) {
        harvest(&store, "Shop", EntityId(0), minute, shops.to_vec()).await;
        assert_eq!(noted.now(&store).await, want, "{minute}");
    }
}

async fn each_commit_notes_what_it_changes(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let mut noted = Noted::default();
    farm(store).await;
    let first = ["Item", "Item.tags", "Npc", "Quest", "QuestItem", "Tag"];
    assert_eq!(noted.now(store).await, first);
    let sword = |name: &str, price, seller, tags: &[&str]| {
        vec![
            item("i1", name, price, seller, tags),
            item("i2", "Shield", 3.0, Some("n9"), &[]),
            item("i3", "sw%rd_\"x\"", 7.25, None, &["a"]),
        ]
    };
    let tags = ["b", "a", "dangling"];
    let steps: [(Vec<Row>, &[&str]); 7] = [
        (sword("Sword", 9.5, Some("n1"), &tags), &[]),
        (sword("Sword", 8.5, Some("n1"), &tags), &["Item.price"]),
        (sword("Axe", 8.5, Some("n1"), &tags), &["Item.name"]),
        (sword("Axe", 8.5, None, &tags), &["Item.seller"]),
        (sword("Axe", 8.5, None, &["a", "b", "dangling"]), &["Item.tags"]),
        (
            sword("Axe", 8.5, None, &["a", "b", "dangling"])[..2].to_vec(),
            &["Item", "Item.tags"],
        ),
        (sword("Axe", 8.5, None, &["a", "b", "dangling"]), &["Item", "Item.tags"]),
    ];
    for (minute, (rows, want)) in (1..).zip(steps) {
        harvest(store, "Item", ITEM, minute, rows).await;
        assert_eq!(noted.now(store).await, want, "step {minute}");
    }
    let lines: [(Lines<'_>, &[&str]); 5] = [
        (&[("i2", 2), ("i1", 1), ("i9", 9)], &[]),
        (&[("i2", 2), ("i1", 1), ("i9", 8)], &["QuestItem.quantity"]),
        (&[("i1", 1), ("i2", 2), ("i9", 8)], &["QuestItem"]),
        (&[("i1", 1), ("i2", 2)], &["QuestItem"]),
        (&[("i1", 1), ("i2", 3), ("i4", 1)], &["QuestItem", "QuestItem.quantity"]),
    ];
    for (minute, (lines, want)) in (1..).zip(lines) {
        let quests = vec![quest("q1", "First", lines), quest("q2", "Second", &[("i1", 4)])];
        harvest(store, "Quest", QUEST, minute, quests).await;
        assert_eq!(noted.now(store).await, want, "lines {minute}");
    }
}

/// Items and quantities.
type Lines<'l> = &'l [(&'l str, i64)];

/// A record of several that bring a type, and requests of fields.
async fn parts_and_fields_note_what_they_change(on: On) {
    let place = Place::new(on);
    let text_of = "type Item @f { id: ID! name: String price: Int tags: [Tag!]! @ref
          rate: Tag @fetch(source: \"s\", GET: \"/r/{$this.id}\")
          likes: [Tag!]! @fetch(source: \"s\", GET: \"/l/{$this.id}\") }
        type Tag @f { id: ID! }";
    let store = open(&place.url, Access::Write, text_of).await.expect("a store");
    let mut noted = Noted::default();
    let row = |name: &str, price, tags: &[&str], part: Option<PartOf>| Row {
        part: part.map(Box::new),
        ..Row::new(
            vec![text("i1"), text(name), Value::Int(price), Value::Null],
            vec![tags.iter().map(|tag| Key::text(*tag)).collect(), vec![]],
            vec![],
        )
    };
    harvest(&store, "Item", ITEM, 0, vec![row("a", 1, &["x"], None)]).await;
    assert_eq!(noted.now(&store).await, ["Item", "Item.tags"]);
    let without = |values: &[usize], links: &[usize]| {
        Some(PartOf {
            owner: false,
            absent: Absent {
                values: values.to_vec(),
                links: links.to_vec(),
                ..Absent::default()
            },
        })
    };
    let steps: [(Row, &[&str]); 4] = [
        (row("b", 0, &[], without(&[2], &[0])), &["Item.name"]),
        (row("b", 2, &["x"], without(&[], &[])), &["Item.price"]),
        (row("b", 2, &["x", "y"], without(&[], &[])), &["Item.tags"]),
        (row("", 3, &[], without(&[1], &[0])), &["Item.price"]),
    ];
    for (minute, (row, want)) in (1..).zip(steps) {
        harvest(&store, "Item", ITEM, minute, vec![row]).await;
        assert_eq!(noted.now(&store).await, want, "step {minute}");
    }
    for (minute, (field, key, want)) in (1..).zip([
        ("rate", Some("x"), "Item.rate"),
        ("rate", Some("x"), ""),
        ("rate", None, "Item.rate"),
        ("likes", Some("x"), "Item.likes"),
        ("likes", Some("x"), ""),
        ("likes", None, "Item.likes"),
    ]) {
        let name = format!("Item.{field}");
        let mut ids = store.context.catalog.fetch_ids();
        let fetch = ids
            .find(|id| store.context.catalog.fetch_name(*id) == name)
            .expect("a fetch");
        run(&store, "UPDATE hayloft_fan_out SET hash=NULL").await;
        let begun = start(&store, &name, store.context.catalog.fetch(fetch).entity, minute).await;
        store.plan_field_requests(&begun, fetch).await.expect("a plan");
        let parents = store
            .claim_field_requests(&begun, fetch, "us", 9)
            .await
            .expect("claims");
        let answer = |parent| ParentAnswer {
            outcome: ParentOutcome::Read {
                rows: Vec::new(),
                links: key.into_iter().map(Key::text).collect(),
                refused: Vec::new(),
                state: None,
            },
            parent,
            pages: 1,
            bytes: 0,
            left_out: 0,
            copies: 0,
            doubt: None,
        };
        let answers: Vec<ParentAnswer> = parents.into_iter().map(answer).collect();
        store
            .commit_field_answers(&begun, fetch, "us", &answers)
            .await
            .expect("a commit");
        let keep = Finish::Complete {
            missing: Missing::Keep,
            missing_max: 1.0,
            told: Told::default(),
        };
        store.finish_run(&begun, keep).await.expect("an end");
        let want: Vec<&str> = [want].into_iter().filter(|want| !want.is_empty()).collect();
        assert_eq!(noted.now(&store).await, want, "{field} {minute}");
    }
}

async fn another_process_hears_of_parts(on: On) {
    let bench = bench_on(on).await;
    let clock = Clock::default();
    let (one, other) = (
        bench.store.as_process("one", &clock),
        bench.store.as_process("other", &clock),
    );
    farm(&one).await;
    let field = |name: &str| {
        let entity = one.context.catalog.entity(ITEM);
        let field = entity.field_ids().find(|field| entity.field(*field).name == name);
        Part::field(ITEM, field.expect("a field"))
    };
    let price = other.versions(&[field("price")].into());
    let name = other.versions(&[field("name"), Part::rows(ITEM)].into());
    let before = other.moment().await.expect("a moment");
    let mut told = other.bus().listen();
    let old = other.newest(&name);
    harvest(
        &one,
        "Item",
        ITEM,
        1,
        vec![item("i1", "Sword", 1.0, Some("n1"), &["b", "a", "dangling"])],
    )
    .await;
    let head = number(&one, "SELECT seq FROM hayloft_feed_head").await;
    // What is known is as old as the last look, and is not taken for more than that.
    assert!(other.newest(&price) < head);
    other.look().await.expect("a look");
    let commit = told.try_recv().expect("it is told");
    assert!(matches!(&commit.changed, Changed::Parts(parts) if parts.contains(&field("price"))));
    assert!(!commit.changed.meets(&[field("name")].into()));
    let after = other.moment().await.expect("a moment");
    assert_eq!((after.era, after.upto), (before.era, head));
    assert!(other.newest(&price) > before.upto);
    // The other two items went with the run.
    assert_eq!(other.newest(&name), head);
    assert!(old < head);
    assert!(told.try_recv().is_err(), "once");
}

async fn a_newer_definition_makes_everything_new(on: On) {
    let place = Place::new(on);
    let first = "type Item @f { id: ID! name: String }";
    let store = open(&place.url, Access::Write, first).await.expect("a store");
    let row = || Row::new(vec![text("i1"), text("a")], vec![], vec![]);
    harvest(&store, "Item", ITEM, 0, vec![row()]).await;
    let before = store.moment().await.expect("a moment");
    store.close().await;
    let renamed = "type Item @f { id: ID! title: String @was(name: \"name\") }";
    let store = open(&place.url, Access::Write, renamed).await.expect("a store");
    let after = store.moment().await.expect("a moment");
    assert_eq!((after.upto, &after.epoch), (before.upto, &before.epoch));
    assert_ne!(after.layout, before.layout);
    assert_eq!(
        lines(
            &store,
            "SELECT concat_ws('|',type,field,seq) FROM hayloft_version ORDER BY field"
        )
        .await,
        ["||1", "|noted|1"]
    );
    assert_eq!(store.newest(&[]), before.upto);
}

/// An older version of this program that runs on writes rows and the log, and no versions.
async fn who_knows_nothing_of_versions_changes_everything(on: On) {
    let bench = bench_on(on).await;
    let clock = Clock::default();
    let (one, other) = (
        bench.store.as_process("one", &clock),
        bench.store.as_process("other", &clock),
    );
    farm(&one).await;
    let home = other.versions(&[Part::rows(NPC)].into());
    other.look().await.expect("a look");
    let mut told = other.bus().listen();
    let row = |price| vec![item("i1", "Sword", price, Some("n1"), &["b", "a", "dangling"])];
    harvest(&one, "Item", ITEM, 1, row(1.0)).await;
    other.look().await.expect("a look");
    assert!(matches!(told.try_recv().expect("news").changed, Changed::Parts(_)));
    let head = number(&one, "SELECT seq FROM hayloft_feed_head").await;
    assert!(other.newest(&home) < head);
    run(&one, "UPDATE hayloft_feed_head SET seq=seq+1").await;
    // A commit that says what it changed hides none that does not.
    harvest(&one, "Item", ITEM, 2, row(2.0)).await;
    let head = number(&one, "SELECT seq FROM hayloft_feed_head").await;
    other.look().await.expect("a look");
    assert!(matches!(told.try_recv().expect("news").changed, Changed::Anything));
    assert_eq!(other.newest(&home), head);
    // Whoever begins now goes by nothing that is older either.
    let third = bench.store.as_process("third", &clock);
    third.look().await.expect("a look");
    assert_eq!(third.newest(&home), head);
}

/// The database says so at the end of a transaction only: then nobody has to look for what may have
/// happened, neither now nor for ever.
async fn a_commit_that_was_refused_leaves_no_doubt(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    farm(store).await;
    store.look().await.expect("a look");
    let refuse: &[&str] = match on {
        On::Sqlite => &[
            "PRAGMA foreign_keys=ON",
            "CREATE TABLE probe(n INTEGER REFERENCES tag(_row) DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER refuse AFTER INSERT ON tag BEGIN INSERT INTO probe VALUES (-1); END",
        ],
        On::Postgres => &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON tag DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
    };
    for sql in refuse {
        run(store, sql).await;
    }
    let begun = start(store, "Tag", TAG, 1).await;
    store.look().await.expect("a look");
    let known = store.known().expect("what is known");
    let refused = store.commit_group(&begun, rows(vec![tag("z")])).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    assert_eq!(store.known(), Some(known));
}
