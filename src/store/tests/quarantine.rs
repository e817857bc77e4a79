//! What is told of rejected records, and of links that lead nowhere.

use super::*;

on_both!(rejected_records_are_listed, links_that_lead_nowhere_are_counted);

fn refused(key: Option<&str>, reason: &str) -> Refused {
    Refused {
        key: key.map(str::to_owned),
        id: None,
        reason: reason.to_owned(),
        record: "{\"a\":1}".to_owned(),
    }
}

async fn rejected_records_are_listed(on: On) {
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
    let all = || RejectedFilter::default();
    let text = |text: &str| Some(text.to_owned());
    for (filter, want) in [
        (all(), vec!["a_b", "", "n1"]),
        (
            RejectedFilter {
                fetch: text("Tag"),
                ..all()
            },
            vec!["a_b", ""],
        ),
        (
            RejectedFilter {
                runs: RejectedRuns::All,
                ..all()
            },
            vec!["old", "a_b", "", "n1"],
        ),
        (
            RejectedFilter {
                runs: RejectedRuns::One(runs[0]),
                ..all()
            },
            vec!["old"],
        ),
        (
            RejectedFilter {
                reason: text("MISSING"),
                runs: RejectedRuns::All,
                ..all()
            },
            vec!["old", "n1"],
        ),
        (
            RejectedFilter {
                reason: text("0% w"),
                ..all()
            },
            vec!["a_b"],
        ),
        (
            RejectedFilter {
                reason: text("%"),
                ..all()
            },
            vec!["a_b"],
        ),
        (
            RejectedFilter {
                key: text("a_b"),
                ..all()
            },
            vec!["a_b"],
        ),
        (
            RejectedFilter {
                key: text("a%b"),
                ..all()
            },
            vec![],
        ),
    ] {
        let mut keys = Vec::new();
        let mut after = 0;
        // One after the other, as a listing of many would.
        while let Some(next) = store.rejected(&filter, after, 1).await.expect("a list").pop() {
            after = next.id;
            keys.push(next.key.unwrap_or_default());
        }
        assert_eq!(keys, want, "{filter:?}");
    }
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
