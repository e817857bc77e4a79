//! Groups at random against what a naive evaluator makes of the rows themselves: keys, counts, sums and ends, conditions, orders
//! and pages.
//!
//! `HAYLOFT_SEED=n` replays a run, `HAYLOFT_GROUPS=n` asks for more.

use std::{cmp::Ordering, collections::BTreeMap};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::{Served, both};
use crate::harness::scale::{self, scale};

/// Groupings that are asked for.
const GROUPINGS: u64 = 250;

const FILTERS: [&str; 6] = [
    "{}",
    "{int: {isNull: false}}",
    "{kind: {eq: LARGE}}",
    "{float: {gt: -10, lt: 10}}",
    "{groups: {some: {country: {eq: \"de\"}}}}",
    "{id: {eq: \"no such row\"}}",
];
const ZONES: [&str; 4] = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"];
const UNITS: [(&str, &str); 10] = [
    ("SECOND", "second"),
    ("MINUTE", "minute"),
    ("HOUR", "hour"),
    ("DAY", "day"),
    ("WEEK", "week"),
    ("MONTH", "month"),
    ("QUARTER", "quarter"),
    ("YEAR", "year"),
    ("DAY_OF_WEEK", "dayOfWeek"),
    ("HOUR_OF_DAY", "hourOfDay"),
];

/// A key: how it is asked for, how it is selected, and its value in a row.
#[derive(Clone)]
struct Key {
    by: String,
    selected: String,
    value: Found,
    order: String,
}

