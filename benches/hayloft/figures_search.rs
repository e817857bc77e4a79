//! Figures of what is kept beside the rows so that it is found at once: words of texts, and rollups. Knows rows of both kinds, some
//! of which have much more than others.

use std::{fs, io::Write as _, path::Path, time::Instant};

use crate::{
    Target, asking,
    cluster::Cluster,
    data::file,
    figure, hand_postgres,
    postgres::cluster,
    process::{Server, harvest},
};

type Figure = (String, f64, &'static str, Target);

const TEXTS: usize = 100_000;
const AUTHORS: usize = 2_000;
/// Words of the texts' language: the first ones stand in every other text, the last ones in hardly any.
const WORDS: usize = 30_000;
/// Searches, each for two other words.
const SEARCHES: usize = 60;

const SHOPS: usize = 20_000;
const SALES: usize = 1_000_000;
/// Harvests with and without rollups, in turns.
const LOADS: usize = 3;

const NOTES: &str = r#"extend schema @source(name: "files", url: "file:.")

type Author @fetch(source: "files", FILE: "authors.ndjson", format: NDJSON) {
  id: ID!
  name: String! @search
  notes: [Note!]! @inverse(field: "author")
}

type Note @fetch(source: "files", FILE: "notes.ndjson", format: NDJSON) {
  id: ID!
  title: String! @search
  body: String @search
  author: Author @ref(jq: ".author")
}
"#;

const SALES_OF_SHOPS: &str = r#"extend schema @source(name: "files", url: "file:.")

type Shop @fetch(source: "files", FILE: "shops.ndjson", format: NDJSON) {
  id: ID!
  name: String!
  sales: [Sale!]! @inverse(field: "shop")
  ROLLUPS
}

type Sale @fetch(source: "files", FILE: "sales.ndjson", format: NDJSON) {
  id: ID!
  amount: Int!
  state: String!
  shop: Shop @ref(jq: ".shop")
}
"#;

const ROLLUPS: &str = r#"saleCount: Int! @rollup(of: "sales", fn: COUNT)
  turnover: BigInt @rollup(of: "sales", fn: SUM, field: "amount")
"#;

/// Alone, without what else is in the table.
pub fn figures(folder: &Path) {
    let cluster = cluster();
    for (on_postgres, name) in [(false, "SQLite"), (true, "PostgreSQL")] {
        on(
            &cluster,
            on_postgres,
            &folder.join(name),
            |(what, value, unit, target)| {
                figure(&format!("{name}: {what}"), value, unit, &target);
            },
        );
    }
}

/// On one kind of database, each definition in one of its own.
pub fn on(cluster: &Cluster, on_postgres: bool, folder: &Path, mut each: impl FnMut(Figure)) {
    let new = || on_postgres.then(|| cluster.url(&cluster.create_database()));
    let database = new();
    searches(&folder.join("notes"), database.as_deref())
        .into_iter()
        .for_each(&mut each);
    let databases = [new(), new()];
    let databases = databases.each_ref().map(Option::as_deref);
    rollups(&folder.join("sales"), databases)
        .into_iter()
        .for_each(&mut each);
}

/// Numbers that look as if they were drawn, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    /// Of so many the first ones much more often.
    fn uneven(&mut self, of: usize) -> usize {
        let part = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((of as f64).powf(part) as usize).saturating_sub(1).min(of - 1)
    }
}

/// A word by its number.
fn word(number: usize) -> String {
    const PARTS: [&str; 10] = ["ka", "ro", "mi", "ten", "sul", "va", "dor", "el", "phi", "gru"];
    let digits = (number + 10).to_string();
    digits.bytes().map(|digit| PARTS[usize::from(digit - b'0')]).collect()
}

fn write_notes(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("schema.graphql"), NOTES).expect("write");
    let mut authors = file(folder, "authors.ndjson");
    for author in 0..AUTHORS {
        writeln!(authors, "{{\"id\":\"a{author}\",\"name\":\"Author {author}\"}}").expect("write");
    }
    let mut dice = Dice(11);
    let mut notes = file(folder, "notes.ndjson");
    for note in 0..TEXTS {
        // One of a thousand is a book.
        let length = match note % 1_000 {
            0 => 8_000,
            _ => 20 + dice.below(100),
        };
        let body: Vec<String> = (0..length).map(|_| word(dice.uneven(WORDS))).collect();
        let title = [word(dice.uneven(WORDS)), word(dice.uneven(WORDS))].join(" ");
        let author = dice.uneven(AUTHORS);
        writeln!(
            notes,
            "{{\"id\":\"n{note:06}\",\"title\":\"{title} {note}\",\"body\":\"{}.\",\"author\":\"a{author}\"}}",
            body.join(" ")
        )
        .expect("write");
    }
}

