//! For which rows an unchanged page vouches.

use super::{runs::state, *};

on_both!(
    a_page_vouches_for_rows_as_it_wrote_them,
    a_page_in_several_groups_is_one,
    an_older_memory_vouches_for_nothing,
    the_only_page_of_a_type_that_nobody_writes_looks_at_no_row,
    what_was_not_judged_is_looked_at,
);

const PAGE: &str = "/tags?page=1";

/// The end of a page.
fn page(request: &str, all: Vec<Row>) -> Group {
    Group {
        request: Some(state(request)),
        pages: 1,
        ..rows(all)
    }
}

fn named(id: &str, name: &str) -> Row {
    Row::new(vec![text(id), text(name)], vec![], vec![])
}

/// How many rows the page vouches for in this run; none: it has to be read again.
async fn vouches(store: &Store, run: &Run) -> Option<u64> {
    let group = Group {
        unchanged: Some(PAGE.to_owned()),
        pages: 1,
        checkpoint: Some(Checkpoint {
            next: "2".to_owned(),
            pages: 1,
            rows: 9,
        }),
        ..Group::default()
    };
    if !store.vouches(run, PAGE, &[]).await.expect("an answer") {
        return None;
    }
    Some(store.commit_group(run, group).await.expect("a commit").same)
}

async fn a_page_vouches_for_rows_as_it_wrote_them(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let all = || vec![tag("a"), tag("b"), tag("d")];
    let first = start(store, "Tag", TAG, 0).await;
    store
        .commit_group(&first, page("/other", vec![tag("c")]))
        .await
        .expect("a commit");
    store.commit_group(&first, page(PAGE, all())).await.expect("a commit");
    assert_eq!(vouches(store, &first).await, Some(3));
    // Rows of other pages are nothing to it.
    store
        .commit_group(&first, page("/other", vec![named("c", "new")]))
        .await
        .expect("a commit");
    assert_eq!(vouches(store, &first).await, Some(3));
    for spoils in [
        // What another page wrote, in this run or another one that failed.
        None,
        Some("UPDATE tag SET _hash=0 WHERE id='d'"),
        Some("DELETE FROM tag WHERE id='a'"),
        Some("DELETE FROM tag WHERE id='b'"),
    ] {
        match spoils {
            Some(sql) => assert_eq!(run(store, sql).await, 1),
            None => {
                let group = page("/other", vec![named("b", "new")]);
                store.commit_group(&first, group).await.expect("a commit");
            }
        }
        assert_eq!(vouches(store, &first).await, None, "{spoils:?}");
        // It is what it was, but not as this page knows it.
        store
            .commit_group(&first, page("/other", all()))
            .await
            .expect("a commit");
        let whole = spoils.is_none_or(|sql| !sql.starts_with("DELETE"));
        assert_eq!(vouches(store, &first).await, whole.then_some(3), "{spoils:?}");
        store.commit_group(&first, page(PAGE, all())).await.expect("a commit");
        assert_eq!(vouches(store, &first).await, Some(3), "{spoils:?}");
    }
}

async fn a_page_in_several_groups_is_one(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let refused = Refused {
        key: None,
        id: Some(Key::text("a")),
        reason: "no tag".to_owned(),
        record: "{}".to_owned(),
    };
    store
        .commit_group(&run, rows(vec![tag("a"), tag("z")]))
        .await
        .expect("a commit");
    // One row comes again, otherwise; of another one only an older version is there.
    store
        .commit_group(&run, rows(vec![named("z", "last"), tag("b")]))
        .await
        .expect("a commit");
    let end = Group {
        refused: vec![refused],
        ..page(PAGE, vec![tag("c")])
    };
    store.commit_group(&run, end).await.expect("a commit");
    assert_eq!(vouches(store, &run).await, Some(4));
    super::run(store, "UPDATE tag SET _hash=_hash+1 WHERE id='z'").await;
    assert_eq!(vouches(store, &run).await, None);
}

/// It comes from a version that kept no prints.
async fn an_older_memory_vouches_for_nothing(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    store
        .commit_group(&run, page(PAGE, vec![tag("a")]))
        .await
        .expect("a commit");
    super::run(store, "UPDATE hayloft_request_state SET print=NULL").await;
    assert_eq!(vouches(store, &run).await, None);
}

