//! What is refused before validation, with its place and the name that was perhaps meant.

use super::*;
use crate::graphql::{Limits, Served, gate::admit, testing};

fn served() -> Served {
    Served::of(&testing::catalog()).expect("the farm's schema")
}

#[test]
fn faults_have_their_place_and_a_suggestion() {
    let cases = [
        (
            "{ items { nmae } }",
            "type `Item` does not have a field `nmae`; did you mean `name`?",
        ),
        (
            "{ itmes { id } }",
            "type `Query` does not have a field `itmes`; did you mean `items`?",
        ),
        ("{ items { xyzzy } }", "type `Item` does not have a field `xyzzy`"),
        (
            "{ items(were: {}) { id } }",
            "`Query.items` does not have an argument `were`; did you mean `where`?",
        ),
        (
            "{ items { tags(frist: 1) { id } } }",
            "`Item.tags` does not have an argument `frist`; did you mean `first`?",
        ),
        (
            "{ items { ...F } } fragment G on Item { id }",
            "there is no fragment `F`; did you mean `G`?",
        ),
        (
            "{ items { ... on Itm { id } } }",
            "there is no type `Itm`; did you mean `Item`?",
        ),
        (
            "query($w: ItemWere) { items(where: $w) { id } }",
            "there is no type `ItemWere`; did you mean `ItemWhere`?",
        ),
        (
            "{ items { id @inclued(if: true) } }",
            "there is no directive `@inclued`; did you mean `include`?",
        ),
        (
            "{ items { id @include(fi: true) } }",
            "`@include` does not have an argument `fi`; did you mean `if`?",
        ),
        (
            "query($wher: ItemWhere) { items(where: $where) { id } }",
            "items.where: $where is not declared by the operation; did you mean `$wher`?",
        ),
        (
            "{ items(where: {prise: {gt: 1}}) { id } }",
            "items.where: ItemWhere has no member `prise`; did you mean `price`?",
        ),
        (
            "{ items { requiredFor(where: {or: [{}, {quantity: {get: 1}}]}) { quantity } } }",
            "items.requiredFor.where.or[1].quantity: IntFilter has no member `get`; did you mean `gt`?",
        ),
        (
            "{ items(where: {rarity: {eq: RAER}}) { id } }",
            "items.where.rarity.eq: Rarity has no value `RAER`; did you mean `RARE`?",
        ),
        (
            "{ items(where: {rarity: {eq: \"RARE\"}}) { id } }",
            "items.where.rarity.eq: expected a value of Rarity, found a text; write RARE without quotes",
        ),
        (
            "{ items(where: {price: {gt: 1}, price: {gt: 2}}) { id } }",
            "items.where: `price` is given more than once",
        ),
        (
            "query($w: ItemWhere = {price: {gt: 1, gt: 2}}) { items(where: $w) { id } }",
            "$w.price: `gt` is given more than once",
        ),
        (
            "{ items(where: {price: {gt: \"1\"}}) { id } }",
            "items.where.price.gt: expected a value of type Float, found a text",
        ),
        (
            "{ items(first: 1.5) { id } }",
            "items.first: expected a value of type Int, found 1.5",
        ),
        (
            "{ items(where: []) { id } }",
            "items.where: expected a value of type ItemWhere, found a list",
        ),
        (
            "{ items(where: {and: [null]}) { id } }",
            "items.where.and[0]: expected a value of type ItemWhere!, found null",
        ),
        (
            "{ item(id: null) { id } }",
            "item.id: expected a value of type ID!, found null",
        ),
        (
            "{ items(orderBy: {id: ASC, name: ASC}) { id } }",
            "items.orderBy: exactly one member with a value must be given, found 2",
        ),
        (
            "{ items(orderBy: [{}]) { id } }",
            "items.orderBy[0]: exactly one member with a value must be given, found 0",
        ),
        (
            "{ npcBy(key: {slug: null}) { id } }",
            "npcBy.key.slug: expected a value of type String!, found null",
        ),
        // The commonest mistake of all.
        (
            "query($p: String) { items(where: {price: {gt: $p}}) { id } }",
            "items.where.price.gt: $p is of type String, and Float is wanted here; declare $p: Float",
        ),
        (
            "query($ids: ID) { items(where: {id: {in: $ids}}) { id } }",
            "items.where.id.in: $ids is of type ID, and [ID!] is wanted here; declare $ids: [ID!]",
        ),
        (
            "query($ids: [ID]) { items(where: {id: {in: $ids}}) { id } }",
            "items.where.id.in: $ids is of type [ID], and [ID!] is wanted here; declare $ids: [ID!]",
        ),
        (
            "query($id: ID) { items(where: {id: {in: [\"1\", $id]}}) { id } }",
            "items.where.id.in[1]: $id is of type ID, and ID! is wanted here; declare $id: ID!",
        ),
        (
            "query($w: ItemWhere) { items(where: {and: [$w]}) { id } }",
            "items.where.and[0]: $w is of type ItemWhere, and ItemWhere! is wanted here; declare $w: ItemWhere!",
        ),
        (
            "query($s: Sort) { items(orderBy: {id: $s}) { id } }",
            "items.orderBy.id: $s is of type Sort, and Sort! is wanted here; declare $s: Sort!",
        ),
        (
            "query($s: String) { npcBy(key: {slug: $s}) { id } }",
            "npcBy.key.slug: $s is of type String, and String! is wanted here; declare $s: String!",
        ),
        (
            "query($id: ID) { item(id: $id) { id } }",
            "item.id: $id is of type ID, and ID! is wanted here; declare $id: ID!",
        ),
        (
            "query($x: Boolean) { items { id name @include(if: $x) } }",
            "items.name.@include.if: $x is of type Boolean, and Boolean! is wanted here; declare $x: Boolean!",
        ),
        // A default of null is none.
        (
            "query($x: Boolean = null) { items { id name @skip(if: $x) } }",
            "items.name.@skip.if: $x is of type Boolean, and Boolean! is wanted here; declare $x: Boolean!",
        ),
        (
            "query($w: ItemWhere = {prise: {}}) { items(where: $w) { id } }",
            "$w: ItemWhere has no member `prise`; did you mean `price`?",
        ),
        (
            "query($n: String) { items { ...F } } fragment F on Item { tags(first: $n) { id } }",
            "items.tags.first: $n is of type String, and Int is wanted here; declare $n: Int",
        ),
        (
            "subscription { a: items { id } ... on Subscription { b: items { id } } }",
            "a subscription has one root field, found `a`, `b`; a socket may have several subscriptions open",
        ),
        (
            "subscription { ...A ...B } fragment A on Subscription { items { id } } fragment B on Subscription { npcs { id } }",
            "a subscription has one root field, found `npcs`, `items`",
        ),
    ];
    let (served, limits) = (served(), Limits::default());
    for (query, want) in cases {
        let errors = admit(&served, &limits, query).expect_err(query);
        let first = &errors[0];
        assert!(
            first.message.starts_with(want),
            "{query}\n got {}\nwant {want}",
            first.message
        );
        assert_eq!(first.code, Code::ValidationFailed, "{query}");
        assert!(!first.locations.is_empty(), "{query}");
    }
}

