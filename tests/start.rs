//! Starting wrongly and stopping rightly: exit codes and texts.

use hayloft::demo::FARM_DEFINITION;
use serde_json::json;

use crate::harness::{Db, Program, Reply, Scratch, Upstream, on_both};

on_both!(
    sigterm_ends_it_cleanly_in_the_middle_of_a_harvest,
    a_slow_operation_ends_at_the_limit,
);

const LIST: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", every: \"1s\", GET: \"/things\", rows: \".[]\", missing: DELETE) { id: ID! n: Int }\n";

#[tokio::test]
async fn a_faulty_definition_is_refused_with_every_fault() {
    let scratch = Scratch::new("type A { id: ID! b: B c: [A!]! }\ntype Query { a: A }\n");
    for command in [&["check"][..], &["serve", "--listen", "127.0.0.1:0"], &["print"]] {
        let output = scratch.run(command, &[]).await;
        assert_eq!(output.code, Some(2), "{output:?}");
        for part in ["schema.graphql:1", "schema.graphql:2", "^"] {
            assert!(output.err.contains(part), "{part}: {}", output.err);
        }
    }
    let output = scratch.run(&["check", "--schema", "absent.graphql"], &[]).await;
    assert_eq!(output.code, Some(2));
    assert!(
        output.err.contains("absent.graphql") && output.err.contains("--schema"),
        "{}",
        output.err
    );
}

