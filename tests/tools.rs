//! Working on a definition: a preview, a cassette and cases, by the program itself.

use serde_json::Value;

use crate::harness::{Reply, Scratch, Upstream};

const DEFINITION: &str = "extend schema @source(name: \"up\", url: \"{$env.UP}\")\n\
    type Thing @fetch(source: \"up\", GET: \"/things\", rows: \".[]\", missing: DELETE, maxMissing: 1) {\n  id: ID!\n  \
    price: Float @select(jq: \".price | tonumber\")\n}\n";

const CASE: &str = "# A price that is no number\n\nOne of two things is refused.\n\n\
    ## Answer GET /things\n\n```json\n[{\"id\": 1, \"price\": \"2.5\"}, {\"id\": 2, \"price\": \"cheap\"}]\n```\n\n\
    ## Runs\n\n## Rows Thing\n\n## Refused Thing\n\n## Query\n\n```graphql\n{ things { id } }\n```\n\n\
    ## Answer GET /things\n\nLater it is gone.\n\n```http\n200 OK\ncontent-type: application/json\n\n[]\n```\n\n## Rows Thing\n";

#[tokio::test]
async fn cases_are_written_and_then_hold() {
    let scratch = Scratch::new(DEFINITION);
    std::fs::create_dir_all(scratch.path("cases/prices")).expect("a folder");
    let place = "cases/prices/cheap.case.md";
    scratch.write(place, CASE);
    let new = scratch.run(&["test"], &[]).await;
    assert_eq!(new.code, Some(1), "{new:?}");
    assert!(new.out.contains("nothing is expected yet"), "{new:?}");
    scratch.must(&["test", "--update"], &[]).await;
    let written = std::fs::read_to_string(scratch.path(place)).expect("the case");
    for part in [
        "## Runs\n\n```text\nThing: complete; 1 new, 1 refused\n```\n",
        "```json lines\n{\"id\":\"1\",\"price\":2.5}\n```",
        "2: price: jq `.price | tonumber`: ",
        "it was given {\"id\":2,\"price\":\"cheap\"} (schema.graphql:4:",
        "\"id\": \"1\"",
    ] {
        assert!(written.contains(part), "{part}: {written}");
    }
    assert!(written.ends_with("## Rows Thing\n\n```json lines\n```\n"), "{written}");
    let held = scratch.must(&["test"], &[]).await;
    assert_eq!(held.out, "1 case, all as expected\n");
    // The database beside the definition is nobody's business here.
    assert!(!scratch.path("schema.db").exists());

    scratch.write(
        place,
        &written
            .replace("\"price\":2.5", "\"price\":3")
            .replace("1 new, 1 refused", "2 new"),
    );
    let differs = scratch.run(&["test"], &[]).await;
    assert_eq!(differs.code, Some(1), "{differs:?}");
    for part in [
        "cheap.case.md:11: differs\n    - Thing: complete; 2 new\n    + Thing: complete; 1 new, 1 refused\n",
        "id \"1\": price: expected 3, found 2.5\n",
    ] {
        assert!(differs.out.contains(part), "{part}: {differs:?}");
    }
    assert!(differs.err.contains("1 of 1 case"), "{differs:?}");
}

#[tokio::test]
async fn faults_of_a_case_are_told_with_their_place() {
    let scratch = Scratch::new(DEFINITION);
    std::fs::create_dir(scratch.path("cases")).expect("a folder");
    for (text, line, part) in [
        ("# Nothing\n", 1, "nothing is checked"),
        ("## Rows Thing\n\n## Nonsense\n", 3, "`Nonsense` is no step"),
        ("## Answer /things\n\n## Runs\n", 1, "a method and a path"),
        ("## Answer GET /things\n\n## Runs\n", 1, "an answer without a block"),
        ("## Runs\n\n```text\n", 3, "a block that does not end"),
        (
            "## Answer GET /things\n```yaml\n```\n## Runs\n",
            2,
            "`yaml` is no kind of answer",
        ),
        (
            "## Answer GET /things\n```http\nfine\n```\n## Runs\n",
            3,
            "an answer without a status",
        ),
        (
            "## Answer down GET /things\n```json\n[]\n```\n## Runs\n",
            1,
            "no source `down`; it has up",
        ),
        (
            "## Answer GET /things\n```json\n[]\n```\n## Rows Thong\n",
            5,
            "no type Thong",
        ),
        ("## Cassette absent\n## Runs\n", 1, "cannot read the cassette"),
    ] {
        scratch.write("cases/a.case.md", text);
        let output = scratch.run(&["test"], &[]).await;
        assert_eq!(output.code, Some(1), "{text}: {output:?}");
        assert!(
            output.out.contains(&format!("a.case.md:{line}: ")),
            "{text}: {output:?}"
        );
        assert!(
            output.out.contains(part) && output.out.contains("hint: "),
            "{text}: {output:?}"
        );
    }
    // What an upstream was not expected to be asked is told by the run.
    scratch.write("cases/a.case.md", "## Answer GET /thing\n```json\n[]\n```\n## Runs\n");
    scratch.must(&["test", "--update"], &[]).await;
    let written = std::fs::read_to_string(scratch.path("cases/a.case.md")).expect("the case");
    assert!(
        written.contains("is not in the cassette; the nearest there is GET /thing"),
        "{written}"
    );
}

