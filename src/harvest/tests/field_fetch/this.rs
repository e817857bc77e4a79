//! What `rows` makes of the row that an answer is about.

use super::{Bench, RunReport};
use crate::harvest::tests::upstream::Answer;

/// Steps that are numbered anew in each item.
async fn numbered(rows: &str) -> (Bench, RunReport) {
    let field = format!(
        "recipes: [Recipe!]! @fetch(source: \"farm\", GET: \"/items/{{$this.id}}/recipes\", rows: {rows:?}, when: ALWAYS)"
    );
    let bench = Bench::with(&field).await;
    bench.items(&[("1", "one"), ("2", "two")]);
    for (item, names) in [("1", ["Input", "Check"]), ("2", ["Mail", "Close"])] {
        let steps = format!(r#"[{{"id":1,"name":"{}"}},{{"id":2,"name":"{}"}}]"#, names[0], names[1]);
        bench.answers(&format!("/items/{item}/recipes"), Answer::json(steps));
    }
    let (report, _) = bench.round().await;
    (bench, report)
}

#[tokio::test]
async fn keys_that_begin_anew_in_each_row() {
    let (bench, report) = numbered(".[]").await;
    assert_eq!(bench.rows("Recipe").await, 2, "the later ones count");
    let notes = report.summary.told.notes.join("\n");
    assert!(
        notes.contains("2 rows came with several answers") && notes.contains(r#".id = \"\\($this.id)/"#),
        "{notes}"
    );
    // Not all of it is read anew, so it holds.
    let (report, _) = bench.round().await;
    assert_eq!(report.summary.told.notes.join("\n"), notes);
    let (bench, report) = numbered(".[] | .id = \"\\($this.id)/\\(.id)\" | .name += $this.name").await;
    assert_eq!(
        (bench.rows("Recipe").await, report.summary.told.notes.len()),
        (4, 0),
        "{:?}",
        report.summary.told.notes
    );
    // The same answer is read anew for a row that says something else.
    bench.items(&[("1", "uno"), ("2", "two")]);
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.changed, report.summary.new),
        (2, 0),
        "{:?}",
        report.summary
    );
}
