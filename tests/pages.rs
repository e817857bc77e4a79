//! What a person is told of pages: records that are left out, runs in doubt, and pages past the last.

use serde_json::{Value, json};

use crate::harness::{Db, Reply, Scratch, Upstream, on_both};

on_both!(
    what_is_left_out_is_told,
    a_run_in_doubt_is_not_called_complete,
    a_sign_of_more_is_told
);

fn definition(fetch: &str) -> String {
    format!(
        "extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n\
         type Thing @fetch(source: \"up\", {fetch}, missing: DELETE, maxMissing: 1) {{ id: ID! }}\n"
    )
}

/// A page of three things, of which those with an even number are off.
fn page(number: u64, rows: u64) -> Value {
    let ids = (number - 1) * 3..(number - 1) * 3 + rows;
    let rows: Vec<Value> = ids.map(|id| json!({ "id": id, "on": id % 2 == 1 })).collect();
    json!({ "rows": rows, "last": 4 })
}

/// Serves four pages; the third has so many rows.
fn serve(upstream: &Upstream, third: u64) {
    for number in 1..=4 {
        let rows = if number == 3 { third } else { 3 };
        upstream.set(&format!("/things?page={number}"), Reply::json(&page(number, rows)));
    }
    upstream.set("/things?page=5", Reply::text(404, "application/json", "{}"));
}

async fn what_is_left_out_is_told(db: Db) {
    let upstream = Upstream::start().await;
    serve(&upstream, 3);
    let fetch = "GET: \"/things?page={$page}\", rows: \".rows[] | select(.on)\", pages: {end: [404]}";
    let scratch = Scratch::on(db, &definition(fetch));
    let url = upstream.url();
    for _ in 0..2 {
        let harvest = scratch.must(&["harvest"], &[("UP", &url)]).await;
        assert!(harvest.out.contains("complete; 6 left out by keep"), "{}", harvest.out);
        let status = scratch.must(&["status"], &[]).await;
        assert!(status.out.contains("0 refused, 6 left out by keep"), "{}", status.out);
    }
}

async fn a_run_in_doubt_is_not_called_complete(db: Db) {
    let upstream = Upstream::start().await;
    serve(&upstream, 3);
    let fetch = "GET: \"/things?page={$page}\", rows: \".rows[]\", pages: {last: \".last\"}";
    let scratch = Scratch::on(db, &definition(fetch));
    let url = upstream.url();
    serve(&upstream, 0);
    let never = scratch.must(&["harvest"], &[("UP", &url)]).await;
    assert!(!never.out.contains("complete"), "{}", never.out);
    let status = scratch.must(&["status"], &[]).await;
    assert!(status.out.contains("never"), "{}", status.out);
    serve(&upstream, 3);
    scratch.must(&["harvest"], &[("UP", &url)]).await;
    serve(&upstream, 0);
    let doubt = "in doubt: page 3 of 4 was empty, so rows may be missing; nothing is deleted";
    let harvest = scratch.must(&["harvest"], &[("UP", &url)]).await;
    assert!(
        harvest.out.contains(doubt) && !harvest.out.contains("complete"),
        "{}",
        harvest.out
    );
    let status = scratch.must(&["status"], &[]).await;
    assert!(status.out.contains(&format!("Thing: {doubt}")), "{}", status.out);
    assert!(
        status.out.contains("ago") && status.out.contains("in doubt: 0 new"),
        "{}",
        status.out
    );
    assert_eq!(scratch.rows("SELECT count(*) FROM thing").await, [["12"]]);
}

async fn a_sign_of_more_is_told(db: Db) {
    let upstream = Upstream::start().await;
    let page = json!({ "rows": [{ "id": 1 }, { "id": 2 }], "meta": { "next_cursor": "x" } });
    upstream.set("/things", Reply::json(&page));
    let scratch = Scratch::on(db, &definition("GET: \"/things\", rows: \".rows[]\""));
    let url = upstream.url();
    for _ in 0..2 {
        let harvest = scratch.must(&["harvest"], &[("UP", &url)]).await;
        let told = "in doubt: there may be more: the last page has `.meta.next_cursor`; follow it with `{$cursor}` in the path \
                    and `pages: {next: \".meta.next_cursor\"}`; nothing is deleted";
        assert!(
            harvest.out.contains(told) && !harvest.out.contains("complete"),
            "{}",
            harvest.out
        );
        let status = scratch.must(&["status"], &[]).await;
        assert!(status.out.contains(&format!("Thing: {told}")), "{}", status.out);
    }
}