#[tokio::test]
async fn a_preview_makes_no_database_and_a_cassette_needs_no_upstream() {
    let upstream = Upstream::start().await;
    let things = "[{\"id\": 1, \"price\": 2.5}, {\"id\": 2, \"price\": 3.5}]";
    upstream.set("/things", Reply::text(200, "application/json", things));
    let scratch = Scratch::new(DEFINITION);
    let url = upstream.url();
    let environment = [("UP", url.as_str())];
    let preview = scratch
        .must(&["preview", "Thing", "--limit", "1", "--json"], &environment)
        .await;
    let preview: Value = serde_json::from_str(&preview.out).expect("JSON");
    assert_eq!(
        preview.pointer("/0/records/0/row/price"),
        Some(&Value::from(2.5)),
        "{preview}"
    );
    assert_eq!(preview.pointer("/0/cut"), Some(&Value::from(true)), "{preview}");
    let shown = scratch.must(&["preview", "Thing"], &environment).await;
    assert!(
        shown.out.contains("   price: 3.5\n") && shown.out.ends_with("2 rows\n"),
        "{shown:?}"
    );
    assert!(!scratch.path("schema.db").exists());

    scratch.must(&["harvest", "--record", "cassette"], &environment).await;
    drop(upstream);
    std::fs::remove_file(scratch.path("schema.db")).expect("the database");
    let replayed = scratch.must(&["harvest", "--replay", "cassette"], &[]).await;
    assert!(
        replayed.out.contains("complete") && replayed.out.contains("2 rows"),
        "{replayed:?}"
    );
    let preview = scratch.must(&["preview", "Thing", "--replay", "cassette"], &[]).await;
    assert!(preview.out.ends_with("2 rows\n"), "{preview:?}");
    std::fs::create_dir(scratch.path("cases")).expect("a folder");
    let rows = "```json\n{\"id\":\"1\",\"price\":2.5}\n{\"id\":\"2\",\"price\":3.5}\n```\n";
    scratch.write(
        "cases/a.case.md",
        &format!("## Cassette ../cassette\n## Rows Thing\n{rows}"),
    );
    scratch.must(&["test"], &[]).await;
}

#[tokio::test]
async fn a_first_definition_is_written_and_never_over_another() {
    let scratch = Scratch::new(DEFINITION);
    let output = scratch.must(&["init", "new/farm"], &[]).await;
    assert!(output.out.contains("new/farm/schema.graphql is written"), "{output:?}");
    let check = scratch
        .must(&["check", "--schema", "new/farm/schema.graphql"], &[])
        .await;
    assert!(
        check.out.contains("no faults; 2 types, 2 fetches, 1 source"),
        "{check:?}"
    );
    let again = scratch.run(&["init", "new/farm"], &[]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
}

/// As many as a definition of some size has. How long they take is printed, and judged by people.
#[tokio::test]
async fn a_hundred_cases() {
    let scratch = Scratch::new(DEFINITION);
    std::fs::create_dir(scratch.path("cases")).expect("a folder");
    for at in 0..100 {
        scratch.write(&format!("cases/{at}.case.md"), CASE);
    }
    scratch.must(&["test", "--update"], &[]).await;
    let began = std::time::Instant::now();
    let output = scratch.must(&["test"], &[]).await;
    eprintln!("100 cases in {:?}", began.elapsed());
    assert_eq!(output.out, "100 cases, all as expected\n");
}
