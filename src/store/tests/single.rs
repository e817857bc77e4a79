//! Links to one row that requests of their own bring: they stand in the row asked about, and its
//! record leaves them alone.

use crate::{catalog::FetchId, value::Value};

use super::{
    changes::{lines, open},
    *,
};

on_both!(
    what_differs_is_set_and_noted,
    a_record_leaves_them_alone,
    rows_that_exchange_a_unique_value_keep_them,
    a_field_that_is_added_touches_no_row,
);

const ITEM: EntityId = EntityId(0);
/// The key of a rate is an exact number and a year, so that a link has two columns.
const RATES: &str =
    "type Item @f { id: ID! code: String @unique rate: Rate @fetch(source: \"s\", GET: \"/rates/{$this.id}\") }
    type Rate { value: Decimal! @id year: Int! @id items: [Item!]! @inverse(field: \"rate\") }";
const SHOWN: &str = "SELECT concat_ws('|',id,coalesce(code,'-'),coalesce(CAST(rate_value AS TEXT),'-'),coalesce(CAST(rate_year AS TEXT),'-')) \
                     FROM item ORDER BY id";

/// What was noted after these many entries.
async fn noted(store: &Store, after: i64) -> Vec<String> {
    let sql =
        format!("SELECT concat_ws(' ',type,op,row_key) FROM hayloft_change_log WHERE seq>{after} ORDER BY row_key");
    lines(store, &sql).await
}

fn item(id: &str, code: &str) -> Row {
    Row::new(vec![text(id), text(code), Value::Null, Value::Null], vec![], vec![])
}

fn rate(value: &str, year: i64) -> Key {
    Key(vec![text(value), Value::Int(year)])
}

/// One whole run of the field's requests: for each item, by its id, the link that its answer means.
async fn answer(store: &Store, minute: u32, links: &[(&str, &[Key])]) {
    let fetch = FetchId(1);
    let run = start(store, "Item.rate", store.context.catalog.fetch(fetch).entity, minute).await;
    store.plan_field_requests(&run, fetch).await.expect("a plan");
    let parents = store.claim_field_requests(&run, fetch, "us", 9).await.expect("claims");
    let answers: Vec<ParentAnswer> = parents.into_iter().map(|parent| read(parent, links)).collect();
    store
        .commit_field_answers(&run, fetch, "us", &answers)
        .await
        .expect("a commit");
    let keep = Finish::Complete {
        missing: Missing::Keep,
        missing_max: 1.0,
        told: Told::default(),
    };
    store.finish_run(&run, keep).await.expect("an end");
}

fn read(parent: Parent, links: &[(&str, &[Key])]) -> ParentAnswer {
    let own = links.iter().find(|(id, _)| parent.key == [text(id)]);
    let outcome = ParentOutcome::Read {
        rows: Vec::new(),
        links: own.map(|(_, keys)| keys.to_vec()).unwrap_or_default(),
        refused: Vec::new(),
        state: None,
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

async fn rates(on: On) -> (Place, Store) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, RATES).await.expect("a store");
    harvest(
        &store,
        "Item",
        ITEM,
        0,
        vec![item("a", "x"), item("b", "y"), item("c", "z")],
    )
    .await;
    answer(&store, 0, &[("a", &[rate("1.50", 2024)]), ("b", &[rate("2", 2025)])]).await;
    (place, store)
}

async fn what_differs_is_set_and_noted(on: On) {
    let (_place, store) = rates(on).await;
    assert_eq!(lines(&store, SHOWN).await, ["a|x|1.50|2024", "b|y|2|2025", "c|z|-|-"]);
    let log = noted(&store, 3).await;
    assert_eq!(log, ["Item changed [\"a\"]", "Item changed [\"b\"]"]);
    // Nothing but the rows that differ is asked again, written and noted: one keeps its link, one
    // loses it.
    run(&store, "UPDATE hayloft_fan_out SET hash=NULL").await;
    answer(&store, 1, &[("a", &[rate("1.50", 2024)]), ("c", &[rate("1.50", 2025)])]).await;
    assert_eq!(
        lines(&store, SHOWN).await,
        ["a|x|1.50|2024", "b|y|-|-", "c|z|1.50|2025"]
    );
    let log = noted(&store, 5).await;
    assert_eq!(log, ["Item changed [\"b\"]", "Item changed [\"c\"]"]);
}

async fn a_record_leaves_them_alone(on: On) {
    let (_place, store) = rates(on).await;
    let all = vec![item("a", "x"), item("b", "other"), item("c", "z"), item("d", "new")];
    let (outcome, _) = harvest(&store, "Item", ITEM, 1, all).await;
    assert_eq!((outcome.new, outcome.changed, outcome.same), (1, 1, 2));
    assert_eq!(
        lines(&store, SHOWN).await,
        ["a|x|1.50|2024", "b|other|2|2025", "c|z|-|-", "d|new|-|-"]
    );
    harvest(&store, "Item", ITEM, 2, vec![item("b", "other")]).await;
    assert_eq!(lines(&store, SHOWN).await, ["b|other|2|2025"]);
    // Who comes back is a new row, of which nothing is known.
    harvest(&store, "Item", ITEM, 3, vec![item("a", "x"), item("b", "other")]).await;
    assert_eq!(lines(&store, SHOWN).await, ["a|x|-|-", "b|other|2|2025"]);
    let asked = lines(
        &store,
        "SELECT id FROM hayloft_fan_out JOIN item ON _row=parent ORDER BY id",
    )
    .await;
    assert_eq!(asked, ["b"]);
}

/// Such rows are taken out and written anew.
async fn rows_that_exchange_a_unique_value_keep_them(on: On) {
    let (_place, store) = rates(on).await;
    let (outcome, _) = harvest(
        &store,
        "Item",
        ITEM,
        1,
        vec![item("a", "y"), item("b", "x"), item("c", "z")],
    )
    .await;
    assert_eq!((outcome.changed, outcome.same), (2, 1));
    assert_eq!(lines(&store, SHOWN).await, ["a|y|1.50|2024", "b|x|2|2025", "c|z|-|-"]);
}

async fn a_field_that_is_added_touches_no_row(on: On) {
    let place = Place::new(on);
    let (field, _) = RATES.split_once(" rate: ").expect("the field");
    let before = format!("{field} }}\ntype Rate @f {{ value: Decimal! @id year: Int! @id }}");
    let store = open(&place.url, Access::Write, &before).await.expect("a store");
    let plain = |id: &str, code: &str| Row::new(vec![text(id), text(code)], vec![], vec![]);
    harvest(&store, "Item", ITEM, 0, vec![plain("a", "x"), plain("b", "y")]).await;
    store.close().await;
    let after = RATES.replace("type Rate", "type Rate @f");
    let store = open(&place.url, Access::Write, &after).await.expect("nothing is lost");
    assert_eq!(
        lines(&store, "SELECT \"fetch\"||fields FROM hayloft_refill").await,
        ["Item.rate[\"rate\"]"]
    );
    let fresh = "SELECT CAST(count(*) AS TEXT) FROM item WHERE _hash<>0";
    assert_eq!(lines(&store, fresh).await, ["2"], "their records are what they were");
    store.close().await;
    // Who does not know the field would leave its requests behind when it deletes a row.
    let refused = open(&place.url, Access::Read, &before).await.err().expect("refused");
    assert!(refused.to_string().contains("- Item.rate: field removed"), "{refused}");
}
