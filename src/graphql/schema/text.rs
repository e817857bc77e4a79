//! Writing SDL. Knows how descriptions and deprecations are quoted; knows no catalog.

use std::collections::BTreeSet;

/// SDL under construction, with the custom scalars that it used.
#[derive(Default)]
pub(super) struct Sdl {
    text: String,
    indent: usize,
    pub(super) leaf_types: BTreeSet<String>,
}

impl Sdl {
    pub(super) fn line(&mut self, line: &str) {
        for _ in 0..self.indent {
            self.text.push_str("  ");
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(super) fn description(&mut self, description: Option<&str>) {
        if let Some(description) = description {
            self.line(&quoted(description));
        }
    }

    /// A definition with members in braces, and an empty line after it.
    pub(super) fn block(&mut self, description: Option<&str>, head: &str, members: impl FnOnce(&mut Sdl)) {
        self.description(description);
        self.line(&format!("{head} {{"));
        self.indent += 1;
        members(self);
        self.indent -= 1;
        self.line("}");
        self.text.push('\n');
    }

    /// A member such as `price: Float`, with what is said about it.
    pub(super) fn member(&mut self, description: Option<&str>, member: &str, deprecated: Option<&str>) {
        self.description(description);
        match deprecated {
            Some(reason) => self.line(&format!("{member} @deprecated(reason: {})", quoted(reason))),
            None => self.line(member),
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A GraphQL string; its escapes are those of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
