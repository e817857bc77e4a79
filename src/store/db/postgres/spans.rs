//! Spans of time as PostgreSQL finds them: what `value::Spans` gives, by the program's own time
//! zones. Knows its functions of times without a zone; asks none that knows zones.
//!
//! All times are 400 years later here: the calendar repeats itself after those, and the server
//! knows no year 0.

use crate::{
    layout::ColumnKind,
    store::db::{dialect::SpansOf, made::ROWS_MARK},
    value::{Scalar, Unit, Zone},
};

/// Seconds of 400 years.
const CYCLE: i64 = 12_622_780_800;
/// 1970, and the first year that is stored.
const EPOCH: &str = "timestamp '2370-01-01'";
const BEGIN: &str = "timestamp '0400-01-01'";
/// Spans that clocks left out stand among those that are counted.
const SPARE: u64 = 1_000;

/// The span that a value of a column falls into: a timestamp, or a number.
pub(super) fn span(column: &str, spans: &SpansOf<'_>) -> String {
    let at = timestamp(column, spans.kind);
    match spans.unit {
        Unit::DayOfWeek => format!("extract(isodow from {})::bigint", spans.shown(&at)),
        Unit::HourOfDay => format!("extract(hour from {})::bigint", spans.shown(&at)),
        // `greatest` leaves nulls out.
        _ => format!("CASE WHEN {column} IS NOT NULL THEN {} END", spans.start(&at)),
    }
}

/// A timestamp of a span as the text that a column would hold.
pub(super) fn stored(span: &str, kind: ColumnKind) -> String {
    let year = format!("lpad((extract(year from {span})::int-400)::text,4,'0')");
    match kind {
        ColumnKind::Scalar(Scalar::Date) => format!("({year}||to_char({span},'-MM-DD'))"),
        ColumnKind::Scalar(Scalar::Time) => format!("to_char({span},'HH24:MI:SS.US')"),
        _ => format!("({year}||to_char({span},'-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))"),
    }
}

/// All spans from the least to the greatest one of a column, and a few more than `most` if they are
/// so many.
pub(super) fn spans(table: &str, column: &str, spans: &SpansOf<'_>, most: u64) -> String {
    let limit = most.saturating_add(SPARE).min(i64::MAX as u64);
    let ends = ends(table, column, spans.unit, most);
    let series = |first: &str, last: &str, step: &str| {
        format!("SELECT generate_series({first},{last}{step}) AS l FROM {ends} LIMIT {limit}")
    };
    if spans.unit.is_number() {
        return format!("SELECT l AS b FROM ({}) AS a", series("e.f", "e.l", ""));
    }
    let step = format!(",interval '{}'", step(spans.unit));
    if !spans.unit.is_clock() {
        let labels = series(&spans.label("e.f"), &spans.label("e.l"), &step);
        return format!("SELECT DISTINCT {} AS b FROM ({labels}) AS a", spans.begin("a.l"));
    }
    // Wherever clocks change, others begin.
    let changes = spans.zone.filter(|zone| !zone.changes().is_empty()).map(|zone| {
        let changes = numbers(zone.changes().iter().copied());
        format!(
            " UNION ALL SELECT c.t-d.d FROM (SELECT {EPOCH}+s*interval '1 second' AS t FROM unnest({changes}) AS s) AS c,\
             (VALUES (interval '0'),(interval '1 microsecond')) AS d(d),{ends} WHERE c.t>e.f AND c.t-d.d<=e.l"
        )
    });
    let times = format!("({}){}", series("e.f", "e.l", &step), changes.unwrap_or_default());
    format!("SELECT DISTINCT {} AS b FROM ({times}) AS a", spans.start("a.l"))
}

/// The least and the greatest span of a column. Where there are too many between them, the
/// statement ends here: to make them all and count them takes seconds.
fn ends(table: &str, column: &str, unit: Unit, most: u64) -> String {
    let both = format!("SELECT min({column}) AS f,max({column}) AS l FROM {table}");
    let beyond = i64::try_from(most).ok().and_then(|most| most.checked_add(1));
    let (Some(beyond), Some(longest)) = (beyond, longest(unit)) else {
        return format!("({both}) AS e");
    };
    let count = format!("floor(extract(epoch from l-f)/{longest})");
    format!(
        "(SELECT f,l FROM ({both}) AS e WHERE CASE WHEN {count}>{most} THEN CAST('{ROWS_MARK}{beyond}'||left(l::text,0) AS BIGINT) \
         ELSE 1 END=1) AS e"
    )
}

/// Seconds that a span has at most; of numbers there are few.
fn longest(unit: Unit) -> Option<u32> {
    const DAY: u32 = 86_400;
    Some(match unit {
        Unit::Second => 1,
        Unit::Minute => 60,
        Unit::Hour => 3_600,
        // Clocks may be put back.
        Unit::Day => DAY + 10_800,
        Unit::Week => 7 * DAY + 10_800,
        Unit::Month => 32 * DAY,
        Unit::Quarter => 93 * DAY,
        Unit::Year => 367 * DAY,
        Unit::DayOfWeek | Unit::HourOfDay => return None,
    })
}

