//! Operations at random from a served schema, as data that is not written down yet. Knows which values the world has.

use std::collections::HashMap;

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::world;
use crate::harness::Program;

/// Levels of selections, and of links in a filter.
const DEPTH: usize = 3;

/// A type as introspection gives it.
#[derive(Clone, Debug)]
pub enum Type {
    Named(String),
    List(Box<Type>),
    Required(Box<Type>),
}

impl Type {
    fn of(json: &Value) -> Type {
        let inner = || Box::new(Type::of(&json["ofType"]));
        match json["kind"].as_str() {
            Some("LIST") => Type::List(inner()),
            Some("NON_NULL") => Type::Required(inner()),
            _ => Type::Named(json["name"].as_str().expect("a name").to_owned()),
        }
    }

    fn name(&self) -> &str {
        match self {
            Type::Named(name) => name,
            Type::List(inner) | Type::Required(inner) => inner.name(),
        }
    }

    pub fn required(self) -> Type {
        match self {
            Type::Required(_) => self,
            other => Type::Required(Box::new(other)),
        }
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Type::Named(name) => out.write_str(name),
            Type::List(inner) => write!(out, "[{inner}]"),
            Type::Required(inner) => write!(out, "{inner}!"),
        }
    }
}

/// A value in its place.
#[derive(Clone, Debug)]
pub struct Input {
    pub wanted: Type,
    pub content: Content,
}

#[derive(Clone, Debug)]
pub enum Content {
    Leaf(Value),
    Enum(String),
    /// One of a list may be written without brackets.
    List {
        items: Vec<Input>,
        bare: bool,
    },
    Object(Vec<(String, Input)>),
}

#[derive(Clone, Debug)]
pub struct Selected {
    pub key: String,
    pub name: String,
    pub arguments: Vec<(String, Input)>,
    /// `@include(if:)`.
    pub included: Option<Input>,
    pub selected: Vec<Selected>,
}

pub struct Schema {
    types: HashMap<String, Value>,
}

impl Schema {
    pub async fn of(program: &Program) -> Schema {
        const TYPE: &str = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
        let query = format!(
            "{{ __schema {{ types {{ name kind enumValues {{ name }} inputFields {{ name type {{ {TYPE} }} }} \
             fields {{ name type {{ {TYPE} }} args {{ name type {{ {TYPE} }} }} }} }} }} }}"
        );
        let found = program.query(&query).await;
        let types = found["__schema"]["types"].as_array().expect("types").iter();
        let named = |found: &Value| (found["name"].as_str().expect("a name").to_owned(), found.clone());
        Schema {
            types: types.map(named).collect(),
        }
    }

    fn members(&self, name: &str, of: &str) -> Vec<(String, Value)> {
        let all = self.types[name][of].as_array().expect(of).iter();
        all.map(|member| (member["name"].as_str().expect("a name").to_owned(), member.clone()))
            .collect()
    }

    fn kind(&self, name: &str) -> &str {
        self.types[name]["kind"].as_str().expect("a kind")
    }
}

/// Makes operations.
pub struct Maker<'s> {
    pub schema: &'s Schema,
    pub random: StdRng,
    /// The members below `keys` that the grouping at hand has.
    pub keys: Vec<String>,
}

