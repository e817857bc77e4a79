//! How a fetch goes from page to page: the placeholders of its path and `pages`. Knows which go
//! together.

use super::Builder;
use crate::{
    catalog::{Advance, Body, Format, Method, Paging, names_several, template::Template},
    definition::{Directive, Fault, Literal, Span, Spanned},
};

/// Pages of a run when the definition says nothing.
const PAGES_DEFAULT: u64 = 10_000;
/// The most: at ten pages a second this is more than a day.
const PAGES_MAX: i64 = 1_000_000;
/// Statuses that speak of who asks or how often, and so never of the pages.
const NO_ENDS: [u16; 5] = [401, 403, 407, 408, 429];
/// The placeholders that make a request differ from the one before.
const PLACEHOLDERS: [&str; 3] = ["page", "offset", "cursor"];

/// What `pages` holds, as it is written.
struct Pages<'d> {
    next: Option<Spanned<&'d str>>,
    link: Option<Span>,
    last: Option<Spanned<&'d str>>,
    total: Option<Spanned<&'d str>>,
    size: Option<&'d Literal>,
    end: Option<&'d Literal>,
    max: Option<&'d Literal>,
}

/// What a fetch asks with, as far as paging has to know.
pub(super) struct Asks<'a> {
    pub path: &'a Template,
    pub body: Option<&'a Body>,
    /// The place of the path in the file.
    pub span: &'a Span,
    pub method: Method,
    pub format: Format,
}

impl Asks<'_> {
    fn uses(&self, variable: &str) -> bool {
        self.path.uses(variable) || self.body.is_some_and(|body| body.uses(variable))
    }
}

impl<'d> Pages<'d> {
    fn of(directive: &'d Directive) -> Pages<'d> {
        let pages = directive.argument("pages");
        let member = |name| pages.and_then(|pages| pages.member(name));
        let text = |name| member(name).and_then(Literal::as_text);
        Pages {
            next: text("next"),
            link: member("link")
                .filter(|link| link.as_bool() == Some(true))
                .map(|link| link.span.clone()),
            last: text("last"),
            total: text("total"),
            size: member("size"),
            end: member("end"),
            max: member("max"),
        }
    }
}

impl Builder<'_> {
    pub(super) fn paging(&mut self, directive: &Directive, asks: &Asks<'_>) -> Option<Paging> {
        let Asks {
            path,
            span: path_span,
            method,
            format,
            ..
        } = *asks;
        let before = self.faults.len();
        let pages = Pages::of(directive);
        let used: Vec<&str> = PLACEHOLDERS.into_iter().filter(|name| asks.uses(name)).collect();
        if let [first, second, ..] = used[..] {
            let message = format!("`${first}` and `${second}` exclude each other");
            self.fault(Fault::at(path_span.clone(), message).hint("page with one of them"));
            return None;
        }
        let used = used.first().copied();
        let files = method == Method::File && names_several(path.text());
        self.check_ways(&pages, used, path_span, files);
        self.check_format(&pages, used, path_span, method, format);
        let max = self.count(pages.max, "max", PAGES_MAX);
        let size = self.count(pages.size, "size", PAGES_MAX);
        let end = pages.end.map_or_else(Vec::new, |end| self.end(end));
        if let (Some(name), true) = (used, files) {
            let message = format!("`*` names files one after the other, so `{{${name}}}` has no meaning");
            self.fault(Fault::at(path_span.clone(), message).hint("leave one of them out"));
        }
        if files && path.text().contains("**") {
            let fault = Fault::at(
                path_span.clone(),
                "`**` names no folders; `*` is any text within one name",
            );
            self.fault(fault.hint("write each folder on the way as a part of its own, such as `*/*.json`"));
        }
        let advance = match files {
            true => Advance::LinkHeader,
            false => self.advance(&pages, used),
        };
        let mut paging = Paging {
            advance,
            last: pages.last.and_then(|last| self.filter(&last)),
            total: pages.total.and_then(|total| self.filter(&total)),
            size,
            end,
            max: max.unwrap_or(PAGES_DEFAULT),
        };
        if matches!(paging.advance, Advance::Single) {
            paging.max = 1;
        }
        (self.faults.len() == before).then_some(paging)
    }

    fn advance(&mut self, pages: &Pages, used: Option<&str>) -> Advance {
        let next = pages.next.as_ref().and_then(|next| self.filter(next));
        match (used, next, &pages.link) {
            (Some("page"), ..) => Advance::Page,
            (Some("offset"), ..) => Advance::Offset,
            (Some(_), Some(next), _) => Advance::Cursor(next),
            (None, Some(next), _) => Advance::NextUrl(next),
            (None, None, Some(_)) => Advance::LinkHeader,
            _ => Advance::Single,
        }
    }

