//! Secrets that an upstream repeats: in no table, no log and no answer of a command, and requests that need them are made.

use serde_json::json;

use crate::harness::{Db, Reply, Scratch, Upstream, on_both};

on_both!(what_an_upstream_repeats_stands_nowhere);

const KEY: &str = "k3y/0f+it-9a8b";
const CODED: &str = "k3y%2F0f%2Bit-9a8b";
const TOKEN: &str = "t0kenOfIt-7c6d";

const DEFINITION: &str = r#"
    extend schema @source(name: "up", url: "{$env.UP}/api", headers: [{name: "Authorization", value: "Bearer {$env.TOKEN}"}])
    type Thing @fetch(source: "up", GET: "/things?key={$env.KEY}", rows: ".rows[]", pages: {next: ".next"}) {
      id: ID! n: Int self: String
      parts: [Part!]! @fetch(source: "up", GET: "/things/{$this.id}/parts?key={$env.KEY}", rows: ".[]")
    }
    type Part { id: ID! n: Int }
"#;

/// A page of things and what it leads to; it repeats what it was asked with.
fn page(ids: [u64; 2], next: Option<u64>) -> Reply {
    let thing = |id| json!({ "id": id, "n": 1, "self": format!("/things/{id}?key={CODED}") });
    let mut rows: Vec<_> = ids.map(thing).into();
    rows.push(json!({ "id": format!("of {TOKEN}"), "n": format!("{TOKEN} {KEY}") }));
    let next = next.map(|page| format!("/api/things?key={CODED}&page={page}"));
    Reply::json(&json!({ "rows": rows, "next": next })).header("etag", &format!("\"{TOKEN}-{}\"", ids[0]))
}

fn refusal(status: u16) -> Reply {
    let words = json!({ "error": format!("{TOKEN} may not ask with {KEY} ({CODED})") });
    Reply::text(status, "application/json", words.to_string())
}

async fn what_an_upstream_repeats_stands_nowhere(db: Db) {
    let upstream = Upstream::start().await;
    upstream.handle(|path| {
        let path = path.strip_suffix("&page=3").map_or(path, |_| "three");
        Some(match path {
            _ if path == format!("/api/things?key={CODED}") => page([1, 2], Some(2)),
            _ if path == format!("/api/things?key={CODED}&page=2") => page([3, 4], Some(3)),
            "three" => refusal(418),
            _ if path.starts_with("/api/things/1/") => refusal(404),
            _ if path.contains("/parts") => Reply::json(&json!([{ "id": TOKEN, "n": KEY }])).header("etag", "\"a\""),
            _ => refusal(401),
        })
    });
    let scratch = Scratch::on(db, DEFINITION);
    let url = upstream.url();
    let environment = [
        ("UP", url.as_str()),
        ("KEY", KEY),
        ("TOKEN", TOKEN),
        ("HAYLOFT_LOG_LEVEL", "debug"),
    ];
    let mut told = String::new();
    for arguments in [
        ["harvest", "Thing"].as_slice(),
        &["harvest", "Thing"],
        &["harvest", "Thing.parts"],
        &["status"],
        &["status", "--refused", "--json"],
    ] {
        let output = scratch.run(arguments, &environment).await;
        told.push_str(&format!("{}\n{}\n", output.out, output.err));
    }
    let said = format!(
        "{url}/api/things?key={{$env.KEY|@uri}}&page=3: answered 418 and said `{{\"error\":\"{{$env.TOKEN}} may not ask"
    );
    assert!(told.contains(&said), "{said}: {told}");
    let mut tables = String::new();
    for table in [
        "hayloft_request_state",
        "hayloft_quarantine",
        "hayloft_run",
        "hayloft_fan_out",
        "hayloft_change_log",
        "thing",
        "part",
    ] {
        tables.push_str(&format!(
            "{:?}\n",
            scratch.rows(&format!("SELECT * FROM {table}")).await
        ));
    }
    for secret in [KEY, CODED, TOKEN, &CODED.to_lowercase()] {
        assert!(!told.contains(secret), "{secret}: {told}");
        assert!(!tables.contains(secret), "{secret}: {tables}");
    }
    // Each of these was there to be kept.
    for kept in [
        "key={$env.KEY|@uri}&page=2",
        "\\\"{$env.TOKEN}-3\\\"",
        "/things/1?key={$env.KEY|@uri}",
    ] {
        assert!(tables.contains(kept), "{kept}: {tables}");
    }
    let asked = upstream.asked();
    assert_eq!(
        asked.iter().filter(|path| path.ends_with("&page=3")).count(),
        2,
        "{asked:?}"
    );
    assert_eq!(scratch.rows("SELECT count(*) FROM thing").await, [["4"]]);
}
