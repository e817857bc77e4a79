//! Lists longer than the rows that an answer may have: what lies around a page, and what is counted, is right all the same.

use serde_json::{Value, json};

use crate::harness::{Db, Program, Reply, Scratch, Upstream, on_both};

on_both!(
    pages_are_whole_where_no_row_of_them_is_given,
    rows_that_are_only_counted_are_no_answer
);

const DEFINITION: &str = r#"
extend schema @source(name: "up", url: "{$env.UP}")
type Owner @fetch(source: "up", GET: "/owners", rows: ".[]") { id: ID! things: [Thing!]! @inverse(field: "owner") }
type Thing @fetch(source: "up", GET: "/things", rows: ".[]") { id: ID! owner: Owner n: Int }
"#;

/// Things of the owner `long`: more than are allowed.
const LONG: usize = 150;

/// 110 owners have more things than `long`, so that the figures do not know of it, and 400 have one.
async fn stocked(db: Db) -> (Upstream, Scratch, Program) {
    let upstream = Upstream::start().await;
    let owners = (0..110).map(|at| (format!("many{at}"), LONG + 1));
    let owners = owners.chain((0..400).map(|at| (format!("one{at}"), 1)));
    let owners: Vec<(String, usize)> = owners.chain([("long".to_owned(), LONG)]).collect();
    let rows: Value = owners.iter().map(|(id, _)| json!({ "id": id })).collect();
    upstream.set("/owners", Reply::json(&rows));
    let of = |(id, count): &(String, usize)| {
        let thing = |at| json!({ "id": format!("{id}-{at:03}"), "owner": id, "n": at });
        (1..=*count).map(thing).collect::<Vec<_>>()
    };
    let things: Value = owners.iter().flat_map(of).collect();
    upstream.set("/things", Reply::json(&things));
    let scratch = Scratch::on(db, DEFINITION);
    let url = upstream.url();
    scratch.run(&["harvest"], &[("UP", &url)]).await;
    let program = scratch.serve(&[("UP", &url), ("HAYLOFT_LIMITS", "rows=100")]).await;
    (upstream, scratch, program)
}

async fn pages_are_whole_where_no_row_of_them_is_given(db: Db) {
    let (_upstream, _scratch, program) = stocked(db).await;
    let page_info = async |arguments: &str| {
        let query = format!(
            "{{ owner(id: \"long\") {{ thingsConnection{arguments} {{ pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
        );
        program.query(&query).await["owner"]["thingsConnection"]["pageInfo"].clone()
    };
    // The cursor of a thing, from a page that may be given.
    let cursor = async |number: usize| {
        let query = format!(
            "{{ owner(id: \"long\") {{ thingsConnection(first: 1, where: {{n: {{eq: {number}}}}}) {{ edges {{ cursor }} }} }} }}"
        );
        program.query(&query).await["owner"]["thingsConnection"]["edges"][0]["cursor"].clone()
    };
    let (first, last) = (cursor(1).await, cursor(LONG).await);
    assert!(first.is_string() && last.is_string());
    for (arguments, next, previous, start, end) in [
        ("", false, false, &first, &last),
        ("(first: 140)", true, false, &first, &cursor(140).await),
        ("(first: 150)", false, false, &first, &last),
        ("(last: 140)", false, true, &cursor(11).await, &last),
        ("(first: 20)", true, false, &first, &cursor(20).await),
    ] {
        let want = json!({ "hasNextPage": next, "hasPreviousPage": previous, "startCursor": start, "endCursor": end });
        assert_eq!(page_info(arguments).await, want, "{arguments}");
    }
    let rows = "{ owner(id: \"long\") { thingsConnection(first: 140) { pageInfo { endCursor } nodes { id } } } }";
    let refused = program.post(rows, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "TOO_COMPLEX", "{refused}");
}

async fn rows_that_are_only_counted_are_no_answer(db: Db) {
    let (_upstream, _scratch, program) = stocked(db).await;
    let all = 110 * (LONG + 1) + 400 + LONG;
    for (query, want) in [
        (
            "{ thingsConnection { totalCount aggregate { count max { n } } } }",
            json!({ "thingsConnection": { "totalCount": all, "aggregate": { "count": all, "max": { "n": LONG + 1 } } } }),
        ),
        (
            "{ thingsConnection { pageInfo { hasNextPage } } }",
            json!({ "thingsConnection": { "pageInfo": { "hasNextPage": false } } }),
        ),
        (
            "{ ownersConnection(first: 1, orderBy: {id: DESC}) { totalCount nodes { id thingsConnection { totalCount } } } }",
            json!({ "ownersConnection": { "totalCount": 511, "nodes": [
                { "id": "one99", "thingsConnection": { "totalCount": 1 } }
            ] } }),
        ),
    ] {
        assert_eq!(program.query(query).await, want, "{query}");
    }
    for query in [
        "{ thingsConnection { totalCount nodes { id } } }",
        "{ thingsConnection { pageInfo { endCursor } } }",
        "{ things { id } }",
    ] {
        let refused = program.post(query, json!({})).await;
        assert_eq!(
            refused["errors"][0]["extensions"]["code"], "TOO_COMPLEX",
            "{query}: {refused}"
        );
    }
}
