//! How a table is written, and in which charset. Knows what `table` may say; reads no table.

use encoding_rs::Encoding;

use super::{Builder, fetches::argument_span};
use crate::{
    catalog::{Format, Table},
    definition::{Directive, Fault, Literal},
};

/// Lines before the names of columns.
const SKIP_MAX: i64 = 10_000;
/// Columns of a table.
const COLUMNS_MAX: usize = 10_000;

impl Builder<'_> {
    /// What `table` says; `None` is a fault.
    pub(super) fn table(&mut self, directive: &Directive, format: Format) -> Option<Table> {
        let mut table = Table::default();
        let Some(literal) = directive.argument("table") else {
            return Some(table);
        };
        let before = self.faults.len();
        if !format.is_table() {
            let message = format!("`table` is for tables, and {} is none", format.name());
            let fault = Fault::at(argument_span(directive, "table", literal), message);
            self.fault(fault.hint("write `format: CSV`, or leave `table` out"));
        }
        if format == Format::HtmlTable {
            for name in ["delimiter", "quotes"] {
                if let Some(member) = literal.member(name) {
                    let fault = Fault::at(member.span.clone(), format!("`{name}` is for tables that are texts"));
                    self.fault(fault.hint("leave it out"));
                }
            }
        }
        table.delimiter = self.delimiter(literal, format);
        let flag = |name: &str| literal.member(name).and_then(Literal::as_bool);
        table.quotes = flag("quotes").unwrap_or(true);
        table.units = flag("units").unwrap_or(false);
        table.skip = self.skip(literal);
        table.columns = texts(literal, "columns");
        table.nulls = texts(literal, "nulls");
        self.check_table_columns(literal, &table);
        (self.faults.len() == before).then_some(table)
    }

    fn delimiter(&mut self, table: &Literal, format: Format) -> Option<u8> {
        let text = table.member("delimiter")?.as_text()?;
        if format == Format::Tsv {
            let fault = Fault::at(text.span, "the cells of TSV are told apart by tabs");
            self.fault(fault.hint("leave `delimiter` out, or write `format: CSV`"));
            return None;
        }
        match text.value.as_bytes() {
            [sign] if sign.is_ascii() && !matches!(sign, b'"' | b'\r' | b'\n') => Some(*sign),
            _ => {
                let fault = Fault::at(
                    text.span,
                    "`delimiter` is one ASCII character, and no quotation mark or line break",
                );
                self.fault(fault.hint("such as `;`, `|` or `\\t`"));
                None
            }
        }
    }

    fn skip(&mut self, table: &Literal) -> u64 {
        let Some(literal) = table.member("skip") else { return 0 };
        match literal.as_int() {
            Some(lines) if (0..=SKIP_MAX).contains(&lines) => lines.unsigned_abs(),
            _ => {
                self.fault(Fault::at(literal.span.clone(), format!("`skip` is 0 to {SKIP_MAX}")));
                0
            }
        }
    }

    /// Names that a record cannot have.
    fn check_table_columns(&mut self, literal: &Literal, table: &Table) {
        let Some(columns) = literal.member("columns") else {
            return;
        };
        let wrong = match &table.columns[..] {
            [] => Some("`columns` names no column".to_owned()),
            many if many.len() > COLUMNS_MAX => Some(format!("a table has at most {COLUMNS_MAX} columns")),
            names => {
                let again = |at: usize| !names[at].is_empty() && names[..at].contains(&names[at]);
                let again = (0..names.len()).find(|at| again(*at));
                again.map(|at| format!("two columns are called `{}`", names[at]))
            }
        };
        if let Some(message) = wrong {
            let fault = Fault::at(columns.span.clone(), message);
            self.fault(fault.hint("name each column once, in their order; one without a name (\"\") is left out"));
        }
        if let Some(units) = literal.member("units").filter(|_| table.units) {
            let fault = Fault::at(
                units.span.clone(),
                "`units` is the row below the names, and `columns` says that there are none",
            );
            self.fault(fault.hint("leave out the rows above the records with `skip`"));
        }
    }

    /// The charset that is said; the outer `None` is a fault.
    pub(super) fn charset(&mut self, directive: &Directive) -> Option<Option<String>> {
        let Some(text) = directive.text("charset") else {
            return Some(None);
        };
        if Encoding::for_label(text.value.as_bytes()).is_some() {
            return Some(Some(text.value.to_owned()));
        }
        let fault = Fault::at(text.span, format!("there is no charset `{}`", text.value));
        self.fault(fault.hint("such as `windows-1252`, `iso-8859-15`, `utf-16le` or `shift_jis`"));
        None
    }
}

fn texts(table: &Literal, name: &str) -> Vec<String> {
    let items = table.member(name).map_or(&[][..], Literal::items);
    let texts = items.iter().filter_map(Literal::as_text);
    texts.map(|text| text.value.to_owned()).collect()
}
