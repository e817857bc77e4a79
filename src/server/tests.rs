//! The server as a client sees it: statuses and media types over HTTP, messages and close codes
//! over WebSocket.

mod browsers;
mod caches;
mod drafts;
mod figures;
mod lasting;
mod requests;
mod sockets;

use std::time::Duration;

use axum::{
    body::Body,
    http::{Request, Response, header},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{ServerContext, connections::Bounds, serve_within, shared::Shared};
use crate::graphql::{
    Limits,
    testing::{Farm, item},
};

const GRAPHQL: &str = "application/graphql-response+json";
const JSON: &str = "application/json";

async fn send(request: Request<Body>) -> Response<Body> {
    send_by(request, false).await
}

/// What is served of a farm.
fn context(farm: &Farm) -> ServerContext {
    ServerContext {
        api: farm.current(),
        allowed_hosts: ["data.example".parse().expect("a name")].into(),
        allowed_origins: ["https://app.example".parse().expect("an origin")].into(),
        trusted_proxies: [].into(),
        http_draft: false,
        max_age: Duration::ZERO,
        graphiql: true,
        metrics: true,
        drain: Duration::ZERO,
        hurry: CancellationToken::new(),
    }
}

/// The same with the statuses of the newest draft, or without.
async fn send_by(request: Request<Body>, http_draft: bool) -> Response<Body> {
    let farm = Farm::empty(Limits::default()).await;
    let context = ServerContext {
        http_draft,
        ..context(&farm)
    };
    let router = super::router::router(Shared::new(context, CancellationToken::new(), 100));
    router.oneshot(request).await.expect("an answer")
}

fn post(accept: &str, content_type: &str, body: &str) -> Request<Body> {
    let mut request = Request::post("/graphql");
    for (name, value) in [(header::ACCEPT, accept), (header::CONTENT_TYPE, content_type)] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    request.body(Body::from(body.to_owned())).expect("a request")
}

async fn body(response: Response<Body>) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .expect("a body");
    serde_json::from_slice(&bytes).expect("a body of JSON")
}

