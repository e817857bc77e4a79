//! Signs in a page that the upstream has more than it holds. Knows the names that APIs use for
//! them, and what to write so that they are followed; reads JSON, and follows nothing.
//!
//! A sign is looked for beside the rows, in the page's own members and in those of members that are
//! known to speak of pages. What is null, false, empty or zero is none.

use jaq_json::Val;

/// Members that lead to the next page, without case, `_` and `-`.
const NEXT: &[&str] = &[
    "next",
    "nextlink",
    "nextpage",
    "nexturl",
    "nexturi",
    "nexthref",
    "nextpageurl",
    "nextpageuri",
    "nextpagelink",
    "nextrecordsurl",
    "@odata.nextlink",
    "odata.nextlink",
    "@iot.nextlink",
    "nextcursor",
    "nextcursorstr",
    "nexttoken",
    "nextmarker",
    "nextkey",
    "nextoffset",
    "nextpagetoken",
    "nextpagecursor",
    "nextpagekey",
    "nextcontinuationtoken",
    "continuationtoken",
];
/// Members of such an object that hold the address, or what to ask with.
const TARGETS: &[&str] = &["href", "url", "uri", "link", "after", "cursor", "token"];
/// Members whose own members are what to ask with.
const BY_PARTS: &[&str] = &["continue", "lastevaluatedkey"];
/// Members that say whether there is more.
const MORE: &[&str] = &[
    "more",
    "hasmore",
    "hasnext",
    "hasnextpage",
    "hasmorepages",
    "hasmoreitems",
    "hasmoreresults",
    "moreavailable",
    "moreresults",
    "istruncated",
    "truncated",
    "exceededtransferlimit",
    "incompleteresults",
];
/// Members that say whether this is the last page.
const LAST: &[&str] = &["last", "islast", "islastpage", "lastpage"];
/// Members that count all rows.
const TOTAL: &[&str] = &[
    "total",
    "totalcount",
    "totalresults",
    "totalrecords",
    "totalitems",
    "totalelements",
    "totalentries",
    "totalhits",
    "totalrows",
    "totalsize",
    "numfound",
    "@odata.count",
    "odata.count",
];
/// Members that count all pages.
const PAGES: &[&str] = &[
    "pages",
    "totalpages",
    "pagestotal",
    "pagecount",
    "numpages",
    "nbpages",
    "numberofpages",
    "lastpage",
];
/// Members that say how many rows a page has at most.
const SIZE: &[&str] = &[
    "limit",
    "perpage",
    "pagesize",
    "itemsperpage",
    "resultsperpage",
    "maxresults",
];
/// Members whose own members speak of pages.
const AROUND: &[&str] = &[
    "links",
    "meta",
    "metadata",
    "responsemetadata",
    "paging",
    "pagination",
    "paginator",
    "pager",
    "page",
    "pages",
    "pageinfo",
    "info",
    "cursor",
    "cursors",
    "data",
    "result",
    "results",
    "response",
    "payload",
    "body",
    "hits",
    "searchinfo",
    "listinfo",
    "feed",
];
/// Parameters of an address that say how many rows a page has at most.
const PARAMETERS: &[&str] = &[
    "limit",
    "perpage",
    "pagesize",
    "hitsperpage",
    "itemsperpage",
    "maxresults",
    "$top",
    "rows",
];
/// Items of an array that may be a page: what is beside the rows, and the rows.
const PARTS_MAX: usize = 4;

/// What a page shows; kept with what is remembered of it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Signs {
    /// Its `Link` header has a next page.
    pub header: bool,
    /// Where it leads to a next page: by an address, or by something to ask with.
    url: Option<String>,
    cursor: Option<String>,
    /// Where it says that there is more.
    more: Option<String>,
    total: Option<Count>,
    pages: Option<Count>,
    size: Option<Count>,
}

/// A number and where it stands.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Count {
    at: String,
    count: u64,
}

