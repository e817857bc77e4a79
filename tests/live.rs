//! graphql-transport-ws from outside: close codes, errors, listeners that share a live query, the end of the server.

use futures_util::future::join;
use serde_json::{Value, json};

use crate::harness::{Db, Farm, Socket, on_both};

on_both!(
    sockets_are_closed_for_their_reasons,
    operations_end_one_by_one_and_leave_the_socket_open,
    the_newer_protocol_is_spoken_to_who_offers_both,
    a_socket_holds_a_bounded_number_of_operations,
    listeners_to_one_live_query_hear_the_same,
    sigterm_closes_sockets_as_going_away
);

/// Operations that one socket may have open, as the server has it.
const OPERATIONS_MAX: usize = 50;

const PRICE: &str = "subscription { item(id: \"1\") { price } }";

fn address(farm: &Farm) -> String {
    format!("{}/graphql", farm.program.url)
}

fn price_of(message: &Value) -> f64 {
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"]["item"]["price"].as_f64().expect("a price")
}

/// Moves the price of item 1 at the upstream; the next harvest brings it.
fn move_price(farm: &Farm) -> f64 {
    let mut world = farm.upstream.world();
    let before = world.items[&1]["price"].clone();
    while world.items[&1]["price"] == before {
        world.move_price(1);
    }
    world.items[&1]["price"].as_f64().expect("a price")
}

async fn sockets_are_closed_for_their_reasons(db: Db) {
    let farm = Farm::start(db).await;
    let url = address(&farm);
    // Nobody may stay without a word; this one waits while the others are looked at.
    let silent = async { Socket::connect(&url).await.close_code().await };
    let others = async {
        let mut early = Socket::connect(&url).await;
        early.subscribe("a", "{ __typename }").await;
        assert_eq!(early.close_code().await, 4401, "subscribe before connection_init");

        let subscribe = json!({ "type": "subscribe", "id": "a", "payload": { "query": PRICE } }).to_string();
        let cases = [
            ("no JSON", vec!["nonsense"], 4400),
            ("an unknown type", vec![r#"{"type":"start","id":"a"}"#], 4400),
            (
                "no id",
                vec![r#"{"type":"subscribe","payload":{"query":"{ __typename }"}}"#],
                4400,
            ),
            ("no query", vec![r#"{"type":"subscribe","id":"a","payload":{}}"#], 4400),
            ("the same id twice", vec![subscribe.as_str(), subscribe.as_str()], 4409),
            ("a second connection_init", vec![r#"{"type":"connection_init"}"#], 4429),
        ];
        for (name, texts, want) in cases {
            let mut socket = Socket::open(&url).await;
            for text in texts {
                socket.send_text(text).await;
            }
            assert_eq!(socket.close_code().await, want, "{name}");
        }
    };
    let (code, ()) = join(silent, others).await;
    assert_eq!(code, 4408, "no connection_init");
}

async fn operations_end_one_by_one_and_leave_the_socket_open(db: Db) {
    let farm = Farm::harvested(db).await;
    let mut socket = Socket::open(&address(&farm)).await;
    for (query, code) in [
        ("subscription { nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { items(first: -1) { id } }", "BAD_USER_INPUT"),
        (&format!("{{ items(where: {}", "[".repeat(10_000)), "TOO_COMPLEX"),
    ] {
        // The identifier is free again after each error.
        socket.subscribe("a", query).await;
        let error = socket.next().await;
        assert_eq!([&error["type"], &error["id"]], ["error", "a"], "{error}");
        assert_eq!(error["payload"][0]["extensions"]["code"], code, "{error}");
    }
    socket.subscribe("a", "{ item(id: \"7\") { id } }").await;
    let data = json!({ "data": { "item": { "id": "7" } } });
    assert_eq!(
        socket.next().await,
        json!({ "type": "next", "id": "a", "payload": data })
    );
    assert_eq!(socket.next().await, json!({ "type": "complete", "id": "a" }));
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await["type"], "pong");
}

async fn the_newer_protocol_is_spoken_to_who_offers_both(db: Db) {
    let farm = Farm::harvested(db).await;
    let mut socket = Socket::offering(&address(&farm), "graphql-ws, graphql-transport-ws").await;
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    socket.subscribe("a", PRICE).await;
    price_of(&socket.next().await);
}

async fn a_socket_holds_a_bounded_number_of_operations(db: Db) {
    let farm = Farm::harvested(db).await;
    let mut socket = Socket::open(&address(&farm)).await;
    for at in 0..OPERATIONS_MAX {
        socket.subscribe(&at.to_string(), PRICE).await;
        assert_eq!(socket.next().await["id"], at.to_string());
    }
    socket.subscribe("more", PRICE).await;
    let error = socket.next().await;
    assert_eq!([&error["type"], &error["id"]], ["error", "more"], "{error}");
    assert_eq!(
        error["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS",
        "{error}"
    );
    // One that ends makes room.
    socket.send(json!({ "type": "complete", "id": "0" })).await;
    socket.subscribe("more", PRICE).await;
    let answer = socket.next().await;
    assert_eq!([&answer["type"], &answer["id"]], ["next", "more"], "{answer}");
}

async fn listeners_to_one_live_query_hear_the_same(db: Db) {
    let farm = Farm::harvested(db).await;
    let url = address(&farm);
    let mut one = Socket::open(&url).await;
    let mut two = Socket::open(&url).await;
    one.subscribe("one", PRICE).await;
    let before = price_of(&one.next().await);
    two.subscribe("two", PRICE).await;
    assert_eq!(
        price_of(&two.next().await),
        before,
        "who joins hears the current answer"
    );
    let moved = move_price(&farm);
    assert_eq!(price_of(&one.next().await), moved);
    assert_eq!(price_of(&two.next().await), moved);
    // Who leaves takes nobody along, and hears no more: the next message is the answer to something else.
    one.send(json!({ "type": "complete", "id": "one" })).await;
    let moved = move_price(&farm);
    assert_eq!(price_of(&two.next().await), moved);
    one.subscribe("after", "{ __typename }").await;
    assert_eq!(one.next().await["id"], "after");
}

async fn sigterm_closes_sockets_as_going_away(db: Db) {
    let farm = Farm::harvested(db).await;
    let mut idle = Socket::open(&address(&farm)).await;
    let mut live = Socket::open(&address(&farm)).await;
    live.subscribe("a", PRICE).await;
    price_of(&live.next().await);
    let codes = async { [idle.close_code().await, live.close_code().await] };
    let (ended, codes) = join(farm.program.terminate(), codes).await;
    assert_eq!(codes, [1001, 1001]);
    assert_eq!(ended, Some(0));
}