#[tokio::test]
async fn posts() {
    let good = r#"{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null}"#;
    let invalid = r#"{"query":"{ nope }"}"#;
    let unparsable = r#"{"query":"{"}"#;
    let coerced = r#"{"query":"query($n: Int!) { items(first: $n) { id } }","variables":{"n":"1"}}"#;
    let subscription = r#"{"query":"subscription { items { id } }"}"#;
    let unnamed = r#"{"query":"query A { __typename } query B { __typename }"}"#;
    let cases = [
        ("", JSON, good, 200),
        ("*/*", JSON, good, 200),
        (GRAPHQL, JSON, good, 200),
        (JSON, "application/json; charset=utf-8", good, 200),
        (JSON, JSON, invalid, 200),
        (GRAPHQL, JSON, invalid, 400),
        (JSON, JSON, unparsable, 200),
        (GRAPHQL, JSON, unparsable, 400),
        (JSON, JSON, coerced, 200),
        (GRAPHQL, JSON, coerced, 400),
        (GRAPHQL, JSON, subscription, 400),
        (GRAPHQL, JSON, unnamed, 400),
        (JSON, JSON, "{", 400),
        (JSON, JSON, "[]", 400),
        (JSON, JSON, " [{\"query\":\"{ __typename }\"}]", 400),
        (JSON, JSON, "\"{ __typename }\"", 400),
        (JSON, JSON, "{}", 400),
        (GRAPHQL, JSON, r#"{"query":7}"#, 400),
        (JSON, JSON, r#"{"query":"{ __typename }","variables":"x"}"#, 400),
        (JSON, JSON, r#"{"query":"{ __typename }","variables":[]}"#, 400),
        (JSON, JSON, r#"{"query":"{ __typename }","operationName":7}"#, 400),
        (JSON, JSON, r#"{"query":"{ __typename }","extensions":"x"}"#, 400),
        (JSON, "text/plain", good, 415),
        (JSON, "", good, 415),
        (JSON, "application/x-www-form-urlencoded", "query={__typename}", 415),
        ("text/html", JSON, good, 406),
    ];
    for (accept, content_type, text, want) in cases {
        let response = send(post(accept, content_type, text)).await;
        assert_eq!(response.status(), want, "{accept} {content_type} {text}");
        let media = if accept == GRAPHQL { GRAPHQL } else { JSON };
        let got = response.headers()[header::CONTENT_TYPE].to_str().expect("text");
        assert_eq!(got, format!("{media}; charset=utf-8"));
        let is_good = text == good && want == 200;
        let got = body(response).await;
        assert_eq!(got.get("data").is_some(), is_good, "{text} {got}");
        assert_eq!(got.get("errors").is_some(), !is_good, "{text} {got}");
    }
}

#[tokio::test]
async fn gets_and_other_methods() {
    let cases = [
        ("GET", "/graphql?query=%7B__typename%7D", 200),
        (
            "GET",
            "/graphql?query=query+A%7B__typename%7D+query+B%7Ba:__typename%7D&operationName=B",
            200,
        ),
        (
            "GET",
            "/graphql?query=query($n:String!)%7B__type(name:$n)%7Bname%7D%7D&variables=%7B%22n%22:%22Item%22%7D",
            200,
        ),
        ("GET", "/graphql?query=%7B__typename%7D&variables=&operationName=", 200),
        ("GET", "/graphql", 400),
        ("GET", "/graphql?query=%7B__typename%7D&variables=%7B", 400),
        ("GET", "/graphql?query=%7B__typename%7D&variables=%5B%5D", 400),
        ("GET", "/graphql?query=subscription%7Bitems%7Bid%7D%7D", 405),
        ("GET", "/graphql?query=mutation%7Bitems%7Bid%7D%7D", 400),
        ("PUT", "/graphql", 405),
        ("DELETE", "/graphql", 405),
        ("GET", "/healthz", 200),
        ("GET", "/", 200),
        ("GET", "/nothing.here", 404),
    ];
    for (method, path, want) in cases {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, GRAPHQL);
        let response = send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), want, "{method} {path}");
        let headers = response.headers();
        assert!(headers.contains_key(header::CONTENT_SECURITY_POLICY), "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers.contains_key(header::ALLOW), want == 405, "{method} {path}");
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server on a free port, the means to stop it, and its rows.
struct Running {
    address: String,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
    farm: Farm,
}

async fn start() -> Running {
    start_within(Bounds::of_process()).await
}

async fn start_within(bounds: Bounds) -> Running {
    start_with(bounds, Limits::default()).await
}

async fn start_with(bounds: Bounds, limits: Limits) -> Running {
    start_behind(bounds, limits, &[]).await
}

/// The same with proxies that are trusted.
async fn start_behind(bounds: Bounds, limits: Limits, proxies: &[&str]) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let shutdown = CancellationToken::new();
    let farm = Farm::stocked(limits).await;
    let context = ServerContext {
        trusted_proxies: proxies.iter().map(|proxy| proxy.parse().expect("a proxy")).collect(),
        ..context(&farm)
    };
    let server = tokio::spawn(serve_within(listener, context, shutdown.clone(), bounds));
    Running {
        address,
        shutdown,
        server,
        farm,
    }
}

async fn connect(address: &str, path: &str) -> Socket {
    connect_with(address, path, &[]).await
}

async fn connect_with(address: &str, path: &str, headers: &[(&'static str, &str)]) -> Socket {
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .expect("a request");
    let protocol = "graphql-transport-ws".parse().expect("a header");
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    for (name, value) in headers {
        let value = value.parse().expect("a header");
        request.headers_mut().insert(*name, value);
    }
    connect_async(request).await.expect("a socket").0
}

async fn say(socket: &mut Socket, message: Value) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .expect("a message is sent");
}

/// The next message, or the code of the close frame.
async fn hear(socket: &mut Socket) -> Result<Value, u16> {
    let patience = Duration::from_secs(120);
    loop {
        let next = tokio::time::timeout(patience, socket.next())
            .await
            .expect("a message in time");
        match next.expect("an open socket").expect("a frame") {
            Message::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Message::Close(frame) => return Err(frame.expect("a code").code.into()),
            _ => {}
        }
    }
}

async fn greeted(address: &str) -> Socket {
    let mut socket = connect(address, "/graphql").await;
    say(&mut socket, json!({ "type": "connection_init" })).await;
    assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "connection_ack" })));
    socket
}

#[tokio::test]
async fn a_socket_answers_queries() {
    let Running {
        address,
        shutdown,
        server,
        farm,
    } = start().await;
    let mut socket = greeted(&address).await;
    say(&mut socket, json!({ "type": "ping" })).await;
    assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "pong" })));
    let query = json!({ "query": "query($n: String!) { __typename t: __type(name: $n) { name } }", "variables": { "n": "Item" } });
    say(&mut socket, json!({ "type": "subscribe", "id": "a", "payload": query })).await;
    let data = json!({ "data": { "__typename": "Query", "t": { "name": "Item" } } });
    let want = json!({ "type": "next", "id": "a", "payload": data });
    assert_eq!(hear(&mut socket).await, Ok(want));
    assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "complete", "id": "a" })));

    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "b", "payload": { "query": "subscription { nope }" } }),
    )
    .await;
    let error = hear(&mut socket).await.expect("a message");
    assert_eq!(error["type"], "error");
    assert_eq!(error["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");

    let live = json!({ "query": "subscription { items(first: 1) { price } }" });
    say(&mut socket, json!({ "type": "subscribe", "id": "c", "payload": live })).await;
    let answer = |price: f64| {
        let data = json!({ "data": { "items": [{ "price": price }] } });
        Ok(json!({ "type": "next", "id": "c", "payload": data }))
    };
    assert_eq!(hear(&mut socket).await, answer(10.5));
    farm.load("Item", vec![item("i1", "Axe", Some(12.25), &[])]).await;
    assert_eq!(hear(&mut socket).await, answer(12.25));

    shutdown.cancel();
    assert_eq!(hear(&mut socket).await, Err(1001));
    server.await.expect("no panic").expect("a clean end");
}

