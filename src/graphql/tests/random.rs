//! Random operations over the farm, and random commits between them. Knows how to make both; keeps
//! nothing.

use std::collections::BTreeMap;

use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::{
    catalog::{Catalog, EntityId, FieldKind, Leaf, Missing, connection_name},
    graphql::testing::{Farm, item, quest, row},
    query::Function,
    value::{Row, Scalar, Value},
};

/// Leaves that are no values to compare, to order by, or to compute with.
const NO_VALUES: [&str; 1] = ["extra"];
/// Columns of items that [`Stock::tick`] changes, with their values.
const TICKS: [(&str, usize, [&str; 2]); 8] = [
    ("name", 1, ["Axe", "Bow"]),
    ("image", 2, ["https://farm.example/a", ""]),
    ("price", 3, ["2.5", "3"]),
    ("rarity", 4, ["RARE", "EPIC"]),
    ("title", 6, ["Old", ""]),
    ("aliases", 7, ["[\"a\"]", "[\"b\",\"a\"]"]),
    ("worth", 8, ["12.5", "0.1"]),
    ("soldAt", 9, ["2026-11-21T03:20:00.000000Z", ""]),
];

/// Makes operations over a catalog.
pub(super) struct Asking<'c> {
    pub catalog: &'c Catalog,
    pub random: &'c mut StdRng,
}

