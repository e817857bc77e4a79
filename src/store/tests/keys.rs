//! Keys of several parts, links to them, and children that only their place tells apart.

use super::*;

on_both!(
    keys_of_two_parts,
    links_to_keys_of_two_parts,
    children_that_only_their_place_tells_apart,
    exact_numbers_as_keys,
);

const SDL: &str = r#"
extend schema @source(name: "up", url: "http://127.0.0.1:1")
type Seat @fetch(source: "up", GET: "/seats") { row: ID! @id  number: Int! @id  name: String }
type Party @fetch(source: "up", GET: "/parties") {
  id: ID!
  seats: [Seat!]! @ref(jq: ".seats[]")
  notes: [Note!]! @nested(jq: ".notes[]")
}
type Note { party: Party!  text: String! }
type Rate @fetch(source: "up", GET: "/rates", missing: DELETE) { code: Decimal! @id  steps: [Step!]! @nested(jq: ".steps[]") }
type Step { rate: Rate!  at: Decimal! @id }
"#;

const SEAT: EntityId = EntityId(0);
const PARTY: EntityId = EntityId(1);
const RATE: EntityId = EntityId(3);

async fn theatre(on: On) -> Bench {
    let catalog = Arc::new(crate::catalog::testing::catalog(SDL));
    let names: Vec<&str> = catalog.entities.iter().map(|entity| entity.name.as_str()).collect();
    assert_eq!(names, ["Seat", "Party", "Note", "Rate", "Step"]);
    let layout = Arc::new(Layout::of(&catalog));
    let place = Place::new(on);
    let store = Store::open(&place.url, Access::Write, catalog, layout).await;
    Bench {
        store: store.expect("a new store"),
        place,
    }
}

fn seat_key(row: &str, number: i64) -> Key {
    Key(vec![text(row), Value::Int(number)])
}

fn seat(row: &str, number: i64, name: &str) -> Row {
    Row::new(vec![text(row), Value::Int(number), text(name)], vec![], vec![])
}

fn party(id: &str, seats: &[(&str, i64)], notes: &[&str]) -> Row {
    let note = |note: &&str| Row::new(vec![text(id), text(note)], vec![], vec![]);
    let seats = seats.iter().map(|(row, number)| seat_key(row, *number)).collect();
    Row::new(vec![text(id)], vec![seats], vec![notes.iter().map(note).collect()])
}

async fn keys_of_two_parts(on: On) {
    let bench = theatre(on).await;
    let store = &bench.store;
    let all = || vec![seat("a", 1, "x"), seat("a", 2, "y"), seat("b", 1, "z")];
    let (done, _) = harvest(store, "Seat", SEAT, 0, all()).await;
    assert_eq!((done.new, done.repeated), (3, 0));
    let mut next = all();
    next[1] = seat("a", 2, "other");
    next.push(seat("b", 1, "z"));
    let (done, _) = harvest(store, "Seat", SEAT, 1, next).await;
    assert_eq!((done.changed, done.same, done.repeated), (1, 2, 0));
    let run = start(store, "Seat", SEAT, 2).await;
    let refused = Refused {
        key: Some("a / 2".to_owned()),
        id: Some(seat_key("a", 2)),
        reason: "name: expected a String".to_owned(),
        record: "{}".to_owned(),
    };
    let group = Group {
        refused: vec![refused.clone()],
        ..rows(vec![seat("a", 1, "x")])
    };
    store.commit_group(&run, group).await.expect("a commit");
    let half = Group {
        refused: vec![Refused {
            id: Some(Key::text("a")),
            ..refused
        }],
        ..Group::default()
    };
    let error = store.commit_group(&run, half).await.expect_err("half a key");
    assert!(error.to_string().contains("needs 2 values"), "{error}");
    let summary = store.finish_run(&run, complete(1.0)).await.expect("an end");
    assert_eq!(summary.gone, 1);
    assert_eq!(number(store, "SELECT count(*) FROM seat WHERE row='a'").await, 2);
}

