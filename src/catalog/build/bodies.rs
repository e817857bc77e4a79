//! Bodies of requests. Knows what may stand in one; sends nothing.

use serde_json::{Number, Value as Json};

use super::Builder;
use crate::{
    catalog::{Body, Method, Node, template::Encoding},
    definition::{Directive, Fault, Literal, LiteralKind},
};

impl Builder<'_> {
    /// The body of a fetch's requests; the outer `None` is a fault.
    pub(super) fn fetch_body(
        &mut self,
        directive: &Directive,
        method: Method,
        variables: &[&str],
    ) -> Option<Option<Body>> {
        let Some(literal) = directive.argument("body") else {
            return Some(None);
        };
        if method != Method::Post {
            let fault = Fault::at(literal.span.clone(), "only a request by `POST` has a body");
            self.fault(fault.hint("write `POST` in the place of `GET`, or leave `body` out"));
            return None;
        }
        self.body(literal, variables).map(Some)
    }

    /// A body whose placeholders may use these variables.
    pub(super) fn body(&mut self, literal: &Literal, variables: &[&str]) -> Option<Body> {
        let node = self.node(literal, variables)?;
        let fits = match &node {
            Node::Object(_) | Node::List(_) => true,
            Node::Text(template) => template.alone().is_some(),
            Node::Value(_) => false,
        };
        if !fits {
            let fault = Fault::at(
                literal.span.clone(),
                "a body is JSON: an object, a list, or one placeholder",
            );
            self.fault(fault.hint("such as `body: {page: \"{$page}\"}`, or `body: \"{$this.id | {id: .}}\"`"));
            return None;
        }
        Some(Body::new(literal.shown(), node))
    }

    fn node(&mut self, literal: &Literal, variables: &[&str]) -> Option<Node> {
        let at = literal.span.clone();
        Some(match &literal.kind {
            LiteralKind::Null => Node::Value(Json::Null),
            LiteralKind::Boolean(value) => Node::Value((*value).into()),
            LiteralKind::Int(number) => Node::Value((*number).into()),
            LiteralKind::Float(number) => Node::Value(Json::Number(Number::from_f64(*number)?)),
            LiteralKind::Text(_) => {
                let text = literal.as_text()?;
                Node::Text(self.template(&text, variables, Encoding::Body)?)
            }
            LiteralKind::Enum(name) => {
                let fault = Fault::at(at, format!("`{name}` is no JSON"));
                self.fault(fault.hint(format!("write it in quotes: \"{name}\"")));
                return None;
            }
            LiteralKind::List(items) => {
                let items: Vec<Option<Node>> = items.iter().map(|item| self.node(item, variables)).collect();
                Node::List(items.into_iter().collect::<Option<_>>()?)
            }
            LiteralKind::Object(members) => {
                let members: Vec<Option<(String, Node)>> = members
                    .iter()
                    .map(|(name, value)| Some((name.value.clone(), self.node(value, variables)?)))
                    .collect();
                Node::Object(members.into_iter().collect::<Option<_>>()?)
            }
        })
    }
}