impl Asking<'_> {
    pub(super) fn operation(&mut self) -> String {
        let roots: Vec<String> = (0..self.random.random_range(1..3)).map(|at| self.root(at)).collect();
        format!("{{ {} }}", roots.join(" "))
    }

    fn root(&mut self, at: usize) -> String {
        let ids: Vec<EntityId> = self
            .catalog
            .entity_ids()
            .filter(|id| self.catalog.entity(*id).owner.is_none())
            .collect();
        let id = *ids.choose(self.random).expect("a type");
        let entity = self.catalog.entity(id);
        match self.random.random_range(0..10) {
            0..3 => {
                let letter = &entity.name[..1].to_lowercase();
                let number = self.random.random_range(1..5);
                let selected = self.selection(id, 0);
                format!("r{at}: {}(id: \"{letter}{number}\") {selected}", entity.names.single)
            }
            3..6 => self.pages(&format!("r{at}: {}", entity.names.connection), id, 0),
            _ => {
                let (arguments, selected) = (self.arguments(id, "first"), self.selection(id, 0));
                format!("r{at}: {}{arguments} {selected}", entity.names.many)
            }
        }
    }

    /// A field of pages, with what is said of all rows.
    fn pages(&mut self, field: &str, id: EntityId, depth: usize) -> String {
        let end = if self.random.random_bool(0.5) { "first" } else { "last" };
        let arguments = self.arguments(id, end);
        let mut selected = Vec::new();
        if self.random.random_bool(0.4) {
            selected.push("totalCount".to_owned());
        }
        if self.random.random_bool(0.4) {
            selected.push(format!("aggregate {{ {} }}", self.aggregate(id)));
        }
        if self.random.random_bool(0.4) {
            let node = self.selection(id, depth + 1);
            selected.push(format!("edges {{ cursor node {node} }}"));
        }
        if self.random.random_bool(0.3) {
            selected.push("pageInfo { hasNextPage hasPreviousPage startCursor endCursor }".to_owned());
        }
        if selected.is_empty() {
            selected.push(format!("nodes {}", self.selection(id, depth + 1)));
        }
        format!("{field}{arguments} {{ {} }}", selected.join(" "))
    }

    fn aggregate(&mut self, id: EntityId) -> String {
        let names = ["countDistinct", "sum", "avg", "min", "max"];
        let at = self.random.random_range(0..names.len());
        let entity = self.catalog.entity(id);
        let fits = |kind: &FieldKind| match kind {
            FieldKind::Leaf { leaf, list: None, .. } => Function::ALL[at].of(*leaf).is_some(),
            _ => false,
        };
        let fields: Vec<&str> = entity
            .fields
            .iter()
            .filter(|field| fits(&field.kind))
            .map(|field| field.name.as_str())
            .collect();
        match fields.choose(self.random) {
            Some(field) => format!("{} {{ {field} }}", names[at]),
            None => "count".to_owned(),
        }
    }

    fn arguments(&mut self, id: EntityId, end: &str) -> String {
        let mut arguments = Vec::new();
        if self.random.random_bool(0.5) {
            arguments.push(format!("where: {}", self.filter(id, 0)));
        }
        if self.random.random_bool(0.4) {
            arguments.push(format!("orderBy: {}", self.order(id)));
        }
        let searched = self.catalog.entity(id).fields.iter().any(|field| field.searched);
        if searched && self.random.random_bool(0.3) {
            let search = *["ax*", "axe", "-axe b", "\\\"b\\\"", "MEND -x"]
                .choose(self.random)
                .expect("one");
            arguments.push(format!("search: \"{search}\""));
        }
        if self.random.random_bool(0.3) {
            arguments.push(format!("{end}: {}", self.random.random_range(1..4)));
        }
        match arguments.is_empty() {
            true => String::new(),
            false => format!("({})", arguments.join(", ")),
        }
    }

    /// By a leaf of its own, or of a row that it links to.
    fn order(&mut self, id: EntityId) -> String {
        let direction = *["ASC", "DESC", "DESC_NULLS_FIRST"].choose(self.random).expect("one");
        let entity = self.catalog.entity(id);
        let links: Vec<(&str, EntityId)> = entity
            .fields
            .iter()
            .filter(|field| matches!(field.kind, FieldKind::Reference { .. }))
            .filter_map(|field| Some((field.name.as_str(), field.kind.target()?)))
            .collect();
        match links.choose(self.random) {
            Some((name, target)) if self.random.random_bool(0.5) => {
                let leaf = self.leaf(*target);
                format!("{{{name}: {{{leaf}: {direction}}}}}")
            }
            _ => format!("{{{}: {direction}}}", self.leaf(id)),
        }
    }

    /// A leaf that can be compared and ordered by.
    fn leaf(&mut self, id: EntityId) -> String {
        let ordered = |leaf: Leaf| match leaf {
            Leaf::Scalar(scalar) => scalar != Scalar::Boolean,
            Leaf::Enum(_) => true,
        };
        let fields = self.catalog.entity(id).fields.iter();
        let leaves = fields.filter(|field| match &field.kind {
            FieldKind::Leaf { leaf, list: None, .. } => ordered(*leaf) && !NO_VALUES.contains(&field.name.as_str()),
            _ => false,
        });
        let leaves: Vec<&str> = leaves.map(|field| field.name.as_str()).collect();
        (*leaves.choose(self.random).expect("a leaf")).to_owned()
    }

    fn filter(&mut self, id: EntityId, depth: usize) -> String {
        let entity = self.catalog.entity(id);
        let links: Vec<(&str, bool, EntityId)> = entity
            .fields
            .iter()
            .filter_map(|field| Some((field.name.as_str(), field.kind.is_to_many(), field.kind.target()?)))
            .collect();
        match links.choose(self.random) {
            Some((name, many, target)) if depth < 2 && self.random.random_bool(0.5) => {
                let behind = self.filter(*target, depth + 1);
                let quantifier = *["some", "none", "every"].choose(self.random).expect("one");
                match many {
                    true => format!("{{{name}: {{{quantifier}: {behind}}}}}"),
                    false => format!("{{{name}: {behind}}}"),
                }
            }
            _ => self.condition(id),
        }
    }

    fn condition(&mut self, id: EntityId) -> String {
        let leaf = self.leaf(id);
        let mut fields = self.catalog.entity(id).fields.iter();
        let required = fields.any(|field| field.name == leaf && field.required);
        match (leaf.as_str(), self.random.random_bool(0.5)) {
            ("name", true) => "{not: {name: {startsWith: \"A\"}}}".to_owned(),
            ("price", true) => "{price: {gt: 2}}".to_owned(),
            ("quantity", true) => "{or: [{quantity: {gt: 1}}, {quantity: {in: []}}]}".to_owned(),
            ("quantity", false) => "{quantity: {ne: 1}}".to_owned(),
            ("image" | "soldAt", true) => "{aliases: {hasEvery: [\"b\"]}}".to_owned(),
            (leaf, _) if required => {
                format!("{{{leaf}: {{in: [\"Axe\", \"Mend\", \"Ada\", \"sharp\", \"smith\", \"i1\"]}}}}")
            }
            (leaf, is_null) => format!("{{{leaf}: {{isNull: {is_null}}}}}"),
        }
    }

    fn selection(&mut self, id: EntityId, depth: usize) -> String {
        let entity = self.catalog.entity(id);
        let mut selected = Vec::new();
        for field in &entity.fields {
            if !self.random.random_bool(0.25) {
                continue;
            }
            match (&field.kind, field.kind.target()) {
                (FieldKind::Leaf { .. }, _) => selected.push(field.name.clone()),
                (FieldKind::Value { .. }, _) => selected.push(format!("{} {{ gold }}", field.name)),
                (kind, Some(target)) if depth < 3 => {
                    let is_many = kind.is_to_many();
                    if is_many && self.random.random_bool(0.4) {
                        selected.push(self.pages(&connection_name(&field.name), target, depth));
                        continue;
                    }
                    let arguments = match is_many {
                        true => self.arguments(target, "first"),
                        false => String::new(),
                    };
                    let below = self.selection(target, depth + 1);
                    selected.push(format!("{}{arguments} {below}", field.name));
                }
                _ => {}
            }
        }
        if selected.is_empty() {
            selected.push("__typename".to_owned());
        }
        format!("{{ {} }}", selected.join(" "))
    }
}

