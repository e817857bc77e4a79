//! The stage between fetch and load: pages to groups of rows, on a thread of its own. Knows pages
//! and paging; what becomes of a record is in `rows`, how a page is read in `format`.

mod rows;

use std::{fs::File, path::Path, rc::Rc, sync::Arc, time::Duration};

use jaq_json::Val;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    allowance::Allowance,
    charset,
    error::{PageFault, Stop, file_fault},
    format::{self, DecodeContext},
    page::{PageInfo, Place, Position},
    pager::Pager,
    parts::Parts,
    request::Request,
    secrets::Secrets,
    shape::Shaper,
    stage::{Again, Batch, Content, Page, Read, Step, Worked},
    text::Long,
    witness::Witness,
};
use crate::{
    catalog::{Catalog, Fetch, Repeats, Valid},
    store::{Checkpoint, Group, RequestState},
};

/// What the worker of one run is given.
pub(super) struct Job {
    pub catalog: Arc<Valid<Catalog>>,
    pub shaper: Arc<Shaper>,
    pub secrets: Arc<Secrets>,
    /// What filters may take for one record.
    pub filter_time: Duration,
    /// What one filter may take in memory.
    pub filter_memory: usize,
    /// Sees what becomes of each record.
    pub witness: Option<Arc<Witness>>,
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
        let allowance = Allowance::of_thread(self.filter_time, self.filter_memory, self.cancel.clone());
        let mut worker = Worker {
            allowance: Rc::new(allowance),
            place: String::new(),
            fetch,
            shaper: Arc::clone(&self.shaper),
            secrets: self.secrets,
            pager: Pager::new(fetch, &self.start, self.pages, self.rows),
            output: self.output,
            again: self.again,
            stale: false,
            cancel: self.cancel,
            group: Group::default(),
            since: 0,
            info: PageInfo::default(),
            counted: false,
            beside: None,
            size: 0,
            file_bytes: None,
            kept: 0,
            refused: 0,
            plain: is_plain(fetch) && self.witness.is_none(),
            named: Vec::new(),
            parts: Parts::default(),
            witness: self.witness,
        };
        if self.start.position != Position::End {
            loop {
                let Some(page) = self.input.blocking_recv() else {
                    return Ok(Worked::Stopped);
                };
                match worker.page(page) {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(Stop::Gone) => {
                        worker.seen_enough();
                        return Ok(Worked::Stopped);
                    }
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

struct Worker<'c> {
    fetch: &'c Fetch,
    shaper: Arc<Shaper>,
    secrets: Arc<Secrets>,
    pager: Pager<'c>,
    output: mpsc::Sender<Batch>,
    again: Again,
    /// The unchanged page that was sent last may not vouch for its rows.
    stale: bool,
    cancel: CancellationToken,
    /// What filters may take for the record in hand.
    allowance: Rc<Allowance>,
    /// How errors name the page in hand.
    place: String,
    group: Group,
    /// Input bytes of the rows in `group`.
    since: u64,
    info: PageInfo,
    /// The records of the page in hand were counted before they came.
    counted: bool,
    /// What came with the page in hand, until it is known where to go next.
    beside: Option<Beside>,
    /// Bytes of the page in hand.
    size: u64,
    file_bytes: Option<u64>,
    /// Where rows come in parts.
    parts: Parts,
    /// Records of the run that became rows, and that did not.
    kept: u64,
    refused: u64,
    /// A record is a row, and nothing else need be asked of it; and room for its values.
    plain: bool,
    named: Vec<Option<Val>>,
    witness: Option<Arc<Witness>>,
}

/// What a page tells beside its text.
struct Beside {
    link: Option<String>,
    hash: Option<u64>,
    /// None when the page is read a second time.
    reply: Option<oneshot::Sender<Step>>,
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
            reserved: _reserved,
            reply,
        } = page;
        self.place.clone_from(&request.place);
        if let Some(witness) = &self.witness {
            witness.page(&self.place, &content);
        }
        self.pager.place.open |= open;
        self.beside = Some(Beside {
            link,
            hash,
            reply: Some(reply),
        });
        let last = self.read(content, state, before)?;
        if std::mem::take(&mut self.stale) {
            self.again(&request)?;
        }
        if let Some(witness) = &self.witness {
            witness.page_read();
        }
        Ok(last)
    }

    /// Reads a page in full that may not vouch for its rows. What it says of paging was counted and
    /// told before.
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
        self.beside = Some(Beside {
            link,
            hash,
            reply: None,
        });
        self.read(content, state, None)?;
        self.pager.place.shifted |= self.info != known;
        Ok(())
    }

