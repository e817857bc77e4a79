//! Estimates of the farm's queries, by figures that are made up.

use std::collections::HashMap;

use super::*;
use crate::{
    catalog::FieldId,
    graphql::testing,
    store::{Figures, Links, Spread},
};

/// Types in the order of the definition: items, quests, lines of quests, characters, tags.
fn counts(counts: [u64; 5]) -> Known {
    Known::made(counts.map(figures))
}

fn figures(rows: u64) -> Figures {
    Figures {
        rows,
        ..Figures::default()
    }
}

fn cost(query: &str, known: &Known) -> Cost {
    let (catalog, plan) = testing::plan(query);
    estimate(&catalog, &plan.read, &[], known)
}

fn field(catalog: &Catalog, name: &str) -> FieldId {
    catalog.entities[0].field_named(name).expect("a field of items")
}

/// 300,000 items of 320,000 links have the tag 1, and n1 sells all but a thousand of them; there
/// are 2,000 tags and 100 characters.
fn skewed() -> Known {
    let (catalog, _) = testing::plan("{ __typename }");
    let heavy = |key: &str, rows| [(vec![key.to_owned()], rows)];
    let links = Links {
        rows: 320_000,
        by_owner: Some(Spread::new(320_000, None, [])),
        by_target: Some(Spread::new(320_000, None, heavy("1", 300_000))),
    };
    let sellers = Spread::new(300_000, Some(100), heavy("n1", 299_000));
    let items = Figures {
        widths: HashMap::from([(field(&catalog, "name"), 1_000)]),
        fields: HashMap::from([(field(&catalog, "seller"), sellers)]),
        links: HashMap::from([(field(&catalog, "tags"), links)]),
        ..figures(300_000)
    };
    Known::made([items, figures(0), figures(0), figures(100), figures(2_000)])
}

#[test]
fn rows_of_lists() {
    let counts = counts([1_000, 100, 5_000, 10, 50]);
    let cases = [
        ("{ items { id } }", 1_000),
        ("{ items(first: 7) { id } }", 7),
        ("{ items(first: 5000) { id } }", 1_000),
        ("{ items(where: {id: {eq: \"1\"}}) { id } }", 1),
        (
            "{ items(where: {id: {in: [\"1\", \"2\"]}, name: {eq: \"x\"}}) { id } }",
            2,
        ),
        (
            "{ items(where: {or: [{id: {eq: \"1\"}}, {name: {eq: \"x\"}}]}) { id } }",
            1_000,
        ),
        ("{ item(id: \"1\") { requiredFor { quantity } } }", 5),
        (
            "{ items { requiredFor { quest { items { quantity } } } } }",
            1_000 + 5_000 + 5_000 * 50,
        ),
        (
            "{ items(first: 10) { tags(first: 3) { items { id } } } }",
            10 + 30 + 30 * 200,
        ),
        (
            "{ npcs { sells { seller { sells(first: 2147483647) { id } } } } }",
            10 + 1_000 + 100_000,
        ),
        // An enum of three values and null, rows and none, two truth values and none.
        ("{ itemsGrouped(by: [{rarity: VALUE}]) { count } }", 4),
        (
            "{ itemsGrouped(by: [{seller: ROW}, {isRare: VALUE}]) { count } }",
            11 * 3,
        ),
        ("{ itemsGrouped(by: [{id: VALUE}], first: 5) { count } }", 5),
        // Nothing is known of the names but that they are not more than the rows.
        ("{ itemsGrouped(by: [{name: VALUE}]) { count } }", 31),
        (
            "{ itemsGrouped(by: [{seller: ROW}]) { keys { seller { sells { id } } } } }",
            11 + 11 * 100,
        ),
        ("{ __typename }", 0),
        // Rows that are only counted are none of the answer's.
        (
            "{ itemsConnection { totalCount aggregate { count max { price } } } }",
            0,
        ),
        ("{ itemsConnection { pageInfo { hasNextPage } } }", 0),
        ("{ itemsConnection { pageInfo { endCursor } } }", 1_000),
        ("{ itemsConnection(first: 7) { totalCount edges { cursor } } }", 7),
        ("{ npcs { sellsConnection { totalCount } } }", 10),
        ("{ npcs { sellsConnection { totalCount nodes { id } } } }", 10 + 1_000),
    ];
    let wanted: Vec<String> = cases.iter().map(|(query, want)| format!("{query} {want}")).collect();
    let got = cases.map(|(query, _)| format!("{query} {}", cost(query, &counts).rows));
    assert_eq!(wanted, got);
}

