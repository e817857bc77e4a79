//! Times as keys of groups: by which spans they are grouped, and the types of that. Knows their SDL
//! and their names.

use super::text::Sdl;
use crate::{
    catalog::Leaf,
    value::{Scalar, Unit},
};

/// The scalar of a time zone's name. Its values are a part of the plan.
pub(in crate::graphql) const TIME_ZONE: &str = "TimeZone";
/// The unit, and the member, of times that are grouped as they are.
pub(in crate::graphql) const VALUE: &str = "VALUE";
const VALUE_MEMBER: &str = "value";

/// Scalars that are grouped by spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::graphql) enum Times {
    DateTime,
    Date,
    Time,
}

impl Times {
    pub(in crate::graphql) fn of(leaf: Leaf) -> Option<Times> {
        match leaf {
            Leaf::Scalar(Scalar::DateTime) => Some(Times::DateTime),
            Leaf::Scalar(Scalar::Date) => Some(Times::Date),
            Leaf::Scalar(Scalar::Time) => Some(Times::Time),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Times::DateTime => "DateTime",
            Times::Date => "Date",
            Times::Time => "Time",
        }
    }

    pub(in crate::graphql) fn by_input(self) -> String {
        format!("By{}", self.name())
    }

    pub(in crate::graphql) fn keys_type(self) -> String {
        format!("{}Keys", self.name())
    }

    pub(in crate::graphql) fn keys_order_input(self) -> String {
        format!("{}KeysOrder", self.name())
    }

    fn unit_enum(self) -> String {
        format!("{}Unit", self.name())
    }

    /// The units of its spans.
    fn units(self) -> impl Iterator<Item = Unit> {
        let fits = move |unit: &Unit| match self {
            Times::DateTime => true,
            Times::Date => !unit.is_clock() && *unit != Unit::HourOfDay,
            Times::Time => unit.is_clock() || *unit == Unit::HourOfDay,
        };
        Unit::ALL.into_iter().filter(fits)
    }
}

/// The unit of an enum's value, or none for [`VALUE`].
pub(in crate::graphql) fn unit(value: &str) -> Option<Unit> {
    Unit::ALL.into_iter().find(|unit| unit.name() == value)
}

/// What a member of the keys of a time is grouped by: a unit, or nothing but the value. None for
/// one that is not there.
pub(in crate::graphql) fn member(name: &str) -> Option<Option<Unit>> {
    match name {
        VALUE_MEMBER => Some(None),
        name => Unit::ALL.into_iter().find(|unit| member_name(*unit) == name).map(Some),
    }
}

fn member_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Second => "second",
        Unit::Minute => "minute",
        Unit::Hour => "hour",
        Unit::Day => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Quarter => "quarter",
        Unit::Year => "year",
        Unit::DayOfWeek => "dayOfWeek",
        Unit::HourOfDay => "hourOfDay",
    }
}

fn about(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::Week => Some("From Monday on, as ISO 8601 has it."),
        Unit::DayOfWeek => Some("1 for Monday to 7 for Sunday."),
        Unit::HourOfDay => Some("0 to 23."),
        _ => None,
    }
}

/// The objects of keys.
pub(super) fn write(sdl: &mut Sdl, times: &[Times]) {
    for kind in times {
        let about_keys = "Where the span of a group begins, or its number; each member must be asked for in `by`.";
        let scalar = kind.name();
        sdl.block(Some(about_keys), &format!("type {}", kind.keys_type()), |sdl| {
            let about_value = "The value itself, grouped by VALUE.";
            sdl.member(Some(about_value), &format!("{VALUE_MEMBER}: {scalar}"), None);
            for unit in kind.units() {
                let type_name = if unit.is_number() { Scalar::Int.name() } else { scalar };
                sdl.member(about(unit), &format!("{}: {type_name}", member_name(unit)), None);
            }
        });
    }
}

/// The inputs and enums.
pub(super) fn write_inputs(sdl: &mut Sdl, times: &[Times]) {
    if times.iter().any(|kind| *kind != Times::Time) {
        sdl.leaf_types.insert(Scalar::Duration.name().to_owned());
    }
    for kind in times {
        write_by(sdl, *kind);
        sdl.block(None, &format!("enum {}", kind.unit_enum()), |sdl| {
            sdl.member(Some("The value itself."), VALUE, None);
            for unit in kind.units() {
                sdl.member(about(unit), unit.name(), None);
            }
        });
        let head = format!("input {} @oneOf", kind.keys_order_input());
        sdl.block(Some("Exactly one member, which is a key."), &head, |sdl| {
            sdl.line(&format!("{VALUE_MEMBER}: Sort"));
            for unit in kind.units() {
                sdl.line(&format!("{}: Sort", member_name(unit)));
            }
        });
    }
    if times.contains(&Times::DateTime) {
        sdl.description(Some("A time zone of the IANA database: `Europe/Berlin`."));
        sdl.line(&format!("scalar {TIME_ZONE}"));
    }
}

fn write_by(sdl: &mut Sdl, kind: Times) {
    let about = "By which spans of time rows are grouped.";
    sdl.block(Some(about), &format!("input {}", kind.by_input()), |sdl| {
        sdl.line(&format!("bucket: {}!", kind.unit_enum()));
        if kind == Times::DateTime {
            let about = "By the clocks of which zone; UTC if it is left out.";
            sdl.member(Some(about), &format!("tz: {TIME_ZONE}"), None);
        }
        if kind != Times::Time {
            let about = "How much later each begins: `PT6H` for days from six to six, `-P1D` for weeks from Sunday on.";
            sdl.member(Some(about), "offset: Duration", None);
        }
        let about = "Gives a group without rows for each that lies between the first one and the last one.";
        sdl.member(Some(about), "fill: Boolean", None);
    });
}
