//! Spans of time that times fall into: days, weeks, hours of the day. Knows the calendar and zones;
//! knows no column.
//!
//! PostgreSQL finds them by expressions of SQL, which have to give the same
//! (`store::db::postgres`).

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, SecondsFormat};

use super::{MICROS_PER_SECOND, Zone};

/// Microseconds of a day.
const DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// The beginning of the year 0, before which no time is stored.
const BEGIN: i64 = -62_167_219_200 * MICROS_PER_SECOND;

/// How long the spans are, or what of a time is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    /// From Monday on, as ISO 8601 has it.
    Week,
    Month,
    Quarter,
    Year,
    /// 1 for Monday to 7 for Sunday.
    DayOfWeek,
    /// 0 to 23.
    HourOfDay,
}

impl Unit {
    pub(crate) const ALL: [Unit; 10] = [
        Unit::Second,
        Unit::Minute,
        Unit::Hour,
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::Quarter,
        Unit::Year,
        Unit::DayOfWeek,
        Unit::HourOfDay,
    ];

    /// The name that it has in an enum.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Second => "SECOND",
            Unit::Minute => "MINUTE",
            Unit::Hour => "HOUR",
            Unit::Day => "DAY",
            Unit::Week => "WEEK",
            Unit::Month => "MONTH",
            Unit::Quarter => "QUARTER",
            Unit::Year => "YEAR",
            Unit::DayOfWeek => "DAY_OF_WEEK",
            Unit::HourOfDay => "HOUR_OF_DAY",
        }
    }

    /// Whether it is a part of a day, of which all are as long as each other whatever clocks show.
    pub(crate) fn is_clock(self) -> bool {
        self.clock().is_some()
    }

    /// Whether a number comes of it and no time.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Unit::DayOfWeek | Unit::HourOfDay)
    }

    fn clock(self) -> Option<i64> {
        match self {
            Unit::Second => Some(MICROS_PER_SECOND),
            Unit::Minute => Some(60 * MICROS_PER_SECOND),
            Unit::Hour => Some(3_600 * MICROS_PER_SECOND),
            _ => None,
        }
    }

    /// The microseconds of the shortest of its spans: what it may be shifted by is less.
    pub(crate) fn shortest(self) -> i64 {
        match self {
            Unit::Second => MICROS_PER_SECOND,
            Unit::Minute => 60 * MICROS_PER_SECOND,
            Unit::Hour => 3_600 * MICROS_PER_SECOND,
            Unit::Day | Unit::HourOfDay => DAY,
            Unit::Week | Unit::DayOfWeek => 7 * DAY,
            Unit::Month => 28 * DAY,
            Unit::Quarter => 90 * DAY,
            Unit::Year => 365 * DAY,
        }
    }
}

/// Spans of time: those of a unit, by the clocks of a zone, shifted by some microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans<'z> {
    pub unit: Unit,
    pub zone: Option<&'z Zone>,
    pub shift: i64,
}

