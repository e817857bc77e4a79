//! Types of groups that are computed now and then: between two times nobody writes them, and each
//! time writes and tells what differs. Compares with rows in memory.

use futures_util::future::join;

use super::{
    changes::{lines, open, plan},
    dice::{Dice, STEPS, rounds},
    rollup_groups::{SALE, Sale, TOWNS, World, changes, definition, logged, rows_of, stored, wanted},
    rollups::row,
    *,
};

on_both!(
    timed_groups_are_what_a_reader_would_compute_at_their_time,
    other_steps_leave_timed_groups_alone,
);

const TYPES: [&str; 3] = ["ByShop", "ByTown", "Total"];

/// The same definition with groups that are computed now and then.
fn timed(by: &str, index: &str) -> String {
    definition(by, index).replace("@rollup(of: \"Sale\"", "@rollup(every: \"1h\", of: \"Sale\"")
}

async fn compute(store: &Store, name: &str, minute: u32) -> RunSummary {
    let entity = store.context.catalog.entity_named(name).expect("a type");
    let run = start(store, name, entity, minute).await;
    store.compute_groups(&run, &Told::default()).await.expect("an end")
}

async fn timed_groups_are_what_a_reader_would_compute_at_their_time(on: On) {
    let place = Place::new(on);
    let mut dice = Dice::new(5);
    let mut world = World::new();
    let mut minute = 0;
    let index = "@index(fields: [\"note\", \"kind\"])";
    let definitions = [
        timed(TOWNS[0], ""),
        timed(TOWNS[1], index),
        definition(TOWNS[1], index),
        timed(TOWNS[1], index),
    ];
    let places = [TOWNS[0], TOWNS[1], TOWNS[1], TOWNS[1]];
    for (definition, by) in definitions.iter().zip(places).cycle().take(rounds(on, 4, 4)) {
        let is_timed = definition.contains("every");
        let store = open(&place.url, Access::Write, definition).await.expect("a store");
        hurry(&store).await;
        let mut before = stored(&store).await;
        assert_eq!(before, wanted(&world, by), "opened with {by}");
        for step in 0..STEPS / 2 {
            match dice.below(12) {
                0 => world.clear(),
                _ => (0..=dice.below(4)).for_each(|_| match dice.below(3) {
                    0 => drop(world.remove(&dice.below(14))),
                    _ => drop(world.insert(dice.below(14), Sale::roll(&mut dice))),
                }),
            }
            let head = store.log_head().await.expect("a head").head;
            minute += 1;
            harvest(&store, "Sale", SALE, minute, rows_of(&store, &world)).await;
            let want = wanted(&world, by);
            if !is_timed {
                assert_eq!(stored(&store).await, want, "step {step} by {by}");
                continue;
            }
            assert_eq!(stored(&store).await, before, "step {step}: a commit wrote them");
            assert!(logged(&store, head).await.is_empty(), "step {step}");
            if dice.below(3) > 0 {
                let mut told = [0; 4];
                for name in TYPES {
                    minute += 1;
                    let run = compute(&store, name, minute).await;
                    assert_eq!(run.state, RunState::Complete);
                    let counts = [run.new, run.changed, run.gone, run.same];
                    told.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                }
                let now = stored(&store).await;
                assert_eq!(now, want, "step {step} by {by}");
                // One commit: nothing goes and comes back.
                let differs = changes(&before, &now);
                assert_eq!(logged(&store, head).await, differs, "step {step}");
                let count = |op: &str| differs.iter().filter(|line| line.contains(op)).count() as u64;
                let (new, changed, gone) = (count(" new "), count(" changed "), count(" gone "));
                let same = now.len() as u64 - new - changed;
                assert_eq!(told, [new, changed, gone, same], "step {step}");
                before = now;
            }
        }
        store.close().await;
    }
}

