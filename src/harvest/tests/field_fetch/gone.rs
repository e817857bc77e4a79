//! Rows that go, and what was remembered of their requests.

use super::Bench;

#[tokio::test]
async fn a_deleted_row_is_forgotten() {
    let bench = Bench::start("").await;
    bench.items(&[("1", "one"), ("2", "two")]);
    bench.round().await;
    bench.items(&[("1", "one")]);
    bench.round().await;
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.left, bench.rows("Recipe").await), (1, 0, 3));
    // Back again it is a new row, and asked about.
    bench.items(&[("1", "one"), ("2", "two")]);
    assert_eq!(bench.round().await.1, ["/items/2/recipes"]);
}
