//! A GraphQL request as clients send it. Knows the request's format and says which part of it is
//! wrong; knows no document.

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
    /// Accepted and not used, as the specification allows; so none is kept for as long as a live
    /// query lives.
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

/// JSON that may be a request or a part of one: read with the message around it, and not looked at
/// yet.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Draft(JsonValue);

impl Draft {
    /// The request that it is, or what is wrong with it. Nothing is read again, and nothing copied.
    pub(crate) fn request(self) -> Result<ApiRequest, String> {
        let wanted = "a request must be an object, such as {\"query\": \"{ … }\"}";
        let mut members = as_object(self.0, wanted)?.unwrap_or_default();
        let query = members.remove("query").ok_or("missing field `query`")?;
        let mut member = |name: &str| Draft(members.remove(name).unwrap_or_default());
        let [name, variables, extensions] = ["operationName", "variables", "extensions"].map(&mut member);
        ApiRequest::of(as_query(query)?, as_operation_name(name.0)?, variables, extensions)
    }
}

impl ApiRequest {
    /// A request of its parts, or what is wrong with one.
    pub(crate) fn of(
        query: String,
        operation_name: Option<String>,
        variables: Draft,
        extensions: Draft,
    ) -> Result<ApiRequest, String> {
        Ok(ApiRequest {
            query,
            operation_name,
            variables: as_variables(variables.0)?,
            _extensions: as_extensions(extensions.0)?,
            ..ApiRequest::default()
        })
    }

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
    read(from, as_query)
}

fn operation_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read(from, as_operation_name)
}

fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<Option<JsonMap>, D::Error> {
    read(from, as_variables)
}

fn extensions<'de, D: Deserializer<'de>>(from: D) -> Result<Unused, D::Error> {
    read(from, as_extensions)
}

fn read<'de, D: Deserializer<'de>, T>(
    from: D,
    fitting: impl Fn(JsonValue) -> Result<T, String>,
) -> Result<T, D::Error> {
    fitting(JsonValue::deserialize(from)?).map_err(D::Error::custom)
}

fn as_query(json: JsonValue) -> Result<String, String> {
    let wanted = "`query` must be a text that holds the document";
    as_text(json, wanted)?.ok_or_else(|| unfit(wanted, &JsonValue::Null))
}

fn as_operation_name(json: JsonValue) -> Result<Option<String>, String> {
    as_text(json, "`operationName` must be a text or null")
}

fn as_variables(json: JsonValue) -> Result<Option<JsonMap>, String> {
    as_object(
        json,
        "`variables` must be null or an object of values by name, such as {\"id\": \"1\"}",
    )
}

fn as_extensions(json: JsonValue) -> Result<Unused, String> {
    as_object(json, "`extensions` must be an object or null").map(|_| Unused)
}

fn as_text(json: JsonValue, wanted: &str) -> Result<Option<String>, String> {
    match json {
        JsonValue::String(text) => Ok(Some(text.as_str().to_owned())),
        JsonValue::Null => Ok(None),
        other => Err(unfit(wanted, &other)),
    }
}

fn as_object(json: JsonValue, wanted: &str) -> Result<Option<JsonMap>, String> {
    match json {
        JsonValue::Object(object) => Ok(Some(object)),
        JsonValue::Null => Ok(None),
        other => Err(unfit(wanted, &other)),
    }
}

fn unfit(wanted: &str, found: &JsonValue) -> String {
    let found = match found {
        JsonValue::Null => "null",
        JsonValue::Bool(_) => "a Boolean",
        JsonValue::Number(_) => "a number",
        JsonValue::String(_) => "a text",
        JsonValue::Array(_) => "a list",
        JsonValue::Object(_) => "an object",
    };
    format!("{wanted}, found {found}")
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
            // The same of what was read with something around it.
            let draft: Draft = serde_json::from_str(json).expect("JSON");
            let error = draft.request().expect_err(json);
            assert!(error.ends_with(want), "{error}");
        }
        let whole = r#"{"query": "{ a }", "operationName": null, "variables": {"a": 1}, "extensions": {}}"#;
        let draft: Draft = serde_json::from_str(whole).expect("JSON");
        for request in [
            serde_json::from_str::<ApiRequest>(whole).expect("a request"),
            draft.request().expect("a request"),
        ] {
            assert_eq!((request.query.as_str(), request.operation_name), ("{ a }", None));
            assert_eq!(request.variables.map(|variables| variables.len()), Some(1));
        }
        let list: Draft = serde_json::from_str(r#"["{ a }", null, null, null]"#).expect("JSON");
        let want = "a request must be an object, such as {\"query\": \"{ … }\"}, found a list";
        assert_eq!(list.request().expect_err("a list"), want);
    }
}
