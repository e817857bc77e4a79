//! The fetch stage of a run: which pages are asked for, and when. Knows positions, places and room;
//! how a page is got stands in `get`, what it says in `page`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    buffer::Part,
    error::PageFault,
    get::{page_of, page_past},
    inner::Inner,
    limits::ASIDE_FROM,
    page::{Known, PageInfo, Position},
    past::{beyond, is_past},
    request::Maker,
    stage::{Again, Content, Page, Step},
};
use crate::{
    catalog::FetchId,
    store::{RequestState, Run},
};

/// The fetch stage of one run.
#[derive(Clone)]
pub(super) struct Fetching {
    pub inner: Arc<Inner>,
    pub id: FetchId,
    pub run: Run,
}

/// A page and where the worker says how to go on.
type Arrived = (Page, oneshot::Receiver<Step>);
type Got = Result<Arrived, PageFault>;

impl Fetching {
    /// Fetches page after page and hands them to the worker in order; where their addresses are
    /// known, as many at once as the source allows.
    pub(super) async fn all(&self, start: Position, pages: mpsc::Sender<Page>) -> Result<(), PageFault> {
        // The run was interrupted after its last page: only its end is left to do.
        if start == Position::End {
            return Ok(());
        }
        let mut ahead = Ahead::new(self, start);
        let mut noted = false;
        for count in 1.. {
            let (position, got) = ahead.first().await;
            let (page, reply) = ahead.proven(position, got?).await;
            // Noted before the worker has it: the note is for when the process does not live to say
            // anything.
            let large = page.content.bytes() >= ASIDE_FROM;
            if large || noted {
                self.note(large.then_some(page.request.place.as_str())).await;
                // A small page takes the note away, or its own end would be laid to the large one.
                noted = large;
            }
            let step = ahead.beside(async {
                // A worker that is gone says itself why.
                pages.send(page).await.ok()?;
                reply.await.ok()
            });
            match step.await {
                None => return Ok(()),
                Some(step) if step.next == Position::End => return Ok(()),
                Some(_) if !self.wants_more(count, &pages).await => return Ok(()),
                Some(step) => ahead.go_on(step)?,
            }
        }
        Ok(())
    }

    /// Whether there is to be another page after so many. Who only looks does not ask for one
    /// before the last one is read.
    async fn wants_more(&self, count: u64, pages: &mpsc::Sender<Page>) -> bool {
        let Some(witness) = &self.inner.witness else {
            return true;
        };
        tokio::select! {
            wants = witness.wants_after(count) => wants,
            // A worker that is gone says itself why.
            () = pages.closed() => false,
        }
    }

    /// Tells the ledger which large page is taken in hand: one that ends the process is not taken
    /// again at once.
    async fn note(&self, place: Option<&str>) {
        if let Err(error) = self.inner.ledger.working(&self.run, place).await {
            tracing::debug!(%error, "the page in hand cannot be noted");
        }
    }

    /// Gets the page at a position.
    async fn one(&self, position: Position, ask: Ask) -> Got {
        let fetch = self.inner.catalog.fetch(self.id);
        let source = self
            .inner
            .sources
            .get(fetch.source.index())
            .ok_or(PageFault::Internal)?;
        let maker = Maker {
            fetch,
            base: &source.base,
            headers: &source.headers,
            who: source.who,
            shown: &source.shown,
            secrets: &source.secrets,
            environment: &self.inner.environment,
            this: None,
        };
        let request = maker.request(&position)?;
        let before = self
            .inner
            .ledger
            // Before the page is asked for: its validators are part of the request.
            .request_state(&self.run.fetch, &request.identity)
            .await;
        let before = before.unwrap_or_else(|error| {
            tracing::warn!(%error, "what is remembered of a request cannot be read; it is made without");
            None
        });
        let before = before.map(|before| self.asked_with(source.secrets.recall(before), ask));
        match page_of(fetch, source, &request, before, Some(&self.inner.spools)).await {
            // An end, and no failure: else a run of pages without a declared last one could never
            // be complete.
            Err(PageFault::Status { status, .. }) if is_past(fetch, &position, status, ask == Ask::Probe) => {
                Ok(page_past(&request))
            }
            Err(fault) => Err(beyond(&position, fault)),
            got => got,
        }
    }

