//! Fetches. Knows what goes with GET and FILE, and when runs may be due.

use croner::parser::{CronParser, Seconds, Year};

use super::{
    Builder, intervals,
    paging::Asks,
    plan::PlannedEntity,
    sources::{Scheme, scheme},
};
use crate::{
    catalog::{
        Catalog, EntityId, Fetch, FetchId, Format, Method, Missing, Repeats, Schedule, Source, SourceId,
        jq::Filter,
        template::{Encoding, Template},
    },
    definition::{Directive, Fault, Literal, LiteralKind, Span, Spanned, did_you_mean},
};

/// The part of the rows that one run may delete when the definition says nothing.
const MISSING_DEFAULT: f64 = 0.1;
/// How answers are asked for.
pub(super) const WAYS: [(&str, Method); 3] = [("GET", Method::Get), ("POST", Method::Post), ("FILE", Method::File)];
/// What the path of a type's requests may hold.
const TYPE_VARIABLES: &[&str] = &["page", "offset", "cursor", "env"];
const NO_PATH: &str = "a path begins with `/` or `?`: it is joined to the source's URL";
/// What the filters of a field's answers may use.
const RECORD_VARIABLES: &[&str] = &["this"];

impl Builder<'_> {
    pub(super) fn fetches(&mut self, sources: &[Option<Source>], catalog: &mut Catalog) {
        for id in self.plan.entity_ids() {
            self.no_css_in_nested(id);
            let PlannedEntity { definition, owner, .. } = self.plan.entity(id);
            let Some(directive) = definition.directive("fetch") else {
                continue;
            };
            if let Some(owner) = owner {
                let message = format!(
                    "`{}` is nested in `{}`, which fills it",
                    definition.name.value,
                    self.plan.name(owner.entity)
                );
                self.fault(
                    Fault::at(directive.span.clone(), message)
                        .hint("leave @fetch out, or replace @nested by @ref or @inverse"),
                );
                continue;
            }
            self.only_on_fields(directive);
            let missing = match directive.text("missing").map(|missing| missing.value) {
                Some("DELETE") => Missing::Delete,
                _ => Missing::Keep,
            };
            let missing_max = self.missing_max(directive, missing);
            if let Some(fetch) = self.fetch(id, directive, sources, TYPE_VARIABLES) {
                let fetch = Fetch {
                    missing,
                    missing_max,
                    ..fetch
                };
                let fetch_id = FetchId(catalog.fetches.len() as u32);
                catalog.fetches.push(fetch);
                if let Some(entity) = catalog.entities.get_mut(id.index()) {
                    entity.fetch = Some(fetch_id);
                }
            }
        }
        self.field_fetches(sources, catalog);
    }

    fn only_on_fields(&mut self, directive: &Directive) {
        if let Some(when) = directive.argument("when") {
            let fault = Fault::at(
                argument_span(directive, "when", when),
                "`when` is for a @fetch on a field",
            );
            self.fault(fault.hint("leave it out: a run of a type's @fetch reads everything"));
        }
    }

    /// Reads what a `@fetch` says of its requests; `variables` are those that its path may hold.
    pub(super) fn fetch(
        &mut self,
        entity: EntityId,
        directive: &Directive,
        sources: &[Option<Source>],
        variables: &[&str],
    ) -> Option<Fetch> {
        let source = self.fetch_source(directive);
        let known = source.and_then(|source| sources.get(source.index())?.as_ref());
        let path = self.path(directive, known, variables);
        let format = match directive.text("format").map(|format| format.value) {
            Some("NDJSON") => Format::NdJson,
            Some("CSV") => Format::Csv,
            Some("TSV") => Format::Tsv,
            Some("XML") => Format::Xml,
            Some("HTML") => Format::Html,
            Some("HTML_TABLE") => Format::HtmlTable,
            _ => Format::Json,
        };
        let table = self.table(directive, format);
        let charset = self.charset(directive);
        let css = self.css(entity, directive, format);
        // What finds and chooses the records of an answer knows the row that it is about, too.
        let known = if variables.contains(&"this") {
            RECORD_VARIABLES
        } else {
            &[]
        };
        let records = match directive.text("rows").filter(|_| !format.is_web_page()) {
            Some(rows) => self.rows_filter(&rows, known),
            None => Filter::compile_records(".", &[]).ok(),
        };
        let keep = match directive.text("keep") {
            Some(keep) => self.filter_with(&keep, known).map(|keep| vec![keep]),
            None => Some(Vec::new()),
        };
        let schedule = self.schedule(directive);
        let catch_up = self.catch_up(directive);
        let (method, path, path_span) = path?;
        let body = self.fetch_body(directive, method, variables)?;
        let request = Asks {
            path: &path,
            body: body.as_ref(),
            span: &path_span,
            method,
            format,
        };
        let paging = self.paging(directive, &request)?;
        let records = records?;
        self.check_count(directive, records.hides, &paging);
        Some(Fetch {
            entity,
            field_fetch: None,
            source: source?,
            method,
            path,
            body,
            format,
            table: table?,
            css: css?,
            charset: charset?,
            rows: records.rows,
            keep: records.keep.into_iter().chain(keep?).collect(),
            hides: records.hides,
            paging,
            schedule: schedule?,
            catch_up,
            repeats: match directive.text("repeats").map(|repeats| repeats.value) {
                Some("MERGE") => Repeats::Merge,
                Some("FAIL") => Repeats::Fail,
                _ => Repeats::Last,
            },
            missing: Missing::Keep,
            missing_max: MISSING_DEFAULT,
        })
    }

    fn fetch_source(&mut self, directive: &Directive) -> Option<SourceId> {
        let name = directive.text("source")?;
        let declared = self.definition.sources.iter().filter(|source| source.name == "source");
        let names: Vec<Option<&str>> = declared
            .map(|source| source.text("name").map(|name| name.value))
            .collect();
        if let Some(at) = names.iter().position(|known| *known == Some(name.value)) {
            return Some(SourceId(at as u32));
        }
        // A source whose own name is faulty may be the one that is meant.
        if names.contains(&None) {
            return None;
        }
        let fault = Fault::at(name.span, format!("there is no source `{}`", name.value));
        self.fault(match did_you_mean(name.value, names.into_iter().flatten()) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!(
                "declare it: `extend schema @source(name: \"{}\", url: …)`",
                name.value
            )),
        });
        None
    }

    fn path(
        &mut self,
        directive: &Directive,
        source: Option<&Source>,
        variables: &[&str],
    ) -> Option<(Method, Template, Span)> {
        let mut given = WAYS
            .iter()
            .filter_map(|(name, method)| Some((*name, *method, directive.text(name)?)));
        let (method, text) = match (given.next(), given.next()) {
            (Some((_, method, path)), None) => (method, path),
            (Some((first, ..)), Some((second, _, text))) => {
                let message = format!("`{first}` and `{second}` exclude each other");
                self.fault(Fault::at(text.span, message).hint("keep one of them"));
                return None;
            }
            (None, _) => {
                if !directive.broken {
                    let fault = Fault::at(directive.span.clone(), "`@fetch` needs `GET`, `POST` or `FILE`");
                    self.fault(fault.hint("name the path of a request, or a file"));
                }
                return None;
            }
        };
        let fits = self.check_path(method, &text, source);
        let encoding = match method {
            Method::Get | Method::Post => Encoding::Percent,
            Method::File => Encoding::Raw,
        };
        let template = self.template(&text, variables, encoding)?;
        let fits = fits && self.check_link(method, &text, &template);
        fits.then_some((method, template, text.span))
    }

    /// What begins with a placeholder is a link that a row has, and nothing else.
    fn check_link(&mut self, method: Method, text: &Spanned<&str>, template: &Template) -> bool {
        let fits = method == Method::File || !text.value.starts_with('{') || template.is_link();
        if !fits {
            let fault = Fault::at(text.span.clone(), NO_PATH);
            self.fault(
                fault.hint("in a @fetch on a field, a link that each row has may be all of the path: `{$this.next}`"),
            );
        }
        fits
    }

    fn check_path(&mut self, method: Method, text: &Spanned<&str>, source: Option<&Source>) -> bool {
        let scheme = source
            .and_then(|source| scheme(&source.url).ok())
            .unwrap_or(Scheme::Unknown);
        let at = text.span.clone();
        let name = WAYS
            .iter()
            .find(|(_, way)| *way == method)
            .map_or("", |(name, _)| *name);
        let fault = match (method, scheme) {
            (Method::Get | Method::Post, Scheme::File) => {
                let message = format!("`{name}` needs an http(s) source, but this one is a folder");
                Fault::at(at, message).hint("write `FILE`")
            }
            (Method::File, Scheme::Http) => {
                Fault::at(at, "`FILE` needs a `file:` source, but this one is an http(s) one").hint("write `GET`")
            }
            (Method::Get | Method::Post, _) if !text.value.is_empty() && !text.value.starts_with(['/', '?', '{']) => {
                Fault::at(at, NO_PATH)
                    .hint("requests never leave their source; declare another source for another host")
            }
            (Method::Get | Method::Post, _) if text.value.contains('#') => {
                Fault::at(at, "`#` and what follows is never sent to a server").hint("leave it out, or write %23")
            }
            (Method::File, _) if text.value.is_empty() => Fault::at(at, "`FILE` names no file"),
            (Method::File, _) if text.value.starts_with('/') => {
                Fault::at(at, "a file is named relative to its source's folder").hint("leave the first `/` out")
            }
            (Method::File, _) if text.value.split('/').any(|part| part == "..") => {
                Fault::at(at, "a file lies inside its source's folder, so `..` cannot be used")
                    .hint("declare a source for the other folder")
            }
            _ => return true,
        };
        self.fault(fault);
        false
    }

    /// The outer `None` is a fault, the inner one no schedule.
    fn schedule(&mut self, directive: &Directive) -> Option<Option<Schedule>> {
        match (directive.text("every"), directive.text("cron")) {
            (None, None) => Some(None),
            (Some(_), Some(cron)) => {
                self.fault(Fault::at(cron.span, "`every` and `cron` exclude each other").hint("keep one of them"));
                None
            }
            (Some(every), None) => match intervals::interval(every.value) {
                Ok(interval) => Some(Some(Schedule::Every(interval))),
                Err(message) => {
                    self.fault(Fault::at(every.span, message));
                    None
                }
            },
            (None, Some(cron)) => self.cron(&cron),
        }
    }

    fn cron(&mut self, cron: &Spanned<&str>) -> Option<Option<Schedule>> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let fields = cron.value.split_whitespace().count();
        let wrong = match parser.parse(cron.value) {
            Ok(_) if fields == 5 => return Some(Some(Schedule::Cron(cron.value.to_owned()))),
            Ok(_) => format!("it has {fields} instead of 5 fields"),
            Err(error) => error.to_string(),
        };
        let message = format!(
            "`{}` is not a cron expression: {}",
            cron.value,
            wrong.trim_end_matches('.')
        );
        let hint = "five fields: minute, hour, day, month, weekday, such as `0 6 * * *`";
        self.fault(Fault::at(cron.span.clone(), message).hint(hint));
        None
    }

    fn missing_max(&mut self, directive: &Directive, missing: Missing) -> f64 {
        let Some(literal) = directive.argument("maxMissing") else {
            return MISSING_DEFAULT;
        };
        if missing == Missing::Keep && !directive.broken {
            let fault = Fault::at(
                argument_span(directive, "maxMissing", literal),
                "`maxMissing` limits deletions, but nothing is deleted",
            );
            self.fault(fault.hint("add `missing: DELETE`, or leave `maxMissing` out"));
        }
        match literal.as_float() {
            Some(part) if (0.0..=1.0).contains(&part) => part,
            _ => {
                let fault = Fault::at(literal.span.clone(), "`maxMissing` is a part of the rows, 0 to 1");
                self.fault(match literal.kind {
                    LiteralKind::Float(percent) if percent <= 100.0 && percent > 1.0 => {
                        fault.hint(format!("for {percent} % write {}", percent / 100.0))
                    }
                    _ => fault,
                });
                MISSING_DEFAULT
            }
        }
    }
}

/// An argument with its name.
pub(super) fn argument_span(directive: &Directive, name: &str, literal: &Literal) -> Span {
    let named = directive.arguments.iter().find(|(argument, _)| argument.value == name);
    named.map_or(literal.span.clone(), |(argument, _)| {
        argument.span.start..literal.span.end
    })
}
