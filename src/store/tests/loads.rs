//! What a commit writes, logs and announces.

use super::*;

on_both!(
    writes_only_what_differs,
    the_last_of_equal_keys_wins,
    a_taken_unique_value_refuses_one_row,
    many_rows_in_statements_of_every_size,
    absent_rows_go_with_all_that_is_theirs,
    how_many_may_go,
    a_refused_record_keeps_the_row_that_it_stands_for,
    a_group_does_not_read_its_whole_table,
    what_another_run_adds_is_found,
);

fn outcome(new: u64, changed: u64, same: u64, repeated: u64) -> GroupOutcome {
    GroupOutcome {
        new,
        changed,
        same,
        repeated,
        copies: 0,
    }
}

/// The same with a record whose key came before.
fn copied(outcome: GroupOutcome) -> GroupOutcome {
    GroupOutcome { copies: 1, ..outcome }
}

async fn writes_only_what_differs(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    farm(store).await;
    let head = number(store, "SELECT seq FROM hayloft_feed_head").await;
    let mut bus = store.bus().listen();
    let quests = vec![
        quest("q1", "First", &[("i1", 1), ("i2", 3)]),
        quest("q2", "Second", &[("i1", 4)]),
    ];
    let (done, _) = harvest(store, "Quest", QUEST, 1, quests).await;
    assert_eq!(done, outcome(0, 1, 1, 0));
    let commit = bus.try_recv().expect("announced");
    let entities: Vec<EntityId> = commit.changed.entities().into_iter().collect();
    assert_eq!(entities, [QUEST_ITEM], "nothing of the quest itself");
    // q1 itself, i1 (moved), i2 (moved, other quantity), i9 (gone).
    assert_eq!(commit.head, head + 4);
    assert_eq!(
        number(store, "SELECT count(*) FROM hayloft_change_log").await,
        commit.head
    );
    assert_eq!(
        number(store, "SELECT max(seq) FROM hayloft_change_log").await,
        commit.head
    );
    assert_eq!(number(store, "SELECT count(*) FROM quest_item").await, 3);
    assert_eq!(
        number(
            store,
            "SELECT count(*) FROM hayloft_change_log WHERE op='gone' AND row_key='[\"q1\",\"i9\"]'"
        )
        .await,
        1
    );
    let (done, _) = harvest(
        store,
        "Item",
        ITEM,
        1,
        vec![item("i1", "Sword", 9.5, Some("n1"), &["a"])],
    )
    .await;
    assert_eq!(done, outcome(0, 1, 0, 0));
    assert_eq!(number(store, "SELECT count(*) FROM item_tags").await, 1);
}

async fn the_last_of_equal_keys_wins(on: On) {
    let bench = bench_on(on).await;
    let run = start(&bench.store, "Tag", TAG, 0).await;
    let mut other = tag("a");
    other = Row::new(vec![other.values[0].clone(), text("second")], vec![], vec![]);
    let done = bench
        .store
        .commit_group(&run, rows(vec![tag("a"), other.clone()]))
        .await
        .expect("a commit");
    // Twice on one page is no sign of pages that shifted; again on the next is.
    assert_eq!(done, copied(outcome(1, 0, 0, 0)));
    let ends = |row: Row| Group {
        pages: 1,
        checkpoint: Some(Checkpoint {
            next: "2".to_owned(),
            pages: 1,
            rows: 1,
        }),
        ..rows(vec![row])
    };
    for (row, repeated) in [(other.clone(), 0), (other, 1)] {
        let done = bench.store.commit_group(&run, ends(row)).await.expect("a commit");
        assert_eq!(done, copied(outcome(0, 0, 1, repeated)));
    }
    assert_eq!(
        number(&bench.store, "SELECT count(*) FROM tag WHERE name='second'").await,
        1
    );
}

async fn a_taken_unique_value_refuses_one_row(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Npc", NPC, 0).await;
    let all = vec![npc("n1", "ann"), npc("n2", "bob"), npc("n3", "ann"), npc("n4", "cid")];
    let done = store.commit_group(&run, rows(all)).await.expect("a commit");
    assert_eq!(done, outcome(3, 0, 0, 0));
    let refused = store.quarantine("Npc", 10).await.expect("refused rows");
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].key.as_deref(), Some("n3"));
    assert_eq!(
        refused[0].reason,
        "slug: another Npc already has the value \"ann\", and the field is @unique"
    );
    // Two rows exchange their values: no one's fault.
    let done = store
        .commit_group(&run, rows(vec![npc("n1", "bob"), npc("n2", "ann")]))
        .await
        .expect("a commit");
    assert_eq!(
        (done.changed, store.quarantine("Npc", 10).await.expect("refused").len()),
        (2, 1)
    );
    let summary = store.finish_run(&run, complete(0.0)).await.expect("an end");
    assert_eq!((summary.new, summary.changed, summary.refused), (3, 2, 1));
}

