//! From page to page: what a page says of the others, and where to go next. Knows paging; pure, and knows no HTTP or store.

use std::collections::HashSet;

use jaq_json::Val;
use xxhash_rust::xxh3::xxh3_64;

use super::error::PageFault;
use crate::{
    catalog::{Advance, Fetch, Paging, jq::Filter},
    value::describe,
};

/// Which request comes next.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Position {
    Only,
    Page(u64),
    Offset(u64),
    Cursor(String),
    /// The absolute or relative URL that the page before gave.
    Url(String),
    /// Every page was read; only the end of the run was not recorded.
    End,
}

impl Position {
    /// The first request of a run.
    pub(super) fn first(advance: &Advance) -> Position {
        match advance {
            Advance::Single | Advance::NextUrl(_) | Advance::LinkHeader => Position::Only,
            Advance::Page => Position::Page(1),
            Advance::Offset => Position::Offset(0),
            Advance::Cursor(_) => Position::Cursor(String::new()),
        }
    }
}

/// What a page says; kept with the request, so that an unchanged page says it again.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct PageInfo {
    /// Records, refused ones included.
    pub rows: u64,
    /// Records that were refused without a key that could be read.
    pub nameless: u64,
    pub last: Option<u64>,
    pub total: Option<u64>,
    /// The cursor or URL of the next page.
    pub next: Option<String>,
}

/// Where a run stands; the store keeps it as `Checkpoint::next`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    pub position: Position,
    #[serde(default)]
    pub nameless: u64,
    pub total: Option<u64>,
}

impl PageInfo {
    /// Reads what the page's JSON says of paging; `link` is the URL of its `Link` header's `rel="next"`.
    pub(super) fn read(paging: &Paging, page: &Val, link: Option<String>, place: &str) -> Result<PageInfo, PageFault> {
        let number = |filter: &Option<Filter>, argument| match filter {
            Some(filter) => number(filter, page, argument, place),
            None => Ok(None),
        };
        let next = match &paging.advance {
            Advance::Cursor(filter) | Advance::NextUrl(filter) => text(filter, page, "next", place)?,
            Advance::LinkHeader => link,
            Advance::Single | Advance::Page | Advance::Offset => None,
        };
        Ok(PageInfo {
            last: number(&paging.last, "last")?,
            total: number(&paging.total, "total")?,
            next,
            ..PageInfo::default()
        })
    }
}

fn single(filter: &Filter, page: &Val, argument: &'static str, place: &str) -> Result<Val, PageFault> {
    let fault = |message: String| PageFault::Paging {
        place: place.to_owned(),
        argument,
        message,
    };
    let outputs = filter.run(page, &[]).map_err(|error| fault(error.message))?;
    match &outputs[..] {
        [] => Ok(Val::Null),
        [one] => Ok(one.clone()),
        _ => Err(fault(format!(
            "jq `{}` gave {} values, not one",
            filter.text(),
            outputs.len()
        ))),
    }
}

