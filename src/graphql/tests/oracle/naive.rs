//! What an operation should answer, worked out of rows in memory in the plainest way. Knows what the
//! documents promise; no planner and no SQL.

use std::{cmp::Ordering, collections::BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::{
    ask::{Ask, Cond, GroupBy, GroupOrder, Groups, Order, Pages, Root, Rows, Sum, Way},
    text::Text,
    world::{ENUM, How, Kind, Leaf, World},
};

/// A row: its type, and which of its rows.
type At = (usize, usize);

pub(super) struct Naive<'w>(pub &'w World);

impl Naive<'_> {
    pub(super) fn root(&self, root: &Root) -> Json {
        let all = |of: usize| (0..self.0.rows[of].len()).map(|row| (of, row)).collect::<Vec<At>>();
        match root {
            Root::Single(of, id, asks) | Root::Node(of, id, asks) => {
                let found = all(*of).into_iter().find(|at| self.leaf(*at, "id") == json!(id));
                found.map_or(Json::Null, |at| self.asks(at, asks))
            }
            Root::Many(of, rows, asks) => {
                let rows = self.cut(self.sorted(self.met(all(*of), rows), rows, false), rows);
                rows.into_iter().map(|at| self.asks(at, asks)).collect()
            }
            Root::Pages(of, rows, pages) => self.pages(all(*of), rows, pages, false),
            Root::Groups(of, groups) => self.groups(*of, self.met(all(*of), &groups.rows), groups),
        }
    }

    pub(super) fn leaf(&self, (of, row): At, name: &str) -> Json {
        self.0.rows[of][row].leaves.get(name).cloned().unwrap_or_default()
    }

    /// The rows that a link leads to, in the order of its list.
    pub(super) fn behind(&self, (of, row): At, link: usize) -> Vec<At> {
        let link = &self.0.types[of].links[link];
        let there = || (0..self.0.rows[link.target].len()).map(|row| (link.target, row));
        let keys = |at: At, name: &str| self.0.rows[at.0][at.1].keys[name].clone();
        match &link.how {
            How::One(_) | How::List => {
                let by = if link.how == How::One("slug") { "slug" } else { "id" };
                let found = keys((of, row), &link.name).into_iter();
                found
                    .filter_map(|key| there().find(|at| self.leaf(*at, by) == json!(key)))
                    .collect()
            }
            How::Back(field) => {
                let back = self.0.types[link.target].links.iter().find(|link| link.name == *field);
                let by = if back.expect("a link").how == How::One("slug") {
                    "slug"
                } else {
                    "id"
                };
                let own = self.leaf((of, row), by);
                there()
                    .filter(|at| keys(*at, field).iter().any(|key| own == json!(key)))
                    .collect()
            }
            How::Closure(step) => {
                let links = &self.0.types[of].links;
                let step = links.iter().position(|link| link.name == *step).expect("a link");
                let (mut found, mut open) = (BTreeSet::new(), vec![(of, row)]);
                while let Some(at) = open.pop() {
                    open.extend(self.behind(at, step).into_iter().filter(|at| found.insert(*at)));
                }
                found.into_iter().collect()
            }
            How::Nested => there()
                .filter(|at| self.0.rows[at.0][at.1].owner == Some((of, row)))
                .collect(),
        }
    }

    fn at_end(&self, at: At, path: &[usize]) -> Option<At> {
        path.iter()
            .try_fold(at, |at, link| self.behind(at, *link).into_iter().next())
    }

    fn value(&self, at: At, path: &[usize], name: &str) -> Json {
        self.at_end(at, path).map_or(Json::Null, |at| self.leaf(at, name))
    }

    fn met(&self, all: Vec<At>, rows: &Rows) -> Vec<At> {
        let fits = |at: &At| {
            rows.cond.as_ref().is_none_or(|cond| self.holds(*at, cond))
                && (rows.search.is_empty() || self.found(*at, &rows.search))
        };
        all.into_iter().filter(fits).collect()
    }

    pub(super) fn holds(&self, at: At, cond: &Cond) -> bool {
        match cond {
            Cond::All(all) => all.iter().all(|cond| self.holds(at, cond)),
            Cond::Any(all) => all.iter().any(|cond| self.holds(at, cond)),
            Cond::Not(cond) => !self.holds(at, cond),
            Cond::Leaf(leaf, operator, values) => compares(leaf.kind, &self.leaf(at, &leaf.name), operator, values),
            Cond::IsNull(name, is) => self.leaf(at, name).is_null() == *is,
            Cond::Ago(name, operator, minutes) => {
                let value = self.leaf(at, name);
                let value = value.as_str().and_then(|text| text.parse::<DateTime<Utc>>().ok());
                let is_since = value.map(|value| value >= self.0.ago(*minutes));
                is_since.is_some_and(|is_since| is_since == (*operator == "since"))
            }
            Cond::Key { link, is, .. } => {
                let name = &self.0.types[at.0].links[*link].name;
                self.0.rows[at.0][at.1].keys[name].first() == Some(is)
            }
            Cond::One(link, cond) => self.behind(at, *link).first().is_some_and(|at| self.holds(*at, cond)),
            Cond::Gone(link, is) => self.behind(at, *link).is_empty() == *is,
            Cond::Many(link, quantifier, cond) => {
                let mut all = self.behind(at, *link).into_iter();
                match *quantifier {
                    "some" => all.any(|at| self.holds(at, cond)),
                    "every" => all.all(|at| self.holds(at, cond)),
                    _ => !all.any(|at| self.holds(at, cond)),
                }
            }
        }
    }

    /// In the order that is asked for, or of the list that leads here; the key breaks ties.
    fn sorted(&self, mut all: Vec<At>, rows: &Rows, is_list: bool) -> Vec<At> {
        if rows.order.is_empty() && rows.search.is_empty() && is_list {
            return all;
        }
        // Rows of one type are in memory in the order of their keys.
        let key = |(_, row): &At| *row;
        all.sort_by(|one, other| {
            let orders = rows.order.iter().map(|order| match order {
                Order::Count(link, way) => {
                    let count = |at: &At| json!(self.behind(*at, *link).len());
                    ordered(Kind::Int, &count(one), &count(other), *way)
                }
                Order::Leaf(path, leaf, way) => {
                    let value = |at: &At| self.value(*at, path, &leaf.name);
                    ordered(leaf.kind, &value(one), &value(other), *way)
                }
            });
            let rank = || match rows.order.is_empty() {
                true => self.rank(*other, &rows.search).cmp(&self.rank(*one, &rows.search)),
                false => Ordering::Equal,
            };
            orders
                .fold(Ordering::Equal, Ordering::then)
                .then_with(rank)
                .then(key(one).cmp(&key(other)))
        });
        all
    }

    fn cut(&self, mut all: Vec<At>, rows: &Rows) -> Vec<At> {
        all.drain(..rows.offset.unwrap_or(0).min(all.len()));
        all.truncate(rows.first.unwrap_or(usize::MAX));
        all.drain(..all.len() - rows.last.unwrap_or(usize::MAX).min(all.len()));
        all
    }

    fn asks(&self, at: At, asks: &[Ask]) -> Json {
        let members = asks.iter().enumerate().map(|(number, ask)| {
            let value = match ask {
                Ask::Leaf(name) => self.leaf(at, name),
                Ask::Value => match self.leaf(at, "v") == json!(true) {
                    true => json!({ "g": self.leaf(at, "v.g"), "h": self.leaf(at, "v.h") }),
                    false => Json::Null,
                },
                Ask::Matches(search, words) => self.excerpts(at, search, words.unwrap_or(usize::MAX)),
                Ask::One(link, asks) => {
                    let row = self.behind(at, *link).into_iter().next();
                    row.map_or(Json::Null, |row| self.asks(row, asks))
                }
                Ask::Many(link, rows, asks) => {
                    let all = self.sorted(self.met(self.behind(at, *link), rows), rows, self.is_list(at, *link));
                    self.cut(all, rows)
                        .into_iter()
                        .map(|row| self.asks(row, asks))
                        .collect()
                }
                Ask::Pages(link, rows, pages) => {
                    self.pages(self.behind(at, *link), rows, pages, self.is_list(at, *link))
                }
            };
            (format!("k{number}"), value)
        });
        Json::Object(members.collect())
    }

    fn is_list(&self, (of, _): At, link: usize) -> bool {
        matches!(self.0.types[of].links[link].how, How::List | How::Nested)
    }

    fn pages(&self, all: Vec<At>, rows: &Rows, pages: &Pages, is_list: bool) -> Json {
        let met = self.met(all, rows);
        let page = self.cut(self.sorted(met.clone(), rows, is_list), rows);
        let more = |size: Option<usize>| size.is_some_and(|size| met.len() > size);
        json!({
            "totalCount": met.len(),
            "nodes": page.iter().map(|at| self.asks(*at, &pages.nodes)).collect::<Vec<_>>(),
            "aggregate": self.sums(&met, &pages.sums),
            "pageInfo": { "hasNextPage": more(rows.first), "hasPreviousPage": more(rows.last) },
        })
    }

    fn sums(&self, rows: &[At], sums: &[Sum]) -> Json {
        let members = sums.iter().enumerate().map(|(at, sum)| {
            let value = match sum {
                Sum::Count => json!(rows.len()),
                Sum::Of(_, leaf) => match leaf.name.split_once('.') {
                    Some((value, name)) => json!({ value: { name: self.sum(rows, sum) } }),
                    None => json!({ leaf.name.as_str(): self.sum(rows, sum) }),
                },
            };
            (format!("s{at}"), value)
        });
        Json::Object(members.collect())
    }

    pub(super) fn sum(&self, rows: &[At], sum: &Sum) -> Json {
        let Sum::Of(function, leaf) = sum else {
            return json!(rows.len());
        };
        let values = rows.iter().map(|at| self.leaf(*at, &leaf.name));
        let mut values: Vec<Json> = values.filter(|value| !value.is_null()).collect();
        values.sort_by(|one, other| compared(leaf.kind, one, other));
        if *function == "countDistinct" {
            values.dedup_by(|one, other| compared(leaf.kind, one, other).is_eq());
            return json!(values.len());
        }
        let (Some(least), Some(greatest)) = (values.first(), values.last()) else {
            return Json::Null;
        };
        // All numbers are quarters: their sums are exact.
        let total = || values.iter().map(number).sum::<f64>();
        match (*function, leaf.kind) {
            ("min", _) => least.clone(),
            ("max", _) => greatest.clone(),
            ("sum", Kind::Float) => json!(total()),
            ("sum", _) => json!((total() + 0.0).to_string()),
            _ => json!(total() / values.len() as f64),
        }
    }

    fn groups(&self, of: usize, rows: Vec<At>, groups: &Groups) -> Json {
        let mut all: Vec<(Vec<Json>, Vec<At>)> = Vec::new();
        for row in rows {
            let keys: Vec<Json> = groups.by.iter().map(|key| self.key(row, key)).collect();
            let is_same = |known: &Vec<Json>| {
                let pairs = known.iter().zip(&keys).zip(&groups.by);
                pairs.into_iter().all(|((one, other), key)| same(kind(key), one, other))
            };
            match all.iter_mut().find(|(known, _)| is_same(known)) {
                Some((_, rows)) => rows.push(row),
                None => all.push((keys, vec![row])),
            }
        }
        let led = |rows: &[At], beside: Option<usize>| -> Vec<At> {
            match beside {
                None => rows.to_vec(),
                Some(link) => rows.iter().flat_map(|row| self.behind(*row, link)).collect(),
            }
        };
        if let Some((beside, sum, than)) = &groups.having {
            all.retain(|(_, rows)| {
                let value = self.sum(&led(rows, *beside), sum);
                !value.is_null() && number(&value) > number(than)
            });
        }
        all.sort_by(|(one, one_rows), (other, other_rows)| {
            let orders = groups.order.iter().map(|order| match order {
                GroupOrder::Key(at, way) => ordered(kind(&groups.by[*at]), &one[*at], &other[*at], *way),
                GroupOrder::Sum(beside, sum, way) => {
                    let value = |rows: &[At]| self.sum(&led(rows, *beside), sum);
                    ordered(kind_of(sum), &value(one_rows), &value(other_rows), *way)
                }
            });
            let way = Way {
                descending: false,
                nulls_first: false,
            };
            let keys = groups.by.iter().enumerate();
            let keys = keys.map(|(at, key)| ordered(kind(key), &one[at], &other[at], way));
            orders.chain(keys).fold(Ordering::Equal, Ordering::then)
        });
        all.truncate(
            groups
                .rows
                .first
                .unwrap_or(usize::MAX)
                .saturating_add(groups.rows.offset.unwrap_or(0)),
        );
        all.drain(..groups.rows.offset.unwrap_or(0).min(all.len()));
        let text = Text::new(self.0, false);
        let group = |(keys, rows): (Vec<Json>, Vec<At>)| {
            let mut said = json!({});
            for (key, value) in groups.by.iter().zip(keys) {
                let (place, value) = (text.place(of, key), if value.is_null() { Json::Null } else { value });
                put(&mut said, &place, value, matches!(key, GroupBy::Row(..)));
            }
            let mut all = Map::new();
            all.insert("keys".to_owned(), said);
            all.insert("count".to_owned(), json!(rows.len()));
            all.insert("aggregate".to_owned(), self.sums(&rows, &groups.sums));
            for (at, beside) in groups.beside.iter().enumerate() {
                let mut there = led(&rows, Some(beside.link));
                there.retain(|at| beside.cond.as_ref().is_none_or(|cond| self.holds(*at, cond)));
                all.insert(format!("b{at}"), self.sums(&there, &beside.sums));
            }
            Json::Object(all)
        };
        all.into_iter().map(group).collect()
    }

    /// The value of a key; of a row, its slug, by which rows are ordered as by their ids.
    fn key(&self, at: At, key: &GroupBy) -> Json {
        match key {
            GroupBy::Leaf(path, leaf) => self.value(at, path, &leaf.name),
            GroupBy::Row(path, link) => {
                let there = self
                    .at_end(at, path)
                    .and_then(|at| self.behind(at, *link).into_iter().next());
                there.map_or(Json::Null, |at| self.leaf(at, "slug"))
            }
            GroupBy::Held(path, link) => {
                let held = self.at_end(at, path).and_then(|(of, row)| {
                    let name = &self.0.types[of].links[*link].name;
                    self.0.rows[of][row].keys[name].first().cloned()
                });
                held.map_or(Json::Null, Json::String)
            }
        }
    }
}

