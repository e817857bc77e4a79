//! Groups in one transaction leave what they leave in one each: rows, counts, change log, what
//! waits, what is refused, what is remembered of pages. Random pages, run after run, on two
//! databases side by side.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::value::{Key, Value};

use super::{
    changes::{lines, open},
    *,
};

on_both!(
    together_or_one_by_one,
    a_row_that_comes_before_is_none_to_vouch_for,
    what_comes_before_a_refused_group_is_stored,
);

const SDL: &str = "type Order @f { id: ID! slug: String @unique lines: [Line!]! @nested(jq: \".lines[]\") }
    type Line { order: Order! n: ID! @id serial: String @unique }";
const ORDER: EntityId = EntityId(0);
/// Runs of a history, and pages of a run.
const RUNS: u32 = 6;
const PAGES: u64 = 4;

/// All that a run leaves, but for the numbers of rows: one that is refused takes one from those
/// that come after it.
const LEFT: [&str; 7] = [
    "SELECT concat_ws(' ',id,slug,_hash) FROM \"order\" ORDER BY id",
    "SELECT concat_ws(' ',order_id,n,serial,_hash,_position) FROM line ORDER BY order_id,n",
    "SELECT concat_ws(' ',seq,type,op,row_key) FROM hayloft_change_log ORDER BY seq",
    "SELECT concat_ws(' ',run,row_key,request,reason,record) FROM hayloft_quarantine ORDER BY id",
    "SELECT concat_ws(' ',request,run,rows,print,length(seen)) FROM hayloft_request_state ORDER BY request",
    "SELECT concat_ws(' ',id,state,pages,bytes,new_rows,changed_rows,same_rows,gone_rows,refused_rows,left_out_rows,\
     repeated_rows,checkpoint,checkpoint_pages,checkpoint_rows) FROM hayloft_run ORDER BY id",
    "SELECT concat_ws(' ',id,coalesce(length(repeating),0)) FROM hayloft_run ORDER BY id",
];

struct Side {
    _place: Place,
    store: Store,
}

impl Side {
    async fn new(on: On) -> Side {
        let place = Place::new(on);
        let store = open(&place.url, Access::Write, SDL).await.expect("a store");
        Side { _place: place, store }
    }

    async fn start(&self, minute: u32) -> Run {
        start(&self.store, "Order", ORDER, minute).await
    }

    async fn left(&self) -> Vec<Vec<String>> {
        let mut left = Vec::new();
        for sql in LEFT {
            left.push(lines(&self.store, sql).await);
        }
        left
    }
}

fn maybe(random: &mut StdRng, name: &str, count: u32) -> Value {
    match random.random_range(0..=count) {
        0 => Value::Null,
        number => text(&format!("{name}{number}")),
    }
}

fn order(random: &mut StdRng) -> Row {
    let id = format!("o{}", random.random_range(1..8));
    let numbers: Vec<u32> = (1..4).filter(|_| random.random_bool(0.4)).collect();
    let line = |n: &u32| {
        let serial = maybe(random, "t", 5);
        Row::new(vec![text(&id), text(&n.to_string()), serial], vec![], vec![])
    };
    let all = numbers.iter().map(line).collect();
    let slug = maybe(random, "s", 4);
    Row::new(vec![text(&id), slug], vec![], vec![all])
}

fn refused(random: &mut StdRng) -> Refused {
    let id = format!("o{}", random.random_range(1..8));
    Refused {
        key: Some(id.clone()),
        id: random.random_bool(0.7).then(|| Key::text(&id)),
        reason: "no order".to_owned(),
        record: "{}".to_owned(),
    }
}

fn state(number: u64) -> RequestState {
    RequestState {
        request: format!("/orders?page={number}"),
        etag: None,
        last_modified: None,
        body_hash: None,
        page: String::new(),
        rows: number,
    }
}

fn ends(group: Group, number: u64) -> Group {
    Group {
        pages: 1,
        checkpoint: Some(Checkpoint {
            next: number.to_string(),
            pages: number,
            rows: 10 * number,
        }),
        request: Some(state(number)),
        ..group
    }
}

/// The groups of a page. Of two in a row one may say what the other said.
fn page(random: &mut StdRng, number: u64) -> Vec<Group> {
    let mut groups: Vec<Group> = (0..random.random_range(1..4))
        .map(|_| Group {
            rows: (0..random.random_range(0..4)).map(|_| order(random)).collect(),
            refused: (0..random.random_range(0..8) / 7).map(|_| refused(random)).collect(),
            left_out: random.random_range(0..2),
            copies: random.random_range(0..2),
            bytes: random.random_range(0..9),
            ..Group::default()
        })
        .collect();
    let last = groups.pop().unwrap_or_default();
    groups.push(Group {
        request: random.random_bool(0.8).then(|| state(number)),
        ..ends(last, number)
    });
    groups
}

/// Both sides of a history: one commits each group by itself, the other several at once.
struct Both {
    one: Side,
    many: Side,
    random: StdRng,
    /// Of pages that stood for their rows, and of those that were gathered with others.
    met: (u32, u32),
}