/// A column's value as a timestamp.
fn timestamp(column: &str, kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Scalar(Scalar::Date) => later(column, &format!("substr({column},5)"), column),
        ColumnKind::Scalar(Scalar::Time) => format!("('2370-01-01 '||{column})::timestamp"),
        _ => later(column, &format!("substr({column},5,22)"), &format!("left({column},26)")),
    }
}

fn later(column: &str, behind_the_year: &str, plain: &str) -> String {
    format!(
        "(CASE WHEN {column}<'0001' THEN ('0400'||{behind_the_year})::timestamp \
         ELSE ({plain})::timestamp+interval '400 years' END)"
    )
}

fn step(unit: Unit) -> &'static str {
    match unit {
        Unit::Second => "1 second",
        Unit::Minute => "1 minute",
        Unit::Hour => "1 hour",
        Unit::Week => "7 days",
        Unit::Month => "1 month",
        Unit::Quarter => "3 months",
        Unit::Year => "1 year",
        Unit::Day | Unit::DayOfWeek | Unit::HourOfDay => "1 day",
    }
}

/// The name of the unit that the server cuts times off to.
fn word(unit: Unit) -> String {
    unit.name().to_ascii_lowercase()
}

fn numbers(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("'{{{}}}'::bigint[]", numbers.join(","))
}

/// Seconds since 1970 of a timestamp, cut off.
fn second(at: &str) -> String {
    format!("(extract(epoch from date_trunc('second',{at}))::bigint-{CYCLE})")
}

/// The offset after so many changes.
fn offset(zone: &Zone, changes: &str) -> String {
    let offsets = numbers(zone.offsets().iter().copied());
    format!("({offsets})[{changes}+1]*interval '1 second'")
}

/// How many changes there were until an instant.
fn changes(zone: &Zone, at: &str) -> String {
    format!(
        "width_bucket({},{})",
        second(at),
        numbers(zone.changes().iter().copied())
    )
}

impl SpansOf<'_> {
    /// The offset that is in force at an instant; none where that is never another than zero.
    fn offset_at(&self, at: &str) -> Option<String> {
        let zone = self.zone?;
        match (zone.changes(), zone.offsets()) {
            ([], [0]) => None,
            ([], _) => Some(offset(zone, "0")),
            _ => Some(offset(zone, &changes(zone, at))),
        }
    }

    fn shift(&self) -> Option<String> {
        Some(format!("{}*interval '1 microsecond'", self.shift.as_ref()?))
    }

    /// What clocks show at an instant, less the shift.
    fn shown(&self, at: &str) -> String {
        let offset = self.offset_at(at).map_or(String::new(), |offset| format!("+{offset}"));
        let shift = self.shift().map_or(String::new(), |shift| format!("-{shift}"));
        format!("({at}{offset}{shift})")
    }

    /// The same cut off to where its span begins.
    fn label(&self, at: &str) -> String {
        format!("date_trunc('{}',{})", word(self.unit), self.shown(at))
    }

    /// The beginning of the span that an instant falls into.
    fn start(&self, at: &str) -> String {
        let label = self.label(at);
        if !self.unit.is_clock() {
            return self.begin(&label);
        }
        let shift = self.shift().map_or(String::new(), |shift| format!("+{shift}"));
        let offset = self.offset_at(at).map_or(String::new(), |offset| format!("-{offset}"));
        let change = self.zone.and_then(|zone| change(zone, &changes(zone, at)));
        not_before(&format!("{label}{shift}{offset}"), change)
    }

    /// When clocks come to where a span begins, whose label is given without the shift.
    fn begin(&self, label: &str) -> String {
        let shift = self.shift().map_or(String::new(), |shift| format!("+{shift}"));
        let label = format!("({label}{shift})");
        let Some(zone) = self.zone else {
            return not_before(&label, None);
        };
        let changes = match zone.changes() {
            [] => "0".to_owned(),
            _ => format!("width_bucket({},{})", second(&label), numbers(zone.walls())),
        };
        let start = format!("{label}-{}", offset(zone, &changes));
        not_before(&start, change(zone, &changes))
    }
}

/// When the last of so many changes was; null before the first one.
fn change(zone: &Zone, changes: &str) -> Option<String> {
    let all = numbers(zone.changes().iter().copied());
    let is_any = !zone.changes().is_empty();
    is_any.then(|| format!("{EPOCH}+({all})[{changes}]*interval '1 second'"))
}

fn not_before(start: &str, change: Option<String>) -> String {
    let change = change.map_or(String::new(), |change| format!(",{change}"));
    format!("greatest({start}{change},{BEGIN})")
}
