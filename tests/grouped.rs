//! Rows in groups: golden answers, the same bytes from both databases, and spans of time around changes of clocks.
//!
//! `tests/cases/grouped/*.graphql`, each with its variables in the first line and its answer beside it; `HAYLOFT_BLESS=1` writes
//! the answers anew, from SQLite's.

use std::fs;

use futures_util::future::join;
use serde_json::{Value, json};

use crate::{
    definition::root,
    harness::{Db, Program, Reply, Scratch, Upstream},
};

/// Instants around both changes of summer time in Berlin, and elsewhere in the year.
const TIMES: [&str; 20] = [
    "2026-03-28T22:59:59.999999Z",
    "2026-03-28T23:00:00Z",
    "2026-03-29T00:59:59Z",
    "2026-03-29T01:00:00Z",
    "2026-03-29T01:00:00.25Z",
    "2026-03-29T21:59:59Z",
    "2026-03-29T22:00:00Z",
    "2026-03-31T22:00:00Z",
    "2026-06-30T22:00:00Z",
    "2026-10-24T21:59:59Z",
    "2026-10-24T22:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T00:30:30Z",
    "2026-10-25T01:30:00Z",
    "2026-10-25T04:00:00Z",
    "2026-10-25T22:59:59Z",
    "2026-10-25T23:00:00Z",
    "2025-12-31T22:59:59Z",
    "2025-12-31T23:00:00Z",
    "2024-02-29T12:00:00Z",
];

fn sales() -> Value {
    let sale = |(at, time): (usize, &&str)| {
        let pick = |list: Value, step: usize| list[(at * step) % list.as_array().map_or(1, Vec::len)].clone();
        json!({
            "id": format!("s{at:02}"),
            "soldAt": if at == 7 { Value::Null } else { json!(time) },
            "day": if at == 3 { Value::Null } else { json!(&time[..10]) },
            "clock": if at == 4 { Value::Null } else { json!(&time[11..19]) },
            "shop": pick(json!(["b", "a", "c", null, "gone", "a"]), 1),
            "kind": pick(json!(["APPLE", "PEAR", null]), 1),
            "amount": pick(json!(["9.5", "0.10", "9.50", null, "-3", "100"]), 1),
            "weight": pick(json!([0.1, 0.2, -0.0, 0.0, 204.899625, null, 1.5]), 1),
            "pieces": pick(json!([1, 2, 3, null]), 1),
            "took": pick(json!(["PT90S", "P1D", null]), 1),
            "gift": pick(json!([true, false, null]), 2),
            "note": pick(json!(["a", "ä", "B", null, ""]), 1),
        })
    };
    TIMES.iter().enumerate().map(sale).collect()
}

fn upstream(upstream: &Upstream, sales: &Value) {
    upstream.set("/sales", Reply::json(sales));
    let shops = json!([
        { "id": "a", "name": "Zoo", "town": ["DE", "Ulm"] },
        { "id": "b", "name": "Corner", "town": ["DE", "Bonn"] },
        { "id": "c", "name": "corner", "town": null },
        { "id": "d", "name": "Closed", "town": ["DE", "Ulm"] },
    ]);
    upstream.set("/shops", Reply::json(&shops));
    upstream.set(
        "/towns",
        Reply::json(&json!([{ "country": "DE", "name": "Ulm" }, { "country": "DE", "name": "Bonn" }])),
    );
    upstream.set(
        "/awards",
        Reply::json(&json!([{ "id": "x", "shop": "b" }, { "id": "y", "shop": "a" }])),
    );
}

struct Served {
    program: Program,
    _scratch: Scratch,
}

impl Served {
    async fn new(db: Db, url: &str) -> Served {
        let definition = root().join("tests/cases/grouped/definition.graphql");
        let scratch = Scratch::on(db, &fs::read_to_string(definition).expect("the definition"));
        scratch.must(&["harvest"], &[("UP", url)]).await;
        let limits = ("HAYLOFT_LIMITS", "rows=10000");
        let program = scratch.serve(&[("UP", url), limits]).await;
        Served {
            program,
            _scratch: scratch,
        }
    }
}

async fn on_both(sales: &Value) -> (Upstream, [Served; 2]) {
    let from = Upstream::start().await;
    upstream(&from, sales);
    let url = from.url();
    let (sqlite, postgres) = join(Served::new(Db::Sqlite, &url), Served::new(Db::Postgres, &url)).await;
    (from, [sqlite, postgres])
}

