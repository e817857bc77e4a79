//! Several pages in one transaction: each is remembered by itself, and what comes after sees what
//! came before.

use super::{changes::lines, *};

on_both!(
    pages_of_one_commit_are_remembered_apart,
    a_row_on_two_pages_of_one_commit,
    pages_of_new_rows_are_what_they_are_one_by_one,
    a_page_that_began_in_an_earlier_commit,
    a_refused_row_forgets_its_own_page_only,
    the_log_tells_pages_in_their_order,
    a_newer_form_of_a_refused_row_is_what_counts,
);

/// The last group of a page.
fn page(request: &str, number: u64, all: Vec<Row>) -> Group {
    Group {
        pages: 1,
        request: Some(RequestState {
            request: request.to_owned(),
            etag: None,
            last_modified: None,
            body_hash: None,
            page: String::new(),
            rows: all.len() as u64,
        }),
        checkpoint: Some(Checkpoint {
            next: number.to_string(),
            pages: number,
            rows: number,
        }),
        ..rows(all)
    }
}

fn unchanged(request: &str) -> Group {
    Group {
        unchanged: Some(request.to_owned()),
        pages: 1,
        checkpoint: page(request, 1, Vec::new()).checkpoint,
        ..Group::default()
    }
}

fn counts(outcome: &GroupOutcome) -> (u64, u64, u64, u64) {
    (outcome.new, outcome.changed, outcome.same, outcome.repeated)
}

async fn pages_of_one_commit_are_remembered_apart(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let pages = [
        page("/1", 1, vec![tag("a"), tag("b")]),
        page("/2", 2, vec![tag("c")]),
        page("/3", 3, vec![tag("d")]),
    ];
    let done = store.commit_groups(&run, &pages).await.expect("a commit");
    assert_eq!(counts(&done), (4, 0, 0, 0));
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!((summary.pages, summary.new), (3, 4));
    // One page is as it was, one has a row less, one is gone.
    let run = start(store, "Tag", TAG, 1).await;
    let pages = [page("/1", 1, vec![tag("a")]), unchanged("/2")];
    let done = store.commit_groups(&run, &pages).await.expect("a commit");
    assert_eq!(counts(&done), (0, 0, 2, 0));
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(summary.gone, 2);
    assert_eq!(number(store, "SELECT count(*) FROM tag WHERE id IN ('a','c')").await, 2);
}

async fn a_row_on_two_pages_of_one_commit(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let other = Row::new(vec![text("a"), text("second")], vec![], vec![]);
    let pages = [
        page("/1", 1, vec![tag("a"), tag("b")]),
        page("/2", 2, vec![other, tag("c")]),
    ];
    let done = store.commit_groups(&run, &pages).await.expect("a commit");
    assert_eq!(counts(&done), (3, 1, 0, 1), "it has moved to a later page");
    // In a table that was empty before the run, nothing that it added itself is taken for new.
    let done = store
        .commit_groups(&run, &[page("/3", 3, vec![tag("c"), tag("d")])])
        .await;
    assert_eq!(counts(&done.expect("a commit")), (1, 0, 1, 1));
    assert_eq!(number(store, "SELECT count(*) FROM tag WHERE name='second'").await, 1);
    assert_eq!(number(store, "SELECT count(*) FROM tag").await, 4);
}

/// Whichever of a commit's pages are written at once: counts, rows and what each page stands for
/// are as if each had a transaction of its own.
async fn pages_of_new_rows_are_what_they_are_one_by_one(on: On) {
    let other = || Row::new(vec![text("b"), text("second")], vec![], vec![]);
    let refused = Refused {
        key: None,
        id: Some(Key::text("c")),
        reason: "no tag".to_owned(),
        record: "{}".to_owned(),
    };
    let pages = || {
        vec![
            page("/1", 1, vec![tag("a"), tag("b")]),
            page("/2", 2, vec![tag("c")]),
            page("/3", 3, Vec::new()),
            // One of an earlier page, one twice, and one that has it all.
            page("/4", 4, vec![other(), tag("d")]),
            page("/5", 5, vec![tag("e"), tag("f"), tag("e")]),
            page("/6", 6, vec![tag("g")]),
            page("/6", 7, vec![tag("h")]),
            Group {
                refused: vec![refused.clone()],
                ..page("/7", 8, vec![tag("i")])
            },
            page("/8", 9, vec![tag("j")]),
            page("/9", 10, vec![tag("k")]),
        ]
    };
    let mut found = Vec::new();
    for together in [true, false] {
        let bench = bench_on(on).await;
        let store = &bench.store;
        let run = start(store, "Tag", TAG, 0).await;
        let mut outcome = GroupOutcome::default();
        let commits = match together {
            true => vec![pages()],
            false => pages().into_iter().map(|page| vec![page]).collect(),
        };
        for commit in commits {
            outcome.add(&store.commit_groups(&run, &commit).await.expect("a commit"));
        }
        let ended = store.finish_run(&run, complete(1.0)).await.expect("an end");
        // Rows added after it get numbers of their own.
        harvest(store, "Tag", TAG, 1, vec![tag("a"), tag("l"), tag("m")]).await;
        let told = lines(
            store,
            "SELECT concat_ws(' ',request,page,rows,print) FROM hayloft_request_state ORDER BY request",
        );
        let log = "SELECT concat_ws(' ',op,row_key) FROM hayloft_change_log ORDER BY seq";
        found.push((
            counts(&outcome),
            (ended.new, ended.changed, ended.same, ended.refused, ended.pages),
            told.await,
            lines(store, "SELECT concat_ws(' ',_row,id,name) FROM tag ORDER BY _row").await,
            lines(store, log).await,
        ));
    }
    assert_eq!(found[0], found[1]);
    assert_eq!((found[0].0.0, found[0].0.1), (11, 1));
}