/// The log could not tell of it.
async fn other_steps_leave_timed_groups_alone(on: On) {
    const TEXT: &str = "type Sale @f { id: ID! note: String MORE }\n\
        type ByNote @rollup(of: \"Sale\", by: [\"note\"], every: \"1h\") { id: ID! note: String sales: Int! @rollup(fn: COUNT) FIELD }";
    let text = |more: &str, field: &str| TEXT.replace("MORE", more).replace("FIELD", field);
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, &text("", "")).await.expect("a store");
    let sale = |store: &Store, id: &str| {
        let cells = [("id", super::text(id)), ("note", super::text("a"))];
        row(store, EntityId(0), &cells, vec![], vec![])
    };
    let some = vec![sale(&store, "1")];
    harvest(&store, "Sale", EntityId(0), 0, some).await;
    compute(&store, "ByNote", 1).await;
    let more = vec![sale(&store, "1"), sale(&store, "2")];
    harvest(&store, "Sale", EntityId(0), 2, more).await;
    let epoch = store.log_head().await.expect("a head").epoch;
    store.close().await;
    let of = |store: &Store| {
        let store = store.clone();
        async move { lines(&store, "SELECT id||' '||sales FROM by_note").await }
    };
    let other = text("kind: String", "");
    let store = open(&place.url, Access::Write, &other).await.expect("a store");
    assert_eq!(of(&store).await, ["[\"a\"] 1"]);
    assert_eq!(store.log_head().await.expect("a head").epoch, epoch);
    store.close().await;
    let hourly = other.replace("every: \"1h\"", "every: \"2h\"");
    assert_eq!(plan(&place.url, &hourly).await, Vec::<String>::new());
    let exact = other.replace(", every: \"1h\"", "");
    let step = ["~ ByNote: computed in another way: anew of what is stored"];
    assert_eq!(plan(&place.url, &exact).await, step);
    let field = text("kind: String", "any: Boolean! @rollup(fn: EXISTS)");
    let store = open(&place.url, Access::Write, &field).await.expect("a store");
    assert_eq!(of(&store).await, ["[\"a\"] 2"]);
    assert_ne!(store.log_head().await.expect("a head").epoch, epoch);
}

/// Rows are written while groups are computed: all values of one are of one moment.
#[tokio::test]
async fn what_is_computed_beside_a_writer_is_of_one_moment() {
    const TWO: &str = "type Sale @f { id: ID! note: Int amount: Int }\n\
        type ByNote @rollup(of: \"Sale\", by: [\"note\"], every: \"1h\") {\n\
          id: ID! note: Int sales: Int! @rollup(fn: COUNT) sold: BigInt @rollup(fn: SUM, field: \"amount\")\n\
          mean: Float @rollup(fn: AVG, field: \"amount\") high: Int @rollup(fn: MAX, field: \"amount\")\n\
        }";
    const ROUNDS: u64 = 40;
    let place = Place::new(On::Postgres);
    let one = open(&place.url, Access::Write, TWO).await.expect("a store");
    let other = open(&place.url, Access::Write, TWO).await.expect("a store");
    let write = async {
        for round in 0..ROUNDS {
            let run = start(&one, "Sale", EntityId(0), round as u32).await;
            // In each commit all amounts are the same.
            let sales = (0..60).filter(|id| (id * 7 + round) % 5 != 0).map(|id| {
                let cells = [
                    ("id", text(&format!("{id}"))),
                    ("note", Value::Int((id % 3) as i64)),
                    ("amount", Value::Int(round as i64)),
                ];
                row(&one, EntityId(0), &cells, vec![], vec![])
            });
            harvested(&one, &run, sales.collect()).await;
        }
    };
    let computed = async {
        let wrong = "SELECT count(*) FROM by_note WHERE sold<>sales*high OR mean<>high OR _rows<>sales";
        for round in 0..ROUNDS {
            compute(&other, "ByNote", 100 + round as u32).await;
            assert_eq!(number(&other, wrong).await, 0, "round {round}");
        }
    };
    join(write, computed).await;
}

/// All of a run in one commit: what came and what went.
async fn harvested(store: &Store, run: &Run, all: Vec<Row>) {
    let rule = |_: &GroupOutcome, _: Option<&AllRefused>| complete(1.0);
    let groups = [rows(all)];
    store.complete_run(run, &groups, &rule).await.expect("an end");
}
