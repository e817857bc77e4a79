//! The formats of pages, each behind the same face ([`Decoder`]). Knows which decoder reads which
//! format, and nothing of how.

mod columns;
mod csv;
mod decoder;
mod document;
mod errors;
mod html;
mod json;
mod lines;
mod ndjson;
mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod xml;

use crate::catalog::Format;

pub(super) use decoder::{DecodeContext, Decoder, Envelope, Sink};

/// The decoder of a format.
pub(super) fn of(format: Format) -> &'static dyn Decoder {
    match format {
        Format::Json => &json::Json,
        Format::NdJson => &ndjson::NdJson,
        Format::Xml => &xml::Xml,
        Format::Html => &html::Html { tables: false },
        Format::HtmlTable => &html::Html { tables: true },
        Format::Csv => &csv::Csv { tabs: false },
        Format::Tsv => &csv::Csv { tabs: true },
    }
}