    /// How the worker gets a page in full whose unchanged form may not vouch for its rows.
    pub(super) fn again(self, stop: CancellationToken) -> Again {
        let runtime = tokio::runtime::Handle::current();
        Box::new(move |request| {
            let whole = async {
                let fetch = self.inner.catalog.fetch(self.id);
                let source = self.inner.sources.get(fetch.source.index());
                page_of(
                    fetch,
                    source.ok_or(PageFault::Internal)?,
                    request,
                    None,
                    Some(&self.inner.spools),
                )
                .await
            };
            // The worker's thread has no runtime of its own, and waits for this page in any case.
            runtime.block_on(async {
                tokio::select! {
                    page = whole => page.map(|(page, _)| page),
                    // The worker sees the stop by itself.
                    () = stop.cancelled() => Err(PageFault::Internal),
                }
            })
        })
    }
}

impl Fetching {
    /// What is remembered of a page, with the validators by which it may be asked for.
    fn asked_with(&self, mut before: RequestState, ask: Ask) -> RequestState {
        let paging = &self.inner.catalog.fetch(self.id).paging;
        // Where an answer 304 does not repeat the links, the pages would end where they once did.
        let ends = || known_of(&before).is_some_and(|info| info.ends_links(paging));
        if ask == Ask::Anew || ends() {
            (before.etag, before.last_modified) = (None, None);
        }
        before
    }

    /// Where a page leads to by what is remembered of it, when the answer at hand does not say.
    fn remembered(&self, page: &Page) -> Option<Position> {
        // With a body at hand the page itself says where it leads.
        let Content::Unchanged { bytes: 0, links } = &page.content else {
            return None;
        };
        let paging = &self.inner.catalog.fetch(self.id).paging;
        known_of(&page.state)?.remembered(paging, links)
    }
}

fn known_of(state: &RequestState) -> Option<PageInfo> {
    serde_json::from_str(&state.page).ok()
}

/// How a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Usual,
    /// It need not be there.
    Probe,
    /// Without what would save the body.
    Anew,
}

/// Pages that were asked for and that the worker does not have yet.
struct Ahead<'f> {
    fetching: &'f Fetching,
    room: Arc<Part>,
    /// Their positions, the next one of the run first.
    asked: VecDeque<Position>,
    /// The number of the first of them, counted over the run.
    first: u64,
    tasks: JoinSet<(u64, Got)>,
    done: BTreeMap<u64, Got>,
    /// The one to be asked for next.
    next: Option<Position>,
    ask: Ask,
    known: Option<Known>,
    /// Positions turned out as they were known.
    steady: bool,
    /// Where a page led to by what was remembered of it, and what was wrong there.
    gone: Option<(Position, PageFault)>,
}

impl<'f> Ahead<'f> {
    fn new(fetching: &'f Fetching, start: Position) -> Ahead<'f> {
        Ahead {
            fetching,
            room: fetching.inner.buffer.part(),
            asked: VecDeque::new(),
            first: 0,
            tasks: JoinSet::new(),
            done: BTreeMap::new(),
            next: Some(start),
            ask: Ask::Usual,
            known: None,
            steady: true,
            gone: None,
        }
    }

    /// The next page of the run.
    async fn first(&mut self) -> (Position, Got) {
        loop {
            // In the order of the run, whichever came first: what is counted and where to go
            // depends on it.
            if let Some(got) = self.done.remove(&self.first) {
                self.first += 1;
                let position = self.asked.pop_front().unwrap_or(Position::End);
                return (position, got);
            }
            self.progress().await;
        }
    }

    /// A page that was not sent again leads on by what is remembered of it, which may be gone by
    /// now. So the page after it is asked for first; when that fails, the page is read anew, and
    /// leads on by what it says then.
    async fn proven(&mut self, position: Position, got: Arrived) -> Arrived {
        let Some(next) = self.fetching.remembered(&got.0) else {
            return got;
        };
        (self.next, self.ask) = (Some(next.clone()), Ask::Usual);
        // Nothing is handed on before that: an unchanged page that led to nowhere would already
        // have been counted.
        while !self.done.contains_key(&self.first) {
            self.progress().await;
        }
        let Some(Err(fault)) = self.done.get(&self.first) else {
            return got;
        };
        let fault = fault.clone();
        // When that fails, too, the upstream is in trouble, and the page after it tells how.
        let Ok(anew) = self.fetching.one(position, Ask::Anew).await else {
            return got;
        };
        let inner = &self.fetching.inner;
        let told = inner.masked(inner.catalog.fetch(self.fetching.id), &fault);
        tracing::info!(
            fetch = self.fetching.run.fetch,
            fault = told,
            "a page that is remembered is read anew: the one after it is gone"
        );
        // Whatever was asked for after the page that is gone, is gone with it.
        self.give_up();
        self.gone = Some((next, fault));
        anew
    }

    /// Forgets what was asked for.
    fn give_up(&mut self) {
        self.first += self.asked.len() as u64;
        self.asked.clear();
        self.done.clear();
        // Dropping the tasks ends them: the upstream is not asked for pages that nobody wants any
        // more.
        self.tasks = JoinSet::new();
    }

    /// Goes on asking while something else is waited for.
    async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        tokio::pin!(other);
        loop {
            tokio::select! {
                // First what is waited for: else a stream of answers could keep the worker's word
                // from being heard.
                biased;
                done = &mut other => return done,
                () = self.progress() => {}
            }
        }
    }