impl Spans<'_> {
    /// The beginning of the span that a stored instant falls into, as one; or its number as a text.
    /// None for what is no stored instant.
    pub(crate) fn of(&self, stored: &str) -> Option<String> {
        let at = instant(stored)?;
        match self.unit {
            Unit::DayOfWeek => Some((weekday(day(self.shown(at).1)) + 1).to_string()),
            Unit::HourOfDay => Some((self.shown(at).1.rem_euclid(DAY) / (3_600 * MICROS_PER_SECOND)).to_string()),
            _ => text(self.start(at)),
        }
    }

    /// The beginnings of all spans from one to another one, at most one more than so many.
    pub(crate) fn between(&self, first: &str, last: &str, most: usize) -> Option<Vec<String>> {
        let (mut at, last) = (self.start(instant(first)?), instant(last)?);
        let mut all = Vec::new();
        while at <= last && all.len() <= most {
            all.push(text(at)?);
            at = self.next(at)?;
        }
        Some(all)
    }

    /// How many changes of offset there were, and what clocks show less the shift.
    fn shown(&self, at: i64) -> ((usize, i64), i64) {
        let offset = self.zone.map_or((0, 0), |zone| zone.at(second(at)));
        (offset, at + offset.1 * MICROS_PER_SECOND - self.shift)
    }

    /// The beginning of the span that an instant falls into.
    fn start(&self, at: i64) -> i64 {
        let ((changes, offset), shown) = self.shown(at);
        match self.unit.clock() {
            // An hour that clocks show twice is two hours.
            Some(length) => {
                let label = shown - shown.rem_euclid(length) + self.shift;
                self.not_before(changes, label - offset * MICROS_PER_SECOND)
            }
            None => self.begin(self.cut(shown)),
        }
    }

    /// When clocks come to where a span begins, whose label is given without the shift.
    fn begin(&self, label: i64) -> i64 {
        let label = label + self.shift;
        let (changes, offset) = self.zone.map_or((0, 0), |zone| zone.at_wall(second(label)));
        self.not_before(changes, label - offset * MICROS_PER_SECOND)
    }

    /// Clocks that go forward leave times out: what would begin in those begins with the change.
    fn not_before(&self, changes: usize, at: i64) -> i64 {
        let change = self.zone.and_then(|zone| zone.change(changes));
        let at = change.map_or(at, |change| at.max(change * MICROS_PER_SECOND));
        at.max(BEGIN)
    }

    /// A time cut off to where its span begins, as clocks show it.
    fn cut(&self, shown: i64) -> i64 {
        let date = date(day(shown));
        let first = |month: u32| NaiveDate::from_ymd_opt(date.year(), month, 1).unwrap_or(date);
        let date = match self.unit {
            Unit::Week => return (day(shown) - weekday(day(shown))) * DAY,
            Unit::Month => first(date.month()),
            Unit::Quarter => first(date.month0() / 3 * 3 + 1),
            Unit::Year => first(1),
            _ => date,
        };
        number(date) * DAY
    }

    /// The beginning of the next span that there is.
    fn next(&self, at: i64) -> Option<i64> {
        let ((changes, offset), shown) = self.shown(at);
        if let Some(length) = self.unit.clock() {
            let label = shown - shown.rem_euclid(length) + self.shift;
            let next = label + length - offset * MICROS_PER_SECOND;
            let change = self.zone.and_then(|zone| zone.change(changes + 1));
            return Some(change.map_or(next, |change| next.min(change * MICROS_PER_SECOND)));
        }
        let mut label = self.cut(shown);
        loop {
            label = self.following(label)?;
            // A day that clocks left out begins with the one after it.
            let next = self.begin(label);
            if next > at {
                return Some(next);
            }
        }
    }

    fn following(&self, label: i64) -> Option<i64> {
        let date = date(day(label));
        let next = match self.unit {
            Unit::Week => date.checked_add_days(Days::new(7)),
            Unit::Month => date.checked_add_months(Months::new(1)),
            Unit::Quarter => date.checked_add_months(Months::new(3)),
            Unit::Year => date.checked_add_months(Months::new(12)),
            _ => date.checked_add_days(Days::new(1)),
        };
        Some(number(next?) * DAY)
    }
}

/// Microseconds since 1970 of a stored instant.
fn instant(stored: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(stored).ok()?.timestamp_micros())
}

fn text(micros: i64) -> Option<String> {
    Some(DateTime::from_timestamp_micros(micros)?.to_rfc3339_opts(SecondsFormat::Micros, true))
}

fn second(micros: i64) -> i64 {
    micros.div_euclid(MICROS_PER_SECOND)
}

/// The number of a day since 1970.
fn day(micros: i64) -> i64 {
    micros.div_euclid(DAY)
}

/// 0 for Monday; the first day of 1970 was a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

