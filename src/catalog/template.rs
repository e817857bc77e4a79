//! Texts with `{…}` placeholders: URLs, paths, headers. Knows jq filters and percent-encoding.

use jaq_json::Val;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    jq::{Filter, JqError, JqFault},
    link,
};
use crate::value::describe;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Placeholders of one template: more is a mistake.
const PLACEHOLDERS_MAX: usize = 32;

/// A checked template, such as `/items?page={$page}`.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
    variables: Vec<String>,
    env: Vec<String>,
    this: Vec<String>,
    encoding: Encoding,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Placeholder(Filter),
}

/// Whether values are percent-encoded (in URLs) or put in as they are (in headers and file names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Percent,
    Raw,
    /// As they are, and only `{$` opens a placeholder: texts of bodies hold queries, which are full
    /// of braces.
    Body,
}

impl Encoding {
    /// Whether a brace that is followed by this opens a placeholder.
    fn opens(self, inside: &str) -> bool {
        self != Encoding::Body || inside.starts_with('$')
    }

    /// Whether a brace that is followed by this stands for one brace, with the next one.
    fn escapes(self, inside: &str) -> bool {
        inside.starts_with(if self == Encoding::Body { "{$" } else { "{" })
    }
}

/// Placeholders, and where the value of each begins in the text.
type Placed<'t> = Vec<(&'t Filter, usize)>;
/// What a placeholder makes of `$env`.
#[derive(Clone, Debug)]
pub struct EnvValue {
    /// The placeholder without its braces.
    pub expression: String,
    pub value: String,
    /// The parameter of a query whose value it begins.
    pub parameter: Option<String>,
}

/// `key` of `…&key=`.
fn parameter(text: &str) -> Option<String> {
    let name = text.strip_suffix('=')?.rsplit(['?', '&']).next()?;
    (text.len() > name.len() + 1 && !name.is_empty()).then(|| name.to_owned())
}

impl Template {
    /// Parses a template whose placeholders may use these variables. `{{` is a brace that opens
    /// nothing.
    pub fn parse(text: &str, variables: &[&str], encoding: Encoding) -> Result<Template, JqFault> {
        let (template, faults) = Template::parse_partly(text, variables, encoding);
        faults.into_iter().next().map_or(Ok(template), Err)
    }