#[test]
fn rows_of_skewed_links() {
    let known = skewed();
    let others = 20_000 / 1_999;
    let cases = [
        ("{ tag(id: \"1\") { items { id } } }", 300_000),
        ("{ tag(id: \"2\") { items { id } } }", others),
        ("{ tag(id: \"1\") { items(first: 20) { id } } }", 20),
        (
            "{ tags(where: {id: {in: [\"1\", \"2\"]}}) { items { id } } }",
            2 + 300_000 + others,
        ),
        ("{ tags { items { id } } }", 2_000 + 320_000),
        // One of two thousand, whichever it is.
        ("{ tags(first: 1) { items { id } } }", 1 + 160),
        ("{ npc(id: \"n1\") { sells { id } } }", 299_000),
        ("{ npc(id: \"n2\") { sells { id } } }", 1_000 / 99),
        ("{ items(where: {seller: {id: {eq: \"n1\"}}}) { id } }", 299_000),
        ("{ items(where: {seller: {id: {eq: \"n2\"}}}) { id } }", 1_000 / 99),
        ("{ items(where: {tags: {some: {id: {eq: \"2\"}}}}) { id } }", others),
        // Who is met by a link has as many as he is met by.
        (
            "{ items(first: 100) { seller { sells { id } } } }",
            100 + 100 * (299_000_u64 * 299_000 + 1_000 * 10) / 300_000,
        ),
    ];
    let wanted: Vec<String> = cases.iter().map(|(query, want)| format!("{query} {want}")).collect();
    let got = cases.map(|(query, _)| format!("{query} {}", cost(query, &known).rows));
    assert_eq!(wanted, got);
}

#[test]
fn bytes_go_by_measured_widths() {
    let known = skewed();
    // 1,000 letters, the key `name`, and their marks.
    let row = 2 + 8 + 1_002;
    assert_eq!(cost("{ items(first: 50) { name } }", &known).bytes, 50 * row);
    let listed = cost("{ tag(id: \"1\") { items { name } } }", &known).bytes;
    assert_eq!(listed, 300_000 * row + 2 + 5 + 4 + 2);
    // Nobody knows how few a filter leaves.
    for query in [
        "{ items(where: {worth: {eq: \"1\"}}) { name } }",
        "{ tag(id: \"1\") { items(where: {seller: {id: {eq: \"n1\"}}, worth: {eq: \"1\"}}) { name } } }",
    ] {
        assert!(cost(query, &known).bytes < 100, "{query}");
    }
}

#[test]
fn time_goes_by_what_is_looked_at() {
    let known = skewed();
    let millis = |query: &str| cost(query, &known).time.as_millis();
    assert!(millis("{ items(first: 20) { name } }") < 1);
    assert!(millis("{ items(first: 20, orderBy: {price: ASC}) { id } }") < 1);
    assert!(millis("{ tag(id: \"2\") { items { id } } }") < 1);
    assert!(millis("{ items(first: 20, where: {name: {eq: \"x\"}}) { id } }") > 50);
    assert!(millis("{ items(first: 20, orderBy: {worth: ASC}) { id } }") > 100);
    assert!(millis("{ items(first: 20, where: {name: {contains: \"x\"}}) { id } }") > 300);
    assert!(millis("{ tag(id: \"1\") { items { id } } }") > 300);
    // To count rows takes its time, too.
    assert!(millis("{ itemsConnection { totalCount } }") > 50);
}

