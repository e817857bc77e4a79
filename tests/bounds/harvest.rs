//! What a harvest takes in memory, whatever shape its pages and records have: the real program, with a measured peak.

use std::{fmt::Write as _, process::Stdio, time::Duration};

use super::MEMORY;
use crate::harness::{Db, Program, Scratch, eventually, on_both, within};

on_both!(
    a_page_that_ended_the_process_is_left_alone,
    an_answer_that_ended_the_process_is_left_alone
);

/// Resident megabytes that a harvest stays under. This is a debug build, whose own share is larger than that of a release.
const PEAK_MAX: f64 = 256.0;

const POINTS: &str = "type Point @fetch(source: \"files\", FILE: \"data.json\", rows: \"ROWS\") { id: ID! of: [Int!] @select(jq: \".of\") }";
const LINES: &str = "type Point @fetch(source: \"files\", FILE: \"data.json\", format: NDJSON) { id: ID! of: JSON }";
const NESTED: &str = "type Owner @fetch(source: \"files\", FILE: \"data.json\", rows: \".[]\") { id: ID! parts: [Part!]! @nested }\n\
    type Part { owner: Owner! n: Int! @id }";

struct Harvested {
    code: Option<i32>,
    said: String,
    peak_mb: f64,
}

async fn harvest(types: &str, data: &str) -> (Scratch, Harvested) {
    let scratch = Scratch::new(&format!(
        "extend schema @source(name: \"files\", url: \"file:.\")\n{types}\n"
    ));
    scratch.write("data.json", data);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hayloft"));
    command.arg("harvest").current_dir(scratch.path("."));
    let mut command = within(MEMORY, &command);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.kill_on_drop(true).spawn().expect("start the program");
    let id = child.id().expect("it runs");
    let mut ended = std::pin::pin!(child.wait_with_output());
    let mut peak_mb = 0.0_f64;
    // The kernel keeps the high-water mark, so looking often matters for the last moments alone.
    let output = loop {
        tokio::select! {
            output = &mut ended => break output.expect("its output"),
            () = tokio::time::sleep(Duration::from_millis(5)) => peak_mb = peak_mb.max(high_water_mb(id)),
        }
    };
    let said = [output.stdout, output.stderr].concat();
    let harvested = Harvested {
        code: output.status.code(),
        said: String::from_utf8_lossy(&said).into_owned(),
        peak_mb,
    };
    (scratch, harvested)
}

fn high_water_mb(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) * 1_024.0 / 1e6
}

/// So many of one value in a list.
fn list(one: &str, count: usize) -> String {
    let mut list = String::with_capacity((one.len() + 1) * count + 2);
    list.push('[');
    for at in 0..count {
        list.push_str(if at == 0 { "" } else { "," });
        list.push_str(one);
    }
    list.push(']');
    list
}

fn owner(id: usize, parts: usize) -> String {
    let mut owner = format!("{{\"id\":{id},\"parts\":[");
    for part in 0..parts {
        let comma = if part == 0 { "" } else { "," };
        write!(owner, "{comma}{{\"n\":{part},\"more\":\"{part}\"}}").expect("memory");
    }
    owner + "]}"
}

#[tokio::test]
async fn a_page_of_any_shape_is_read_or_refused_within_bounds() {
    let whole = POINTS.replace("ROWS", "[.[]] | .[]");
    let streamed = POINTS.replace("ROWS", ".[]");
    let budget = "takes more than 128 MB of memory with all its values";
    for (name, types, data, says) in [
        ("objects as a whole", whole.as_str(), list("{}", 20_000_000), budget),
        ("numbers as a whole", &whole, list("1.5", 15_000_000), budget),
        ("points as a whole", &whole, list("[1,2]", 10_000_000), budget),
        (
            "objects one by one",
            &streamed,
            list("{}", 20_000_000),
            "the first 10000 records were all refused",
        ),
        (
            "one record of objects",
            LINES,
            format!("{{\"id\":1,\"of\":{}}}", list("{}", 5_000_000)),
            "its values take more than 48 MB of memory",
        ),
        (
            "one record of rows",
            NESTED,
            format!("[{}]", owner(1, 110_000)),
            "rows nested in it",
        ),
        (
            "records of rows",
            NESTED,
            format!(
                "[{}]",
                (0..100).map(|id| owner(id, 3_000)).collect::<Vec<_>>().join(",")
            ),
            "100 rows",
        ),
    ] {
        let (_scratch, harvested) = harvest(types, &data).await;
        let Harvested { code, said, peak_mb } = harvested;
        assert!(said.contains(says), "{name}: {code:?}, {peak_mb:.0} MB: {said}");
        assert!(peak_mb > 1.0 && peak_mb < PEAK_MAX, "{name}: {peak_mb:.0} MB: {said}");
    }
}

