//! The variables of a saved query from an address's parameters. Knows the types that a document
//! declares; knows no schema and no address.
//!
//! A parameter is a variable by its name. Its type says how the text is read: numbers and Booleans
//! as such, `String` and `ID` as they stand, objects as JSON; a list is the parameter several
//! times, or one JSON list. Whatever else is wrong with a value is found where those of all
//! requests are.

use apollo_compiler::{
    ast::Type,
    response::{JsonMap, JsonValue},
};

use super::{Saved, shown};
use crate::{
    definition::did_you_mean,
    graphql::{ApiRequest, read_json},
};

impl Saved {
    /// The request that asks for this with these parameters, or what is wrong with them.
    pub(in crate::graphql) fn request(&self, parameters: Vec<(String, String)>) -> Result<ApiRequest, String> {
        let [operation] = self.operations.as_slice() else {
            return Err(format!(
                "the saved query `{}` has {} operations; ask for it by POST with \"documentId\" and \"operationName\"",
                self.name,
                self.operations.len()
            ));
        };
        let mut given: Vec<(&str, &Type, Vec<String>)> = Vec::new();
        for (name, text) in parameters {
            let variable = operation
                .variables
                .iter()
                .find(|variable| variable.name == name.as_str());
            let variable = variable.ok_or_else(|| {
                let known = operation.variables.iter().map(|variable| variable.name.as_str());
                let near =
                    did_you_mean(&name, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                format!(
                    "the saved query `{}` has no variable `{}`{near}",
                    self.name,
                    shown(&name)
                )
            })?;
            match given.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, _, texts)) => texts.push(text),
                None => given.push((variable.name.as_str(), &variable.ty, vec![text])),
            }
        }
        let values = given.into_iter().map(|(name, ty, texts)| {
            let value = value(ty, texts).map_err(|wrong| format!("the parameter `{name}`: {wrong}"))?;
            Ok((name.into(), value))
        });
        Ok(ApiRequest {
            query: self.text.clone(),
            variables: Some(values.collect::<Result<JsonMap, String>>()?),
            ..ApiRequest::default()
        })
    }
}

fn value(ty: &Type, mut texts: Vec<String>) -> Result<JsonValue, String> {
    if !ty.is_list() {
        return match (texts.pop(), texts.is_empty()) {
            (Some(text), true) => single(ty, text),
            _ => Err("it is there several times, and its variable is no list".to_owned()),
        };
    }
    match texts.as_slice() {
        [text] if text.trim_start().starts_with('[') => json(ty, text),
        _ => {
            let items = texts.into_iter().map(|text| single(ty, text));
            items.collect::<Result<Vec<JsonValue>, String>>().map(JsonValue::Array)
        }
    }
}

fn single(ty: &Type, text: String) -> Result<JsonValue, String> {
    match ty.inner_named_type().as_str() {
        "String" | "ID" => Ok(JsonValue::String(text.into())),
        "Int" | "Float" | "Boolean" | "JSON" => json(ty, &text),
        // No enum has such a value, and no other scalar is written so.
        _ if text.trim() == "null" => Ok(JsonValue::Null),
        // An object's braces; enums and other scalars are texts on the wire.
        _ if text.trim_start().starts_with(['{', '[']) => json(ty, &text),
        _ => Ok(JsonValue::String(text.into())),
    }
}

fn json(ty: &Type, text: &str) -> Result<JsonValue, String> {
    read_json(text.as_bytes()).map_err(|error| {
        if text.trim().is_empty() {
            return format!("it is empty, and a value of type {ty} is wanted; leave it away where there is none");
        }
        format!(
            "a value of type {ty} is wanted, and `{}` is no JSON: {error}",
            shown(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let owned = parameters
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let request = Saved::new("q".to_owned(), text.to_owned()).request(owned.collect())?;
        Ok(serde_json::to_string(&request.variables).expect("JSON"))
    }

    #[test]
    fn parameters_are_read_by_their_variables_types() {
        let text = "query ($id: ID!, $n: Int, $b: Boolean, $ids: [ID!], $ns: [Int], $w: ItemWhere, $r: Rarity, $j: JSON) { a }";
        for (parameters, want) in [
            (&[][..], "{}"),
            (&[("id", "7"), ("n", "7")], r#"{"id":"7","n":7}"#),
            (&[("b", "true"), ("n", "null")], r#"{"b":true,"n":null}"#),
            (&[("ids", "1"), ("ids", "2")], r#"{"ids":["1","2"]}"#),
            (&[("ids", "1")], r#"{"ids":["1"]}"#),
            (&[("ids", r#"["1","[2"]"#)], r#"{"ids":["1","[2"]}"#),
            (&[("ns", "1"), ("ns", "2")], r#"{"ns":[1,2]}"#),
            (&[("w", r#"{"id":{"eq":"1"}}"#)], r#"{"w":{"id":{"eq":"1"}}}"#),
            (&[("r", "RARE"), ("j", "[1]")], r#"{"r":"RARE","j":[1]}"#),
            (
                &[("w", "null"), ("r", "null"), ("id", "null")],
                r#"{"w":null,"r":null,"id":"null"}"#,
            ),
        ] {
            assert_eq!(of(text, parameters).as_deref(), Ok(want), "{parameters:?}");
        }
        for (parameters, part) in [
            (&[("idd", "7")][..], "has no variable `idd`; did you mean `id`?"),
            (
                &[("n", "seven")],
                "the parameter `n`: a value of type Int is wanted, and `seven` is no JSON",
            ),
            (
                &[("n", "")],
                "the parameter `n`: it is empty, and a value of type Int is wanted",
            ),
            (&[("ns", "1"), ("ns", "x")], "a value of type [Int] is wanted, and `x`"),
            (&[("id", "1"), ("id", "2")], "several times"),
            (&[("w", "{")], "is no JSON"),
        ] {
            let wrong = of(text, parameters).expect_err(part);
            assert!(wrong.contains(part), "{wrong}");
        }
        let two = of("query A { a } query B { b }", &[]).expect_err("which one?");
        assert!(two.contains("has 2 operations"), "{two}");
    }
}
