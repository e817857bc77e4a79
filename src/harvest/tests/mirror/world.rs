//! What the upstream has: items with parts, makers, tags; how it changes; what must be served of
//! it. Knows no HTTP and no store.

use std::collections::BTreeSet;

use rand::{Rng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value as Json, json};

/// Few values for unique fields, so that they are given up and taken again.
const SLUGS: u32 = 9;
const SERIALS: u32 = 14;

#[derive(Clone, Debug)]
struct Item {
    id: String,
    name: String,
    slug: Option<String>,
    maker: Option<String>,
    tags: Vec<String>,
    parts: Vec<Part>,
    reviews: Vec<(String, String)>,
    sellers: Vec<String>,
}

#[derive(Clone, Debug)]
struct Part {
    code: String,
    serial: Option<String>,
    weight: u32,
}

#[derive(Clone, Debug)]
struct Maker {
    id: String,
    name: String,
    slug: Option<String>,
    city: Option<String>,
}

/// The data of an upstream at one moment. Its unique values are unique.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    items: Vec<Item>,
    makers: Vec<Maker>,
    tags: Vec<(String, String)>,
    /// Names that were given so far, so that keys are not taken twice by chance.
    named: u32,
}

/// A kind of row and its key.
pub(super) type Keys = BTreeSet<(&'static str, String)>;

fn pick<'v, T>(random: &mut StdRng, from: &'v mut [T]) -> Option<&'v mut T> {
    let count = from.len();
    from.get_mut(random.random_range(0..count.max(1)))
}

fn two(random: &mut StdRng, count: usize) -> Option<(usize, usize)> {
    (count > 1).then(|| {
        let first = random.random_range(0..count);
        (first, (first + random.random_range(1..count)) % count)
    })
}

impl World {
    pub(super) fn new(random: &mut StdRng) -> World {
        let mut world = World::default();
        for _ in 0..random.random_range(2..5) {
            world.add_maker(random);
            world.add_tag();
        }
        for _ in 0..random.random_range(2..7) {
            world.add_item(random);
        }
        world
    }

    fn name(&mut self, prefix: &str) -> String {
        self.named += 1;
        format!("{prefix}{}", self.named)
    }

    fn free_slug(&self, random: &mut StdRng) -> Option<String> {
        let slug = format!("s{}", random.random_range(0..SLUGS));
        self.items
            .iter()
            .all(|item| item.slug.as_ref() != Some(&slug))
            .then_some(slug)
    }

    fn free_serial(&self, random: &mut StdRng) -> Option<String> {
        let serial = format!("x{}", random.random_range(0..SERIALS));
        let mut parts = self.items.iter().flat_map(|item| &item.parts);
        parts
            .all(|part| part.serial.as_ref() != Some(&serial))
            .then_some(serial)
    }

    fn add_item(&mut self, random: &mut StdRng) {
        let item = Item {
            id: self.name("i"),
            name: self.name("item "),
            slug: self.free_slug(random),
            maker: self.makers.first().map(|maker| maker.id.clone()),
            tags: self.tags.iter().map(|tag| tag.0.clone()).collect(),
            parts: Vec::new(),
            reviews: Vec::new(),
            sellers: Vec::new(),
        };
        let place = random.random_range(0..=self.items.len());
        self.items.insert(place, item);
        for _ in 0..random.random_range(0..3) {
            self.add_part(random, place);
        }
    }

    fn add_part(&mut self, random: &mut StdRng, item: usize) {
        let serial = self.free_serial(random);
        let code = self.name("p");
        let weight = random.random_range(1..9);
        self.items[item].parts.push(Part { code, serial, weight });
    }

    fn add_maker(&mut self, random: &mut StdRng) {
        let slug = format!("m{}", random.random_range(0..SLUGS));
        let taken = self.makers.iter().any(|maker| maker.slug.as_ref() == Some(&slug));
        let maker = Maker {
            id: self.name("m"),
            name: self.name("maker "),
            slug: (!taken).then_some(slug),
            city: random.random_bool(0.7).then(|| self.name("city ")),
        };
        let place = random.random_range(0..=self.makers.len());
        self.makers.insert(place, maker);
    }

    fn add_tag(&mut self) {
        let tag = (self.name("t"), self.name("tag "));
        self.tags.push(tag);
    }