#[derive(Clone)]
enum Found {
    Field(&'static str),
    /// The row of `group`, known by its two parts.
    Group,
    Span(&'static str, &'static str, &'static str),
}

impl Key {
    fn any(random: &mut StdRng) -> Key {
        let fields = [
            "kind", "boolean", "int", "string", "decimal", "bigInt", "duration", "uuid", "float",
        ];
        match random.random_range(0..4) {
            0 => Key {
                by: "{group: ROW}".to_owned(),
                selected: "group { country number }".to_owned(),
                value: Found::Group,
                order: "group: {number: ASC}".to_owned(),
            },
            1 => {
                let (unit, member) = UNITS.choose(random).copied().expect("a unit");
                let zone = ZONES.choose(random).copied().expect("a zone");
                Key {
                    by: format!("{{dateTime: {{bucket: {unit}, tz: \"{zone}\"}}}}"),
                    selected: format!("dateTime {{ {member} }}"),
                    value: Found::Span(unit, member, zone),
                    order: format!("dateTime: {{{member}: ASC}}"),
                }
            }
            _ => {
                let field = fields.choose(random).copied().expect("a field");
                Key {
                    by: format!("{{{field}: VALUE}}"),
                    selected: field.to_owned(),
                    value: Found::Field(field),
                    order: format!("{field}: ASC"),
                }
            }
        }
    }

    /// What the answer has under the name of the key.
    fn of(&self, row: &Value) -> (&'static str, Value) {
        match self.value {
            Found::Field(field) => {
                let value = row[field].clone();
                (field, if value.as_f64() == Some(0.0) { json!(0) } else { value })
            }
            Found::Group => ("group", row["group"].clone()),
            Found::Span(unit, member, zone) => {
                let span = row["dateTime"].as_str().map(|text| span(unit, zone, text));
                ("dateTime", json!({ member: span.unwrap_or(Value::Null) }))
            }
        }
    }
}

/// The span of an instant by the calendar of a zone, as the answer writes it.
fn span(unit: &str, zone: &str, text: &str) -> Value {
    let zone: Tz = zone.parse().expect("a zone");
    let instant: DateTime<Utc> = text.parse().expect("an instant");
    let shown = zone.from_utc_datetime(&instant.naive_utc());
    let offset = shown.naive_local() - instant.naive_utc();
    let (date, time) = (shown.naive_local().date(), shown.naive_local().time());
    let first = |month: u32| NaiveDate::from_ymd_opt(date.year(), month, 1).expect("a date");
    let clock = |hour: u32, minute: u32, second: u32| -> NaiveDateTime {
        date.and_time(NaiveTime::from_hms_opt(hour, minute, second).expect("a time")) - offset
    };
    let day = |date: NaiveDate| -> NaiveDateTime {
        let begin = date.and_time(NaiveTime::MIN);
        zone.from_local_datetime(&begin).earliest().expect("no gap").naive_utc()
    };
    let start = match unit {
        "DAY_OF_WEEK" => return json!(date.weekday().number_from_monday()),
        "HOUR_OF_DAY" => return json!(time.hour()),
        "SECOND" => clock(time.hour(), time.minute(), time.second()),
        "MINUTE" => clock(time.hour(), time.minute(), 0),
        "HOUR" => clock(time.hour(), 0, 0),
        "DAY" => day(date),
        "WEEK" => day(date - TimeDelta::days(i64::from(date.weekday().num_days_from_monday()))),
        "MONTH" => day(first(date.month())),
        "QUARTER" => day(first(date.month0() / 3 * 3 + 1)),
        _ => day(first(1)),
    };
    // No time before the year 0 is stored.
    let begin = NaiveDate::from_ymd_opt(0, 1, 1)
        .expect("a date")
        .and_time(NaiveTime::MIN);
    json!(start.max(begin).format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Keys in their order, null last.
fn compare(one: &Value, other: &Value) -> Ordering {
    let number = |value: &Value| -> Option<f64> { value.as_f64() };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (one, other) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.values().zip(other.values());
            pairs
                .map(|(one, other)| compare(one, other))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        }
        _ => match (number(one), number(other), text(one), text(other)) {
            (Some(one), Some(other), ..) => one.total_cmp(&other),
            (.., Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_bool().cmp(&other.as_bool()),
        },
    }
}

/// The value of a key as it is ordered: numbers in texts are numbers, and enums come as they are
/// declared.
fn ordered(key: &Key, value: &Value) -> Value {
    let as_number = |text: &str| text.parse::<f64>().ok().map_or(Value::Null, |number| json!(number));
    match (key.value.clone(), value) {
        (Found::Field("decimal" | "bigInt"), Value::String(text)) => as_number(text),
        (Found::Field("duration"), Value::String(text)) => json!(seconds(text)),
        (Found::Field("kind"), Value::String(text)) => json!(["SMALL", "LARGE"].iter().position(|kind| kind == text)),
        _ => value.clone(),
    }
}

/// Seconds of a duration as it is served.
fn seconds(text: &str) -> f64 {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (mut total, mut number) = (0.0, String::new());
    for letter in rest.chars() {
        let unit = match letter {
            'D' => 86_400.0,
            'H' => 3_600.0,
            'M' => 60.0,
            'S' => 1.0,
            'P' | 'T' => continue,
            digit => {
                number.push(digit);
                continue;
            }
        };
        total += number.parse::<f64>().expect("a number") * unit;
        number.clear();
    }
    sign * total
}

struct Group {
    keys: Vec<Value>,
    rows: Vec<Value>,
}

impl Group {
    fn ints(&self) -> Vec<i64> {
        self.rows.iter().filter_map(|row| row["int"].as_i64()).collect()
    }

    fn answer(&self, keys: &[Key]) -> Value {
        let ints = self.ints();
        let mut kinds: Vec<&str> = self.rows.iter().filter_map(|row| row["kind"].as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let sum = (!ints.is_empty()).then(|| ints.iter().sum::<i64>().to_string());
        let mut found = serde_json::Map::new();
        for (key, value) in keys.iter().zip(&self.keys) {
            let (name, _) = key.of(&json!({}));
            match (found.get_mut(name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
                _ => {
                    found.insert(name.to_owned(), value.clone());
                }
            }
        }
        json!({
            "keys": found,
            "count": self.rows.len(),
            "aggregate": {
                "sum": { "int": sum },
                "min": { "int": ints.iter().min() },
                "max": { "int": ints.iter().max() },
                "countDistinct": { "kind": kinds.len() },
            },
        })
    }
}

/// As bytes, but for the order of members.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<String, Value> = members
                .iter()
                .map(|(key, value)| (key.clone(), sorted(value)))
                .collect();
            json!(members)
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

pub(super) async fn groups_are_those_of_the_rows(served: &[Served; 2]) {
    let mut random = scale::random(7);
    let mut all: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for filter in FILTERS {
        let fields = "id kind boolean int string decimal bigInt duration uuid float dateTime group { country number }";
        let rows = both(
            &served[0],
            &served[1],
            &format!("{{ samples(where: {filter}) {{ {fields} }} }}"),
        )
        .await;
        let rows: Value = serde_json::from_str(&rows).expect("JSON");
        all.insert(filter, rows["data"]["samples"].as_array().expect("rows").clone());
    }
    for _ in 0..scale("HAYLOFT_GROUPS", GROUPINGS) {
        let filter = FILTERS.choose(&mut random).copied().expect("a filter");
        one(served, filter, &all[filter], &mut random).await;
    }
}

async fn one(served: &[Served; 2], filter: &str, rows: &[Value], random: &mut StdRng) {
    let mut keys: Vec<Key> = Vec::new();
    for _ in 0..random.random_range(1..=3) {
        let key = Key::any(random);
        if keys.iter().all(|known| known.selected != key.selected) {
            keys.push(key);
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let values: Vec<Value> = keys.iter().map(|key| key.of(row).1).collect();
        match groups.iter_mut().find(|group| group.keys == values) {
            Some(group) => group.rows.push(row.clone()),
            None => groups.push(Group {
                keys: values,
                rows: vec![row.clone()],
            }),
        }
    }
    let by_keys = |one: &Group, other: &Group| {
        let pairs = keys.iter().zip(one.keys.iter().zip(&other.keys));
        pairs
            .map(|(key, (one, other))| compare(&ordered(key, one), &ordered(key, other)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    };
    groups.sort_by(by_keys);
    let order = match random.random_range(0..4) {
        0 => {
            groups.sort_by_key(|group| std::cmp::Reverse(group.rows.len()));
            "{count: DESC}".to_owned()
        }
        1 => {
            groups.sort_by_key(|group| group.ints().iter().max().map_or((1, 0), |max| (0, *max)));
            "{max: {int: ASC}}".to_owned()
        }
        2 => {
            let (at, key) = keys.iter().enumerate().next_back().expect("a key");
            let first = |group: &Group| match key.value {
                // By another field than the key's first.
                Found::Group => group.keys[at]["number"].clone(),
                _ => ordered(key, &group.keys[at]),
            };
            groups.sort_by(|one, other| compare(&first(one), &first(other)));
            format!("{{keys: {{{}}}}}", key.order)
        }
        _ => String::new(),
    };
    let least = random.random_range(0..3_usize);
    groups.retain(|group| group.rows.len() > least || group.ints().iter().sum::<i64>() < 0);
    let (first, offset) = (random.random_range(1..30), random.random_range(0..4));
    let want: Vec<Value> = groups
        .iter()
        .skip(offset)
        .take(first)
        .map(|group| group.answer(&keys))
        .collect();
    let by: Vec<&str> = keys.iter().map(|key| key.by.as_str()).collect();
    let selected: Vec<&str> = keys.iter().map(|key| key.selected.as_str()).collect();
    let document = format!(
        "{{ samplesGrouped(by: [{}], where: {filter}, having: {{or: [{{count: {{gt: {least}}}}}, {{sum: {{int: {{lt: \"0\"}}}}}}]}}, \
         orderBy: [{order}], first: {first}, offset: {offset}) {{ keys {{ {} }} count \
         aggregate {{ sum {{ int }} min {{ int }} max {{ int }} countDistinct {{ kind }} }} }} }}",
        by.join(", "),
        selected.join(" ")
    );
    let answer = both(&served[0], &served[1], &document).await;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let found = sorted(&answer["data"]["samplesGrouped"]);
    assert_eq!(found, sorted(&json!(want)), "{document}\n{answer}");
}