    /// Parses what can be parsed; the template is of use only when there are no faults.
    pub(super) fn parse_partly(text: &str, variables: &[&str], encoding: Encoding) -> (Template, Vec<JqFault>) {
        let mut faults = Vec::new();
        let mut template = Template {
            text: text.to_owned(),
            parts: Vec::new(),
            variables: variables.iter().map(|name| (*name).to_owned()).collect(),
            env: Vec::new(),
            this: Vec::new(),
            encoding,
        };
        let mut literal = String::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let at = text.len() - rest.len() + open;
            literal.push_str(&rest[..open]);
            let inside = &rest[open + 1..];
            if encoding.escapes(inside) || !encoding.opens(inside) {
                literal.push('{');
                // What follows an escaped brace of a body is no placeholder, whatever it is.
                let doubled = usize::from(encoding.escapes(inside));
                let plain = doubled + usize::from(doubled == 1 && encoding == Encoding::Body);
                literal.push_str(&inside[doubled..plain]);
                rest = &inside[plain..];
                continue;
            }
            let Some(close) = closing(inside) else {
                faults.push(JqFault {
                    message: "this `{` is never closed; write `{{` for a brace".to_owned(),
                    at: Some(at),
                });
                return (template, faults);
            };
            template.text_part(&mut literal);
            faults.extend(template.placeholder(&inside[..close], at + 1, variables).err());
            rest = &inside[close + 1..];
        }
        literal.push_str(rest);
        template.text_part(&mut literal);
        (template, faults)
    }

    fn text_part(&mut self, literal: &mut String) {
        if !literal.is_empty() {
            self.parts.push(Part::Text(std::mem::take(literal)));
        }
    }

    fn placeholder(&mut self, jq: &str, at: usize, variables: &[&str]) -> Result<(), JqFault> {
        if self.parts.len() >= 2 * PLACEHOLDERS_MAX {
            return Err(JqFault {
                message: format!("a text has at most {PLACEHOLDERS_MAX} placeholders"),
                at: Some(at),
            });
        }
        let filter = Filter::compile(jq, variables).map_err(|fault| JqFault {
            message: fault.message,
            at: Some(at + fault.at.unwrap_or(0)),
        })?;
        for (names, known) in [
            (filter.env_names(), &mut self.env),
            (filter.this_names(), &mut self.this),
        ] {
            for name in names {
                if !known.contains(name) {
                    known.push(name.clone());
                }
            }
        }
        self.parts.push(Part::Placeholder(filter));
        Ok(())
    }

    /// The template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a placeholder uses `$variable`.
    pub fn uses(&self, variable: &str) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Placeholder(filter) if filter.uses(variable)))
    }

    /// The names in `$env.NAME`, in order of appearance.
    pub fn env_names(&self) -> &[String] {
        &self.env
    }

    /// The names in `$this.name`, in order of appearance.
    pub fn this_names(&self) -> &[String] {
        &self.this
    }

    /// The text before the first placeholder.
    pub fn prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// Fills the placeholders in; `lookup` gives the variables by name (`env` as an object of the
    /// used names).
    pub fn render(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Result<String, JqError> {
        Ok(self.fill(lookup)?.0)
    }

    /// The same for the path of a request: no value makes a part of it that is empty, `.` or `..`,
    /// by which the request would go to another address than the one that is written. `%2E` means
    /// the same as a dot there, so nothing can be encoded.
    pub fn render_path(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Result<String, JqError> {
        let (out, values) = self.fill(lookup)?;
        // Values are encoded, so what ends the path was written there; a file's name has no query.
        let end = match self.encoding {
            Encoding::Percent => out.find(['?', '#']).unwrap_or(out.len()),
            Encoding::Raw | Encoding::Body => out.len(),
        };
        for (filter, at) in values.iter().filter(|(_, at)| *at <= end) {
            let (before, after) = out[..end].split_at(*at);
            let begin = before.rfind('/').map_or(0, |slash| slash + 1);
            let length = after.find('/').unwrap_or(after.len());
            let segment = &out[begin..*at + length];
            // The first page of a cursor has none.
            let leads_away = matches!(segment, "." | "..") || segment.is_empty() && !filter.uses("cursor");
            if leads_away {
                return Err(JqError {
                    message: format!(
                        "placeholder {{{}}}: with its value, a part of the path is \"{segment}\", which leads to another address",
                        filter.text()
                    ),
                    too_much: false,
                });
            }
        }
        Ok(out)
    }

    /// The filter that finds it, where a link that a row has is all of the text: `{$this.next}`.
    fn of_link(&self) -> Option<&Filter> {
        self.alone()
            .filter(|filter| self.encoding == Encoding::Percent && filter.uses("this"))
    }

    /// Whether there is such a link.
    pub fn is_link(&self) -> bool {
        self.of_link().is_some()
    }

    /// The address that such a link means, as it is written; nothing where there is none.
    pub fn link(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Option<Result<String, JqError>> {
        let filter = self.of_link()?;
        let address = |link: String| link::address(&link).map_err(|message| misfit(filter, message));
        Some(self.evaluate(filter, lookup).and_then(address))
    }

    /// The text, and where the value of each placeholder begins.
    fn fill(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Result<(String, Placed<'_>), JqError> {
        let mut out = String::with_capacity(self.text.len() + 16);
        let mut values = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Placeholder(filter) => {
                    let value = self.evaluate(filter, lookup)?;
                    values.push((filter, out.len()));
                    out.push_str(&self.encoded(&value));
                }
            }
        }
        Ok((out, values))
    }

    /// The same for people: what comes from `$env` stays as it was written.
    pub fn render_shown(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Result<String, JqError> {
        let mut out = String::with_capacity(self.text.len() + 16);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Placeholder(filter) if filter.uses("env") => {
                    out.push_str(&format!("{{{}}}", filter.text()));
                }
                Part::Placeholder(filter) => out.push_str(&self.encoded(&self.evaluate(filter, lookup)?)),
            }
        }
        Ok(out)
    }

    /// What its placeholders make of `$env` alone.
    pub fn env_values(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Vec<EnvValue> {
        let mut values = Vec::new();
        let mut before = "";
        for part in &self.parts {
            match part {
                Part::Text(text) => before = text,
                Part::Placeholder(filter) => {
                    let made = filter.uses("env").then(|| self.evaluate(filter, lookup).ok()).flatten();
                    values.extend(made.map(|value| EnvValue {
                        expression: filter.text().to_owned(),
                        value,
                        parameter: parameter(before),
                    }));
                    before = "";
                }
            }
        }
        values
    }

    fn encoded(&self, value: &str) -> String {
        match self.encoding {
            Encoding::Raw | Encoding::Body => value.to_owned(),
            Encoding::Percent => utf8_percent_encode(value, RESERVED).to_string(),
        }
    }

    /// The filter, where one placeholder is all of it.
    pub(super) fn alone(&self) -> Option<&Filter> {
        match &self.parts[..] {
            [Part::Placeholder(filter)] => Some(filter),
            _ => None,
        }
    }

    /// The placeholders that know no `$env`, each with its value.
    pub(super) fn open_values(&self, lookup: &dyn Fn(&str) -> Option<Val>) -> Vec<(&str, Val)> {
        let filters = self.parts.iter().filter_map(|part| match part {
            Part::Placeholder(filter) if !filter.uses("env") => Some(filter),
            _ => None,
        });
        filters
            .filter_map(|filter| Some((filter.text(), self.output(filter, lookup).ok()?)))
            .collect()
    }

    fn evaluate(&self, filter: &Filter, lookup: &dyn Fn(&str) -> Option<Val>) -> Result<String, JqError> {
        let output = self.output(filter, lookup)?;
        text_of(&output).ok_or_else(|| {
            let found = describe(&output);
            misfit(filter, format!("expected a text, number or boolean, found {found}"))
        })
    }

    /// The one value of a placeholder.
    pub(super) fn output(&self, filter: &Filter, lookup: &dyn Fn(&str) -> Option<Val>) -> Result<Val, JqError> {
        let mut values = Vec::with_capacity(self.variables.len());
        for name in &self.variables {
            values.push(match filter.uses(name) {
                true => lookup(name).ok_or_else(|| misfit(filter, format!("${name} has no value here")))?,
                false => Val::Null,
            });
        }
        let outputs = filter.run(&Val::Null, &values)?;
        match &outputs[..] {
            [output] => Ok(output.clone()),
            _ => Err(misfit(filter, format!("expected one value, found {}", outputs.len()))),
        }
    }
}

/// The error of a placeholder whose value cannot be put in.
pub(super) fn misfit(filter: &Filter, message: String) -> JqError {
    JqError {
        message: format!("placeholder {{{}}}: {message}", filter.text()),
        too_much: false,
    }
}

fn text_of(value: &Val) -> Option<String> {
    match value {
        Val::TStr(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Val::Num(_) | Val::Bool(_) => Some(value.to_string()),
        Val::Null | Val::BStr(_) | Val::Arr(_) | Val::Obj(_) => None,
    }
}

/// The place of the brace that closes a placeholder: braces of jq objects and texts inside do not
/// count.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => open += 1,
            b'}' if !quoted && open == 0 => return Some(at),
            b'}' if !quoted => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<Val> {
        let json = match name {
            "page" => "2",
            "cursor" => r#""a/b c""#,
            "env" => r#"{"HOST":"http://h:1","NONE":null}"#,
            "offset" => "[1]",
            _ => return None,
        };
        jaq_json::read::parse_single(json.as_bytes()).ok()
    }

    const ALL: &[&str] = &["page", "cursor", "offset", "env", "gone"];

    fn render(text: &str, encoding: Encoding) -> Result<String, String> {
        let template = Template::parse(text, ALL, encoding).map_err(|fault| fault.message)?;
        template.render(&lookup).map_err(|error| error.message)
    }

    #[test]
    fn rendering() {
        for (text, want) in [
            ("/items", "/items"),
            ("/items?page={$page}&x=1", "/items?page=2&x=1"),
            ("?c={$cursor}", "?c=a%2Fb%20c"),
            ("?c={$cursor|@uri}", "?c=a%252Fb%2520c"),
            ("{{literal}", "{literal}"),
            ("/{\"}{\"}/{{$page}/{$page + 1}", "/%7D%7B/{$page}/3"),
            ("/{{a: $page}.a}", "/{a: $page}.a}"),
            ("/{ {a: $page}.a }", "/2"),
        ] {
            assert_eq!(render(text, Encoding::Percent).as_deref(), Ok(want), "{text}");
        }
        assert_eq!(render("{$env.HOST}/a", Encoding::Raw).as_deref(), Ok("http://h:1/a"));
        for (text, want) in [
            ("query {items(page: {$page}) { id }}", "query {items(page: 2) { id }}"),
            ("{{$page}{{a}{{$page", "{$page}{{a}{$page"),
            ("{ {a: $page}.a }", "{ {a: $page}.a }"),
        ] {
            assert_eq!(render(text, Encoding::Body).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_value_stays_one_part_of_a_path() {
        let render = |text: &str, encoding, value: &str| {
            let template = Template::parse(text, &["this", "cursor"], encoding).expect("parses");
            let value = serde_json::Value::from(value).to_string();
            let lookup = |name: &str| {
                let json = match name {
                    "this" => format!("{{\"id\":{value}}}"),
                    _ => value.clone(),
                };
                jaq_json::read::parse_single(json.as_bytes()).ok()
            };
            template.render_path(&lookup).map_err(|error| error.message)
        };
        let (percent, raw) = (Encoding::Percent, Encoding::Raw);
        for (text, encoding, value, want) in [
            ("/items/{$this.id}/x", percent, "a/../b", "/items/a%2F..%2Fb/x"),
            ("/items/{$this.id}/x", percent, "...", "/items/.../x"),
            ("/items/{$this.id}/x", percent, "%2e%2e", "/items/%252e%252e/x"),
            ("/items/a{$this.id}", percent, "..", "/items/a.."),
            ("/items?id={$this.id}", percent, "", "/items?id="),
            ("/items?id=/{$this.id}/", percent, "..", "/items?id=/../"),
            ("/items/{$cursor}", percent, "", "/items/"),
            ("{$this.id}.json", raw, "..", "...json"),
            ("a/{$this.id}", raw, "b?.json", "a/b?.json"),
        ] {
            assert_eq!(render(text, encoding, value).as_deref(), Ok(want), "{text} {value}");
        }
        for (text, encoding, value) in [
            ("/items/{$this.id}/x", percent, ".."),
            ("/items/{$this.id}", percent, "."),
            ("/items/{$this.id}", percent, ""),
            ("/items/{$this.id}?a=b", percent, ".."),
            ("/items/.{$this.id}", percent, "."),
            ("/items/{$this.id}{$this.id}", percent, "."),
            ("/{$cursor}", percent, ".."),
            ("{$this.id}", raw, ".."),
            ("a/{$this.id}/b", raw, "."),
            ("a/{$this.id}/b", raw, ""),
        ] {
            let error = render(text, encoding, value).expect_err(text);
            assert!(error.contains("another address"), "{text} {value}: {error}");
        }
    }

    #[test]
    fn errors() {
        for (text, want) in [
            ("{$page", "never closed"),
            ("{$nosuch}", "no variable"),
            ("{$env}", "$env.NAME"),
            ("{$env.NONE}", "found null"),
            ("{$offset}", "found the array"),
            ("{$gone}", "$gone has no value"),
            ("{empty}", "found 0"),
            ("{1,2}", "found 2"),
            ("{env}", "reaches outside"),
            ("{}", "expected term"),
        ] {
            let error = render(text, Encoding::Raw).expect_err(text);
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn what_it_uses() {
        let template = Template::parse("/{$env.A}/{$env.B + $env.A}/{$page}", ALL, Encoding::Percent).expect("parses");
        assert_eq!(template.env_names(), ["A", "B"]);
        assert!(template.uses("page") && template.uses("env") && !template.uses("cursor"));
        let template = Template::parse("/{$this.id}/{$this[\"a b\"]}", &["this"], Encoding::Percent).expect("parses");
        assert_eq!(template.this_names(), ["id", "a b"]);
        let bare = Template::parse("/{$this | tojson}", &["this"], Encoding::Percent).expect_err("bare");
        assert!(bare.message.contains("$this.id"), "{bare}");
        let fault = Template::parse("/x/{$page|env}", ALL, Encoding::Percent).expect_err("env");
        assert_eq!(fault.at, Some(10));
    }
}