    /// Reads one form of the page in hand.
    fn read(&mut self, content: Content, mut state: RequestState, before: Option<RequestState>) -> Result<bool, Stop> {
        self.info = PageInfo::default();
        self.counted = false;
        self.size = 0;
        self.allowance.begin();
        match content {
            Content::Unchanged { bytes, links } => {
                self.info = serde_json::from_str(&state.page).map_err(|_| PageFault::Internal)?;
                self.info.link_again(&self.fetch.paging, links);
                self.group.bytes += bytes;
                self.group.left_out = self.info.left_out;
                self.group.unchanged = Some(state.request.clone());
                self.step()?;
            }
            Content::Bytes(bytes) => self.decode(Long::Memory(&bytes), None)?,
            Content::Spool { spool, media } => {
                let secrets = Arc::clone(&self.secrets);
                self.decode(Long::File(spool.file(), media.as_deref()), Some(&secrets))?;
            }
            Content::File(path) => self.file(&path)?,
            // There is nothing to remember, and nobody waits to be told where to go.
            Content::Past => {
                self.beside = None;
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

    /// Reads a file where it lies; one that changes meanwhile is of no moment.
    fn file(&mut self, path: &Path) -> Result<(), Stop> {
        let place = self.place.clone();
        let fault = |error: std::io::Error| file_fault(&place, &error);
        let file = File::open(path).map_err(fault)?;
        let before = file.metadata().map_err(fault)?;
        self.file_bytes = Some(before.len());
        let media = self.fetch.charset.as_deref().map(charset::said);
        self.decode(Long::File(&file, media.as_deref()), None)?;
        let after = std::fs::metadata(path).map_err(fault)?;
        if (before.len(), before.modified().ok()) != (after.len(), after.modified().ok()) {
            return Err(Stop::Fault(PageFault::File {
                place: place.clone(),
                message: "it changed while it was read; replace it by renaming, and harvest again".to_owned(),
            }));
        }
        Ok(())
    }

    /// Has a text read by its format; `secrets` are those that it may have.
    fn decode(&mut self, text: Long<'_>, secrets: Option<&Secrets>) -> Result<(), Stop> {
        let (fetch, place, cancel) = (self.fetch, self.place.clone(), self.cancel.clone());
        let allowance = Rc::clone(&self.allowance);
        self.size = text.bytes().map_err(|error| file_fault(&place, &error))?;
        let link = self.beside.as_ref().and_then(|beside| beside.link.clone());
        self.info.link_next(&fetch.paging, link);
        let context = DecodeContext {
            fetch,
            place: &place,
            variables: &[],
            allowance: &allowance,
            cancel: &cancel,
            secrets,
        };
        format::of(fetch.format).read(text, &context, self)?;
        Ok(self.step()?)
    }

    /// Counts the page, once, and tells the fetch stage where to go on. It may have gone: then the
    /// load tells why. A page that is read a second time has only its rows counted anew.
    fn step(&mut self) -> Result<(), PageFault> {
        let Some(Beside { hash, reply, .. }) = self.beside.take() else {
            return Ok(());
        };
        let Some(reply) = reply else {
            self.pager.rows += self.info.rows;
            return Ok(());
        };
        self.pager.check_body(hash, self.info.rows, &self.place)?;
        let next = self.pager.advance(&self.info, &self.place)?.clone();
        let _ = reply.send(Step {
            next,
            known: self.pager.known(&self.info),
            probe: self.pager.probes(),
        });
        Ok(())
    }

    /// `state` is what is remembered of it from now on.
    fn finish_page(&mut self, state: Option<RequestState>) -> Result<bool, Stop> {
        let last = self.pager.place.position == Position::End;
        self.group.pages = 1;
        if self.fetch.repeats == Repeats::Merge {
            // What is kept here until the end is in no checkpoint, and no page stands for its rows
            // alone.
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

    fn send(&mut self) -> Result<(), Stop> {
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
        self.output.blocking_send(batch).map_err(|_| Stop::Gone)?;
        if let Some(vouches) = vouches {
            self.stale = !vouches.blocking_recv().map_err(|_| Stop::Gone)?;
        }
        Ok(())
    }

    /// A preview has what it wanted: rows that come in parts are shown as far as these came.
    fn seen_enough(&mut self) {
        let Some(witness) = self.witness.clone() else { return };
        // What goes wrong with one of them ends the others, and is no news.
        let _ = self.merged();
        witness.page_read();
    }

    /// What filters said after their time was over, or after a stop, means nothing.
    fn in_time(&self) -> Result<(), Stop> {
        self.allowance.in_time(&self.place)
    }
}