/// The items that are stored, as they were loaded.
#[derive(Default)]
pub(super) struct Stock(BTreeMap<String, Row>);

impl Stock {
    /// Changes one type at random: some rows, of which few differ from what is stored.
    pub(super) async fn change(&mut self, farm: &Farm, random: &mut StdRng) {
        let entity = one(random, &["Item", "Item", "Quest", "Quest", "Npc", "Tag"]);
        let ids = some(random, &["1", "2", "3", "4"]);
        let rows: Vec<Row> = ids.iter().map(|id| random_row(entity, id, random)).collect();
        let missing = match random.random_bool(0.3) {
            true => Missing::Delete,
            false => Missing::Keep,
        };
        if entity == "Item" {
            if missing == Missing::Delete {
                self.0.clear();
            }
            let new = ids.iter().zip(&rows).map(|(id, row)| ((*id).to_owned(), row.clone()));
            self.0.extend(new);
        }
        farm.load_all(entity, rows, missing).await;
    }

    /// Changes one column of one item, and nothing else; gives the column's name.
    pub(super) async fn tick(&mut self, farm: &Farm, random: &mut StdRng) -> Option<&'static str> {
        let ids: Vec<String> = self.0.keys().cloned().collect();
        let row = self.0.get_mut(ids.choose(random)?)?;
        let (name, at, values) = *TICKS.choose(random)?;
        let value = |text: &str| match (name, text) {
            (_, "") => Value::Null,
            ("price", text) => Value::Float(text.parse().expect("a number")),
            _ => Value::Text(text.to_owned()),
        };
        let mut others = values.iter().map(|text| value(text));
        let new = others.find(|value| *value != row.values[at])?;
        let mut values = row.values.clone();
        values[at] = new;
        *row = Row::new(values, row.links.clone(), vec![]);
        farm.load("Item", vec![row.clone()]).await;
        Some(name)
    }
}

fn one(random: &mut StdRng, all: &[&'static str]) -> &'static str {
    all.choose(random).expect("one")
}

fn some(random: &mut StdRng, all: &[&'static str]) -> Vec<&'static str> {
    all.iter().copied().filter(|_| random.random_bool(0.5)).collect()
}

fn in_some_order(random: &mut StdRng, all: &[&'static str]) -> Vec<&'static str> {
    let mut some = some(random, all);
    if random.random_bool(0.3) {
        some.reverse();
    }
    some
}

fn random_row(entity: &str, id: &str, random: &mut StdRng) -> Row {
    match entity {
        "Item" => {
            let prices = [Some(1.0), Some(2.5), Some(0.0), Some(-0.0), None];
            let price = *prices.choose(random).expect("one");
            let tags = in_some_order(random, &["t1", "t2", "t3"]);
            let row = item(&format!("i{id}"), one(random, &["Axe", "Bow"]), price, &tags);
            let mut values = row.values.clone();
            if random.random_bool(0.3) {
                values[5] = Value::Text(one(random, &["n1", "n2", "n3"]).to_owned());
            }
            if random.random_bool(0.3) {
                values[7] = Value::Text(one(random, &["[]", "[\"b\"]"]).to_owned());
            }
            Row::new(values, row.links.clone(), vec![])
        }
        "Quest" => {
            let items = in_some_order(random, &["i1", "i2", "i3"]);
            let lines: Vec<(&str, i64)> = items.into_iter().map(|at| (at, random.random_range(1..3))).collect();
            let title = one(random, &["Mend", "Find"]);
            let giver = one(random, &["smith", "baker", "cook"]);
            let row = quest(&format!("q{id}"), title, giver, &lines);
            let mut values = row.values.clone();
            if random.random_bool(0.3) {
                values[2] = Value::Text("{\"gold\":7,\"title\":null}".to_owned());
            }
            Row::new(values, vec![], row.children.clone())
        }
        "Npc" => {
            let number: usize = id.parse().expect("a number");
            let slugs = ["smith", "baker", "cook", "monk"];
            let slug = slugs[(number + random.random_range(0..2)) % slugs.len()];
            let (name, home) = (one(random, &["Ada", "Bo"]), one(random, &["Mill", ""]));
            row(&[&format!("n{id}"), slug, name, home])
        }
        _ => row(&[&format!("t{id}"), one(random, &["sharp", "old"])]),
    }
}
