//! A GraphQL request as clients send it. Knows the request's format and says which part of it is
//! wrong; knows no document.

use apollo_compiler::response::{JsonMap, JsonValue};
use serde::{Deserialize, Deserializer, de::Error};

use super::{Client, Principal, documents::Sha256};
use crate::definition::did_you_mean;

/// Bytes of an address that is known by its text; a longer one is read each time.
const ADDRESS_MAX: usize = 2_048;

/// A GraphQL request, however it arrived.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Members")]
pub(crate) struct ApiRequest {
    /// The document; empty until [`super::Documents`] has put it there, where only its id was sent.
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Option<JsonMap>,
    /// How the document was named beside its text, or instead of it.
    pub(super) named: Option<Named>,
    /// Whether whoever asks can take more than one answer; subscriptions are else refused.
    pub(super) streams: bool,
    /// Where it comes from: whose fair share it takes.
    pub(super) client: Client,
    /// Who asks: what is seen is his alone.
    pub(super) principal: Principal,
    /// Whether there is no room for a query now: a live query has places of its own.
    pub(super) is_live_only: bool,
    /// Where it was asked for, if it was read from an address.
    pub(super) address: Option<Address>,
    /// Whether the answer is to say what it was estimated to cost.
    pub(super) wants_cost: bool,
    /// Whether it is to say how it came to be.
    pub(super) wants_explain: bool,
}

/// Where something is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(super) text: Box<str>,
    /// The number of the documents when it was asked, before any of them was looked up.
    pub(super) documents: u64,
}

impl Address {
    /// None where it is too long to be known.
    pub(super) fn of(text: &str, documents: u64) -> Option<Address> {
        (text.len() <= ADDRESS_MAX).then(|| Address {
            text: text.into(),
            documents,
        })
    }
}

/// A document's name in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// `documentId`, in place of the text.
    Id(String),
    /// `extensions.persistedQuery`: the hash of the text, which need not be there.
    Hash(Sha256),
}

/// The members of a request, each of its right type; those of other names are left alone, as the
/// specification wants it.
#[derive(Debug, Default, Deserialize)]
#[serde(
    rename_all = "camelCase",
    default,
    expecting = "an object, such as {\"query\": \"{ … }\"}"
)]
pub(crate) struct Members {
    #[serde(deserialize_with = "query")]
    query: Option<String>,
    #[serde(deserialize_with = "document_id")]
    document_id: Option<String>,
    #[serde(deserialize_with = "operation_name")]
    operation_name: Option<String>,
    #[serde(deserialize_with = "variables")]
    variables: Option<JsonMap>,
    #[serde(deserialize_with = "extensions")]
    extensions: Extensions,
}

/// What is known of `extensions`; all else in it is accepted and not used, as the specification
/// allows, and not kept either.
#[derive(Clone, Copy, Debug, Default)]
struct Extensions {
    persisted: Option<Sha256>,
    cost: bool,
    explain: bool,
}

impl Members {
    /// Members that came one by one, or what is wrong with one.
    pub(crate) fn of(
        query: Option<String>,
        document_id: Option<String>,
        operation_name: Option<String>,
        variables: Draft,
        extensions: Draft,
    ) -> Result<Members, String> {
        Ok(Members {
            query,
            document_id,
            operation_name,
            variables: as_variables(variables.0)?,
            extensions: as_extensions(extensions.0)?,
        })
    }
}

impl TryFrom<Members> for ApiRequest {
    type Error = String;

    fn try_from(members: Members) -> Result<ApiRequest, String> {
        let named = match (members.document_id, members.extensions.persisted) {
            (Some(_), Some(_)) => return Err("send `documentId` or `extensions.persistedQuery`, not both".to_owned()),
            (Some(_), None) if members.query.is_some() => {
                return Err("send `query` or `documentId`, not both".to_owned());
            }
            (Some(id), None) => Some(Named::Id(id)),
            (None, hash) => hash.map(Named::Hash),
        };
        if members.query.is_none() && named.is_none() {
            return Err("`query` is missing, the text that holds the document; or send `documentId`".to_owned());
        }
        Ok(ApiRequest {
            query: members.query.unwrap_or_default(),
            operation_name: members.operation_name.filter(|name| !name.is_empty()),
            variables: members.variables,
            named,
            wants_cost: members.extensions.cost,
            wants_explain: members.extensions.explain,
            ..ApiRequest::default()
        })
    }
}

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
        let mut member = |name: &str| members.remove(name).unwrap_or_default();
        let members = Members {
            query: as_query(member("query"))?,
            document_id: as_document_id(member("documentId"))?,
            operation_name: as_operation_name(member("operationName"))?,
            variables: as_variables(member("variables"))?,
            extensions: as_extensions(member("extensions"))?,
        };
        members.try_into()
    }
}