/// A text a thousand times over is little of a short one, and a gigabyte of a long one.
#[tokio::test]
async fn a_filter_that_wants_more_memory_costs_its_record() {
    let filter = "[range(1000) as $n | .of] | add | length";
    let quoted = format!("jq: \"{filter}\"");
    let select = format!(
        "type Point @fetch(source: \"files\", FILE: \"data.json\", rows: \".[]\") {{ id: ID! of: Int! @select({quoted}) }}"
    );
    let rows = format!(
        "type Point @fetch(source: \"files\", FILE: \"data.json\", rows: \".[] | {{id, of: ({filter})}}\") {{ id: ID! of: Int! }}"
    );
    let lines = rows.replace("rows: \".[] |", "format: NDJSON, rows: \". |");
    let record = |id: usize, bytes: usize| format!("{{\"id\":{id},\"of\":\"{}\"}}", "x".repeat(bytes));
    let records = |large| [record(1, 10), record(2, large), record(3, 20)];
    let list = format!("[{}]", records(1_000_000).join(","));
    // Fewer bytes, more often.
    let (often, small) = (
        rows.replace("1000", "10000"),
        format!("[{}]", records(10_000).join(",")),
    );
    for (name, types, data, times) in [
        ("a field", &select, &list, 1_000),
        ("items", &rows, &list, 1_000),
        ("items of a small page", &often, &small, 10_000),
        ("lines", &lines, &records(1_000_000).join("\n"), 1_000),
    ] {
        let (scratch, harvested) = harvest(types, data).await;
        let Harvested { code, said, peak_mb } = harvested;
        assert_eq!(code, Some(0), "{name}: {said}");
        let stored = scratch.rows("SELECT id,\"of\" FROM point ORDER BY id").await;
        let want = [(1, 10 * times), (3, 20 * times)].map(|(id, of)| [id.to_string(), of.to_string()]);
        assert_eq!(stored, want, "{name}: {said}");
        let refused = scratch.must(&["status", "--refused"], &[]).await.out;
        for part in [
            "add | length",
            "more than 64 MB of memory",
            "--filter-memory",
            "1 refused record",
        ] {
            assert!(refused.contains(part), "{name}: {part}: {refused}");
        }
        assert!(peak_mb > 1.0 && peak_mb < PEAK_MAX, "{name}: {peak_mb:.0} MB: {said}");
        // With enough of it each record is a row.
        scratch.must(&["replay"], &[("HAYLOFT_FILTER_MEMORY", "4GB")]).await;
        assert_eq!(scratch.rows("SELECT count(*) FROM point").await, [["3"]], "{name}");
    }
}

/// Larger than a page that is suspected of nothing.
const SUSPECT: usize = 5_000;