/// The answer of both.
async fn ask(served: &[Served; 2], document: &str, variables: &Value) -> String {
    let [sqlite, postgres] = served;
    let (one, other) = join(
        sqlite.program.text(document, variables.clone()),
        postgres.program.text(document, variables.clone()),
    )
    .await;
    assert!(one == other, "{document}\nSQLite:     {one}\nPostgreSQL: {other}");
    one
}

#[tokio::test]
async fn groups_are_as_written_down() {
    let (_upstream, served) = on_both(&sales()).await;
    let folder = root().join("tests/cases/grouped");
    let files = fs::read_dir(&folder).expect("the cases");
    let mut names: Vec<String> = files
        .filter_map(|file| file.expect("a file").file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".graphql")?.to_owned()))
        .filter(|name| name != "definition")
        .collect();
    names.sort();
    assert!(names.len() > 30, "the cases are found");
    let mut wrong = Vec::new();
    for name in names {
        let document = fs::read_to_string(folder.join(format!("{name}.graphql"))).expect("a case");
        let variables = document.lines().next().and_then(|line| line.strip_prefix("# "));
        let variables = variables.map_or(json!({}), |line| serde_json::from_str(line).expect("variables"));
        let answer = ask(&served, &document, &variables).await;
        // A group a line.
        let answer = answer.replace("},{\"keys\"", "},\n{\"keys\"") + "\n";
        let golden = folder.join(format!("{name}.txt"));
        if std::env::var_os("HAYLOFT_BLESS").is_some() {
            fs::write(&golden, &answer).expect("write the answer");
        }
        if fs::read_to_string(&golden).unwrap_or_default() != answer {
            wrong.push(format!("{name}: {answer}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nHAYLOFT_BLESS=1 accepts the answers",
        wrong.concat()
    );
}

/// A zone is a part of the plan, by whatever way it is given: each has its own.
#[tokio::test]
async fn zones_may_be_variables() {
    let (_upstream, served) = on_both(&sales()).await;
    let document = |by: &str, variable: &str| {
        format!(
            "query{variable} {{ salesGrouped(by: [{{soldAt: {{bucket: DAY{by}}}}}]) {{ keys {{ soldAt {{ day }} }} count }} }}"
        )
    };
    let by_variable = document(", tz: $tz", "($tz: TimeZone)");
    let by_default = document(", tz: $tz", "($tz: TimeZone = \"Asia/Kathmandu\")");
    for zone in ["Europe/Berlin", "America/New_York", "UTC"] {
        let literal = ask(&served, &document(&format!(", tz: \"{zone}\""), ""), &json!({})).await;
        for document in [&by_variable, &by_default] {
            assert_eq!(ask(&served, document, &json!({ "tz": zone })).await, literal, "{zone}");
        }
    }
    let plain = ask(&served, &document("", ""), &json!({})).await;
    for variables in [json!({}), json!({ "tz": null })] {
        assert_eq!(ask(&served, &by_variable, &variables).await, plain, "{variables}");
    }
    let refused = ask(&served, &by_variable, &json!({ "tz": "Mars/Base" })).await;
    assert!(refused.contains("there is no time zone `Mars/Base`"), "{refused}");
}

/// Instants a second, an hour and some more around changes of clocks, of all sorts; and where years begin and end.
fn around() -> Value {
    let changes = [
        "2011-12-30T10:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "2010-11-07T02:31:00Z",
        "2011-03-13T03:31:00Z",
        "1893-03-31T23:06:32Z",
        "1883-11-18T17:00:00Z",
        "1994-12-31T10:00:00Z",
        "2026-02-15T02:00:00Z",
        "2026-03-22T02:00:00Z",
        "1945-05-24T00:00:00Z",
        "2099-10-25T01:00:00Z",
        "2150-07-01T00:00:00Z",
        "1600-02-29T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T00:00:00Z",
    ];
    let mut all = vec![
        "0000-01-01T00:00:00.000000Z".to_owned(),
        "9999-12-31T23:59:59.999999Z".to_owned(),
    ];
    for change in changes {
        let change: chrono::DateTime<chrono::Utc> = change.parse().expect("an instant");
        for seconds in [
            -90_000, -86_400, -7_200, -3_601, -3_600, -1_800, -61, -1, 0, 1, 1_799, 1_800, 3_599, 3_600, 43_200, 90_000,
        ] {
            for micros in [0, 500_000] {
                let at = change + chrono::TimeDelta::seconds(seconds) + chrono::TimeDelta::microseconds(micros);
                let text = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
                all.extend((text.len() == 27).then_some(text));
            }
        }
    }
    let sale = |(at, time): (usize, String)| json!({ "id": at.to_string(), "soldAt": time, "day": time[..10], "clock": time[11..26] });
    all.into_iter().enumerate().map(sale).collect()
}

/// PostgreSQL finds spans by SQL, SQLite by functions of the program: they agree, in every unit.
#[tokio::test]
async fn spans_are_the_same_in_both() {
    let (_upstream, served) = on_both(&around()).await;
    let units = [
        ("SECOND", "second", "PT0.25S"),
        ("MINUTE", "minute", "-PT20S"),
        ("HOUR", "hour", "PT30M"),
        ("DAY", "day", "PT2H30M"),
        ("WEEK", "week", "-P1D"),
        ("MONTH", "month", "P14D"),
        ("QUARTER", "quarter", "-PT12H"),
        ("YEAR", "year", "P90D"),
        ("DAY_OF_WEEK", "dayOfWeek", "PT6H"),
        ("HOUR_OF_DAY", "hourOfDay", "PT30M"),
    ];
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "Etc/GMT+12",
    ];
    for (unit, member, offset) in units {
        for zone in zones {
            let by = |offset: &str| format!("[{{soldAt: {{bucket: {unit}, tz: \"{zone}\"{offset}}}}}]");
            let group = format!(
                "{{ keys {{ soldAt {{ {member} }} }} count aggregate {{ min {{ soldAt }} max {{ soldAt }} }} }}"
            );
            let document = format!(
                "{{ plain: salesGrouped(by: {}) {group} shifted: salesGrouped(by: {}) {group} }}",
                by(""),
                by(&format!(", offset: \"{offset}\""))
            );
            let answer = ask(&served, &document, &json!({})).await;
            assert!(answer.starts_with("{\"data\":"), "{document}: {answer}");
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            let groups = answer["data"]["plain"].as_array().expect("groups");
            let rows: u64 = groups.iter().filter_map(|group| group["count"].as_u64()).sum();
            assert_eq!(rows as usize, around().as_array().map_or(0, Vec::len), "{document}");
        }
    }
    filled(&served).await;
}

/// What is filled in is the same, and ends where an answer may not have more rows.
async fn filled(served: &[Served; 2]) {
    for (unit, member) in [
        ("MINUTE", "minute"),
        ("HOUR", "hour"),
        ("DAY", "day"),
        ("WEEK", "week"),
        ("MONTH", "month"),
        ("YEAR", "year"),
    ] {
        for (zone, from, to) in [
            ("Pacific/Apia", "2011-12-28", "2012-01-02"),
            ("Australia/Lord_Howe", "2026-04-03", "2026-04-07"),
            ("America/St_Johns", "2010-11-05", "2011-03-15"),
            ("Europe/Berlin", "1893-03-30", "1893-04-03"),
            ("UTC", "1994-12-30", "2012-01-02"),
        ] {
            let is_long = to > "1900-01-01" && unit == "MINUTE" || zone == "UTC" && unit == "HOUR";
            if is_long {
                continue;
            }
            for offset in ["", ", offset: \"PT0S\""] {
                let document = format!(
                    "{{ salesGrouped(by: [{{soldAt: {{bucket: {unit}, tz: \"{zone}\", fill: true{offset}}}}}], \
                     where: {{soldAt: {{gt: \"{from}T00:00:00Z\", lt: \"{to}T00:00:00Z\"}}}}) {{ keys {{ soldAt {{ {member} }} }} count }} }}"
                );
                let answer = ask(served, &document, &json!({})).await;
                let answer: Value = serde_json::from_str(&answer).expect("JSON");
                let groups = answer["data"]["salesGrouped"].as_array().expect("groups");
                let starts: Vec<&str> = groups
                    .iter()
                    .filter_map(|group| group["keys"]["soldAt"][member].as_str())
                    .collect();
                assert!(starts.is_sorted_by(|one, next| one < next), "{document}");
                if unit == "HOUR" {
                    let whole = starts.windows(2).filter(|pair| {
                        let at = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().expect("an instant");
                        at(pair[1]) - at(pair[0]) > chrono::TimeDelta::hours(1)
                    });
                    assert_eq!(whole.count(), 0, "{document}: no hour is left out");
                }
            }
        }
    }
    let document = "{ salesGrouped(by: [{soldAt: {bucket: SECOND, fill: true}}], first: 3) { count } }";
    let answer = ask(served, document, &json!({})).await;
    for part in ["TOO_COMPLEX", "rows", "--limit rows="] {
        assert!(answer.contains(part), "{part} is missing in {answer}");
    }
}
