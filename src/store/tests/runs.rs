//! The ledger: slots, fences, resuming, unchanged pages.

use crate::store::runs::replay;

use super::*;

on_both!(
    a_slot_is_taken_once,
    an_unchanged_page_keeps_its_rows,
    what_had_refused_records_is_read_again,
    answers_with_refused_records_are_asked_for_again,
    an_interrupted_run_goes_on,
    an_interrupted_run_of_another_definition_does_not,
);

pub(super) fn state(request: &str) -> RequestState {
    RequestState {
        request: request.to_owned(),
        etag: Some("\"1\"".to_owned()),
        last_modified: None,
        body_hash: None,
        page: "{}".to_owned(),
        rows: 2,
    }
}

async fn a_slot_is_taken_once(on: On) {
    let bench = bench_on(on).await;
    let run = start(&bench.store, "Tag", TAG, 0).await;
    let again = |minute| StartRun {
        fetch: "Tag".to_owned(),
        entity: TAG,
        slot: slot(minute),
        reason: Reason::Schedule,
        resume: Some(1),
    };
    assert!(
        bench.store.start_run(&again(1)).await.expect("answers").is_none(),
        "one is running"
    );
    bench.store.heartbeat(&run).await.expect("alive");
    let failed = Finish::Failed { error: "no".to_owned() };
    bench.store.finish_run(&run, failed).await.expect("an end");
    assert!(
        bench.store.start_run(&again(0)).await.expect("answers").is_none(),
        "the slot is taken"
    );
    assert!(bench.store.start_run(&again(1)).await.expect("answers").is_some());
    assert!(matches!(bench.store.heartbeat(&run).await, Err(StoreError::Fenced)));
    assert!(matches!(
        bench.store.commit_group(&run, rows(vec![])).await,
        Err(StoreError::Fenced)
    ));
}

async fn an_unchanged_page_keeps_its_rows(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    store.commit_group(&run, rows(vec![tag("a")])).await.expect("a commit");
    let group = Group {
        request: Some(state("/tags?page=1")),
        pages: 1,
        ..rows(vec![tag("b")])
    };
    store.commit_group(&run, group).await.expect("a commit");
    store.finish_run(&run, complete(0.0)).await.expect("an end");
    let known = store.request_state("Tag", "/tags?page=1").await.expect("answers");
    assert_eq!(known, Some(state("/tags?page=1")));
    let run = start(store, "Tag", TAG, 1).await;
    let group = Group {
        unchanged: Some("/tags?page=1".to_owned()),
        pages: 1,
        ..Group::default()
    };
    let done = store.commit_group(&run, group).await.expect("a commit");
    assert_eq!(done.same, 2);
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.gone, summary.same), (0, 2));
    // A page that a complete run did not visit is forgotten, though no row went.
    harvest(store, "Tag", TAG, 2, vec![tag("a"), tag("b")]).await;
    assert_eq!(store.request_state("Tag", "/tags?page=1").await.expect("answers"), None);
}

async fn what_had_refused_records_is_read_again(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let broken = Refused {
        key: Some("b".to_owned()),
        id: None,
        reason: "no".to_owned(),
        record: "{}".to_owned(),
    };
    for (page, refused) in [("/tags?page=1", vec![]), ("/tags?page=2", vec![broken])] {
        let group = Group {
            request: Some(state(page)),
            refused,
            pages: 1,
            ..rows(vec![tag(page)])
        };
        store.commit_group(&run, group).await.expect("a commit");
    }
    store.finish_run(&run, complete(0.0)).await.expect("an end");
    assert_eq!(
        replay::forget(&store.context, "Tag", false).await.expect("an answer"),
        1
    );
    let known = async |page| store.request_state("Tag", page).await.expect("an answer").is_some();
    assert!(known("/tags?page=1").await && !known("/tags?page=2").await);
}

async fn answers_with_refused_records_are_asked_for_again(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    for sql in [
        "INSERT INTO hayloft_fan_out(\"fetch\",parent,state,run,hash,tries) \
         VALUES ('Item.parts',1,'done',1,7,0),('Item.parts',2,'done',1,7,0)",
        "INSERT INTO hayloft_quarantine(run,\"fetch\",reason,record,at,parent) \
         VALUES (1,'Item.parts','no','{}','2026-01-01T00:00:00.000Z',2)",
    ] {
        run(store, sql).await;
    }
    let known = replay::forget(&store.context, "Item.parts", true)
        .await
        .expect("an answer");
    assert_eq!(known, 1);
    let again = "SELECT CAST(sum(parent) AS BIGINT) FROM hayloft_fan_out WHERE hash IS NULL";
    assert_eq!(number(store, again).await, 2);
}

async fn an_interrupted_run_goes_on(on: On) {
    let bench = bench_on(on).await;
    let place = bench.place;
    let run = start(&bench.store, "Tag", TAG, 0).await;
    let checkpoint = Checkpoint {
        next: "2".to_owned(),
        pages: 1,
        rows: 1,
    };
    let group = Group {
        checkpoint: Some(checkpoint.clone()),
        ..rows(vec![tag("a")])
    };
    bench.store.commit_group(&run, group).await.expect("a commit");
    bench
        .store
        .commit_group(&run, rows(vec![tag("b")]))
        .await
        .expect("a commit");
    if on == On::Postgres {
        // Another process may only take it over when its lease is over.
        super::run(&bench.store, "UPDATE hayloft_run SET lease_until=started_at").await;
    }
    bench.store.clone().close().await;
    drop(bench.store);
    let store = open_at(&place.url, "one", Access::Write).await.expect("opens again");
    let resumed = start(&store, "Tag", TAG, 0).await;
    assert_eq!(
        (resumed.id, resumed.fence, &resumed.checkpoint),
        (run.id, run.fence + 1, &Some(checkpoint))
    );
    assert!(matches!(store.heartbeat(&run).await, Err(StoreError::Fenced)));
    let done = store
        .commit_group(&resumed, rows(vec![tag("b")]))
        .await
        .expect("a commit");
    assert_eq!((done.same, done.repeated), (1, 0));
    let summary = store.finish_run(&resumed, complete(0.0)).await.expect("an end");
    assert_eq!((summary.gone, summary.held), (0, 0));
}

async fn an_interrupted_run_of_another_definition_does_not(on: On) {
    let bench = bench_on(on).await;
    let place = bench.place;
    let run = start(&bench.store, "Tag", TAG, 0).await;
    let checkpoint = Some(Checkpoint {
        next: "2".to_owned(),
        pages: 1,
        rows: 1,
    });
    let group = Group {
        checkpoint,
        request: Some(state("/tags")),
        ..rows(vec![tag("a")])
    };
    bench.store.commit_group(&run, group).await.expect("a commit");
    bench.store.finish_run(&run, Finish::Interrupted).await.expect("an end");
    bench.store.clone().close().await;
    drop(bench.store);
    let store = open_at(&place.url, "two", Access::Write).await.expect("opens again");
    assert_eq!(store.request_state("Tag", "/tags").await.expect("answers"), None);
    let other = start(&store, "Tag", TAG, 1).await;
    assert!(other.id > run.id && other.checkpoint.is_none());
}
