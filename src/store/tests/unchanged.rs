//! For which rows an unchanged page vouches.

use super::{runs::state, *};

on_both!(
    a_page_vouches_for_rows_as_it_wrote_them,
    a_page_in_several_groups_is_one,
    an_older_memory_vouches_for_nothing,
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