impl Maker<'_> {
    pub fn operation(&mut self) -> Vec<Selected> {
        let roots = self.schema.members("Query", "fields");
        // Half of them by key: these are loads that are joined.
        let by_key = |(_, field): &&(String, Value)| !matches!(field["args"][0]["name"].as_str(), Some("where" | "by"));
        let count = self.random.random_range(1..=2);
        let only_keys = self.random.random_bool(0.5);
        // How fresh rows are is told of a database and a moment, and equal nowhere else; ids are not
        // made up.
        let of_rows = roots
            .iter()
            .filter(|(name, _)| !["freshness", "node"].contains(&name.as_str()));
        let chosen: Vec<_> = of_rows.filter(|root| !only_keys || by_key(root)).collect();
        let mut same = chosen.choose(&mut self.random).copied().expect("a root");
        (0..count)
            .map(|at| {
                if self.random.random_bool(0.5) {
                    same = chosen.choose(&mut self.random).copied().expect("a root");
                }
                self.field(format!("r{at}"), &same.0, &same.1, DEPTH)
            })
            .collect()
    }

    fn field(&mut self, key: String, name: &str, field: &Value, depth: usize) -> Selected {
        let mut arguments: Vec<(String, Input)> = Vec::new();
        for argument in field["args"].as_array().expect("arguments") {
            let wanted = Type::of(&argument["type"]);
            let name = argument["name"].as_str().expect("a name").to_owned();
            // Cursors are not made up, and a page is cut from one end.
            let is_cut = name == "last" && arguments.iter().any(|(known, _)| known == "first");
            if is_cut || matches!(name.as_str(), "after" | "before") {
                continue;
            }
            if matches!(wanted, Type::Required(_)) || self.random.random_bool(0.4) {
                arguments.push((name.clone(), self.input(&name, wanted, DEPTH)));
            }
            if name == "by" {
                self.keys = arguments.last().map_or(Vec::new(), |(_, by)| named(by));
            }
        }
        let target = Type::of(&field["type"]).name().to_owned();
        let selected = match self.schema.kind(&target) {
            // What lies around a page leads no further than the page.
            "OBJECT" if target.ends_with("Connection") || target.ends_with("Edge") => self.selection(&target, depth),
            "OBJECT" => self.selection(&target, depth.saturating_sub(1)),
            _ => Vec::new(),
        };
        let wanted = Type::Named("Boolean".to_owned()).required();
        let included = self.random.random_bool(0.1).then(|| Input {
            wanted,
            content: Content::Leaf(json!(self.random.random_bool(0.7))),
        });
        Selected {
            key,
            name: name.to_owned(),
            arguments,
            included,
            selected,
        }
    }

    fn selection(&mut self, name: &str, depth: usize) -> Vec<Selected> {
        let fields = self.schema.members(name, "fields");
        let is_leaf = |field: &Value| self.schema.kind(Type::of(&field["type"]).name()) != "OBJECT";
        let fields: Vec<_> = fields
            .into_iter()
            .filter(|(_, field)| depth > 0 || is_leaf(field))
            // Another one is refused.
            .filter(|(member, _)| !name.ends_with("Keys") || self.keys.contains(member))
            // Refused where nothing is searched for; `tests/searched.rs` asks for it.
            .filter(|(member, _)| *member != "searchMatches")
            .collect();
        if fields.is_empty() {
            return vec![type_name()];
        }
        let count = self.random.random_range(1..=3);
        let mut selected: Vec<Selected> = (0..count)
            .map(|at| {
                let (name, field) = fields.choose(&mut self.random).expect("a field");
                self.field(format!("f{at}"), name, field, depth)
            })
            .collect();
        selected.push(type_name());
        selected
    }

    /// `name` is the argument's or member's.
    fn input(&mut self, name: &str, wanted: Type, depth: usize) -> Input {
        let content = self.content(name, &wanted, depth);
        Input { wanted, content }
    }

    fn content(&mut self, name: &str, wanted: &Type, depth: usize) -> Content {
        match wanted {
            Type::Required(inner) => self.content(name, inner, depth),
            Type::List(inner) => {
                let least = usize::from(name == "by");
                let count = self.random.random_range(least..=3);
                let mut items: Vec<Input> = (0..count).map(|_| self.input(name, (**inner).clone(), depth)).collect();
                if name == "by" {
                    // No key comes twice, and units are those of one time.
                    let mut known = Vec::new();
                    items.retain(|item| {
                        let names = named(item);
                        let first = if names.len() > 1 {
                            None
                        } else {
                            names.into_iter().next()
                        };
                        let is_new = !known.contains(&first);
                        known.push(first);
                        is_new
                    });
                }
                let count = items.len();
                let bare = count == 1 && self.random.random_bool(0.3);
                Content::List { items, bare }
            }
            Type::Named(of) => match self.schema.kind(of) {
                "INPUT_OBJECT" => self.object(of, depth),
                "ENUM" => {
                    let mut values = self.schema.members(of, "enumValues");
                    // A value as it is has no zone and no offset.
                    values.retain(|(value, _)| !of.ends_with("Unit") || value != "VALUE");
                    // Of texts alone, in rows alone.
                    values.retain(|(value, _)| !value.contains("IGNORE_CASE"));
                    Content::Enum(values.choose(&mut self.random).expect("a value").0.clone())
                }
                _ => Content::Leaf(self.leaf(name, of)),
            },
        }
    }

    fn object(&mut self, of: &str, depth: usize) -> Content {
        let members = self.schema.members(of, "inputFields");
        if of == "ByJSON" {
            let of_it = |name: &str| members.iter().find(|(known, _)| known == name).expect("a member");
            let both = ["path", "sort"].map(|name| (name.to_owned(), Type::of(&of_it(name).1["type"])));
            let both = both.map(|(name, wanted)| (name.clone(), self.input(&name, wanted.required(), 0)));
            return Content::Object(both.to_vec());
        }
        let is_span = matches!(of, "ByDateTime" | "ByDate" | "ByTime");
        let is_one_of = of.ends_with("Order") || of.ends_with("Key") || of.ends_with("GroupBy") || of == "ByCount";
        let count = if is_one_of { 1 } else { self.random.random_range(0..=2) };
        let leads_on = |member: &Value| {
            let name = Type::of(&member["type"]).name().to_owned();
            name.ends_with("Where") || name.ends_with("Order") || name.ends_with("Having")
        };
        let fit: Vec<_> = members
            .iter()
            .filter(|(_, member)| depth > 0 || !leads_on(member))
            // Keys behind links are asked for, and worked out, in the oracle of the unit tests.
            .filter(|(name, _)| !(of.ends_with("GroupBy") && name.ends_with("Keys")))
            // Only what is grouped by can be ordered by.
            .filter(|(name, _)| !(of.ends_with("GroupOrder") && name == "keys"))
            // Of rows it stands alone, right below a link.
            // A path alone is no condition; those of JSON are worked out in the unit tests.
            .filter(|(name, _)| of != "JSONFilter" || name != "path")
            .filter(|(name, _)| name != "isNull" || !of.ends_with("Where") || matches!(of, "PlaceWhere" | "InnerWhere"))
            .collect();
        let mut chosen: Vec<(String, Input)> = Vec::new();
        for at in 0..if is_span { 3 } else { count } {
            let unit = fit.iter().find(|_| is_span && at == 0).copied();
            let Some((name, member)) = unit.or_else(|| fit.choose(&mut self.random).copied()) else {
                break;
            };
            if chosen.iter().all(|(known, _)| known != name) {
                let mut wanted = Type::of(&member["type"]);
                // A variable may stand in a member of a `@oneOf` input only if it is never null.
                if is_one_of {
                    wanted = wanted.required();
                }
                chosen.push((name.clone(), self.input(name, wanted, depth.saturating_sub(1))));
            }
        }
        Content::Object(chosen)
    }

    fn leaf(&mut self, name: &str, scalar: &str) -> Value {
        let field = match (name, scalar) {
            (_, "TimeZone") => {
                let zones = ["UTC", "Europe/Berlin", "Australia/Lord_Howe"];
                return json!(zones.choose(&mut self.random).expect("a zone"));
            }
            (_, "JSONPath") => {
                let paths = ["a", "k.b", "l[1]", "none"];
                return json!(paths.choose(&mut self.random).expect("a path"));
            }
            (_, "JSON") => {
                let values = json!([0, 1.5, "a", "", true, false, -1e300]);
                return values
                    .as_array()
                    .and_then(|all| all.choose(&mut self.random))
                    .cloned()
                    .expect("one");
            }
            // The databases are asked one after the other.
            ("since" | "until", "String") => return json!("90000d"),
            ("offset", "Duration") => return json!("PT0S"),
            // The world has thousands of years.
            ("fill", _) => return json!(false),
            ("first" | "last" | "offset", _) => return json!(self.random.random_range(0..8)),
            ("like" | "ilike", _) => {
                let patterns = json!(["%", "_", "a%", "%A%", "%\\_%", "%ä%", "日%", ""]);
                return patterns
                    .as_array()
                    .and_then(|all| all.choose(&mut self.random))
                    .cloned()
                    .expect("one");
            }
            ("search", _) => {
                let searches = ["a", "nu*", "ss -\"a b\"", "\"a b\"", "日本", "ff", "日* -i", "i"];
                return json!(searches.choose(&mut self.random).expect("a search"));
            }
            // `true` is refused of what is never null behind a link.
            ("isNull", _) => return json!(false),
            ("number", "Int") => return json!(self.random.random_range(-5..6)),
            ("country" | "sample" | "name" | "id", _) | (_, "ID") => {
                let (samples, groups) = (world::samples(), world::groups());
                let rows = if matches!(name, "country" | "name") {
                    groups
                } else {
                    samples
                };
                let member = if matches!(name, "country" | "name") { name } else { "id" };
                let row = rows
                    .as_array()
                    .and_then(|rows| rows.choose(&mut self.random))
                    .expect("a row");
                return row[member].clone();
            }
            (_, "String") => "string",
            (_, "Int") => "int",
            (_, "Float") => "float",
            (_, "Boolean") => "boolean",
            (_, "BigInt") => "bigInt",
            (_, "Decimal") => "decimal",
            (_, "DateTime") => "dateTime",
            (_, "Date") => "date",
            (_, "Time") => "time",
            (_, "Duration") => "duration",
            (_, "UUID") => "uuid",
            (_, "URL") => "url",
            other => panic!("no values for {other:?}"),
        };
        let mut values = world::values(field);
        values.retain(|value| value.as_str().is_none_or(|text| !text.contains('\u{0}')));
        values.choose(&mut self.random).cloned().expect("a value")
    }
}

fn type_name() -> Selected {
    Selected {
        key: "__typename".to_owned(),
        name: "__typename".to_owned(),
        arguments: Vec::new(),
        included: None,
        selected: Vec::new(),
    }
}

/// What the keys of a grouping are called: fields, and the units of times.
fn named(input: &Input) -> Vec<String> {
    match &input.content {
        Content::Leaf(_) => Vec::new(),
        Content::Enum(value) if matches!(value.as_str(), "VALUE" | "ROW") => Vec::new(),
        Content::Enum(value) => {
            let mut words = value.split('_').map(str::to_lowercase);
            let first = words.next().unwrap_or_default();
            let rest = words.map(|word| word[..1].to_uppercase() + &word[1..]);
            vec![first + &rest.collect::<String>()]
        }
        Content::List { items, .. } => items.iter().flat_map(named).collect(),
        Content::Object(members) => {
            let each = members.iter();
            each.flat_map(|(name, input)| [vec![name.clone()], named(input)].concat())
                .collect()
        }
    }
}
