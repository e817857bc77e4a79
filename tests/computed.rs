//! Groups that are computed now and then: when they are, how old they are told to be, and what a process that ends in the middle
//! leaves behind.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Upstream, eventually, on_both};

on_both!(
    groups_are_computed_and_their_age_is_told,
    a_kill_in_the_middle_leaves_the_groups_as_they_were,
);

/// No slot passes while a test runs.
const DEFINITION: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Sale @fetch(source: \"up\", every: \"366d\", GET: \"/sales\", rows: \".[]\", missing: DELETE, maxMissing: 1) {\n\
      id: ID! note: String amount: Int }\n\
    type ByNote @rollup(of: \"Sale\", by: [\"note\"], every: \"366d\") {\n\
      id: ID! note: String sales: Int! @rollup(fn: COUNT) sold: BigInt @rollup(fn: SUM, field: \"amount\") }\n";

const GROUPS: &str = "{ byNotes { note sales sold } }";
const FRESH: &str = "{ freshness { name rows completeAt triedAt outcome nextAt } }";

/// Sales by their notes and amounts.
fn sales(of: &[(&str, i64)]) -> Reply {
    let rows = of.iter().enumerate();
    let rows = rows.map(|(id, (note, amount))| json!({ "id": id, "note": note, "amount": amount }));
    Reply::json(&rows.collect())
}

fn groups(of: &[(&str, i64, i64)]) -> Value {
    let rows = of.iter();
    let rows = rows.map(|(note, sales, sold)| json!({ "note": note, "sales": sales, "sold": sold.to_string() }));
    json!({ "byNotes": rows.collect::<Vec<_>>() })
}

async fn fresh(program: &Program) -> Value {
    program.query(FRESH).await["freshness"][1].clone()
}

async fn groups_are_computed_and_their_age_is_told(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/sales", Reply::text(404, "text/plain", "not here"));
    let scratch = Scratch::on(db, DEFINITION);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let program = scratch.serve(&environment).await;
    // There is nothing to compute of yet, and it says so.
    let early = program
        .eventually("they were computed", FRESH, |data| {
            data["freshness"][1]["outcome"] == "DOUBTFUL"
        })
        .await;
    let early = &early["freshness"][1];
    assert_eq!((&early["name"], &early["completeAt"]), (&json!("ByNote"), &Value::Null));
    let status = scratch.must(&["status"], &environment).await;
    let doubt = "ByNote: in doubt: no harvest of Sale was complete yet; it is computed again when one is";
    assert!(status.out.contains(doubt), "{}", status.out);
    // At once after the first whole one.
    upstream.set("/sales", sales(&[("a", 1), ("b", 2), ("a", 3)]));
    scratch.must(&["harvest", "Sale"], &environment).await;
    let first = groups(&[("a", 2, 4), ("b", 1, 2)]);
    program
        .eventually("they are of the first harvest", GROUPS, |data| *data == first)
        .await;
    program
        .eventually("it is whole", FRESH, |data| {
            data["freshness"][1]["outcome"] == "COMPLETE"
        })
        .await;
    let told = fresh(&program).await;
    assert_eq!(told["rows"], 2);
    assert!(told["completeAt"].is_string() && told["nextAt"].is_string(), "{told}");
    let status = scratch.must(&["status"], &environment).await;
    let line = status
        .out
        .lines()
        .find(|line| line.starts_with("ByNote "))
        .expect("a line");
    assert!(
        line.contains(" ago") && line.ends_with("complete: 2 new, 0 changed, 0 same, 0 gone, 0 refused"),
        "{line}"
    );
    // They stay what they were while the rows move on, and are as old as that.
    upstream.set("/sales", sales(&[("a", 1), ("c", 2), ("a", 4)]));
    scratch.must(&["harvest", "Sale"], &environment).await;
    assert_eq!(program.query(GROUPS).await, first);
    assert_eq!(fresh(&program).await["completeAt"], told["completeAt"]);
    // By hand they are computed at once.
    scratch.must(&["harvest", "ByNote"], &environment).await;
    let second = groups(&[("a", 2, 5), ("c", 1, 2)]);
    assert_eq!(program.query(GROUPS).await, second);
    let later = fresh(&program).await;
    assert!(
        later["completeAt"].as_str() > told["completeAt"].as_str(),
        "{later} {told}"
    );
    let counts = "SELECT new_rows,changed_rows,same_rows,gone_rows FROM hayloft_run WHERE \"fetch\"='ByNote' ORDER BY id DESC LIMIT 1";
    assert_eq!(scratch.rows(counts).await, [["1", "1", "0", "1"]]);
    // After everything that brings what they are of.
    upstream.set("/sales", sales(&[("d", 9)]));
    let all = scratch.must(&["harvest"], &environment).await;
    assert!(all.out.lines().any(|line| line.starts_with("ByNote")), "{}", all.out);
    assert_eq!(program.query(GROUPS).await, groups(&[("d", 1, 9)]));
    assert_eq!(program.terminate().await, Some(0));
    // The slot has its run: who starts again computes nothing.
    let runs = "SELECT count(*) FROM hayloft_run WHERE \"fetch\"='ByNote'";
    let before = scratch.rows(runs).await;
    let again = scratch.serve(&environment).await;
    again.eventually("it answers", GROUPS, |data| !data.is_null()).await;
    assert_eq!(again.terminate().await, Some(0));
    assert_eq!(scratch.rows(runs).await, before);
}

async fn a_kill_in_the_middle_leaves_the_groups_as_they_were(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/sales", sales(&[("a", 1), ("b", 2), ("a", 3)]));
    let scratch = Scratch::on(db, DEFINITION);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    scratch.must(&["harvest"], &environment).await;
    let stored = "SELECT id,sales,sold FROM by_note ORDER BY id";
    let logged = "SELECT count(*) FROM hayloft_change_log WHERE type='ByNote'";
    for point in [
        "groups::begun",
        "groups::gone",
        "groups::added",
        "groups::computed",
        "commit::before",
    ] {
        let (groups, changes) = (scratch.rows(stored).await, scratch.rows(logged).await);
        upstream.set("/sales", sales(&[("a", 1), (point, 2), ("a", point.len() as i64)]));
        scratch.must(&["harvest", "Sale"], &environment).await;
        let points = format!("{point}=return");
        let ended = [environment[0], ("FAILPOINTS", &points)];
        let output = scratch.end(&["harvest", "ByNote"], &ended).await;
        assert_eq!(output.status.signal(), Some(6), "{point} was not passed");
        assert_eq!(scratch.rows(stored).await, groups, "{point}");
        assert_eq!(scratch.rows(logged).await, changes, "{point}");
        scratch.bury_the_dead().await;
        scratch.must(&["harvest", "ByNote"], &environment).await;
        let sold = (1 + point.len()).to_string();
        let want = [["[\"a\"]", "2", sold.as_str()], [&format!("[\"{point}\"]"), "1", "2"]];
        assert_eq!(scratch.rows(stored).await, want, "{point}");
    }
    // After the commit it has happened, and a process that serves finds nothing left to do.
    upstream.set("/sales", sales(&[("z", 7)]));
    scratch.must(&["harvest", "Sale"], &environment).await;
    let ended = [environment[0], ("FAILPOINTS", "groups::after=return")];
    let output = scratch.end(&["harvest", "ByNote"], &ended).await;
    assert_eq!(output.status.signal(), Some(6));
    assert_eq!(scratch.rows(stored).await, [["[\"z\"]", "1", "7"]]);
    scratch.bury_the_dead().await;
    // One that was cut off is gone on with by whoever serves next.
    upstream.set("/sales", sales(&[("y", 8)]));
    scratch.must(&["harvest", "Sale"], &environment).await;
    let ended = [environment[0], ("FAILPOINTS", "groups::computed=return")];
    scratch.end(&["harvest", "ByNote"], &ended).await;
    scratch.bury_the_dead().await;
    let program = scratch.serve(&environment).await;
    eventually("the run that was cut off is made up for", || async {
        (scratch.rows(stored).await == [["[\"y\"]", "1", "8"]]).then_some(())
    })
    .await;
    assert_eq!(program.terminate().await, Some(0));
}

/// What each commit goes through is told where the definition is checked, with two ways out.
#[tokio::test]
async fn who_checks_is_told_of_groups_that_go_through_all_rows() {
    const TEXT: &str = "extend schema @source(name: \"up\", url: \"http://127.0.0.1:9\")\n\
        type Sale @fetch(source: \"up\", GET: \"/sales\") INDEX { id: ID! note: String amount: Int }\n\
        type ByNote @rollup(of: \"Sale\", by: [\"note\"] EVERY) { id: ID! note: String sold: BigInt @rollup(fn: SUM, field: \"amount\") \
          mean: Float @rollup(fn: AVG, field: \"amount\") amounts: Int! @rollup(fn: COUNT_DISTINCT, field: \"amount\") }\n\
        type Total @rollup(of: \"Sale\") { id: ID! amounts: Int! @rollup(fn: COUNT_DISTINCT, field: \"amount\") }\n";
    for (index, every, is_told) in [
        ("", "", true),
        ("@index(fields: [\"note\", \"amount\"])", "", false),
        ("", "every: \"1h\"", false),
    ] {
        let scratch = Scratch::new(&TEXT.replace("INDEX", index).replace("EVERY", every));
        let checked = scratch.must(&["check"], &[]).await;
        let told = "ByNote.amounts goes through all rows of Sale at each commit that writes some: @index(fields: [\"note\"]) on Sale leads";
        assert_eq!(checked.out.contains(told), is_told, "{}", checked.out);
        for other in ["Total", "ByNote.mean", "ByNote.sold"] {
            assert!(!checked.out.contains(other), "{}", checked.out);
        }
    }
}
