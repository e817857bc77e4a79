//! Upstreams that misbehave: each fault fails its run with a reason of its own, deletes nothing, and serving goes on.

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Reserved, Scratch, Upstream, on_both};

on_both!(
    a_faulty_page_fails_the_run_and_nothing_else,
    an_upstream_that_is_down_at_start_is_tried_again,
    a_row_that_does_not_fit_is_refused_and_the_rest_is_loaded,
    a_value_that_no_index_can_hold_is_refused_with_its_row,
    a_source_that_shrinks_suddenly_deletes_nothing,
    an_unchanged_upstream_costs_no_rows
);

const THINGS: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", every: \"1s\", GET: \"/things\", rows: \".[]\", missing: DELETE, maxMissing: 0.1) {\n\
      id: ID! n: Int! }\n";

fn things(count: usize) -> Value {
    (1..=count).map(|id| json!({ "id": id, "n": id })).collect()
}

fn number_of_things(data: &Value) -> usize {
    data["things"].as_array().map_or(0, Vec::len)
}

async fn serving(upstream: &Upstream, scratch: &Scratch) -> Program {
    scratch.serve(&[("UP", &upstream.url())]).await
}

async fn a_faulty_page_fails_the_run_and_nothing_else(db: Db) {
    let page = things(20).to_string();
    let login = "<!doctype html><html><body>Please log in</body></html>";
    let cases = [
        (
            "not JSON",
            Reply::text(200, "application/json", "{\"things\": oops}"),
            "JSON",
        ),
        (
            "cut off",
            Reply::text(200, "application/json", page.clone()).cut_off(),
            "broke off",
        ),
        (
            "half",
            Reply::text(200, "application/json", &page[..page.len() / 2]),
            "JSON",
        ),
        ("a login page", Reply::text(200, "text/html", login), "HTML"),
        ("empty", Reply::text(200, "application/json", ""), "empty"),
        ("forbidden", Reply::text(403, "text/plain", "no"), "403"),
        (
            "elsewhere",
            Reply::text(302, "text/plain", "").header("location", "http://192.0.2.1/x"),
            "192.0.2.1",
        ),
    ];
    // Beside each other: each waits for a second most of its time.
    let all = cases.map(|(name, reply, reason)| faulty(db, name, reply, reason));
    futures_util::future::join_all(all).await;
}

