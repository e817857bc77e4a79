//! Rows that are linked to each other, as files: items with tags, quests, and the lines between them. Knows their numbers only.

use std::{fs, io::Write, path::Path};

use crate::data::file;

pub const TAGS: usize = 1_000;
pub const NPCS: usize = 1_000;
pub const ITEMS: usize = 100_000;
pub const TAGS_PER_ITEM: usize = 2;
pub const QUESTS: usize = 100_000;
pub const LINES: usize = 500_000;
/// All rows and links that a load brings.
pub const ALL: usize = TAGS + NPCS + ITEMS + ITEMS * TAGS_PER_ITEM + QUESTS + LINES;
/// Of so many rows the second load changes one.
const CHANGED: usize = 10;

const DEFINITION: &str = r#"extend schema @source(name: "files", url: "file:.")

type Tag @fetch(source: "files", FILE: "tags.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  items: [Item!]! @inverse(field: "tags")
}

type Npc @fetch(source: "files", FILE: "npcs.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  gives: [Quest!]! @inverse(field: "npc")
}

type Item @fetch(source: "files", FILE: "items.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  price: Float
  tags: [Tag!]! @ref(jq: ".tags[]")
  requiredFor: [Line!]! @inverse(field: "item")
}

type Quest @fetch(source: "files", FILE: "quests.ndjson", format: NDJSON) {
  id: ID!
  title: String!
  npc: Npc @ref(jq: ".npc")
  lines: [Line!]! @inverse(field: "quest")
}

type Line @fetch(source: "files", FILE: "lines.ndjson", format: NDJSON) {
  id: ID!
  quest: Quest @ref(jq: ".quest")
  item: Item @ref(jq: ".item")
  quantity: Int!
}
"#;

/// The first query after a load: it goes through five tables, and is quick only by the right order of them.
pub const FIRST: &str =
    r#"{ items(where: {requiredFor: {some: {quest: {npc: {name: {eq: "Npc 7"}}}}}}, first: 50) { id name } }"#;

/// A line for the definition and its files, as they are first or as they are later.
pub fn write(folder: &Path, later: bool) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("schema.graphql"), DEFINITION).expect("write");
    let mut tags = file(folder, "tags.ndjson");
    for tag in 0..TAGS {
        writeln!(tags, "{{\"id\":\"t{tag:04}\",\"name\":\"Tag {tag}\"}}").expect("write");
    }
    let mut npcs = file(folder, "npcs.ndjson");
    for npc in 0..NPCS {
        writeln!(npcs, "{{\"id\":\"n{npc:04}\",\"name\":\"Npc {npc}\"}}").expect("write");
    }
    let mut items = file(folder, "items.ndjson");
    for item in 0..ITEMS {
        let change = change(later, item);
        let tags: Vec<String> = (0..TAGS_PER_ITEM)
            .map(|at| format!("\"t{:04}\"", scattered(item * TAGS_PER_ITEM + at + change * 31) % TAGS))
            .collect();
        writeln!(
            items,
            "{{\"id\":\"i{item:06}\",\"name\":\"Item number {item} of the farm\",\"price\":{}.5,\"tags\":[{}]}}",
            item % 997 + change,
            tags.join(",")
        )
        .expect("write");
    }
    let mut quests = file(folder, "quests.ndjson");
    for quest in 0..QUESTS {
        let npc = scattered(quest + change(later, quest) * 17) % NPCS;
        writeln!(
            quests,
            "{{\"id\":\"q{quest:06}\",\"title\":\"Quest number {quest}\",\"npc\":\"n{npc:04}\"}}"
        )
        .expect("write");
    }
    let mut lines = file(folder, "lines.ndjson");
    for line in 0..LINES {
        let change = change(later, line);
        let quest = scattered(2 * line + 1) % QUESTS;
        let item = scattered(2 * line + change * 7) % ITEMS;
        writeln!(
            lines,
            "{{\"id\":\"l{line:07}\",\"quest\":\"q{quest:06}\",\"item\":\"i{item:06}\",\"quantity\":{}}}",
            line % 9 + 1 + change
        )
        .expect("write");
    }
}

fn change(later: bool, number: usize) -> usize {
    usize::from(later && scattered(number).is_multiple_of(CHANGED))
}

/// A number that looks like chance, always the same for the same one: keys of links come in no order.
fn scattered(number: usize) -> usize {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as usize
}