async fn many_rows_in_statements_of_every_size(on: On) {
    let bench = bench_on(on).await;
    let all: Vec<Row> = (0..1_235)
        .map(|n| item(&format!("i{n}"), "x", f64::from(n), None, &["a", "b"]))
        .collect();
    let (done, _) = harvest(&bench.store, "Item", ITEM, 0, all.clone()).await;
    assert_eq!(done, outcome(1_235, 0, 0, 0));
    let (done, _) = harvest(&bench.store, "Item", ITEM, 1, all).await;
    assert_eq!(done, outcome(0, 0, 1_235, 0));
    assert_eq!(number(&bench.store, "SELECT count(*) FROM item_tags").await, 2_470);
    assert_eq!(number(&bench.store, "SELECT max(_row) FROM item").await, 1_235);
}

async fn absent_rows_go_with_all_that_is_theirs(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    farm(store).await;
    let (_, summary) = harvest(store, "Quest", QUEST, 1, vec![quest("q2", "Second", &[("i1", 4)])]).await;
    assert_eq!((summary.gone, summary.held, summary.state), (1, 0, RunState::Complete));
    assert_eq!(number(store, "SELECT count(*) FROM quest_item").await, 1);
    let run = start(store, "Item", ITEM, 1).await;
    store
        .commit_group(&run, rows(vec![item("i2", "Shield", 3.0, Some("n9"), &[])]))
        .await
        .expect("a commit");
    let summary = store.finish_run(&run, complete(0.5)).await.expect("an end");
    assert_eq!((summary.gone, summary.held), (0, 2));
    assert_eq!(number(store, "SELECT count(*) FROM item").await, 3);
    let status = store.row_counts().await.expect("counts");
    assert!(status.contains(&(ITEM, 3)));
    // A number is never given twice.
    harvest(store, "Item", ITEM, 2, vec![item("i2", "Shield", 3.0, Some("n9"), &[])]).await;
    harvest(store, "Item", ITEM, 3, vec![item("i7", "New", 3.0, None, &[])]).await;
    assert_eq!(number(store, "SELECT _row FROM item").await, 4);
    assert_eq!(number(store, "SELECT count(*) FROM item_tags").await, 0);
}

async fn how_many_may_go(on: On) {
    let cases = [
        // Stored, still there, the allowed part, gone, held.
        (3, 2, 0.0, 0, 1),
        (3, 2, 0.1, 1, 0),
        (3, 1, 0.1, 0, 2),
        (1, 0, 0.1, 0, 1),
        (3, 0, 0.99, 0, 3),
        (3, 0, 1.0, 3, 0),
    ];
    for (stored, there, part, gone, held) in cases {
        let bench = bench_on(on).await;
        let tags = |count: usize| ["a", "b", "c"].into_iter().take(count).map(tag).collect::<Vec<Row>>();
        harvest(&bench.store, "Tag", TAG, 0, tags(stored)).await;
        let run = start(&bench.store, "Tag", TAG, 1).await;
        bench
            .store
            .commit_group(&run, rows(tags(there)))
            .await
            .expect("a commit");
        let summary = bench.store.finish_run(&run, complete(part)).await.expect("an end");
        assert_eq!(
            (summary.gone, summary.held),
            (gone, held),
            "{there} of {stored}, {part}"
        );
    }
}

