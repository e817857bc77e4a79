//! Catalogs at random, and rows of theirs in memory. Knows how a definition is written and how rows
//! are loaded; asks nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::computed::{self, Grouped, Rolled};
use crate::{
    catalog::{Catalog, FieldKind, Valid},
    layout::{ColumnKind, Layout},
    value::{Key, Row, Scalar, Value},
};

/// What a leaf holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Text,
    Int,
    /// A `BigInt`, of sums.
    Big,
    Float,
    Bool,
    Time,
    Decimal,
    Enum,
}

pub(super) const ENUM: [&str; 3] = ["RED", "AMBER", "BLUE"];
/// Some are two forms of one word, where a language says so.
pub(super) const WORDS: [&str; 5] = ["alpha", "beta", "gamma", "alphas", "betas"];

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Id => "ID",
            Kind::Text => "String",
            Kind::Int => "Int",
            Kind::Big => "BigInt",
            Kind::Float => "Float",
            Kind::Bool => "Boolean",
            Kind::Time => "DateTime",
            Kind::Decimal => "Decimal",
            Kind::Enum => "Hue",
        }
    }

    /// Few values, so that some are equal.
    pub(super) fn value(self, random: &mut StdRng) -> Json {
        match self {
            Kind::Id => json!(format!("{}", random.random_range(0..7))),
            Kind::Text => json!(
                *["a", "B", "ä", "", "a'b", "z\u{1F600}", "\"q\\"]
                    .choose(random)
                    .expect("one")
            ),
            Kind::Int => json!(random.random_range(-2..4)),
            Kind::Big => json!(random.random_range(-2..4).to_string()),
            Kind::Float => json!(f64::from(random.random_range(-6..7)) / 4.0),
            Kind::Bool => json!(random.random_bool(0.5)),
            Kind::Time => json!(format!(
                "2026-03-{:02}T0{}:30:00Z",
                random.random_range(28..31),
                random.random_range(0..3)
            )),
            Kind::Decimal => json!((f64::from(random.random_range(-6..7)) / 4.0).to_string()),
            Kind::Enum => json!(*ENUM.choose(random).expect("one")),
        }
    }
}

/// A leaf of a type, or a member of a value: `v.g`.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum How {
    /// One row, by its `id` or its `slug`.
    One(&'static str),
    /// A list of rows by their `id`.
    List,
    /// The rows of the target whose field of that name leads here.
    Back(String),
    Nested,
    /// All rows that the field of that name leads to over any number of steps.
    Closure(String),
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub name: String,
    pub target: usize,
    pub how: How,
}

impl Link {
    pub(super) fn is_many(&self) -> bool {
        !matches!(self.how, How::One(_))
    }