async fn a_page_that_ended_the_process_is_left_alone(db: Db) {
    let types = "type Point @fetch(source: \"files\", FILE: \"data.json\", rows: \".[]\") { id: ID! text: String! }";
    let scratch = Scratch::on(
        db,
        &format!("extend schema @source(name: \"files\", url: \"file:.\")\n{types}\n"),
    );
    let text = "x".repeat(1_000);
    let rows: Vec<String> = (0..SUSPECT)
        .map(|id| format!("{{\"id\":{id},\"text\":\"{text}\"}}"))
        .collect();
    scratch.write("data.json", &format!("[{}]", rows.join(",")));
    scratch
        .end(
            &["serve", "--listen", "127.0.0.1:0"],
            &[("FAILPOINTS", "load::rows=return")],
        )
        .await;
    scratch.bury_the_dead().await;
    let runs = "SELECT id,fence FROM hayloft_run ORDER BY id";
    let before = scratch.rows(runs).await;
    let complete = "SELECT count(*) FROM hayloft_run WHERE state='complete'";
    let aside = "SELECT count(*) FROM hayloft_fetch WHERE aside_until IS NOT NULL";
    let program: Program = scratch.serve(&[]).await;
    eventually("it is set aside", || async {
        (scratch.rows(aside).await == [["1"]]).then_some(())
    })
    .await;
    assert_eq!(scratch.rows(runs).await, before, "it was begun again");
    assert!(program.log().contains("Point is set aside"), "{}", program.log());
    let status = scratch.must(&["status"], &[]).await.out;
    assert!(
        status.contains("Point: set aside for ") && status.contains("`hayloft harvest Point` tries at once"),
        "{status}"
    );
    // Others are served meanwhile, and nobody begins.
    assert_eq!(
        program.query("{ points { id } }").await,
        serde_json::json!({ "points": [] })
    );
    assert_eq!(scratch.rows(complete).await, [["0"]]);
    scratch
        .rows("UPDATE hayloft_fetch SET aside_until='2000-01-01T00:00:00.000Z'")
        .await;
    eventually("it is tried again", || async {
        (scratch.rows(complete).await == [["1"]]).then_some(())
    })
    .await;
}

/// Only the request about the row is, and a person who asks does not wait.
async fn an_answer_that_ended_the_process_is_left_alone(db: Db) {
    let types = "type Owner @fetch(source: \"files\", FILE: \"owners.json\", rows: \".[]\") {\n\
         id: ID! parts: [Part!]! @fetch(source: \"files\", FILE: \"parts-{$this.id}.json\", rows: \".[]\") }\n\
         type Part { id: ID! text: String! }";
    let scratch = Scratch::on(
        db,
        &format!("extend schema @source(name: \"files\", url: \"file:.\")\n{types}\n"),
    );
    let text = "x".repeat(1_000);
    let parts: Vec<String> = (2..=SUSPECT)
        .map(|id| format!("{{\"id\":{id},\"text\":\"{text}\"}}"))
        .collect();
    scratch.write("owners.json", "[{\"id\":1},{\"id\":2}]");
    scratch.write("parts-1.json", "[{\"id\":1,\"text\":\"x\"}]");
    scratch.write("parts-2.json", &format!("[{}]", parts.join(",")));
    scratch
        .end(
            &["serve", "--listen", "127.0.0.1:0"],
            // Both answers are in hand when it ends.
            &[("FAILPOINTS", "harvest::linger=return;parents::rows=return")],
        )
        .await;
    scratch.bury_the_dead().await;
    let program: Program = scratch.serve(&[]).await;
    let states = "SELECT state FROM hayloft_fan_out ORDER BY parent";
    eventually("the other is answered", || async {
        (scratch.rows(states).await == [["done"], ["failed"]]).then_some(())
    })
    .await;
    assert!(
        program.log().contains("parts-2.json: a process ended"),
        "{}",
        program.log()
    );
    let status = scratch.must(&["status"], &[]).await.out;
    let told = "the request is set aside for 60s, and made by the next run after that; `hayloft harvest Owner.parts` makes it at once";
    assert!(
        status.contains("1 of 2 requests failed") && status.contains(told),
        "{status}"
    );
    let parts = "SELECT count(*) FROM part";
    assert_eq!(scratch.rows(parts).await, [["1"]]);
    scratch.must(&["harvest", "Owner.parts"], &[]).await;
    assert_eq!(scratch.rows(parts).await, [[SUSPECT.to_string()]]);
    let left = "SELECT count(*) FROM hayloft_fan_out WHERE aside_until IS NOT NULL OR working IS NOT NULL OR ended_processes>0";
    assert_eq!(scratch.rows(left).await, [["0"]]);
}
