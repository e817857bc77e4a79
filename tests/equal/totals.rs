//! Totals beside what the rows themselves say: counts and ends to the letter, sums and means as far as doubles go. How exact they
//! are is shown by two databases that have nothing in common there.

use serde_json::{Map, Value, json};

use super::{Served, both};

/// Fields with a least and a greatest value.
const ORDERED: [&str; 11] = [
    "string", "int", "float", "bigInt", "decimal", "dateTime", "date", "time", "duration", "uuid", "url",
];
const NUMBERS: [&str; 4] = ["int", "float", "bigInt", "decimal"];

const FILTERS: [&str; 8] = [
    "{}",
    "{id: {eq: \"no such row\"}}",
    "{int: {isNull: true}}",
    "{kind: {eq: LARGE}}",
    "{float: {gt: -10, lt: 10}}",
    "{decimal: {gt: \"0\", lt: \"100\"}}",
    "{duration: {lt: \"P2D\"}}",
    "{groups: {some: {country: {eq: \"de\"}}}}",
];

fn aggregate() -> String {
    let ordered = ORDERED.join(" ");
    let numbers = NUMBERS.join(" ");
    format!(
        "aggregate {{ count countDistinct {{ boolean kind {ordered} }} sum {{ {numbers} duration }} \
         avg {{ {numbers} duration }} min {{ {ordered} }} max {{ {ordered} }} }}"
    )
}

/// The values of a field, nulls left out.
fn values<'r>(rows: &'r [Value], field: &str) -> Vec<&'r Value> {
    rows.iter()
        .map(|row| &row[field])
        .filter(|value| !value.is_null())
        .collect()
}

fn number(value: &Value) -> f64 {
    let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
    text.parse().expect("a number")
}

/// The same to twelve digits: what is summed may be much larger than the sum.
fn is_near(found: f64, want: f64, of: f64) -> bool {
    (found - want).abs() <= of * 1e-12
}

/// `rows` have all fields, `ends` the first and the last row with a value in each field's order.
fn check(document: &str, found: &Value, rows: &[Value], ends: &Map<String, Value>) {
    assert_eq!(found["count"], json!(rows.len()), "{document}");
    for field in ["boolean", "kind"].iter().chain(&ORDERED) {
        let mut different: Vec<String> = values(rows, field).iter().map(|value| value.to_string()).collect();
        different
            .iter_mut()
            .filter(|text| matches!(text.as_str(), "-0.0" | "-0" | "0.0"))
            .for_each(|text| "0".clone_into(text));
        different.sort();
        different.dedup();
        assert_eq!(
            found["countDistinct"][field],
            json!(different.len()),
            "{document} {field}"
        );
    }
    for field in NUMBERS {
        let all: Vec<f64> = values(rows, field).into_iter().map(number).collect();
        let (sum, mean) = (&found["sum"][field], &found["avg"][field]);
        if all.is_empty() {
            assert_eq!([sum, mean], [&Value::Null, &Value::Null], "{document} {field}");
            continue;
        }
        let size: f64 = all.iter().map(|number| number.abs()).sum();
        let total: f64 = all.iter().sum();
        if field == "float" && sum.is_null() {
            assert!(size > 1e308, "{document}: {total}");
            continue;
        }
        if size.is_finite() {
            assert!(is_near(number(sum), total, size), "{document} {field}: {sum}, {total}");
            let (found, count) = (number(mean), all.len() as f64);
            assert!(is_near(found, total / count, size), "{document} {field}: {found}");
        }
    }
    for field in ORDERED {
        for (function, end) in [("min", "ASC"), ("max", "DESC")] {
            let want = &ends[&format!("{field}{end}")][0][field];
            let same_zero = number_of(want) == Some(0.0) && number_of(&found[function][field]) == Some(0.0);
            assert!(
                same_zero || found[function][field] == *want,
                "{document} {function} {field}: {want}"
            );
        }
    }
}

fn number_of(value: &Value) -> Option<f64> {
    value.as_f64()
}

