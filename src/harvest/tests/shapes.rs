//! From records to rows.

use super::{
    super::{json, shape::Shaper},
    catalogs::quests,
};
use crate::{
    catalog::{EntityId, Valid},
    layout::Layout,
    store::Refused,
    value::{Kept, Key, Row, Value},
};

fn shape(record: &str) -> (Option<Row>, Vec<Refused>) {
    let catalog = Valid::trusted(quests());
    let layout = Layout::of(&catalog);
    let shaper = Shaper::new(&catalog, &layout);
    let record = json::parse(&record.to_owned().into(), 0).expect("JSON");
    shaper.record(EntityId(0), &record)
}

/// Whether a record is made a row without being parsed as a whole; then it is the same row.
fn is_plain(record: &str) -> bool {
    let catalog = Valid::trusted(quests());
    let layout = Layout::of(&catalog);
    let shaper = Shaper::new(&catalog, &layout);
    let plain = shaper.plain(EntityId(0), &record.to_owned().into(), &mut Vec::new());
    if let Some(row) = &plain {
        let (whole, refused) = shape(record);
        assert_eq!((Some(row), &refused[..]), (whole.as_ref(), &[][..]), "{record}");
    }
    plain.is_some()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn a_whole_record() {
    let (row, refused) = shape(
        r#"{"id":7,"fullTitle":"T","rarity":2,"reward":{"gold":"9007199254740993","more":1},"words":["a","b"],
            "npc":{"slug":"bob"},"tag_ids":["x","y","x"],
            "items":[{"item":"i1","quantity":2},{"item":"i2","quantity":"3"}],"notes":[{"text":"n"},{"text":"n"}]}"#,
    );
    assert_eq!(refused, []);
    let row = row.expect("a row");
    let want = [
        text("7"),
        text("T"),
        text("RARE"),
        text("{\"gold\":\"9007199254740993\",\"title\":null}"),
        text("[\"a\",\"b\"]"),
        text("bob"),
    ];
    assert_eq!(row.values, want);
    assert_eq!(row.links, [vec![Key::text("x"), Key::text("y"), Key::text("x")]]);
    let items: Vec<&[Value]> = row.children[0].iter().map(|row| &row.values[..]).collect();
    assert_eq!(items[0], [text("7"), text("i1"), Value::Int(2)]);
    assert_eq!(items[1], [text("7"), text("i2"), Value::Int(3)]);
    assert_eq!(row.children[1].len(), 2, "positional children may be alike");
}

