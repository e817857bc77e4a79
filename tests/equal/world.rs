//! Rows on which two databases might differ: borders of numbers, texts of many scripts, times, documents, nulls everywhere.

use serde_json::{Value, json};

/// Rows of `Sample`. The lists of values have lengths without common divisors, so that they meet in many combinations.
const SAMPLES: usize = 90;

/// Values of each field, as an upstream sends them.
pub fn values(field: &str) -> Vec<Value> {
    let list = match field {
        "string" => json!([
            "",
            " ",
            "  ",
            "a",
            "A",
            "b",
            "B",
            "Z",
            "_",
            "%",
            "\\",
            "a%b",
            "a_b",
            "a\\b",
            "[a]",
            "*",
            "?",
            "ä",
            "Ä",
            "a\u{308}",
            "ß",
            "SS",
            "ı",
            "İ",
            "i",
            "I",
            "ǆ",
            "é",
            "e\u{301}",
            "Ω",
            "Ω",
            "я",
            "Я",
            "日本",
            "日本語",
            "한국",
            "ﬀ",
            "ff",
            "\u{ff21}",
            "\u{1f600}",
            "\u{1f468}\u{200d}\u{1f469}",
            "\u{fffd}",
            "\u{10ffff}",
            "\u{e000}",
            "\u{1}",
            "\t",
            "\n",
            "\r\n",
            "\u{7f}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}",
            "\"",
            "'",
            "''",
            "`",
            "$1",
            "?1",
            ":a",
            "null",
            "NULL",
            "true",
            "0",
            "00",
            "10",
            "9",
            "1e3",
            "-1",
            "a b",
            "a-b",
            "ab",
            "a.b",
            "\u{feff}a",
            "{\"a\":1}",
            "[1]",
            "x\u{0}y"
        ]),
        "int" => json!([0, -1, 1, 2147483647, -2147483648_i64, 10, 9, -10, 100]),
        "float" => json!([
            0.0,
            -0.0,
            0.1,
            0.2,
            0.3,
            0.30000000000000004,
            1.0,
            -1.5,
            1e21,
            1e-7,
            1e300,
            -1e300,
            5e-324,
            2.2250738585072014e-308,
            1.7976931348623157e308,
            123456789.123,
            1e15,
            1e16,
            1e17,
            9007199254740993.0,
            100.0,
            3.4028234663852886e38,
            1e23
        ]),
        "boolean" => json!([true, false]),
        "bigInt" => json!([
            "0",
            "9223372036854775807",
            "-9223372036854775808",
            "9007199254740993",
            "-1",
            "10",
            "9"
        ]),
        "decimal" => json!([
            "0",
            "-0.0",
            "0.1",
            "0.10",
            "1",
            "1.0",
            "10",
            "9",
            "-9",
            "-10",
            "0.30000000000000004",
            "1e3",
            "1E-7",
            "123456789012345678901234567890.123456789",
            "-123456789012345678901234567890.123456788",
            "0.00000000000000000000000000000000000001",
            "99999999999999999999999999999999999999999",
            "2.50"
        ]),
        "dateTime" => json!([
            "2026-11-21T03:20:00Z",
            "2026-11-21T03:20:00.1Z",
            "2026-11-21T03:20:00.123456Z",
            "2026-11-21T03:20:00.1234567Z",
            "2026-11-21T05:20:00+02:00",
            "1969-12-31T23:59:59.999999Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2024-02-29T12:00:00-11:30",
            "2026-03-29T01:30:00Z"
        ]),
        "date" => json!(["2026-11-21", "1969-12-31", "0001-01-01", "9999-12-31", "2024-02-29"]),
        "time" => json!([
            "03:20:00",
            "00:00:00",
            "23:59:59.999999",
            "12:00:00.5",
            "03:20:00.000001"
        ]),
        "duration" => json!([
            "PT0S",
            "PT1S",
            "-PT1S",
            "PT0.5S",
            "-PT0.000001S",
            "P1D",
            "PT24H",
            "PT90M",
            "P106751991D"
        ]),
        "uuid" => json!([
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-ffff-ffff-ffff-ffffffffffff",
            "018f3c1e-7b2a-7c3d-8e4f-5a6b7c8d9e0f"
        ]),
        "url" => json!([
            "https://example.org/",
            "https://example.org/ä?b=%20#c",
            "http://EXAMPLE.org:80/A",
            "mailto:a@example.org",
            "urn:isbn:0"
        ]),
        "json" => json!([
            {}, [], "", "text", 0, -0.0, 1.50, 1e308, true, false, {"b": 1, "a": {"z": [], "y": null}}, [1, "2", null, [3.25]], "\u{1f600}\"\\", {"": ""},
            {"ä": "ö", "0": 1, "10": 2, "9": 3}, 12345678901234567890_u64
        ]),
        "kind" => json!(["SMALL", "LARGE", "big"]),
        "strings" => json!([
            [],
            ["a"],
            ["a", "b"],
            ["b", "a", "a"],
            ["", "\"", "\\", "%"],
            ["ä", "a\u{308}"],
            ["1"]
        ]),
        "ints" => json!([[], [0], [1, 2], [null], [2, null, 1], [2147483647], [1, 1]]),
        "floats" => json!([
            [],
            [1.0],
            [0.1, null],
            [1e21, 1e-7, 1e15, 123456789012345680.0],
            [5e-324, 1.7976931348623157e308, 1e23, -0.0],
            [9007199254740993.0, 0.30000000000000004],
            [2.2250738585072014e-308, 3.4028234663852886e38]
        ]),
        "lengths" => json!([["PT90S"], [], ["P1D", "PT24H", "-PT0.000001S"], ["P106751991D", "PT0S"]]),
        "place" => json!([
            {"latitude": 52.52, "longitude": 13.405, "names": ["Berlin", "ベルリン"], "inner": {"when": "2026-11-21T03:20:00.5Z", "amount": "1.50", "kind": "big"}},
            {"latitude": -0.0, "names": []}, {"inner": {}}, {}, {"inner": {"amount": "1e3"}},
            {"latitude": 5e-324, "longitude": 1.7976931348623157e308, "inner": {"when": "2026-11-21T03:20:00Z", "day": "0001-01-01",
             "clock": "03:20:00", "span": "-PT0.000001S", "size": "-9223372036854775808", "count": 9, "flag": false, "link": "urn:a", "any": null,
             "key": "018f3c1e-7b2a-7c3d-8e4f-5a6b7c8d9e0f", "words": ["a", "ä"], "kind": "SMALL"}},
            {"latitude": 0.30000000000000004, "longitude": 9007199254740993.0, "inner": {"when": "2026-11-21T03:20:00.123456Z", "day": "2026-11-21",
             "clock": "03:20:00.5", "span": "P106751991D", "size": "9223372036854775807", "count": 10, "flag": true, "amount": "-0.10",
             "words": [], "any": {"b": [1, "2"]}, "kind": "LARGE"}},
            {"latitude": 1e21, "inner": {"when": "0001-01-01T00:00:00Z", "amount": "99999999999999999999999999999999999999999", "span": "PT90M",
             "size": "10", "count": -1, "clock": "00:00:00.000001", "words": ["a"]}}
        ]),
        _ => panic!("no values for {field}"),
    };
    serde_json::from_value(list).expect("a list")
}