pub(super) async fn totals_are_those_of_the_rows(served: &[Served; 2]) {
    let fields = format!("boolean kind {}", ORDERED.join(" "));
    for filter in FILTERS {
        let total = format!(
            "{{ samplesConnection(where: {filter}) {{ totalCount {} }} }}",
            aggregate()
        );
        let total: Value = serde_json::from_str(&both(&served[0], &served[1], &total).await).expect("JSON");
        let ends: Vec<String> = ORDERED
            .iter()
            .flat_map(|field| ["ASC", "DESC"].map(|sort| (field, sort)))
            .map(|(field, sort)| {
                format!(
                    "{field}{sort}: samples(where: {filter}, orderBy: [{{{field}: {sort}}}], first: 1) {{ {field} }}"
                )
            })
            .collect();
        let mut all = Map::new();
        // As many as one operation may have root fields.
        for some in ends.chunks(20) {
            let document = format!("{{ {} }}", some.join(" "));
            let answer: Value = serde_json::from_str(&both(&served[0], &served[1], &document).await).expect("JSON");
            all.extend(answer["data"].as_object().expect("data").clone());
        }
        let rows = format!("{{ samples(where: {filter}) {{ {fields} }} }}");
        let rows: Value = serde_json::from_str(&both(&served[0], &served[1], &rows).await).expect("JSON");
        let rows = rows["data"]["samples"].as_array().expect("rows");
        let found = &total["data"]["samplesConnection"];
        assert_eq!(found["totalCount"], json!(rows.len()), "{filter}: {total}");
        check(filter, &found["aggregate"], rows, &all);
    }
    below_rows(served).await;
}

/// The same below rows: by links of either side, nested ones, and with a filter.
async fn below_rows(served: &[Served; 2]) {
    let document = "{ groups { samples { int } samplesConnection { totalCount aggregate { count sum { int } max { int } } } \
                    members(where: {int: {gt: 0}}) { id } membersConnection(where: {int: {gt: 0}}) { totalCount aggregate { count countDistinct { id } } } } \
                    samples { groups { number } groupsConnection { totalCount aggregate { sum { number } } } \
                    notes { size } notesConnection { totalCount aggregate { sum { size } avg { size } } } \
                    entries { price } entriesConnection { totalCount aggregate { sum { price } min { price } } } } }";
    let answer: Value = serde_json::from_str(&both(&served[0], &served[1], document).await).expect("JSON");
    let sum = |rows: &Value, field: &str| -> Option<f64> {
        let rows = rows.as_array().expect("rows");
        let values = values(rows, field);
        (!values.is_empty()).then(|| values.into_iter().map(number).sum())
    };
    for group in answer["data"]["groups"].as_array().expect("groups") {
        let (page, rows) = (&group["samplesConnection"], &group["samples"]);
        let count = rows.as_array().map(Vec::len);
        assert_eq!(
            [&page["totalCount"], &page["aggregate"]["count"]],
            [&json!(count), &json!(count)]
        );
        assert_eq!(
            page["aggregate"]["sum"]["int"].as_str().map(str::to_owned),
            sum(rows, "int").map(|sum| format!("{sum:.0}"))
        );
        let page = &group["membersConnection"];
        let count = json!(group["members"].as_array().map(Vec::len));
        assert_eq!(page["totalCount"], count);
        assert_eq!(page["aggregate"]["countDistinct"]["id"], count);
    }
    for sample in answer["data"]["samples"].as_array().expect("samples") {
        for (list, field) in [("groups", "number"), ("notes", "size"), ("entries", "price")] {
            let page = &sample[format!("{list}Connection")];
            assert_eq!(
                page["totalCount"],
                json!(sample[list].as_array().map(Vec::len)),
                "{list}"
            );
            let found = &page["aggregate"]["sum"][field];
            let found = (!found.is_null()).then(|| number(found));
            let want = sum(&sample[list], field);
            let near = found
                .zip(want)
                .is_none_or(|(found, want)| is_near(found, want, want.abs() + 100.0));
            assert!(near && found.is_some() == want.is_some(), "{sample}");
        }
    }
}
