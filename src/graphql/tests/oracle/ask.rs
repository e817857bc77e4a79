//! Operations at random over a world, as data. Knows no row and no GraphQL.

use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value as Json, json};

use super::world::{How, Kind, Leaf, World};

/// Levels of selections and of conditions.
const DEPTH: usize = 3;

/// A condition on a row.
#[derive(Clone, Debug)]
pub(super) enum Cond {
    All(Vec<Cond>),
    Any(Vec<Cond>),
    Not(Box<Cond>),
    Leaf(Leaf, &'static str, Vec<Json>),
    IsNull(String, bool),
    /// At most so many minutes ago, or longer.
    Ago(String, &'static str, i64),
    /// The key that a link holds, by the name of its member.
    Key {
        member: String,
        link: usize,
        is: String,
    },
    One(usize, Box<Cond>),
    Gone(usize, bool),
    Many(usize, &'static str, Box<Cond>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Order {
    Leaf(Vec<usize>, Leaf, Way),
    Count(usize, Way),
}

/// Which rows, in which order, and how many.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub cond: Option<Cond>,
    pub search: Vec<Word>,
    pub order: Vec<Order>,
    pub first: Option<usize>,
    pub last: Option<usize>,
    pub offset: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Word {
    Has(&'static str),
    Begins(&'static str),
    Lacks(&'static str),
    Phrase(&'static str, &'static str),
}

/// Something computed of rows: of a leaf, or their number.
#[derive(Clone, Debug)]
pub(super) enum Sum {
    Count,
    Of(&'static str, Leaf),
}

#[derive(Clone, Debug)]
pub(super) enum Ask {
    Leaf(String),
    Value,
    /// Where something of the search stands, with so many words around it.
    Matches(Vec<Word>, Option<usize>),
    One(usize, Vec<Ask>),
    Many(usize, Rows, Vec<Ask>),
    Pages(usize, Rows, Pages),
}

#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub nodes: Vec<Ask>,
    pub sums: Vec<Sum>,
}

#[derive(Clone, Debug)]
pub(super) enum GroupBy {
    Leaf(Vec<usize>, Leaf),
    Row(Vec<usize>, usize),
    /// The key that a link holds.
    Held(Vec<usize>, usize),
}

/// Rows behind a link of those in a group.
#[derive(Clone, Debug)]
pub(super) struct Beside {
    pub link: usize,
    pub cond: Option<Cond>,
    pub sums: Vec<Sum>,
}

#[derive(Clone, Debug)]
pub(super) enum GroupOrder {
    Key(usize, Way),
    Sum(Option<usize>, Sum, Way),
}

#[derive(Clone, Debug)]
pub(super) struct Groups {
    pub rows: Rows,
    pub by: Vec<GroupBy>,
    pub sums: Vec<Sum>,
    pub beside: Vec<Beside>,
    /// A sum is greater than a number.
    pub having: Option<(Option<usize>, Sum, Json)>,
    pub order: Vec<GroupOrder>,
}

#[derive(Clone, Debug)]
pub(super) enum Root {
    Single(usize, String, Vec<Ask>),
    Many(usize, Rows, Vec<Ask>),
    Pages(usize, Rows, Pages),
    Groups(usize, Groups),
    /// By its own id among all rows.
    Node(usize, String, Vec<Ask>),
}

impl Root {
    /// The type of its rows.
    pub(super) fn of(&self) -> usize {
        let (Root::Single(of, ..)
        | Root::Many(of, ..)
        | Root::Pages(of, ..)
        | Root::Groups(of, ..)
        | Root::Node(of, ..)) = self;
        *of
    }
}

pub(super) struct Maker<'w> {
    pub world: &'w World,
    pub random: &'w mut StdRng,
}

impl Maker<'_> {
    pub(super) fn root(&mut self) -> Root {
        let of = self.random.random_range(0..self.world.types.len());
        match self.random.random_range(0..10) {
            0 if !self.world.types[of].nested => Root::Single(of, self.id(of), self.asks(of, 0)),
            9 if !self.world.types[of].nested => Root::Node(of, self.id(of), self.asks(of, 0)),
            0..4 => {
                let rows = self.rows(of, false);
                let asks = self.asks_of(&rows, of, 0);
                Root::Many(of, rows, asks)
            }
            4..6 => {
                let rows = self.rows(of, true);
                let pages = self.pages(&rows, of, 0);
                Root::Pages(of, rows, pages)
            }
            _ => Root::Groups(of, self.groups(of)),
        }
    }

    /// That of a row, or of none.
    fn id(&mut self, of: usize) -> String {
        let there = self.world.rows[of].iter();
        let there: Vec<String> = there
            .filter_map(|row| row.leaves["id"].as_str().map(str::to_owned))
            .collect();
        let none = self.random.random_range(0..8).to_string();
        self.some(&there)
            .filter(|_| self.random.random_bool(0.7))
            .unwrap_or(none)
    }

    pub(super) fn some<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        all.choose(self.random).cloned()
    }

    fn way(&mut self) -> Way {
        Way {
            descending: self.random.random_bool(0.5),
            nulls_first: self.random.random_bool(0.3),
        }
    }

    fn rows(&mut self, of: usize, pages: bool) -> Rows {
        let mut rows = Rows::default();
        if self.random.random_bool(0.6) {
            rows.cond = Some(self.cond(of, 0));
        }
        rows.order = self.orders(of);
        // The best ones come first, where there is no other order.
        if self.world.types[of].searched && self.random.random_bool(0.3) {
            rows.search = self.words();
            if self.random.random_bool(0.6) {
                rows.order.clear();
            }
            // What is best among several forms is said elsewhere.
            if self.world.types[of].language && rows.order.is_empty() {
                rows.order = vec![self.order(of)];
            }
        }
        let count = self.random.random_bool(0.4).then(|| self.random.random_range(0..4));
        match pages && self.random.random_bool(0.5) {
            true => rows.last = count,
            false => rows.first = count,
        }
        if !pages && self.random.random_bool(0.2) {
            rows.offset = Some(self.random.random_range(0..3));
        }
        rows
    }

    pub(super) fn orders(&mut self, of: usize) -> Vec<Order> {
        (0..self.random.random_range(0..3)).map(|_| self.order(of)).collect()
    }

    /// Some links to one row, one after the other, and the type at the end.
    fn path(&mut self, of: usize) -> (Vec<usize>, usize) {
        let (mut way, mut at) = (Vec::new(), of);
        while way.len() < 2 && self.random.random_bool(0.4) {
            let Some(link) = self.link(at, false) else {
                break;
            };
            way.push(link);
            at = self.world.types[at].links[link].target;
        }
        (way, at)
    }

    fn link(&mut self, of: usize, many: bool) -> Option<usize> {
        let links = self.world.types[of].links.iter().enumerate();
        let fit: Vec<usize> = links
            .filter(|(_, link)| link.is_many() == many)
            .map(|(at, _)| at)
            .collect();
        self.some(&fit)
    }

    /// A link to many rows of which groups compute something.
    fn counted(&mut self, of: usize) -> Option<usize> {
        let links = self.world.types[of].links.iter().enumerate();
        let fit: Vec<usize> = links
            .filter(|(_, link)| link.is_computed_of())
            .map(|(at, _)| at)
            .collect();
        self.some(&fit)
    }

    fn leaf(&mut self, of: usize, fits: impl Fn(Kind) -> bool) -> Option<Leaf> {
        let leaves = self.world.types[of].leaves.iter();
        let fit: Vec<Leaf> = leaves.filter(|leaf| fits(leaf.kind)).cloned().collect();
        self.some(&fit)
    }

    fn order(&mut self, of: usize) -> Order {
        let many = self.random.random_bool(0.2).then(|| self.link(of, true)).flatten();
        if let Some(link) = many {
            return Order::Count(link, self.way());
        }
        let (path, at) = self.path(of);
        let leaf = self.leaf(at, |_| true).expect("a leaf");
        Order::Leaf(path, leaf, self.way())
    }

    fn cond(&mut self, of: usize, depth: usize) -> Cond {
        let below = |maker: &mut Self| {
            let count = maker.random.random_range(0..3);
            (0..count).map(|_| maker.cond(of, depth + 1)).collect()
        };
        match self.random.random_range(0..12) {
            0 if depth < DEPTH => Cond::All(below(self)),
            1 if depth < DEPTH => Cond::Any(below(self)),
            2 if depth < DEPTH => Cond::Not(Box::new(self.cond(of, depth + 1))),
            3..5 if depth < DEPTH => self.one(of, depth).unwrap_or_else(|| self.test(of)),
            5..8 if depth < DEPTH => match self.link(of, true) {
                Some(link) => {
                    let target = self.world.types[of].links[link].target;
                    let quantifier = self.some(&["some", "every", "none"]).expect("one");
                    Cond::Many(link, quantifier, Box::new(self.cond(target, depth + 1)))
                }
                None => self.test(of),
            },
            _ => self.test(of),
        }
    }

    fn one(&mut self, of: usize, depth: usize) -> Option<Cond> {
        let at = self.link(of, false)?;
        let link = &self.world.types[of].links[at];
        let (target, How::One(by)) = (link.target, &link.how) else {
            return None;
        };
        Some(match self.random.random_range(0..4) {
            0 => Cond::Gone(at, self.random.random_bool(0.5)),
            1 => {
                let (suffix, before) = if *by == "id" { ("Id", "") } else { ("Slug", "s") };
                let is = format!("{before}{}", self.random.random_range(0..6));
                Cond::Key {
                    member: format!("{}{suffix}", link.name),
                    link: at,
                    is,
                }
            }
            _ => Cond::One(at, Box::new(self.cond(target, depth + 1))),
        })
    }

    fn test(&mut self, of: usize) -> Cond {
        let leaf = self.leaf(of, |_| true).expect("a leaf");
        if leaf.name == "w" && self.random.random_bool(0.6) {
            let minutes = 60 * self.random.random_range(0..4) + 30;
            return Cond::Ago(leaf.name, self.some(&["since", "until"]).expect("one"), minutes);
        }
        if !self.world.types[of].requires(&leaf.name) && self.random.random_bool(0.2) {
            return Cond::IsNull(leaf.name, self.random.random_bool(0.5));
        }
        let operators: &[&'static str] = match leaf.kind {
            Kind::Id | Kind::Bool | Kind::Enum => &["eq", "ne", "in", "notIn"],
            Kind::Text => &[
                "eq",
                "ne",
                "in",
                "notIn",
                "gt",
                "lte",
                "contains",
                "startsWith",
                "endsWith",
            ],
            Kind::Int | Kind::Big | Kind::Float | Kind::Time | Kind::Decimal => {
                &["eq", "ne", "in", "notIn", "gt", "gte", "lt", "lte"]
            }
        };
        let operator = self.some(operators).expect("one");
        let count = match operator {
            "in" | "notIn" => self.random.random_range(0..3),
            _ => 1,
        };
        let values = (0..count).map(|_| leaf.kind.value(self.random)).collect();
        Cond::Leaf(leaf, operator, values)
    }

    pub(super) fn asks(&mut self, of: usize, depth: usize) -> Vec<Ask> {
        let world = self.world;
        let mut all = Vec::new();
        for leaf in &world.types[of].leaves {
            if self.random.random_bool(0.3) {
                all.push(match leaf.name.as_str() {
                    "v.g" => Ask::Value,
                    "v.h" => continue,
                    name => Ask::Leaf(name.to_owned()),
                });
            }
        }
        for (at, link) in world.types[of].links.iter().enumerate() {
            if depth >= DEPTH || !self.random.random_bool(0.35) {
                continue;
            }
            all.push(match (link.is_many(), self.random.random_bool(0.3)) {
                (false, _) => Ask::One(at, self.asks(link.target, depth + 1)),
                (true, true) => {
                    let rows = self.rows(link.target, true);
                    let pages = self.pages(&rows, link.target, depth + 1);
                    Ask::Pages(at, rows, pages)
                }
                (true, false) => {
                    let rows = self.rows(link.target, false);
                    let asks = self.asks_of(&rows, link.target, depth + 1);
                    Ask::Many(at, rows, asks)
                }
            });
        }
        if all.is_empty() {
            all.push(Ask::Leaf("n".to_owned()));
        }
        all
    }

    fn pages(&mut self, rows: &Rows, of: usize, depth: usize) -> Pages {
        Pages {
            nodes: self.asks_of(rows, of, depth + 1),
            sums: self.sums(of),
        }
    }

    fn sums(&mut self, of: usize) -> Vec<Sum> {
        (0..self.random.random_range(1..4)).map(|_| self.sum(of)).collect()
    }

    fn sum(&mut self, of: usize) -> Sum {
        let function = self
            .some(&["count", "countDistinct", "sum", "avg", "min", "max"])
            .expect("one");
        let fits = |kind: Kind| match function {
            "sum" => matches!(kind, Kind::Int | Kind::Big | Kind::Float | Kind::Decimal),
            "avg" => matches!(kind, Kind::Int | Kind::Float),
            "min" | "max" => !matches!(kind, Kind::Id | Kind::Bool | Kind::Enum),
            _ => true,
        };
        match self.leaf(of, fits) {
            Some(leaf) if function != "count" => Sum::Of(function, leaf),
            _ => Sum::Count,
        }
    }

    fn groups(&mut self, of: usize) -> Groups {
        let mut rows = self.rows(of, false);
        rows.order.clear();
        let mut by: Vec<GroupBy> = Vec::new();
        for _ in 0..self.random.random_range(1..3) {
            let (path, at) = self.path(of);
            let key = match self.random.random_bool(0.3).then(|| self.link(at, false)).flatten() {
                Some(link) if self.random.random_bool(0.5) => GroupBy::Held(path, link),
                Some(link) => GroupBy::Row(path, link),
                None => GroupBy::Leaf(path, self.leaf(at, |kind| kind != Kind::Time).expect("a leaf")),
            };
            let said = format!("{key:?}");
            if by.iter().all(|known| format!("{known:?}") != said) {
                by.push(key);
            }
        }
        let mut beside = Vec::new();
        for _ in 0..self.random.random_range(0..3) {
            if let Some(link) = self.counted(of) {
                let target = self.world.types[of].links[link].target;
                let cond = self.random.random_bool(0.4).then(|| self.cond(target, 1));
                beside.push(Beside {
                    link,
                    cond,
                    sums: self.sums(target),
                });
            }
        }
        let having = self.random.random_bool(0.4).then(|| {
            let (at, of) = self.of_which(of);
            let sum = match self
                .leaf(of, |kind| kind == Kind::Int)
                .filter(|_| self.random.random_bool(0.6))
            {
                Some(leaf) => Sum::Of("max", leaf),
                None => Sum::Count,
            };
            (at, sum, json!(self.random.random_range(0..3)))
        });
        let mut order = Vec::new();
        for _ in 0..self.random.random_range(0..3) {
            order.push(match self.random.random_bool(0.5) {
                true => {
                    let leaf = |at: &usize| !matches!(by[*at], GroupBy::Row(..));
                    let keys: Vec<usize> = (0..by.len()).filter(leaf).collect();
                    match self.some(&keys) {
                        Some(key) => GroupOrder::Key(key, self.way()),
                        None => GroupOrder::Sum(None, Sum::Count, self.way()),
                    }
                }
                false => {
                    let (at, of) = self.of_which(of);
                    let sum = self.sum(of);
                    GroupOrder::Sum(at, sum, self.way())
                }
            });
        }
        Groups {
            rows,
            by,
            sums: self.sums(of),
            beside,
            having,
            order,
        }
    }

    /// The rows of the group, or those behind one of its links.
    fn of_which(&mut self, of: usize) -> (Option<usize>, usize) {
        match self.random.random_bool(0.5).then(|| self.counted(of)).flatten() {
            Some(link) => (Some(link), self.world.types[of].links[link].target),
            None => (None, of),
        }
    }
}
