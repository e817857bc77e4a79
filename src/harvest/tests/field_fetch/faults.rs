//! What goes wrong with single requests of a field, and what is made of it.

use super::{super::upstream::End, *};
use crate::harvest::limits::{REFUSED_TRIED, ROW_MEMORY};

#[tokio::test]
async fn an_upstream_in_trouble_ends_the_run() {
    let bench = Bench::start("").await;
    let names: Vec<String> = (0..60).map(|number| format!("i{number}")).collect();
    let items: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    bench.items(&items);
    for name in &names {
        bench.answers(&format!("/items/{name}/recipes"), Answer::status(403));
    }
    let (report, asked) = bench.round().await;
    assert_eq!(report.summary.state, RunState::Failed);
    assert!(asked.len() < 40, "{}", asked.len());
    bench.world.lock().expect("world").answers.clear();
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.state, bench.counts().await.done),
        (RunState::Complete, 60)
    );
}

#[tokio::test]
async fn rows_that_the_upstream_does_not_know_stand_in_nobodys_way() {
    let bench = Bench::start("").await;
    let names: Vec<String> = (100..160).map(|number| format!("i{number}")).collect();
    let items: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    bench.items(&items);
    for name in names.iter().take(25) {
        bench.answers(&format!("/items/{name}/recipes"), Answer::status(404));
    }
    // Nothing but failures looks like a wrong address.
    let (report, _) = bench.round().await;
    assert_eq!(report.summary.state, RunState::Failed);
    let (report, _) = bench.round().await;
    let counts = bench.counts().await;
    assert_eq!(
        (report.summary.state, counts.done, counts.failed),
        (RunState::Complete, 35, 25)
    );
}