#[test]
fn all_faults_of_a_document_are_told_once() {
    let query =
        "query A { items { nmae tags(frist: 1) { id } ...F } } query B { items { ...F } } fragment F on Item { prise }";
    let errors = admit(&served(), &Limits::default(), query).expect_err("faults");
    let messages: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
}

#[test]
fn variables_are_good_where_the_specification_says_so() {
    for query in [
        "query($id: ID!) { items(where: {id: {eq: $id}}) { id } }",
        "query($ids: [ID!]!) { items(where: {id: {in: $ids}}) { id } }",
        "query($id: ID = \"1\") { item(id: $id) { id } items(where: {id: {in: [$id]}}) { id } }",
        "query($s: Sort = ASC) { items(orderBy: [{id: $s}]) { id } }",
        "query($x: Boolean = true) { items { id name @include(if: $x) @skip(if: $x) } }",
        "query($n: String!) { __type(name: $n) { name isOneOf } }",
        "query($d: Boolean) { __type(name: \"Item\") { fields(includeDeprecated: $d) { name } } }",
        "query($w: ItemWhere = {price: {gt: 1}, rarity: {in: RARE}}) { items(where: $w) { id } }",
        "subscription { items { id } items { name } ...F } fragment F on Subscription { items { price } }",
        "subscription($n: Int) { items(first: $n) { id } ... { items(first: $n) { name } } }",
    ] {
        if let Err(errors) = admit(&served(), &Limits::default(), query) {
            panic!("{query}: {errors:?}");
        }
    }
}

/// Fragments that spread one another in a long row are walked one after the other.
#[test]
fn long_rows_of_fragments_need_no_stack() {
    let mut query = "{ items { ...F0 } }".to_owned();
    for at in 0..5_000 {
        query.push_str(&format!(" fragment F{at} on Item {{ ...F{} }}", at + 1));
    }
    query.push_str(" fragment F5000 on Item { id }");
    let served = served();
    let parsed = apollo_compiler::parser::Parser::new()
        .parse_ast(query, "q")
        .expect("a document");
    assert!(check(&served.schema, &parsed).is_ok());
}