#[test]
fn rows_that_filters_look_at() {
    let nested = |levels: usize| {
        let inner = "tags: {some: {items: {some: {".repeat(levels);
        let outer = "}}}}".repeat(levels);
        format!("{{ items(first: 1, where: {{{inner}{outer}}}) {{ id }} }}")
    };
    let by_key = |more: &str| format!("{{ items(where: {{id: {{eq: \"1\"}}, {more}}}) {{ id }} }}");
    let counts = counts([20_000, 1_000, 40_000, 10, 50]);
    let cases = [
        ("{ items(where: {name: {eq: \"x\"}}) { id } }".to_owned(), 0),
        (
            "{ items(first: 1, where: {seller: {name: {eq: \"x\"}}}) { id } }".to_owned(),
            20_000,
        ),
        (
            "{ items(where: {requiredFor: {none: {quest: {title: {eq: \"x\"}}}}}) { id } }".to_owned(),
            40_000 + 40_000,
        ),
        (
            "{ quests(where: {not: {or: [{items: {every: {item: {seller: {}}}}}]}}) { id } }".to_owned(),
            3 * 40_000,
        ),
        (
            "{ items(first: 3, orderBy: {seller: {name: ASC}}) { id } }".to_owned(),
            20_000,
        ),
        // Ten tags of each item are counted, and the items of each item's seller.
        (
            "{ items(first: 3, orderBy: {tags: {count: DESC}}) { id } }".to_owned(),
            20_000 + 200_000,
        ),
        (
            "{ items(first: 3, orderBy: {seller: {sells: {count: DESC}}}) { id } }".to_owned(),
            20_000 + 20_000 + 20_000 * 2_000,
        ),
        (
            "{ itemsGrouped(by: [{seller: ROW}], orderBy: [{keys: {seller: {sells: {count: DESC}}}}]) { count } }"
                .to_owned(),
            2 * 20_000 + 20_000 + 20_000 * 2_000,
        ),
        (
            "{ npcs { sells(first: 1, where: {seller: {id: {eq: \"1\"}}}) { id } } }".to_owned(),
            20_000,
        ),
        (by_key("tags: {some: {}}"), 10),
        (nested(1), 200_000 + 800_000_000),
        (nested(2), 200_000 + 800_000_000 + 8_000_000_000 + 32_000_000_000_000),
        (nested(5), u64::MAX),
        // Texts that are searched.
        (
            "{ items(first: 1, where: {name: {contains: \"x\"}}) { id } }".to_owned(),
            20_000,
        ),
        (
            "{ items(where: {not: {name: {ilike: \"%x\"}}}) { id } }".to_owned(),
            20_000,
        ),
        (
            "{ npcs { sells(where: {name: {endsWith: \"x\"}}) { id } } }".to_owned(),
            20_000,
        ),
        (by_key("name: {contains: \"x\"}"), 1),
    ];
    for (query, want) in cases {
        assert_eq!(cost(&query, &counts).filter_rows, want, "{query}");
    }
    // Long ones count several times.
    let searched = cost("{ items(where: {name: {contains: \"x\"}}) { id } }", &skewed());
    assert_eq!(searched.filter_rows, 2 * 300_000);
}

/// 20,000 items with ten tags each, and 40,000 lines of quests.
#[test]
fn rows_behind_groups() {
    let counts = counts([20_000, 1_000, 40_000, 10, 50]);
    let grouped = |of: &str, by: &str, led: &str| format!("{{ {of}Grouped(by: [{{{by}}}]) {{ count {led} }} }}");
    for (query, want) in [
        // The links of the rows, and not the rows that there are.
        (
            grouped("items", "rarity: VALUE", "tagsAggregate { count }"),
            20_000 + 200_000,
        ),
        (
            grouped("items", "rarity: VALUE", "requiredForAggregate { count }"),
            20_000 + 40_000,
        ),
        // The filter is asked of all of them.
        (
            grouped(
                "items",
                "rarity: VALUE",
                "tagsAggregate(where: {name: {contains: \"x\"}}) { count }",
            ),
            20_000 + 200_000 + 200_000,
        ),
        // Keys are joined for each kind of rows.
        (
            grouped("items", "seller: ROW", "tagsAggregate { count }"),
            2 * 20_000 + 20_000 + 200_000,
        ),
        // All pairs are looked through, whatever rows are meant.
        (
            "{ tagsGrouped(where: {id: {eq: \"1\"}}, by: [{name: VALUE}]) { itemsAggregate { count } } }".to_owned(),
            1 + 200_000,
        ),
    ] {
        assert_eq!(cost(&query, &counts).filter_rows, want, "{query}");
    }
    // The condition is asked once for each kind of rows.
    let one = "{ itemsGrouped(where: {name: {contains: \"x\"}}, by: [{rarity: VALUE}]) { count } }";
    let two = one.replace("{ count }", "{ tagsAggregate { count } }");
    assert_eq!(cost(one, &counts).filter_rows, 20_000);
    assert_eq!(cost(&two, &counts).filter_rows, 2 * 20_000 + 20_000 + 200_000);
}

