//! Rows that are searched by their words: what is found, and in which order, is what a reader of all
//! rows would find; and the words that are kept are those of the rows, always.

use crate::{
    layout::WORDS_COLUMN,
    query::{Direction, Filter, Form, Nulls, Operand, Order, RootValue, Search, SearchTerm, Select},
    store::{db::pool::get, ddl::search, words},
    value::{Absent, Part, Value, words::TEXT_MAX},
};

use super::{
    changes::open,
    reads::{answer, f, leaf, many, select},
    *,
};

on_both!(
    what_is_found_is_what_a_reader_finds,
    hostile_searches_are_words,
    a_part_of_a_row_brings_its_words,
    what_stands_far_behind_is_found,
    words_come_and_go_with_rows_present,
    who_does_not_know_of_words_does_not_write,
);

const WORLD: &str =
    "type Text @f { id: ID! title: String @search rank: Int body: String @search tags: [String!] @search \
      notes: [Note!]! @nested(jq: \".notes[]\") }
    type Note { id: ID! text: Text! says: String @search }";

pub(super) const TEXT: EntityId = EntityId(0);
const NOTE: EntityId = EntityId(1);
const ROWS: u64 = 60;
const ROUNDS: u32 = 4;
const READS: usize = if cfg!(debug_assertions) { 60 } else { 1_000 };

/// Some of them are the same word, some begin others, some are none.
const WORDS: [&str; 26] = [
    "Fire",
    "fire",
    "FIREFLY",
    "Feuer",
    "feu",
    "Crème",
    "creme",
    "cre\u{300}me",
    "well-known",
    "東京",
    "京都",
    "京",
    "ﬁn",
    "fin",
    "straße",
    "STRASSE",
    "don't",
    "t",
    "42",
    "4",
    "|",
    "\"x\"",
    "a'b",
    "back\\slash",
    "ΟΔΟΣ",
    "οδός",
];

/// Small numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn words(&mut self, most: u64) -> String {
        let count = self.below(most + 1);
        let words = (0..count).map(|_| WORDS[self.below(WORDS.len() as u64) as usize]);
        words.collect::<Vec<_>>().join(" ")
    }

    fn text(&mut self, most: u64) -> Value {
        match self.below(6) {
            0 => Value::Null,
            _ => text(&self.words(most)),
        }
    }
}

fn written(id: u64, dice: &mut Dice) -> Row {
    let tags: Vec<String> = (0..dice.below(3)).map(|_| dice.words(2)).collect();
    let tags = text(&serde_json::to_string(&tags).expect("JSON"));
    let values = vec![
        text(&format!("r{id:03}")),
        dice.text(3),
        Value::Int(dice.below(5) as i64),
        dice.text(12),
        tags,
    ];
    let note = |nth: u64, dice: &mut Dice| {
        let values = vec![text(&format!("n{nth}")), text(&format!("r{id:03}")), dice.text(4)];
        Row::new(values, vec![], vec![])
    };
    let notes = (0..dice.below(3)).map(|nth| note(nth, dice)).collect();
    Row::new(values, vec![], vec![notes])
}

/// A search that is one, as a person could write it.
fn written_search(dice: &mut Dice) -> String {
    loop {
        let count = 1 + dice.below(3);
        let terms = (0..count).map(|_| {
            let word = WORDS[dice.below(WORDS.len() as u64) as usize];
            let sign = if dice.below(4) == 0 { "-" } else { "" };
            match dice.below(4) {
                0 => format!("{sign}\"{}\"", dice.words(2).replace('"', " ")),
                1 => format!("{sign}{}*", word.chars().take(2).collect::<String>()),
                _ => format!("{sign}{word}"),
            }
        });
        let search = terms.collect::<Vec<_>>().join(" ");
        if Search::parse(&search).is_ok() {
            return search;
        }
    }
}

/// The words of each text of a row.
fn read_words(row: &Row) -> Vec<Vec<String>> {
    let of = |value: &Value| match value {
        Value::Text(text) => vec![text.clone()],
        _ => vec![],
    };
    let tags: Vec<String> = match &row.values[4] {
        Value::Text(list) => serde_json::from_str(list).expect("a list"),
        _ => vec![],
    };
    let texts = [of(&row.values[1]), of(&row.values[3]), tags].concat();
    texts.iter().map(|text| crate::value::words::words(text)).collect()
}

fn has(texts: &[Vec<String>], term: &SearchTerm) -> bool {
    texts.iter().any(|words| match term.begins {
        true => words.iter().any(|word| word.starts_with(&term.words[0])),
        false => words.windows(term.words.len()).any(|some| some == term.words),
    })
}

