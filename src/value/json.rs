//! What stands inside a JSON value: the way to it, and its place among all values. Knows JSON's
//! text; knows no column and no filter.
//!
//! Values come in this order: false, true, numbers by their value, texts by their code points,
//! lists, objects. A list is the same as any other list, and an object as any other.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Steps of a way: each is a parameter of a statement.
pub(crate) const STEPS_MAX: usize = 16;
/// Bytes of the names in a way.
const NAMES_MAX: usize = 1_000;
/// Items of a list that can be named: a database counts them in 32 bits.
const ITEM_MAX: u32 = 999_999_999;

/// Exponents beyond are counted as this one, so that no text of a few bytes is a number that a
/// database cannot count with.
const EXPONENT_MAX: i64 = 999_999;
/// Makes exponents of ten digits of all of them.
const EXPONENT_ZERO: i64 = 5_000_000_000;

/// A way into a JSON value; the empty one is the value itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct JsonPath(Vec<JsonStep>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum JsonStep {
    /// The member of an object.
    Member(String),
    /// The item of a list, counted from 0.
    Item(u32),
}

impl JsonPath {
    /// `a.b[0].c`: names with points between, and the number of an item in brackets.
    pub(crate) fn parse(text: &str) -> Result<JsonPath, String> {
        if text.is_empty() {
            return Err("an empty path; leave it out for the value itself".to_owned());
        }
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let step;
            (step, rest) = match (rest.strip_prefix('['), rest.strip_prefix('.')) {
                (Some(inner), _) => item(inner)?,
                (None, Some(name)) if !steps.is_empty() => member(name)?,
                (None, None) if steps.is_empty() => member(rest)?,
                _ => return Err(format!("`{text}` is no path: no name stands before or after a point")),
            };
            steps.push(step);
        }
        JsonPath::of(steps)
    }

    /// A way of steps that are known, whatever signs names have.
    pub(crate) fn of(steps: Vec<JsonStep>) -> Result<JsonPath, String> {
        if steps.len() > STEPS_MAX {
            return Err(format!(
                "a path of {} steps, at most {STEPS_MAX} are allowed",
                steps.len()
            ));
        }
        let names = steps.iter().map(|step| match step {
            JsonStep::Member(name) => name.len(),
            JsonStep::Item(_) => 0,
        });
        let bytes: usize = names.sum();
        if bytes > NAMES_MAX {
            return Err(format!(
                "names of {bytes} bytes in a path, at most {NAMES_MAX} are allowed"
            ));
        }
        for step in &steps {
            match step {
                JsonStep::Member(name) if name.contains('\0') => {
                    return Err("a name with the character U+0000, which no stored text has".to_owned());
                }
                JsonStep::Item(at) if *at > ITEM_MAX => {
                    return Err(format!("item {at} of a list, at most {ITEM_MAX} can be named"));
                }
                _ => {}
            }
        }
        Ok(JsonPath(steps))
    }

    pub(crate) fn steps(&self) -> &[JsonStep] {
        &self.0
    }

    /// Its steps as a JSON list.
    pub(crate) fn to_json(&self) -> String {
        let steps = self.0.iter().map(|step| match step {
            JsonStep::Member(name) => serde_json::Value::from(name.as_str()),
            JsonStep::Item(at) => serde_json::Value::from(*at),
        });
        serde_json::Value::from_iter(steps).to_string()
    }

    /// What [`JsonPath::to_json`] gave.
    pub(crate) fn from_json(json: &str) -> Option<JsonPath> {
        let steps: Vec<serde_json::Value> = serde_json::from_str(json).ok()?;
        let steps = steps.into_iter().map(|step| match step {
            serde_json::Value::String(name) => Some(JsonStep::Member(name)),
            step => Some(JsonStep::Item(u32::try_from(step.as_u64()?).ok()?)),
        });
        Some(JsonPath(steps.collect::<Option<_>>()?))
    }

    /// What stands there, as it is written; none where nothing does.
    pub(crate) fn find<'j>(&self, json: &'j str) -> Option<&'j str> {
        let mut reader = serde_json::Deserializer::from_str(json);
        // What cannot be gone into is no JSON, or a number that no machine reads.
        let found = At(&self.0).deserialize(&mut reader).ok()??;
        Some(found.get())
    }
}

