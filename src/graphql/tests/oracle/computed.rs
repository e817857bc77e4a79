//! What a random world has that nobody loads: rollups, groups with rows of their own, closures.
//! Knows how it is declared; its values come of the naive evaluator.

use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::{
    ask::{Cond, Sum},
    naive::Naive,
    world::{How, Kind, Leaf, Link, Mem, Type, World},
};

/// A leaf that is computed of other rows.
#[derive(Clone, Debug)]
pub(super) struct Rolled {
    pub leaf: Leaf,
    /// The field of many rows; none: of the rows of the group.
    link: Option<String>,
    function: &'static str,
    of: Option<Leaf>,
    /// Of those rows whose `n` is positive.
    positive: bool,
}

/// What the rows of a type are groups of: the leaves of that type, and those that keep them.
#[derive(Clone, Debug)]
pub(super) struct Grouped {
    pub of: usize,
    by: Vec<(Leaf, Leaf)>,
}

impl Rolled {
    pub(super) fn is_required(&self) -> bool {
        matches!(self.function, "COUNT" | "EXISTS" | "COUNT_DISTINCT")
    }

    pub(super) fn text(&self) -> String {
        let mut arguments = Vec::new();
        arguments.extend(self.link.as_ref().map(|link| format!("of: \"{link}\"")));
        arguments.push(format!("fn: {}", self.function));
        arguments.extend(self.of.as_ref().map(|of| format!("field: \"{}\"", of.name)));
        arguments.extend(self.positive.then(|| "where: {n: {gt: 0}}".to_owned()));
        let required = if self.is_required() { "!" } else { "" };
        let (name, kind) = (&self.leaf.name, self.leaf.kind.name());
        format!("{name}: {kind}{required} @rollup({})\n", arguments.join(", "))
    }

