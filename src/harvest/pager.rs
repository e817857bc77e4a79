//! From page to page: counts them and their rows, decides where to go next, and says at the end how
//! much was seen. Knows paging; pure, and knows no HTTP or store.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    error::PageFault,
    page::{Gap, Known, PageInfo, Place, Position, Seen},
    signs::Extent,
};
use crate::catalog::{Advance, Fetch, Method, Paging};

/// What is said of an answer whose end is only that nothing more came.
const OPEN: &str = "an answer ended with its connection, and nothing says whether that was its end, so its last lines may be missing; \
                    let the upstream send them with a `Content-Length`, in chunks, or over HTTP/2";

/// Counts pages and rows of one run and decides where to go next.
#[derive(Debug)]
pub(super) struct Pager<'f> {
    fetch: &'f Fetch,
    paging: &'f Paging,
    /// Where the run stands now, for the checkpoint.
    pub place: Place,
    pub pages: u64,
    pub rows: u64,
    body_before: Option<u64>,
    /// Hashes of the positions read; as many as pages, which `max` bounds.
    read: HashSet<u64>,
}

impl<'f> Pager<'f> {
    pub(super) fn new(fetch: &'f Fetch, place: &Place, pages: u64, rows: u64) -> Pager<'f> {
        Pager {
            fetch,
            paging: &fetch.paging,
            place: place.clone(),
            pages,
            rows,
            body_before: None,
            read: HashSet::new(),
        }
    }

    /// Refuses the page before again: an upstream that ignores the paging parameter gives the first
    /// page for ever.
    pub(super) fn check_body(&mut self, hash: Option<u64>, rows: u64, place: &str) -> Result<(), PageFault> {
        // Two empty pages in a row may well be the same bytes.
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
        // Before the position moves on: both speak of the page that was read.
        self.compare(info);
        self.measure(info);
        // Only those of the last page count: the others were followed by what they show.
        self.place.signs.clone_from(&info.signs);
        self.place.here = info.rows;
        self.place.position = self.following(info);
        if self.place.position == Position::End {
            return Ok(&self.place.position);
        }
        if self.pages >= self.paging.max {
            // By the definition's own size, the pages end here.
            if self.probes() {
                self.place.position = Position::End;
                return Ok(&self.place.position);
            }
            // An error and no end: a run that stopped here as complete would delete all that comes
            // after.
            return Err(PageFault::TooManyPages {
                place: place.to_owned(),
                max: self.paging.max,
            });
        }
        // A position that came before would lead round and round until `max` ends it, each time
        // with the same rows.
        let text = format!("{:?}", self.place.position);
        if !self.read.insert(xxh3_64(text.as_bytes())) {
            return Err(PageFault::RepeatedNext {
                place: place.to_owned(),
            });
        }
        Ok(&self.place.position)
    }

    /// Takes back the rows of a page that is read a second time.
    pub(super) fn take_back(&mut self, info: &PageInfo) {
        // Counted twice, they would make a run look whole that lacks as many.
        self.rows = self.rows.saturating_sub(info.rows);
        self.place.nameless = self.place.nameless.saturating_sub(info.nameless);
    }

    /// Notes what the page declares; pages that declare different things are of different states of
    /// the upstream.
    fn compare(&mut self, info: &PageInfo) {
        let place = &mut self.place;
        for (known, said) in [(&mut place.total, info.total), (&mut place.last, info.last)] {
            if said.is_some() {
                // Not a fault by itself: rows come and go while pages are read. But no exact number
                // can be asked for any more.
                place.shifted |= known.is_some() && *known != said;
                *known = said;
            }
        }
        // The greatest, because a last page that went down since was there when this run began.
        place.furthest = place.furthest.max(info.last.unwrap_or(0));
        place.least = place.least.into_iter().chain(info.total).min();
    }

    /// The upstream says that there is no such page: those before it were all.
    pub(super) fn past_the_end(&mut self) -> &Position {
        self.pages += 1;
        // As an empty page: in the middle of the declared ones it is a gap like any other.
        self.measure(&PageInfo::default());
        self.place.here = 0;
        self.place.position = Position::End;
        &self.place.position
    }

    /// Whether the next page is only asked for because the first one had fewer rows than a full
    /// page should have.
    pub(super) fn probes(&self) -> bool {
        self.pages == 1 && self.place.size.is_some() && self.place.last.is_none() && self.place.total.is_none()
    }

    /// Compares a page's rows with what was expected of it.
    fn measure(&mut self, info: &PageInfo) {
        let place = &mut self.place;
        place.largest = place.largest.max(info.rows);
        match (self.paging.size, place.size) {
            // Only the first page can tell that the upstream gives fewer at once than was asked
            // for; a later one that is shorter is the last.
            (Some(size), None) if self.pages == 1 && (1..size).contains(&info.rows) => place.size = Some(info.rows),
            (_, Some(known)) if info.rows > 0 => (place.size, place.capped) = (Some(known.max(info.rows)), true),
            _ => {}
        }
        // Offsets have no gaps: the next one begins where the rows of this one end.
        let Position::Page(page) = place.position else { return };
        let inside = page < place.furthest || (place.furthest > 0 && page > 1 && info.rows == 0);
        if inside && place.gap.is_none_or(|gap| info.rows < gap.rows) {
            place.gap = Some(Gap { page, rows: info.rows });
        }
    }

    fn following(&self, info: &PageInfo) -> Position {
        let next = || info.next.clone();
        match (&self.paging.advance, &self.place.position) {
            (Advance::Page, Position::Page(page)) if !self.is_last(info, *page) => Position::Page(page + 1),
            // By the rows that came, refused ones included: an upstream may give fewer than were
            // asked for, and by any other step rows would be left out.
            (Advance::Offset, Position::Offset(_)) if !self.is_last(info, self.pages) => Position::Offset(self.rows),
            // Where a page says what comes next, its silence is the end, however many rows it has.
            (Advance::Cursor(_), _) => next().map_or(Position::End, Position::Cursor),
            (Advance::NextUrl(_) | Advance::LinkHeader, _) => next().map_or(Position::End, Position::Url),
            _ => Position::End,
        }
    }

    /// The positions after the current one, once `info` is counted: as many as the upstream
    /// declares, and as may be read.
    pub(super) fn known(&self, info: &PageInfo) -> Option<Known> {
        // Never more than may be read: the others would be asked for and thrown away.
        let more = self.paging.max.checked_sub(self.pages + 1)?;
        let left = info.total.map(|total| total.saturating_sub(self.rows));
        match self.place.position {
            Position::Page(next) => {
                // A page without rows says nothing of how many there are on each.
                let pages = left.and_then(|left| left.checked_add(info.rows.checked_sub(1)?)?.checked_div(info.rows));
                let by_total = pages.map(|pages| next.saturating_add(pages).saturating_sub(1));
                // What the upstream says itself goes before what we work out.
                let last = info.last.or(by_total)?;
                Some(Known {
                    step: 1,
                    last: last.min(next.saturating_add(more)),
                })
            }
            // By the rows of the page just read; should another one have fewer, the worker says so
            // and the guesses are given up.
            Position::Offset(next) if info.rows > 0 => Some(Known {
                step: info.rows,
                last: (next + left?.checked_sub(1)?).min(next.saturating_add(more.saturating_mul(info.rows))),
            }),
            _ => None,
        }
    }

    /// What the upstream declares goes before what the definition declares, and that before the
    /// empty page.
    fn is_last(&self, info: &PageInfo, page: u64) -> bool {
        match (info.last, info.total, self.paging.size) {
            (Some(last), _, _) => page >= last || (info.rows == 0 && matches!(self.paging.advance, Advance::Offset)),
            // An empty page before the total ends the run, which then fails as incomplete.
            (None, Some(total), _) => self.rows >= total || info.rows == 0,
            // A first page that is shorter may hold as many as the upstream gives at once: the next
            // one tells.
            (None, None, Some(size)) => info.rows < self.place.size.unwrap_or(size),
            (None, None, None) => info.rows == 0,
        }
    }

    /// At the end: how much of the upstream was seen, as far as it can be told.
    pub(super) fn seen(&self) -> Seen {
        let place = &self.place;
        // Who counts the rows and finds as many as there are need not ask where they came from.
        let counted = place.total == Some(self.rows) && !place.shifted;
        Seen {
            gap: self.gap().filter(|_| !counted),
            more: self.more().or_else(|| self.open()).filter(|_| !counted),
            notes: self.capped().into_iter().collect(),
        }
    }

    fn open(&self) -> Option<String> {
        self.place.open.then(|| OPEN.to_owned())
    }

    /// What the last page shows that was not followed.
    fn more(&self) -> Option<String> {
        let fetch = self.fetch;
        // Files are what somebody put there, whatever an upstream once said in them.
        if fetch.method == Method::File {
            return None;
        }
        // With a filter that leaves some out, or a total that is checked, the number of rows says
        // nothing.
        let known = !fetch.hides && self.paging.total.is_none();
        self.place.signs.doubt(&Extent {
            pages: self.pages,
            rows: known.then_some(self.rows),
            here: self.place.here,
            links: matches!(self.paging.advance, Advance::LinkHeader),
            counted: matches!(self.paging.advance, Advance::Page | Advance::Offset),
            path: fetch.path.text(),
        })
    }

    /// `page 7 of 20 was empty, so rows may be missing`.
    fn gap(&self) -> Option<String> {
        let Gap { page, rows } = self.place.gap?;
        let (last, largest) = (self.place.furthest, self.place.largest);
        let had = match rows {
            0 => "was empty".to_owned(),
            // Where the filter leaves rows out, pages differ by right.
            _ if rows < largest && !self.fetch.hides => format!("had {rows} rows where others had {largest}"),
            _ => return None,
        };
        Some(format!("page {page} of {last} {had}, so rows may be missing"))
    }

    fn capped(&self) -> Option<String> {
        let (declared, size) = (self.paging.size?, self.place.size.filter(|_| self.place.capped)?);
        Some(match size < declared {
            true => {
                format!("pages have {size} rows, not {declared}, which `size` says: the upstream gives no more at once")
            }
            false => format!("the first page had fewer than {declared} rows, which `size` says, but was not the last"),
        })
    }

    /// At the end: whether as many rows arrived as the upstream declared. Where the declarations
    /// differ, fewer than the least of them are too few, and no number is exact.
    pub(super) fn check_total(&self) -> Result<(), PageFault> {
        let (seen, shifted) = (self.rows, self.place.shifted);
        match (self.place.least, self.place.total) {
            (Some(least), _) if shifted && seen < least => Err(PageFault::Incomplete { seen, total: least }),
            (_, Some(total)) if !shifted && seen != total => Err(PageFault::Incomplete { seen, total }),
            _ => Ok(()),
        }
    }
}
