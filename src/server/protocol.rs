//! The rules of graphql-transport-ws: what a message may follow, close codes, limits, errors. Knows
//! messages, not sockets.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::graphql::{ApiRequest, Draft, read_json, was_number};

/// Characters of an operation's id; clients use a counter or a UUID.
const ID_MAX: usize = 128;

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Verdict {
    Ignore,
    /// Send this to the client.
    Send(String),
    /// Begin an operation.
    Start(String, Box<ApiRequest>),
    /// End an operation that the client needs no more.
    Stop(String),
    /// End the socket with this code and reason.
    Close(u16, String),
}

/// The state of one socket's protocol.
pub(super) struct Protocol {
    operations_max: usize,
    initialised: bool,
    open: HashSet<String>,
}

/// A message, read once and whole: only its type says whether the payload is a request.
#[derive(Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Draft>,
}

impl Incoming {
    /// None for what is no message.
    fn read(text: &str) -> Option<Incoming> {
        let message: Incoming = read_json(text.as_bytes()).ok()?;
        let has_number = was_number(&message.kind) || message.id.as_deref().is_some_and(was_number);
        (!has_number).then_some(message)
    }
}

impl Protocol {
    pub(super) fn new(operations_max: usize) -> Protocol {
        Protocol {
            operations_max,
            initialised: false,
            open: HashSet::new(),
        }
    }

    pub(super) fn is_initialised(&self) -> bool {
        self.initialised
    }

    /// A message from the client.
    pub(super) fn incoming(&mut self, text: &str) -> Verdict {
        let Some(message) = Incoming::read(text) else {
            return Verdict::Close(4400, "Invalid message".to_owned());
        };
        match (message.kind.as_str(), message.id) {
            ("connection_init", _) => self.init(),
            ("ping", _) => Verdict::Send(json!({ "type": "pong" }).to_string()),
            ("pong", _) => Verdict::Ignore,
            ("subscribe", Some(id)) if (1..=ID_MAX).contains(&id.len()) => self.subscribe(id, message.payload),
            ("complete", Some(id)) => match self.open.remove(&id) {
                true => Verdict::Stop(id),
                // It has just ended by itself.
                false => Verdict::Ignore,
            },
            ("subscribe" | "complete", _) => Verdict::Close(4400, "Invalid or missing id".to_owned()),
            _ => Verdict::Close(4400, "Unknown message type".to_owned()),
        }
    }

    fn init(&mut self) -> Verdict {
        if std::mem::replace(&mut self.initialised, true) {
            return Verdict::Close(4429, "Too many initialisation requests".to_owned());
        }
        Verdict::Send(json!({ "type": "connection_ack" }).to_string())
    }

    fn subscribe(&mut self, id: String, payload: Option<Draft>) -> Verdict {
        if !self.initialised {
            return Verdict::Close(4401, "Unauthorized".to_owned());
        }
        let request = match payload.unwrap_or_default().request() {
            Ok(request) => request,
            Err(error) => return Verdict::Close(4400, format!("Invalid payload of subscribe: {error}")),
        };
        if self.open.contains(&id) {
            return Verdict::Close(4409, format!("Subscriber for {id} already exists"));
        }
        if self.open.len() >= self.operations_max {
            let limit = self.operations_max;
            let message =
                format!("{limit} operations are open on this socket; raise it with --limit socket_operations=…");
            return Verdict::Send(refused(&id, &message, "TOO_MANY_SUBSCRIPTIONS"));
        }
        self.open.insert(id.clone());
        Verdict::Start(id, Box::new(request))
    }

    /// An operation has ended by itself, or was refused; its id is free again.
    pub(super) fn ended(&mut self, id: &str) {
        self.open.remove(id);
    }
}

/// The beginning of an answer's message; the response and `}` follow.
pub(super) fn next_head(id: &str) -> String {
    format!("{{\"type\":\"next\",\"id\":{},\"payload\":", Value::from(id))
}

/// An operation ended with errors instead of an answer.
pub(super) fn error(id: &str, errors: &Value) -> String {
    json!({ "type": "error", "id": id, "payload": errors }).to_string()
}

/// An operation that is not begun.
pub(super) fn refused(id: &str, message: &str, code: &str) -> String {
    error(id, &json!([{ "message": message, "extensions": { "code": code } }]))
}

/// An operation broke off, for a fault of ours.
pub(super) fn broken(id: &str) -> String {
    refused(id, "the operation broke off; the log has the cause", "INTERNAL")
}

