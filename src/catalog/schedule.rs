//! When a schedule falls due, and which fetches fill a type. Knows intervals and cron expressions;
//! knows no ledger.

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

impl Catalog {
    /// The fetches that bring the rows of a type: its own or its owner's, or else those of fields
    /// that lead to it. Groups are as new as the rows that they are of.
    pub fn filled_by(&self, id: EntityId) -> Vec<FetchId> {
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

    /// When the schedules have rows of a type harvested next; `None` where none has one.
    pub fn next_harvest(&self, id: EntityId, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let fetches = self.filled_by(id).into_iter();
        let schedules = fetches.filter_map(|fetch| self.fetch(fetch).schedule.as_ref());
        schedules.filter_map(|schedule| schedule.following(now)).min()
    }
}
