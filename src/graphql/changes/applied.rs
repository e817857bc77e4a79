//! Changes of the directives written on the parts of a schema. Knows what GraphQL's own ones tell a
//! client.

use std::collections::BTreeSet;

use apollo_compiler::{Node, ast::Directive, schema::Component};

use super::Comparison;

/// What `@deprecated` says without a reason.
const NO_REASON: &str = "No longer supported";

impl Comparison<'_> {
    /// Those on a type.
    pub(super) fn applied_to_type(&mut self, at: &str, old: &[Component<Directive>], new: &[Component<Directive>]) {
        let old = old.iter().map(|directive| &***directive);
        let new = new.iter().map(|directive| &***directive);
        self.applied_to(at, old.collect(), new.collect());
    }

    /// Those on a field, an argument or a value.
    pub(super) fn applied(&mut self, at: &str, old: &[Node<Directive>], new: &[Node<Directive>]) {
        let old = old.iter().map(|directive| &**directive);
        let new = new.iter().map(|directive| &**directive);
        self.applied_to(at, old.collect(), new.collect());
    }

    fn applied_to(&mut self, at: &str, old: Vec<&Directive>, new: Vec<&Directive>) {
        let names: BTreeSet<&str> = old
            .iter()
            .chain(&new)
            .map(|directive| directive.name.as_str())
            .collect();
        for name in names {
            let named = |list: &[&Directive]| -> Vec<Directive> {
                let found = list.iter().filter(|directive| directive.name == name);
                found.map(|directive| (*directive).clone()).collect()
            };
            let (old, new) = (named(&old), named(&new));
            match name {
                "deprecated" => self.deprecation(at, old.first(), new.first()),
                "oneOf" => self.one_of(at, !old.is_empty(), !new.is_empty()),
                "specifiedBy" => self.specified_by(at, old.first(), new.first()),
                _ if old != new => self.other(at, name, old.is_empty(), new.is_empty()),
                _ => {}
            }
        }
    }

    fn deprecation(&mut self, at: &str, old: Option<&Directive>, new: Option<&Directive>) {
        let reason = |directive| text_of(directive, "reason").unwrap_or(NO_REASON);
        match (old, new) {
            (None, Some(new)) => {
                let message = format!("it is deprecated now: {}", reason(new));
                self.safe(at, "DEPRECATION_ADDED", message);
            }
            (Some(_), None) => self.safe(at, "DEPRECATION_REMOVED", "it is not deprecated any more"),
            (Some(old), Some(new)) if reason(old) != reason(new) => {
                let message = format!("it is deprecated for another reason: {}", reason(new));
                self.safe(at, "DEPRECATION_REASON_CHANGED", message);
            }
            _ => {}
        }
    }

    fn one_of(&mut self, at: &str, old: bool, new: bool) {
        match (old, new) {
            (false, true) => {
                let message = "exactly one of its members must be given now";
                self.breaking(at, "ONE_OF_ADDED", message);
            }
            (true, false) => {
                let message = "any number of its members may be given now";
                self.safe(at, "ONE_OF_REMOVED", message);
            }
            _ => {}
        }
    }

    fn specified_by(&mut self, at: &str, old: Option<&Directive>, new: Option<&Directive>) {
        let url = |directive: Option<&Directive>| {
            directive
                .and_then(|directive| text_of(directive, "url"))
                .map(str::to_owned)
        };
        match (url(old), url(new)) {
            (Some(old), Some(new)) if old != new => {
                let message = format!("its values are specified by {new}, no longer by {old}");
                self.dangerous(at, "SPECIFIED_BY_CHANGED", message);
            }
            (None, Some(new)) => {
                let message = format!("it says now where its values are specified: {new}");
                self.safe(at, "SPECIFIED_BY_ADDED", message);
            }
            (Some(old), None) => {
                let message = format!("it says no longer that its values are specified by {old}");
                self.safe(at, "SPECIFIED_BY_REMOVED", message);
            }
            _ => {}
        }
    }

    /// A client cannot see any other directive.
    fn other(&mut self, at: &str, name: &str, added: bool, removed: bool) {
        let (kind, what) = match (added, removed) {
            (true, _) => ("APPLIED_DIRECTIVE_ADDED", "is written on it now"),
            (_, true) => ("APPLIED_DIRECTIVE_REMOVED", "is not written on it any more"),
            _ => ("APPLIED_DIRECTIVE_CHANGED", "is written on it in another way"),
        };
        self.safe(at, kind, format!("`@{name}` {what}"));
    }
}

/// A text argument as it is written.
fn text_of<'d>(directive: &'d Directive, name: &str) -> Option<&'d str> {
    directive.specified_argument_by_name(name)?.as_str()
}
