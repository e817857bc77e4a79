//! Lists walked page by page, by every order, forwards and backwards: together the pages are the list. And cursors that are none of
//! the connection's.

use std::fmt::Write;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{SORTS, Served, both};

/// A list: what leads to it, its field, the orders to walk it by, and what tells its rows apart.
struct List {
    around: &'static str,
    field: &'static str,
    orders: Vec<String>,
    row: &'static str,
}

fn lists() -> Vec<List> {
    let mut samples = vec![String::new(), "{id: DESC}".to_owned()];
    let single = [
        "string",
        "int",
        "float",
        "bigInt",
        "decimal",
        "dateTime",
        "date",
        "time",
        "duration",
        "uuid",
        "url",
        "kind",
        "boolean",
        "groupCountry",
        "groupNumber",
    ];
    for sort in SORTS {
        samples.extend(single.iter().map(|field| format!("{{{field}: {sort}}}")));
        samples.push(format!("{{group: {{name: {sort}}}}}"));
        for within in [
            "place: {latitude",
            "place: {longitude",
            "place: {inner: {when",
            "place: {inner: {amount",
            "place: {inner: {kind",
            "notes: {count",
            "groups: {count",
            "group: {samples: {count",
        ] {
            let ends = "}".repeat(within.matches('{').count());
            samples.push(format!("{{{within}: {sort}{ends}}}"));
        }
        for path in ["", "path: \"a.z\", ", "path: \"[1]\", ", "path: \"a\", "] {
            samples.push(format!("{{json: {{{path}sort: {sort}}}}}"));
        }
        let (direction, nulls) = sort.split_once('_').unwrap_or((sort, "NULLS_LAST"));
        samples.push(format!("{{string: {direction}_IGNORE_CASE_{nulls}}}"));
        samples.push(format!("{{int: {sort}}}, {{decimal: DESC}}"));
        samples.push(format!(
            "{{kind: {sort}}}, {{group: {{leader: {{float: {sort}}}}}}}, {{id: DESC}}"
        ));
    }
    let some = |orders: &[&str]| orders.iter().map(|order| (*order).to_owned()).collect();
    let below = |around, field, orders: &[&str], row| List {
        around,
        field,
        orders: some(orders),
        row,
    };
    vec![
        List {
            around: "",
            field: "samples",
            orders: samples,
            row: "id",
        },
        below(
            "",
            "groups",
            &["", "{name: ASC}", "{leader: {string: DESC}}", "{number: DESC}"],
            "country number",
        ),
        below(
            "",
            "notes",
            &["", "{name: DESC}", "{size: ASC_NULLS_FIRST}"],
            "name sample { id }",
        ),
        below("", "entries", &["", "{price: DESC}", "{text: ASC}"], "text price"),
        below("", "tariffs", &["", "{name: ASC}", "{rate: DESC}"], "rate"),
        below(
            "group(country: \"CH\", number: 3)",
            "samples",
            &["", "{int: DESC}"],
            "id",
        ),
        below(
            "group(country: \"DE\", number: 1)",
            "members",
            &["", "{float: ASC}", "{group: {name: ASC}}"],
            "id",
        ),
        below(
            "sample(id: \"Ä83\")",
            "groups",
            &["", "{name: DESC}", "{country: ASC}"],
            "country number",
        ),
        below("sample(id: \"Ä3\")", "notes", &["", "{size: ASC}"], "name"),
        below(
            "sample(id: \"ä2\")",
            "entries",
            &["", "{text: DESC_NULLS_FIRST}"],
            "text price",
        ),
    ]
}

impl List {
    /// A document that asks for something in the list's place.
    fn document(&self, asked: &str) -> String {
        match self.around {
            "" => format!("{{ {asked} }}"),
            around => format!("{{ x: {around} {{ {asked} }} }}"),
        }
    }

    fn answer<'a>(&self, answer: &'a Value) -> &'a Value {
        match self.around {
            "" => &answer["data"]["r"],
            _ => &answer["data"]["x"]["r"],
        }
    }
}