fn number(filter: &Filter, page: &Val, argument: &'static str, place: &str) -> Result<Option<u64>, PageFault> {
    let value = single(filter, page, argument, place)?;
    let found = match &value {
        Val::Num(_) => value.to_string().parse().ok(),
        Val::TStr(text) => std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    // A page that does not say it would end the paging early or skip the check of the total: never guessed.
    found.map(Some).ok_or_else(|| PageFault::Paging {
        place: place.to_owned(),
        argument,
        message: format!(
            "jq `{}`: expected a whole number, found {}",
            filter.text(),
            describe(&value)
        ),
    })
}

fn text(filter: &Filter, page: &Val, argument: &'static str, place: &str) -> Result<Option<String>, PageFault> {
    match single(filter, page, argument, place)? {
        Val::Null | Val::Bool(false) => Ok(None),
        Val::TStr(text) if text.is_empty() => Ok(None),
        Val::TStr(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        number @ Val::Num(_) => Ok(Some(number.to_string())),
        other => Err(PageFault::Paging {
            place: place.to_owned(),
            argument,
            message: format!("jq `{}`: expected a text, found {}", filter.text(), describe(&other)),
        }),
    }
}

/// Counts pages and rows of one run and decides where to go next.
#[derive(Debug)]
pub(super) struct Pager<'f> {
    paging: &'f Paging,
    position: Position,
    pub pages: u64,
    pub rows: u64,
    /// Records that may stand for any stored row, so that none can be said to be absent.
    pub nameless: u64,
    pub total: Option<u64>,
    body_before: Option<u64>,
    /// Hashes of the positions read; as many as pages, which `max` bounds.
    read: HashSet<u64>,
}

impl<'f> Pager<'f> {
    pub(super) fn new(fetch: &'f Fetch, place: &Place, pages: u64, rows: u64) -> Pager<'f> {
        Pager {
            paging: &fetch.paging,
            position: place.position.clone(),
            pages,
            rows,
            nameless: place.nameless,
            total: place.total,
            body_before: None,
            read: HashSet::new(),
        }
    }

    /// Where the run stands now, for the checkpoint.
    pub(super) fn place(&self) -> Place {
        Place {
            position: self.position.clone(),
            nameless: self.nameless,
            total: self.total,
        }
    }

    /// Refuses the page before again: an upstream that ignores the paging parameter gives the first page for ever.
    pub(super) fn check_body(&mut self, hash: Option<u64>, rows: u64, place: &str) -> Result<(), PageFault> {
        let repeated = hash.is_some() && self.body_before == hash && rows > 0;
        self.body_before = hash;
        match repeated {
            true => Err(PageFault::RepeatedPage {
                place: place.to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Counts a page and moves to the next position, which is [`Position::End`] after the last.
    pub(super) fn advance(&mut self, info: &PageInfo, place: &str) -> Result<&Position, PageFault> {
        self.pages += 1;
        self.rows += info.rows;
        if info.total.is_some() {
            self.total = info.total;
        }
        self.position = self.following(info);
        if self.position == Position::End {
            return Ok(&self.position);
        }
        if self.pages >= self.paging.max {
            return Err(PageFault::TooManyPages {
                place: place.to_owned(),
                max: self.paging.max,
            });
        }
        let text = format!("{:?}", self.position);
        if !self.read.insert(xxh3_64(text.as_bytes())) {
            return Err(PageFault::RepeatedNext {
                place: place.to_owned(),
            });
        }
        Ok(&self.position)
    }

    fn following(&self, info: &PageInfo) -> Position {
        let next = || info.next.clone();
        match (&self.paging.advance, &self.position) {
            (Advance::Page, Position::Page(page)) if !self.is_last(info, *page) => Position::Page(page + 1),
            (Advance::Offset, Position::Offset(_)) if !self.is_last(info, self.pages) => Position::Offset(self.rows),
            (Advance::Cursor(_), _) => next().map_or(Position::End, Position::Cursor),
            (Advance::NextUrl(_) | Advance::LinkHeader, _) => next().map_or(Position::End, Position::Url),
            _ => Position::End,
        }
    }

    /// What the upstream declares goes before what the definition declares, and that before the empty page.
    fn is_last(&self, info: &PageInfo, page: u64) -> bool {
        match (info.last, info.total, self.paging.size) {
            (Some(last), _, _) => page >= last || (info.rows == 0 && matches!(self.paging.advance, Advance::Offset)),
            // An empty page before the total ends the run, which then fails as incomplete.
            (None, Some(total), _) => self.rows >= total || info.rows == 0,
            (None, None, Some(size)) => info.rows < size,
            (None, None, None) => info.rows == 0,
        }
    }

    /// At the end: whether as many rows arrived as the upstream declared.
    pub(super) fn check_total(&self) -> Result<(), PageFault> {
        match self.total {
            Some(total) if total != self.rows => Err(PageFault::Incomplete { seen: self.rows, total }),
            _ => Ok(()),
        }
    }
}
