//! The stage between fetch and load: parse, select, shape, on a thread of its own. Knows pages and rows; knows no HTTP or store.

mod long;

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jaq_json::Val;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    document::parse,
    error::{PageFault, no_record, rows_fault, spoiled_page},
    limits::LONG_FROM,
    lines::Lines,
    page::{PageInfo, Pager, Place, Position},
    records::Parts,
    request::Request,
    secrets::Secrets,
    select::{broken_for, keeps, spoiled},
    shape::Shaper,
    stage::{Again, Batch, Content, Page, Read, Step, Worked},
    text::Long,
    turn::Turn,
};
use crate::{
    catalog::{
        Catalog, Fetch, Format, Repeats, Valid,
        jq::{Budget, Items},
    },
    store::{Checkpoint, Group, RequestState},
    value::{Row, describe},
};

use long::Beside;

/// Why a page was left in the middle.
pub(super) enum Stop {
    Fault(PageFault),
    /// The load has gone, or the run is cancelled.
    Gone,
}

impl From<PageFault> for Stop {
    fn from(fault: PageFault) -> Stop {
        Stop::Fault(fault)
    }
}

/// What the worker of one run is given.
pub(super) struct Job {
    pub catalog: Arc<Valid<Catalog>>,
    pub shaper: Arc<Shaper>,
    pub secrets: Arc<Secrets>,
    /// What filters may take for one record.
    pub filter_time: Duration,
    /// What one filter may take in memory.
    pub filter_memory: usize,
    pub fetch: usize,
    pub start: Place,
    pub pages: u64,
    pub rows: u64,
    pub input: mpsc::Receiver<Page>,
    pub output: mpsc::Sender<Batch>,
    pub again: Again,
    pub cancel: CancellationToken,
}

impl Job {
    /// Works until the last page, a fault or a stop. Blocks: for a thread of its own.
    pub(super) fn work(mut self) -> Result<Worked, PageFault> {
        let catalog = Arc::clone(&self.catalog);
        let Some(fetch) = catalog.fetches.get(self.fetch) else {
            return Err(PageFault::Internal);
        };
        let cancelled = self.cancel.clone();
        let mut worker = Worker {
            budget: Budget::of_thread(move || cancelled.is_cancelled()).with_memory(self.filter_memory),
            place: String::new(),
            fetch,
            shaper: Arc::clone(&self.shaper),
            secrets: self.secrets,
            filter_time: self.filter_time,
            on_disk: false,
            pager: Pager::new(fetch, &self.start, self.pages, self.rows),
            output: self.output,
            again: self.again,
            stale: false,
            cancel: self.cancel,
            group: Group::default(),
            since: 0,
            info: PageInfo::default(),
            at: 0,
            size: 0,
            file_bytes: None,
            kept: 0,
            refused: 0,
            plain: is_plain(fetch),
            items: fetch.items(),
            named: Vec::new(),
            parts: Parts::default(),
        };
        if self.start.position != Position::End {
            loop {
                let Some(page) = self.input.blocking_recv() else {
                    return Ok(Worked::Stopped);
                };
                match worker.page(page) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(Stop::Gone) => return Ok(Worked::Stopped),
                    Err(Stop::Fault(fault)) => return Err(fault),
                }
            }
        }
        worker.pager.check_total()?;
        Ok(Worked::Whole(Read {
            nameless: worker.pager.place.nameless,
            shifted: worker.pager.place.shifted,
            contradicted: worker.pager.place.shifted,
            copies: 0,
            seen: worker.pager.seen(),
        }))
    }
}

