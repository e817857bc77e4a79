//! The rules of graphql-transport-ws that async-graphql leaves open: close codes, limits, errors. Knows messages, not sockets.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::graphql::{ApiRequest, keep_digits};

/// Characters of an operation's id; clients use a counter or a UUID.
const ID_MAX: usize = 128;

/// What becomes of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Give it to the engine.
    Forward(String),
    /// Send the engine's message to the client as it is.
    Pass,
    /// Send this to the client.
    Send(String),
    Ignore,
    /// End the socket with this code and reason.
    Close(u16, String),
}

/// The state of one socket's protocol.
pub(super) struct Protocol {
    operations_max: usize,
    initialised: bool,
    acknowledged: bool,
    open: HashSet<String>,
}

#[derive(Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Box<RawValue>>,
}

/// A subscribe message's payload; what else it holds is left behind.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscribe {
    query: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variables: Option<serde_json::Map<String, Value>>,
}

impl Protocol {
    pub fn new(operations_max: usize) -> Protocol {
        Protocol {
            operations_max,
            initialised: false,
            acknowledged: false,
            open: HashSet::new(),
        }
    }

    pub fn is_initialised(&self) -> bool {
        self.initialised
    }

    /// A text frame from the client.
    pub fn incoming(&mut self, text: &str) -> Verdict {
        let Ok(message) = serde_json::from_str::<Incoming>(text) else {
            return Verdict::Close(4400, "Invalid message".to_owned());
        };
        match (message.kind.as_str(), message.id) {
            ("connection_init", _) => self.init(text),
            ("ping" | "pong", _) => Verdict::Forward(text.to_owned()),
            ("subscribe", Some(id)) if (1..=ID_MAX).contains(&id.len()) => self.subscribe(id, message.payload),
            ("complete", Some(id)) => {
                if self.open.remove(&id) {
                    Verdict::Forward(text.to_owned())
                } else {
                    Verdict::Ignore
                }
            }
            ("subscribe" | "complete", _) => Verdict::Close(4400, "Invalid or missing id".to_owned()),
            _ => Verdict::Close(4400, "Unknown message type".to_owned()),
        }
    }

    fn init(&mut self, text: &str) -> Verdict {
        if std::mem::replace(&mut self.initialised, true) {
            return Verdict::Close(4429, "Too many initialisation requests".to_owned());
        }
        Verdict::Forward(text.to_owned())
    }

    fn subscribe(&mut self, id: String, payload: Option<Box<RawValue>>) -> Verdict {
        if !self.acknowledged {
            return Verdict::Close(4401, "Unauthorized".to_owned());
        }
        let payload = payload.as_deref().map_or("{}", RawValue::get);
        let payload = match read(payload) {
            Ok(payload) => payload,
            Err(error) => return Verdict::Close(4400, format!("Invalid payload of subscribe: {error}")),
        };
        if self.open.contains(&id) {
            return Verdict::Close(4409, format!("Subscriber for {id} already exists"));
        }
        if self.open.len() >= self.operations_max {
            let limit = self.operations_max;
            let message =
                format!("{limit} operations are open on this socket; raise it with --limit socket_operations=…");
            let error = serde_json::json!([{ "message": message, "extensions": { "code": "TOO_MANY_SUBSCRIPTIONS" } }]);
            return Verdict::Send(error_message(&id, &error));
        }
        let message = serde_json::json!({ "type": "subscribe", "id": id, "payload": payload });
        self.open.insert(id);
        Verdict::Forward(message.to_string())
    }

    /// A message of the engine's.
    pub fn outgoing(&mut self, text: &str) -> Verdict {
        if text.starts_with("{\"type\":\"next\"") {
            return self.outgoing_answer(text);
        }
        match serde_json::from_str::<Incoming>(text) {
            Ok(message) if message.kind == "complete" => match message.id {
                Some(id) if self.open.remove(&id) => Verdict::Pass,
                // The client ended it itself, or has been told by an error.
                _ => Verdict::Ignore,
            },
            Ok(message) => {
                self.acknowledged |= message.kind == "connection_ack";
                Verdict::Pass
            }
            Err(_) => Verdict::Close(1011, "Internal error".to_owned()),
        }
    }