/// The best 20 texts that have both of two words; the words are frequent, less frequent and rare ones.
fn searches(folder: &Path, database: Option<&str>) -> Vec<Figure> {
    write_notes(folder);
    let loaded = harvest(folder, database, &[], &[]);
    println!("({TEXTS} texts: harvested in {:.1} s)", loaded.seconds);
    if let Some(url) = database {
        hand_postgres::execute(url, "VACUUM ANALYZE");
    }
    let server = Server::start(folder, database, &[]);
    let mut dice = Dice(5);
    let (mut times, mut shown) = (Vec::new(), Vec::new());
    let mut found = Vec::new();
    for number in 0..SEARCHES {
        let (one, other) = (dice.uneven(WORDS / 10), dice.uneven(WORDS / 10));
        let search = format!("{} {}", word(one), word(other));
        let count = server.json(&format!("{{ notesConnection(search: \"{search}\") {{ totalCount }} }}"));
        found.push(
            count["data"]["notesConnection"]["totalCount"]
                .as_u64()
                .expect("a count") as f64,
        );
        for (times, member) in [(&mut times, ""), (&mut shown, " searchMatches { field html }")] {
            let ask = |first: usize| {
                let query = format!("{{ notes(search: \"{search}\", first: {first}) {{ id title{member} }} }}");
                let began = Instant::now();
                server.ask(&query);
                began.elapsed().as_secs_f64() * 1e3
            };
            // The plan is made, and the pages of the index are in memory; then each of them once.
            if number == 0 {
                ask(21);
            }
            ask(20);
            times.push(ask(20));
        }
    }
    println!(
        "(they find {:.0} texts in the middle, {:.0} at most)",
        asking::percentile(&mut found, 50),
        asking::percentile(&mut found, 100)
    );
    let figure = |name: &str, times: &mut Vec<f64>, hundredths: usize, most: f64| {
        let target = Target::AtMost(most);
        (name.to_owned(), asking::percentile(times, hundredths), "ms", target)
    };
    vec![
        figure("search of two words in 100,000 texts, first 20", &mut times, 50, 5.0),
        figure("the slowest of 60 such searches", &mut times, 100, 50.0),
        figure("the same search with excerpts", &mut shown, 50, 10.0),
    ]
}

fn write_sales(folder: &Path, rollups: bool) {
    fs::create_dir_all(folder).expect("a folder");
    let definition = SALES_OF_SHOPS.replace("ROLLUPS", if rollups { ROLLUPS } else { "" });
    fs::write(folder.join("schema.graphql"), definition).expect("write");
    let mut shops = file(folder, "shops.ndjson");
    for shop in 0..SHOPS {
        writeln!(shops, "{{\"id\":\"s{shop}\",\"name\":\"Shop {shop}\"}}").expect("write");
    }
    write_sales_of(folder, 0);
}

/// A shop with what is computed of its sales; and loads that keep that right, beside loads without.
fn rollups(folder: &Path, databases: [Option<&str>; 2]) -> Vec<Figure> {
    let folders = [false, true].map(|rollups| {
        let folder = folder.join(if rollups { "with" } else { "without" });
        write_sales(&folder, rollups);
        harvest(&folder, databases[usize::from(rollups)], &[], &["Shop"]);
        folder
    });
    // The first load has all rows new; in the others amounts and shops of all sales are others.
    let mut ratios = Vec::new();
    for load in 0..LOADS {
        let mut seconds = [0.0, 0.0];
        for (at, folder) in folders.iter().enumerate() {
            if load > 0 {
                write_sales_of(folder, load);
            }
            seconds[at] = harvest(folder, databases[at], &[], &["Sale"]).seconds;
        }
        println!("(load {load}: {:.1} s, with rollups {:.1} s)", seconds[0], seconds[1]);
        ratios.push(seconds[1] / seconds[0]);
    }
    let server = Server::start(&folders[1], databases[1], &[]);
    let mut times = Vec::new();
    for number in 0..400 {
        // The ones with most sales, too.
        let shop = if number % 2 == 0 {
            number / 2
        } else {
            number * 37 % SHOPS
        };
        let query = "query($id: ID!) { shop(id: $id) { name saleCount turnover } }";
        let request = serde_json::json!({ "query": query, "variables": { "id": format!("s{shop}") } });
        let began = Instant::now();
        let answer = server.request(&request);
        let took = began.elapsed().as_secs_f64() * 1e3;
        assert!(answer["data"]["shop"]["saleCount"].is_u64(), "{answer}");
        times.extend((number >= 50).then_some(took));
    }
    let new = ratios.remove(0);
    ratios.sort_by(f64::total_cmp);
    vec![
        (
            "a rollup read, 1,000,000 children".to_owned(),
            asking::percentile(&mut times, 50),
            "ms",
            Target::AtMost(0.3),
        ),
        (
            "its upkeep, all children new ÷ without".to_owned(),
            new,
            "×",
            Target::AtMost(1.5),
        ),
        (
            "its upkeep, all children changed ÷ without".to_owned(),
            ratios[ratios.len() / 2],
            "×",
            Target::AtMost(1.5),
        ),
    ]
}

/// The same sales with each load, of other shops and for other amounts.
fn write_sales_of(folder: &Path, load: usize) {
    let mut dice = Dice(3 + load as u64);
    let mut sales = file(folder, "sales.ndjson");
    for sale in 0..SALES {
        let (shop, amount, state) = (dice.uneven(SHOPS), dice.below(10_000), ["PAID", "OPEN"][sale % 2]);
        writeln!(
            sales,
            "{{\"id\":\"x{sale:07}\",\"amount\":{amount},\"state\":\"{state}\",\"shop\":\"s{shop}\"}}"
        )
        .expect("write");
    }
}
