//! Answers about rows, beside those who delete the rows; and what of them was refused.

use crate::{
    catalog::FetchId,
    store::{
        commit::Evidence,
        load::{batch, delete, turns},
    },
    value::Value,
};

use super::{
    changes::{lines, open},
    *,
};

on_both!(
    what_is_refused_stays_with_its_answer,
    links_of_another_process_are_of_use,
    what_may_not_vouch_is_asked_in_full
);

const ITEM: EntityId = EntityId(0);
const RECIPES: FetchId = FetchId(1);
const LINKED: &str =
    "type Item @f { id: ID! recipes: [Recipe!]! @fetch(source: \"s\", GET: \"/items/{$this.id}\", when: ALWAYS) }
    type Recipe { id: ID! name: String @unique }";

fn item(id: &str) -> Row {
    Row::new(vec![text(id)], vec![Vec::new()], vec![])
}

fn recipe(id: &str, name: Option<&str>) -> Row {
    Row::new(vec![text(id), name.map_or(Value::Null, text)], vec![], vec![])
}

fn refused(key: &str) -> Refused {
    Refused {
        key: Some(key.to_owned()),
        id: None,
        reason: "no recipe".to_owned(),
        record: "{}".to_owned(),
    }
}

fn state() -> Option<RequestState> {
    Some(RequestState {
        request: "/items".to_owned(),
        etag: None,
        last_modified: None,
        body_hash: Some("1".to_owned()),
        page: String::new(),
        rows: 0,
    })
}

/// What is answered about an item.
#[derive(Clone)]
enum Says {
    Rows(Vec<Row>, Vec<Refused>),
    Same,
    Nothing,
}

fn answer(parent: Parent, says: Says) -> ParentAnswer {
    let outcome = match says {
        Says::Rows(rows, refused) => ParentOutcome::Read {
            links: rows.iter().map(|row| Key(vec![row.values[0].clone()])).collect(),
            state: state().filter(|_| refused.is_empty()),
            rows,
            refused,
        },
        Says::Same => ParentOutcome::Same(state().expect("a state")),
        Says::Nothing => ParentOutcome::Failed {
            error: "no answer".to_owned(),
            again_in: None,
            refused: Vec::new(),
        },
    };
    ParentAnswer {
        parent,
        pages: 1,
        bytes: 9,
        left_out: 0,
        copies: 0,
        doubt: None,
        outcome,
    }
}

async fn claim(store: &Store, minute: u32) -> (Run, Vec<Parent>) {
    let run = start(store, "Item.recipes", EntityId(1), minute).await;
    store.plan_field_requests(&run, RECIPES).await.expect("a plan");
    let mut parents = Vec::new();
    // Those that failed before are claimed after all others.
    loop {
        let more = store
            .claim_field_requests(&run, RECIPES, "us", 9)
            .await
            .expect("claims");
        if more.is_empty() {
            return (run, parents);
        }
        parents.extend(more);
    }
}

/// One whole run, in which this is said of each item by its id.
async fn ask(store: &Store, minute: u32, says: &[(&str, Says)]) {
    let (run, parents) = claim(store, minute).await;
    let answers = parents.into_iter().map(|parent| {
        let said = says.iter().find(|(id, _)| parent.key == [text(id)]);
        answer(parent, said.map_or(Says::Nothing, |(_, says)| says.clone()))
    });
    let answers: Vec<ParentAnswer> = answers.collect();
    store
        .commit_field_answers(&run, RECIPES, "us", &answers)
        .await
        .expect("a commit");
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 1.0,
        told: Told::default(),
    };
    store.finish_run(&run, keep).await.expect("an end");
}

async fn kept(store: &Store) -> String {
    let count = store
        .field_request_counts("Item.recipes", None)
        .await
        .expect("counts")
        .refused;
    let keys = lines(store, "SELECT row_key FROM hayloft_quarantine ORDER BY row_key").await;
    assert_eq!(count, keys.len() as u64);
    keys.join(" ")
}

async fn what_is_refused_stays_with_its_answer(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, LINKED).await.expect("a store");
    harvest(&store, "Item", ITEM, 0, vec![item("a"), item("b")]).await;
    let good = |id: &str| Says::Rows(vec![recipe(id, None)], vec![]);
    let bad = |key: &str| Says::Rows(vec![], vec![refused(key)]);
    ask(&store, 0, &[("a", bad("x")), ("b", bad("y"))]).await;
    assert_eq!(kept(&store).await, "x y");
    // A good answer takes the place of the one before; no answer does not.
    ask(&store, 1, &[("a", Says::Nothing), ("b", good("r"))]).await;
    assert_eq!(kept(&store).await, "x");
    for minute in 2..14 {
        ask(&store, minute, &[("a", Says::Nothing), ("b", Says::Same)]).await;
    }
    assert_eq!(kept(&store).await, "x", "however many runs come after it");
    // What the database refuses belongs to the answer that brought it.
    let twice = vec![recipe("s", Some("one")), recipe("t", Some("one"))];
    ask(&store, 14, &[("a", bad("z")), ("b", Says::Rows(twice, vec![]))]).await;
    assert_eq!(kept(&store).await, "t z");
    ask(&store, 15, &[("a", Says::Nothing), ("b", good("s"))]).await;
    assert_eq!(kept(&store).await, "z");
    // It goes with its row.
    harvest(&store, "Item", ITEM, 1, vec![item("b")]).await;
    assert_eq!(kept(&store).await, "");
    ask(&store, 16, &[("b", bad("v"))]).await;
    run(&store, "DELETE FROM item").await;
    ask(&store, 17, &[]).await;
    assert_eq!(kept(&store).await, "");
}

