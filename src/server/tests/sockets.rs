//! How sockets end, and whose their messages are, frame by frame.

use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};

use super::*;

/// A text frame, or another, as a client sends it, masked with nothing; it may announce more than
/// there is.
fn frame(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let length = match length {
        0..126 => vec![0x80 | length as u8],
        126..65_536 => [&[0x80 | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[0x80 | 127][..], &length.to_be_bytes()].concat(),
    };
    [&[first][..], &length[..], &[0; 4][..], payload].concat()
}

async fn say_raw(socket: &mut Socket, bytes: &[u8]) {
    // Whoever is refused need not be heard to the end.
    let _ = socket.get_mut().write_all(bytes).await;
}

/// A client that ends a socket hears so: its browser calls that clean.
#[tokio::test]
async fn a_clients_end_is_answered() {
    let Running { address, shutdown, .. } = &start().await;
    for (code, want) in [
        (Some(CloseCode::Normal), Some(CloseCode::Normal)),
        (Some(CloseCode::Library(4321)), Some(CloseCode::Library(4321))),
        (None, None),
    ] {
        let mut socket = greeted(address).await;
        let end = code.map(|code| CloseFrame {
            code,
            reason: "done".into(),
        });
        socket.close(end).await.expect("it is sent");
        let mut heard = Vec::new();
        while let Some(message) = socket.next().await {
            heard.push(message.expect("a clean end"));
        }
        let [Message::Close(answer)] = heard.as_slice() else {
            panic!("no answer: {heard:?}");
        };
        assert_eq!(answer.as_ref().map(|answer| answer.code), want);
    }
    shutdown.cancel();
}

/// Faults have their codes, also where much of what was sent is not read any more.
#[tokio::test]
async fn faults_end_sockets_with_their_codes() {
    let Running { address, shutdown, .. } = &start().await;
    let large = frame(0x81, 3_000_000, &[b'x'; 3_000_000]);
    for (name, bytes, want) in [
        ("no mask", vec![0x81, 1, b'x'], 1002),
        ("no text", frame(0x82, 1, b"x"), 1003),
        ("no UTF-8", frame(0x81, 1, b"\xff"), 1007),
        ("too large", large, 1009),
        ("no message", [frame(0x81, 1, b"x"), vec![b'x'; 500_000]].concat(), 4400),
    ] {
        let mut socket = greeted(address).await;
        say_raw(&mut socket, &bytes).await;
        assert_eq!(hear(&mut socket).await, Err(want), "{name}");
        while let Some(rest) = socket.next().await {
            rest.expect("a clean end");
        }
    }
    shutdown.cancel();
}

/// Behind a proxy each client has a share of its own of what is half received.
#[tokio::test]
async fn half_messages_are_their_clients() {
    let limits = Limits {
        received_bytes: 6 << 20,
        ..Limits::default()
    };
    let bounds = Bounds::of_process();
    let Running { address, shutdown, .. } = &start_behind(bounds, limits, &["127.0.0.1/32"]).await;
    let open = async |client: &str| {
        let mut socket = connect_with(address, "/graphql", &[("x-forwarded-for", client)]).await;
        say(&mut socket, json!({ "type": "connection_init" })).await;
        assert_eq!(hear(&mut socket).await, Ok(json!({ "type": "connection_ack" })));
        socket
    };
    // Half a message, and a ping that is answered where there is room for that half; else the code
    // of the end.
    let say_half = async |socket: &mut Socket, half: &str| {
        let half = frame(0x01, half.len() as u64, half.as_bytes());
        say_raw(socket, &[half, frame(0x89, 1, b"p")].concat()).await;
        match socket.next().await {
            Some(Ok(Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(Some(end)))) => Err(u16::from(end.code)),
            other => panic!("neither: {other:?}"),
        }
    };
    let text = json!({ "type": "ping", "payload": "x".repeat(20_000) }).to_string();
    let (half, rest) = text.split_at(10_000);
    let mut held = Vec::new();
    let refused = loop {
        let mut socket = open("192.0.2.1").await;
        if let Err(code) = say_half(&mut socket, half).await {
            break code;
        }
        held.push(socket);
    };
    assert_eq!(refused, 1013);
    assert!((2..6).contains(&held.len()), "{} halves are held", held.len());
    let mut other = open("192.0.2.2").await;
    assert_eq!(say_half(&mut other, half).await, Ok(()), "there is room for others");
    say_raw(&mut other, &frame(0x80, rest.len() as u64, rest.as_bytes())).await;
    assert_eq!(hear(&mut other).await, Ok(json!({ "type": "pong" })));
    shutdown.cancel();
}
