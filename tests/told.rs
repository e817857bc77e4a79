//! What a harvest says of itself, at its end and afterwards: what a failed run did, and to a client how fresh each type is.

use serde_json::{Value, json};

use crate::harness::{Db, Reply, Scratch, Upstream, on_both};

on_both!(
    a_failed_run_says_what_it_did,
    a_client_can_tell_a_type_that_never_completed,
    types_are_harvested_at_once_and_told_in_their_order
);

const THINGS: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}/api\")\n\
    type Thing @fetch(source: \"up\", GET: \"/things?page={$page}\", rows: \".rows[]\", pages: {last: \".last\"}) {\n\
      id: ID! n: Int! next: Thing }\n";

fn page(rows: Value) -> Reply {
    Reply::json(&json!({ "rows": rows, "last": 3 }))
}

async fn a_failed_run_says_what_it_did(db: Db) {
    let upstream = Upstream::start().await;
    for number in 1..=2 {
        let rows: Value = (0..30)
            .map(|row| json!({ "id": number * 100 + row, "n": row }))
            .collect();
        upstream.set(&format!("/api/things?page={number}"), page(rows));
    }
    let words = json!({ "message": "post 14 is broken" }).to_string();
    upstream.set("/api/things?page=3", Reply::text(400, "application/json", words));
    let scratch = Scratch::on(db, THINGS);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let failed = scratch.run(&["harvest"], &environment).await;
    assert_eq!(failed.code, Some(1), "{failed:?}");
    let status = scratch.must(&["status"], &environment).await;
    for told in [&failed.out, &status.out] {
        for part in [
            "answered 400",
            "60 rows of 2 pages are stored; rows that it did not see stay as they were",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    assert!(
        failed.err.contains("rows that were not seen stay as they were"),
        "{failed:?}"
    );
}

const FRESH: &str = "{ freshness { name rows completeAt triedAt outcome nextAt cursor } }";

async fn a_client_can_tell_a_type_that_never_completed(db: Db) {
    let definition = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
        type A @fetch(source: \"up\", every: \"366d\", GET: \"/a\", rows: \".[]\") {\n\
          id: ID! lines: [Line!]! @nested(jq: \".lines[]\")\n\
          bs: [B!]! @fetch(source: \"up\", GET: \"/a/{$this.id}/bs\", rows: \".[]\") }\n\
        type Line { n: Int! @id }\n\
        type B { id: ID! }\n\
        type C @fetch(source: \"up\", cron: \"0 0 1 1 *\", GET: \"/c\", rows: \".[]\") { id: ID! }\n";
    let upstream = Upstream::start().await;
    upstream.set(
        "/a",
        Reply::json(&json!([{ "id": 1, "lines": [{ "n": 1 }, { "n": 2 }] }])),
    );
    upstream.set("/a/1/bs", Reply::json(&json!([{ "id": 1 }])));
    upstream.set("/c", Reply::text(404, "text/plain", "not here"));
    let scratch = Scratch::on(db, definition);
    let program = scratch.serve(&[("UP", &upstream.url())]).await;
    let told = program
        .eventually("all were tried", FRESH, |data| {
            let types = data["freshness"].as_array().expect("a list");
            types.iter().take(3).all(|fresh| fresh["outcome"] == "COMPLETE") && types[3]["outcome"] == "FAILED"
        })
        .await;
    let fresh = &told["freshness"];
    let of = |member: &str| -> Vec<Value> {
        let types = fresh.as_array().expect("a list").iter();
        types.map(|fresh| fresh[member].clone()).collect()
    };
    assert_eq!(of("name"), ["A", "Line", "B", "C"]);
    assert_eq!(of("rows"), [1, 2, 1, 0]);
    assert_eq!(
        of("completeAt").iter().map(Value::is_string).collect::<Vec<_>>(),
        [true, true, true, false]
    );
    assert_eq!(
        of("nextAt").iter().map(Value::is_string).collect::<Vec<_>>(),
        [true, true, false, true]
    );
    assert!(of("triedAt").iter().all(Value::is_string) && of("cursor").windows(2).all(|two| two[0] == two[1]));
    let next = of("nextAt")[3].as_str().expect("an instant").to_owned();
    assert!(next.ends_with("-01-01T00:00:00Z"), "{next}");
    let query = "query($yes: Boolean! = true) { items: freshness { __typename t: name ...F @include(if: $yes) } as { id } }\n\
                 fragment F on Freshness { rows }";
    let data = program.query(query).await;
    assert_eq!(
        data["items"][1],
        json!({ "__typename": "Freshness", "t": "Line", "rows": 2 })
    );
    assert_eq!(data["as"], json!([{ "id": "1" }]));
}

/// Each answer comes only when all three have been asked for.
async fn types_are_harvested_at_once_and_told_in_their_order(db: Db) {
    let types: String = ["A", "B", "C"]
        .iter()
        .map(|name| format!("type {name} @fetch(source: \"up\", GET: \"/{name}\", rows: \".[]\") {{ id: ID! }}\n"))
        .collect();
    let definition = format!("extend schema @source(name: \"up\", url: \"{{$env.UP}}\")\n{types}");
    let upstream = Upstream::start().await;
    for name in ["A", "B", "C"] {
        let other = upstream.clone();
        let all = move || {
            ["/A", "/B", "/C"]
                .iter()
                .all(|path| other.asked().iter().any(|asked| asked == path))
        };
        upstream.set(&format!("/{name}"), Reply::json(&json!([{ "id": name }])).when(all));
    }
    let scratch = Scratch::on(db, &definition);
    let url = upstream.url();
    let harvested = scratch.run(&["harvest"], &[("UP", url.as_str())]).await;
    assert_eq!(harvested.code, Some(0), "{harvested:?}");
    let first: Vec<&str> = harvested
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(first, ["type", "A", "B", "C", "3"], "{}", harvested.out);
}