/// What a run has seen when it ends with a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent<'p> {
    pub pages: u64,
    /// Rows of all pages; none where their number is not known.
    pub rows: Option<u64>,
    /// Rows of this page.
    pub here: u64,
    /// Next pages are found by the `Link` header.
    pub links: bool,
    /// Pages are asked for until one is empty, or as short as a last one.
    pub counted: bool,
    /// The address, as it is written.
    pub path: &'p str,
}

impl Signs {
    pub(super) fn is_none(&self) -> bool {
        *self == Signs::default()
    }

    /// Reads a page of so many records; `alone` is the record, where there is one only.
    pub(super) fn read(page: &Val, rows: u64, alone: Option<&Val>) -> Signs {
        let mut signs = Signs::default();
        let is_record = |value: &Val| alone.is_some_and(|record| record == value);
        match page {
            // An object of records by their names.
            Val::Obj(members)
                if members.len() as u64 == rows && members.values().all(|value| matches!(value, Val::Obj(_))) => {}
            Val::Obj(_) if !is_record(page) => {
                signs.members(page, "");
                signs.around(page, &is_record);
            }
            // `[{"page": 1, "pages": 7}, [rows]]`
            Val::Arr(parts) if parts.len() <= PARTS_MAX && parts.iter().any(|part| matches!(part, Val::Arr(_))) => {
                for (at, part) in parts.iter().enumerate().filter(|(_, part)| !is_record(part)) {
                    signs.members(part, &format!(".[{at}]"));
                }
            }
            _ => {}
        }
        signs
    }

    fn around(&mut self, page: &Val, is_record: &dyn Fn(&Val) -> bool) {
        let Val::Obj(members) = page else { return };
        for (key, value) in members.iter() {
            let Some(name) = text(key) else { continue };
            if AROUND.contains(&plain(name).as_str()) && !is_record(value) {
                self.members(value, &path("", name));
            }
        }
    }

    fn members(&mut self, object: &Val, at: &str) {
        let Val::Obj(members) = object else { return };
        for (key, value) in members.iter() {
            let Some(key) = text(key) else { continue };
            let (name, at) = (plain(key), path(at, key));
            let name = name.as_str();
            match value {
                Val::Bool(true) if MORE.contains(&name) || name == "next" => set(&mut self.more, at),
                Val::Bool(false) if LAST.contains(&name) => set(&mut self.more, at),
                // MediaWiki's and DynamoDB's: parameters of the next request.
                Val::Obj(parameters) if BY_PARTS.contains(&name) && !parameters.is_empty() => set(&mut self.more, at),
                // Airtable's: a text, where others give the number of rows before these.
                Val::TStr(_) if name == "offset" && number(value).is_none() => set(&mut self.cursor, at),
                _ if NEXT.contains(&name) => self.next(value, at),
                _ => {
                    let counts = [
                        (TOTAL, &mut self.total),
                        (PAGES, &mut self.pages),
                        (SIZE, &mut self.size),
                    ];
                    for (_, known) in counts.into_iter().filter(|(names, _)| names.contains(&name)) {
                        if let Some(count) = number(value) {
                            let within = if matches!(value, Val::Obj(_)) { ".value" } else { "" };
                            let at = format!("{at}{within}");
                            set(known, Count { at, count });
                        }
                    }
                }
            }
        }
    }

    fn next(&mut self, value: &Val, at: String) {
        match value {
            Val::Num(_) => {
                if number(value).is_some_and(|number| number > 0) {
                    set(&mut self.cursor, at);
                }
            }
            Val::Obj(link) => {
                let to = |name: &&str| link.iter().find(|(key, _)| text(key) == Some(name));
                let target = TARGETS.iter().find_map(to);
                if let Some((key, value @ Val::TStr(_))) = target {
                    self.next(value, path(&at, text(key).unwrap_or_default()));
                }
            }
            value => match text(value).map(str::trim) {
                None | Some("" | "0" | "-1" | "null") => {}
                Some(next) if next.contains('/') || next.starts_with('?') => set(&mut self.url, at),
                Some(_) => set(&mut self.cursor, at),
            },
        }
    }

