//! A graphql-transport-ws client of the test's own, so that every message on the wire is seen.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderName},
};

use super::PATIENCE;

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    /// Connects without saying anything yet.
    pub async fn connect(url: &str) -> Socket {
        Socket::offering(url, "graphql-transport-ws").await
    }

    /// The same with a list of subprotocols.
    pub async fn offering(url: &str, protocols: &str) -> Socket {
        let mut request = url.replacen("http", "ws", 1).into_client_request().expect("a request");
        let protocols = protocols.parse().expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let (stream, _) = connect_async(request).await.expect("a socket");
        Socket { stream }
    }

    /// Connects with these headers too; the status when that is refused.
    pub async fn handshake(url: &str, headers: &[(&str, &str)]) -> Result<Socket, u16> {
        let mut request = url.replacen("http", "ws", 1).into_client_request().expect("a request");
        let own = [("sec-websocket-protocol", "graphql-transport-ws")];
        for (name, value) in own.iter().chain(headers) {
            let name: HeaderName = name.parse().expect("a name");
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Socket { stream }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer to the handshake: {error}"),
        }
    }

    /// Connects and is acknowledged.
    pub async fn open(url: &str) -> Socket {
        let mut socket = Socket::connect(url).await;
        socket.send(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    pub async fn send(&mut self, message: Value) {
        let text = Message::text(message.to_string());
        self.stream.send(text).await.expect("send");
    }

    /// Sends a text as it is, which need be no message.
    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.expect("send");
    }

    pub async fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query } }))
            .await;
    }

    /// The next message that is no ping.
    pub async fn next(&mut self) -> Value {
        let message = tokio::time::timeout(PATIENCE, self.message()).await;
        message.expect("a message in time")
    }

    async fn message(&mut self) -> Value {
        loop {
            match self.frame().await {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    if message["type"] != "ping" {
                        return message;
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The code with which the server closes.
    pub async fn close_code(&mut self) -> u16 {
        let close = async {
            loop {
                if let Message::Close(Some(frame)) = self.frame().await {
                    break u16::from(frame.code);
                }
            }
        };
        // Of all frames together: a server that stays says something now and then.
        let code = tokio::time::timeout(PATIENCE, close).await;
        code.expect("it closes in time")
    }

    async fn frame(&mut self) -> Message {
        let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
        next.expect("a frame in time")
            .expect("an open socket")
            .expect("a frame")
    }
}