    /// Whether groups compute something of the rows behind.
    pub(super) fn is_computed_of(&self) -> bool {
        self.is_many() && !matches!(self.how, How::Closure(_))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Type {
    pub name: String,
    pub leaves: Vec<Leaf>,
    /// Of these, what is searched.
    pub searched: bool,
    /// By the rules of a language.
    pub language: bool,
    pub links: Vec<Link>,
    /// Nested in rows of another type.
    pub nested: bool,
    pub rollups: Vec<Rolled>,
    /// Its rows are groups of those of another type.
    pub groups: Option<Grouped>,
}

impl Type {
    /// Whether a leaf is never null.
    pub(super) fn requires(&self, name: &str) -> bool {
        let rolled = self.rollups.iter().find(|rolled| rolled.leaf.name == name);
        matches!(name, "id" | "slug") || rolled.is_some_and(Rolled::is_required)
    }
}

/// A row: its leaves, the keys that its links hold, and for a nested one its owner and place.
#[derive(Clone, Debug, Default)]
pub(super) struct Mem {
    pub leaves: BTreeMap<String, Json>,
    pub keys: BTreeMap<String, Vec<String>>,
    pub owner: Option<(usize, usize)>,
}

#[derive(Clone)]
pub(super) struct World {
    pub types: Vec<Type>,
    pub rows: Vec<Vec<Mem>>,
    /// The moment by which its recent times were made.
    pub now: DateTime<Utc>,
}

impl World {
    pub(super) fn random(random: &mut StdRng) -> World {
        let names = ["Ant", "Bee", "Cat"];
        let count = random.random_range(2..=3);
        let mut types: Vec<Type> = names[..count].iter().map(|name| own(name, random)).collect();
        for at in 0..count {
            for (number, how) in [(0, How::One("id")), (1, How::One("slug")), (2, How::List)] {
                if random.random_bool(0.6) {
                    let target = random.random_range(0..count);
                    let name = format!("l{number}");
                    let back = format!("of{}{number}", types[at].name);
                    types[at].links.push(Link {
                        name: name.clone(),
                        target,
                        how,
                    });
                    types[target].links.push(Link {
                        name: back,
                        target: at,
                        how: How::Back(name),
                    });
                }
            }
            if random.random_bool(0.6) {
                let (name, target) = (format!("{}Part", types[at].name), types.len());
                let mut part = own(&name, random);
                part.nested = true;
                part.searched = false;
                part.leaves
                    .retain(|leaf| !matches!(leaf.name.as_str(), "id" | "slug" | "words"));
                if random.random_bool(0.6) {
                    let target = random.random_range(0..count);
                    part.links.push(Link {
                        name: "to".to_owned(),
                        target,
                        how: How::One("id"),
                    });
                    let (back, source) = (format!("in{name}"), types.len());
                    types[target].links.push(Link {
                        name: back,
                        target: source,
                        how: How::Back("to".to_owned()),
                    });
                }
                types[at].links.push(Link {
                    name: "parts".to_owned(),
                    target,
                    how: How::Nested,
                });
                types.push(part);
            }
        }
        computed::declare(&mut types, random);
        let rows = vec![Vec::new(); types.len()];
        let now = Utc::now().trunc_subsecs(0);
        let mut world = World { types, rows, now };
        world.fill(random);
        computed::fill(&mut world);
        world
    }

    fn fill(&mut self, random: &mut StdRng) {
        for at in 0..self.types.len() {
            if self.types[at].nested || self.types[at].groups.is_some() {
                continue;
            }
            for id in 0..random.random_range(2..7) {
                let mut row = self.row(at, random);
                row.leaves.insert("id".to_owned(), json!(id.to_string()));
                row.leaves.insert("slug".to_owned(), json!(format!("s{id}")));
                self.rows[at].push(row);
                let nested = self.types[at].links.iter().find(|link| link.how == How::Nested);
                let Some(target) = nested.map(|link| link.target) else {
                    continue;
                };
                for _ in 0..random.random_range(0..3) {
                    let mut part = self.row(target, random);
                    part.owner = Some((at, self.rows[at].len() - 1));
                    self.rows[target].push(part);
                }
            }
        }
    }

    /// Other rows of a type, some of which are as they were; what is computed of them follows.
    pub(super) fn change(&mut self, at: usize, random: &mut StdRng) {
        let nested = self.types[at].links.iter().find(|link| link.how == How::Nested);
        let nested = nested.map(|link| link.target);
        let old = std::mem::take(&mut self.rows[at]);
        let parts = nested.map(|target| std::mem::take(&mut self.rows[target]));
        for id in 0..7 {
            let known = old.iter().position(|row| row.leaves["id"] == json!(id.to_string()));
            if random.random_bool(if known.is_some() { 0.2 } else { 0.6 }) {
                continue;
            }
            let known = known.filter(|_| random.random_bool(0.5));
            let mut row = match known {
                Some(known) => old[known].clone(),
                None => self.row(at, random),
            };
            row.leaves.insert("id".to_owned(), json!(id.to_string()));
            row.leaves.insert("slug".to_owned(), json!(format!("s{id}")));
            self.rows[at].push(row);
            let (owner, Some(target)) = ((at, self.rows[at].len() - 1), nested) else {
                continue;
            };
            let count = random.random_range(0..3);
            let own: Vec<Mem> = match (known, &parts) {
                (Some(known), Some(parts)) => {
                    let own = parts.iter().filter(|part| part.owner == Some((at, known)));
                    own.cloned().collect()
                }
                _ => (0..count).map(|_| self.row(target, random)).collect(),
            };
            let own = own.into_iter().map(|part| Mem {
                owner: Some(owner),
                ..part
            });
            self.rows[target].extend(own);
        }
        computed::fill(self);
    }

    fn row(&self, at: usize, random: &mut StdRng) -> Mem {
        let mut row = Mem::default();
        let has_value = random.random_bool(0.8);
        for leaf in &self.types[at].leaves {
            let is_there = random.random_bool(0.7) && (has_value || !leaf.name.starts_with("v."));
            let value = match leaf.name.as_str() {
                "words" => {
                    let count = random.random_range(0..7);
                    let words: Vec<&str> = (0..count).map(|_| *WORDS.choose(random).expect("one")).collect();
                    json!(words.join(" "))
                }
                // Whole hours ago: half an hour is longer than any test.
                "w" => json!(
                    self.ago(60 * random.random_range(-1..4))
                        .to_rfc3339_opts(SecondsFormat::Secs, true)
                ),
                _ => leaf.kind.value(random),
            };
            row.leaves
                .insert(leaf.name.clone(), if is_there { value } else { Json::Null });
        }
        row.leaves.insert("v".to_owned(), json!(has_value));
        for link in &self.types[at].links {
            let count = match &link.how {
                How::One(_) => usize::from(random.random_bool(0.8)),
                How::List => random.random_range(0..4),
                How::Back(_) | How::Nested | How::Closure(_) => continue,
            };
            // Some of them lead nowhere.
            let key = |random: &mut StdRng| match link.how {
                How::One("slug") => format!("s{}", random.random_range(0..6)),
                _ => random.random_range(0..6).to_string(),
            };
            row.keys
                .insert(link.name.clone(), (0..count).map(|_| key(random)).collect());
        }
        row
    }

    pub(super) fn definition(&self) -> String {
        let has = |name: &str| {
            let mut all = self.types.iter().flat_map(|of| &of.leaves);
            all.any(|leaf| leaf.name == name)
        };
        let mut text = String::new();
        if has("e") {
            text.push_str("enum Hue { RED AMBER BLUE }\n");
        }
        if has("v.g") {
            text.push_str("type V { g: Int h: String }\n");
        }
        for of in &self.types {
            let filled = match &of.groups {
                Some(grouped) => format!(
                    "@rollup(of: \"{}\", by: [{}]) ",
                    self.types[grouped.of].name,
                    grouped.by()
                ),
                None if of.nested => String::new(),
                None => "@f ".to_owned(),
            };
            text.push_str(&format!("type {} {filled}{{\n", of.name));
            for leaf in &of.leaves {
                let name = &leaf.name;
                if let Some(rolled) = of.rollups.iter().find(|rolled| rolled.leaf.name == *name) {
                    text.push_str(&rolled.text());
                    continue;
                }
                match name.as_str() {
                    "id" => text.push_str("id: ID!\n"),
                    "slug" => text.push_str("slug: String! @unique\n"),
                    "words" if of.language => text.push_str("words: String @search(language: ENGLISH)\n"),
                    "words" => text.push_str("words: String @search\n"),
                    "v.g" => text.push_str("v: V\n"),
                    "v.h" => {}
                    _ => text.push_str(&format!("{name}: {}\n", leaf.kind.name())),
                }
            }
            for link in &of.links {
                let (name, target) = (&link.name, &self.types[link.target].name);
                text.push_str(&match &link.how {
                    How::One("slug") => format!("{name}: {target} @ref(jq: \".x\", by: \"slug\")\n"),
                    How::One(_) => format!("{name}: {target}\n"),
                    How::List => format!("{name}: [{target}!]! @ref(jq: \".x[]\")\n"),
                    How::Back(field) => format!("{name}: [{target}!]! @inverse(field: \"{field}\")\n"),
                    How::Nested => format!("{name}: [{target}!]! @nested(jq: \".n[]\")\n"),
                    How::Closure(link) => format!("{name}: [{target}!]! @closure(of: \"{link}\")\n"),
                });
            }
            text.push_str("}\n");
        }
        text
    }

    /// The types whose rows are loaded.
    pub(super) fn loaded_types(&self) -> impl Iterator<Item = (usize, &Type)> {
        let types = self.types.iter().enumerate();
        types.filter(|(_, of)| !of.nested && of.groups.is_none())
    }

    /// So many minutes before the world was made.
    pub(super) fn ago(&self, minutes: i64) -> DateTime<Utc> {
        self.now - TimeDelta::minutes(minutes)
    }

    /// The rows of a type as they are loaded.
    pub(super) fn load(&self, catalog: &Valid<Catalog>, at: usize) -> Vec<Row> {
        self.load_those(catalog, at, |_| true)
    }

    /// Some of them.
    pub(super) fn load_those(&self, catalog: &Valid<Catalog>, at: usize, which: impl Fn(usize) -> bool) -> Vec<Row> {
        let layout = Layout::of(catalog);
        (0..self.rows[at].len())
            .filter(|row| which(*row))
            .map(|row| self.loaded(catalog, &layout, at, row))
            .collect()
    }

    fn loaded(&self, catalog: &Catalog, layout: &Layout, at: usize, row: usize) -> Row {
        let id = catalog.entity_named(&self.types[at].name).expect("a type");
        let (entity, mem) = (catalog.entity(id), &self.rows[at][row]);
        let columns = layout.entity(id).table.columns.iter();
        let values = columns.map(|column| {
            let name = entity.field(column.field).name.as_str();
            if let Some(keys) = mem.keys.get(name) {
                return keys.first().map_or(Value::Null, |key| Value::Text(key.clone()));
            }
            if self.types[at].rollups.iter().any(|rolled| rolled.leaf.name == name) {
                return Value::Null;
            }
            match (name, column.kind) {
                ("v", ColumnKind::Document) if mem.leaves["v"] == json!(true) => {
                    let value = json!({ "g": mem.leaves["v.g"], "h": mem.leaves["v.h"] });
                    Value::Text(value.to_string())
                }
                ("v", ColumnKind::Document) => Value::Null,
                (name, kind) => match mem.leaves.get(name) {
                    Some(value) => stored(kind, value),
                    // The row that a nested one lies in.
                    None => mem
                        .owner
                        .map_or(Value::Null, |(at, row)| stored(kind, &self.rows[at][row].leaves["id"])),
                },
            }
        });
        let values = values.collect();
        let named = |field: &crate::catalog::Field| self.types[at].links.iter().find(|link| link.name == field.name);
        let lists = entity
            .fields
            .iter()
            .filter(|field| matches!(field.kind, FieldKind::Links { .. }));
        let links = lists.map(|field| mem.keys[&field.name].iter().map(Key::text).collect());
        let nested = entity
            .fields
            .iter()
            .filter(|field| matches!(field.kind, FieldKind::Nested { .. }));
        let children = nested.map(|field| {
            let target = named(field).expect("a link").target;
            let own = (0..self.rows[target].len()).filter(|part| self.rows[target][*part].owner == Some((at, row)));
            own.map(|part| self.loaded(catalog, layout, target, part)).collect()
        });
        let apart = layout.entity(id).apart();
        Row::beside(&apart, values, links.collect(), children.collect())
    }
}

/// The leaves of a type, some at random.
fn own(name: &str, random: &mut StdRng) -> Type {
    let mut leaves = vec![("id", Kind::Id), ("slug", Kind::Text)];
    let searched = random.random_bool(0.6);
    if searched {
        leaves.push(("words", Kind::Text));
    }
    let others = [
        ("t", Kind::Text),
        ("i", Kind::Int),
        ("f", Kind::Float),
        ("b", Kind::Bool),
        ("at", Kind::Time),
        ("w", Kind::Time),
        ("d", Kind::Decimal),
        ("e", Kind::Enum),
    ];
    leaves.extend(others.into_iter().filter(|_| random.random_bool(0.7)));
    leaves.push(("n", Kind::Int));
    if random.random_bool(0.5) {
        leaves.extend([("v.g", Kind::Int), ("v.h", Kind::Text)]);
    }
    let leaf = |(name, kind): (&str, Kind)| Leaf {
        name: name.to_owned(),
        kind,
    };
    Type {
        name: name.to_owned(),
        leaves: leaves.into_iter().map(leaf).collect(),
        searched,
        language: random.random_bool(0.4),
        links: Vec::new(),
        nested: false,
        rollups: Vec::new(),
        groups: None,
    }
}

fn stored(kind: ColumnKind, value: &Json) -> Value {
    match (kind, value) {
        (_, Json::Null) => Value::Null,
        (ColumnKind::Scalar(Scalar::Float), value) => Value::Float(value.as_f64().expect("a number")),
        (ColumnKind::Scalar(Scalar::DateTime), value) => {
            let text = value.as_str().expect("a time");
            Value::Text(text.replace('Z', ".000000Z"))
        }
        (_, Json::Bool(value)) => Value::Bool(*value),
        (_, Json::Number(value)) => Value::Int(value.as_i64().expect("a whole number")),
        (_, value) => Value::Text(value.as_str().expect("a text").to_owned()),
    }
}
