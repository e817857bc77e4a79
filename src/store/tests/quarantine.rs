//! What is told of refused records, and of links that lead nowhere.

use super::*;

on_both!(
    refused_records_are_listed,
    links_that_lead_nowhere_are_counted,
    a_run_that_brought_nothing,
    a_run_that_brought_nothing_deletes_nothing,
);

fn refused(key: Option<&str>, reason: &str) -> Refused {
    Refused {
        key: key.map(str::to_owned),
        id: None,
        reason: reason.to_owned(),
        record: "{\"a\":1}".to_owned(),
    }
}

async fn refused_records_are_listed(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let mut runs = Vec::new();
    for (minute, fetch, entity, all) in [
        (0, "Tag", TAG, vec![refused(Some("old"), "name: missing")]),
        (
            1,
            "Tag",
            TAG,
            vec![
                refused(Some("a_b"), "name: 100% wrong"),
                refused(None, "line 7: no JSON"),
            ],
        ),
        (2, "Npc", NPC, vec![refused(Some("n1"), "slug: Missing")]),
    ] {
        let run = start(store, fetch, entity, minute).await;
        let group = Group {
            refused: all,
            ..Group::default()
        };
        store.commit_group(&run, group).await.expect("a commit");
        store.finish_run(&run, complete(1.0)).await.expect("an end");
        runs.push(run.id);
    }
    let all = || QuarantineFilter::default();
    let text = |text: &str| Some(text.to_owned());
    for (filter, want) in [
        (all(), vec!["a_b", "", "n1"]),
        (
            QuarantineFilter {
                fetch: text("Tag"),
                ..all()
            },
            vec!["a_b", ""],
        ),
        (
            QuarantineFilter {
                runs: QuarantineRuns::All,
                ..all()
            },
            vec!["old", "a_b", "", "n1"],
        ),
        (
            QuarantineFilter {
                runs: QuarantineRuns::One(runs[0]),
                ..all()
            },
            vec!["old"],
        ),
        (
            QuarantineFilter {
                reason: text("MISSING"),
                runs: QuarantineRuns::All,
                ..all()
            },
            vec!["old", "n1"],
        ),
        (
            QuarantineFilter {
                reason: text("0% w"),
                ..all()
            },
            vec!["a_b"],
        ),
        (
            QuarantineFilter {
                reason: text("%"),
                ..all()
            },
            vec!["a_b"],
        ),
        (
            QuarantineFilter {
                key: text("a_b"),
                ..all()
            },
            vec!["a_b"],
        ),
        (
            QuarantineFilter {
                key: text("a%b"),
                ..all()
            },
            vec![],
        ),
    ] {
        let mut keys = Vec::new();
        let mut after = 0;
        // One after the other, as a listing of many would.
        while let Some(next) = store.refused_records(&filter, after, 1).await.expect("a list").pop() {
            after = next.id;
            keys.push(next.key.unwrap_or_default());
        }
        assert_eq!(keys, want, "{filter:?}");
    }
}

async fn a_run_that_brought_nothing(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    harvest(store, "Npc", NPC, 0, vec![npc("n1", "ann")]).await;
    let bad = || refused(Some("7"), "price: much");
    // What each group of a run brings, and whether that is nothing.
    let cases = [
        (vec![], vec![], false),
        (vec![], vec![bad(), bad()], true),
        (vec![npc("n1", "ann")], vec![bad()], false),
        (vec![npc("n2", "bob")], vec![bad()], false),
        // The slug is another row's: it is tried again at the end.
        (vec![npc("n9", "ann")], vec![], true),
        (vec![npc("n9", "ann"), npc("n1", "amy")], vec![], false),
    ];
    for (minute, (all, bad, nothing)) in (1..).zip(cases) {
        let run = start(store, "Npc", NPC, minute).await;
        let count = (all.len() + bad.len()) as u64;
        let bad = Group {
            refused: bad,
            ..Group::default()
        };
        let mut groups: Vec<Group> = all.into_iter().map(|row| rows(vec![row])).chain([bad]).collect();
        // In the transaction that ends the run, or before it.
        if minute % 2 == 0 {
            store.commit_groups(&run, &groups).await.expect("a commit");
            groups.clear();
        }
        let rule = |_: &GroupOutcome, all: Option<&AllRefused>| match all {
            Some(all) => Finish::Failed {
                error: format!("{}, {}", all.count, all.first),
            },
            None => Finish::Complete {
                missing: Missing::Keep,
                missing_max: 1.0,
                told: Told::default(),
            },
        };
        let (summary, _) = store.complete_run(&run, &groups, &rule).await.expect("an end");
        let error = summary.error.unwrap_or_default();
        assert_eq!(summary.state == RunState::Failed, nothing, "{minute}: {error}");
        let first = if minute == 2 { "7: price: much" } else { "n9: slug: " };
        assert!(!nothing || error.starts_with(&format!("{count}, {first}")), "{error}");
    }
}