    /// An answer; one without data because the request was bad ends the operation as `error`.
    fn outgoing_answer(&mut self, text: &str) -> Verdict {
        #[derive(Deserialize)]
        struct Next {
            id: String,
            payload: Payload,
        }
        #[derive(Deserialize)]
        struct Payload {
            #[serde(default)]
            errors: Value,
        }
        // The mark stands in the first bytes, so that large answers are not read again.
        let head = text.get(..text.len().min(2 * ID_MAX + 100)).unwrap_or(text);
        if !head.contains("\"payload\":{\"data\":null,\"errors\":") {
            return Verdict::Pass;
        }
        let Ok(next) = serde_json::from_str::<Next>(text) else {
            return Verdict::Pass;
        };
        let code = next
            .payload
            .errors
            .pointer("/0/extensions/code")
            .and_then(Value::as_str);
        if matches!(code, Some("INTERNAL" | "TIMEOUT") | None) {
            return Verdict::Pass;
        }
        self.open.remove(&next.id);
        Verdict::Send(error_message(&next.id, &next.payload.errors))
    }
}

/// Reads a payload; the reason why not names the part that is wrong.
fn read(payload: &str) -> serde_json::Result<Subscribe> {
    let payload = keep_digits(payload.as_bytes());
    serde_json::from_slice::<ApiRequest>(&payload)?;
    serde_json::from_slice(&payload)
}

fn error_message(id: &str, errors: &Value) -> String {
    serde_json::json!({ "type": "error", "id": id, "payload": errors }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &str = r#"{"type":"connection_init"}"#;
    const ACK: &str = r#"{"type":"connection_ack"}"#;

    fn ready(operations_max: usize) -> Protocol {
        let mut protocol = Protocol::new(operations_max);
        assert_eq!(protocol.incoming(INIT), Verdict::Forward(INIT.to_owned()));
        assert_eq!(protocol.outgoing(ACK), Verdict::Pass);
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
            (r#"{"type":"start","id":"1","payload":{"query":"{ a }"}}"#, 4400),
        ] {
            assert_eq!(code(ready(1).incoming(text)), Some(want), "{text}");
        }
        let mut protocol = ready(5);
        assert_eq!(code(protocol.incoming(&subscribe("1"))), None);
        assert_eq!(code(protocol.incoming(&subscribe("1"))), Some(4409));
    }

    #[test]
    fn an_id_is_free_again_after_its_end() {
        let mut protocol = ready(1);
        let forwarded = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }"}}"#;
        assert_eq!(
            protocol.incoming(&subscribe("1")),
            Verdict::Forward(forwarded.to_owned())
        );
        assert!(
            matches!(protocol.incoming(&subscribe("2")), Verdict::Send(text) if text.contains("socket_operations"))
        );
        let complete = r#"{"type":"complete","id":"1"}"#;
        assert_eq!(protocol.incoming(complete), Verdict::Forward(complete.to_owned()));
        assert_eq!(protocol.outgoing(complete), Verdict::Ignore);
        assert_eq!(code(protocol.incoming(&subscribe("1"))), None);
        assert_eq!(protocol.outgoing(complete), Verdict::Pass);
    }

    #[test]
    fn bad_requests_become_errors() {
        let mut protocol = ready(1);
        protocol.incoming(&subscribe("1"));
        let bad = r#"{"type":"next","id":"1","payload":{"data":null,"errors":[{"message":"no","extensions":{"code":"BAD_USER_INPUT"}}]}}"#;
        let want = r#"{"type":"error","id":"1","payload":[{"message":"no","extensions":{"code":"BAD_USER_INPUT"}}]}"#;
        assert_eq!(protocol.outgoing(bad), Verdict::Send(want.to_owned()));
        assert_eq!(protocol.outgoing(r#"{"type":"complete","id":"1"}"#), Verdict::Ignore);
        let failed = bad.replace("BAD_USER_INPUT", "INTERNAL");
        assert_eq!(protocol.outgoing(&failed), Verdict::Pass);
    }
}
