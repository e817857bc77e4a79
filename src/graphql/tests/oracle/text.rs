//! An operation as the text of GraphQL, its scalars as literals or as variables. Knows no row.

use serde_json::{Map, Value as Json, json};

use super::{
    ask::{Ask, Cond, GroupBy, GroupOrder, Groups, Order, Pages, Root, Rows, Sum, Way, Word},
    world::{How, World},
};
use crate::query::sealed;

/// The text of an operation in the making.
pub(super) struct Text<'w> {
    pub world: &'w World,
    pub as_variables: bool,
    declared: Vec<String>,
    pub variables: Map<String, Json>,
}

impl<'w> Text<'w> {
    pub(super) fn new(world: &'w World, as_variables: bool) -> Text<'w> {
        Text {
            world,
            as_variables,
            declared: Vec::new(),
            variables: Map::new(),
        }
    }

    fn scalar(&mut self, type_name: &str, value: &Json) -> String {
        if self.as_variables {
            let name = format!("p{}", self.declared.len());
            self.declared.push(format!("${name}: {type_name}!"));
            self.variables.insert(name.clone(), value.clone());
            return format!("${name}");
        }
        match (type_name, value) {
            ("Hue", Json::String(name)) => name.clone(),
            (_, value) => value.to_string(),
        }
    }

    /// The whole operation, of roots under the names that the catalog has for them.
    pub(super) fn operation(&mut self, roots: &[(Root, [String; 4])]) -> String {
        let fields: Vec<String> = roots
            .iter()
            .enumerate()
            .map(|(at, (root, names))| self.root(at, root, names))
            .collect();
        let variables = match self.declared.is_empty() {
            true => String::new(),
            false => format!("({})", self.declared.join(", ")),
        };
        format!("query Q{variables} {{ {} }}", fields.join(" "))
    }

    fn root(&mut self, at: usize, root: &Root, [single, many, connection, grouped]: &[String; 4]) -> String {
        match root {
            Root::Single(of, id, asks) => {
                let id = self.scalar("ID", &json!(id));
                format!("r{at}: {single}(id: {id}) {}", self.asks(*of, asks))
            }
            Root::Many(of, rows, asks) => {
                format!("r{at}: {many}{} {}", self.rows(*of, rows), self.asks(*of, asks))
            }
            Root::Pages(of, rows, pages) => {
                format!("r{at}: {connection}{} {}", self.rows(*of, rows), self.pages(*of, pages))
            }
            Root::Node(of, id, asks) => {
                let name = &self.world.types[*of].name;
                let id = sealed(&format!("@{name} {}", json!([id])));
                let id = self.scalar("ID", &json!(id));
                format!("r{at}: node(nodeId: {id}) {{ ... on {name} {} }}", self.asks(*of, asks))
            }
            Root::Groups(of, groups) => self.groups(&format!("r{at}: {grouped}"), *of, groups),
        }
    }

    fn asks(&mut self, of: usize, asks: &[Ask]) -> String {
        let world = self.world;
        let mut all = Vec::new();
        for (at, ask) in asks.iter().enumerate() {
            let field = match ask {
                Ask::Leaf(name) => format!("k{at}: {name}"),
                Ask::Value => format!("k{at}: v {{ g h }}"),
                Ask::Matches(_, words) => {
                    let words = words.map(|words| format!("(words: {})", self.scalar("Int", &json!(words))));
                    let words = words.unwrap_or_default();
                    format!("k{at}: searchMatches{words} {{ field text html parts {{ text found }} }}")
                }
                Ask::One(link, asks) => {
                    let link = &world.types[of].links[*link];
                    format!("k{at}: {} {}", link.name, self.asks(link.target, asks))
                }
                Ask::Many(link, rows, asks) => {
                    let link = &world.types[of].links[*link];
                    let rows = self.rows(link.target, rows);
                    format!("k{at}: {}{rows} {}", link.name, self.asks(link.target, asks))
                }
                Ask::Pages(link, rows, pages) => {
                    let link = &world.types[of].links[*link];
                    let rows = self.rows(link.target, rows);
                    format!(
                        "k{at}: {}Connection{rows} {}",
                        link.name,
                        self.pages(link.target, pages)
                    )
                }
            };
            all.push(match at % 3 {
                1 => format!("... on {} {{ {field} }}", world.types[of].name),
                2 => format!(
                    "... @include(if: {}) {{ {field} }}",
                    self.scalar("Boolean", &json!(true))
                ),
                _ => field,
            });
        }
        format!("{{ {} }}", all.join(" "))
    }

    fn pages(&mut self, of: usize, pages: &Pages) -> String {
        let nodes = self.asks(of, &pages.nodes);
        let sums = sums(&pages.sums);
        format!("{{ totalCount nodes {nodes} aggregate {{ {sums} }} pageInfo {{ hasNextPage hasPreviousPage }} }}")
    }

    fn rows(&mut self, of: usize, rows: &Rows) -> String {
        let mut all = self.arguments(of, rows);
        if !rows.order.is_empty() {
            let orders: Vec<String> = rows.order.iter().map(|order| self.order(of, order)).collect();
            all.push(format!("orderBy: [{}]", orders.join(", ")));
        }
        match all.is_empty() {
            true => String::new(),
            false => format!("({})", all.join(", ")),
        }
    }

    fn arguments(&mut self, of: usize, rows: &Rows) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(cond) = &rows.cond {
            all.push(format!("where: {}", self.cond(of, cond)));
        }
        if !rows.search.is_empty() {
            let words: Vec<String> = rows.search.iter().map(word).collect();
            let text = self.scalar("String", &json!(words.join(" ")));
            all.push(format!("search: {text}"));
        }
        for (name, count) in [("first", rows.first), ("last", rows.last), ("offset", rows.offset)] {
            if let Some(count) = count {
                all.push(format!("{name}: {}", self.scalar("Int", &json!(count))));
            }
        }
        all
    }

