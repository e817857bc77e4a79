//! Which of several fetches is run next, and how many at once. Knows what they follow and where
//! they read; runs none.

use crate::catalog::{Catalog, Chore, Method};

/// Runs of one order that are under way at once. Most of their time they wait for their upstreams.
const RUNS_MAX: usize = 4;

/// The fetches of one order, from the first to the last.
pub(super) struct Queue<'c> {
    catalog: &'c Catalog,
    /// Runs of files that may be under way at once: they wait for nothing but the database.
    files_max: usize,
    waiting: Vec<Chore>,
    running: Vec<Chore>,
}

impl<'c> Queue<'c> {
    /// `writers`: how many can write to the database at once.
    pub(super) fn new(catalog: &'c Catalog, fetches: &[Chore], writers: usize) -> Queue<'c> {
        Queue {
            catalog,
            files_max: writers.clamp(1, RUNS_MAX),
            waiting: fetches.to_vec(),
            running: Vec::new(),
        }
    }

    /// All fetches of a definition, and groups that are computed now and then; those of fields, and
    /// groups, after those that fill the rows they ask about or are of.
    pub(super) fn in_order(catalog: &'c Catalog) -> Vec<Chore> {
        let all: Vec<Chore> = catalog.chores().collect();
        let mut queue = Queue::new(catalog, &all, 1);
        std::iter::from_fn(|| {
            let fetch = queue.begin()?;
            queue.end(fetch);
            Some(fetch)
        })
        .collect()
    }

    /// The next fetch to be run now; the first of those that follow none that has not ended.
    pub(super) fn begin(&mut self) -> Option<Chore> {
        let files = self.running.iter().filter(|fetch| self.reads_files(**fetch)).count();
        if self.running.len() >= RUNS_MAX {
            return None;
        }
        let ready = self.waiting.iter().position(|fetch| {
            let room = !self.reads_files(*fetch) || files < self.files_max;
            room && self.after(*fetch).all(|other| other == *fetch || self.has_ended(other))
        });
        // Fetches on a schedule may follow each other: when nothing is under way, any of them can
        // begin.
        let any = self.running.is_empty() && !self.waiting.is_empty();
        let fetch = self.waiting.remove(ready.or(any.then_some(0))?);
        self.running.push(fetch);
        Some(fetch)
    }

    /// It has ended, however it did.
    pub(super) fn end(&mut self, fetch: Chore) {
        self.running.retain(|other| *other != fetch);
    }

    fn after(&self, chore: Chore) -> impl Iterator<Item = Chore> {
        let fetches = match chore {
            Chore::Fetch(id) => {
                let each = self.catalog.fetch(id).field_fetch.as_ref();
                each.map(|each| each.after.clone()).unwrap_or_default()
            }
            Chore::Groups(id) => self.catalog.fetched_by(id),
        };
        fetches.into_iter().map(Chore::Fetch)
    }

    fn has_ended(&self, fetch: Chore) -> bool {
        !self.waiting.contains(&fetch) && !self.running.contains(&fetch)
    }

    /// Whether it waits for nothing but the database.
    fn reads_files(&self, chore: Chore) -> bool {
        match chore {
            Chore::Fetch(id) => self.catalog.fetch(id).method == Method::File,
            Chore::Groups(_) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{self, Valid};

    const FARM: &str = r#"
extend schema @source(name: "farm", url: "http://127.0.0.1:9") @source(name: "disk", url: "file:.")
type Item @fetch(source: "farm", GET: "/items") {
  id: ID!
  seen: [Quest!]! @fetch(source: "farm", GET: "/items/{$this.id}/quests")
}
type Quest @fetch(source: "farm", GET: "/quests") { id: ID! }
type Tag @fetch(source: "disk", FILE: "tags.json") { id: ID! }
type Npc @fetch(source: "disk", FILE: "npcs.json") { id: ID! }
type Shop @fetch(source: "farm", GET: "/shops") { id: ID! }
type Sums @rollup(of: "Quest", every: "1h") { id: ID! quests: Int! @rollup(fn: COUNT) }
"#;

    fn catalog() -> Valid<Catalog> {
        catalog::testing::catalog(FARM)
    }

    fn names(catalog: &Catalog, fetches: &[Chore]) -> String {
        let names: Vec<String> = fetches.iter().map(|fetch| catalog.chore_name(*fetch)).collect();
        names.join(" ")
    }

    #[test]
    fn fields_follow_those_that_fill_their_rows() {
        let catalog = catalog();
        let order = Queue::in_order(&catalog);
        assert_eq!(names(&catalog, &order), "Item Quest Tag Npc Shop Item.seen Sums");
        let mut queue = Queue::new(&catalog, &order, 4);
        let begun: Vec<Chore> = std::iter::from_fn(|| queue.begin()).collect();
        assert_eq!(names(&catalog, &begun), "Item Quest Tag Npc");
        queue.end(begun[1]);
        assert_eq!(
            queue.begin().map(|fetch| catalog.chore_name(fetch)).as_deref(),
            Some("Shop")
        );
        queue.end(begun[0]);
        let seen = queue.begin().expect("its parents are there");
        assert_eq!(catalog.chore_name(seen), "Item.seen");
        assert!(queue.begin().is_none());
    }

    #[test]
    fn files_are_read_by_as_many_as_the_database_takes() {
        let catalog = catalog();
        let mut queue = Queue::new(&catalog, &Queue::in_order(&catalog), 1);
        let begun: Vec<Chore> = std::iter::from_fn(|| queue.begin()).collect();
        assert_eq!(names(&catalog, &begun), "Item Quest Tag Shop");
    }
}