/// 1,000 terms with 1.3 parents each.
#[test]
fn closures() {
    let catalog = crate::catalog::testing::catalog(
        "type Term @f { id: ID! name: String parents: [Term!]! @ref children: [Term!]! @inverse(field: \"parents\")
            ancestors: [Term!]! @closure(of: \"parents\") descendants: [Term!]! @closure(of: \"children\") }",
    );
    let spread = || Some(Spread::new(1_300, None, []));
    let links = Links {
        rows: 1_300,
        by_owner: spread(),
        by_target: spread(),
    };
    let parents = catalog.entities[0].field_named("parents").expect("a link");
    let terms = Figures {
        links: HashMap::from([(parents, links)]),
        ..figures(1_000)
    };
    let known = Known::made([terms]);
    for (query, rows, filter_rows) in [
        ("{ term(id: \"1\") { ancestors { id } } }", 20, 0),
        ("{ term(id: \"1\") { descendants(first: 5) { id } } }", 5, 0),
        // Followed back once from what is meant, and not from each row.
        (
            "{ terms(where: {ancestors: {some: {id: {eq: \"1\"}}}}) { id } }",
            20,
            20,
        ),
        (
            "{ terms(where: {ancestors: {none: {name: {eq: \"x\"}}}}) { id } }",
            1_000,
            1_000,
        ),
    ] {
        let plan = testing::plan_of(&catalog, query).expect("a plan");
        let cost = estimate(&catalog, &plan.read, &[], &known);
        assert_eq!((cost.rows, cost.filter_rows), (rows, filter_rows), "{query}");
    }
}

/// Versions have indexes of keys and links alone.
#[test]
fn no_index_of_the_rows_leads_to_their_past() {
    let catalog = crate::catalog::testing::catalog(
        "type Item @f @history { id: ID! slug: String! @unique price: Int @index name: String @index seller: Npc }
        type Npc @f @history { id: ID! }",
    );
    let spread = |name: &str| {
        let field = catalog.entities[0].field_named(name).expect("a field");
        (field, Spread::new(100_000, Some(10_000), []))
    };
    let items = Figures {
        fields: HashMap::from([spread("seller"), spread("price")]),
        ..figures(100_000)
    };
    let known = Known::made([items, figures(10_000)]);
    let costs = |query: &str| {
        let plan = testing::plan_of(&catalog, query).expect("a plan");
        estimate(&catalog, &plan.read, &[], &known)
    };
    let (look, sorted) = (Duration::from_millis(30), Duration::from_millis(100));
    for (name, arguments, least) in [
        ("items", "orderBy: [{price: ASC}], first: 5", Some(sorted)),
        ("items", "where: {price: {gt: 7}}, first: 5", Some(look)),
        ("items", "where: {price: {eq: 7}}", Some(look)),
        ("itemBy", "key: {slug: \"a\"}", Some(look)),
        ("itemsConnection", "orderBy: [{price: ASC}], first: 5", Some(sorted)),
        ("item", "id: \"1\"", None),
        ("items", "where: {sellerId: {eq: \"1\"}}", None),
        ("items", "orderBy: [{id: ASC}], first: 5", None),
    ] {
        let fields = if name.ends_with("Connection") {
            "{ nodes { id } }"
        } else {
            "{ id }"
        };
        let now = costs(&format!("{{ {name}({arguments}) {fields} }}"));
        let then = costs(&format!(
            "{{ {name}({arguments}, asOf: \"2026-11-21T00:00:00Z\") {fields} }}"
        ));
        assert_eq!((now.rows, now.bytes), (then.rows, then.bytes), "{arguments}");
        match least {
            Some(least) => assert!(
                then.time >= least && now.time < then.time,
                "{arguments}: {now:?} {then:?}"
            ),
            None => assert!(then.time < look, "{arguments}: {then:?}"),
        }
    }
    // A begin of a text is read in each row.
    let begin = "where: {name: {startsWith: \"a\"}}";
    let (now, then) = (
        costs(&format!("{{ items({begin}) {{ id }} }}")),
        costs(&format!(
            "{{ items({begin}, asOf: \"2026-11-21T00:00:00Z\") {{ id }} }}"
        )),
    );
    assert_eq!((now.filter_rows, then.filter_rows), (0, 100_000));
}