    /// Refuses ways to page that contradict each other.
    fn check_ways(&mut self, pages: &Pages, used: Option<&str>, path_span: &Span, files: bool) {
        let counted = matches!(used, Some("page" | "offset"));
        if used == Some("cursor") && pages.next.is_none() {
            let fault = Fault::at(path_span.clone(), "`{$cursor}` needs to know where the next cursor is");
            self.fault(fault.hint("write `pages: {next: …}` with a filter that finds it in a page"));
        }
        if let (true, Some(next)) = (counted, &pages.next) {
            let message = format!("`next` and `{{${}}}` exclude each other", used.unwrap_or_default());
            self.fault(Fault::at(next.span.clone(), message).hint("page with one of them"));
        }
        if let Some(link) = &pages.link
            && (used.is_some() || pages.next.is_some())
        {
            let other = used.map_or("`next`".to_owned(), |name| format!("`{{${name}}}`"));
            self.fault(
                Fault::at(link.clone(), format!("`link` and {other} exclude each other")).hint("page with one of them"),
            );
        }
        if let (Some(last), false) = (&pages.last, used == Some("page")) {
            let fault = Fault::at(
                last.span.clone(),
                "`last` is the number of a page, but the path has no `{$page}`",
            );
            self.fault(fault.hint("add `{$page}` to the path"));
        }
        if let (Some(size), false) = (pages.size, counted) {
            let fault = Fault::at(
                size.span.clone(),
                "`size` ends paging by `{$page}` or `{$offset}`, but the path has neither",
            );
            self.fault(fault.hint("leave it out"));
        }
        if let (Some(end), false) = (pages.end, counted) {
            let fault = Fault::at(
                end.span.clone(),
                "`end` ends paging by `{$page}` or `{$offset}`, but the path has neither",
            );
            self.fault(fault.hint("leave it out"));
        }
        let single = used.is_none() && pages.next.is_none() && pages.link.is_none() && !files;
        if let (Some(max), true) = (pages.max, single) {
            let fault = Fault::at(max.span.clone(), "`max` limits the pages, but there is one only");
            self.fault(fault.hint("leave it out, or add `{$page}`, `{$offset}`, `next` or `link`"));
        }
    }

    /// Refuses ways to page that the format or method cannot follow.
    fn check_format(&mut self, pages: &Pages, used: Option<&str>, path_span: &Span, method: Method, format: Format) {
        if format.is_records_only() {
            for text in [&pages.next, &pages.last, &pages.total].into_iter().flatten() {
                let message = format!(
                    "a page of {} has lines only, nothing beside them that could be found",
                    format.name()
                );
                let fault = Fault::at(text.span.clone(), message);
                self.fault(
                    fault.hint("page with `{$page}` or `{$offset}`, which end at an empty page, or with `link: true`"),
                );
            }
        }
        if method != Method::File {
            return;
        }
        if let Some(end) = pages.end {
            self.fault(Fault::at(end.span.clone(), "files have no status").hint("leave `end` out"));
        }
        if let (Some(name), true) = (used, format.is_records_only()) {
            let message = format!(
                "a file of {} is read in one go, so `{{${name}}}` has no meaning",
                format.name()
            );
            self.fault(Fault::at(path_span.clone(), message).hint("name one file"));
        }
        if let Some(link) = &pages.link {
            self.fault(Fault::at(link.clone(), "files have no `Link` header").hint("leave `link` out"));
        }
        if let (Some(next), None) = (&pages.next, used) {
            let fault = Fault::at(next.span.clone(), "files lead to no next URL");
            self.fault(fault.hint("leave `next` out, or put the next file's name into the path as `{$cursor}`"));
        }
    }

    /// Refuses a filter in `rows` that hides how many records a page had, where paging goes by
    /// their number.
    pub(super) fn check_count(&mut self, directive: &Directive, hides: bool, paging: &Paging) {
        let Some(rows) = directive.text("rows").filter(|_| hides) else {
            return;
        };
        let by = match (&paging.advance, &paging.last, &paging.total) {
            (_, _, Some(_)) => "`total` counts them",
            (Advance::Offset, ..) => "`{$offset}` counts them",
            (Advance::Page, None, _) => "a page without records is the last",
            _ => return,
        };
        let message = format!("`rows` leaves records out, so that it is not known how many a page had, and {by}");
        self.fault(
            Fault::at(rows.span, message).hint(
                "let `rows` give every record, and choose in `keep`, as in `rows: \".items[]\", keep: \".active\"`",
            ),
        );
    }

    /// The statuses of `end`.
    fn end(&mut self, literal: &Literal) -> Vec<u16> {
        let mut statuses = Vec::new();
        for one in literal.items() {
            let status = one.as_int().and_then(|status| u16::try_from(status).ok());
            match status {
                Some(status) if status == 204 || (matches!(status, 400..=499) && !NO_ENDS.contains(&status)) => {
                    statuses.push(status);
                }
                _ => {
                    let fault = Fault::at(one.span.clone(), "no status that can mean that there are no more pages");
                    self.fault(fault.hint("such as 404; 204 and 400 to 499 can, but not 401, 403, 407, 408 and 429"));
                }
            }
        }
        statuses
    }

    fn count(&mut self, literal: Option<&Literal>, name: &str, max: i64) -> Option<u64> {
        let literal = literal?;
        match literal.as_int() {
            Some(count) if (1..=max).contains(&count) => u64::try_from(count).ok(),
            _ => {
                self.fault(Fault::at(literal.span.clone(), format!("`{name}` is 1 to {max}")));
                None
            }
        }
    }
}