    /// One change of the kinds that upstreams make; says which.
    pub(super) fn change(&mut self, random: &mut StdRng) -> &'static str {
        match random.random_range(0..24) {
            0 | 1 => {
                self.add_item(random);
                "an item more"
            }
            2 => {
                let gone = random.random_range(0..self.items.len().max(1));
                if gone < self.items.len() {
                    self.items.remove(gone);
                }
                "an item less"
            }
            3 | 4 => {
                let id = self.name("i");
                if let Some(item) = pick(random, &mut self.items) {
                    item.id = id;
                }
                "an item has another key, and all else as before"
            }
            5 => {
                let name = self.name("item ");
                if let Some(item) = pick(random, &mut self.items) {
                    item.name = name;
                }
                "an item has another name"
            }
            6 | 7 => {
                if let Some((one, other)) = two(random, self.items.len()) {
                    let slug = self.items[one].slug.take();
                    self.items[one].slug = std::mem::replace(&mut self.items[other].slug, slug);
                }
                "two items swap their slugs"
            }
            8 => {
                let free = self.free_slug(random);
                if let Some(item) = pick(random, &mut self.items) {
                    item.slug = free;
                }
                "an item has another slug, or none"
            }
            9 | 10 => self.swap_serials(random),
            11 | 12 => self.move_part(random),
            13 => {
                let code = self.name("p");
                if let Some(part) = pick(random, &mut self.items).and_then(|item| item.parts.first_mut()) {
                    part.code = code;
                }
                "a part has another key, and the same serial"
            }
            14 => {
                let item = random.random_range(0..self.items.len().max(1));
                if item < self.items.len() {
                    self.add_part(random, item);
                    self.items[item].parts.shuffle(random);
                }
                "a part more"
            }
            15 => {
                if let Some(item) = pick(random, &mut self.items) {
                    item.parts.pop();
                }
                "a part less"
            }
            16 => {
                let tags: Vec<String> = self.tags.iter().map(|tag| tag.0.clone()).collect();
                if let Some(item) = pick(random, &mut self.items) {
                    let any = |_| tags.get(random.random_range(0..tags.len().max(1))).cloned();
                    item.tags = (0..3).filter_map(any).collect();
                }
                "an item has other tags"
            }
            17 => {
                let makers: Vec<String> = self.makers.iter().map(|maker| maker.id.clone()).collect();
                let maker = makers.get(random.random_range(0..makers.len().max(1))).cloned();
                if let Some(item) = pick(random, &mut self.items) {
                    item.maker.clone_from(&maker);
                    item.sellers = maker.into_iter().chain(makers.last().cloned()).collect();
                    item.sellers.dedup();
                }
                "an item has another maker and other sellers"
            }
            18 => {
                self.add_maker(random);
                "a maker more"
            }
            19 => {
                if let Some((one, other)) = two(random, self.makers.len()) {
                    let slug = self.makers[one].slug.take();
                    self.makers[one].slug = std::mem::replace(&mut self.makers[other].slug, slug);
                }
                "two makers swap their slugs"
            }
            20 => {
                let city = random.random_bool(0.6).then(|| self.name("city "));
                if let Some(maker) = pick(random, &mut self.makers) {
                    maker.city = city;
                }
                "a maker is in another city"
            }
            21 => {
                self.add_tag();
                if random.random_bool(0.5) {
                    self.tags.remove(0);
                }
                "other tags"
            }
            22 => {
                let review = (self.name("r"), self.name("text "));
                if let Some(item) = pick(random, &mut self.items) {
                    item.reviews.push(review);
                    if item.reviews.len() > 2 {
                        item.reviews.remove(0);
                    }
                }
                "other reviews of an item"
            }
            _ => {
                self.items.shuffle(random);
                "another order of the items"
            }
        }
    }

    fn swap_serials(&mut self, random: &mut StdRng) -> &'static str {
        let mut parts: Vec<&mut Part> = self.items.iter_mut().flat_map(|item| &mut item.parts).collect();
        if let Some((one, other)) = two(random, parts.len()) {
            let serial = parts[one].serial.take();
            parts[one].serial = std::mem::replace(&mut parts[other].serial, serial);
        }
        "two parts swap their serials"
    }

    fn move_part(&mut self, random: &mut StdRng) -> &'static str {
        if let Some((from, to)) = two(random, self.items.len())
            && let Some(part) = self.items[from].parts.pop()
        {
            self.items[to].parts.push(part);
        }
        "a part moves to another item"
    }

    /// All is as it was then, but for the makers: they are brought by several fetches, so none of
    /// them can delete one.
    pub(super) fn revert(&mut self, past: World) {
        self.items = past.items;
        self.tags = past.tags;
    }

    /// Has the tags of another world.
    pub(super) fn tags_of(&mut self, other: World) {
        self.tags = other.tags;
    }

    /// The keys of all that is there.
    pub(super) fn keys(&self) -> Keys {
        let mut keys = Keys::new();
        for item in &self.items {
            keys.insert(("item", item.id.clone()));
            keys.extend(
                item.parts
                    .iter()
                    .map(|part| ("part", format!("{}/{}", item.id, part.code))),
            );
        }
        keys.extend(self.makers.iter().map(|maker| ("maker", maker.id.clone())));
        for kind in ["tag", "label"] {
            keys.extend(self.tags.iter().map(|tag| (kind, tag.0.clone())));
        }
        keys
    }

    /// The records of a list as the upstream gives them.
    pub(super) fn records(&self, list: &str) -> Vec<Json> {
        match list {
            "items" => self.items.iter().map(Item::record).collect(),
            "makers" => self.makers.iter().map(Maker::record).collect(),
            _ => {
                let tags = self.tags.iter();
                tags.map(|(id, name)| json!({ "id": id, "name": name })).collect()
            }
        }
    }

    /// The reviews of all items.
    pub(super) fn reviews(&self) -> Vec<Json> {
        let of = |item: &Item| self.records_of(&item.id, "reviews");
        self.items.iter().filter_map(of).flatten().collect()
    }

    /// What an address of one item gives; sellers are makers of whom only a part is told.
    pub(super) fn records_of(&self, item: &str, list: &str) -> Option<Vec<Json>> {
        let item = self.items.iter().find(|found| found.id == item)?;
        Some(match list {
            "reviews" => {
                let reviews = item.reviews.iter();
                reviews.map(|(id, text)| json!({ "id": id, "text": text })).collect()
            }
            _ => {
                let makers = self.makers.iter().filter(|maker| item.sellers.contains(&maker.id));
                makers
                    .map(|maker| json!({ "id": maker.id, "name": maker.name }))
                    .collect()
            }
        })
    }

    /// The answer to the query of the test, when all is harvested.
    pub(super) fn served(&self) -> Json {
        let has_maker = |id: &str| self.makers.iter().any(|maker| maker.id == id);
        let has_tag = |id: &str| self.tags.iter().any(|tag| tag.0 == id);
        let mut items: Vec<&Item> = self.items.iter().collect();
        items.sort_by(|one, other| one.id.cmp(&other.id));
        let mut makers: Vec<&Maker> = self.makers.iter().collect();
        makers.sort_by(|one, other| one.id.cmp(&other.id));
        let mut tags: Vec<&(String, String)> = self.tags.iter().collect();
        tags.sort();
        let items = items.into_iter().map(|item| {
            let maker = item
                .maker
                .as_ref()
                .filter(|id| has_maker(id))
                .map(|id| json!({ "id": id }));
            let tags = item.tags.iter().filter(|id| has_tag(id)).map(|id| json!({ "id": id }));
            let sellers = self.makers.iter().filter(|maker| item.sellers.contains(&maker.id));
            json!({
                "id": item.id, "name": item.name, "slug": item.slug, "maker": maker,
                "tags": tags.collect::<Vec<_>>(),
                "parts": item.parts.iter().map(Part::record).collect::<Vec<_>>(),
                "reviews": self.records_of(&item.id, "reviews"),
                "sellers": sellers.map(|maker| json!({ "id": maker.id })).collect::<Vec<_>>(),
            })
        });
        let tags: Vec<Json> = tags
            .into_iter()
            .map(|(id, name)| json!({ "id": id, "name": name }))
            .collect();
        json!({
            "items": items.collect::<Vec<_>>(),
            "makers": makers.into_iter().map(Maker::record).collect::<Vec<_>>(),
            "tags": tags,
            // Another list of the same.
            "labels": tags,
        })
    }
}

