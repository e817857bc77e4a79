//! Words that are searched in a language: other forms of them are found, each field's by its own
//! rules, and found anew when the language is another one.

use crate::value::Value;

use super::{
    changes::open,
    search::{TEXT, ids, wanted, wrong_words},
    *,
};

on_both!(a_language_finds_other_forms, another_language_finds_the_words_anew);

/// Each field by its own language, in one search.
async fn a_language_finds_other_forms(on: On) {
    let place = Place::new(on);
    let definition = "type Text @f { id: ID! title: String @search(language: ENGLISH) rank: Int \
                      body: String @search(language: GERMAN) tags: [String!] @search }";
    let store = open(&place.url, Access::Write, definition).await.expect("a store");
    let row = |id: &str, title: &str, body: &str, tags: &str| {
        let tags = text(&serde_json::to_string(&[tags]).expect("JSON"));
        Row::new(
            vec![text(id), text(title), Value::Null, text(body), tags],
            vec![],
            vec![],
        )
    };
    let all = vec![
        row("r1", "Running horses", "Die Häuser", "running"),
        row("r2", "He runs", "Ein Haus", "run"),
        row("r3", "", "running", "Haus"),
        row("r4", "Häuser", "horses", "horses"),
    ];
    harvest(&store, "Text", TEXT, 0, all).await;
    assert_eq!(wrong_words(&store).await, Vec::<String>::new());
    for (search, want) in [
        // By the rules of English in titles, those of German in bodies (where `running` is no form
        // of `run`, and `horses` happens to be one of `horse`), as written in tags.
        ("run", vec!["r1", "r2"]),
        ("RUNS", vec!["r1", "r2"]),
        ("running", vec!["r1", "r2", "r3"]),
        ("runnings -run", vec!["r3"]),
        ("horse", vec!["r1", "r4"]),
        ("Häusern", vec!["r1", "r2"]),
        ("haus", vec!["r1", "r2", "r3"]),
        ("hauses run", vec!["r1", "r2"]),
        // As they are written.
        ("\"run\"", vec!["r2"]),
        ("\"running horses\"", vec!["r1"]),
        ("\"run horses\"", vec![]),
        ("runn*", vec!["r1", "r3"]),
        ("hors*", vec!["r1", "r4"]),
        ("haus -\"haus\"", vec!["r1"]),
        ("haus -hauser", vec!["r3"]),
        ("haus -häuser", vec!["r3"]),
    ] {
        let mut found = ids(&store, wanted(TEXT, &[1, 3, 4], search)).await;
        found.sort();
        assert_eq!(found, want, "{search}");
    }
    // Who has the word as it was written comes first.
    assert_eq!(ids(&store, wanted(TEXT, &[1, 3, 4], "runs")).await, ["r2", "r1"]);
}

async fn another_language_finds_the_words_anew(on: On) {
    let place = Place::new(on);
    let definition = |language: &str| format!("type Text @f {{ id: ID! title: String @search{language} }}");
    let store = open(&place.url, Access::Write, &definition("")).await.expect("a store");
    let row = |id: usize| Row::new(vec![text(&format!("r{id:04}")), text("Running Häuser")], vec![], vec![]);
    // More than are looked at together.
    harvest(&store, "Text", TEXT, 0, (0..300).map(row).collect()).await;
    store.close().await;
    let mut steps = Vec::new();
    for (language, run, haus) in [
        ("(language: ENGLISH)", 300, 0),
        ("(language: GERMAN)", 0, 300),
        ("", 0, 0),
    ] {
        let text = definition(language);
        let catalog = changes::read(&text);
        let layout = Arc::new(Layout::of(&catalog));
        let plan = Store::plan(&place.url, catalog, layout, None).await.expect("a plan");
        steps.extend(plan.steps.iter().map(PlannedStep::words));
        let store = open(&place.url, Access::Write, &text).await.expect("it loses nothing");
        assert_eq!(wrong_words(&store).await, Vec::<String>::new());
        for (search, count) in [("run", run), ("haus", haus), ("running", 300)] {
            assert_eq!(
                ids(&store, wanted(TEXT, &[], search)).await.len(),
                count,
                "{language}: {search}"
            );
        }
        store.close().await;
    }
    assert_eq!(
        steps,
        [
            "~ Text.title: its words are searched in ENGLISH now",
            "~ Text.title: its words are searched in GERMAN now",
            "~ Text.title: its words are searched as they are written now",
        ]
    );
}