pub(super) struct Worker<'c> {
    pub fetch: &'c Fetch,
    /// The list whose items are read one by one.
    pub items: Option<&'c Items>,
    pub shaper: Arc<Shaper>,
    secrets: Arc<Secrets>,
    pub filter_time: Duration,
    /// The page in hand lies as it came.
    on_disk: bool,
    pager: Pager<'c>,
    output: mpsc::Sender<Batch>,
    again: Again,
    /// The unchanged page that was sent last may not vouch for its rows.
    stale: bool,
    pub cancel: CancellationToken,
    /// The time of the filters for the record in hand.
    pub budget: Budget,
    /// How errors name the page in hand.
    pub place: String,
    pub group: Group,
    /// Input bytes of the rows in `group`.
    pub since: u64,
    pub info: PageInfo,
    /// The number of the record in hand on its page, or of its line.
    pub at: u64,
    /// Bytes of the page in hand.
    pub size: u64,
    pub file_bytes: Option<u64>,
    /// Where rows come in parts.
    pub parts: Parts,
    /// Records of the run that became rows, and that did not.
    pub kept: u64,
    pub refused: u64,
    /// A record is a row, and nothing else need be asked of it; and room for its values.
    plain: bool,
    named: Vec<Option<Val>>,
}

/// The records of a page, and the only one.
type Counted = Result<(u64, Option<Val>), Uncounted>;

/// Why they cannot be had.
struct Uncounted {
    fault: PageFault,
    /// It takes too much memory: what is made of one item may, and then it alone is at fault.
    too_much: bool,
}

/// Whether records go through no filter on their way to rows, but for those of single fields.
fn is_plain(fetch: &Fetch) -> bool {
    fetch.keep.is_empty() && fetch.repeats != Repeats::Merge
}