/// An operation has come to its end.
pub(super) fn complete(id: &str) -> String {
    json!({ "type": "complete", "id": id }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &str = r#"{"type":"connection_init"}"#;

    fn ready(operations_max: usize) -> Protocol {
        let mut protocol = Protocol::new(operations_max);
        assert!(matches!(protocol.incoming(INIT), Verdict::Send(text) if text == r#"{"type":"connection_ack"}"#));
        protocol
    }

    fn subscribe(id: &str) -> String {
        format!(
            r#"{{"type":"subscribe","id":"{id}","payload":{{"query":"{{ a }}","variables":null,"extensions":null}}}}"#
        )
    }

    fn code(verdict: Verdict) -> Option<u16> {
        match verdict {
            Verdict::Close(code, _) => Some(code),
            _ => None,
        }
    }

    #[test]
    fn close_codes() {
        assert_eq!(code(Protocol::new(1).incoming(&subscribe("1"))), Some(4401));
        for (text, want) in [
            (INIT, 4429),
            ("nonsense", 4400),
            (r#"{"type":"nonsense"}"#, 4400),
            (r#"{"type":"subscribe"}"#, 4400),
            (r#"{"type":"subscribe","id":""}"#, 4400),
            (r#"{"type":"subscribe","id":"1","payload":{}}"#, 4400),
            (
                r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":[]}}"#,
                4400,
            ),
            (r#"{"type":"start","id":"1","payload":{"query":"{ a }"}}"#, 4400),
            (
                r#"{"type":"subscribe","id":"1","payload":["{ a }",null,null,null]}"#,
                4400,
            ),
            (r#"{"type":"complete","id":12345678901234567890123}"#, 4400),
            (r#"{"type":"ping","payload":{"a":}}"#, 4400),
        ] {
            assert_eq!(code(ready(1).incoming(text)), Some(want), "{text}");
        }
        let mut protocol = ready(5);
        assert_eq!(code(protocol.incoming(&subscribe("1"))), None);
        assert_eq!(code(protocol.incoming(&subscribe("1"))), Some(4409));
    }

    /// In whatever order its members come; what is no request may be anything.
    #[test]
    fn payloads_are_requests_where_the_type_says_so() {
        let mut protocol = Protocol::new(1);
        let init = r#"{"payload":{"query":7,"variables":[1e400]},"type":"connection_init"}"#;
        assert!(matches!(protocol.incoming(init), Verdict::Send(_)));
        let subscribe =
            r#"{"payload":{"variables":{"a":1.00000000000000000001},"query":"{ a }"},"id":"1","type":"subscribe"}"#;
        let Verdict::Start(_, request) = protocol.incoming(subscribe) else {
            panic!("an operation");
        };
        let variables = request.variables.expect("variables");
        assert!(variables["a"].as_str().is_some_and(was_number), "all digits are kept");
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_said() {
        for (payload, want) in [
            (
                "null",
                "`query` is missing, the text that holds the document; or send `documentId`",
            ),
            (
                "{\"query\":7}",
                "`query` must be a text that holds the document, found a number",
            ),
            (
                "{\"query\":\"{ a }\",\"operationName\":[]}",
                "`operationName` must be a text or null, found a list",
            ),
        ] {
            let text = format!("{{\"type\":\"subscribe\",\"id\":\"1\",\"payload\":{payload}}}");
            let Verdict::Close(_, reason) = ready(1).incoming(&text) else {
                panic!("{payload}");
            };
            assert_eq!(reason, format!("Invalid payload of subscribe: {want}"));
        }
    }

    #[test]
    fn an_id_is_free_again_after_its_end() {
        let mut protocol = ready(1);
        let begun = protocol.incoming(&subscribe("1"));
        assert!(matches!(begun, Verdict::Start(id, request) if id == "1" && request.query == "{ a }"));
        let refused = protocol.incoming(&subscribe("2"));
        assert!(matches!(refused, Verdict::Send(text) if text.contains("socket_operations")));
        let complete = r#"{"type":"complete","id":"1"}"#;
        assert!(matches!(protocol.incoming(complete), Verdict::Stop(id) if id == "1"));
        assert!(matches!(protocol.incoming(complete), Verdict::Ignore));
        assert!(matches!(protocol.incoming(&subscribe("1")), Verdict::Start(..)));
        protocol.ended("1");
        assert!(matches!(protocol.incoming(&subscribe("2")), Verdict::Start(..)));
    }

    #[test]
    fn messages() {
        assert_eq!(next_head("a\"b"), r#"{"type":"next","id":"a\"b","payload":"#);
        assert_eq!(complete("1"), r#"{"type":"complete","id":"1"}"#);
        let want = r#"{"type":"error","id":"1","payload":[{"message":"no","extensions":{"code":"X"}}]}"#;
        assert_eq!(refused("1", "no", "X"), want);
        let mut protocol = ready(1);
        let pong = protocol.incoming(r#"{"type":"ping","payload":{}}"#);
        assert!(matches!(pong, Verdict::Send(text) if text == r#"{"type":"pong"}"#));
        assert!(matches!(protocol.incoming(r#"{"type":"pong"}"#), Verdict::Ignore));
    }
}
