//! The game's world as data, made from a seed and moved by steps. Knows JSON; knows no HTTP.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::names::{DEEDS, MATERIALS, PEOPLE, PLACES, TAGS, THINGS, TITLES, TRADES};

const ITEMS: u32 = 320;
const QUESTS: u32 = 90;
const NPCS: usize = 48;
/// Quests stay within this range of numbers, so that a long demo neither empties nor fills the
/// world.
const QUESTS_LEAST: usize = 70;
const QUESTS_MOST: usize = 110;

/// Every record by its id, each as the API sends it.
pub struct World {
    pub items: BTreeMap<u32, Value>,
    pub quests: BTreeMap<u32, Value>,
    pub npcs: BTreeMap<u32, Value>,
    pub tags: BTreeMap<u32, Value>,
    random: StdRng,
    next_quest: u32,
}

impl World {
    /// The world of a seed; `url` is where its pictures are.
    pub fn new(seed: u64, url: String) -> World {
        let mut world = World {
            items: BTreeMap::new(),
            quests: BTreeMap::new(),
            npcs: BTreeMap::new(),
            tags: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
            next_quest: 1,
        };
        for (id, name) in (1..).zip(TAGS) {
            world.tags.insert(id, json!({ "id": id, "name": name }));
        }
        for id in 1..=NPCS as u32 {
            let npc = world.make_npc(id);
            world.npcs.insert(id, npc);
        }
        for id in 1..=ITEMS {
            let item = world.make_item(id, &url);
            world.items.insert(id, item);
        }
        for _ in 0..QUESTS {
            world.add_quest();
        }
        world
    }

    /// One step: about a tenth of the prices move, sometimes a quest ends or a new one begins.
    pub fn tick(&mut self) {
        let ids: Vec<u32> = self.items.keys().copied().collect();
        for id in ids {
            if self.random.random_bool(0.1) {
                self.move_price(id);
            }
        }
        if self.quests.len() > QUESTS_LEAST && self.random.random_bool(0.3) {
            self.end_quest();
        }
        if self.quests.len() < QUESTS_MOST && self.random.random_bool(0.3) {
            self.add_quest();
        }
    }

    /// Changes one price by up to a tenth.
    pub fn move_price(&mut self, id: u32) {
        let factor = self.random.random_range(0.9..1.1);
        if let Some(price) = self.items.get_mut(&id).and_then(|item| item.get_mut("price")) {
            let moved = price.as_f64().unwrap_or(1.0) * factor;
            *price = json!(in_cents(moved.clamp(0.5, 5_000.0)));
        }
    }

    /// Takes the oldest quest away.
    pub fn end_quest(&mut self) {
        self.quests.pop_first();
    }

    /// Adds a quest with the next id.
    pub fn add_quest(&mut self) {
        let id = self.next_quest;
        self.next_quest += 1;
        let quest = self.make_quest(id);
        self.quests.insert(id, quest);
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.choose(&mut self.random).copied().unwrap_or_default()
    }

    fn make_npc(&mut self, id: u32) -> Value {
        let at = id as usize - 1;
        let person = PEOPLE[at % PEOPLE.len()];
        // With 24 people and 8 trades shifted by a full round, the first 192 names differ.
        let trade = TRADES[(at + at / PEOPLE.len()) % TRADES.len()];
        json!({
            "id": id,
            "slug": format!("{person}-{trade}").to_lowercase(),
            "name": format!("{person} the {trade}"),
            "home": self.pick(&PLACES),
        })
    }

    fn make_item(&mut self, id: u32, url: &str) -> Value {
        let at = id as usize - 1;
        let name = format!(
            "{} {}",
            MATERIALS[at / THINGS.len() % MATERIALS.len()],
            THINGS[at % THINGS.len()]
        );
        let rarity = self.pick(&["common", "c", "rare", "epic"]);
        let seller = self
            .random
            .random_bool(0.9)
            .then(|| self.random.random_range(1..=NPCS as u32));
        let tags: Vec<u32> = (1..=TAGS.len() as u32)
            .filter(|_| self.random.random_bool(0.15))
            .collect();
        json!({
            "id": id,
            "fullName": name,
            "image": format!("{url}/images/{id}.svg"),
            "price": in_cents(self.random.random_range(1.0..400.0)),
            "rarity": rarity,
            "seller_id": seller,
            "tag_ids": tags,
        })
    }

    fn make_quest(&mut self, id: u32) -> Value {
        let npc_id = self.random.random_range(1..=NPCS as u32);
        let needed = self.random.random_range(1..=4);
        let mut items = BTreeMap::new();
        for _ in 0..needed {
            items.insert(self.random.random_range(1..=ITEMS), self.random.random_range(1..=12));
        }
        let needs: Vec<Value> = items
            .iter()
            .map(|(item, quantity)| json!({ "item": item, "quantity": quantity }))
            .collect();
        let thing = items
            .keys()
            .next()
            .and_then(|item| self.items.get(item))
            .cloned()
            .unwrap_or_default();
        let npc = self.npcs.get(&npc_id).cloned().unwrap_or_default();
        let honour = self.random.random_bool(0.3).then(|| self.pick(&TITLES));
        json!({
            "id": id,
            "title": format!("{} the {}", self.pick(&DEEDS), thing["fullName"].as_str().unwrap_or("Gate")),
            "reward": { "gold": self.random.random_range(5..500), "title": honour },
            "npc": { "slug": npc["slug"], "name": npc["name"] },
            "items": needs,
        })
    }
}

fn in_cents(price: f64) -> f64 {
    (price * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_world() {
        let [one, two] = [7, 7].map(|seed| World::new(seed, "http://x".to_owned()));
        assert_eq!(one.items, two.items);
        assert_eq!(one.quests, two.quests);
        let slugs: std::collections::BTreeSet<_> = one.npcs.values().map(|npc| npc["slug"].to_string()).collect();
        assert_eq!(slugs.len(), NPCS, "slugs are unique");
    }

    #[test]
    fn ticks_move_prices_and_keep_the_number_of_quests_in_range() {
        let mut world = World::new(1, "http://x".to_owned());
        let before = world.items.clone();
        for _ in 0..500 {
            world.tick();
            assert!((QUESTS_LEAST..=QUESTS_MOST).contains(&world.quests.len()));
        }
        assert_ne!(before, world.items);
    }
}