#[tokio::test]
async fn an_answer_with_a_row_that_the_database_refused_is_read_again() {
    for more in ["when: CHANGED", "when: NEW", "when: ALWAYS"] {
        let bench = Bench::start(more).await;
        bench.items(&[("a", "x"), ("b", "x")]);
        let recipe = |id: &str, slug: &str| Answer::json(format!(r#"[{{"id":"{id}","slug":"{slug}"}}]"#));
        bench.answers("/items/a/recipes", recipe("r1", "s"));
        bench.answers("/items/b/recipes", recipe("r2", "s"));
        let (report, _) = bench.round().await;
        assert_eq!((report.summary.new, report.summary.refused), (1, 1), "{more}");
        // Whichever came second is asked about again, though its row is the same.
        bench.answers("/items/a/recipes", recipe("r1", "t"));
        bench.answers("/items/b/recipes", recipe("r2", "u"));
        let (_, asked) = bench.round().await;
        assert_eq!(asked.len(), if more == "when: ALWAYS" { 2 } else { 1 }, "{more}");
        assert_eq!(bench.rows("Recipe").await, 2, "{more}");
    }
}

#[tokio::test]
async fn pages_that_shift_are_read_again_and_no_content_ends_them() {
    let more = "pages: {next: \".next\", total: \".total\"}";
    let field = RECIPES.replace("rows: \".[]\"", "rows: \".rows[]\"");
    let bench = Bench::with(&format!("{field}, {more})")).await;
    bench.items(&[("a", "x"), ("b", "x")]);
    let page = |rows: &str, total: u32, next: &str| {
        Answer::json(format!(r#"{{"rows":[{rows}],"total":{total},"next":{next}}}"#))
    };
    bench.answers("/items/a/recipes", page(r#""r1","r2""#, 4, "\"/a2\""));
    bench.answers("/a2", page(r#""r4""#, 3, "null"));
    bench.answers("/items/b/recipes", page(r#""r5""#, 1, "\"/b2\""));
    bench.answers("/b2", Answer::status(204));
    bench.round().await;
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (1, 1));
    assert!(counts.errors[0].contains("pages shifted"), "{:?}", counts.errors);
    bench.answers("/a2", page(r#""r3","r4""#, 4, "null"));
    bench.round().await;
    assert_eq!(bench.counts().await.done, 2);
}

#[tokio::test]
async fn answers_keep_what_they_choose() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r?of={$this.id}&p={$page}", rows: ".[] | select(.on)", keep: ".id", pages: {size: 2})"#;
    let bench = Bench::with(field).await;
    bench.items(&[("1", "one")]);
    bench.answers("/r?of=1&p=1", Answer::json(r#"[{"id":"a"},{"id":"b","on":true}]"#));
    bench.answers("/r?of=1&p=2", Answer::json(r#"[{"id":"c"},{"id":"d"}]"#));
    bench.answers("/r?of=1&p=3", Answer::json(r#"[{"id":"e","on":true}]"#));
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.new, report.summary.left_out),
        (2, 3),
        "{:?}",
        bench.counts().await.errors
    );
    assert_eq!(bench.rows("Recipe").await, 2);
}

#[tokio::test]
async fn an_answer_with_a_gap_changes_nothing() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r?of={$this.id}&p={$page}", rows: ".r[]", pages: {last: ".l"}, when: ALWAYS)"#;
    let bench = Bench::with(field).await;
    bench.items(&[("1", "one")]);
    for page in 1..=3 {
        bench.answers(
            &format!("/r?of=1&p={page}"),
            Answer::json(format!(r#"{{"l":3,"r":[{{"id":"{page}"}}]}}"#)),
        );
    }
    bench.round().await;
    bench.answers("/r?of=1&p=2", Answer::json(r#"{"l":3,"r":[]}"#));
    bench.round().await;
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (0, 1));
    assert!(counts.errors[0].contains("page 2 of 3 was empty"), "{counts:?}");
}

#[tokio::test]
async fn answers_that_show_more_put_the_run_in_doubt() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r/{$this.id}", rows: ".r[]")"#;
    let bench = Bench::with(field).await;
    bench.items(&[("1", "one"), ("2", "two"), ("3", "three")]);
    bench.answers("/r/1", Answer::json(r#"{"r":[{"id":"a"}],"next":null}"#));
    bench.answers("/r/2", Answer::json(r#"{"r":[{"id":"b"}],"next":"/r/2?page=2"}"#));
    bench.answers(
        "/r/3",
        Answer::json(r#"{"r":[{"id":"c"}]}"#).header("link", "</r/3?page=2>; rel=next"),
    );
    let (report, _) = bench.round().await;
    assert_eq!((report.summary.state, report.summary.new), (RunState::Complete, 3));
    let doubt = report.summary.told.doubt.expect("a doubt");
    assert!(
        doubt.starts_with("2 answers may not be all of it, such as that about "),
        "{doubt}"
    );
    assert!(doubt.contains(": there may be more: the last page has "), "{doubt}");
}

#[tokio::test]
async fn broken_records_of_an_answer_cost_themselves() {
    let bench = Bench::start("").await;
    bench.items(&[("a", "x"), ("b", "x")]);
    let broken = r#"[{"id":"r1"},{"id":"r2","slug":"\ud800"},"r3",NaN]"#;
    bench.answers("/items/a/recipes", Answer::json(broken));
    bench.answers("/items/b/recipes", Answer::json(r#"[{"id":"r4"}]"#));
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.new, report.summary.refused),
        (2, 2),
        "{:?}",
        bench.counts().await
    );
    let reasons = bench.reasons().await;
    assert_eq!(
        reasons,
        [
            "record 4: expected an ID (text or a whole number), found `NaN`, which is no JSON (byte 46)",
            "slug: expected a String (text or a number), found a text with a lone surrogate (byte 32)",
        ]
    );
    // What is in quarantine of an answer goes with the next good one.
    bench.items(&[("a", "y"), ("b", "x")]);
    bench.answers(
        "/items/a/recipes",
        Answer::json(r#"[{"id":"r1"},{"id":"r2","slug":"s"},"r3"]"#),
    );
    let (report, asked) = bench.round().await;
    assert_eq!((report.summary.new, asked.len()), (1, 1));
    assert!(bench.reasons().await.is_empty());
    let lines = RECIPES.replace("rows: \".[]\"", "format: NDJSON");
    let bench = Bench::with(&format!("{lines})")).await;
    bench.items(&[("a", "x")]);
    bench.answers(
        "/items/a/recipes",
        Answer::bytes(b"{\"id\":\"r1\"}\n{\"id\"\n{\"id\":\"r2\"}\n".to_vec()),
    );
    let (report, _) = bench.round().await;
    assert_eq!((report.summary.new, report.summary.refused), (2, 1));
    assert!(
        bench.reasons().await[0].starts_with("line 2: no JSON (byte 5"),
        "{:?}",
        bench.reasons().await
    );
}

#[tokio::test]
async fn what_rows_makes_something_of_costs_its_record() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r/{$this.id}", rows: ".l[] | {id, name: (.name | tostring)}")"#;
    let bench = Bench::with(field).await;
    bench.items(&[("a", "x")]);
    bench.answers(
        "/r/a",
        Answer::json(r#"{"l":[{"id":1,"name":"b"},{"id":2,"name":NaN},{"id":3}]}"#),
    );
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.new, report.summary.refused),
        (2, 1),
        "{:?}",
        bench.counts().await
    );
    let reasons = bench.reasons().await;
    assert_eq!(reasons, ["record 2: rows: found `NaN`, which is no JSON (byte 41)"]);
}

#[tokio::test]
async fn answers_whose_records_were_all_refused_have_failed() {
    let bench = Bench::start("when: ALWAYS").await;
    bench.items(&[("a", "x"), ("b", "x")]);
    for item in ["a", "b"] {
        let body = format!(r#"[{{"id":"{item}1"}},{{"id":"{item}2"}}]"#);
        bench.answers(&format!("/items/{item}/recipes"), Answer::json(body));
    }
    bench.round().await;
    let before = bench.links().await;
    assert_eq!(
        before,
        "{items:[{id:a,recipe:[{id:a1},{id:a2}]},{id:b,recipe:[{id:b1},{id:b2}]}]}"
    );
    // One says nothing of where its row leads: the links stay.
    bench.answers("/items/a/recipes", Answer::json(r#"[{"Id":"a1"},{"Id":"a2"}]"#));
    let (report, _) = bench.round().await;
    assert_eq!((report.summary.state, report.summary.refused), (RunState::Complete, 2));
    let counts = bench.counts().await;
    assert_eq!((counts.done, counts.failed), (1, 1));
    assert!(
        counts.errors[0].starts_with("a: all 2 records were refused"),
        "{counts:?}"
    );
    assert_eq!((bench.reasons().await.len(), bench.links().await), (2, before.clone()));
    // All say nothing: then so does the run.
    bench.answers("/items/b/recipes", Answer::json(r#"[{"Id":"b1"}]"#));
    let (report, _) = bench.round().await;
    assert_eq!(report.summary.state, RunState::Failed);
    let error = report.summary.error.unwrap_or_default();
    assert!(error.starts_with("all 3 records were refused"), "{error}");
    assert_eq!((bench.reasons().await.len(), bench.links().await), (3, before));
    // Once they are right, nothing is left of it.
    for item in ["a", "b"] {
        bench.answers(&format!("/items/{item}/recipes"), Answer::json(r#"["a1","b1"]"#));
    }
    let (report, _) = bench.round().await;
    assert_eq!(
        (report.summary.state, bench.reasons().await.len()),
        (RunState::Complete, 0)
    );
}

#[tokio::test]
async fn answers_of_links_alone_are_of_use() {
    let bench = Bench::start("when: ALWAYS").await;
    bench.items(&[("a", "x")]);
    bench.answers("/items/a/recipes", Answer::json(r#"["r1",{},"r2"]"#));
    let (report, _) = bench.round().await;
    assert_eq!((report.summary.state, report.summary.refused), (RunState::Complete, 1));
    bench.answers("/items/a/recipes", Answer::json(r#"[{"id":"r1","slug":{}}]"#));
    let (report, _) = bench.round().await;
    assert_eq!(
        report.summary.state,
        RunState::Failed,
        "its key can be read, and that is all"
    );
}

#[tokio::test]
async fn an_answer_in_doubt_stays_so_while_it_is_the_same() {
    let field = r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/r/{$this.id}", rows: ".rows[]", when: ALWAYS)"#;
    let bench = Bench::with(field).await;
    bench.items(&[("a", "x")]);
    bench.answers("/r/a", Answer::json(r#"{"rows":[{"id":"r1"}],"has_more":true}"#));
    for new in [1, 0] {
        let (report, _) = bench.round().await;
        assert_eq!(report.summary.new, new);
        let doubt = report.summary.told.doubt.unwrap_or_default();
        assert!(
            doubt.starts_with("1 answer may not be all of it, such as that about a: "),
            "{doubt}"
        );
    }
    bench.answers("/r/a", Answer::json(r#"{"rows":[{"id":"r1"}]}"#));
    let (report, _) = bench.round().await;
    assert_eq!(report.summary.told.doubt, None);
}

#[tokio::test]
async fn rows_of_answers_have_bounds() {
    let bench = Bench::with(&format!(
        "{RECIPES}) whole: Whole @fetch(source: \"farm\", GET: \"/wholes/{{$this.id}}\", rows: \".\") }}\n\
         type Whole {{ id: ID! parts: [Part!]! @nested }}\n\
         type Part {{ whole: Whole! n: Int! @id"
    ))
    .await;
    bench.items(&[("a", "x"), ("b", "x")]);
    let whole = |parts: usize| {
        let parts: Vec<String> = (0..parts).map(|n| format!("{{\"n\":{n}}}")).collect();
        Answer::json(format!(
            "{{\"id\":\"w{}\",\"parts\":[{}]}}",
            parts.len(),
            parts.join(",")
        ))
    };
    bench.answers("/wholes/a", whole(ROW_MEMORY / 50));
    bench.answers("/wholes/b", whole(10));
    bench.run(0).await;
    let report = bench.run(2).await;
    assert_eq!((report.summary.state, report.summary.refused), (RunState::Complete, 1));
    assert_eq!((bench.rows("Whole").await, bench.rows("Part").await), (1, 10));
    let refused = bench.store.quarantine("Item.whole", 10).await.expect("quarantine");
    assert!(
        refused[0].reason.contains("more than 1 MB of memory"),
        "{}",
        refused[0].reason
    );
}

#[tokio::test]
async fn refusals_of_answers_have_bounds() {
    let bench = Bench::start("").await;
    bench.items(&[("a", "x"), ("b", "x")]);
    let nameless = vec!["{\"name\":\"n\"}"; REFUSED_TRIED as usize + 10].join(",");
    bench.answers("/items/a/recipes", Answer::json(format!("[{nameless}]")));
    bench.answers(
        "/items/b/recipes",
        Answer::json(format!("[{{\"id\":\"r\"}},{nameless}]")),
    );
    let (report, _) = bench.round().await;
    let counts = bench.counts().await;
    assert_eq!(
        (report.summary.state, counts.done, counts.failed),
        (RunState::Complete, 1, 1)
    );
    let told = &counts.errors[0];
    assert!(
        told.contains(&format!("the first {REFUSED_TRIED} records were all refused")),
        "{told}"
    );
    assert_eq!(bench.rows("Recipe").await, 1);
}

#[tokio::test]
async fn lines_that_end_with_the_connection_cast_doubt() {
    let field =
        r#"recipes: [Recipe!]! @fetch(source: "farm", GET: "/items/{$this.id}/recipes", format: NDJSON, when: ALWAYS)"#;
    let bench = Bench::with(field).await;
    bench.items(&[("a", "x")]);
    let lines = |end| Answer::bytes(b"{\"id\":\"r1\"}\n{\"id\":\"r2\"}\n".to_vec()).ends(end);
    for (end, sure) in [
        (End::Nothing, false),
        (End::Chunk, true),
        (End::Nothing, true),
        (End::Length, true),
    ] {
        bench.answers("/items/a/recipes", lines(end));
        let (report, _) = bench.round().await;
        let doubt = report.summary.told.doubt.unwrap_or_default();
        // The same bytes as a whole answer had are that answer.
        assert_eq!(doubt.is_empty(), sure, "{end:?}: {doubt}");
        assert!(sure || doubt.contains("an answer ended with its connection"), "{doubt}");
        assert_eq!(bench.rows("Recipe").await, 2);
    }
}
