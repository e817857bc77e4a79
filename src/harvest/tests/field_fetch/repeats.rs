//! One key several times in one answer about a row: told, put together, or a failure; and rows that
//! come on two pages of it.

use super::Bench;
use crate::{
    harvest::tests::upstream::Answer,
    query::{Output, OutputValue},
    store::RunState,
};

const TWICE: &str = r#"[{"id":"r1","name":"one","slug":"s"},{"id":"r2","name":"two"},{"id":"r2","name":"two"},{"id":"r1","name":"uno"}]"#;
const PATH: &str = "/items/a/recipes";

async fn bench(more: &str) -> Bench {
    let bench = Bench::start(&format!("when: ALWAYS {more}")).await;
    bench.items(&[("a", "x"), ("b", "x")]);
    bench.answers(PATH, Answer::json(TWICE));
    bench.answers("/items/b/recipes", Answer::json(r#"["r1","r1",{"id":"r3"}]"#));
    bench
}

/// The recipes with their names and slugs.
async fn recipes(bench: &Bench) -> String {
    let field = |key: &str, at| Output {
        key: key.to_owned(),
        value: OutputValue::Leaf(crate::catalog::FieldId(at)),
    };
    let output = vec![field("id", 0), field("name", 1), field("slug", 2)];
    bench.read("recipes", bench.select("Recipe", output)).await
}

#[tokio::test]
async fn the_last_one_counts_and_the_others_are_told() {
    let bench = bench("").await;
    let told = "1 record has a key that came before in the same answer with other values; the last of each counts (`repeats: LAST`; `MERGE` puts parts of a row together)";
    let (report, _) = bench.round().await;
    let run = report.summary;
    assert_eq!((run.state, run.new, run.repeated), (RunState::Complete, 3, 1));
    assert_eq!((run.told.notes, run.told.doubt), (vec![told.to_owned()], None));
    assert_eq!(
        recipes(&bench).await,
        "{recipes:[{id:r1,name:uno,slug:null},{id:r2,name:two,slug:null},{id:r3,name:null,slug:null}]}"
    );
    assert_eq!(
        bench.links().await,
        "{items:[{id:a,recipe:[{id:r1},{id:r2},{id:r2},{id:r1}]},{id:b,recipe:[{id:r1},{id:r1},{id:r3}]}]}"
    );
    let (report, _) = bench.round().await;
    let run = report.summary;
    assert_eq!((run.new, run.changed, run.repeated), (0, 0, 1));
    assert_eq!(run.told.notes, [told]);
    // An answer that cannot be had says nothing new: the last good one stands, and so does what is
    // to be told of it.
    bench.answers(PATH, Answer::status(404));
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.repeated, report.summary.told.notes),
        (0, vec![told.to_owned()])
    );
    bench.answers(PATH, Answer::json(r#"[{"id":"r1","name":"uno"}]"#));
    let (report, _) = bench.round().await;
    assert_eq!(report.summary.told.notes, [] as [&str; 0]);
}

#[tokio::test]
async fn parts_of_one_row_are_put_together() {
    let bench = bench("repeats: MERGE").await;
    let (report, _) = bench.round().await;
    let run = report.summary;
    assert_eq!(
        (run.state, run.new, run.repeated),
        (RunState::Complete, 3, 2),
        "{:?}",
        run.error
    );
    assert_eq!(run.told.notes, [] as [&str; 0]);
    assert_eq!(
        recipes(&bench).await,
        "{recipes:[{id:r1,name:uno,slug:s},{id:r2,name:two,slug:null},{id:r3,name:null,slug:null}]}"
    );
    assert_eq!(
        bench.links().await,
        "{items:[{id:a,recipe:[{id:r1},{id:r2}]},{id:b,recipe:[{id:r1},{id:r1},{id:r3}]}]}"
    );
}

#[tokio::test]
async fn parts_on_several_pages_and_in_a_single_link() {
    let bench = Bench::with(
        r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r/{$this.id}?p={$page}", rows: ".[]", pages: {size: 1}, repeats: MERGE)"#,
    )
    .await;
    bench.items(&[("a", "x")]);
    for (page, rows) in [r#"[{"id":"r1","name":"one"}]"#, r#"[{"id":"r1","slug":"s"}]"#, "[]"]
        .iter()
        .enumerate()
    {
        bench.answers(&format!("/r/a?p={}", page + 1), Answer::json(*rows));
    }
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.new, report.summary.repeated),
        (1, 1),
        "{:?}",
        bench.counts().await
    );
    assert_eq!(recipes(&bench).await, "{recipes:[{id:r1,name:one,slug:s}]}");
    assert_eq!(report.summary.told.doubt, None);
}

#[tokio::test]
async fn none_may_come_again() {
    let bench = bench("repeats: FAIL").await;
    bench.round().await;
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (1, 1));
    let wanted = "the key r2 came more than once in one answer, which `repeats: FAIL` forbids";
    assert!(counts.errors[0].contains(wanted), "{counts:?}");
    assert_eq!(
        bench.links().await,
        "{items:[{id:a,recipe:[]},{id:b,recipe:[{id:r3}]}]}"
    );
}

#[tokio::test]
async fn rows_on_two_pages_cast_doubt() {
    let bench = Bench::with(
        r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r/{$this.id}?p={$page}", rows: ".[]", pages: {size: 2})"#,
    )
    .await;
    bench.items(&[("a", "x")]);
    bench.answers("/r/a?p=1", Answer::json(r#"[{"id":"r1"},{"id":"r2"}]"#));
    bench.answers("/r/a?p=2", Answer::json(r#"[{"id":"r2"}]"#));
    let doubt = "1 answer may not be all of it, such as that about a: r2 came on two pages, so others may be missing";
    // Also in the next run, which asks nothing: the answer stands.
    for asked in [2, 0] {
        let (report, paths) = bench.round().await;
        assert_eq!(paths.len(), asked);
        assert_eq!(report.summary.told.doubt.as_deref(), Some(doubt));
    }
}