async fn ask(served: &[Served; 2], list: &List, asked: &str) -> Value {
    let document = list.document(asked);
    let answer: Value = serde_json::from_str(&both(&served[0], &served[1], &document).await).expect("JSON");
    assert!(answer["errors"].is_null(), "{document}\n{answer}");
    list.answer(&answer).clone()
}

/// Rows of a page, of lists that are long or short: several pages, the last one not full.
fn size(all: usize) -> usize {
    match all {
        0..=3 => 1,
        4..=22 => 2,
        _ => 11,
    }
}

/// Walks a list by pages in one direction; its rows in the list's order.
async fn walk(served: &[Served; 2], list: &List, order: &str, backwards: bool, all: usize) -> Vec<Value> {
    let (count, start, more, other, end) = match backwards {
        false => ("first", "after", "hasNextPage", "hasPreviousPage", "endCursor"),
        true => ("last", "before", "hasPreviousPage", "hasNextPage", "startCursor"),
    };
    let mut rows: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut arguments = format!("{count}: {}", size(all));
        if !order.is_empty() {
            let _ = write!(arguments, ", orderBy: [{order}]");
        }
        if let Some(cursor) = &cursor {
            let _ = write!(arguments, ", {start}: \"{cursor}\"");
        }
        let asked = format!(
            "r: {}Connection({arguments}) {{ totalCount nodes {{ {} }} edges {{ cursor node {{ {} }} }} \
             pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }}",
            list.field, list.row, list.row
        );
        let page = ask(served, list, &asked).await;
        let (edges, info) = (page["edges"].as_array().expect("edges"), &page["pageInfo"]);
        let nodes: Vec<Value> = edges.iter().map(|edge| edge["node"].clone()).collect();
        assert_eq!(page["nodes"], json!(nodes), "{asked}");
        assert_eq!(page["totalCount"], json!(all), "{asked}");
        let ends = [edges.first(), edges.last()].map(|edge| edge.map_or(Value::Null, |edge| edge["cursor"].clone()));
        assert_eq!(
            [&info["startCursor"], &info["endCursor"]],
            [&ends[0], &ends[1]],
            "{asked}"
        );
        assert_eq!(info[other], json!(!rows.is_empty()), "{asked}");
        match backwards {
            false => rows.extend(nodes),
            true => rows.splice(0..0, nodes).for_each(drop),
        }
        assert_eq!(info[more], json!(rows.len() < all), "{asked}");
        match info[end].as_str().filter(|_| info[more] == json!(true)) {
            Some(next) => cursor = Some(next.to_owned()),
            None => return rows,
        }
    }
}

pub(super) async fn pages_are_the_list(served: &[Served; 2]) {
    for list in lists() {
        for order in &list.orders {
            let arguments = match order.as_str() {
                "" => String::new(),
                order => format!("(orderBy: [{order}])"),
            };
            let whole = ask(
                served,
                &list,
                &format!("r: {}{arguments} {{ {} }}", list.field, list.row),
            )
            .await;
            let whole = whole.as_array().expect("a list").clone();
            assert!(
                whole.len() > size(whole.len()),
                "{} {}: one page is no walk",
                list.around,
                list.field
            );
            for backwards in [false, true] {
                let walked = walk(served, &list, order, backwards, whole.len()).await;
                assert_eq!(walked, whole, "{} by {order}, backwards: {backwards}", list.field);
            }
        }
    }
}