impl fmt::Display for JsonPath {
    /// As one would write it; as a list where a name has other signs.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for step in &self.0 {
            match step {
                JsonStep::Member(name) if text.is_empty() => text.push_str(name),
                JsonStep::Member(name) => text.push_str(&format!(".{name}")),
                JsonStep::Item(at) => text.push_str(&format!("[{at}]")),
            }
        }
        match JsonPath::parse(&text) {
            Ok(path) if path == *self => out.write_str(&text),
            _ => out.write_str(&self.to_json()),
        }
    }
}

/// A name, and what stands behind it.
fn member(text: &str) -> Result<(JsonStep, &str), String> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let is_bad = |sign: char| sign.is_control() || matches!(sign, ']' | '"' | '\'' | '\\' | '*' | '$' | '?' | '@');
    if name.is_empty() {
        return Err("no name stands before or after a point of the path".to_owned());
    }
    match name.chars().find(|sign| is_bad(*sign)) {
        Some(sign) => Err(format!(
            "{sign:?} stands in a path; give the path as a list of names, such as [\"a\", \"b{}\"]",
            sign.escape_default()
        )),
        None => Ok((JsonStep::Member(name.to_owned()), rest)),
    }
}

/// The number of an item behind its bracket, and what stands behind that.
fn item(text: &str) -> Result<(JsonStep, &str), String> {
    let number = text.split_once(']').and_then(|(number, rest)| {
        let is_whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = is_whole && (number == "0" || !number.starts_with('0'));
        Some((JsonStep::Item(number.parse().ok().filter(|_| is_plain)?), rest))
    });
    number.ok_or_else(|| "in the brackets of a path stands the number of an item, counted from 0: `a[0]`".to_owned())
}

/// What stands at the end of steps.
struct At<'p>(&'p [JsonStep]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.0.split_first() {
            None => serde::Deserialize::deserialize(deserializer).map(Some),
            Some((step, rest)) => deserializer.deserialize_any(Behind { step, rest }),
        }
    }
}

/// The same behind the first of them.
struct Behind<'p> {
    step: &'p JsonStep,
    rest: &'p [JsonStep],
}

impl<'de> Visitor<'de> for Behind<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<String>()? {
            // Of two with one name the last one counts, as databases have it.
            match self.step {
                JsonStep::Member(wanted) if *wanted == name => found = map.next_value_seed(At(self.rest))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut found, mut at) = (None, 0_u32);
        loop {
            let is_it = matches!(self.step, JsonStep::Item(wanted) if *wanted == at);
            let next = match is_it {
                true => items.next_element_seed(At(self.rest))?.map(|there| found = there),
                false => items.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if next.is_none() {
                return Ok(found);
            }
            at = at.saturating_add(1);
        }
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _value: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _value: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _value: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _value: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A text that compares by its bytes as a JSON value stands among others; none for null. What
/// PostgreSQL makes of a value by an expression is the same (`store::db::postgres`).
pub(crate) fn json_key(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'n' => None,
        b't' | b'f' => Some(["1", json].concat()),
        b'"' => Some(["3", &json_text(json)?].concat()),
        b'[' => Some("4".to_owned()),
        b'{' => Some("5".to_owned()),
        _ => Some(["2", &number_key(json)].concat()),
    }
}

/// A text of JSON; none for other values.
pub(crate) fn json_text(json: &str) -> Option<String> {
    let is_text = json.starts_with('"');
    is_text.then(|| serde_json::from_str(json).ok()).flatten()
}

/// Whether an object has a member of this name.
pub(crate) fn json_has(json: &str, name: &str) -> bool {
    let member = JsonStep::Member(name.to_owned());
    JsonPath(vec![member]).find(json).is_some()
}

/// The items of a list; none for other values.
pub(crate) fn json_items(json: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = json
        .starts_with('[')
        .then(|| serde_json::from_str(json).ok())
        .flatten()?;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// A number by its value, whichever way it is written: its sign, how many digits stand before the
/// point, the digits. Of a negative one all that is turned round.
fn number_key(number: &str) -> String {
    let is_negative = number.starts_with('-');
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)),
        None => (number, 0),
    };
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    let zeros = count(all.len() - digits.len());
    let point = count(whole.len()) - zeros + exponent;
    let digits = digits.trim_end_matches('0');
    match (digits.is_empty(), is_negative) {
        (true, _) => "1".to_owned(),
        (false, false) => format!("2{:010}{digits}", EXPONENT_ZERO + point),
        (false, true) => {
            let turned: String = digits.bytes().map(|digit| char::from(b'0' + b'9' - digit)).collect();
            format!("0{:010}{turned}~", EXPONENT_ZERO - point)
        }
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX / 4)
}

