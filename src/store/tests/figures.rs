//! What is known of rows after a load: heavy keys and light ones, widths, and that it is measured
//! again where it is missing.

use crate::{catalog::FieldId, value::Value};

use super::*;

on_both!(
    heavy_keys_are_known_and_light_ones_have_the_rest,
    few_rows_are_measured_again_and_many_are_not,
    what_is_missing_is_measured_at_the_start,
    texts_are_as_wide_as_they_are,
);

const SELLER: FieldId = FieldId(5);
const TAGS: FieldId = FieldId(6);

/// Guesses may be wrong by so many times.
const TIMES: f64 = 2.0;

fn name(at: usize, what: &str) -> String {
    format!("{what}{at}")
}

/// All 600 items have the tag `t0` and are sold by `n0`, but for a tenth; each has one of 40 other
/// tags, and the first has 200.
async fn skewed(store: &Store) {
    harvest(
        store,
        "Npc",
        NPC,
        0,
        (0..60).map(|at| npc(&name(at, "n"), &name(at, "s"))).collect(),
    )
    .await;
    harvest(store, "Tag", TAG, 0, (0..241).map(|at| tag(&name(at, "t"))).collect()).await;
    let item = |at: usize| {
        let seller = if at.is_multiple_of(10) { 1 + at / 10 % 59 } else { 0 };
        let mut tags = vec![name(1 + at % 40, "t")];
        tags.extend((!at.is_multiple_of(10)).then(|| name(0, "t")));
        if at == 0 {
            tags.extend((41..241).map(|at| name(at, "t")));
        }
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        item(&name(at, "i"), &name(at, "name"), 1.0, Some(&name(seller, "n")), &tags)
    };
    harvest(store, "Item", ITEM, 0, (0..600).map(item).collect()).await;
    let lines = |count: usize| (0..count).map(|at| name(at, "i")).collect::<Vec<_>>();
    let quest = |at: usize| {
        let lines = lines(if at == 0 { 300 } else { 2 });
        let lines: Vec<(&str, i64)> = lines.iter().map(|item| (item.as_str(), 1)).collect();
        quest(&name(at, "q"), "Mend", &lines)
    };
    harvest(store, "Quest", QUEST, 0, (0..50).map(quest).collect()).await;
}

/// The rows of a key, as they would be guessed.
fn guess(spread: &Spread, key: &str, values: u64) -> f64 {
    let many = spread.many_of(&[&Value::Text(key.to_owned())]);
    many.map_or_else(|| spread.light(values as f64), |rows| rows as f64)
}

async fn heavy_keys_are_known_and_light_ones_have_the_rest(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    skewed(store).await;
    let items = store.figures(ITEM).await.expect("figures");
    assert_eq!(items.rows, 600);
    let links = &items.links[&TAGS];
    assert_eq!(links.rows, 600 + 540 + 200);
    let (owners, targets) = (links.by_owner.as_ref(), links.by_target.as_ref());
    let (owners, targets) = (owners.expect("a spread"), targets.expect("a spread"));
    let lines = store.figures(QUEST_ITEM).await.expect("figures");
    assert_eq!(lines.rows, 300 + 49 * 2);
    let (sellers, quests) = (&items.fields[&SELLER], &lines.fields[&FieldId(0)]);
    for (what, spread, key, values, rows) in [
        ("the tag of most", targets, "t0", 241, 540.0),
        ("a tag of some", targets, "t7", 241, 15.0),
        ("the item with most tags", owners, "i0", 600, 201.0),
        ("an item with two", owners, "i3", 600, 2.0),
        ("the seller of most", sellers, "n0", 60, 540.0),
        ("the quest with most lines", quests, "q0", 50, 300.0),
        ("a quest with two", quests, "q9", 50, 2.0),
    ] {
        let guessed = guess(spread, key, values);
        assert!(
            guessed <= rows * TIMES && rows <= guessed * TIMES,
            "{what}: {guessed} instead of {rows}"
        );
    }
}

async fn few_rows_are_measured_again_and_many_are_not(on: On) {
    let bench = bench_on(on).await;
    let store = &bench.store;
    let tags = |from: usize, to: usize| (from..to).map(|at| tag(&name(at, "t"))).collect::<Vec<_>>();
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 0.0,
        told: Told::default(),
    };
    let mut made = store.statistics_made();
    for (minute, (from, to, known)) in [(0, 100, 100), (100, 105, 100), (105, 112, 112)]
        .into_iter()
        .enumerate()
    {
        let run = start(store, "Tag", TAG, minute as u32).await;
        store.commit_group(&run, rows(tags(from, to))).await.expect("a commit");
        store.finish_run(&run, keep.clone()).await.expect("an end");
        // SQLite counts its rows in no time.
        let rows = if on == On::Sqlite { to as u64 } else { known };
        assert_eq!(store.figures(TAG).await.expect("figures").rows, rows, "{to}");
        let now = store.statistics_made();
        assert_eq!(
            now > made,
            known == to as u64,
            "{to}: it is told when they are made anew"
        );
        made = now;
    }
}

/// A database that an older version made has none.
async fn what_is_missing_is_measured_at_the_start(on: On) {
    let Bench { store, place } = bench_on(on).await;
    skewed(&store).await;
    let measured = "SELECT CAST(count(*) AS BIGINT) FROM hayloft_figures";
    let before = number(&store, measured).await;
    assert_eq!(before, 5, "those of the types with rows");
    run(&store, "DELETE FROM hayloft_figures").await;
    // Estimates have to do without.
    let unknown = store.figures(ITEM).await.expect("figures");
    assert_eq!((unknown.rows, unknown.widths.len()), (600, 0));
    store.close().await;
    let again = open_at(&place.url, "one", Access::Write).await.expect("a store");
    again.finish_indexes().await.expect("they are measured");
    assert_eq!(number(&again, measured).await, before);
    let links = &again.figures(ITEM).await.expect("figures").links[&TAGS];
    let targets = links.by_target.as_ref().expect("a spread");
    assert_eq!(guess(targets, "t0", 241), 540.0);
}

/// PostgreSQL keeps long texts elsewhere, and counts what is left in their place.
async fn texts_are_as_wide_as_they_are(on: On) {
    let bench = bench_on(on).await;
    let text = |at: usize| {
        (0..20_000)
            .map(|letter| char::from(b'a' + ((letter * (at + 7) * 31 / 5) % 26) as u8))
            .collect::<String>()
    };
    let items = (0..50)
        .map(|at| item(&name(at, "i"), &text(at), 1.0, None, &[]))
        .collect();
    harvest(&bench.store, "Item", ITEM, 0, items).await;
    let figures = bench.store.figures(ITEM).await.expect("figures");
    assert_eq!(figures.widths[&FieldId(1)], 20_000);
    assert_eq!(figures.widths[&FieldId(0)], 3, "most have two digits and a letter");
}