async fn links_of_another_process_are_of_use(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, LINKED).await.expect("a store");
    harvest(&store, "Item", ITEM, 0, vec![item("a")]).await;
    let (run, mut parents) = claim(&store, 1).await;
    // One that only helps knows the run by its numbers.
    let answer = ParentAnswer {
        outcome: ParentOutcome::Read {
            rows: Vec::new(),
            links: vec![Key(vec![text("r1")])],
            refused: vec![refused("?")],
            state: None,
        },
        doubt: Some("a: there is more".to_owned()),
        copies: 2,
        ..answer(parents.remove(0), Says::Nothing)
    };
    let commit = store.commit_field_answers(&run, RECIPES, "us", std::slice::from_ref(&answer));
    commit.await.expect("a commit");
    let rule = |_: &GroupOutcome, all: Option<&AllRefused>| match all {
        Some(all) => Finish::Failed {
            error: all.first.clone(),
        },
        None => Finish::Complete {
            missing: Missing::Keep,
            missing_max: 1.0,
            told: Told::default(),
        },
    };
    let (summary, _) = store.complete_run(&run, &[], &rule).await.expect("an end");
    assert_eq!(
        (summary.state, summary.refused, summary.repeated),
        (RunState::Complete, 1, 2),
        "{:?}",
        summary.error
    );
    let told = store.answers_told("Item.recipes").await.expect("what is told");
    assert_eq!((told.doubts, told.copies), (1, 2));
    assert_eq!(told.doubt.as_deref(), Some("a: there is more"));
}

async fn what_may_not_vouch_is_asked_in_full(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, LINKED).await.expect("a store");
    harvest(&store, "Item", ITEM, 0, vec![item("a"), item("b")]).await;
    let good = |id: &str| Says::Rows(vec![recipe(id, None)], vec![]);
    ask(&store, 0, &[("a", good("r")), ("b", good("s"))]).await;
    let (run, parents) = claim(&store, 1).await;
    assert!(parents.iter().all(|parent| parent.before.is_some()));
    // One of the rows is written between the question and the answer.
    super::run(&store, "UPDATE recipe SET _hash=_hash+2 WHERE id='r'").await;
    let answers: Vec<ParentAnswer> = parents.into_iter().map(|parent| answer(parent, Says::Same)).collect();
    store
        .commit_field_answers(&run, RECIPES, "us", &answers)
        .await
        .expect("a commit");
    assert_eq!(store.field_requests_left(&run).await.expect("an answer"), Left::Some);
    let again = store
        .claim_field_requests(&run, RECIPES, "us", 9)
        .await
        .expect("claims");
    let [parent] = &again[..] else { panic!("{again:?}") };
    assert_eq!((&parent.key[..], &parent.before), (&[text("a")][..], &None));
    let answers = [answer(parent.clone(), good("r"))];
    store
        .commit_field_answers(&run, RECIPES, "us", &answers)
        .await
        .expect("a commit");
    assert_eq!(store.field_requests_left(&run).await.expect("an answer"), Left::None);
    // Or before it is asked.
    super::run(&store, "DELETE FROM recipe WHERE id='s'").await;
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 1.0,
        told: Told::default(),
    };
    store.finish_run(&run, keep).await.expect("an end");
    let (_, parents) = claim(&store, 2).await;
    let known: Vec<bool> = parents.iter().map(|parent| parent.before.is_some()).collect();
    assert_eq!(known, [true, false]);
}

/// The deletion began before the request was planned, and so knows nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_waits_for_the_deletion_of_its_row() {
    let place = Place::new(On::Postgres);
    let store = open(&place.url, Access::Write, LINKED).await.expect("a store");
    harvest(&store, "Item", ITEM, 0, vec![item("a"), item("b")]).await;
    let row = number(&store, "SELECT _row FROM item WHERE id='a'").await;
    let deleting = start(&store, "Item", ITEM, 1).await;
    let mut batch = batch::Batch::begin(&store.context).await.expect("a transaction");
    turns::take_turn(&mut batch, &deleting, None).await.expect("its turn");
    let gone = vec![(row, vec![text("a")])];
    delete::delete(&mut batch, ITEM, gone).await.expect("a deletion");
    let (run, parents) = claim(&store, 2).await;
    assert_eq!(parents.len(), 2, "it is not committed yet");
    let says = |parent: Parent| answer(parent, Says::Rows(vec![recipe("r", None)], vec![]));
    let answers: Vec<ParentAnswer> = parents.into_iter().map(says).collect();
    let (other, about) = (store.clone(), run.clone());
    let answering = tokio::spawn(async move { other.commit_field_answers(&about, RECIPES, "us", &answers).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database() AND wait_event_type='Lock'";
    while number(&store, waits).await == 0 && !answering.is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    batch.finish(&deleting, Evidence::None).await.expect("a commit");
    answering.await.expect("no panic").expect("a commit");
    assert_eq!(lines(&store, "SELECT owner_id FROM item_recipes").await, ["b"]);
    let of_a = "SELECT op FROM hayloft_change_log WHERE row_key='[\"a\"]' ORDER BY seq";
    assert_eq!(lines(&store, of_a).await, ["new", "gone"]);
    assert_eq!(number(&store, "SELECT count(*) FROM hayloft_fan_out").await, 1);
    assert_eq!(store.field_requests_left(&run).await.expect("an answer"), Left::None);
}