/// Puts a key at its place; a row that is not there is null, and no object.
fn put(into: &mut Json, place: &[String], value: Json, is_row: bool) {
    match place {
        [] => {}
        [last] => into[last.as_str()] = value,
        [row, _] if is_row && value.is_null() => into[row.as_str()] = Json::Null,
        [first, rest @ ..] => {
            if into[first.as_str()].is_null() {
                into[first.as_str()] = json!({});
            }
            put(&mut into[first.as_str()], rest, value, is_row);
        }
    }
}

fn kind(key: &GroupBy) -> Kind {
    match key {
        GroupBy::Leaf(_, leaf) => leaf.kind,
        GroupBy::Row(..) | GroupBy::Held(..) => Kind::Text,
    }
}

fn kind_of(sum: &Sum) -> Kind {
    match sum {
        Sum::Count | Sum::Of("countDistinct", _) => Kind::Int,
        // A sum of whole numbers is a text.
        Sum::Of("sum" | "avg", _) => Kind::Float,
        Sum::Of(_, Leaf { kind, .. }) => *kind,
    }
}

fn same(kind: Kind, one: &Json, other: &Json) -> bool {
    match one.is_null() || other.is_null() {
        true => one.is_null() == other.is_null(),
        false => compared(kind, one, other).is_eq(),
    }
}