impl Both {
    async fn run(&mut self, minute: u32) {
        let (one, many) = (self.one.start(minute).await, self.many.start(minute).await);
        let mut waiting: Vec<Group> = Vec::new();
        let (mut alone, mut together) = (GroupOutcome::default(), GroupOutcome::default());
        for number in 1..=PAGES {
            let mut groups = page(&mut self.random, number);
            if self.random.random_bool(0.5) {
                let request = state(number).request;
                let asked = self.many.store.vouches(&many, &request, &waiting).await;
                if asked.expect("an answer") {
                    let asked = self.one.store.vouches(&one, &request, &[]).await;
                    assert!(asked.expect("an answer"), "{request}: committed it would not");
                    self.met.0 += 1;
                    let group = Group {
                        unchanged: Some(request),
                        ..Group::default()
                    };
                    groups = vec![ends(group, number)];
                }
            }
            for group in groups {
                alone.add(
                    &self
                        .one
                        .store
                        .commit_group(&one, group.clone())
                        .await
                        .expect("a commit"),
                );
                waiting.push(group);
                if self.random.random_bool(0.2) {
                    let done = self.many.store.commit_groups(&many, &waiting).await;
                    together.add(&done.expect("a commit"));
                    waiting.clear();
                }
            }
            self.met.1 += u32::from(waiting.len() > 1);
        }
        let finish = match self.random.random_range(0..5) {
            0 => Finish::Failed { error: "no".to_owned() },
            _ => complete(1.0),
        };
        self.one.store.finish_run(&one, finish.clone()).await.expect("an end");
        // The last ones are committed together with the end.
        let ended = self
            .many
            .store
            .complete_run(&many, &waiting, &|_, _| finish.clone())
            .await;
        together.add(&ended.expect("an end").1);
        assert_eq!(alone, together);
    }
}

async fn together_or_one_by_one(on: On) {
    // One commit costs more there.
    let count = if matches!(on, On::Sqlite) { 12 } else { 4 };
    let mut met = (0, 0);
    for seed in 0..count {
        let mut both = Both {
            one: Side::new(on).await,
            many: Side::new(on).await,
            random: StdRng::seed_from_u64(seed),
            met: (0, 0),
        };
        for run in 0..RUNS {
            both.run(run).await;
            let (one, many) = (both.one.left().await, both.many.left().await);
            for ((sql, one), many) in LEFT.iter().zip(one).zip(many) {
                assert_eq!(one, many, "seed {seed}, run {run}: {sql}");
            }
        }
        met = (met.0 + both.met.0, met.1 + both.met.1);
    }
    println!(
        "shown: {on:?}: {} pages stood for their rows, {} were gathered",
        met.0, met.1
    );
    assert!(met.0 > 2 && met.1 > 30, "{met:?}");
}

async fn a_row_that_comes_before_is_none_to_vouch_for(on: On) {
    let side = Side::new(on).await;
    let named = |id: &str, slug: &str| Row::new(vec![text(id), text(slug)], vec![], vec![vec![]]);
    let run = side.start(0).await;
    let pages = [
        ends(rows(vec![named("a", "1")]), 1),
        ends(rows(vec![named("b", "2"), named("c", "3")]), 2),
    ];
    side.store.commit_groups(&run, &pages).await.expect("a commit");
    let request = state(2).request;
    for (before, vouches) in [("a", true), ("new", true), ("c", false)] {
        let before = [rows(vec![named(before, "9")])];
        let said = side.store.vouches(&run, &request, &before).await.expect("an answer");
        assert_eq!(said, vouches);
    }
    let unknown = side.store.vouches(&run, "/other", &[]).await.expect("an answer");
    assert!(!unknown);
}

async fn what_comes_before_a_refused_group_is_stored(on: On) {
    let side = Side::new(on).await;
    let once = |number: u64, ids: &[&str]| {
        let all = ids
            .iter()
            .map(|id| Row::new(vec![text(id), Value::Null], vec![], vec![vec![]]));
        Group {
            once: true,
            ..ends(rows(all.collect()), number)
        }
    };
    let run = side.start(0).await;
    let pages = [once(1, &["a", "b"]), once(2, &["c"]), once(3, &["d", "b"])];
    let error = side.store.commit_groups(&run, &pages).await.expect_err("twice");
    fails(&side, &run, error, (2, 3)).await;
    // The same at the end of a run.
    let run = side.start(1).await;
    let pages = [once(1, &["a", "d"]), once(2, &["e", "d"])];
    let ended = side.store.complete_run(&run, &pages, &|_, _| complete(1.0)).await;
    fails(&side, &run, ended.expect_err("twice"), (1, 1)).await;
    let stored = lines(&side.store, "SELECT id FROM \"order\" ORDER BY id").await;
    assert_eq!(stored, ["a", "b", "c", "d"]);
}

async fn fails(side: &Side, run: &Run, error: StoreError, wrote: (u64, u64)) {
    let error = error.to_string();
    assert!(error.contains("came more than once"), "{error}");
    let failed = Finish::Failed { error };
    let summary = side.store.finish_run(run, failed).await.expect("an end");
    assert_eq!((summary.pages, summary.new), wrote);
}
