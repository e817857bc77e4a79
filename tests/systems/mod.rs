//! The systems under `examples`, each from its stand-in over the real program to its answers. Knows what holds for all of
//! them: their cases hold, and their pages tell the truth.

mod efo;
mod farm;
mod gliders;

use serde_json::Value;

use crate::{
    definition::language::blocks,
    harness::{Db, Program, Scratch, StandIn, example, text_of_example},
};

/// Those that have a stand-in.
const NAMES: [&str; 3] = ["efo", "farm", "gliders"];

/// What is to be known of an example before it is started.
struct Example {
    name: &'static str,
    /// The variable from which its definition takes the upstream's address.
    variable: &'static str,
    /// The path below which the stand-in has its API.
    below: &'static str,
}

/// An example on its way: its upstream, and a folder with its definition and a database.
struct System {
    upstream: StandIn,
    scratch: Scratch,
    variable: (&'static str, String),
}

impl Example {
    fn definition(&self) -> String {
        text_of_example(self.name, "schema.graphql")
    }

    async fn start(&self, db: Db, options: &[&str]) -> System {
        self.start_with(db, options, &self.definition()).await
    }

    /// With another definition than its own.
    async fn start_with(&self, db: Db, options: &[&str], definition: &str) -> System {
        let upstream = StandIn::start(self.name, options).await;
        let address = format!("{}{}", upstream.url, self.below);
        System {
            scratch: Scratch::on(db, definition),
            upstream,
            variable: (self.variable, address),
        }
    }
}

impl System {
    /// Harvests all there is, once; gives what the program said of it.
    async fn harvest(&self) -> String {
        self.scratch.must(&["harvest"], &[self.environment()]).await.out
    }

    async fn serve(&self) -> Program {
        self.scratch.serve(&[self.environment()]).await
    }

    fn environment(&self) -> (&str, &str) {
        (self.variable.0, &self.variable.1)
    }
}

/// A value as it is written in a query.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The members of rows, in their order.
fn texts(rows: &Value, member: &str) -> Vec<String> {
    let rows = rows.as_array().expect("rows").iter();
    rows.map(|row| row[member].as_str().expect("a text").to_owned())
        .collect()
}

/// Each query of an example's page gives the answer that stands below it.
async fn the_page_tells_the_truth(name: &str, program: &Program) {
    let blocks = blocks(&text_of_example(name, "README.md"));
    let pairs = blocks.windows(2).filter_map(|pair| match pair {
        [(asks, query), (answers, answer)] if asks == "graphql" && answers == "json" => Some((query, answer)),
        _ => None,
    });
    let mut count = 0;
    for (query, answer) in pairs {
        let answer: Value = serde_json::from_str(answer).expect("an answer of JSON");
        assert_eq!(program.query(query).await, answer["data"], "{name}: {query}");
        count += 1;
    }
    assert!(count >= 2, "{name}: {count} queries with an answer");
}

#[tokio::test]
async fn all_cases_hold() {
    for name in NAMES {
        let schema = example(name).join("schema.graphql");
        let schema = schema.to_string_lossy();
        let output = Scratch::new("").must(&["test", "--schema", &schema], &[]).await;
        assert!(output.out.ends_with(" cases, all as expected\n"), "{name}: {output:?}");
    }
}