fn number(value: &Json) -> f64 {
    let text = || value.as_str().and_then(|text| text.parse().ok());
    value.as_f64().or_else(text).expect("a number")
}

/// Two values that are there.
fn compared(kind: Kind, one: &Json, other: &Json) -> Ordering {
    let place = |value: &Json| ENUM.iter().position(|name| value == name);
    match kind {
        Kind::Int | Kind::Big | Kind::Float | Kind::Decimal => number(one).total_cmp(&number(other)),
        Kind::Bool => one.as_bool().cmp(&other.as_bool()),
        Kind::Enum => place(one).cmp(&place(other)),
        Kind::Id | Kind::Text | Kind::Time => one.as_str().cmp(&other.as_str()),
    }
}

fn ordered(kind: Kind, one: &Json, other: &Json, way: Way) -> Ordering {
    let first = if way.nulls_first {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    match (one.is_null(), other.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => first,
        (false, true) => first.reverse(),
        (false, false) if way.descending => compared(kind, other, one),
        (false, false) => compared(kind, one, other),
    }
}

/// A comparison with null is false, and what says not is its opposite.
fn compares(kind: Kind, value: &Json, operator: &str, with: &[Json]) -> bool {
    let is_in = || {
        with.iter()
            .any(|with| !value.is_null() && compared(kind, value, with).is_eq())
    };
    match operator {
        "eq" | "in" => return is_in(),
        "ne" | "notIn" => return !is_in(),
        _ if value.is_null() => return false,
        _ => {}
    }
    let with = &with[0];
    let texts = || (value.as_str().expect("a text"), with.as_str().expect("a text"));
    let order = || compared(kind, value, with);
    match operator {
        "gt" => order().is_gt(),
        "gte" => order().is_ge(),
        "lt" => order().is_lt(),
        "lte" => order().is_le(),
        "contains" => texts().0.contains(texts().1),
        "startsWith" => texts().0.starts_with(texts().1),
        _ => texts().0.ends_with(texts().1),
    }
}

/// Whether two answers say the same: 3 and 3.0 are one number.
pub(super) fn agree(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| agree(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let is_in = |(key, value): (&String, &Json)| other.get(key).is_some_and(|known| agree(value, known));
            one.len() == other.len() && one.iter().all(is_in)
        }
        (one, other) => one == other,
    }
}
