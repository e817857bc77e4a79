//! Operations made at random from the served schema, each written with literals and with variables at every depth: all ways
//! are answered with the same bytes, by both databases.
//!
//! `HAYLOFT_SEED=n` replays a run, `HAYLOFT_OPERATIONS=n` asks for more.

use std::fmt::Write;

use futures_util::future::{join, join_all};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Map, Value, json};

use super::{
    Served,
    operations::{Content, Input, Maker, Schema, Selected},
};
use crate::harness::{Socket, scale};

/// Operations that are made; each is asked in [`WAYS`], on both databases.
const OPERATIONS: u64 = 150;
/// Operations under way at once: lookups of different requests are then joined.
const AT_ONCE: usize = 10;

/// As many as a document may have.
const ALIASES: usize = 100;

/// How the values of an operation are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Literals,
    /// Each scalar by a variable of its own.
    Leaves,
    /// Each whole argument by one.
    Arguments,
    /// Here and there, at any depth: given, by default, or given in the place of another default.
    Anywhere,
}

const WAYS: [Way; 4] = [Way::Literals, Way::Leaves, Way::Arguments, Way::Anywhere];

/// An operation being written.
struct Writer<'r> {
    way: Way,
    random: &'r mut StdRng,
    definitions: Vec<String>,
    variables: Map<String, Value>,
}