    pub(super) fn order(&self, of: usize, order: &Order) -> String {
        match order {
            Order::Count(link, way) => format!(
                "{{{}: {{count: {}}}}}",
                self.world.types[of].links[*link].name,
                sort(*way)
            ),
            Order::Leaf(path, leaf, way) => {
                let inner = member(&leaf.name, &sort(*way));
                let (names, _) = self.names(of, path);
                names
                    .iter()
                    .rev()
                    .fold(inner, |inner, name| format!("{{{name}: {inner}}}"))
            }
        }
    }

    fn names(&self, of: usize, path: &[usize]) -> (Vec<&'w str>, usize) {
        let (mut names, mut at) = (Vec::new(), of);
        for link in path {
            let link = &self.world.types[at].links[*link];
            names.push(link.name.as_str());
            at = link.target;
        }
        (names, at)
    }

    fn cond(&mut self, of: usize, cond: &Cond) -> String {
        let world = self.world;
        let links = &world.types[of].links;
        match cond {
            Cond::All(all) => format!("{{and: [{}]}}", self.conds(of, all)),
            Cond::Any(all) => format!("{{or: [{}]}}", self.conds(of, all)),
            Cond::Not(cond) => format!("{{not: {}}}", self.cond(of, cond)),
            Cond::Leaf(leaf, operator, values) => {
                let values: Vec<String> = values
                    .iter()
                    .map(|value| self.scalar(leaf.kind.name(), value))
                    .collect();
                let values = match *operator {
                    "in" | "notIn" => format!("[{}]", values.join(", ")),
                    _ => values.concat(),
                };
                member(&leaf.name, &format!("{{{operator}: {values}}}"))
            }
            Cond::IsNull(name, is) => {
                let is = self.scalar("Boolean", &json!(is));
                member(name, &format!("{{isNull: {is}}}"))
            }
            Cond::Ago(name, operator, minutes) => {
                let time = self.scalar("String", &json!(format!("PT{minutes}M")));
                format!("{{{name}: {{{operator}: {time}}}}}")
            }
            Cond::Key { member, is, .. } => {
                let type_name = if member.ends_with("Id") { "ID" } else { "String" };
                format!("{{{member}: {{eq: {}}}}}", self.scalar(type_name, &json!(is)))
            }
            Cond::One(link, cond) => format!("{{{}: {}}}", links[*link].name, self.cond(links[*link].target, cond)),
            Cond::Gone(link, is) => {
                let is = self.scalar("Boolean", &json!(is));
                format!("{{{}: {{isNull: {is}}}}}", links[*link].name)
            }
            Cond::Many(link, quantifier, cond) => {
                let cond = self.cond(links[*link].target, cond);
                format!("{{{}: {{{quantifier}: {cond}}}}}", links[*link].name)
            }
        }
    }

    fn conds(&mut self, of: usize, all: &[Cond]) -> String {
        let all: Vec<String> = all.iter().map(|cond| self.cond(of, cond)).collect();
        all.join(", ")
    }

    fn groups(&mut self, field: &str, of: usize, groups: &Groups) -> String {
        let world = self.world;
        let link = |at: usize| &world.types[of].links[at];
        let mut arguments = self.arguments(of, &groups.rows);
        let by: Vec<String> = groups.by.iter().map(|key| self.key(of, key, " ")).collect();
        arguments.push(format!("by: [{}]", by.join(", ")));
        if let Some((beside, sum, than)) = &groups.having {
            let than = match sum {
                Sum::Count => self.scalar("Int", than),
                Sum::Of(_, leaf) => self.scalar(leaf.kind.name(), than),
            };
            let inner = of_sum(sum, &format!("{{gt: {than}}}"));
            arguments.push(format!(
                "having: {}",
                beside.map_or(inner.clone(), |at| format!("{{{}Aggregate: {inner}}}", link(at).name))
            ));
        }
        let orders: Vec<String> = groups
            .order
            .iter()
            .map(|order| match order {
                GroupOrder::Key(key, way) => format!("{{keys: {}}}", self.key(of, &groups.by[*key], &sort(*way))),
                GroupOrder::Sum(beside, sum, way) => {
                    let inner = of_sum(sum, &sort(*way));
                    beside.map_or(inner.clone(), |at| format!("{{{}Aggregate: {inner}}}", link(at).name))
                }
            })
            .collect();
        if !orders.is_empty() {
            arguments.push(format!("orderBy: [{}]", orders.join(", ")));
        }
        let keys: Vec<String> = groups.by.iter().map(|key| self.key_selected(of, key)).collect();
        let mut members = vec![format!(
            "keys {{ {} }} count aggregate {{ {} }}",
            keys.join(" "),
            sums(&groups.sums)
        )];
        for (at, beside) in groups.beside.iter().enumerate() {
            let link = link(beside.link);
            let cond = beside
                .cond
                .as_ref()
                .map(|cond| format!("(where: {})", self.cond(link.target, cond)));
            members.push(format!(
                "b{at}: {}Aggregate{} {{ {} }}",
                link.name,
                cond.unwrap_or_default(),
                sums(&beside.sums)
            ));
        }
        format!("{field}({}) {{ {} }}", arguments.join(", "), members.join(" "))
    }