fn exponent_of(text: &str) -> i64 {
    let digits = text.trim_start_matches(['+', '-', '0']);
    let size = match digits.len() {
        0 => 0,
        1..=6 => digits.parse().unwrap_or(EXPONENT_MAX),
        _ => EXPONENT_MAX,
    };
    if text.starts_with('-') { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways() {
        for (text, json) in [
            ("a", "[\"a\"]"),
            ("a.b", "[\"a\",\"b\"]"),
            ("a[0].b[12]", "[\"a\",0,\"b\",12]"),
            ("[3]", "[3]"),
            ("ä b-c_1", "[\"ä b-c_1\"]"),
            ("0", "[\"0\"]"),
        ] {
            let path = JsonPath::parse(text).expect(text);
            assert_eq!(path.to_json(), json);
            assert_eq!(path.to_string(), text);
            assert_eq!(JsonPath::from_json(json), Some(path));
        }
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[]",
            "a[-1]",
            "a[01]",
            "a[x]",
            "a]",
            "a[0]b",
            "a[99999999999]",
            "a\0b",
            "a\"b",
            "$.a",
            "a.*",
            "a'b",
            "a[1000000000]",
            &"a.".repeat(16),
            &"a".repeat(1_001),
        ] {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
        let odd = JsonPath::of(vec![JsonStep::Member("a.b".to_owned())]).expect("a way");
        assert_eq!(odd.to_string(), "[\"a.b\"]");
    }

    #[test]
    fn what_stands_there() {
        let json = r#"{"a":{"b":[1,{"c":"x"},null],"d.e":2,"0":3},"n":1e400,"a2":"t","\u00e4":-0}"#;
        for (path, want) in [
            (r#"["a","b",1,"c"]"#, Some("\"x\"")),
            (r#"["a","b",0]"#, Some("1")),
            (r#"["a","b",2]"#, Some("null")),
            (r#"["a","b",3]"#, None),
            (r#"["a","b","0"]"#, None),
            (r#"["a",0]"#, None),
            (r#"["a","0"]"#, Some("3")),
            (r#"["a","d.e"]"#, Some("2")),
            (r#"["n"]"#, Some("1e400")),
            (r#"["n","a"]"#, None),
            (r#"["a2","a"]"#, None),
            (r#"["ä"]"#, Some("-0")),
        ] {
            let path = JsonPath::from_json(path).expect("a way");
            assert_eq!(path.find(json), want, "{path}");
        }
        assert_eq!(JsonPath::default().find(json), Some(json));
    }

    /// Each is less than the next one; those of one line are the same.
    #[test]
    fn values_in_their_order() {
        let lines: [&[&str]; 27] = [
            &["false"],
            &["true"],
            &["-1e999999", "-1e99999999999999999999"],
            &["-123456789012345678901234567890.5"],
            &["-10"],
            &["-9.9", "-0.99e1"],
            &["-1.51"],
            &["-1.5", "-15e-1", "-1.50"],
            &["-1", "-1.0", "-10e-1"],
            &["-0.001"],
            &["-1e-400"],
            &["0", "-0", "0.0", "-0.00e5", "0e99999999999"],
            &["1e-999999", "1e-99999999999999999999"],
            &["1e-400"],
            &["0.1"],
            &["0.15"],
            &["0.151"],
            &["1", "1.0", "1E0", "0.1e+1", "100e-2"],
            &["1.0000000000000000000000001"],
            &["9"],
            &["10", "1e1"],
            &["18446744073709551616"],
            &["1e400"],
            &["\"\""],
            &["\"a\"", "\"\\u0061\""],
            &["[]", "[1]"],
            &["{}", "{\"a\":1}"],
        ];
        let keys = lines.map(|line| {
            let keys: Vec<Option<String>> = line.iter().map(|json| json_key(json)).collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{line:?} {keys:?}");
            keys[0].clone().expect("a key")
        });
        for (pair, line) in keys.windows(2).zip(lines) {
            assert!(pair[0] < pair[1], "{line:?} {pair:?}");
        }
        assert_eq!(json_key("null"), None);
    }
}