impl Item {
    fn record(&self) -> Json {
        json!({
            "id": self.id, "name": self.name, "slug": self.slug, "maker": self.maker, "tags": self.tags,
            "parts": self.parts.iter().map(Part::record).collect::<Vec<_>>(),
        })
    }
}

impl Part {
    fn record(&self) -> Json {
        json!({ "code": self.code, "serial": self.serial, "weight": self.weight })
    }
}

impl Maker {
    fn record(&self) -> Json {
        json!({ "id": self.id, "name": self.name, "slug": self.slug, "city": self.city })
    }
}

/// The keys in an answer to the query of the test.
pub(super) fn keys_in(answer: &Json) -> Keys {
    let list = |of: &Json, name: &str| of[name].as_array().cloned().unwrap_or_default();
    let text = |of: &Json, name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let mut keys = Keys::new();
    for item in list(answer, "items") {
        let id = text(&item, "id");
        keys.extend(
            list(&item, "parts")
                .iter()
                .map(|part| ("part", format!("{id}/{}", text(part, "code")))),
        );
        keys.insert(("item", id));
    }
    keys.extend(list(answer, "makers").iter().map(|maker| ("maker", text(maker, "id"))));
    for (kind, name) in [("tag", "tags"), ("label", "labels")] {
        keys.extend(list(answer, name).iter().map(|tag| (kind, text(tag, "id"))));
    }
    keys
}
