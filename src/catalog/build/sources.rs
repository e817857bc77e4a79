//! Sources. Knows which URLs, headers, rates can be used; asks nobody whether they answer.

use super::{Builder, intervals};
use crate::{
    catalog::{
        Source,
        template::{Encoding, Template},
    },
    definition::{Directive, Fault, Literal, Spanned, reserved},
};

/// Requests under way at once when the definition says nothing: polite to a small server.
const CONCURRENCY_DEFAULT: usize = 4;
/// The most: beyond it memory, not the upstream, would be the limit.
const CONCURRENCY_MAX: usize = 64;
/// Headers of one source.
const HEADERS_MAX: usize = 32;
/// Headers that the HTTP client itself must write.
pub(super) const HEADERS_KEPT: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The scheme of a source's URL, when it is known before `$env` is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scheme {
    Http,
    File,
    /// The URL begins with a placeholder.
    Unknown,
}

impl Builder<'_> {
    /// The sources in file order; `None` for one with a fault, so that positions stay.
    pub(super) fn sources(&mut self) -> Vec<Option<Source>> {
        let mut names: Vec<Spanned<&str>> = Vec::new();
        let mut sources = Vec::new();
        for directive in self
            .definition
            .sources
            .iter()
            .filter(|directive| directive.name == "source")
        {
            if let Some(name) = directive.text("name") {
                if let Some(first) = names.iter().find(|first| first.value == name.value) {
                    let message = format!("the source `{}` is declared twice", name.value);
                    let fault = Fault::at(name.span.clone(), message).beside(first.span.clone(), "the first is here");
                    self.fault(fault.hint("rename or remove one"));
                }
                names.push(name);
            }
            sources.push(self.source(directive));
        }
        sources
    }

    fn source(&mut self, directive: &Directive) -> Option<Source> {
        let name = directive.text("name").and_then(|name| self.source_name(name));
        let url = directive.text("url").and_then(|url| self.source_url(url));
        let headers = self.headers(directive);
        let rate = match directive.text("rate") {
            Some(text) => match intervals::rate(text.value) {
                Ok(rate) => Some(rate),
                Err(message) => {
                    self.fault(Fault::at(text.span, message));
                    None
                }
            },
            None => None,
        };
        let concurrency = self.concurrency(directive);
        let auth = self.auth(directive, &headers);
        Some(Source {
            name: name?,
            url: url?,
            headers,
            auth: auth?,
            rate,
            concurrency,
        })
    }

    fn source_name(&mut self, name: Spanned<&str>) -> Option<String> {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        let plain = !name.value.is_empty() && name.value.len() <= 63 && name.value.chars().all(letters);
        if !plain {
            let message = "a source's name is made of letters, digits, `_` and `-`, at most 63";
            self.fault(Fault::at(name.span, message));
            return None;
        }
        Some(name.value.to_owned())
    }

    fn source_url(&mut self, url: Spanned<&str>) -> Option<Template> {
        let template = self.template(&url, &["env"], Encoding::Raw)?;
        let fault = match scheme(&template) {
            Ok(Scheme::Http) => {
                let rest = template.text().split_once("://").map_or("", |(_, rest)| rest);
                if rest.is_empty() || rest.starts_with('/') {
                    Fault::at(url.span, "the URL names no host").hint("write https://host/path")
                } else if template.text().contains(['?', '#']) {
                    Fault::at(
                        url.span,
                        "a source's URL has no `?` or `#`: the paths of its fetches are joined to it",
                    )
                    .hint("write the query in each @fetch, for example `GET: \"/items?key={$env.KEY}\"`")
                } else {
                    return Some(template);
                }
            }
            Ok(Scheme::File) if template.text() == "file:" || template.text() == "file://" => {
                Fault::at(url.span, "the URL names no folder").hint("write file:folder, relative to the definition")
            }
            Ok(_) => return Some(template),
            Err(scheme) => match reserved::way_out(&scheme) {
                Some(hint) => {
                    Fault::at(url.span, format!("`{scheme}` URLs are not supported in this version")).hint(hint)
                }
                None if scheme.is_empty() => {
                    Fault::at(url.span, "this is not a URL").hint("write https://…, http://… or file:folder")
                }
                None => Fault::at(url.span, format!("`{scheme}` URLs cannot be read"))
                    .hint("write https://…, http://… or file:folder"),
            },
        };
        self.fault(fault);
        None
    }

    fn headers(&mut self, directive: &Directive) -> Vec<(String, Template)> {
        let given: &[Literal] = directive
            .argument("headers")
            .map(|headers| headers.items())
            .unwrap_or_default();
        if let Some(extra) = given.get(HEADERS_MAX) {
            self.fault(Fault::at(
                extra.span.clone(),
                format!("a source has at most {HEADERS_MAX} headers"),
            ));
        }
        let mut headers: Vec<(String, Template)> = Vec::new();
        for header in given {
            let name = header.member("name").and_then(Literal::as_text);
            let value = header.member("value").and_then(Literal::as_text);
            let (Some(name), Some(value)) = (name, value) else {
                continue;
            };
            let fault = Fault::at(name.span.clone(), format!("the header `{}` cannot be sent", name.value));
            if !is_token(name.value) {
                self.fault(fault.hint("a header's name is made of letters, digits and `-`"));
            } else if HEADERS_KEPT.contains(&name.value.to_ascii_lowercase().as_str()) {
                self.fault(fault.hint("it is written by Hayloft itself; leave it out"));
            } else if headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name.value)) {
                self.fault(fault.label("given twice").hint("keep one of them"));
            } else if value.value.chars().any(char::is_control) {
                self.fault(Fault::at(
                    value.span,
                    "a header's value has no line breaks or other control characters",
                ));
            } else if let Some(value) = self.template(&value, &["env"], Encoding::Raw) {
                headers.push((name.value.to_owned(), value));
            }
        }
        headers
    }

    fn concurrency(&mut self, directive: &Directive) -> usize {
        let Some(literal) = directive.argument("concurrency") else {
            return CONCURRENCY_DEFAULT;
        };
        let given = literal.as_int().and_then(|given| usize::try_from(given).ok());
        match given {
            Some(given) if (1..=CONCURRENCY_MAX).contains(&given) => given,
            _ => {
                let message = format!("`concurrency` is 1 to {CONCURRENCY_MAX}");
                self.fault(Fault::at(literal.span.clone(), message));
                CONCURRENCY_DEFAULT
            }
        }
    }
}

/// The scheme of a source's URL; the error is one that cannot be used, with its colon, or empty.
pub(super) fn scheme(url: &Template) -> Result<Scheme, String> {
    let prefix = url.prefix();
    if prefix.is_empty() {
        return if url.text().is_empty() {
            Err(String::new())
        } else {
            Ok(Scheme::Unknown)
        };
    }
    let Some((scheme, rest)) = prefix.split_once(':') else {
        return Err(String::new());
    };
    match scheme {
        "http" | "https" if rest.starts_with("//") => Ok(Scheme::Http),
        "http" | "https" => Err(String::new()),
        "file" => Ok(Scheme::File),
        other if other.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Err(format!("{other}:")),
        _ => Err(String::new()),
    }
}

/// A name as RFC 9110 allows it.
pub(super) fn is_token(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(sign)
}
