//! Definitions, rows and documents of the benchmarks, made from nothing but their numbers.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

const ITEMS: usize = 100_000;
const QUESTS: usize = 100_000;
const LINKS_PER_QUEST: usize = 5;

/// 100 items and the quests that need each.
pub const NESTED: &str = "{ items(first: 100) { id name price requiredFor { quantity quest { id title } } } }";
/// 5,000 rows of 8 columns.
pub const FLAT: &str = "{ items(first: 5000) { id name price rarity weight stock active updated } }";

const FARM: &str = r#"extend schema @source(name: "files", url: "file:.")

type Item @fetch(source: "files", FILE: "items.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  price: Float
  rarity: String
  weight: Int
  stock: Int
  active: Boolean
  updated: DateTime
  requiredFor: [QuestItem!]! @inverse(field: "item")
}

type Quest @fetch(source: "files", FILE: "quests.ndjson", format: NDJSON) {
  id: ID!
  title: String!
  items: [QuestItem!]! @nested(jq: ".items[]")
}

type QuestItem {
  quest: Quest!
  item: Item @id @ref(jq: ".item")
  quantity: Int!
}
"#;

const MILLION: &str = r#"extend schema @source(name: "files", url: "file:.")

type Row @fetch(source: "files", FILE: "rows.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  price: Float
  rarity: String
  weight: Int
  stock: Int
  active: Boolean
  updated: DateTime
}
"#;

pub fn file(folder: &Path, name: &str) -> BufWriter<File> {
    BufWriter::with_capacity(1 << 20, File::create(folder.join(name)).expect("a file"))
}

fn row(out: &mut impl Write, number: usize) {
    let rarity = ["common", "rare", "epic"][number % 3];
    writeln!(
        out,
        "{{\"id\":\"r{number:07}\",\"name\":\"Thing number {number} of the farm\",\"price\":{}.{:02},\"rarity\":\"{rarity}\",\
         \"weight\":{},\"stock\":{},\"active\":{},\"updated\":\"2026-11-{:02}T{:02}:{:02}:00Z\"}}",
        number % 997,
        number % 100,
        number % 5_000,
        number % 77,
        number.is_multiple_of(2),
        number % 28 + 1,
        number % 24,
        number % 60,
    )
    .expect("write");
}

/// The farm of design section 11 as two NDJSON files.
pub fn write_farm(folder: &Path) {
    fs::write(folder.join("schema.graphql"), FARM).expect("write");
    let mut items = file(folder, "items.ndjson");
    (0..ITEMS).for_each(|number| row(&mut items, number));
    let mut quests = file(folder, "quests.ndjson");
    for quest in 0..QUESTS {
        let needs: Vec<String> = (0..LINKS_PER_QUEST)
            .map(|need| {
                // Spread over all items without repeating one within a quest.
                let item = (quest * 7 + need * 20_011) % ITEMS;
                format!("{{\"item\":\"r{item:07}\",\"quantity\":{}}}", need + 1)
            })
            .collect();
        let needs = needs.join(",");
        writeln!(
            quests,
            "{{\"id\":\"q{quest:06}\",\"title\":\"Quest \\\"{quest}\\\"\",\"items\":[{needs}]}}"
        )
        .expect("write");
    }
}

/// 1,000,000 rows of 8 columns.
pub fn write_million(folder: &Path) {
    write_rows(folder, 1_000_000);
}

/// Rows of 8 columns.
pub fn write_rows(folder: &Path, count: usize) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("schema.graphql"), MILLION).expect("write");
    let mut rows = file(folder, "rows.ndjson");
    (0..count).for_each(|number| row(&mut rows, number));
}

/// Documents that overflow, explode or drown a careless server.
pub fn hostile() -> Vec<(&'static str, String)> {
    let bomb = |fragments: usize, spreads: usize| {
        let mut text = "{ items(first: 1) { ...f0 } }".to_owned();
        for fragment in 0..fragments {
            let spread = format!("...f{} ", fragment + 1).repeat(spreads);
            text.push_str(&format!(" fragment f{fragment} on Item {{ {spread} }}"));
        }
        text + &format!(" fragment f{fragments} on Item {{ id }}")
    };
    let nested = |open: &str, close: &str, depth: usize| {
        format!(
            "{{ items(where: {}1{}) {{ id }} }}",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    let aliases: String = (0..50_000).map(|number| format!("a{number}:__typename ")).collect();
    vec![
        ("1,500 nested [", nested("[", "]", 1_500)),
        ("50,000 nested [", nested("[", "]", 50_000)),
        ("1,500 nested {a:", nested("{and:", "}", 1_500)),
        ("fragment bomb 7 × 10", bomb(7, 10)),
        ("fragment bomb 9 × 10", bomb(9, 10)),
        ("fragment bomb 30 × 2", bomb(30, 2)),
        ("50,000 aliases", format!("{{ {aliases} }}")),
        (
            "5,000 selections deep",
            format!("{{ {} id {} }}", "items { ".repeat(5_000), "}".repeat(5_000)),
        ),
        (
            "first: 1000000, three lists deep",
            "{ items(first: 1000000) { requiredFor { quest { items { quantity } } } } }".to_owned(),
        ),
    ]
}