/// The keys of the rows that are found, the best ones first.
fn found_by_reading(rows: &[Row], search: &str) -> Vec<String> {
    let search = Search::parse(search).expect("a search");
    let mut found = Vec::new();
    for row in rows {
        let texts = read_words(row);
        if !search.terms.iter().all(|term| has(&texts, term) != term.negated) {
            continue;
        }
        // A blank between all words, and the mark at the end of each text.
        let length = texts.iter().flatten().map(|word| word.len() + 1).sum::<usize>() + 2 * texts.len();
        let length = length.saturating_sub(1);
        let mut rank = 0;
        for term in search.wanted() {
            for wanted in &term.words {
                let is_it = |word: &&String| {
                    if term.begins {
                        word.starts_with(wanted)
                    } else {
                        *word == wanted
                    }
                };
                let count = texts.iter().flatten().filter(is_it).count();
                rank += 1_000 * count / (count + 1 + length / 512);
            }
        }
        found.push((std::cmp::Reverse(rank), row.values[0].to_string()));
    }
    found.sort();
    found
        .into_iter()
        .map(|(_, id)| id.trim_matches('"').to_owned())
        .collect()
}

pub(super) fn wanted(entity: EntityId, fields: &[u32], search: &str) -> Select {
    Select {
        filter: Some(Filter::Search {
            fields: fields.iter().map(|field| f(*field)).collect(),
            operand: Operand::Value(text(search)),
        }),
        ..select(entity, vec![leaf("id", 0)])
    }
}