    fn random(number: usize, link: Option<String>, target: &Type, random: &mut StdRng) -> Rolled {
        let fits = |kinds: &[Kind]| -> Vec<Leaf> {
            let leaves = target.recorded();
            leaves.filter(|leaf| kinds.contains(&leaf.kind)).cloned().collect()
        };
        let functions = ["COUNT", "EXISTS", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"];
        let function = *functions.choose(random).expect("one");
        let leaves = match function {
            "COUNT" | "EXISTS" => Vec::new(),
            "COUNT_DISTINCT" => fits(&[Kind::Text, Kind::Int, Kind::Bool, Kind::Enum, Kind::Time]),
            "SUM" => fits(&[Kind::Int, Kind::Float, Kind::Decimal]),
            "AVG" => fits(&[Kind::Int, Kind::Float]),
            _ => fits(&[Kind::Int, Kind::Float, Kind::Decimal, Kind::Text, Kind::Time]),
        };
        let of = leaves.choose(random).cloned();
        let kind = match (function, &of) {
            ("COUNT" | "COUNT_DISTINCT", _) => Kind::Int,
            ("EXISTS", _) => Kind::Bool,
            ("AVG", _) => Kind::Float,
            ("SUM", Some(of)) if of.kind == Kind::Int => Kind::Big,
            (_, of) => of.as_ref().expect("a leaf").kind,
        };
        let leaf = Leaf {
            name: format!("r{number}"),
            kind,
        };
        let positive = random.random_bool(0.4);
        Rolled {
            leaf,
            link,
            function,
            of,
            positive,
        }
    }
}

impl Grouped {
    pub(super) fn by(&self) -> String {
        let by = self.by.iter().map(|(own, of)| format!("\"{}: {}\"", own.name, of.name));
        by.collect::<Vec<_>>().join(", ")
    }
}

impl Type {
    /// The leaves that a record says, by which rollups go.
    fn recorded(&self) -> impl Iterator<Item = &Leaf> {
        let names = ["t", "i", "f", "b", "at", "d", "e", "n"];
        self.leaves
            .iter()
            .filter(move |leaf| names.contains(&leaf.name.as_str()))
    }
}

/// Declares what is computed, once there are types and links.
pub(super) fn declare(types: &mut Vec<Type>, random: &mut StdRng) {
    for at in 0..types.len() {
        if types[at].nested {
            continue;
        }
        let links = types[at].links.clone();
        for link in links.iter().filter(|link| link.is_many()) {
            if random.random_bool(0.4) {
                let number = types[at].rollups.len();
                let rolled = Rolled::random(number, Some(link.name.clone()), &types[link.target], random);
                types[at].leaves.push(rolled.leaf.clone());
                types[at].rollups.push(rolled);
            }
        }
        for link in links.iter().filter(|link| link.target == at && link.how != How::Nested) {
            if random.random_bool(0.8) {
                types[at].links.push(Link {
                    name: format!("all{}", link.name),
                    target: at,
                    how: How::Closure(link.name.clone()),
                });
            }
        }
    }
    for of in 0..types.len() {
        if random.random_bool(0.4) {
            let groups = groups(&types[of], of, random);
            types.push(groups);
        }
    }
}

fn groups(source: &Type, of: usize, random: &mut StdRng) -> Type {
    let kinds = [Kind::Text, Kind::Int, Kind::Bool, Kind::Enum];
    let fit = source.recorded().filter(|leaf| kinds.contains(&leaf.kind));
    let mut by: Vec<(Leaf, Leaf)> = Vec::new();
    for leaf in fit {
        if by.len() < 2 && random.random_bool(0.4) {
            let own = Leaf {
                name: format!("k{}", leaf.name),
                kind: leaf.kind,
            };
            by.push((own, leaf.clone()));
        }
    }
    let count = Rolled {
        leaf: Leaf {
            name: "n".to_owned(),
            kind: Kind::Int,
        },
        link: None,
        function: "COUNT",
        of: None,
        positive: false,
    };
    let more = (0..random.random_range(0..3)).map(|number| Rolled::random(number, None, source, random));
    let rollups: Vec<Rolled> = std::iter::once(count).chain(more).collect();
    let id = Leaf {
        name: "id".to_owned(),
        kind: Kind::Id,
    };
    let kept = by.iter().map(|(own, _)| own.clone());
    let leaves = std::iter::once(id).chain(kept);
    Type {
        name: format!("{}Sums", source.name),
        leaves: leaves.chain(rollups.iter().map(|rolled| rolled.leaf.clone())).collect(),
        searched: false,
        language: false,
        links: Vec::new(),
        nested: false,
        rollups,
        groups: Some(Grouped { of, by }),
    }
}

/// Computes all of it of the rows that are there.
pub(super) fn fill(world: &mut World) {
    for at in 0..world.types.len() {
        for rolled in world.types[at].rollups.clone() {
            if let Some(name) = &rolled.link {
                let link = world.types[at].links.iter().position(|link| link.name == *name);
                let link = link.expect("a link");
                for row in 0..world.rows[at].len() {
                    let value = value(world, Naive(world).behind((at, row), link), &rolled);
                    world.rows[at][row].leaves.insert(rolled.leaf.name.clone(), value);
                }
            }
        }
        if let Some(grouped) = world.types[at].groups.clone() {
            world.rows[at] = rows(world, at, &grouped);
        }
    }
}

/// A row: its type, and which of its rows.
type At = (usize, usize);

/// A group in the making.
struct Group {
    key: String,
    values: Vec<Json>,
    rows: Vec<At>,
}

fn rows(world: &World, at: usize, grouped: &Grouped) -> Vec<Mem> {
    let mut all: Vec<Group> = Vec::new();
    for (number, row) in world.rows[grouped.of].iter().enumerate() {
        let values: Vec<Json> = grouped.by.iter().map(|(_, of)| row.leaves[&of.name].clone()).collect();
        let key = Json::Array(values.clone()).to_string();
        let row = (grouped.of, number);
        match all.iter_mut().find(|group| group.key == key) {
            Some(group) => group.rows.push(row),
            None => all.push(Group {
                key,
                values,
                rows: vec![row],
            }),
        }
    }
    all.sort_by(|one, other| one.key.cmp(&other.key));
    let row = |group: Group| {
        let mut mem = Mem::default();
        mem.leaves.insert("id".to_owned(), json!(group.key));
        for ((own, _), value) in grouped.by.iter().zip(group.values) {
            mem.leaves.insert(own.name.clone(), value);
        }
        for rolled in &world.types[at].rollups {
            let value = value(world, group.rows.clone(), rolled);
            mem.leaves.insert(rolled.leaf.name.clone(), value);
        }
        mem
    };
    all.into_iter().map(row).collect()
}

fn value(world: &World, mut rows: Vec<At>, rolled: &Rolled) -> Json {
    let naive = Naive(world);
    let n = Leaf {
        name: "n".to_owned(),
        kind: Kind::Int,
    };
    let positive = Cond::Leaf(n, "gt", vec![json!(0)]);
    rows.retain(|row| !rolled.positive || naive.holds(*row, &positive));
    let function = match rolled.function {
        "COUNT" => return json!(rows.len()),
        "EXISTS" => return json!(!rows.is_empty()),
        "COUNT_DISTINCT" => "countDistinct",
        "SUM" => "sum",
        "AVG" => "avg",
        "MIN" => "min",
        _ => "max",
    };
    naive.sum(&rows, &Sum::Of(function, rolled.of.clone().expect("a leaf")))
}
