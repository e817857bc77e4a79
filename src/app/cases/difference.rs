//! What is expected beside what was found, record by record, for a person. Knows JSON and lines;
//! knows no definition.

use serde_json::Value as Json;

/// Lines of one difference that are shown.
const SHOWN: usize = 40;
/// Characters of a line of it.
const LINE: usize = 300;

/// The difference between two texts, of which nothing is said when they are equal. Where both are
/// JSON, the layout does not count.
pub(super) fn of(expected: &str, found: &str) -> Option<String> {
    let (was, is) = (values(expected), values(found));
    let lines = match (&was, &is) {
        (Some(was), Some(is)) if was == is => return None,
        (Some(was), Some(is)) => of_values(was, is),
        _ if expected.trim_end() == found.trim_end() => return None,
        _ => of_lines(expected, found),
    };
    let more = lines.len().saturating_sub(SHOWN);
    let mut shown: String = lines
        .iter()
        .take(SHOWN)
        .map(|line| format!("    {}\n", cut(line)))
        .collect();
    if more > 0 {
        shown.push_str(&format!("    … and {more} more lines\n"));
    }
    Some(shown)
}

/// One value, or one in each line.
fn values(text: &str) -> Option<Vec<Json>> {
    let stream = serde_json::Deserializer::from_str(text).into_iter::<Json>();
    stream.collect::<Result<Vec<_>, _>>().ok()
}

fn of_values(was: &[Json], is: &[Json]) -> Vec<String> {
    if let ([was @ Json::Object(_)], [is @ Json::Object(_)]) = (was, is)
        && was.get("data").or(was.get("errors")).is_some()
    {
        let mut lines = Vec::new();
        within(was, is, "", &mut lines);
        return lines;
    }
    records(was, is)
}

/// Two lists of records: those that only one has, and what differs in those that both have.
fn records(was: &[Json], is: &[Json]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left: Vec<&Json> = is.iter().collect();
    for record in was {
        let same = left.iter().position(|other| *other == record);
        let like = || {
            left.iter()
                .position(|other| name_of(other).is_some() && name_of(other) == name_of(record))
        };
        match (same, same.or_else(like)) {
            (Some(at), _) => drop(left.remove(at)),
            (None, Some(at)) => {
                let other = left.remove(at);
                let name = name_of(record).unwrap_or_default();
                within(record, other, &name, &mut lines);
            }
            (None, None) => lines.push(format!("- {record}")),
        }
    }
    lines.extend(left.iter().map(|record| format!("+ {record}")));
    match lines.is_empty() {
        true => vec!["the records come in another order".to_owned()],
        false => lines,
    }
}

/// By what a record is known: its first value, which is the first field of the definition.
fn name_of(record: &Json) -> Option<String> {
    let (name, value) = record.as_object()?.iter().next()?;
    Some(format!("{name} {value}"))
}

/// What differs within two values, each with the way to it.
fn within(was: &Json, is: &Json, way: &str, lines: &mut Vec<String>) {
    let to = |name: &str, sign: &str| match way.is_empty() {
        true => name.to_owned(),
        false => format!("{way}{sign}{name}"),
    };
    match (was, is) {
        _ if was == is => {}
        (Json::Object(was), Json::Object(is)) => {
            // Records are told by a name with a blank in it.
            let sign = if way.contains(' ') { ": " } else { "." };
            for (name, value) in was {
                match is.get(name) {
                    Some(other) => within(value, other, &to(name, sign), lines),
                    None => lines.push(format!("{}: expected {value}, found nothing", to(name, sign))),
                }
            }
            let new = is.iter().filter(|(name, _)| !was.contains_key(*name));
            lines.extend(new.map(|(name, value)| format!("{}: expected nothing, found {value}", to(name, sign))));
        }
        (Json::Array(was), Json::Array(is)) => {
            let inner = records(was, is);
            lines.extend(inner.iter().map(|line| format!("{way}: {line}")));
        }
        _ => lines.push(format!("{way}: expected {was}, found {is}")),
    }
}

fn of_lines(was: &str, is: &str) -> Vec<String> {
    let mut left: Vec<&str> = is.lines().collect();
    let mut lines = Vec::new();
    for line in was.lines() {
        match left.iter().position(|other| *other == line) {
            Some(at) => drop(left.remove(at)),
            None => lines.push(format!("- {line}")),
        }
    }
    lines.extend(left.iter().map(|line| format!("+ {line}")));
    match lines.is_empty() {
        true => vec!["the lines come in another order".to_owned()],
        false => lines,
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_record_by_record() {
        for (expected, found, difference) in [
            ("{\"id\":\"1\"}\n", "{ \"id\" : \"1\" }", None),
            ("a\n", "a", None),
            (
                "{\"id\":\"1\",\"name\":\"a\"}\n{\"id\":\"2\"}\n",
                "{\"id\":\"1\",\"name\":\"b\"}\n{\"id\":\"3\"}\n",
                Some("    id \"1\": name: expected \"a\", found \"b\"\n    - {\"id\":\"2\"}\n    + {\"id\":\"3\"}\n"),
            ),
            (
                "{\"id\":\"1\",\"tags\":[1,2]}",
                "{\"id\":\"1\",\"tags\":[2,3],\"more\":null}",
                Some(
                    "    id \"1\": tags: - 1\n    id \"1\": tags: + 3\n    id \"1\": more: expected nothing, found null\n",
                ),
            ),
            ("1\n2\n", "2\n1\n", Some("    the records come in another order\n")),
            (
                "{\"data\":{\"items\":[{\"name\":\"a\"}]}}",
                "{\"data\":{\"items\":[]}}",
                Some("    data.items: - {\"name\":\"a\"}\n"),
            ),
            (
                "Item: complete\n",
                "Item: failed\n",
                Some("    - Item: complete\n    + Item: failed\n"),
            ),
        ] {
            assert_eq!(of(expected, found).as_deref(), difference, "{expected}");
        }
    }
}