/// A rule that deletes, and takes a run of which all was refused for a failure.
fn deletes(_: &GroupOutcome, all: Option<&AllRefused>) -> Finish {
    match all {
        Some(all) => Finish::Failed {
            error: format!("{}, {}", all.count, all.first),
        },
        None => Finish::Complete {
            missing: Missing::Delete,
            missing_max: 1.0,
            told: Told::default(),
        },
    }
}

async fn a_run_that_brought_nothing_deletes_nothing(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let all = vec![npc("n1", "ann"), npc("n2", "bob"), npc("n3", "cat")];
    harvest(store, "Npc", NPC, 0, all).await;
    // The slug is that of a row which stays, as its record is refused; one of the others is gone.
    let group = |all| Group {
        refused: vec![Refused {
            id: Some(Key(vec![text("n3")])),
            ..refused(Some("n3"), "price: much")
        }],
        ..rows(all)
    };
    const HEAD: &str = "SELECT seq FROM hayloft_feed_head";
    let head = number(store, HEAD).await;
    for minute in [1, 2] {
        let run = start(store, "Npc", NPC, minute).await;
        let mut groups = vec![group(vec![npc("n1", "cat")])];
        if minute == 2 {
            store.commit_groups(&run, &groups).await.expect("a commit");
            groups.clear();
        }
        let (summary, _) = store.complete_run(&run, &groups, &deletes).await.expect("an end");
        assert_eq!(
            (summary.state, summary.gone),
            (RunState::Failed, 0),
            "{:?}",
            summary.error
        );
        assert_eq!(summary.refused, 2);
        assert_eq!(number(store, "SELECT count(*) FROM npc").await, 3);
        let kept = format!("SELECT count(*) FROM hayloft_quarantine WHERE run={}", summary.id);
        assert_eq!(number(store, &kept).await, 2);
    }
    assert_eq!(number(store, HEAD).await, head, "nothing has changed");
    // Where something comes of it, what is gone goes: so the slug is free.
    let run = start(store, "Npc", NPC, 3).await;
    let groups = [rows(vec![npc("n4", "bob")])];
    let (summary, _) = store.complete_run(&run, &groups, &deletes).await.expect("an end");
    assert_eq!((summary.state, summary.new, summary.gone), (RunState::Complete, 1, 3));
}

async fn links_that_lead_nowhere_are_counted(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    farm(store).await;
    let dangling = store.dangling_links(Duration::from_secs(60)).await.expect("counts");
    let counted: Vec<(EntityId, u32, Option<u64>)> = dangling
        .iter()
        .map(|dangling| (dangling.entity, dangling.field.0, dangling.links))
        .collect();
    assert_eq!(
        counted,
        [(ITEM, 5, Some(1)), (ITEM, 6, Some(1)), (QUEST_ITEM, 1, Some(1))]
    );
    let unknown = store.dangling_links(Duration::ZERO).await.expect("no counts");
    assert!(unknown.iter().all(|dangling| dangling.links.is_none()) && unknown.len() == 4);
}
