//! Databases that the version before wrote, whose records of layouts do not say what an index is
//! for.

use crate::store::types::DefinitionStatus;

use super::{
    changes::{lines, open, read},
    *,
};

on_both!(a_record_that_says_less_is_of_the_same_layout);

const OLD: &str =
    "type A @f { id: ID! n: Int @index b: B words: [String!] @index }\ntype B @f { id: ID! slug: String @unique }";
const NEW: &str = "type A @f { id: ID! n: Int @index b: B words: [String!] @index y: Int }\ntype B @f { id: ID! slug: String @unique }";

/// Makes the records what the version before would have written, which `purposes` was unknown to.
/// Gives how many there were that said more.
async fn write_as_before(store: &Store) -> usize {
    let mut changed = 0;
    let records = lines(
        store,
        "SELECT CAST(id AS TEXT)||' '||layout FROM hayloft_applied_layout",
    )
    .await;
    for record in records {
        let (id, layout) = record.split_once(' ').expect("a number and a layout");
        let mut parts = layout.split(",\"purposes\":[");
        let mut before = parts.next().expect("a beginning").to_owned();
        parts.for_each(|part| before.push_str(part.split_once(']').expect("the end of a list").1));
        changed += usize::from(before.len() < layout.len());
        let before = store.context.dialect.literal(&before);
        run(
            store,
            &format!("UPDATE hayloft_applied_layout SET layout={before} WHERE id={id}"),
        )
        .await;
    }
    changed
}

async fn records(store: &Store) -> i64 {
    number(store, "SELECT CAST(count(*) AS BIGINT) FROM hayloft_applied_layout").await
}

/// Opened again it needs no step and no record, and its indexes stay; and a definition that was in
/// force before a newer one is known for that.
async fn a_record_that_says_less_is_of_the_same_layout(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, OLD).await.expect("a new store");
    let indexes = lines(&store, store.context.dialect.indexes()).await;
    assert_eq!(write_as_before(&store).await, 1);
    store.close().await;

    let catalog = read(OLD);
    let layout = Arc::new(Layout::of(&catalog));
    let plan = Store::plan(&place.url, catalog, layout, None).await.expect("a plan");
    assert!(plan.steps.is_empty() && plan.indexes.is_empty(), "{plan:?}");
    let store = open(&place.url, Access::Write, OLD).await.expect("the same store");
    assert_eq!(records(&store).await, 1);
    assert_eq!(lines(&store, store.context.dialect.indexes()).await, indexes);
    store.close().await;

    let store = open(&place.url, Access::Write, NEW).await.expect("a newer store");
    assert_eq!(write_as_before(&store).await, 1);
    store.close().await;
    // The newer layout is compatible with it; a definition that was never there would have to take
    // the new column away, which is refused.
    let store = open(&place.url, Access::Write, OLD).await.expect("the older store");
    assert_eq!(records(&store).await, 2);
    assert_eq!(
        store.definition_status().await.expect("a status"),
        DefinitionStatus::InForce
    );
}