impl Worker<'_> {
    /// Works one page off; true after the last.
    fn page(&mut self, page: Page) -> Result<bool, Stop> {
        let Page {
            content,
            request,
            state,
            hash,
            link,
            open,
            before,
            held: _held,
            reply,
        } = page;
        self.place.clone_from(&request.place);
        self.pager.place.open |= open;
        let last = self.read(content, state, before, (hash, link), Some(reply))?;
        if std::mem::take(&mut self.stale) {
            self.again(&request)?;
        }
        Ok(last)
    }

    /// Reads a page in full that may not vouch for its rows. What it says of paging was counted and told before.
    fn again(&mut self, request: &Request) -> Result<(), Stop> {
        let known = std::mem::take(&mut self.info);
        let page = (self.again)(request);
        if self.cancel.is_cancelled() {
            return Err(Stop::Gone);
        }
        let Page {
            content,
            state,
            hash,
            link,
            open,
            ..
        } = page?;
        self.pager.place.open |= open;
        self.pager.take_back(&known);
        self.read(content, state, None, (hash, link), None)?;
        self.pager.place.shifted |= self.info != known;
        Ok(())
    }

    /// Reads one form of the page in hand. Without a reply it is read a second time.
    fn read(
        &mut self,
        content: Content,
        mut state: RequestState,
        before: Option<RequestState>,
        (hash, link): (Option<u64>, Option<String>),
        reply: Option<oneshot::Sender<Step>>,
    ) -> Result<bool, Stop> {
        let place = self.place.clone();
        self.info = PageInfo::default();
        self.at = 0;
        self.on_disk = matches!(content, Content::Spool { .. });
        self.size = 0;
        self.budget.allow(self.filter_time);
        match content {
            Content::Unchanged { bytes, links } => {
                self.info = serde_json::from_str(&state.page).map_err(|_| PageFault::Internal)?;
                self.info.link_again(&self.fetch.paging, links);
                self.group.bytes += bytes;
                self.group.left_out = self.info.left_out;
                self.group.unchanged = Some(state.request.clone());
                self.step(hash, &place, reply)?;
            }
            Content::Bytes(bytes) if self.fetch.format == Format::Json => {
                self.json(&bytes, Beside { link, hash, reply }, &place)?;
            }
            Content::Bytes(bytes) => {
                self.size = bytes.len() as u64;
                self.group.bytes += self.size;
                self.info.link_next(&self.fetch.paging, link);
                let mut lines = Lines::default();
                self.lines(&mut lines, bytes, &place)?;
                self.last_line(lines, &place)?;
                self.step(hash, &place, reply)?;
            }
            Content::Spool { spool, media } => {
                let text = Long::File(spool.file(), media.as_deref());
                if self.fetch.format == Format::Json {
                    self.long(text, Beside { link, hash, reply }, &place)?;
                } else {
                    self.info.link_next(&self.fetch.paging, link);
                    self.lines_of(text, &place)?;
                    self.step(hash, &place, reply)?;
                }
            }
            Content::File(path) => {
                let beside = Beside { link, hash, reply };
                self.file(&path, &place, |worker, file| {
                    worker.long(Long::File(file, None), beside, &place)
                })?;
            }
            Content::Lines(path) => {
                self.file(&path, &place, |worker, file| {
                    worker.lines_of(Long::File(file, None), &place)
                })?;
                self.step(hash, &place, reply)?;
            }
            // There is nothing to remember, and nobody waits to be told where to go.
            Content::Past => {
                self.pager.past_the_end();
                return self.finish_page(None);
            }
        }
        self.pager.place.nameless += self.info.nameless;
        state.rows = self.info.rows;
        state.page = serde_json::to_string(&self.info).map_err(|_| PageFault::Internal)?;
        if self.info.ends_links(&self.fetch.paging) {
            (state.etag, state.last_modified) = (None, None);
        }
        // What is remembered already need not be written again.
        self.finish_page(Some(state).filter(|state| before.as_ref() != Some(state)))
    }

    /// Counts the page and tells the fetch stage where to go on. It may have gone: then the load tells why. A page that is
    /// read a second time has only its rows counted anew.
    fn step(&mut self, hash: Option<u64>, place: &str, reply: Option<oneshot::Sender<Step>>) -> Result<(), PageFault> {
        let Some(reply) = reply else {
            self.pager.rows += self.info.rows;
            return Ok(());
        };
        self.pager.check_body(hash, self.info.rows, place)?;
        let next = self.pager.advance(&self.info, place)?.clone();
        let _ = reply.send(Step {
            next,
            known: self.pager.known(&self.info),
            probe: self.pager.probes(),
        });
        Ok(())
    }

    fn json(&mut self, bytes: &Bytes, beside: Beside, place: &str) -> Result<(), Stop> {
        if bytes.len() >= LONG_FROM && self.items.is_some() {
            return self.long(Long::Memory(bytes), beside, place);
        }
        let cancel = self.cancel.clone();
        let _turn = Turn::of(bytes.len(), || cancel.is_cancelled()).ok_or(Stop::Gone)?;
        let page = parse(bytes, place)?;
        // What is made of one item must not cost the others.
        let each = self.items.is_some_and(|items| items.each.is_some());
        if each && broken_for(&self.fetch.rows, &page).is_some() {
            return self.long(Long::Memory(bytes), beside, place);
        }
        let counted = self.count(&page, place);
        if each && counted.as_ref().is_err_and(|uncounted| uncounted.too_much) {
            return self.long(Long::Memory(bytes), beside, place);
        }
        self.whole((&page, counted), bytes.len() as u64, beside, place)
    }

    /// The row of a record's text that is nothing but its members.
    pub(super) fn plain(&mut self, text: &Bytes) -> Option<Row> {
        let entity = self.fetch.entity;
        self.plain.then(|| self.shaper.plain(entity, text, &mut self.named))?
    }

    /// A part of the page in hand without the credentials that it repeats.
    pub(super) fn covered(&self, part: Bytes) -> Bytes {
        match self.on_disk {
            true => self.secrets.cover(part),
            false => part,
        }
    }

    /// The next page's address is asked with what was covered in it.
    fn reveal(&mut self) {
        self.info.next = self.info.next.take().map(|next| self.secrets.reveal(&next));
    }

    /// Works off a page that is in memory as a whole.
    fn whole(&mut self, (page, counted): (&Val, Counted), bytes: u64, beside: Beside, place: &str) -> Result<(), Stop> {
        self.size = bytes;
        if let Some(words) = spoiled(&self.fetch.rows, page) {
            return Err(Stop::Fault(spoiled_page(place, self.fetch.rows.text(), words)));
        }
        self.group.bytes += bytes;
        let info = PageInfo::read(&self.fetch.paging, page, beside.link, place);
        self.in_time()?;
        let (rows, alone) = counted.map_err(|uncounted| uncounted.fault)?;
        self.info = info?;
        self.reveal();
        self.info.count(page, rows, alone.as_ref());
        self.step(beside.hash, place, beside.reply)?;
        let share = bytes / self.info.rows.max(1);
        let fetch = self.fetch;
        let mut stop = None;
        let each = &mut |record: &Val| {
            self.at += 1;
            match self.record(record, share) {
                Ok(()) => ControlFlow::Continue(()),
                Err(gone) => {
                    stop = Some(gone);
                    ControlFlow::Break(())
                }
            }
        };
        let rows = fetch.rows.run_each(page, &[], each);
        if stop.is_none() {
            self.in_time()?;
        }
        rows.map_err(|error| rows_fault(place, error.message))?;
        stop.map_or(Ok(()), Err)
    }

    /// The records of a page, and the only one, before any is shaped: the fetch stage need not wait for the shaping.
    fn count(&self, page: &Val, place: &str) -> Counted {
        self.budget.allow(self.filter_time);
        let (mut count, mut alone, mut wrong) = (0, None, None);
        let each = &mut |record: &Val| {
            count += 1;
            self.budget.allow(self.filter_time);
            alone = (count == 1).then(|| record.clone());
            wrong = self.check_record(record, place).err();
            match wrong {
                Some(_) => ControlFlow::Break(()),
                None => ControlFlow::Continue(()),
            }
        };
        let ran = self.fetch.rows.run_each(page, &[], each);
        ran.map_err(|error| Uncounted {
            too_much: error.too_much,
            fault: rows_fault(place, format!("rows: {}", error.message)),
        })?;
        let uncounted = |fault| Uncounted { fault, too_much: false };
        wrong.map_or(Ok((count, alone)), |fault| Err(uncounted(fault)))
    }

    /// Refuses what is no record of anything: then `rows` is wrong, and not this page's data.
    fn check_record(&self, record: &Val, place: &str) -> Result<(), PageFault> {
        let odd = matches!(record, Val::Arr(_) | Val::Null) && self.shaper.needs_object(self.fetch.entity);
        match odd && keeps(&self.fetch.keep, record, &[]) == Ok(true) {
            true => Err(no_record(place, self.fetch.rows.text(), &describe(record))),
            false => Ok(()),
        }
    }

    /// `state` is what is remembered of it from now on.
    fn finish_page(&mut self, state: Option<RequestState>) -> Result<bool, Stop> {
        let last = self.pager.place.position == Position::End;
        self.group.pages = 1;
        if self.fetch.repeats == Repeats::Merge {
            // What is kept here until the end is in no checkpoint, and no page stands for its rows alone.
            if last {
                let before = self.info.nameless;
                self.merged()?;
                self.pager.place.nameless += self.info.nameless - before;
            }
            self.send()?;
            return Ok(last);
        }
        self.group.request = state;
        self.group.checkpoint = Some(Checkpoint {
            next: serde_json::to_string(&self.pager.place).map_err(|_| PageFault::Internal)?,
            pages: self.pager.pages,
            rows: self.pager.rows,
        });
        self.send()?;
        Ok(last)
    }

    pub(super) fn send(&mut self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Gone);
        }
        let part = std::mem::take(&mut self.since);
        let (asks, vouches) = match self.group.unchanged {
            Some(_) => Some(oneshot::channel()).unzip(),
            None => (None, None),
        };
        self.group.once = self.fetch.repeats == Repeats::Fail;
        self.secrets.mask_group(&mut self.group);
        let batch = Batch {
            group: std::mem::take(&mut self.group),
            pages_total: self.info.last,
            rows_total: self.pager.place.total.or(self.info.total),
            bytes_total: self.file_bytes,
            part,
            page: self.size,
            vouches: asks,
        };
        let before = Instant::now();
        let sent = self.output.blocking_send(batch).map_err(|_| Stop::Gone);
        self.budget.extend(before.elapsed());
        sent?;
        if let Some(vouches) = vouches {
            self.stale = !vouches.blocking_recv().map_err(|_| Stop::Gone)?;
        }
        Ok(())
    }

    /// What filters said after their time was over, or after a stop, means nothing.
    pub(super) fn in_time(&self) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Gone);
        }
        match self.budget.is_spent() {
            true => Err(Stop::Fault(PageFault::SlowFilter {
                place: self.place.clone(),
                most: self.filter_time,
            })),
            false => Ok(()),
        }
    }
}