async fn links_to_keys_of_two_parts(on: On) {
    let bench = theatre(on).await;
    let store = &bench.store;
    harvest(store, "Seat", SEAT, 0, vec![seat("a", 1, "x"), seat("b", 1, "y")]).await;
    let (done, _) = harvest(
        store,
        "Party",
        PARTY,
        0,
        vec![party("p", &[("b", 1), ("a", 1), ("c", 9)], &[])],
    )
    .await;
    assert_eq!(done.new, 1);
    let found =
        "SELECT count(*) FROM party_seats AS l JOIN seat AS s ON s.row=l.target_row AND s.number=l.target_number";
    assert_eq!(number(store, found).await, 2, "the third dangles");
    let first = "SELECT count(*) FROM party_seats WHERE _position=0 AND target_row='b' AND target_number=1";
    assert_eq!(number(store, first).await, 1);
    harvest(store, "Party", PARTY, 1, vec![party("p", &[("a", 1)], &[])]).await;
    assert_eq!(number(store, "SELECT count(*) FROM party_seats").await, 1);
    harvest(store, "Party", PARTY, 2, vec![]).await;
    assert_eq!(number(store, "SELECT count(*) FROM party_seats").await, 0);
}

async fn children_that_only_their_place_tells_apart(on: On) {
    let bench = theatre(on).await;
    let store = &bench.store;
    let logged = "SELECT count(*) FROM hayloft_change_log WHERE type='Note' AND op=";
    harvest(
        store,
        "Party",
        PARTY,
        0,
        vec![party("p", &[], &["a", "a", "b"]), party("q", &[], &["a"])],
    )
    .await;
    assert_eq!(
        number(store, "SELECT count(*) FROM note").await,
        4,
        "children may be alike"
    );
    let keyed = "SELECT count(*) FROM hayloft_change_log WHERE type='Note' AND row_key='[\"p\",2]'";
    assert_eq!(number(store, keyed).await, 1, "the place is the last part of the key");
    // The middle one goes: the last moves up, and its old place is gone.
    harvest(
        store,
        "Party",
        PARTY,
        1,
        vec![party("p", &[], &["a", "b"]), party("q", &[], &["a"])],
    )
    .await;
    assert_eq!(number(store, &format!("{logged}'changed'")).await, 1);
    assert_eq!(number(store, &format!("{logged}'gone'")).await, 1);
    let places =
        "SELECT count(*) FROM note WHERE party_id='p' AND (_position=0 AND text='a' OR _position=1 AND text='b')";
    assert_eq!(number(store, places).await, 2);
    harvest(store, "Party", PARTY, 2, vec![party("q", &[], &[])]).await;
    assert_eq!(number(store, "SELECT count(*) FROM note").await, 0);
}

async fn exact_numbers_as_keys(on: On) {
    let bench = theatre(on).await;
    let store = &bench.store;
    let rate = |code: &str, steps: &[&str]| {
        let step = |at: &&str| Row::new(vec![text(code), text(at)], vec![], vec![]);
        Row::new(vec![text(code)], vec![], vec![steps.iter().map(step).collect()])
    };
    let exact = "12345678901234567890.125";
    let all = vec![rate(exact, &["0.1", "0.25"]), rate("2", &["1"])];
    harvest(store, "Rate", RATE, 0, all).await;
    let (done, _) = harvest(store, "Rate", RATE, 1, vec![rate(exact, &["0.1"]), rate("2", &["1"])]).await;
    assert_eq!((done.changed, done.same), (1, 1), "one lost a step");
    let (_, run) = harvest(store, "Rate", RATE, 2, vec![rate("2", &["1"])]).await;
    assert_eq!(run.gone, 1);
    assert_eq!(number(store, "SELECT count(*) FROM step").await, 1);
    let gone = log_after(store, 5).await;
    let keys: Vec<&str> = gone.iter().map(|(_, key)| key.as_str()).collect();
    let [key, first, second] = ["", ",\"0.1\"", ",\"0.25\""].map(|at| format!("[\"{exact}\"{at}]"));
    assert_eq!(keys, [&key, &second, &key, &first]);
}
