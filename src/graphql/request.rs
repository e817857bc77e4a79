//! A GraphQL request as clients send it. Knows the request's format and says which part of it is wrong; knows no document.

use apollo_compiler::response::{JsonMap, JsonValue};
use serde::{Deserialize, Deserializer, de::Error};

use super::{Client, Principal};

/// A GraphQL request, however it arrived.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiRequest {
    #[serde(deserialize_with = "query")]
    pub query: String,
    #[serde(default, deserialize_with = "operation_name")]
    pub operation_name: Option<String>,
    #[serde(default, deserialize_with = "variables")]
    pub variables: Option<JsonMap>,
    /// Accepted and not used, as the specification allows; so none is kept for as long as a live query lives.
    #[serde(default, rename = "extensions", deserialize_with = "extensions")]
    pub _extensions: Unused,
    /// Whether whoever asks can take more than one answer; subscriptions are else refused.
    #[serde(skip)]
    pub(super) streams: bool,
    /// Where it comes from: whose fair share it takes.
    #[serde(skip)]
    pub(super) client: Client,
    /// Who asks: what is seen is his alone.
    #[serde(skip)]
    pub(super) principal: Principal,
    /// Whether there is no room for a query now: a live query has places of its own.
    #[serde(skip)]
    pub(super) is_live_only: bool,
}

/// What a client may send and nobody reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unused;

impl ApiRequest {
    /// The same, asked from there and by this one.
    #[must_use]
    pub(crate) fn by(self, client: Client, principal: Principal) -> ApiRequest {
        ApiRequest {
            client,
            principal,
            ..self
        }
    }

    /// The same where there is no room for a query: only a live query is begun.
    #[must_use]
    pub(crate) fn live_only(self) -> ApiRequest {
        ApiRequest {
            is_live_only: true,
            ..self
        }
    }
}

fn query<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let query = text(from, "`query` must be a text that holds the document")?;
    query.ok_or_else(|| D::Error::custom("`query` must be a text that holds the document, found null"))
}

fn operation_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    text(from, "`operationName` must be a text or null")
}

fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<Option<JsonMap>, D::Error> {
    object(
        from,
        "`variables` must be null or an object of values by name, such as {\"id\": \"1\"}",
    )
}

fn extensions<'de, D: Deserializer<'de>>(from: D) -> Result<Unused, D::Error> {
    object(from, "`extensions` must be an object or null").map(|_| Unused)
}

fn text<'de, D: Deserializer<'de>>(from: D, wanted: &str) -> Result<Option<String>, D::Error> {
    match JsonValue::deserialize(from)? {
        JsonValue::String(text) => Ok(Some(text.as_str().to_owned())),
        JsonValue::Null => Ok(None),
        other => Err(unfit(wanted, &other)),
    }
}

fn object<'de, D: Deserializer<'de>>(from: D, wanted: &str) -> Result<Option<JsonMap>, D::Error> {
    match JsonValue::deserialize(from)? {
        JsonValue::Object(object) => Ok(Some(object)),
        JsonValue::Null => Ok(None),
        other => Err(unfit(wanted, &other)),
    }
}

fn unfit<E: Error>(wanted: &str, found: &JsonValue) -> E {
    let found = match found {
        JsonValue::Null => "null",
        JsonValue::Bool(_) => "a Boolean",
        JsonValue::Number(_) => "a number",
        JsonValue::String(_) => "a text",
        JsonValue::Array(_) => "a list",
        JsonValue::Object(_) => "an object",
    };
    E::custom(format!("{wanted}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_request_is_said() {
        for (json, want) in [
            (
                r#"{"query": "{ a }", "variables": []}"#,
                "`variables` must be null or an object of values by name, such as {\"id\": \"1\"}, found a list",
            ),
            (
                r#"{"query": "{ a }", "variables": "x"}"#,
                "such as {\"id\": \"1\"}, found a text",
            ),
            (
                r#"{"query": 7}"#,
                "`query` must be a text that holds the document, found a number",
            ),
            (
                r#"{"query": null}"#,
                "`query` must be a text that holds the document, found null",
            ),
            (r#"{}"#, "missing field `query`"),
            (
                r#"{"query": "{ a }", "operationName": {}}"#,
                "`operationName` must be a text or null, found an object",
            ),
            (
                r#"{"query": "{ a }", "extensions": false}"#,
                "`extensions` must be an object or null, found a Boolean",
            ),
        ] {
            let error = serde_json::from_str::<ApiRequest>(json).expect_err(json).to_string();
            assert!(error.contains(want), "{error}");
        }
        let whole = r#"{"query": "{ a }", "operationName": null, "variables": {"a": 1}, "extensions": {}}"#;
        let request: ApiRequest = serde_json::from_str(whole).expect("a request");
        assert_eq!((request.query.as_str(), request.operation_name), ("{ a }", None));
        assert_eq!(request.variables.map(|variables| variables.len()), Some(1));
    }
}
