//! Bodies of requests: JSON whose texts may hold placeholders. Knows templates and JSON; sends
//! nothing.

use jaq_json::Val;
use serde_json::Value as Json;

use super::{
    jq::{Filter, JqError},
    template::{Template, misfit},
};
use crate::value::describe;

/// With what a GraphQL document begins.
const DOCUMENTS: [&str; 6] = ["{", "query", "fragment", "mutation", "#", "\""];

/// What a request sends as JSON.
#[derive(Clone, Debug)]
pub struct Body {
    /// As the definition has it, in one line.
    text: String,
    node: Node,
}

/// A part of a body.
#[derive(Clone, Debug)]
pub enum Node {
    Value(Json),
    /// A text; a single placeholder that is all of it keeps the type of its value.
    Text(Template),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Gives a template's variables by name, for a placeholder that is a whole value or a part of a
/// text.
pub type Lookup<'l> = &'l dyn Fn(&Template, &str, bool) -> Option<Val>;

impl Body {
    pub(super) fn new(text: String, node: Node) -> Body {
        Body { text, node }
    }

    /// As the definition has it, in one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its texts, each with the name of the nearest member that it stands in.
    pub fn templates(&self) -> Vec<(Option<&str>, &Template)> {
        let mut found = Vec::new();
        self.node.templates(None, &mut found);
        found
    }

    /// Whether a placeholder uses `$variable`.
    pub fn uses(&self, variable: &str) -> bool {
        self.templates().iter().any(|(_, template)| template.uses(variable))
    }

    /// The names in `$this.name`, in order of appearance.
    pub fn this_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (_, template) in self.templates() {
            for name in template.this_names() {
                if !names.contains(&name.as_str()) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// An object whose members hold neither lists nor objects.
    pub fn is_flat(&self) -> bool {
        let flat = |node: &Node| matches!(node, Node::Text(_) | Node::Value(Json::Bool(_) | Json::Number(_)));
        matches!(&self.node, Node::Object(members) if members.iter().all(|(_, node)| flat(node)))
    }

    /// The body asks a GraphQL API, whose answers tell of failures in `errors`.
    pub fn is_graphql(&self) -> bool {
        let Node::Object(members) = &self.node else {
            return false;
        };
        let query = members.iter().find(|(name, _)| name == "query");
        match query {
            Some((_, Node::Text(query))) => {
                let query = query.prefix().trim_start();
                query.contains('{') && DOCUMENTS.iter().any(|begin| query.starts_with(begin))
            }
            _ => false,
        }
    }

    /// The JSON text with its placeholders filled in.
    pub fn render(&self, lookup: Lookup<'_>) -> Result<String, JqError> {
        let mut out = String::new();
        self.node.render(lookup, &mut out)?;
        Ok(out)
    }

    /// What tells this request from others of the same body, but for what comes from `$env`.
    pub fn shown(&self, lookup: Lookup<'_>) -> Vec<String> {
        let mut shown: Vec<String> = Vec::new();
        for (_, template) in self.templates() {
            let whole = template.alone().is_some();
            let values = template.open_values(&|name| lookup(template, name, whole));
            for (expression, value) in values {
                let one = format!("{expression} = {value}");
                if !shown.contains(&one) {
                    shown.push(one);
                }
            }
        }
        shown
    }
}

impl Node {
    fn templates<'n>(&'n self, name: Option<&'n str>, found: &mut Vec<(Option<&'n str>, &'n Template)>) {
        match self {
            Node::Value(_) => {}
            Node::Text(template) => found.push((name, template)),
            Node::List(items) => items.iter().for_each(|item| item.templates(name, found)),
            Node::Object(members) => members
                .iter()
                .for_each(|(name, node)| node.templates(Some(name), found)),
        }
    }

    fn render(&self, lookup: Lookup<'_>, out: &mut String) -> Result<(), JqError> {
        match self {
            Node::Value(value) => out.push_str(&value.to_string()),
            Node::Text(template) => match template.alone() {
                Some(filter) => out.push_str(&whole(template, filter, lookup)?),
                None => {
                    let text = template.render(&|name| lookup(template, name, false))?;
                    out.push_str(&Json::from(text).to_string());
                }
            },
            Node::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    item.render(lookup, out)?;
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (at, (name, node)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    out.push_str(&Json::from(name.as_str()).to_string());
                    out.push(':');
                    node.render(lookup, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }
}

/// A placeholder that is a whole value, as JSON.
fn whole(template: &Template, filter: &Filter, lookup: Lookup<'_>) -> Result<String, JqError> {
    let value = template.output(filter, &|name| lookup(template, name, true))?;
    // A row without what it is asked about by has nothing to ask for, as in a path.
    if filter.uses("this") && matches!(value, Val::Null) {
        return Err(misfit(filter, "expected a value, found null".to_owned()));
    }
    let text = value.to_string();
    // Of what jq knows, keys that are no texts, bytes and NaN are no JSON.
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(misfit(filter, format!("{} cannot be sent as JSON", describe(&value)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::template::Encoding;

    fn text(text: &str) -> Node {
        Node::Text(Template::parse(text, &["page", "cursor", "this"], Encoding::Body).expect("a template"))
    }

    fn body(members: Vec<(&str, Node)>) -> Body {
        let members = members.into_iter().map(|(name, node)| (name.to_owned(), node));
        Body::new(String::new(), Node::Object(members.collect()))
    }

    fn lookup(_: &Template, name: &str, whole: bool) -> Option<Val> {
        let json = match (name, whole) {
            ("page", _) => "2",
            ("cursor", true) => "null",
            ("cursor", false) => "\"\"",
            ("this", _) => r#"{"id":"7","n":1.50,"no":null,"tags":["a\"b"]}"#,
            _ => return None,
        };
        jaq_json::read::parse_single(json.as_bytes()).ok()
    }

    #[test]
    fn a_whole_value_keeps_its_type() {
        let body = body(vec![
            ("page", text("{$page}")),
            ("text", text("p{$page} \"{x}\"")),
            ("after", text("{$cursor}")),
            ("begin", text("a{$cursor}")),
            ("this", text("{$this.id | {id: ., n: $this.n, tags: $this.tags}}")),
            (
                "list",
                Node::List(vec![Node::Value(Json::Null), Node::Value(1.into()), text("{$this.id}")]),
            ),
        ]);
        assert_eq!(
            body.render(&lookup).map_err(|error| error.message).as_deref(),
            Ok(concat!(
                r#"{"page":2,"text":"p2 \"{x}\"","after":null,"begin":"a","#,
                r#""this":{"id":"7","n":1.50,"tags":["a\"b"]},"list":[null,1,"7"]}"#
            ))
        );
        assert_eq!(body.this_names(), ["id", "n", "tags"]);
        assert_eq!(body.shown(&lookup)[..2], ["$page = 2", "$cursor = null"]);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for (written, want) in [
            ("{$this.no}", "found null"),
            ("{$page, 1}", "found 2"),
            ("no: {$this.no}", "found null"),
        ] {
            let error = body(vec![("a", text(written))]).render(&lookup).expect_err(written);
            assert!(error.message.contains(want), "{written}: {}", error.message);
        }
    }

    #[test]
    fn documents_of_graphql() {
        for (query, want) in [
            ("query($a: ID) { item(id: $a) { id } }", true),
            ("  { items { id } }", true),
            ("shoes", false),
            ("{$page}", false),
            ("query shoes", false),
        ] {
            assert_eq!(body(vec![("query", text(query))]).is_graphql(), want, "{query}");
        }
        assert!(!body(vec![("q", text("{ items }"))]).is_graphql());
    }
}
