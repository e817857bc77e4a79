//! Time zones: which offset from UTC is in force when. Knows the time zone database that is
//! compiled into the program, and asks no machine and no server for theirs.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

/// Seconds of a day: offsets change once in one at most.
const DAY: i64 = 86_400;
/// Where changes are looked for: before, clocks went by the sun; afterwards the rules of today say
/// nothing, and the last offset stays.
const FIRST: i64 = -5_364_662_400;
const LAST: i64 = 4_102_444_800;

/// The offsets of one time zone.
#[derive(PartialEq)]
pub(crate) struct Zone {
    name: &'static str,
    /// The seconds since 1970 from which on another offset is in force.
    changes: Vec<i64>,
    /// Seconds to the east of UTC, before the first change and from each of them on.
    offsets: Vec<i64>,
}

impl Zone {
    /// The zone of a name of the IANA database: `Europe/Berlin`.
    pub(crate) fn named(name: &str) -> Option<Arc<Zone>> {
        static KNOWN: OnceLock<Mutex<HashMap<&'static str, Arc<Zone>>>> = OnceLock::new();
        let zone: Tz = name.parse().ok()?;
        let mut known = KNOWN
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = known.entry(zone.name()).or_insert_with(|| Arc::new(Zone::of(zone)));
        Some(Arc::clone(found))
    }

    /// The names of all of them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn changes(&self) -> &[i64] {
        &self.changes
    }

    pub(crate) fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// What clocks would have shown at each change without it.
    pub(crate) fn walls(&self) -> impl Iterator<Item = i64> + Clone {
        self.changes
            .iter()
            .zip(&self.offsets)
            .map(|(change, before)| change + before)
    }

    /// How many changes there were until a second, and the offset since.
    pub(crate) fn at(&self, second: i64) -> (usize, i64) {
        self.nth(self.changes.partition_point(|change| *change <= second))
    }

    /// The same by what clocks show; of a time that they show twice, the first one.
    pub(crate) fn at_wall(&self, second: i64) -> (usize, i64) {
        self.nth(self.walls().take_while(|wall| *wall <= second).count())
    }

    fn nth(&self, changes: usize) -> (usize, i64) {
        (changes, self.offsets.get(changes).copied().unwrap_or_default())
    }

    /// The last of so many changes.
    pub(crate) fn change(&self, count: usize) -> Option<i64> {
        self.changes.get(count.checked_sub(1)?).copied()
    }

    fn of(zone: Tz) -> Zone {
        let mut offset = offset(zone, FIRST);
        let (mut changes, mut offsets) = (Vec::new(), vec![offset]);
        for day in (FIRST + DAY..=LAST).step_by(DAY as usize) {
            let next = self::offset(zone, day);
            if next != offset {
                changes.push(first_with(zone, day - DAY, day, next));
                offsets.push(next);
                offset = next;
            }
        }
        Zone {
            name: zone.name(),
            changes,
            offsets,
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

/// The first second of a day from which on an offset is in force.
fn first_with(zone: Tz, mut before: i64, mut with: i64, wanted: i64) -> i64 {
    while with - before > 1 {
        let middle = before + (with - before) / 2;
        match offset(zone, middle) == wanted {
            true => with = middle,
            false => before = middle,
        }
    }
    with
}

fn offset(zone: Tz, second: i64) -> i64 {
    let instant = DateTime::from_timestamp(second, 0).unwrap_or_default();
    let offset = zone.offset_from_utc_datetime(&instant.naive_utc()).fix();
    i64::from(offset.local_minus_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_time() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        // 2026-03-29T01:00Z and 2026-10-25T01:00Z.
        for (change, before, after) in [(1_774_746_000, 3_600, 7_200), (1_792_890_000, 7_200, 3_600)] {
            assert!(berlin.changes().contains(&change), "{change}");
            assert_eq!((berlin.at(change - 1).1, berlin.at(change).1), (before, after));
        }
        let utc = Zone::named("UTC").expect("a zone");
        assert_eq!((utc.changes(), utc.offsets()), (&[][..], &[0][..]));
        assert_eq!(Zone::named("Europe/Berln"), None);
        assert_eq!(Zone::named("europe/berlin"), None);
    }

    /// What buckets are made by: changes in their order, also by what clocks show.
    #[test]
    fn changes_are_in_order() {
        let odd = [
            "Africa/Casablanca",
            "Pacific/Apia",
            "Asia/Manila",
            "America/Juneau",
            "Pacific/Kwajalein",
        ];
        for name in Zone::names().step_by(11).chain(odd) {
            let zone = Zone::named(name).expect("a zone");
            assert_eq!(zone.offsets().len(), zone.changes().len() + 1, "{name}");
            assert!(zone.changes().is_sorted_by(|one, next| one < next), "{name}");
            assert!(zone.walls().is_sorted_by(|one, next| one < next), "{name}");
        }
    }

    /// The same as the database says, hour by hour, where zones change often or by odd amounts.
    #[test]
    fn no_change_is_missed() {
        for name in [
            "Africa/Casablanca",
            "America/St_Johns",
            "Australia/Lord_Howe",
            "Pacific/Apia",
        ] {
            let (zone, tz) = (Zone::named(name).expect("a zone"), name.parse().expect("a zone"));
            for hour in (-1_000_000_000..LAST).step_by(3_600 * 5) {
                assert_eq!(zone.at(hour).1, offset(tz, hour), "{name} {hour}");
            }
        }
    }
}