/// A whole run of one page, with what it brings or as it was; none when it has to be read again.
async fn only(store: &Store, minute: u32, brings: Option<Vec<Row>>, end: &Finish) -> Option<RunSummary> {
    let run = start(store, "Tag", TAG, minute).await;
    let unchanged = brings.is_none().then(|| PAGE.to_owned());
    let group = Group {
        request: unchanged.is_none().then(|| state(PAGE)),
        unchanged: unchanged.clone(),
        pages: 1,
        checkpoint: Some(Checkpoint {
            next: "2".to_owned(),
            pages: 1,
            rows: 3,
        }),
        ..rows(brings.unwrap_or_default())
    };
    let vouches = unchanged.is_none() || store.vouches(&run, PAGE, &[]).await.expect("an answer");
    let (groups, end) = match vouches {
        true => (vec![group], end.clone()),
        false => (
            Vec::new(),
            Finish::Failed {
                error: "stale".to_owned(),
            },
        ),
    };
    let ended = store.complete_run(&run, &groups, &|_, _| end.clone()).await;
    Some(ended.expect("an end").0).filter(|_| vouches)
}

/// The table is not there meanwhile, so whoever looks at a row fails.
async fn unseen(store: &Store, minute: u32) -> RunSummary {
    run(store, "ALTER TABLE tag RENAME TO away").await;
    let summary = only(store, minute, None, &complete(1.0)).await.expect("it vouches");
    run(store, "ALTER TABLE away RENAME TO tag").await;
    summary
}

async fn the_only_page_of_a_type_that_nobody_writes_looks_at_no_row(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let all = || Some(vec![tag("a"), tag("b"), tag("d")]);
    only(store, 0, all(), &complete(1.0)).await.expect("an end");
    for minute in [1, 2] {
        let summary = unseen(store, minute).await;
        assert_eq!((summary.pages, summary.same, summary.gone), (1, 3, 0));
        assert_eq!(summary.state, RunState::Complete);
    }
    // A row more is none of the page's, and goes: for that the rows are looked at, once.
    harvest_other(store, 0, vec![tag("e")]).await;
    let summary = only(store, 3, None, &complete(1.0)).await.expect("it vouches");
    assert_eq!((summary.same, summary.gone), (3, 1));
    assert_eq!(unseen(store, 4).await.same, 3);
    // One of its rows is another one now.
    harvest_other(store, 1, vec![named("b", "new")]).await;
    assert!(only(store, 5, None, &complete(1.0)).await.is_none());
    only(store, 6, all(), &complete(1.0)).await.expect("an end");
    assert_eq!(unseen(store, 7).await.same, 3);
}

/// Rows that come another way.
async fn harvest_other(store: &Store, minute: u32, all: Vec<Row>) {
    let other = start(store, "Other", TAG, minute).await;
    store.commit_group(&other, rows(all)).await.expect("a commit");
    let end = Finish::Interrupted;
    store.finish_run(&other, end).await.expect("an end");
}

/// Of a run that keeps what is missing for a reason of its own nothing is known but its rows.
async fn what_was_not_judged_is_looked_at(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    harvest_other(store, 0, vec![tag("e")]).await;
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 1.0,
        told: Told::default(),
    };
    only(store, 0, Some(vec![tag("a"), tag("b")]), &keep)
        .await
        .expect("an end");
    let summary = only(store, 1, None, &complete(1.0)).await.expect("it vouches");
    assert_eq!((summary.same, summary.gone), (2, 1));
    assert_eq!(unseen(store, 2).await.same, 2);
    // What is held waits for a decision, and is judged anew when there is one.
    harvest_other(store, 1, vec![tag("e"), tag("f"), tag("g")]).await;
    let summary = only(store, 3, None, &complete(0.1)).await.expect("it vouches");
    assert_eq!((summary.gone, summary.held), (0, 3));
    let summary = only(store, 4, None, &complete(1.0)).await.expect("it vouches");
    assert_eq!((summary.same, summary.gone, summary.held), (2, 3, 0));
    assert_eq!(unseen(store, 5).await.same, 2);
}