    /// Asks for what may be asked for, and waits until something has changed.
    async fn progress(&mut self) {
        let room = Arc::clone(&self.room);
        let freed = room.freed();
        tokio::pin!(freed);
        // Heard from here on: room may be given back while it is looked at.
        freed.as_mut().enable();
        self.begin();
        tokio::select! {
            Some(ended) = self.tasks.join_next() => match ended {
                Ok((number, got)) => {
                    self.done.insert(number, got);
                }
                Err(error) => {
                    tracing::error!(%error, "a fetch broke");
                    // Under the number that is waited for, because that of a broken task is not
                    // known. Otherwise the run would wait for ever.
                    self.done.insert(self.first, Err(PageFault::Internal));
                }
            },
            () = freed => {}
        }
    }

    /// Asks for as many of the known pages as there are places at the source, and room for their
    /// answers. As many again wait for a place, with what is remembered of them at hand: it is
    /// looked up one after the other, which would leave places empty.
    fn begin(&mut self) {
        let inner = &self.fetching.inner;
        // At least one: where this process has no place for now, the request itself waits for one.
        let places = inner.places(inner.catalog.fetch(self.fetching.id).source).max(1);
        while self.tasks.len() < 2 * places
            && let Some(position) = self.next.take()
        {
            let Some(mut reserved) = self.room.try_reserve() else {
                // Kept for when there is room again; taken and forgotten, the run would end here as
                // if whole.
                self.next = Some(position);
                return;
            };
            // Only when the positions are known before their pages; else the worker's word is
            // waited for.
            self.next = self.known.and_then(|known| known.after(&position));
            let number = self.first + self.asked.len() as u64;
            self.asked.push_back(position.clone());
            let (task, ask) = (self.fetching.clone(), self.ask);
            self.tasks.spawn(async move {
                let mut got = task.one(position, ask).await;
                if let Ok((page, _)) = &mut got {
                    reserved.settle(page.content.bytes_in_memory());
                    page.reserved = Some(reserved);
                }
                (number, got)
            });
        }
    }

    /// Goes where the page before says; what was asked for another way is given up.
    fn go_on(&mut self, step: Step) -> Result<(), PageFault> {
        if let Some((_, fault)) = self.gone.take().filter(|(gone, _)| *gone == step.next) {
            return Err(fault);
        }
        // Once wrong, positions are not guessed again in this run; who only looks may have enough
        // after any page.
        let guesses = self.steady && self.fetching.inner.witness.is_none();
        self.known = step.known.filter(|_| guesses);
        self.ask = if step.probe { Ask::Probe } else { Ask::Usual };
        if self.asked.front().is_some_and(|first| *first != step.next) {
            // Where the pages are of many sizes, each guess would cost the upstream a request.
            tracing::info!(
                fetch = self.fetching.run.fetch,
                "pages are not as long as the others, so they are asked for one after the other"
            );
            self.steady = false;
            self.known = None;
            self.give_up();
        }
        self.next = match self.asked.back() {
            Some(last) => self.known.and_then(|known| known.after(last)),
            None => Some(step.next),
        };
        Ok(())
    }
}