pub const FIELDS: [&str; 19] = [
    "string", "int", "float", "boolean", "bigInt", "decimal", "dateTime", "date", "time", "duration", "uuid", "url",
    "json", "kind", "strings", "ints", "place", "floats", "lengths",
];

/// Names of groups, in no order of any locale.
const GROUPS: [&str; 11] = [
    "zebra", "Zebra", "ärger", "Ärger", "aerger", "ÖL", "öl", "ol", "Œuvre", "日本", "-x",
];

const COUNTRIES: [&str; 3] = ["DE", "de", "CH"];

/// The key of a sample.
fn id(at: usize) -> String {
    const LETTERS: [&str; 10] = ["a", "B", "ä", "Ä", "10", "9", "é", "e\u{301}", "\u{1f600}", "\u{fffd}"];
    format!("{}{at}", LETTERS[at % LETTERS.len()])
}

/// Every value at least once and, in each field, null for some rows.
pub fn samples() -> Value {
    let sample = |at: usize| {
        let mut row = json!({ "id": id(at) });
        for (place, field) in FIELDS.iter().enumerate() {
            let values = values(field);
            // One more than there are values: that one is null.
            let value = values.get((at + place) % (values.len() + 1));
            row[*field] = value.cloned().unwrap_or(Value::Null);
        }
        let group = |at: usize| json!([COUNTRIES[at % 3], (at % 11) as i64 - 5]);
        row["group"] = if at.is_multiple_of(7) { Value::Null } else { group(at) };
        row["groups"] = (0..at % 5).map(|step| group(at + step * 4)).collect();
        let note = |n: usize| json!({ "name": GROUPS[(at + n * 3) % GROUPS.len()], "size": ((at * n) as i64 - 40).to_string() });
        row["notes"] = (0..at % 4).map(note).collect();
        let entry = |n: usize| json!({ "text": if n == 1 { Value::Null } else { json!(GROUPS[(at + n) % GROUPS.len()]) }, "price": format!("{}.{n}0", at % 9) });
        row["entries"] = (0..at % 3).map(entry).collect();
        row
    };
    (0..SAMPLES).map(sample).collect()
}

pub fn groups() -> Value {
    let key = |at: usize| json!([COUNTRIES[at % 3], (at % 11) as i64 - 5]);
    let within = |at: usize| match at {
        // Two that lie in each other, and some that lie in none.
        28 => key(29),
        29 => key(28),
        _ if at.is_multiple_of(5) => Value::Null,
        _ => key(at / 2),
    };
    let group = |at: usize| {
        json!({ "country": COUNTRIES[at % 3], "number": (at % 11) as i64 - 5, "name": format!("{}{}", GROUPS[at % GROUPS.len()], at / 11),
                "within": within(at), "leader": if at % 4 == 1 { Value::Null } else { json!(id(at)) } })
    };
    (0..30).map(group).collect()
}

/// What is answered about the tariff of the groups with this number: a row, the key of one, or none.
pub fn tariff(number: &str) -> Value {
    let number: i64 = number.parse().expect("a number");
    let rate = format!("{}.50", number.rem_euclid(3));
    match number.rem_euclid(5) {
        0 => Value::Null,
        1 => json!(rate),
        2 => json!(format!("{number}.125")),
        _ => json!({ "rate": rate, "name": GROUPS[number.rem_euclid(3) as usize] }),
    }
}
