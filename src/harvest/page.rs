//! What a page says of the others, and where a run stands among them. Knows paging; pure, and knows
//! no HTTP or store. Where to go next is decided in `pager`.

use jaq_json::Val;

use super::{error::PageFault, fetch::Links, signs::Signs};
use crate::{
    catalog::{Advance, Paging, jq::Filter},
    value::describe,
};

/// Which request comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Position {
    #[default]
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
            // Empty, and not left out: a path names the cursor, and upstreams take an empty one for
            // the first page.
            Advance::Cursor(_) => Position::Cursor(String::new()),
        }
    }
}

/// Positions that are known before their pages are read: one in each `step`, up to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub step: u64,
    pub last: u64,
}

impl Known {
    /// The position that follows another one.
    pub(super) fn after(&self, position: &Position) -> Option<Position> {
        // Checked: what an upstream declares may be any number.
        let following = |at: u64| at.checked_add(self.step).filter(|next| *next <= self.last);
        match position {
            Position::Page(page) => following(*page).map(Position::Page),
            Position::Offset(offset) => following(*offset).map(Position::Offset),
            _ => None,
        }
    }
}

/// What a page says; kept with the request, so that an unchanged page says it again.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct PageInfo {
    /// Records: all that the upstream sent, refused ones and those that are not kept included.
    pub rows: u64,
    /// Those among them that `keep` left out.
    pub left_out: u64,
    /// Records that were refused without a key that could be read.
    pub nameless: u64,
    pub last: Option<u64>,
    pub total: Option<u64>,
    /// The cursor or URL of the next page.
    pub next: Option<String>,
    /// What it shows of further pages beside that.
    #[serde(skip_serializing_if = "Signs::is_none")]
    pub signs: Signs,
}

/// Where a run stands; the store keeps it as `Checkpoint::next`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Place {
    pub position: Position,
    pub nameless: u64,
    pub total: Option<u64>,
    /// The least total that a page declared.
    pub least: Option<u64>,
    pub last: Option<u64>,
    /// The greatest last page that a page declared.
    pub furthest: u64,
    /// Pages contradicted each other: the upstream changed while it was read.
    pub shifted: bool,
    /// A page ended with its connection, and nothing said that this was its end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// Rows of a full page, where the first one had fewer than the definition says.
    pub size: Option<u64>,
    /// A page after such a first one had rows.
    pub capped: bool,
    /// Rows of the largest page.
    pub largest: u64,
    /// The smallest page before the declared last one, or an empty one in its place.
    pub gap: Option<Gap>,
    /// What the last page with an answer shows, and the rows of the page at which the run stands.
    #[serde(skip_serializing_if = "Signs::is_none")]
    pub signs: Signs,
    pub here: u64,
}

/// A page and its rows.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Gap {
    pub page: u64,
    pub rows: u64,
}

/// What the pages of a run that came to its end say of how much was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Pages before the last one that lack rows.
    pub gap: Option<String>,
    /// The pages may not have ended where the run did.
    pub more: Option<String>,
    pub notes: Vec<String>,
}

impl Place {
    /// Before the first request of a run.
    pub(super) fn first(advance: &Advance) -> Place {
        Place {
            position: Position::first(advance),
            ..Place::default()
        }
    }
}

impl PageInfo {
    /// Reads what the page's JSON says of paging; `link` is its `Link` header's `rel="next"`.
    pub(super) fn read(paging: &Paging, page: &Val, link: Option<String>, place: &str) -> Result<PageInfo, PageFault> {
        let number = |filter: &Option<Filter>, argument| match filter {
            Some(filter) => number(filter, page, argument, place),
            None => Ok(None),
        };
        let next = match &paging.advance {
            Advance::Cursor(filter) | Advance::NextUrl(filter) => text(filter, page, "next", place)?,
            Advance::Single | Advance::Page | Advance::Offset | Advance::LinkHeader => None,
        };
        let mut info = PageInfo {
            last: number(&paging.last, "last")?,
            total: number(&paging.total, "total")?,
            next,
            ..PageInfo::default()
        };
        info.link_next(paging, link);
        Ok(info)
    }

    /// Notes the records of a page; `alone` is the record, where there is one only.
    pub(super) fn count(&mut self, page: &Val, rows: u64, alone: Option<&Val>) {
        self.rows = rows;
        // What the header said was noted before; the rest is read anew from the page.
        let header = self.signs.header;
        self.signs = Signs::read(page, rows, alone);
        self.signs.header = header;
    }
}

impl PageInfo {
    /// What the `Link` header says: all that a page can say that has nothing around its records.
    pub(super) fn link_next(&mut self, paging: &Paging, link: Option<String>) {
        // Also where the pages go on by something else: a link that is not followed is a sign of
        // more.
        self.signs.header = link.is_some();
        if matches!(paging.advance, Advance::LinkHeader) {
            self.next = link;
        }
    }

    /// Where an unchanged page leads to by the headers that came with it now.
    pub(super) fn link_again(&mut self, paging: &Paging, links: Links) {
        if let Links::Next(next) = links {
            self.link_next(paging, next);
        }
    }

    /// Where an unchanged page leads to by what is remembered of it alone.
    pub(super) fn remembered(&self, paging: &Paging, links: &Links) -> Option<Position> {
        let next = self.next.clone()?;
        match paging.advance {
            Advance::Cursor(_) => Some(Position::Cursor(next)),
            Advance::NextUrl(_) => Some(Position::Url(next)),
            // An answer that speaks of links says all there is; only a silent one leaves it to what
            // is known.
            Advance::LinkHeader if *links == Links::Silent => Some(Position::Url(next)),
            _ => None,
        }
    }

    /// Whether a page without a link to the next one ended the pages: a 304 need not say that there
    /// is one by now.
    pub(super) fn ends_links(&self, paging: &Paging) -> bool {
        matches!(paging.advance, Advance::LinkHeader) && self.next.is_none()
    }
}

fn single(filter: &Filter, page: &Val, argument: &'static str, place: &str) -> Result<Val, PageFault> {
    let fault = |message: String| PageFault::Paging {
        place: place.to_owned(),
        argument,
        message,
    };
    // One value or none: of several nobody could say which one leads on.
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
        // Many upstreams write counts as texts.
        Val::TStr(text) => std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    // A page that does not say it would end the paging early or skip the check of the total.
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
        // False is how some say that there is no next page.
        Val::Null | Val::Bool(false) => Ok(None),
        // Followed, it would lead to the first page again.
        Val::TStr(text) if text.is_empty() => Ok(None),
        Val::TStr(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        // As it is written: the cursor may be a number with more digits than ours have.
        number @ Val::Num(_) => Ok(Some(number.to_string())),
        other => Err(PageFault::Paging {
            place: place.to_owned(),
            argument,
            message: format!("jq `{}`: expected a text, found {}", filter.text(), describe(&other)),
        }),
    }
}
