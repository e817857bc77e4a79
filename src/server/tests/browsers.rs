//! What browsers send and are told: origins, the questions before requests, sockets, names of
//! subprotocols.

use super::*;

/// Some clients write the protocol with other letters, and take only their own form for an answer.
#[tokio::test]
async fn a_subprotocol_is_answered_in_the_clients_form() {
    let Running { address, shutdown, .. } = &start().await;
    for (offered, want) in [
        ("graphql-transport-ws", "graphql-transport-ws"),
        ("GraphQL-Transport-WS", "GraphQL-Transport-WS"),
        ("graphql-ws, GRAPHQL-TRANSPORT-WS", "GRAPHQL-TRANSPORT-WS"),
    ] {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .expect("a request");
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offered.parse().expect("a header"));
        let (mut socket, response) = connect_async(request).await.expect("a socket");
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], want, "{offered}");
        say(&mut socket, json!({ "type": "connection_init" })).await;
        assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "connection_ack" })));
    }
    shutdown.cancel();
}

#[tokio::test]
async fn pages_of_allowed_origins_open_sockets() {
    let Running { address, shutdown, .. } = &start().await;
    for origin in [
        "https://app.example",
        "http://localhost:5173",
        &format!("http://{address}"),
    ] {
        let mut request = format!("ws://{address}/graphql")
            .into_client_request()
            .expect("a request");
        let headers = request.headers_mut();
        let protocol = "graphql-transport-ws".parse().expect("a header");
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        headers.insert(header::ORIGIN, origin.parse().expect("a header"));
        connect_async(request).await.expect("a socket");
    }
    shutdown.cancel();
}

/// A server that all of a network can reach, with one origin named.
#[tokio::test]
async fn browsers_are_told_whose_pages_may_ask() {
    let ask = async |method: &str, origin: &str, more: &[(&str, &str)]| {
        let request = Request::builder().method(method).uri("/graphql?query=%7B__typename%7D");
        let request = request
            .header(header::HOST, "data.example")
            .header(header::ORIGIN, origin);
        let request = more
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        send(request.body(Body::empty()).expect("a request")).await
    };
    let told = |response: &Response<Body>, name: &str| {
        let all = response
            .headers()
            .get_all(name)
            .iter()
            .map(|value| value.to_str().expect("text"));
        all.collect::<Vec<_>>().join(", ")
    };
    let asked = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type, x-trace"),
        ("access-control-request-private-network", "true"),
    ];
    let response = ask("OPTIONS", "https://app.example", &asked).await;
    assert_eq!(response.status(), 204);
    for (name, want) in [
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", "content-type, x-trace"),
        ("access-control-allow-private-network", "true"),
        ("access-control-max-age", "7200"),
        ("access-control-allow-credentials", ""),
    ] {
        assert_eq!(told(&response, name), want, "{name}");
    }
    assert!(told(&response, "vary").contains("Origin"));

    let response = ask("GET", "https://app.example", &[]).await;
    assert_eq!(
        (
            response.status().as_u16(),
            told(&response, "access-control-allow-origin")
        ),
        (200, "https://app.example".to_owned())
    );
    assert!(told(&response, "vary").contains("Accept") && told(&response, "vary").contains("Origin"));
    // Faults are told to a page as well.
    let response = ask("PUT", "https://app.example", &[]).await;
    assert_eq!(
        (
            response.status().as_u16(),
            told(&response, "access-control-allow-origin")
        ),
        (405, "https://app.example".to_owned())
    );

    // What a stranger's page sends is not even answered: all its readers would have us work for it.
    let response = ask("GET", "https://evil.example", &[]).await;
    assert_eq!(
        (
            response.status().as_u16(),
            told(&response, "access-control-allow-origin")
        ),
        (403, String::new())
    );
    let response = ask("OPTIONS", "https://evil.example", &asked).await;
    assert_eq!(
        (
            response.status().as_u16(),
            told(&response, "access-control-allow-origin")
        ),
        (403, String::new())
    );
    let message = body(response).await["errors"][0]["message"].to_string();
    assert!(
        message.contains("https://evil.example") && message.contains("--allow-origin"),
        "{message}"
    );
    // No browser's question.
    assert_eq!(ask("OPTIONS", "https://app.example", &[]).await.status(), 405);
    assert_eq!(
        ask("GET", "https://data.example", &[])
            .await
            .headers()
            .get("access-control-allow-origin"),
        None
    );
}

#[tokio::test]
async fn a_loopback_server_answers_to_this_machine_and_to_who_is_named() {
    let Running { address, shutdown, .. } = &start().await;
    let own = address.as_str();
    let (host_message, origin_message) = ("listens on a loopback address", "--allow-origin");
    let cases = [
        (own, "", 200, ""),
        (
            "localhost",
            "http://localhost:3000",
            200,
            "access-control-allow-origin: http://localhost:3000",
        ),
        (
            own,
            "http://localhost:3000",
            200,
            "access-control-allow-origin: http://localhost:3000",
        ),
        (
            own,
            "https://app.example",
            200,
            "access-control-allow-origin: https://app.example",
        ),
        (own, "https://data.example", 200, ""),
        ("data.example", "https://data.example", 200, ""),
        ("data.example", "http://localhost:3000", 403, origin_message),
        ("evil.example", "", 403, host_message),
        ("evil.example", "http://evil.example", 403, host_message),
        // Also a page that may ask is refused when it was led here by a name of its own.
        ("app.example", "https://app.example", 403, host_message),
        (own, "http://evil.example", 403, origin_message),
        (own, "null", 403, origin_message),
    ];
    for (host, origin, want, said_so) in cases {
        let origin = if origin.is_empty() {
            String::new()
        } else {
            format!("Origin: {origin}\r\n")
        };
        let head = format!(
            "GET /graphql?query=%7B__typename%7D HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\n\r\n"
        );
        let answer = rest_of(said(address, &head).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {want}")), "{head} {answer}");
        assert!(answer.contains(said_so), "{head} {answer}");
        let is_told = answer.contains("access-control-allow-origin");
        assert_eq!(is_told, said_so.starts_with("access-control"), "{head} {answer}");
    }
    shutdown.cancel();
}