impl Writer<'_> {
    fn selection(&mut self, selected: &[Selected]) -> String {
        let mut out = String::from("{");
        for field in selected {
            let _ = match field.key == field.name {
                true => write!(out, " {}", field.name),
                false => write!(out, " {}: {}", field.key, field.name),
            };
            if !field.arguments.is_empty() {
                let each = field.arguments.iter();
                let each: Vec<String> = each
                    .map(|(name, input)| format!("{name}: {}", self.input(input, true)))
                    .collect();
                let _ = write!(out, "({})", each.join(", "));
            }
            if let Some(included) = &field.included {
                let _ = write!(out, " @include(if: {})", self.input(included, true));
            }
            if !field.selected.is_empty() {
                out.push(' ');
                out.push_str(&self.selection(&field.selected));
            }
        }
        out.push_str(" }");
        out
    }

    fn input(&mut self, input: &Input, is_argument: bool) -> String {
        let is_leaf = matches!(input.content, Content::Leaf(_) | Content::Enum(_));
        let by_variable = match self.way {
            Way::Literals => false,
            Way::Leaves => is_leaf,
            Way::Arguments => is_argument,
            Way::Anywhere => self.random.random_bool(0.3),
        };
        match by_variable {
            true => self.variable(input),
            false => self.literal(input),
        }
    }

    fn literal(&mut self, input: &Input) -> String {
        match &input.content {
            Content::Leaf(value) => value.to_string(),
            Content::Enum(name) => name.clone(),
            // A variable would have to be a list.
            Content::List { items, bare: true } => self.literal(&items[0]),
            Content::List { items, .. } => {
                let items: Vec<String> = items.iter().map(|item| self.input(item, false)).collect();
                format!("[{}]", items.join(", "))
            }
            Content::Object(members) => {
                let members = members.iter();
                let members: Vec<String> = members
                    .map(|(name, input)| format!("{name}: {}", self.input(input, false)))
                    .collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }

    fn variable(&mut self, input: &Input) -> String {
        let name = format!("v{}", self.definitions.len());
        let wanted = input.wanted.clone();
        let style = match self.way {
            Way::Anywhere => self.random.random_range(0..4),
            _ => 0,
        };
        let definition = match style {
            // As it is wanted.
            0 => format!("${name}: {wanted}"),
            // Stricter than it is wanted.
            1 => format!("${name}: {}", wanted.required()),
            // By its default, which also makes a nullable type good where null is not.
            2 => {
                let plain = wanted.to_string();
                let default = Writer::plain(input);
                self.definitions
                    .push(format!("${name}: {} = {default}", plain.trim_end_matches('!')));
                return format!("${name}");
            }
            // Given in the place of a default.
            _ => match &input.content {
                Content::Leaf(Value::Bool(value)) => format!("${name}: {wanted} = {}", !value),
                Content::List { .. } => format!("${name}: {wanted} = []"),
                _ => format!("${name}: {wanted}"),
            },
        };
        self.definitions.push(definition);
        self.variables.insert(name.clone(), json_of(input));
        format!("${name}")
    }

    /// Without any variable.
    fn plain(input: &Input) -> String {
        let mut unused = StdRng::seed_from_u64(0);
        let mut writer = Writer {
            way: Way::Literals,
            random: &mut unused,
            definitions: Vec::new(),
            variables: Map::new(),
        };
        writer.literal(input)
    }
}

fn json_of(input: &Input) -> Value {
    match &input.content {
        Content::Leaf(value) => value.clone(),
        Content::Enum(name) => json!(name),
        Content::List { items, bare: true } => json_of(&items[0]),
        Content::List { items, .. } => items.iter().map(json_of).collect(),
        Content::Object(members) => members
            .iter()
            .map(|(name, input)| (name.clone(), json_of(input)))
            .collect(),
    }
}

/// The operation in one way: document and variables.
fn written(operation: &[Selected], way: Way, kind: &str, random: &mut StdRng) -> (String, Value) {
    let mut writer = Writer {
        way,
        random,
        definitions: Vec::new(),
        variables: Map::new(),
    };
    let selection = writer.selection(operation);
    let definitions = match writer.definitions.is_empty() {
        true => String::new(),
        false => format!("({})", writer.definitions.join(", ")),
    };
    (
        format!("{kind}{definitions} {selection}"),
        Value::Object(writer.variables),
    )
}

/// The fields that may be called otherwise than they are named.
fn aliases(selected: &[Selected]) -> usize {
    selected.iter().map(|field| 1 + aliases(&field.selected)).sum()
}

/// Asks random operations in all ways; panics with what differs, and with how to replay it.
pub(super) async fn literals_and_variables_are_equal(sqlite: &Served, postgres: &Served) {
    let seed = scale::seed();
    let count = usize::try_from(scale::scale("HAYLOFT_OPERATIONS", OPERATIONS)).expect("a number of operations");
    let schema = Schema::of(&sqlite.program).await;
    let mut maker = Maker {
        schema: &schema,
        random: StdRng::seed_from_u64(seed),
        keys: Vec::new(),
    };
    let made = std::iter::repeat_with(|| maker.operation());
    let operations: Vec<Vec<Selected>> = made.filter(|made| aliases(made) <= ALIASES).take(count).collect();
    let mut refused = Vec::new();
    for some in operations.chunks(AT_ONCE) {
        let asked: Vec<_> = some
            .iter()
            .map(|operation| WAYS.map(|way| written(operation, way, "query", &mut maker.random)))
            .collect();
        let answers = join_all(asked.iter().map(|ways| {
            join_all(ways.iter().map(|(document, variables)| {
                let one = sqlite.program.text(document, variables.clone());
                join(one, postgres.program.text(document, variables.clone()))
            }))
        }))
        .await;
        for (ways, answers) in asked.iter().zip(&answers) {
            let (want, _) = &answers[0];
            if !want.starts_with("{\"data\":") {
                refused.push(format!("{}\n{want}", ways[0].0));
            }
            for ((document, variables), (one, other)) in ways.iter().zip(answers) {
                let same = one == want && other == want;
                let literals = &ways[0].0;
                assert!(
                    same && !want.contains("INTERNAL"),
                    "HAYLOFT_SEED={seed}\n{literals}\n{document}\n{variables}\nliterals:   {want}\nSQLite:     {one}\nPostgreSQL: {other}"
                );
            }
        }
    }
    assert!(
        refused.is_empty(),
        "HAYLOFT_SEED={seed}: refused:\n{}",
        refused.join("\n")
    );
    let mut socket = Socket::open(&format!("{}/graphql", sqlite.program.url)).await;
    // No connection is the root of a subscription.
    let live = operations
        .iter()
        .filter(|operation| !operation[0].name.ends_with("Connection"));
    for (at, operation) in live.take(AT_ONCE * 2).enumerate() {
        let root = [Selected {
            included: None,
            ..operation[0].clone()
        }];
        let (document, variables) = written(&root, Way::Leaves, "subscription", &mut maker.random);
        let id = at.to_string();
        let payload = json!({ "query": document, "variables": variables });
        socket
            .send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
        let answer = socket.next().await;
        let (query, _) = written(&root, Way::Literals, "query", &mut maker.random);
        let want: Value = serde_json::from_str(&sqlite.program.text(&query, json!({})).await).expect("JSON");
        assert_eq!(answer["payload"], want, "HAYLOFT_SEED={seed}\n{document}\n{variables}");
        socket.send(json!({ "type": "complete", "id": id })).await;
    }
}