    /// Why a run that ends with this page may not have seen everything, and what to write.
    pub(super) fn doubt(&self, seen: &Extent<'_>) -> Option<String> {
        let more = |what: String, write: &str| Some(format!("there may be more: the last page {what}; {write}"));
        let counting = "page with `{$page}` or `{$offset}` in the path";
        // A page without rows ends pages that are counted, wherever it leads.
        let leads = seen.here > 0 || !seen.counted;
        if self.header && !seen.links && leads {
            return more(
                "has a `Link` header with rel=\"next\"".to_owned(),
                "follow it with `pages: {link: true}`",
            );
        }
        if let Some(at) = self.url.as_ref().filter(|_| leads) {
            return more(
                format!("has `{at}`"),
                &format!("follow it with `pages: {{next: \"{}\"}}`", quoted(at)),
            );
        }
        if let Some(at) = self.cursor.as_ref().filter(|_| leads) {
            let write = format!(
                "follow it with `{{$cursor}}` in the path and `pages: {{next: \"{}\"}}`",
                quoted(at)
            );
            return more(format!("has `{at}`"), &write);
        }
        if let Some(at) = &self.more {
            return more(format!("says so in `{at}`"), counting);
        }
        if let Some(Count { at, count }) = self.pages.as_ref().filter(|pages| pages.count > seen.pages) {
            let write = format!(
                "write `{{$page}}` into the path, and `pages: {{last: \"{}\"}}`",
                quoted(at)
            );
            return more(
                format!(
                    "says that there are {count} pages (`{at}`), and {} were read",
                    seen.pages
                ),
                &write,
            );
        }
        self.beyond(seen, counting)
    }

    /// Fewer rows than there are, or as many as one answer may hold.
    fn beyond(&self, seen: &Extent<'_>, counting: &str) -> Option<String> {
        let rows = seen.rows?;
        match &self.total {
            Some(Count { at, count }) if *count > rows => Some(format!(
                "there may be more: the last page says that there are {count} rows (`{at}`), and {rows} were read; {counting} and \
                 `pages: {{total: \"{}\"}}`",
                quoted(at)
            )),
            Some(_) => None,
            None if seen.counted || seen.pages > 1 || rows == 0 => None,
            None => {
                let said = self.size.as_ref().filter(|size| size.count == rows);
                let asked = || parameter(seen.path, rows).map(|parameter| format!("the path asks for (`{parameter}`)"));
                let by = said.map(|size| format!("`{}` allows", size.at)).or_else(asked)?;
                Some(format!(
                    "there may be more: {rows} rows came, as many as {by}; {counting}"
                ))
            }
        }
    }
}

/// The first one counts.
fn set<T>(slot: &mut Option<T>, value: T) {
    if slot.is_none() {
        *slot = Some(value);
    }
}

fn text(value: &Val) -> Option<&str> {
    match value {
        Val::TStr(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

/// A whole number, also as a text or as the `value` of an object.
fn number(value: &Val) -> Option<u64> {
    match value {
        Val::Num(_) => value.to_string().parse().ok(),
        Val::TStr(_) => text(value)?.trim().parse().ok(),
        Val::Obj(members) => {
            let (_, value) = members.iter().find(|(key, _)| text(key) == Some("value"))?;
            match value {
                Val::Num(_) => number(value),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A name without case, `_` and `-`.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-'));
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The jq path of a member.
fn path(at: &str, key: &str) -> String {
    let mut letters = key.chars();
    let is_word = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    match is_word {
        true => format!("{at}.{key}"),
        false if at.is_empty() => format!(".[\"{key}\"]"),
        false => format!("{at}[\"{key}\"]"),
    }
}

/// As it is written inside a text of a definition.
fn quoted(path: &str) -> String {
    path.replace('"', "\\\"")
}

/// The parameter of an address that asks for as many rows as came.
fn parameter(path: &str, rows: u64) -> Option<&str> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        PARAMETERS.contains(&plain(name).as_str()) && value.parse() == Ok(rows)
    })
}