pub(super) async fn ids(store: &Store, select: Select) -> Vec<String> {
    let json = answer(store, vec![("r", RootValue::Many(select))], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let rows = json["r"].as_array().expect("a list").iter();
    rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

/// Rows whose words are not those of their texts, and what SQLite finds wrong with its table.
pub(super) async fn wrong_words(store: &Store) -> Vec<String> {
    let dialect = store.context.dialect;
    let mut wrong = Vec::new();
    for tables in &store.context.layout.entities {
        let table = &tables.table;
        if !table.is_searched() {
            continue;
        }
        let columns = table.columns.iter();
        let texts: Vec<String> = columns
            .map(|column| format!("CAST({} AS TEXT)", dialect.quote(&column.name)))
            .collect();
        let sql = format!(
            "SELECT {},{} FROM {}",
            dialect.quote(WORDS_COLUMN),
            texts.join(","),
            dialect.quote(&table.name)
        );
        let writer = store.context.writer().expect("a writer");
        let rows = writer.fetch_all(store.context.params().query(sql)).await.expect("rows");
        for row in &rows {
            let kept: Option<String> = get(row, 0).expect("words");
            let values = (1..=table.columns.len()).map(|at| match get::<Option<String>>(row, at).expect("a text") {
                Some(text) => Value::Text(text),
                None => Value::Null,
            });
            let want = words::of_values(table, &values.collect::<Vec<_>>());
            if kept.as_ref() != Some(&want) {
                wrong.push(format!("{}: {kept:?}, not {want:?}", table.name));
            }
        }
        if dialect.keeps_items() {
            let kept = dialect.quote(&search::table_name(&table.name));
            let sql = format!("INSERT INTO {kept}({kept},rank) VALUES ('integrity-check',1)");
            let checked = writer.execute(store.context.params().query(sql)).await;
            wrong.extend(checked.err().map(|error| error.to_string()));
        }
    }
    wrong
}

async fn what_is_found_is_what_a_reader_finds(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, WORLD).await.expect("a store");
    let mut dice = Dice(7);
    let (mut met, mut asked) = (0, 0);
    for round in 0..ROUNDS {
        // All are new at first; then some change, some are gone, and some come.
        let row = |id: u64, dice: &mut Dice| match round > 0 && !id.is_multiple_of(3) {
            true => written(id, &mut Dice(id)),
            false => written(id, dice),
        };
        let mut all: Vec<Row> = (0..ROWS).map(|id| row(id, &mut dice)).collect();
        all.retain(|_| round == 0 || dice.below(8) > 0);
        harvest(&store, "Text", TEXT, round, all.clone()).await;
        assert_eq!(wrong_words(&store).await, Vec::<String>::new());
        for _ in 0..READS {
            let search = written_search(&mut dice);
            let want = found_by_reading(&all, &search);
            let select = wanted(TEXT, &[1, 3, 4], &search);
            assert_eq!(ids(&store, select.clone()).await, want, "round {round}: {search}");
            let first = Select {
                first: Some(Operand::Value(Value::Int(3))),
                offset: Some(Operand::Value(Value::Int(1))),
                ..select.clone()
            };
            let some: Vec<String> = want.iter().skip(1).take(3).cloned().collect();
            assert_eq!(ids(&store, first).await, some, "round {round}: {search}");
            let by_id = Select {
                order: vec![Order {
                    path: vec![],
                    field: f(0),
                    form: Form::Value,
                    direction: Direction::Descending,
                    nulls: Nulls::Last,
                }],
                ..select
            };
            let mut sorted = want.clone();
            sorted.sort();
            sorted.reverse();
            assert_eq!(ids(&store, by_id).await, sorted, "round {round}: {search}");
            met += usize::from(!want.is_empty());
            asked += 1;
        }
    }
    assert!(
        2 * met > asked,
        "most of what is searched for is not there: {met} of {asked}"
    );
}

async fn hostile_searches_are_words(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, WORLD).await.expect("a store");
    let row = |id: &str, title: &str| {
        let values = vec![text(id), text(title), Value::Null, Value::Null, Value::Null];
        Row::new(values, vec![], vec![vec![]])
    };
    let all = vec![
        row("r1", "drop table or near not and"),
        row("r2", "x' & !y | z \\ \" * :A"),
    ];
    harvest(&store, "Text", TEXT, 0, all.clone()).await;
    for search in [
        "near(drop table)",
        "title:drop",
        "_words : drop",
        "drop OR y",
        "x' | 'y",
        "x\\' y",
        "x' & !z",
        "{x} ^y",
        "x') OR 1=1",
        "a:*b",
        "'x':A",
        "x;DELETE FROM text",
        "+x -\"not and\"",
        "$1 x",
        "x\u{1}y",
        "x\ny",
        "_words",
        "|0x",
    ] {
        let found = match Search::parse(search) {
            Ok(_) => ids(&store, wanted(TEXT, &[1, 3, 4], search)).await,
            Err(_) => continue,
        };
        assert_eq!(found, found_by_reading(&all, search), "{search}");
    }
    assert_eq!(ids(&store, wanted(TEXT, &[1, 3, 4], "OR near")).await, ["r1"]);
    let notes = many("notes", 5, wanted(NOTE, &[2], "a"));
    let texts = select(TEXT, vec![leaf("id", 0), notes]);
    let json = answer(&store, vec![("r", RootValue::Many(texts))], &[]).await;
    assert_eq!(json, r#"{"r":[{"id":"r1","notes":[]},{"id":"r2","notes":[]}]}"#);
}

async fn a_part_of_a_row_brings_its_words(on: On) {
    let place = Place::new(on);
    let definition = "type Text @f { id: ID! title: String @search rank: Int body: String @search }";
    let store = open(&place.url, Access::Write, definition).await.expect("a store");
    let row = |title: Value, body: Value, absent: Vec<usize>| {
        let absent = Absent {
            values: absent,
            ..Absent::default()
        };
        let values = vec![text("r1"), title, Value::Null, body];
        Row::new(values, vec![], vec![]).into_part(Part { absent, owner: false })
    };
    let parts = [
        row(text("one"), Value::Null, vec![2, 3]),
        row(Value::Null, text("two"), vec![1, 2]),
        row(text("three"), Value::Null, vec![2, 3]),
    ];
    for (minute, part) in (0..).zip(parts) {
        let run = start(&store, "Text", TEXT, minute).await;
        store.commit_group(&run, rows(vec![part])).await.expect("a commit");
        let keep = Finish::Complete {
            missing: Missing::Keep,
            missing_max: 1.0,
            told: Told::default(),
        };
        store.finish_run(&run, keep).await.expect("an end");
        assert_eq!(wrong_words(&store).await, Vec::<String>::new());
    }
    for (search, is_there) in [("two three", true), ("one", false)] {
        let found = ids(&store, wanted(TEXT, &[1, 3], search)).await;
        assert_eq!(!found.is_empty(), is_there, "{search}");
    }
}

/// Beyond what a `tsvector` knows of positions, and up to the end of what is searched.
async fn what_stands_far_behind_is_found(on: On) {
    let place = Place::new(on);
    let store = open(&place.url, Access::Write, WORLD).await.expect("a store");
    let row = |id: &str, body: &str| {
        let values = vec![text(id), Value::Null, Value::Null, text(body), Value::Null];
        Row::new(values, vec![], vec![vec![]])
    };
    let long = format!("{}far away {}beyond", "a b ".repeat(10_000), "c ".repeat(30_000));
    assert!(long.len() > TEXT_MAX);
    let word = "wör".repeat(2_000);
    let all = vec![
        row("r1", &long),
        row("r2", "away far"),
        row("r3", &word),
        row("r4", &"x".repeat(200_000)),
    ];
    harvest(&store, "Text", TEXT, 0, all).await;
    assert_eq!(wrong_words(&store).await, Vec::<String>::new());
    let cut = store.cut_texts(Duration::from_secs(60)).await.expect("counts");
    let cut: Vec<(EntityId, u32, Option<u64>)> = cut.iter().map(|cut| (cut.entity, cut.field.0, cut.rows)).collect();
    assert_eq!(cut, [(TEXT, 3, Some(2))]);
    for (search, want) in [
        ("\"far away\"", vec!["r1"]),
        ("far", vec!["r1", "r2"]),
        ("away -\"far away\"", vec!["r2"]),
        ("\"a a\"", vec![]),
        ("beyond", vec![]),
        (&word, vec!["r3"]),
        ("worwor*", vec!["r3"]),
        ("xx*", vec![]),
    ] {
        let mut found = ids(&store, wanted(TEXT, &[1, 3, 4], search)).await;
        found.sort();
        assert_eq!(found, want, "{search:.20}");
    }
}

async fn words_come_and_go_with_rows_present(on: On) {
    let place = Place::new(on);
    let definition =
        |title: &str, body: &str| format!("type Text @f {{ id: ID! title: String{title} body: String{body} }}");
    let store = open(&place.url, Access::Write, &definition("", ""))
        .await
        .expect("a store");
    let row = |id: usize| {
        let title = match id {
            // Longer than what is searched, with words behind it and with none.
            7 => format!("one {}", "ä ".repeat(TEXT_MAX)),
            8 => format!("one {}", " ".repeat(TEXT_MAX)),
            _ => "one".to_owned(),
        };
        Row::new(
            vec![text(&format!("r{id:04}")), text(&title), text("two")],
            vec![],
            vec![],
        )
    };
    // More than are looked at together.
    harvest(&store, "Text", TEXT, 0, (0..700).map(row).collect()).await;
    store.close().await;
    let mut steps = Vec::new();
    for (title, body, found) in [
        (" @search", "", 0),
        (" @search", " @search", 700),
        ("", " @search", 0),
        ("", "", 0),
    ] {
        let text = definition(title, body);
        let catalog = changes::read(&text);
        let layout = Arc::new(Layout::of(&catalog));
        let plan = Store::plan(&place.url, catalog, layout, None).await.expect("a plan");
        steps.extend(plan.steps.iter().map(PlannedStep::words));
        let store = open(&place.url, Access::Write, &text).await.expect("it loses nothing");
        assert_eq!(wrong_words(&store).await, Vec::<String>::new());
        if !title.is_empty() || !body.is_empty() {
            assert_eq!(ids(&store, wanted(TEXT, &[], "one two")).await.len(), found);
        }
        store.close().await;
    }
    assert_eq!(
        steps,
        [
            "+ Text.title: its words are searched",
            "+ Text.body: its words are searched",
            "- Text.title: its words are no longer searched",
            "- Text.body: its words are no longer searched",
        ]
    );
}

/// A process with the definition from before would write rows without words.
async fn who_does_not_know_of_words_does_not_write(on: On) {
    // One process has a SQLite file.
    if on == On::Sqlite {
        return;
    }
    let place = Place::new(on);
    let (plain, searched) = (
        "type Text @f { id: ID! title: String }",
        "type Text @f { id: ID! title: String @search }",
    );
    let old = open(&place.url, Access::Write, plain).await.expect("a store");
    let new = open(&place.url, Access::Write, searched).await.expect("a store");
    let run = start(&new, "Text", TEXT, 0).await;
    let row = Row::new(vec![text("r1"), text("one")], vec![], vec![]);
    new.commit_group(&run, rows(vec![row.clone()])).await.expect("a commit");
    let begun = StartRun {
        fetch: "Text".to_owned(),
        entity: TEXT,
        slot: slot(1),
        reason: Reason::Hand,
        resume: Some(1),
    };
    let refused = old.start_run(&begun).await;
    assert!(matches!(refused, Err(StoreError::Replaced)));
    assert_eq!(ids(&old, select(TEXT, vec![leaf("id", 0)])).await, ["r1"]);
}