impl ApiRequest {
    /// Whether the answer is to say more than its data.
    pub(super) fn wants_more(&self) -> bool {
        self.wants_cost || self.wants_explain
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

    /// The same, read from this address.
    #[must_use]
    pub(crate) fn at(self, address: Option<Address>) -> ApiRequest {
        ApiRequest { address, ..self }
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

fn query<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read(from, as_query)
}

fn document_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read(from, as_document_id)
}

fn operation_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    read(from, as_operation_name)
}

fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<Option<JsonMap>, D::Error> {
    read(from, as_variables)
}

fn extensions<'de, D: Deserializer<'de>>(from: D) -> Result<Extensions, D::Error> {
    read(from, as_extensions)
}

fn read<'de, D: Deserializer<'de>, T>(
    from: D,
    fitting: impl Fn(JsonValue) -> Result<T, String>,
) -> Result<T, D::Error> {
    fitting(JsonValue::deserialize(from)?).map_err(D::Error::custom)
}

fn as_query(json: JsonValue) -> Result<Option<String>, String> {
    as_text(json, "`query` must be a text that holds the document")
}

fn as_document_id(json: JsonValue) -> Result<Option<String>, String> {
    as_text(json, "`documentId` must be a text or null")
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

fn as_extensions(json: JsonValue) -> Result<Extensions, String> {
    let mut members = as_object(json, "`extensions` must be an object or null")?.unwrap_or_default();
    let persisted = members.remove("persistedQuery").unwrap_or_default();
    let persisted = as_object(persisted, "`extensions.persistedQuery` must be an object or null")?;
    let persisted = persisted.map(as_persisted).transpose()?;
    let mut wanted = |name: &str| match members.remove(name).unwrap_or_default() {
        JsonValue::Null => Ok(false),
        JsonValue::Bool(wanted) => Ok(wanted),
        other => Err(unfit(&format!("`extensions.{name}` must be a Boolean or null"), &other)),
    };
    Ok(Extensions {
        persisted,
        cost: wanted("cost")?,
        explain: wanted("explain")?,
    })
}

/// Apollo's form of a document's hash.
fn as_persisted(mut members: JsonMap) -> Result<Sha256, String> {
    let version = members.remove("version").unwrap_or_default();
    if version.as_i64() != Some(1) {
        return Err(format!(
            "`extensions.persistedQuery.version` must be 1, found {version}"
        ));
    }
    let hash = members.remove("sha256Hash").unwrap_or_default();
    let hash = hash.as_str().and_then(Sha256::of_hex);
    hash.ok_or_else(|| "`extensions.persistedQuery.sha256Hash` must be a text of 64 hexadecimal digits".to_owned())
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

/// The parameters of a GET request.
const PARAMETERS: [&str; 5] = ["query", "documentId", "operationName", "variables", "extensions"];

/// The parameter that is meant by a name which is none, if one is.
pub(crate) fn near_parameter(name: &str) -> Option<&'static str> {
    match PARAMETERS.contains(&name) {
        true => None,
        false => did_you_mean(name, PARAMETERS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING: &str = "`query` is missing, the text that holds the document; or send `documentId`";

    #[test]
    fn parameters_that_are_meant() {
        for (name, near) in [
            ("variable", Some("variables")),
            ("Query", Some("query")),
            ("operationNam", Some("operationName")),
            ("document_id", Some("documentId")),
            ("query", None),
            ("v", None),
            ("_", None),
            ("utm_source", None),
        ] {
            assert_eq!(near_parameter(name), near, "{name}");
        }
    }

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
            (r#"{"query": null}"#, MISSING),
            (r#"{}"#, MISSING),
            (
                r#"{"documentId": 7}"#,
                "`documentId` must be a text or null, found a number",
            ),
            (
                r#"{"query": "{ a }", "documentId": "a"}"#,
                "send `query` or `documentId`, not both",
            ),
            (
                r#"{"query": "{ a }", "extensions": {"persistedQuery": []}}"#,
                "`extensions.persistedQuery` must be an object or null, found a list",
            ),
            (
                r#"{"extensions": {"persistedQuery": {"version": 2}}}"#,
                "`extensions.persistedQuery.version` must be 1, found 2",
            ),
            (
                r#"{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}}"#,
                "`extensions.persistedQuery.sha256Hash` must be a text of 64 hexadecimal digits",
            ),
            (
                r#"{"query": "{ a }", "extensions": {"cost": 1}}"#,
                "`extensions.cost` must be a Boolean or null, found a number",
            ),
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
        let whole = r#"{"query": "{ a }", "operationName": "", "variables": {"a": 1}, "extensions": {"x": 1}}"#;
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