fn date(day: i64) -> NaiveDate {
    let date = DateTime::from_timestamp_micros(day.saturating_mul(DAY));
    date.unwrap_or_default().date_naive()
}

fn number(date: NaiveDate) -> i64 {
    date.signed_duration_since(NaiveDate::default()).num_days()
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDateTime, TimeDelta, TimeZone, Timelike};
    use chrono_tz::Tz;

    use super::*;

    fn spans(unit: Unit, zone: Option<&Zone>) -> Spans<'_> {
        Spans { unit, zone, shift: 0 }
    }

    /// Each unit, over both changes of summer time.
    #[test]
    fn spans_begin_by_the_clocks_of_their_zone() {
        let berlin = Zone::named("Europe/Berlin").expect("a zone");
        let cases = [
            (
                Unit::Second,
                "2026-03-29T00:59:59.500000Z",
                "2026-03-29T00:59:59.000000Z",
            ),
            (
                Unit::Minute,
                "2026-03-29T01:00:59.500000Z",
                "2026-03-29T01:00:00.000000Z",
            ),
            (Unit::Hour, "2026-03-29T00:59:59.999999Z", "2026-03-29T00:00:00.000000Z"),
            (Unit::Hour, "2026-10-25T00:30:00.000000Z", "2026-10-25T00:00:00.000000Z"),
            (Unit::Hour, "2026-10-25T01:30:00.000000Z", "2026-10-25T01:00:00.000000Z"),
            (Unit::Day, "2026-03-29T21:59:59.999999Z", "2026-03-28T23:00:00.000000Z"),
            (Unit::Day, "2026-03-29T22:00:00.000000Z", "2026-03-29T22:00:00.000000Z"),
            (Unit::Day, "2026-10-25T22:59:59.000000Z", "2026-10-24T22:00:00.000000Z"),
            (Unit::Week, "2026-03-29T12:00:00.000000Z", "2026-03-22T23:00:00.000000Z"),
            (Unit::Week, "2026-10-26T00:00:00.000000Z", "2026-10-25T23:00:00.000000Z"),
            (
                Unit::Month,
                "2026-10-31T22:59:59.000000Z",
                "2026-09-30T22:00:00.000000Z",
            ),
            (
                Unit::Quarter,
                "2026-05-01T00:00:00.000000Z",
                "2026-03-31T22:00:00.000000Z",
            ),
            (Unit::Year, "2026-07-01T00:00:00.000000Z", "2025-12-31T23:00:00.000000Z"),
            (Unit::Year, "2026-12-31T23:00:00.000000Z", "2026-12-31T23:00:00.000000Z"),
            (Unit::DayOfWeek, "2026-03-29T21:59:59.000000Z", "7"),
            (Unit::DayOfWeek, "2026-03-29T22:00:00.000000Z", "1"),
            (Unit::HourOfDay, "2026-03-29T01:00:00.000000Z", "3"),
            (Unit::HourOfDay, "2026-10-25T01:00:00.000000Z", "2"),
        ];
        for (unit, stored, want) in cases {
            let found = spans(unit, Some(&*berlin)).of(stored);
            assert_eq!(found.as_deref(), Some(want), "{unit:?} {stored}");
        }
        // A night that begins at six, a week that begins on Sunday.
        let shifted = |unit, shift, stored: &str| {
            Spans {
                unit,
                zone: Some(&*berlin),
                shift,
            }
            .of(stored)
        };
        let night = shifted(Unit::Day, DAY / 4, "2026-03-29T03:59:59.000000Z");
        assert_eq!(night.as_deref(), Some("2026-03-28T05:00:00.000000Z"));
        let sunday = shifted(Unit::Week, -DAY, "2026-03-29T12:00:00.000000Z");
        assert_eq!(sunday.as_deref(), Some("2026-03-28T23:00:00.000000Z"));
        assert_eq!(spans(Unit::Day, None).of("yesterday"), None);
    }

    /// What a reader would see on a clock in that zone, cut off by hand: an independent way.
    #[test]
    fn spans_are_those_that_clocks_show() {
        let names = [
            "Europe/Berlin",
            "America/St_Johns",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Asia/Kathmandu",
        ];
        for name in names {
            let (zone, tz): (_, Tz) = (Zone::named(name).expect("a zone"), name.parse().expect("a zone"));
            for step in 0..2_000_i64 {
                // Some hours apart, by a number that meets all minutes.
                let at = (step * 199_971_233 - 30_000_000_000) * 10_000;
                let at = at.rem_euclid(80 * 365 * DAY);
                let stored = text(at).expect("an instant");
                let shown = tz.from_utc_datetime(&DateTime::from_timestamp_micros(at).expect("one").naive_utc());
                for unit in Unit::ALL {
                    let found = spans(unit, Some(&*zone)).of(&stored).expect("a span");
                    let told = format!("{name} {unit:?} {stored}: {found}");
                    match unit {
                        Unit::DayOfWeek => {
                            assert_eq!(found, shown.weekday().number_from_monday().to_string(), "{told}");
                        }
                        Unit::HourOfDay => assert_eq!(found, shown.hour().to_string(), "{told}"),
                        _ => {
                            let start = instant(&found).expect("an instant");
                            assert!(start <= at, "{told}");
                            let clock = |at: i64| -> NaiveDateTime {
                                let utc = DateTime::from_timestamp_micros(at).expect("one").naive_utc();
                                tz.from_utc_datetime(&utc).naive_local()
                            };
                            // The clock shows the same span at its beginning, and another one
                            // before.
                            let same =
                                |one: NaiveDateTime, other: NaiveDateTime| label(unit, one) == label(unit, other);
                            assert!(same(clock(start), shown.naive_local()), "{told}");
                            let is_change = zone.changes().contains(&second(start));
                            assert!(is_change || !same(clock(start - 1), clock(start)), "{told}");
                        }
                    }
                }
            }
        }
    }

    fn label(unit: Unit, shown: NaiveDateTime) -> String {
        match unit {
            Unit::Second => shown.format("%F %T").to_string(),
            Unit::Minute => shown.format("%F %H:%M").to_string(),
            Unit::Hour => shown.format("%F %H").to_string(),
            Unit::Week => shown.format("%G %V").to_string(),
            Unit::Month => shown.format("%Y %m").to_string(),
            Unit::Quarter => format!("{} {}", shown.year(), shown.month0() / 3),
            Unit::Year => shown.year().to_string(),
            _ => shown.format("%F").to_string(),
        }
    }

    /// Spans follow each other without a gap: whatever lies between two falls into the first.
    #[test]
    fn spans_between_two_are_all_that_there_are() {
        let zones = ["Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC"];
        let years = ["2011-12-20", "2026-03-20", "2026-10-20", "1883-11-10"];
        for name in zones {
            let zone = Zone::named(name).expect("a zone");
            for day in years {
                let first = format!("{day}T05:00:00.000000Z");
                let from = instant(&first).expect("an instant");
                let days =
                    |count: i64| text(from + TimeDelta::days(count).num_microseconds().expect("some")).expect("one");
                for (unit, last) in [
                    (Unit::Hour, days(30)),
                    (Unit::Day, days(400)),
                    (Unit::Week, days(400)),
                    (Unit::Quarter, days(400)),
                ] {
                    let spans = spans(unit, Some(&*zone));
                    let all = spans.between(&first, &last, 100_000).expect("spans");
                    let mut found = Vec::new();
                    for at in (from..=instant(&last).expect("an instant")).step_by(1_800_000_000) {
                        let start = spans.of(&text(at).expect("an instant")).expect("a span");
                        if found.last() != Some(&start) {
                            found.push(start);
                        }
                    }
                    assert_eq!(all, found, "{name} {unit:?} {day}");
                    assert_eq!(spans.between(&first, &last, 3).map(|some| some.len()), Some(4));
                }
            }
        }
    }
}