/// Where there is no room for a request, a live query has places of its own.
#[tokio::test]
async fn operations_on_sockets_are_shed_like_requests() {
    let limits = Limits {
        requests: 0,
        ..Limits::default()
    };
    let Running { address, shutdown, .. } = &start_with(Bounds::of_process(), limits).await;
    let mut socket = greeted(address).await;
    for (id, operation, want) in [("a", "query", "error"), ("b", "subscription", "next")] {
        let payload = json!({ "query": format!("{operation} {{ items(first: 1) {{ id }} }}") });
        say(
            &mut socket,
            json!({ "type": "subscribe", "id": id, "payload": payload }),
        )
        .await;
        let heard = hear(&mut socket).await.expect("a message");
        assert_eq!([&heard["type"], &heard["id"]], [want, id], "{heard}");
        let code = &heard["payload"][0]["extensions"]["code"];
        assert_eq!(code.is_string(), want == "error", "{heard}");
        assert!(code.is_null() || code == "OVERLOADED", "{heard}");
    }
    shutdown.cancel();
}

#[tokio::test]
async fn sockets_are_closed_for_their_reasons() {
    let Running { address, shutdown, .. } = &start().await;
    let mut early = connect(address, "/graphql/ws").await;
    say(
        &mut early,
        json!({ "type": "subscribe", "id": "a", "payload": { "query": "{ __typename }" } }),
    )
    .await;
    assert_eq!(hear(&mut early).await, Err(4401));
    let mut twice = greeted(address).await;
    say(&mut twice, json!({ "type": "connection_init" })).await;
    assert_eq!(hear(&mut twice).await, Err(4429));
    let mut garbage = greeted(address).await;
    garbage
        .send(Message::text("nonsense"))
        .await
        .expect("a message is sent");
    assert_eq!(hear(&mut garbage).await, Err(4400));
    shutdown.cancel();
}