    /// A key in `by` (with a blank) or in an order.
    fn key(&self, of: usize, key: &GroupBy, sort: &str) -> String {
        let as_key = |value: &'static str| if sort == " " { value.to_owned() } else { sort.to_owned() };
        let (path, inner) = match key {
            GroupBy::Leaf(path, leaf) => (path, member(&leaf.name, &as_key("VALUE"))),
            GroupBy::Row(path, link) => {
                let (_, at) = self.names(of, path);
                (path, format!("{{{}: ROW}}", self.world.types[at].links[*link].name))
            }
            GroupBy::Held(path, link) => (path, member(&self.held(of, path, *link), &as_key("VALUE"))),
        };
        let (names, _) = self.names(of, path);
        names
            .iter()
            .rev()
            .fold(inner, |inner, name| format!("{{{name}Keys: {inner}}}"))
    }

    /// What the key of a link is called.
    fn held(&self, of: usize, path: &[usize], link: usize) -> String {
        let (_, at) = self.names(of, path);
        let link = &self.world.types[at].links[link];
        let by = if link.how == How::One("slug") { "Slug" } else { "Id" };
        format!("{}{by}", link.name)
    }

    /// Keys under the same names are merged in an answer, and stand under their own ones.
    fn key_selected(&self, of: usize, key: &GroupBy) -> String {
        let (path, inner) = match key {
            GroupBy::Leaf(path, leaf) => (
                path,
                match leaf.name.split_once('.') {
                    Some((value, name)) => format!("{value} {{ {name} }}"),
                    None => leaf.name.clone(),
                },
            ),
            GroupBy::Row(path, link) => {
                let (_, at) = self.names(of, path);
                (path, format!("{} {{ slug }}", self.world.types[at].links[*link].name))
            }
            GroupBy::Held(path, link) => (path, self.held(of, path, *link)),
        };
        let (names, _) = self.names(of, path);
        names
            .iter()
            .rev()
            .fold(inner, |inner, name| format!("{name}Keys {{ {inner} }}"))
    }

    /// Where a key stands below `keys` of an answer.
    pub(super) fn place(&self, of: usize, key: &GroupBy) -> Vec<String> {
        let (path, last) = match key {
            GroupBy::Leaf(path, leaf) => (path, leaf.name.clone()),
            GroupBy::Row(path, link) => {
                let (_, at) = self.names(of, path);
                (path, format!("{}.slug", self.world.types[at].links[*link].name))
            }
            GroupBy::Held(path, link) => (path, self.held(of, path, *link)),
        };
        let (names, _) = self.names(of, path);
        let links = names.iter().map(|name| format!("{name}Keys"));
        links.chain(last.split('.').map(str::to_owned)).collect()
    }
}

/// `{v: {g: inner}}`
fn member(name: &str, inner: &str) -> String {
    let names = name.split('.').rev();
    names.fold(inner.to_owned(), |inner, name| format!("{{{name}: {inner}}}"))
}

fn of_sum(sum: &Sum, inner: &str) -> String {
    match sum {
        Sum::Count => format!("{{count: {inner}}}"),
        Sum::Of(function, leaf) => format!("{{{function}: {}}}", member(&leaf.name, inner)),
    }
}

fn sums(all: &[Sum]) -> String {
    let each = all.iter().enumerate().map(|(at, sum)| match sum {
        Sum::Count => format!("s{at}: count"),
        Sum::Of(function, leaf) => match leaf.name.split_once('.') {
            Some((value, name)) => format!("s{at}: {function} {{ {value} {{ {name} }} }}"),
            None => format!("s{at}: {function} {{ {} }}", leaf.name),
        },
    });
    each.collect::<Vec<_>>().join(" ")
}

fn word(word: &Word) -> String {
    match word {
        Word::Has(word) => (*word).to_owned(),
        Word::Begins(word) => format!("{word}*"),
        Word::Lacks(word) => format!("-{word}"),
        Word::Phrase(one, two) => format!("\"{one} {two}\""),
    }
}

fn sort(way: Way) -> String {
    let direction = if way.descending { "DESC" } else { "ASC" };
    let nulls = if way.nulls_first { "_NULLS_FIRST" } else { "" };
    format!("{direction}{nulls}")
}