async fn a_page_that_began_in_an_earlier_commit(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Tag", TAG, 0).await;
    let part = [page("/1", 1, vec![tag("a")]), rows(vec![tag("b")])];
    store.commit_groups(&run, &part).await.expect("a commit");
    let rest = [page("/2", 2, vec![tag("c")]), page("/3", 3, vec![tag("b"), tag("a")])];
    let done = store.commit_groups(&run, &rest).await.expect("a commit");
    assert_eq!(counts(&done), (1, 0, 2, 2), "both came on earlier pages");
    store.finish_run(&run, complete(1.0)).await.expect("an end");
    let run = start(store, "Tag", TAG, 1).await;
    let done = store.commit_groups(&run, &[unchanged("/2")]).await.expect("a commit");
    assert_eq!(done.same, 2, "all that the page had, in both of its groups");
}

async fn a_refused_row_forgets_its_own_page_only(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Npc", NPC, 0).await;
    let pages = [
        page("/1", 1, vec![npc("n1", "ann")]),
        page("/2", 2, vec![npc("n2", "ann"), npc("n3", "bob")]),
        page("/3", 3, vec![npc("n4", "cid")]),
    ];
    let done = store.commit_groups(&run, &pages).await.expect("a commit");
    assert_eq!(counts(&done), (3, 0, 0, 0));
    for (request, known) in [("/1", true), ("/2", false), ("/3", true)] {
        let state = store.request_state("Npc", request).await.expect("what is remembered");
        assert_eq!(state.is_some(), known, "{request}");
    }
    let named = "SELECT count(*) FROM hayloft_quarantine WHERE request='/2'";
    assert_eq!(number(store, named).await, 1);
    assert_eq!(number(store, "SELECT count(*) FROM hayloft_quarantine").await, 1);
}

/// Who replays the log ends with what is stored: what a later page brings back comes after what an
/// earlier one took away.
async fn the_log_tells_pages_in_their_order(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    farm(store).await;
    let run = start(store, "Quest", QUEST, 1).await;
    let pages = [
        page("/1", 1, vec![quest("q2", "Second", &[])]),
        page("/2", 2, vec![quest("q2", "Second", &[("i1", 4)])]),
    ];
    store.commit_groups(&run, &pages).await.expect("a commit");
    let last = "SELECT count(*) FROM hayloft_change_log WHERE op='new' AND type='QuestItem' \
                AND seq=(SELECT max(seq) FROM hayloft_change_log WHERE type='QuestItem')";
    assert_eq!(number(store, last).await, 1);
    assert_eq!(
        number(store, "SELECT count(*) FROM quest_item WHERE quest_id='q2'").await,
        1
    );
}

/// What was refused for a taken value is tried again at the end of the run, unless a later page
/// brought the row anew.
async fn a_newer_form_of_a_refused_row_is_what_counts(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let run = start(store, "Npc", NPC, 0).await;
    let pages = [
        page("/1", 1, vec![npc("n1", "ann")]),
        page("/2", 2, vec![npc("n2", "ann")]),
        page("/3", 3, vec![npc("n2", "bob"), npc("n1", "cid")]),
    ];
    store.commit_groups(&run, &pages).await.expect("a commit");
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(summary.refused, 0, "nothing is refused in the end");
    let stored = "SELECT count(*) FROM npc WHERE (id='n1' AND slug='cid') OR (id='n2' AND slug='bob')";
    assert_eq!(number(store, stored).await, 2);
}