#[tokio::test]
async fn handshakes_are_refused() {
    let Running { address, shutdown, .. } = &start().await;
    let status = async |name: header::HeaderName, value: &'static str| {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .expect("a request");
        let headers = request.headers_mut();
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            "graphql-transport-ws".parse().expect("a header"),
        );
        headers.insert(name, value.parse().expect("a header"));
        match connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => response.status().as_u16(),
            other => panic!("expected a refusal, found {other:?}"),
        }
    };
    assert_eq!(status(header::ORIGIN, "http://evil.example").await, 403);
    assert_eq!(status(header::ORIGIN, "null").await, 403);
    assert_eq!(status(header::SEC_WEBSOCKET_PROTOCOL, "graphql-ws").await, 400);
    shutdown.cancel();
}

/// What the server sends until it closes the connection.
async fn rest_of(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let read = tokio::time::timeout(Duration::from_secs(120), stream.read_to_string(&mut text));
    read.await.expect("an end in time").expect("text");
    text
}

async fn said(address: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("bytes are sent");
    stream
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";

#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let bounds = Bounds {
        connections: 100,
        head_patience: Duration::from_millis(100),
    };
    let Running {
        address,
        shutdown,
        server,
        ..
    } = start_within(bounds).await;
    // Nothing, the beginning of either protocol, half a head.
    for text in ["", "P", "PRI * HTTP/2", HEALTH] {
        assert_eq!(rest_of(said(&address, text).await).await, "", "{text:?}");
    }
    // After an answer, a connection may be idle no longer.
    let answer = rest_of(said(&address, &format!("{HEALTH}\r\n")).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // A socket is no request any more, however long it is silent.
    let mut socket = greeted(&address).await;
    assert_eq!(rest_of(said(&address, "").await).await, "");
    say(&mut socket, json!({ "type": "ping" })).await;
    assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "pong" })));
    shutdown.cancel();
    server.await.expect("no panic").expect("a clean end");
}

/// The clock passes all bounds while requests lie unread, as in a process that was stopped or had
/// no time.
#[tokio::test]
async fn what_was_said_in_time_is_answered_however_late() {
    let head_patience = Duration::from_secs(60);
    let bounds = Bounds {
        connections: 100,
        head_patience,
    };
    let Running {
        address,
        shutdown,
        server,
        ..
    } = start_within(bounds).await;
    let mut streams = Vec::new();
    for _ in 0..16 {
        let stream = TcpStream::connect(&address).await.expect("a connection");
        stream.writable().await.expect("an open connection");
        streams.push(stream);
    }
    let request = format!("{HEALTH}Connection: close\r\n\r\n");
    // Accepted in their order: when this one has its answer, the server waits for the words of
    // those before.
    let answer = rest_of(said(&address, &request).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut socket = connect(&address, "/graphql").await;
    tokio::time::pause();
    for stream in &streams {
        let written = stream.try_write(request.as_bytes());
        assert_eq!(written.expect("bytes are sent"), request.len());
    }
    say(&mut socket, json!({ "type": "connection_init" })).await;
    tokio::time::advance(2 * head_patience).await;
    tokio::time::resume();
    for stream in streams {
        let answer = rest_of(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "connection_ack" })));
    shutdown.cancel();
    server.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn more_connections_wait_for_a_place() {
    let bounds = Bounds {
        connections: 2,
        head_patience: Duration::from_secs(60),
    };
    let Running {
        address,
        shutdown,
        server,
        ..
    } = start_within(bounds).await;
    let socket = greeted(&address).await;
    let idle = said(&address, &format!("{HEALTH}\r\n")).await;
    idle.readable().await.expect("an answer");
    let third = said(&address, &format!("{HEALTH}Connection: close\r\n\r\n")).await;
    let soon = tokio::time::timeout(Duration::from_millis(200), third.readable()).await;
    assert!(soon.is_err(), "a third connection was served beside two");
    // The place of a socket is free only when the socket is.
    drop(socket);
    let answer = rest_of(third).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    shutdown.cancel();
    server.await.expect("no panic").expect("a clean end");
}