async fn a_refused_record_keeps_the_row_that_it_stands_for(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let all: Vec<Row> = ["a", "b", "c"].map(tag).into();
    harvest(store, "Tag", TAG, 0, all).await;
    let refused = |key: Option<&str>| Refused {
        key: key.map(str::to_owned),
        id: key.map(Key::text),
        reason: "name: expected a String".to_owned(),
        record: "{}".to_owned(),
    };
    let run = start(store, "Tag", TAG, 1).await;
    let group = Group {
        refused: vec![refused(Some("b")), refused(Some("never stored")), refused(None)],
        pages: 1,
        request: Some(RequestState {
            request: "/tags".to_owned(),
            etag: None,
            last_modified: None,
            body_hash: None,
            page: String::new(),
            rows: 4,
        }),
        ..rows(vec![tag("a")])
    };
    let done = store.commit_group(&run, group).await.expect("a commit");
    assert_eq!(done, outcome(0, 0, 1, 0));
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.gone, summary.refused), (1, 3));
    assert_eq!(number(store, "SELECT count(*) FROM tag WHERE id IN ('a','b')").await, 2);
    // The same page unchanged: what it kept, it keeps again.
    let run = start(store, "Tag", TAG, 2).await;
    let group = Group {
        unchanged: Some("/tags".to_owned()),
        ..Group::default()
    };
    store.commit_group(&run, group).await.expect("a commit");
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.gone, summary.same), (0, 2));
    assert_eq!(number(store, "SELECT count(*) FROM tag").await, 2);
    // What was refused on it stays refused, for as many runs as it stays unchanged, and is told
    // once.
    assert_eq!(summary.refused, 3);
    let last = format!("SELECT count(*) FROM hayloft_quarantine WHERE run={}", summary.id);
    assert_eq!(number(store, &last).await, 3);
    assert_eq!(store.quarantine("Tag", 10).await.expect("refused").len(), 3);
}

/// A planner that takes the table for small would read all of it for each group, and the time would
/// grow with the square of the rows.
async fn a_group_does_not_read_its_whole_table(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let tags = |from: i64| (from..from + 2_000).map(|n| tag(&format!("t{n}"))).collect::<Vec<_>>();
    let run = start(store, "Tag", TAG, 0).await;
    for from in [0, 2_000, 4_000, 2_000] {
        store.commit_group(&run, rows(tags(from))).await.expect("a commit");
    }
    assert_eq!(number(store, "SELECT max(seq) FROM hayloft_change_log").await, 6_000);
    // The log has them in packs, and shows them one by one.
    assert_eq!(number(store, "SELECT count(*) FROM hayloft_change_pack").await, 6);
    let each = "SELECT count(DISTINCT seq)+count(DISTINCT row_key) FROM hayloft_change_log WHERE op='new'";
    assert_eq!(number(store, each).await, 12_000);
    let last = "SELECT seq FROM hayloft_change_log WHERE row_key='[\"t2000\"]'";
    assert_eq!(number(store, last).await, 2_001);
    if on == On::Sqlite {
        return;
    }
    // A connection tells its statistics when it ends.
    store.clone().close().await;
    let store = open_at(&bench.place.url, "one", Access::Write)
        .await
        .expect("the store");
    let statistic =
        |name: &str| format!("SELECT coalesce(sum({name}),0)::bigint FROM pg_stat_user_tables WHERE relname='tag'");
    while number(&store, &statistic("n_tup_ins")).await < 6_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(number(&store, &statistic("seq_tup_read")).await, 0);
}

/// A run that fills an empty table need not look up what it did not add itself, as long as nobody
/// else adds rows.
async fn what_another_run_adds_is_found(on: On) {
    // The number of a row that is refused is taken by the next one, on one of the databases.
    for refuses in [false, true] {
        let bench = bench_on(on).await;
        let store = &bench.store;
        let one = start(store, "Npc", NPC, 0).await;
        let other = start(store, "Others", NPC, 0).await;
        let commit = async |run: &Run, all: Vec<Row>| store.commit_group(run, rows(all)).await.expect("a commit");
        let first = vec![npc("n1", "ann"), npc("n2", "bob")];
        assert_eq!(commit(&one, first).await, outcome(2, 0, 0, 0));
        let again = vec![npc("n2", "bob"), npc("n3", "cid")];
        assert_eq!(commit(&one, again).await, copied(outcome(1, 0, 1, 0)));
        if refuses {
            let taken = vec![npc("n4", "dan"), npc("n5", "ann")];
            assert_eq!(commit(&one, taken).await, outcome(1, 0, 0, 0));
        }
        assert_eq!(commit(&other, vec![npc("n6", "eve")]).await, outcome(1, 0, 0, 0));
        let both = vec![npc("n6", "eva"), npc("n7", "fay")];
        assert_eq!(commit(&one, both).await, outcome(1, 1, 0, 0));
        let refused = store.quarantine("Npc", 10).await.expect("refused rows");
        assert_eq!(refused.len(), usize::from(refuses));
    }
}