#[test]
fn what_is_missing_is_null_or_empty() {
    let (row, refused) = shape(r#"{"id":"q","fullTitle":"T"}"#);
    assert_eq!(refused, []);
    let row = row.expect("a row");
    assert!(row.values[2..].iter().all(Value::is_null));
    assert_eq!((row.links[0].len(), row.children.len()), (0, 2));
}

#[test]
fn refused_records() {
    for (record, reason, key) in [
        (r#"{"id":null,"fullTitle":"T"}"#, "id: the key is missing or null", None),
        (r#"{"id":"q"}"#, "title: required, but missing or null", Some("q")),
        (
            r#"{"id":"q","fullTitle":"a\u0000b"}"#,
            "title: expected text without the character U+0000",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","rarity":"?"}"#,
            "rarity: expected a value of Rarity",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","reward":{}}"#,
            "reward.gold: required",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","reward":[]}"#,
            "reward: expected an object",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","words":["a",null]}"#,
            "words[1]: required, found null",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","words":{"a":1}}"#,
            "words[0]: expected a String (text or a number), found the object",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","npc":{"slug":{"id":1}}}"#,
            "giver: expected a key, found the object",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","tag_ids":["a",null]}"#,
            "tags[1]: expected a key, found null",
            Some("q"),
        ),
        (
            r#"{"id":"q","fullTitle":"T","tag_ids":3}"#,
            "tags: jq `.tag_ids[]`: expected an array or object to iterate over",
            Some("q"),
        ),
        ("3", "id: expected an object", None),
    ] {
        let (row, refused) = shape(record);
        assert_eq!(row, None, "{record}");
        assert_eq!(refused.len(), 1);
        assert!(refused[0].reason.starts_with(reason), "{reason}: {}", refused[0].reason);
        assert_eq!(refused[0].key.as_deref(), key, "{record}");
    }
}

#[test]
fn a_bad_child_is_refused_alone() {
    let (row, refused) = shape(
        r#"{"id":"q","fullTitle":"T","items":[{"item":"a","quantity":1},{"item":"a","quantity":2},{"item":null},
            {"item":"b","quantity":"x"}]}"#,
    );
    assert_eq!(row.expect("the parent is loaded").children[0].len(), 1);
    let reasons: Vec<&str> = refused.iter().map(|refused| refused.reason.as_str()).collect();
    assert!(
        reasons[0].starts_with("items[1]: the key q / a appears twice"),
        "{reasons:?}"
    );
    assert!(reasons[1].starts_with("items[2].item: the key is missing or null"));
    assert!(reasons[2].starts_with("items[3].quantity: expected an Int") && reasons[2].ends_with("(of q)"));
}

#[test]
fn what_is_stored_of_a_bad_child_stays() {
    let (row, _) = shape(
        r#"{"id":"q","fullTitle":"T","items":[{"item":"a","quantity":"x"},{"item":"b","quantity":1},{"quantity":2}],
            "notes":[{"text":"m"},{"text":[]},{"text":"n"}]}"#,
    );
    let row = row.expect("the parent is loaded");
    let kept = |position: usize, key: Option<[&str; 2]>| Kept {
        position,
        key: key.map(|key| Key(key.map(text).into())),
    };
    // A key has the owner's in front; a note's is its place; without one it may be any.
    assert_eq!(
        row.kept,
        [vec![kept(0, Some(["q", "a"])), kept(2, None)], vec![kept(1, None)]]
    );
    let places = |list: usize| row.children_of(list).map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!((places(0), places(1)), (vec![1], vec![0, 2]));
    let (without, _) =
        shape(r#"{"id":"q","fullTitle":"T","items":[{"item":"b","quantity":1}],"notes":[{"text":"m"},{"text":"n"}]}"#);
    assert_ne!(
        without.expect("a row").hash,
        row.hash,
        "a row that has lost them is another one"
    );
}

#[test]
fn large_records_are_cut() {
    let (_, refused) = shape(&format!(r#"{{"id":"q","more":"{}"}}"#, "é".repeat(50_000)));
    assert!(refused[0].record.len() <= 64 << 10);
    assert!(refused[0].reason.ends_with("(the record is cut at 64 KiB)"));
}

/// What is read of a record by its names alone is what all of it says, or is left to that.
#[test]
fn a_record_by_its_names_is_the_whole_record() {
    for record in [
        r#"{"id":7,"fullTitle":"T","rarity":2,"reward":{"gold":"9007199254740993","more":1},"words":["a","b"],
            "npc":{"slug":"bob"},"tag_ids":["x","y","x"],
            "items":[{"item":"i1","quantity":2},{"item":"i2","quantity":"3"}],"notes":[{"text":"n"},{"text":"n"}]}"#,
        r#"{"id":"q","fullTitle":"T"}"#,
        r#" { "fullTitle" : "\u0054\n" , "other" : [ { } , null ] , "id" : 1e2 } "#,
        r#"{"fullTitle":"a","id":1,"fullTitle":"b","id":2}"#,
        r#"{"\u0069d":1,"fullTitle":"T","tag_ids":null,"npc":null}"#,
        r#"{"id":1,"fullTitle":"T","odd":NaN,"words":[]}"#,
    ] {
        assert!(is_plain(record), "{record}");
    }
    for record in [
        r#"{"id":null,"fullTitle":"T"}"#,
        r#"{"id":"q"}"#,
        r#"{"id":"q","fullTitle":"a\u0000b"}"#,
        r#"{"id":"q","fullTitle":NaN}"#,
        r#"{"id":"q","fullTitle":"T","items":[{"item":null,"quantity":1}]}"#,
        r#"{"id":"q","fullTitle":"T","npc":[]}"#,
        r#"{"id":"q","fullTitle":"T",}"#,
        r#"{"id":"q","fullTitle":"T"} 1"#,
        r#"{"id":"q","fullTitle":"T""#,
        r#"{"id":"q","fullTitle":"T","a":,"b":1}"#,
        "[]",
        "null",
        "",
    ] {
        assert!(!is_plain(record), "{record}");
    }
    assert!(
        !is_plain("\u{feff}{\"id\":1,\"fullTitle\":\"T\"}"),
        "a mark is for the whole to strip"
    );
}