/// Cursors in variables, many at once: PostgreSQL answers those together, with the values of each as columns.
pub(super) async fn pages_asked_at_once_are_the_list(served: &[Served; 2]) {
    for order in [
        "{int: ASC}, {decimal: DESC}",
        "{decimal: DESC_NULLS_FIRST}",
        "{group: {name: ASC}}",
    ] {
        let document = format!("{{ r: samplesConnection(orderBy: [{order}]) {{ edges {{ cursor node {{ id }} }} }} }}");
        let all: Value = serde_json::from_str(&both(&served[0], &served[1], &document).await).expect("JSON");
        let edges = all["data"]["r"]["edges"].as_array().expect("edges");
        let document = format!(
            "query($c: String) {{ samplesConnection(after: $c, first: 3, orderBy: [{order}]) {{ nodes {{ id }} }} }}"
        );
        for Served { program, .. } in served {
            let pages = edges
                .iter()
                .map(|edge| program.post(&document, json!({ "c": edge["cursor"] })));
            for (at, page) in join_all(pages).await.iter().enumerate() {
                let want: Vec<&Value> = edges.iter().skip(at + 1).take(3).map(|edge| &edge["node"]).collect();
                assert_eq!(
                    page["data"]["samplesConnection"]["nodes"],
                    json!(want),
                    "{order} behind {at}: {page}"
                );
            }
        }
    }
}

/// A cursor of the samples in an order.
async fn cursor(served: &[Served; 2], connection: &str) -> String {
    let document = format!("{{ r: {connection} {{ pageInfo {{ endCursor }} }} }}");
    let answer: Value = serde_json::from_str(&both(&served[0], &served[1], &document).await).expect("JSON");
    answer["data"]["r"]["pageInfo"]["endCursor"]
        .as_str()
        .expect("a cursor")
        .to_owned()
}

pub(super) async fn other_cursors_are_refused(served: &[Served; 2]) {
    let by_int = cursor(served, "samplesConnection(first: 3, orderBy: [{int: ASC}])").await;
    let by_key = cursor(served, "samplesConnection(first: 3)").await;
    let turned = cursor(served, "samplesConnection(first: 3, orderBy: [{int: DESC}])").await;
    let nulls = cursor(served, "samplesConnection(first: 3, orderBy: [{int: ASC_NULLS_FIRST}])").await;
    let groups = cursor(served, "groupsConnection(first: 3)").await;
    let damaged = "this is no cursor, or it was changed or cut off on its way";
    let changed: String = by_int.chars().rev().collect();
    let cases: [(&str, &str, String); 9] = [
        ("cut off", damaged, by_int[..by_int.len() - 2].to_owned()),
        ("longer", damaged, format!("{by_int}AA")),
        ("changed", damaged, changed),
        ("empty", damaged, String::new()),
        ("of a megabyte", damaged, "A".repeat(900_000)),
        ("another type's", "the cursor is of another connection", groups),
        (
            "the key's",
            "the cursor is of another order than this one (int ASC NULLS LAST)",
            by_key,
        ),
        ("the other direction's", "the cursor is of another order", turned),
        ("of other nulls", "the cursor is of another order", nulls),
    ];
    for (name, want, cursor) in &cases {
        for argument in ["after", "before"] {
            let literal =
                format!("{{ samplesConnection({argument}: \"{cursor}\", orderBy: [{{int: ASC}}]) {{ totalCount }} }}");
            let variable = format!(
                "query($c: String) {{ samplesConnection({argument}: $c, orderBy: [{{int: ASC}}]) {{ totalCount }} }}"
            );
            let mut asked = vec![(variable, json!({ "c": cursor }))];
            // Longer documents are refused for their length.
            asked.extend((cursor.len() < 10_000).then_some((literal, json!({}))));
            for (document, variables) in asked {
                let answer = served[0].program.text(&document, variables.clone()).await;
                assert_eq!(answer, served[1].program.text(&document, variables).await, "{name}");
                let refused: Value = serde_json::from_str(&answer).expect("JSON");
                let message = refused["errors"][0]["message"].as_str().unwrap_or_default();
                let variable = if document.starts_with("query") { " ($c)" } else { "" };
                let place = format!("samplesConnection.{argument}{variable}: {want}");
                assert!(message.starts_with(&place), "{name}: {answer}");
            }
        }
    }
    let literal =
        format!("{{ samplesConnection(after: \"{by_int}\", orderBy: [{{int: ASC}}], first: 2) {{ nodes {{ id }} }} }}");
    assert!(both(&served[0], &served[1], &literal).await.starts_with("{\"data\""));
}
