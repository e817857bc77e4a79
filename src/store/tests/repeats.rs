//! One key several times in one run: counted, and written once where that is known before.

use super::{
    changes::{lines, open},
    *,
};

on_both!(
    copies_are_counted,
    values_that_alternate_are_written_once,
    what_waits_for_its_last_copy_is_seen,
    where_a_key_may_come_once,
);

const SDL: &str = "type Thing @f { id: ID! name: String }";
const THINGS: &str = "SELECT concat_ws(' ',id,name) FROM thing ORDER BY id";

async fn things(on: On) -> (Place, Store) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, SDL).await.expect("a store");
    (place, store)
}

fn thing((id, name): &(&str, &str)) -> Row {
    Row::new(vec![text(id), text(name)], vec![], vec![])
}

fn page(number: u64, all: &[(&str, &str)]) -> Group {
    Group {
        pages: 1,
        request: Some(RequestState {
            request: format!("/things?page={number}"),
            etag: None,
            last_modified: None,
            body_hash: None,
            page: String::new(),
            rows: 0,
        }),
        checkpoint: Some(Checkpoint {
            next: number.to_string(),
            pages: number,
            rows: 0,
        }),
        ..rows(all.iter().map(thing).collect())
    }
}

async fn pages(store: &Store, minute: u32, all: &[&[(&str, &str)]]) -> RunSummary {
    let run = start(store, "Thing", EntityId(0), minute).await;
    for (number, rows) in (1..).zip(all) {
        store.commit_group(&run, page(number, rows)).await.expect("a commit");
    }
    store.finish_run(&run, complete(1.0)).await.expect("an end")
}

async fn copies_are_counted(on: On) {
    let (_place, store) = things(on).await;
    let run = start(&store, "Thing", EntityId(0), 0).await;
    let part = |all: &[(&str, &str)]| rows(all.iter().map(thing).collect());
    let commit = async |group: Group| store.commit_group(&run, group).await.expect("a commit");
    // Inside one group, in another one of its page, and on the next page.
    let done = commit(part(&[("a", "x"), ("b", "x"), ("a", "x"), ("a", "y")])).await;
    assert_eq!((done.new, done.copies, done.repeated), (2, 2, 0));
    let done = commit(page(1, &[("b", "x"), ("c", "x")])).await;
    assert_eq!((done.new, done.copies, done.repeated), (1, 1, 0));
    let done = commit(page(2, &[("c", "x"), ("d", "x")])).await;
    assert_eq!((done.new, done.copies, done.repeated), (1, 1, 1));
    let done = commit(Group {
        copies: 3,
        ..Group::default()
    })
    .await;
    assert_eq!(done.copies, 3);
    let run = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((run.new, run.repeated, run.gone), (4, 7, 0));
    assert_eq!(lines(&store, THINGS).await, ["a y", "b x", "c x", "d x"]);
}

async fn values_that_alternate_are_written_once(on: On) {
    let (_place, store) = things(on).await;
    let both = |last| -> [Vec<(&str, &str)>; 2] { [vec![("a", "first"), ("b", "x")], vec![("a", last)]] };
    let harvest = async |minute: u32, last: &'static str| {
        let all = both(last);
        pages(&store, minute, &[&all[0], &all[1]]).await
    };
    let run = harvest(0, "last").await;
    assert_eq!((run.new, run.repeated), (2, 1));
    let head = number(&store, "SELECT seq FROM hayloft_feed_head").await;
    for minute in [1, 2] {
        let run = harvest(minute, "last").await;
        assert_eq!((run.new, run.changed, run.same, run.repeated), (0, 0, 2, 1));
    }
    // Nobody saw the first one again.
    assert_eq!(number(&store, "SELECT seq FROM hayloft_feed_head").await, head);
    let run = harvest(3, "other").await;
    assert_eq!((run.changed, run.same), (1, 1));
    assert_eq!(number(&store, "SELECT seq FROM hayloft_feed_head").await, head + 1);
    assert_eq!(lines(&store, THINGS).await, ["a other", "b x"]);
    // Pages with such a row are read in full: what one says of it depends on the other.
    assert_eq!(
        store.request_state("Thing", "/things?page=1").await.expect("a state"),
        None
    );
    assert_eq!(
        store.request_state("Thing", "/things?page=2").await.expect("a state"),
        None
    );
    // It comes once, and then it is a row as any other.
    for minute in [4, 5] {
        let run = pages(&store, minute, &[&[("a", "alone"), ("b", "x")]]).await;
        assert_eq!((run.changed, run.repeated), (u64::from(minute == 4), 0));
    }
    let state = store.request_state("Thing", "/things?page=1").await.expect("a state");
    assert!(state.is_some());
}

/// Also when the run deletes what it did not see, or ends before its last page.
async fn what_waits_for_its_last_copy_is_seen(on: On) {
    let (_place, store) = things(on).await;
    let first: [&[(&str, &str)]; 2] = [&[("a", "1"), ("b", "1")], &[("a", "2")]];
    pages(&store, 0, &first).await;
    let run = pages(&store, 1, &[&[("a", "3")]]).await;
    assert_eq!((run.changed, run.gone), (1, 1));
    assert_eq!(lines(&store, THINGS).await, ["a 3"]);
    pages(&store, 2, &first).await;
    let run = start(&store, "Thing", EntityId(0), 3).await;
    store
        .commit_group(&run, page(1, &[("a", "9"), ("b", "9")]))
        .await
        .expect("a commit");
    let failed = Finish::Failed { error: "no".to_owned() };
    store.finish_run(&run, failed).await.expect("an end");
    assert_eq!(
        lines(&store, THINGS).await,
        ["a 2", "b 9"],
        "what waits stays as it was"
    );
}

async fn where_a_key_may_come_once(on: On) {
    let (_place, store) = things(on).await;
    let run = start(&store, "Thing", EntityId(0), 0).await;
    let once = |number: u64, all: &[(&str, &str)]| Group {
        once: true,
        ..page(number, all)
    };
    store
        .commit_group(&run, once(1, &[("a", "x"), ("b", "x")]))
        .await
        .expect("a commit");
    for group in [
        once(2, &[("c", "x"), ("d", "x"), ("c", "y")]),
        once(2, &[("d", "x"), ("b", "y")]),
    ] {
        let key = if group.rows.len() == 3 { "c" } else { "b" };
        let error = store.commit_group(&run, group).await.expect_err("twice").to_string();
        assert!(
            error.starts_with(&format!("the key \"{key}\" came more than once")),
            "{error}"
        );
    }
    assert_eq!(lines(&store, THINGS).await, ["a x", "b x"]);
}
