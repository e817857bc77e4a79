//! Texts with `{…}` placeholders: URLs, paths, headers. Knows jq filters and percent-encoding.

use jaq_json::Val;

use super::jq::{JqError, JqFault};

/// A checked template, such as `/items?page={$page}`.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
}

/// Whether values are percent-encoded (in URLs) or put in as they are (in headers and file names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Percent,
    Raw,
}

impl Template {
    /// Parses a template whose placeholders may use these variables.
    pub fn parse(text: &str, _variables: &[&str], _encoding: Encoding) -> Result<Template, JqFault> {
        Ok(Template { text: text.to_owned() })
    }

    /// The template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a placeholder uses `$variable`.
    pub fn uses(&self, _variable: &str) -> bool {
        unimplemented!()
    }

    /// The names in `$env.NAME`, in order of appearance.
    pub fn env_names(&self) -> &[String] {
        unimplemented!()
    }

    /// Fills the placeholders in; `lookup` gives the variables by name (`env` as an object of the used names).
    pub fn render(&self, _lookup: &dyn Fn(&str) -> Option<Val>) -> Result<String, JqError> {
        unimplemented!()
    }
}