async fn faulty(db: Db, name: &str, reply: Reply, reason: &str) {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(20)));
    let scratch = Scratch::on(db, THINGS);
    let program = serving(&upstream, &scratch).await;
    program
        .eventually("harvested", "{ things { n } }", |data| number_of_things(data) == 20)
        .await;
    upstream.set("/things", reply);
    let environment = [("UP", upstream.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let told = crate::harness::eventually(&format!("{name}: status tells"), || async {
        let status = scratch.run(&["status"], &environment).await;
        status.out.contains("failed").then_some(status.out)
    })
    .await;
    assert!(told.contains(reason), "{name}: {told}");
    assert_eq!(number_of_things(&program.query("{ things { n } }").await), 20, "{name}");
    // It recovers by itself.
    upstream.set("/things", Reply::json(&things(21)));
    program
        .eventually("recovered", "{ things { n } }", |data| number_of_things(data) == 21)
        .await;
}

async fn an_upstream_that_is_down_at_start_is_tried_again(db: Db) {
    let reserved = Reserved::new();
    let scratch = Scratch::on(db, THINGS);
    let program = scratch.serve(&[("UP", &reserved.url())]).await;
    assert_eq!(number_of_things(&program.query("{ things { n } }").await), 0);
    let upstream = reserved.listen();
    upstream.set("/things", Reply::json(&things(5)));
    program
        .eventually("harvested at last", "{ things { n } }", |data| {
            number_of_things(data) == 5
        })
        .await;
}

async fn a_row_that_does_not_fit_is_refused_and_the_rest_is_loaded(db: Db) {
    let upstream = Upstream::start().await;
    let rows = json!([{ "id": 1, "n": 1 }, { "id": 2, "n": "many" }, { "id": null, "n": 3 }, { "id": 4, "n": 4 }, 5]);
    upstream.set("/things", Reply::json(&rows));
    let scratch = Scratch::on(db, THINGS);
    let url = upstream.url();
    let harvest = scratch.run(&["harvest"], &[("UP", &url)]).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
    let status = scratch.run(&["status"], &[("UP", &url)]).await;
    for part in ["3 rows refused", "n: expected an Int", "many"] {
        assert!(status.out.contains(part), "{part}: {}", status.out);
    }
    let program = serving(&upstream, &scratch).await;
    let data = program
        .eventually("loaded", "{ things { id } }", |data| number_of_things(data) == 2)
        .await;
    assert_eq!(data["things"], json!([{ "id": "1" }, { "id": "4" }]));
}

async fn a_value_that_no_index_can_hold_is_refused_with_its_row(db: Db) {
    let definition = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
        type Thing @fetch(source: \"up\", GET: \"/things\", rows: \".[]\") {\n\
          id: ID! name: String @index slug: String @unique text: String other: Thing others: [Thing!]! @ref(jq: \".others[]\") }\n";
    let upstream = Upstream::start().await;
    // Of many different letters: what repeats itself would be stored compressed.
    let long = |letters: u32| -> String {
        let letters = (0..letters).map(|at| char::from_u32(0x4e00 + at * 7919 % 20_000));
        letters.flatten().collect()
    };
    let (most, more) = (long(866), long(867));
    let rows = json!([
        { "id": 1, "name": most, "slug": most, "text": long(10_000), "other": most, "others": [most] },
        { "id": 2, "name": more }, { "id": 3, "slug": more }, { "id": 4, "other": more }, { "id": 5, "others": [1, more] },
        { "id": more }, { "id": most },
    ]);
    upstream.set("/things", Reply::json(&rows));
    let scratch = Scratch::on(db, definition);
    let environment = [("UP", upstream.url())];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let harvest = scratch.must(&["harvest"], &environment).await;
    assert!(harvest.err.contains("2 new, 5 refused"), "{harvest:?}");
    let reasons = scratch.rows("SELECT reason FROM hayloft_quarantine ORDER BY id").await;
    let reasons: Vec<&str> = reasons.iter().map(|row| row[0].as_str()).collect();
    // The index of a link holds the row's own key, too, and so does that of links.
    let wanted = [
        ("name", 2601),
        ("slug", 2601),
        ("other and id", 2602),
        ("others[1]", 2602),
        ("id", 2601),
    ];
    let wanted = wanted.map(|(of, bytes)| format!("{of}: {bytes} bytes are too many for an index, which holds 2600"));
    assert_eq!(reasons, wanted);
}

async fn a_source_that_shrinks_suddenly_deletes_nothing(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(300)));
    let scratch = Scratch::on(db, THINGS);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    scratch.must(&["harvest"], &environment).await;
    upstream.set("/things", Reply::json(&things(3)));
    let harvest = scratch.run(&["harvest"], &environment).await;
    assert!(harvest.out.contains("297 rows held"), "{harvest:?}");
    let status = scratch.run(&["status"], &environment).await;
    assert!(
        status.out.contains("held: 297 rows") && status.out.contains("maxMissing"),
        "{}",
        status.out
    );
    // Within the limit rows do go.
    upstream.set("/things", Reply::json(&things(290)));
    scratch.must(&["harvest"], &environment).await;
    let status = scratch.run(&["status"], &environment).await;
    assert!(
        status.out.contains("10 gone") && !status.out.contains("held"),
        "{}",
        status.out
    );
}

async fn an_unchanged_upstream_costs_no_rows(db: Db) {
    let upstream = Upstream::start().await;
    upstream.set("/things", Reply::json(&things(50)));
    let scratch = Scratch::on(db, THINGS);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    scratch.must(&["harvest"], &environment).await;
    let again = scratch.run(&["harvest"], &environment).await;
    let line = again
        .out
        .lines()
        .nth(1)
        .expect("a row")
        .split_whitespace()
        .collect::<Vec<_>>();
    assert_eq!(line[..7], ["Thing", "1", "0", "0", "50", "0", "0"], "{}", again.out);
}
