//! Values that a unique field allows once: who gives one up, who takes it, and what is tried again.
//! Definitions are text here.

use crate::{
    catalog::FetchId,
    value::{Kept, Value},
};

use super::{
    changes::{lines, open},
    *,
};

on_both!(
    a_child_that_goes_frees_its_value_for_one_that_comes,
    values_move_between_owners_of_one_group,
    a_value_that_a_later_group_frees_is_taken_at_the_end,
    a_refused_child_is_tried_again_by_the_next_run,
    an_owner_whose_child_stays_refused_is_no_change,
    children_of_children_keep_their_owners_open,
    a_row_that_changes_its_key_keeps_its_slug,
    values_in_a_cycle_over_groups_are_exchanged,
    children_exchange_values_over_groups,
    one_that_cannot_be_written_stops_no_exchange,
    many_values_that_all_move_by_one,
    what_comes_again_is_not_tried_again,
    a_refused_child_keeps_its_last_good_version,
    children_of_rows_that_a_field_brings_are_asked_for_again,
);

const SDL: &str = "type Order @f { id: ID! slug: String @unique lines: [Line!]! @nested(jq: \".lines[]\") notes: [Note!]! @nested(jq: \".notes[]\") }
    type Line { order: Order! n: ID! @id serial: String @unique parts: [Part!]! @nested(jq: \".parts[]\") }
    type Part { line: Line! code: ID! @id mark: String @unique }
    type Note { order: Order! text: String }
    type Shop @f { id: ID! orders: [Order!]! @fetch(source: \"s\", GET: \"/shops/{$this.id}\") }";

const ORDER: EntityId = EntityId(0);
const SHOP: EntityId = EntityId(4);
const LINES: &str = "SELECT concat_ws(' ',order_id,n,serial) FROM line ORDER BY order_id,n";
const SLUGS: &str = "SELECT concat_ws(' ',id,slug) FROM \"order\" ORDER BY id";

async fn shop(on: On) -> (Place, Store) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, SDL).await.expect("a store");
    let names: Vec<&str> = store
        .context
        .catalog
        .entities
        .iter()
        .map(|entity| entity.name.as_str())
        .collect();
    assert_eq!(names, ["Order", "Line", "Part", "Note", "Shop"]);
    (place, store)
}

fn maybe(value: &str) -> Value {
    if value.is_empty() { Value::Null } else { text(value) }
}

fn line(order: &str, n: &str, serial: &str, parts: &[(&str, &str)]) -> Row {
    let part =
        |(code, mark): &(&str, &str)| Row::new(vec![text(order), text(n), text(code), maybe(mark)], vec![], vec![]);
    let parts = parts.iter().map(part).collect();
    Row::new(vec![text(order), text(n), maybe(serial)], vec![], vec![parts])
}

fn slugged(id: &str, slug: &str) -> Row {
    Row::new(vec![text(id), maybe(slug)], vec![], vec![vec![], vec![]])
}

/// An order with lines, each a number and a serial.
fn order(id: &str, all: &[(&str, &str)]) -> Row {
    let all = all.iter().map(|(n, serial)| line(id, n, serial, &[])).collect();
    Row::new(vec![text(id), Value::Null], vec![], vec![all, vec![]])
}

/// One whole run of several pages, a group each.
async fn pages(store: &Store, minute: u32, missing: Missing, pages: Vec<Vec<Row>>) -> RunSummary {
    let run = start(store, "Order", ORDER, minute).await;
    for (number, page) in (1..).zip(pages) {
        let group = Group {
            pages: 1,
            checkpoint: Some(Checkpoint {
                next: number.to_string(),
                pages: number,
                rows: 0,
            }),
            ..rows(page)
        };
        store.commit_group(&run, group).await.expect("a commit");
    }
    let finish = Finish::Complete {
        missing,
        missing_max: 1.0,
        told: Told::default(),
    };
    store.finish_run(&run, finish).await.expect("an end")
}

/// What the run says, and what the quarantine has of it.
async fn refused(store: &Store, run: &RunSummary) -> u64 {
    let told = format!("SELECT count(*) FROM hayloft_quarantine WHERE run={}", run.id);
    assert_eq!(
        number(store, &told).await,
        run.refused as i64,
        "what is told is what is counted"
    );
    run.refused
}

async fn a_child_that_goes_frees_its_value_for_one_that_comes(on: On) {
    let (_place, store) = shop(on).await;
    pages(&store, 0, Missing::Keep, vec![vec![order("a", &[("1", "s1")])]]).await;
    let run = pages(
        &store,
        1,
        Missing::Keep,
        vec![vec![order("a", &[("9", "s1"), ("10", "s2")])]],
    )
    .await;
    assert_eq!((run.changed, refused(&store, &run).await), (1, 0));
    assert_eq!(lines(&store, LINES).await, ["a 10 s2", "a 9 s1"]);
}

async fn values_move_between_owners_of_one_group(on: On) {
    let (_place, store) = shop(on).await;
    let all = vec![order("a", &[("1", "s1"), ("2", "s2")]), order("b", &[("1", "s3")])];
    pages(&store, 0, Missing::Keep, vec![all]).await;
    // One line goes from b to a; two exchange what they have.
    let all = vec![order("a", &[("1", "s3"), ("2", "s1")]), order("b", &[("2", "s2")])];
    let run = pages(&store, 1, Missing::Keep, vec![all]).await;
    assert_eq!((run.changed, refused(&store, &run).await), (2, 0));
    assert_eq!(lines(&store, LINES).await, ["a 1 s3", "a 2 s1", "b 2 s2"]);
}

async fn a_value_that_a_later_group_frees_is_taken_at_the_end(on: On) {
    let (_place, store) = shop(on).await;
    pages(&store, 0, Missing::Keep, vec![vec![order("b", &[("1", "s1")])]]).await;
    let groups = vec![
        vec![order("a", &[("1", "s1"), ("2", "s2")])],
        vec![order("b", &[("1", "")])],
    ];
    let run = pages(&store, 1, Missing::Keep, groups.clone()).await;
    assert_eq!((run.new, run.changed, refused(&store, &run).await), (1, 1, 0));
    assert_eq!(lines(&store, LINES).await, ["a 1 s1", "a 2 s2", "b 1"]);
    let again = pages(&store, 2, Missing::Keep, groups).await;
    assert_eq!((again.new, again.changed, again.same), (0, 0, 2), "it is settled");
}

async fn a_refused_child_is_tried_again_by_the_next_run(on: On) {
    let (_place, store) = shop(on).await;
    let second = || order("b", &[("1", "s1"), ("2", "s2")]);
    let groups = vec![vec![order("a", &[("1", "s1")])], vec![second()]];
    let run = pages(&store, 0, Missing::Keep, groups).await;
    assert_eq!((run.new, refused(&store, &run).await), (2, 1));
    assert_eq!(lines(&store, LINES).await, ["a 1 s1", "b 2 s2"]);
    // The record of the second is as it was; what stood in its way has gone.
    let run = pages(&store, 1, Missing::Keep, vec![vec![order("a", &[]), second()]]).await;
    assert_eq!((run.changed, run.same, refused(&store, &run).await), (2, 0, 0));
    assert_eq!(lines(&store, LINES).await, ["b 1 s1", "b 2 s2"]);
}

async fn an_owner_whose_child_stays_refused_is_no_change(on: On) {
    let (_place, store) = shop(on).await;
    let all = || {
        vec![vec![
            order("a", &[("1", "s1")]),
            order("b", &[("1", "s1"), ("2", "s2")]),
        ]]
    };
    pages(&store, 0, Missing::Keep, all()).await;
    let head = number(&store, "SELECT seq FROM hayloft_feed_head").await;
    for minute in [1, 2] {
        let run = pages(&store, minute, Missing::Keep, all()).await;
        assert_eq!((run.changed, run.same, refused(&store, &run).await), (0, 2, 1));
    }
    assert_eq!(number(&store, "SELECT seq FROM hayloft_feed_head").await, head);
    // A page with such a row is not remembered: only by reading it can it come back.
    let run = start(&store, "Order", ORDER, 3).await;
    let group = Group {
        request: Some(RequestState {
            request: "/orders".to_owned(),
            etag: None,
            last_modified: None,
            body_hash: None,
            page: String::new(),
            rows: 2,
        }),
        ..rows(all().remove(0))
    };
    store.commit_group(&run, group).await.expect("a commit");
    assert_eq!(store.request_state("Order", "/orders").await.expect("a state"), None);
}

async fn children_of_children_keep_their_owners_open(on: On) {
    let (_place, store) = shop(on).await;
    let with = |id: &str, marks: &[(&str, &str)]| {
        let lines = vec![line(id, "1", "", marks)];
        Row::new(vec![text(id), Value::Null], vec![], vec![lines, vec![]])
    };
    let second = || with("b", &[("x", "m1"), ("y", "m2")]);
    let run = pages(
        &store,
        0,
        Missing::Keep,
        vec![vec![with("a", &[("x", "m1")]), second()]],
    )
    .await;
    assert_eq!((run.new, refused(&store, &run).await), (2, 1));
    let run = pages(&store, 1, Missing::Keep, vec![vec![with("a", &[("x", "")]), second()]]).await;
    assert_eq!((run.changed, refused(&store, &run).await), (2, 0));
    let marks = "SELECT concat_ws(' ',line_order_id,code,mark) FROM part ORDER BY line_order_id,code";
    assert_eq!(lines(&store, marks).await, ["a x", "b x m1", "b y m2"]);
}

async fn a_row_that_changes_its_key_keeps_its_slug(on: On) {
    let (_place, store) = shop(on).await;
    pages(
        &store,
        0,
        Missing::Delete,
        vec![vec![slugged("1", "s1"), slugged("2", "s2")]],
    )
    .await;
    let moved = vec![slugged("9", "s1"), slugged("2", "s2")];
    let run = pages(&store, 1, Missing::Delete, vec![moved.clone()]).await;
    assert_eq!((run.new, run.same, run.gone, refused(&store, &run).await), (1, 1, 1, 0));
    assert_eq!(lines(&store, SLUGS).await, ["2 s2", "9 s1"]);
    let run = pages(&store, 2, Missing::Delete, vec![moved]).await;
    assert_eq!((run.new, run.same, run.gone), (0, 2, 0));
    // Where nothing is deleted the older row keeps it, and that is told.
    let run = pages(&store, 3, Missing::Keep, vec![vec![slugged("8", "s1")]]).await;
    assert_eq!((run.new, run.gone, refused(&store, &run).await), (0, 0, 1));
}

async fn values_in_a_cycle_over_groups_are_exchanged(on: On) {
    let (_place, store) = shop(on).await;
    let three = |slugs: [&str; 3]| -> Vec<Vec<Row>> {
        let ids = ["1", "2", "3"].into_iter();
        ids.zip(slugs).map(|(id, slug)| vec![slugged(id, slug)]).collect()
    };
    pages(&store, 0, Missing::Delete, three(["a", "b", "c"])).await;
    let run = pages(&store, 1, Missing::Delete, three(["b", "c", "a"])).await;
    assert_eq!((run.changed, run.gone, refused(&store, &run).await), (3, 0, 0));
    assert_eq!(lines(&store, SLUGS).await, ["1 b", "2 c", "3 a"]);
    let run = pages(&store, 2, Missing::Keep, three(["c", "b", ""])).await;
    assert_eq!((run.changed, refused(&store, &run).await), (3, 0));
    assert_eq!(lines(&store, SLUGS).await, ["1 c", "2 b", "3"]);
}

async fn children_exchange_values_over_groups(on: On) {
    let (_place, store) = shop(on).await;
    let two = |first: &str, second: &str| vec![vec![order("a", &[("1", first)])], vec![order("b", &[("1", second)])]];
    pages(&store, 0, Missing::Keep, two("s1", "s2")).await;
    let run = pages(&store, 1, Missing::Keep, two("s2", "s1")).await;
    assert_eq!((run.changed, run.same, refused(&store, &run).await), (2, 0, 0));
    assert_eq!(lines(&store, LINES).await, ["a 1 s2", "b 1 s1"]);
    let run = pages(&store, 2, Missing::Keep, two("s2", "s1")).await;
    assert_eq!((run.changed, run.same), (0, 2));
}

async fn one_that_cannot_be_written_stops_no_exchange(on: On) {
    let (_place, store) = shop(on).await;
    let all = |slugs: &[(&str, &str)]| slugs.iter().map(|(id, slug)| slugged(id, slug)).collect::<Vec<Row>>();
    let first = all(&[("1", "a"), ("2", "b"), ("3", "c"), ("4", "d"), ("5", "e")]);
    pages(&store, 0, Missing::Keep, vec![first]).await;
    // 3 wants what 4 keeps, and 5 what 3 keeps therefore; 1 and 2 have nothing to do with it.
    let run = pages(
        &store,
        1,
        Missing::Keep,
        vec![all(&[("5", "c"), ("1", "b"), ("2", "a"), ("3", "d")])],
    )
    .await;
    assert_eq!((run.changed, refused(&store, &run).await), (2, 2));
    assert_eq!(lines(&store, SLUGS).await, ["1 b", "2 a", "3 c", "4 d", "5 e"]);
}

async fn many_values_that_all_move_by_one(on: On) {
    let (_place, store) = shop(on).await;
    let all = |by: i64| {
        let row = |n: i64| slugged(&format!("{n:04}"), &format!("s{}", n + by));
        (0..1_500).map(row).collect::<Vec<Row>>()
    };
    pages(&store, 0, Missing::Keep, vec![all(0)]).await;
    let run = pages(&store, 1, Missing::Keep, vec![all(1)]).await;
    assert_eq!((run.changed, refused(&store, &run).await), (1_500, 0));
    let moved = "SELECT count(*) FROM \"order\" WHERE slug='s'||(CAST(id AS BIGINT)+1)";
    assert_eq!(number(&store, moved).await, 1_500);
}

async fn what_comes_again_is_not_tried_again(on: On) {
    let (_place, store) = shop(on).await;
    pages(
        &store,
        0,
        Missing::Keep,
        vec![vec![slugged("1", "a"), slugged("2", "b")]],
    )
    .await;
    let groups = vec![vec![slugged("1", "b")], vec![slugged("1", "x"), slugged("2", "c")]];
    let run = pages(&store, 1, Missing::Keep, groups).await;
    assert_eq!((run.changed, refused(&store, &run).await), (2, 0));
    assert_eq!(lines(&store, SLUGS).await, ["1 x", "2 c"]);
}

async fn a_refused_child_keeps_its_last_good_version(on: On) {
    let (_place, store) = shop(on).await;
    let noted = |texts: &[&str]| -> Vec<Row> {
        let note = |note: &&str| Row::new(vec![text("a"), text(note)], vec![], vec![]);
        texts.iter().map(note).collect()
    };
    let whole = |lines: &[(&str, &str)], notes: &[&str]| {
        let lines = lines
            .iter()
            .map(|(n, serial)| line("a", n, serial, &[("p", "")]))
            .collect();
        Row::new(vec![text("a"), Value::Null], vec![], vec![lines, noted(notes)])
    };
    let kept = |position: usize, key: Option<&str>| Kept {
        position,
        key: key.map(|n| Key(vec![text("a"), text(n)])),
    };
    let first = [("1", "s1"), ("2", "s2"), ("3", "s3")];
    pages(&store, 0, Missing::Keep, vec![vec![whole(&first, &["x", "y", "z"])]]).await;
    let notes = "SELECT concat_ws(' ',_position,text) FROM note ORDER BY _position";
    // The second of each is refused; the first changes, the last one goes.
    let row = whole(&[("1", "t1")], &["x2", "z2"]).keeping(vec![vec![kept(1, Some("2"))], vec![kept(1, None)]]);
    let run = pages(&store, 1, Missing::Keep, vec![vec![row.clone()]]).await;
    assert_eq!(run.changed, 1);
    assert_eq!(lines(&store, LINES).await, ["a 1 t1", "a 2 s2"]);
    assert_eq!(lines(&store, notes).await, ["0 x2", "1 y", "2 z2"]);
    assert_eq!(
        number(&store, "SELECT count(*) FROM part").await,
        2,
        "with all that is its own"
    );
    let run = pages(&store, 2, Missing::Keep, vec![vec![row]]).await;
    assert_eq!((run.changed, run.same), (0, 1));
    // Without a key it may be any of them.
    let row = whole(&[("4", "s4")], &["x2"]).keeping(vec![vec![kept(0, None)], vec![]]);
    pages(&store, 3, Missing::Keep, vec![vec![row]]).await;
    assert_eq!(lines(&store, LINES).await, ["a 1 t1", "a 2 s2", "a 4 s4"]);
    assert_eq!(lines(&store, notes).await, ["0 x2"]);
    // A record without it is another one, though all else in it is the same.
    pages(&store, 4, Missing::Keep, vec![vec![whole(&[("4", "s4")], &["x2"])]]).await;
    assert_eq!(lines(&store, LINES).await, ["a 4 s4"]);
}

async fn children_of_rows_that_a_field_brings_are_asked_for_again(on: On) {
    let (_place, store) = shop(on).await;
    let shops = ["p", "q"].map(|id| Row::new(vec![text(id)], vec![vec![]], vec![]));
    harvest(&store, "Shop", SHOP, 0, shops.into()).await;
    let fetch = FetchId(2);
    let mut minute = 0;
    let mut ask = async |orders: &[(&str, Row)]| {
        minute += 1;
        let run = start(&store, "Shop.orders", ORDER, minute).await;
        store.plan_field_requests(&run, fetch).await.expect("a plan");
        let parents = store.claim_field_requests(&run, fetch, "us", 9).await.expect("claims");
        let asked = parents.len();
        for parent in parents {
            let own = orders.iter().filter(|(shop, _)| parent.key == [text(shop)]);
            let rows: Vec<Row> = own.map(|(_, row)| row.clone()).collect();
            let answer = ParentAnswer {
                outcome: ParentOutcome::Read {
                    links: rows.iter().map(|row| Key(row.values[..1].to_vec())).collect(),
                    rows,
                    refused: Vec::new(),
                    state: None,
                },
                parent,
                pages: 1,
                bytes: 9,
                left_out: 0,
                copies: 0,
                doubt: None,
            };
            store
                .commit_field_answers(&run, fetch, "us", &[answer])
                .await
                .expect("a commit");
        }
        let finish = Finish::Complete {
            missing: Missing::Keep,
            missing_max: 1.0,
            told: Told::default(),
        };
        (asked, store.finish_run(&run, finish).await.expect("an end"))
    };
    let taken = || ("q", order("b", &[("1", "s1")]));
    let (asked, run) = ask(&[("p", order("a", &[("1", "s1")])), taken()]).await;
    assert_eq!((asked, run.new, refused(&store, &run).await), (2, 2, 1));
    // Only the one whose answer is not all stored.
    let (asked, run) = ask(&[taken()]).await;
    assert_eq!((asked, refused(&store, &run).await), (1, 1));
    pages(&store, 60, Missing::Keep, vec![vec![order("a", &[])]]).await;
    let (asked, run) = ask(&[taken()]).await;
    assert_eq!((asked, run.changed, refused(&store, &run).await), (1, 1, 0));
    assert_eq!(lines(&store, LINES).await, ["b 1 s1"]);
    assert_eq!(ask(&[]).await.0, 0, "it is settled");
}
