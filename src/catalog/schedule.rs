//! When a schedule falls due, what has one, and what fills a type. Knows intervals and cron
//! expressions; knows no ledger.

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;

use super::{Catalog, EntityId, FetchId, Schedule};

impl Schedule {
    /// The instant at which the current interval began; `None` for a cron expression that never
    /// matched.
    pub fn current(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Schedule::Every(every) => {
                let step = i64::try_from(every.as_micros()).ok().filter(|step| *step > 0)?;
                let micros = now.timestamp_micros();
                DateTime::from_timestamp_micros(micros - micros.rem_euclid(step))
            }
            Schedule::Cron(cron) => {
                let cron: Cron = cron.parse().ok()?;
                cron.find_previous_occurrence(&now, true).ok()
            }
        }
    }

    /// The first instant after `now`.
    pub fn following(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Schedule::Every(every) => self.current(now)?.checked_add_signed(TimeDelta::from_std(*every).ok()?),
            Schedule::Cron(cron) => {
                let cron: Cron = cron.parse().ok()?;
                cron.find_next_occurrence(&now, false).ok()
            }
        }
    }
}

/// What has runs in the ledger: a fetch, or a type of groups that are computed now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Chore {
    Fetch(FetchId),
    Groups(EntityId),
}

impl From<FetchId> for Chore {
    fn from(fetch: FetchId) -> Chore {
        Chore::Fetch(fetch)
    }
}

impl Catalog {
    /// All that has runs, fetches first.
    pub fn chores(&self) -> impl Iterator<Item = Chore> {
        let fetches = self.fetch_ids().map(Chore::Fetch);
        fetches.chain(self.timed_groups().map(Chore::Groups))
    }

    /// The name by which the ledger and people know it.
    pub fn chore_name(&self, chore: Chore) -> String {
        match chore {
            Chore::Fetch(fetch) => self.fetch_name(fetch),
            Chore::Groups(id) => self.entity(id).name.clone(),
        }
    }

    pub fn schedule_of(&self, chore: Chore) -> Option<&Schedule> {
        match chore {
            Chore::Fetch(fetch) => self.fetch(fetch).schedule.as_ref(),
            Chore::Groups(id) => self.entity(id).groups.as_ref()?.every.as_ref(),
        }
    }

    /// The types of groups that are computed now and then.
    pub fn timed_groups(&self) -> impl Iterator<Item = EntityId> {
        self.entity_ids().filter(|id| self.is_timed(*id))
    }

    /// Whether the rows of a type are groups that are computed now and then.
    pub fn is_timed(&self, id: EntityId) -> bool {
        self.entity(id)
            .groups
            .as_ref()
            .is_some_and(|groups| groups.every.is_some())
    }

    /// The fetches that bring the rows of a type: its own or its owner's, or else those of fields
    /// that lead to it. Of groups, those of the rows that they are of.
    pub fn fetched_by(&self, id: EntityId) -> Vec<FetchId> {
        let mut at = self.entity(id).groups.as_ref().map_or(id, |groups| groups.of);
        let mut root = self.entity(at);
        // Nesting has no circles: each type has one owner.
        while let Some(owner) = root.owner {
            at = owner.entity;
            root = self.entity(at);
        }
        match root.fetch {
            Some(fetch) => vec![fetch],
            None => self
                .fetch_ids()
                .filter(|fetch| self.fetch(*fetch).entity == at)
                .collect(),
        }
    }

    /// What the rows of a type are as new as: the fetches that bring them, or the last time that
    /// they were computed. Groups that are right after every commit are as new as the rows that
    /// they are of.
    pub fn filled_by(&self, id: EntityId) -> Vec<Chore> {
        match self.is_timed(id) {
            true => vec![Chore::Groups(id)],
            false => self.fetched_by(id).into_iter().map(Chore::Fetch).collect(),
        }
    }

    /// When the schedules have rows of a type harvested, or computed, next; `None` where none has
    /// one.
    pub fn next_harvest(&self, id: EntityId, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let chores = self.filled_by(id).into_iter();
        let schedules = chores.filter_map(|chore| self.schedule_of(chore));
        schedules.filter_map(|schedule| schedule.following(now)).min()
    }
}