/// Sources of files begin in the folder, and the database lies beside it under its name.
#[tokio::test]
async fn a_definition_may_be_a_folder() {
    let scratch = Scratch::new("");
    std::fs::create_dir(scratch.path("shop")).expect("a folder");
    scratch.write("shop/b_items.ndjson", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
    scratch.write(
        "shop/types.graphql",
        "type Item @fetch(source: \"here\", FILE: \"b_items.ndjson\", format: NDJSON) { id: ID! }\n",
    );
    scratch.write(
        "shop/sources.graphql",
        "extend schema @source(name: \"here\", url: \"file:.\")\n",
    );
    let checked = scratch.run(&["check", "--schema", "shop"], &[]).await;
    assert_eq!(
        checked.out, "shop: no faults; 1 type, 1 fetch, 1 source\n",
        "{checked:?}"
    );
    let harvested = scratch.run(&["harvest", "--schema", "shop/"], &[]).await;
    assert_eq!(harvested.code, Some(0), "{harvested:?}");
    assert!(scratch.path("shop.db").is_file());

    scratch.write("shop/more.graphql", "\ntype Item { id: ID! }\n");
    let clash = scratch.run(&["check", "--schema", "shop"], &[]).await;
    assert_eq!(clash.code, Some(2), "{clash:?}");
    for place in ["shop/types.graphql:1:6", "shop/more.graphql:2:6"] {
        assert!(clash.err.contains(place), "{place}: {}", clash.err);
    }
}

#[tokio::test]
async fn settings_that_cannot_work_say_what_to_do() {
    let scratch = Scratch::new(LIST);
    let missing = scratch.run(&["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.err.contains("UP"), "{}", missing.err);

    for (limits, want) in [
        ("rows=9,row=1", "no limit `row`; there are query_bytes, tokens"),
        ("rows=many", "`rows` cannot be `many`"),
        ("rows", "NAME=VALUE"),
    ] {
        let flag = scratch.run(&["serve", "--limit", limits], &[]).await;
        let variable = scratch.run(&["demo"], &[("HAYLOFT_LIMITS", limits)]).await;
        for output in [flag, variable] {
            assert_eq!(output.code, Some(2), "{output:?}");
            assert!(output.err.contains(want), "{}", output.err);
        }
    }

    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("its address").to_string();
    let port = scratch
        .run(&["serve", "--listen", &address], &[("UP", "http://127.0.0.1:9")])
        .await;
    assert_eq!(port.code, Some(2), "{port:?}");
    assert!(
        port.err.contains(&address) && port.err.contains("--listen"),
        "{}",
        port.err
    );

    let nowhere = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        "sqlite:no/such/folder/x.db",
    ];
    let unwritable = scratch.run(&nowhere, &[("UP", "http://127.0.0.1:9")]).await;
    assert_eq!(unwritable.code, Some(2), "{unwritable:?}");
    assert!(unwritable.err.contains("no/such/folder"), "{}", unwritable.err);

    scratch.write("text.db", &"this is no database ".repeat(500));
    let text = ["harvest", "--database", "sqlite:text.db"];
    let not_a_database = scratch.run(&text, &[("UP", "http://127.0.0.1:9")]).await;
    assert_eq!(not_a_database.code, Some(2), "{not_a_database:?}");
    assert!(not_a_database.err.contains("text.db"), "{}", not_a_database.err);

    for (url, word) in [
        ("farm.db", "for a file write sqlite:farm.db"),
        ("postgres://me:hunter2@127.0.0.1:9/x", "does not answer"),
        ("mysql://me:hunter2@db/x", "MySQL"),
        ("sqlite:", "path"),
    ] {
        let output = scratch
            .run(&["harvest", "--database", url], &[("UP", "http://127.0.0.1:9")])
            .await;
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.err.contains(word), "{}", output.err);
        assert!(!output.err.contains("hunter2"), "{}", output.err);
    }
    let absent = scratch.run(&["status", "--database", "sqlite:absent.db"], &[]).await;
    assert_eq!(absent.code, Some(2), "{absent:?}");
}

/// What stands in a clone needs one thing from outside, and one line says which.
#[tokio::test]
async fn the_repository_s_definition_says_what_it_needs() {
    let scratch = Scratch::new(FARM_DEFINITION);
    let served = scratch.run(&["serve", "--listen", "127.0.0.1:0"], &[]).await;
    assert_eq!(served.code, Some(2), "{served:?}");
    assert_eq!(served.err.trim_end().lines().count(), 1, "{}", served.err);
    assert!(
        served.err.contains("FARM_URL") && served.err.contains("hayloft serve"),
        "{}",
        served.err
    );
}

/// A type without rows is no fault, and yet nobody means it for long.
#[tokio::test]
async fn types_that_nothing_fills_are_told() {
    let scratch = Scratch::new(&format!(
        "{LIST}type Note {{ id: ID! lines: [Line!]! @nested }}\ntype Line {{ note: Note! text: String }}\n"
    ));
    let checked = scratch.run(&["check"], &[]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let told: Vec<&str> = checked
        .out
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|told| told.0)
        .collect();
    assert_eq!(told, ["Note", "Line"], "{}", checked.out);
}

/// The way that is shown for keys that begin anew in each row works as it is written.
#[tokio::test]
async fn keys_that_answers_may_share_are_told_with_the_way() {
    let definition = |rows: &str| {
        format!(
            r#"extend schema @source(name: "up", url: "{{$env.UP}}")
type Flow @fetch(source: "up", GET: "/flows", rows: ".[]") {{
  id: ID!
  steps: [Step!]! @fetch(source: "up", GET: "/flows/{{$this.id}}/steps", {rows})
}}
type Step {{ stepId: ID! @id name: String! }}"#
        )
    };
    let upstream = Upstream::start().await;
    upstream.set("/flows", Reply::json(&serde_json::json!([{ "id": 1 }, { "id": 2 }])));
    for (flow, name) in [(1, "one"), (2, "two")] {
        let steps = serde_json::json!([{ "step_id": 1, "name": name }, { "step_id": 2, "name": name }]);
        upstream.set(&format!("/flows/{flow}/steps"), Reply::json(&steps));
    }
    let env = [("UP", upstream.url())];
    let env = env.each_ref().map(|(name, url)| (*name, url.as_str()));
    let told = Scratch::new(&definition(r#"rows: ".[]""#)).run(&["check"], &env).await;
    let told = format!("{}{}", told.out, told.err);
    let way = told
        .split("keys of their own: ")
        .nth(1)
        .and_then(|rest| rest.split(", by").next());
    let way = way.unwrap_or_else(|| panic!("no way is shown: {told}"));
    let scratch = Scratch::new(&definition(way));
    let checked = scratch.run(&["check"], &env).await;
    assert!(
        !format!("{}{}", checked.out, checked.err).contains("share one"),
        "{checked:?}"
    );
    let harvest = scratch.run(&["harvest"], &env).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
    let steps = scratch.rows("SELECT step_id,name FROM step ORDER BY step_id").await;
    assert_eq!(steps, [["1/1", "one"], ["1/2", "one"], ["2/1", "two"], ["2/2", "two"]]);
}

#[tokio::test]
async fn an_address_that_others_reach_is_told() {
    let scratch = Scratch::new("type Note { id: ID! }\n");
    for (address, warned) in [("0.0.0.0:0", true), ("127.0.0.1:0", false)] {
        let program = Program::start(&scratch.path(""), &["serve", "--listen", address], &[]).await;
        let log = program.log();
        assert_eq!(log.contains("is no loopback address"), warned, "{address}: {log}");
        program.kill().await;
    }
}

async fn sigterm_ends_it_cleanly_in_the_middle_of_a_harvest(db: Db) {
    let upstream = Upstream::start().await;
    let slow = Reply::json(&serde_json::json!([{ "id": 1, "n": 1 }])).after(std::time::Duration::from_secs(30));
    upstream.set("/things", slow);
    let scratch = Scratch::on(db, LIST);
    let program = scratch.serve(&[("UP", &upstream.url())]).await;
    crate::harness::eventually("the harvest asks", || async {
        (!upstream.asked().is_empty()).then_some(())
    })
    .await;
    assert_eq!(program.terminate().await, Some(0));
    // The file is whole and free again.
    upstream.set("/things", Reply::json(&serde_json::json!([{ "id": 1, "n": 1 }])));
    let harvest = scratch.run(&["harvest"], &[("UP", &upstream.url())]).await;
    assert_eq!(harvest.code, Some(0), "{harvest:?}");
}

/// As under `2> >(head -2)`, or when the terminal that it was started from has gone.
#[tokio::test]
async fn a_log_that_nobody_takes_stops_nothing() {
    let upstream = Upstream::start().await;
    let number = |n: i64| Reply::json(&serde_json::json!([{ "id": 1, "n": n }]));
    let is = |n: i64| move |data: &serde_json::Value| data["things"][0]["n"] == n;
    upstream.set("/things", number(1));
    let scratch = Scratch::new(LIST);
    let mut program = scratch.serve(&[("UP", &upstream.url())]).await;
    program.eventually("the first harvest", "{ things { n } }", is(1)).await;
    program.close_log().await;
    // What fails is told, and so is what comes back.
    upstream.set("/things", Reply::text(500, "text/plain", "no"));
    let asked = upstream.asked().len();
    crate::harness::eventually("it asks again", || async {
        (upstream.asked().len() > asked).then_some(())
    })
    .await;
    for n in 2..5 {
        upstream.set("/things", number(n));
        program
            .eventually("the harvest goes on", "{ things { n } }", is(n))
            .await;
    }
    assert_eq!(program.terminate().await, Some(0));

    let idle = Scratch::new("type Note { id: ID! }\n");
    let mut program = idle.serve(&[]).await;
    program.close_log().await;
    assert_eq!(program.terminate().await, Some(0));
}

#[tokio::test]
async fn every_command_has_help_with_an_example() {
    let scratch = Scratch::new(FARM_DEFINITION);
    for command in [
        "demo",
        "serve",
        "check",
        "harvest",
        "init",
        "preview",
        "test",
        "print",
        "explain",
        "status",
        "approve",
        "reject",
        "replay",
        "backup",
        "restore",
        "directives",
    ] {
        let output = scratch.run(&[command, "--help"], &[]).await;
        assert_eq!(output.code, Some(0));
        assert!(output.out.contains("Example"), "{command}: {}", output.out);
    }
}

#[tokio::test]
async fn printed_texts_are_graphql() {
    let scratch = Scratch::new(FARM_DEFINITION);
    let print = scratch.run(&["print"], &[]).await;
    assert_eq!(print.code, Some(0), "{print:?}");
    apollo_compiler::Schema::parse_and_validate(&print.out, "served.graphql").expect("the served schema is valid");
    assert!(
        print.out.contains("Something a player can own."),
        "descriptions are carried"
    );
    let directives = scratch.run(&["directives"], &[]).await;
    assert!(directives.out.contains("directive @fetch"), "{}", directives.out);
}

/// Rows that all share one tag: each step from tags to things multiplies an answer by their number.
const SHARING: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", every: \"1d\", GET: \"/things\", rows: \".[]\") { id: ID! tag: Tag @ref(jq: \".tag\") }\n\
    type Tag @fetch(source: \"up\", every: \"1d\", GET: \"/tags\", rows: \".[]\") { id: ID! things: [Thing!]! @inverse(field: \"tag\") }\n";
const SLOW: &str = "{ things { tag { things { tag { things { tag { things { id } } } } } } } }";

async fn a_slow_operation_ends_at_the_limit(db: Db) {
    let upstream = Upstream::start().await;
    let things: Vec<_> = (0..400).map(|id| json!({ "id": id, "tag": "t" })).collect();
    upstream.set("/things", Reply::json(&json!(things)));
    upstream.set("/tags", Reply::json(&json!([{ "id": "t" }])));
    let scratch = Scratch::on(db, SHARING);
    let url = upstream.url();
    scratch.must(&["harvest"], &[("UP", &url)]).await;
    let address = scratch.database();
    let mut ways = vec![(address.clone(), "1500ms", "1.5s")];
    if db == Db::Postgres {
        // What the address says goes before.
        ways.push((format!("{address}?statement_timeout=1600ms"), "15s", "1.6s"));
    }
    for (address, flag, limit) in ways {
        let environment = [
            ("UP", url.as_str()),
            ("HAYLOFT_DATABASE", &address),
            ("HAYLOFT_STATEMENT_TIMEOUT", flag),
            ("HAYLOFT_LIMITS", "rows=1000000000000000,answer_bytes=1000000000000"),
        ];
        let program = scratch.serve(&environment).await;
        let answer = program.post(SLOW, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "TIMEOUT", "{answer}");
        let told = error["message"].as_str().unwrap_or_default();
        assert!(
            told.contains(&format!("longer than {limit};")) && told.contains("--statement-timeout"),
            "{told}"
        );
        assert_eq!(program.terminate().await, Some(0));
    }
    for wrong in ["5", "0s", "2d", "90000s"] {
        let refused = scratch.run(&["status", "--statement-timeout", wrong], &[]).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.err.contains("such as 10s or 500ms"), "{refused:?}");
    }
}
