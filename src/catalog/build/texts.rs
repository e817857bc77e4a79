//! jq filters and templates of a definition, with faults at the very place in the text. Knows how
//! GraphQL quotes texts.

use super::Builder;
use crate::{
    catalog::{
        jq::{Filter, JqFault, Records},
        template::{Encoding, Template},
    },
    definition::{Fault, Span, Spanned, reserved},
};

impl Builder<'_> {
    /// Compiles a filter that sees a record or a page.
    pub(super) fn filter(&mut self, jq: &Spanned<&str>) -> Option<Filter> {
        self.filter_with(jq, &[])
    }

    /// The same with variables.
    pub(super) fn filter_with(&mut self, jq: &Spanned<&str>, variables: &[&str]) -> Option<Filter> {
        let compiled = Filter::compile(jq.value, variables);
        let filter = self.compiled(jq, compiled)?;
        Some(match self.shown_place(jq) {
            Some(place) => filter.at(&place),
            None => filter,
        })
    }

    /// Compiles the filter from a page to its records, with the variables that it may use.
    pub(super) fn rows_filter(&mut self, jq: &Spanned<&str>, variables: &[&str]) -> Option<Records> {
        let compiled = Filter::compile_records(jq.value, variables);
        let records = self.compiled(jq, compiled)?;
        Some(match self.shown_place(jq) {
            Some(place) => Records {
                rows: records.rows.at(&place),
                keep: records.keep.into_iter().map(|keep| keep.at(&place)).collect(),
                ..records
            },
            None => records,
        })
    }

    /// `schema.graphql:12:20`, where the files are known.
    fn shown_place(&self, text: &Spanned<&str>) -> Option<String> {
        self.lines.place(text.span.start)
    }

    pub(super) fn template(
        &mut self,
        text: &Spanned<&str>,
        variables: &[&str],
        encoding: Encoding,
    ) -> Option<Template> {
        let (template, faults) = Template::parse_partly(text.value, variables, encoding);
        faults
            .iter()
            .for_each(|fault| self.text_fault("placeholder", text, fault));
        faults.is_empty().then_some(template)
    }

    fn compiled<T>(&mut self, text: &Spanned<&str>, result: Result<T, JqFault>) -> Option<T> {
        result.map_err(|fault| self.text_fault("jq", text, &fault)).ok()
    }

    fn text_fault(&mut self, kind: &str, text: &Spanned<&str>, fault: &JqFault) {
        let variable = fault
            .at
            .and_then(|at| text.value.get(at..))
            .map(word)
            .unwrap_or_default();
        let span = place(&self.definition.text, text, fault.at);
        if let Some(hint) = reserved::way_out(variable) {
            let message = format!("`{variable}` is not supported in this version");
            self.fault(Fault::at(span, message).hint(hint));
            return;
        }
        let fault = Fault::at(span, format!("{kind}: {}", fault.message));
        self.fault(match variable {
            "$this" => fault.hint(
                "`$this.name` is for the path, `body`, `rows` and `keep` of a @fetch on a field: it is the row asked about",
            ),
            _ => fault,
        });
    }
}

/// The name, with its `$` or `@`, with which a text begins; at most one sign when there is none.
fn word(text: &str) -> &str {
    let sign = usize::from(text.starts_with(['$', '@']));
    let rest = text.get(sign..).unwrap_or("");
    let letters = rest
        .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .unwrap_or(rest.len());
    let end = match sign + letters {
        0 => text.chars().next().map_or(0, char::len_utf8),
        end => end,
    };
    text.get(..end).unwrap_or("")
}

/// The place in the file of a byte of a quoted text; the whole text when it has escapes or several
/// lines.
pub(super) fn place(file: &str, text: &Spanned<&str>, at: Option<usize>) -> Span {
    let quoted = file.get(text.span.clone()).unwrap_or("");
    let plain = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(text.value);
    match at {
        Some(at) if plain => {
            let start = text.span.start + 1 + at;
            let length = text.value.get(at..).map_or(0, |rest| word(rest).len());
            start..start + length.max(1)
        }
        _ => text.span.clone(),
    }
}
