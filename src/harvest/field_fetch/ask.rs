//! One row's request, page after page if it has several. Knows requests and paging; what a page
//! holds is in `answer`.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use jaq_json::{Map, Num, Val};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::answer::{self, AnswerContext, Records};
use crate::{
    catalog::{Advance, Entity, Fetch, FetchId, FieldFetch, Repeats},
    harvest::{
        error::{PageFault, rows_fault},
        fetch::hash_text,
        get::page_of,
        inner::{Inner, SourceHandle},
        limits::{ASIDE_FROM, BODY_MAX},
        page::{Place, Position},
        pager::Pager,
        parts::Parts,
        past::{beyond, is_past},
        refusal::all_refused,
        request::{Maker, Request},
        stage::{Content, Page},
    },
    store::{AllRefused, Parent, ParentOutcome, Refused, RequestState},
    value::{Key, Value},
};

/// Rows of one answer, all its pages together: it becomes one transaction.
const ANSWER_ROWS_MAX: usize = 20_000;

/// A request that was made.
pub(super) struct Asked {
    pub parent: Parent,
    pub pages: u64,
    pub bytes: u64,
    /// Records that `keep` left out.
    pub left_out: u64,
    /// Records whose key had come before.
    pub copies: u64,
    /// Why the answer may not be all of it.
    pub more: Option<String>,
    /// The records of an answer that failed because all of them were refused.
    pub refused: Vec<Refused>,
    pub outcome: Result<ParentOutcome, PageFault>,
}

/// Asks about one row, in the name of the crew that claimed it. The future owns all it needs: many
/// of them are under way at once.
pub(super) async fn ask(
    inner: Arc<Inner>,
    id: FetchId,
    owner: String,
    parent: Parent,
    stop: CancellationToken,
) -> Asked {
    let mut series = Series {
        inner: &inner,
        id,
        row: parent.row,
        owner,
        noted: false,
        stop,
        pages: 0,
        bytes: 0,
        left_out: 0,
        copies: 0,
        more: None,
        hash: Xxh3::new(),
        records: Records::default(),
        parts: Parts::default(),
        this: Val::Null,
        came: HashSet::new(),
        again: None,
    };
    let outcome = series.all(&parent).await;
    let (pages, bytes, left_out, more) = (series.pages, series.bytes, series.left_out, series.more);
    let copies = series.copies;
    let (outcome, refused) = of_use(&inner.catalog.fetch_name(id), outcome);
    Asked {
        parent,
        pages,
        bytes,
        left_out,
        copies,
        more,
        refused,
        outcome,
    }
}

/// An answer of which all records were refused, and whose keys cannot be read, says nothing of
/// where its row leads: the links stay as they were.
fn of_use(fetch: &str, outcome: Result<ParentOutcome, PageFault>) -> (Result<ParentOutcome, PageFault>, Vec<Refused>) {
    match outcome {
        Ok(ParentOutcome::Read {
            rows, links, refused, ..
        }) if rows.is_empty() && links.is_empty() && !refused.is_empty() => {
            let all = AllRefused {
                count: refused.len() as u64,
                first: refused.first().map_or(String::new(), |first| first.reason.clone()),
            };
            (Err(all_refused(&all, fetch)), refused)
        }
        outcome => (outcome, Vec::new()),
    }
}

/// The pages of one answer.
struct Series<'a> {
    inner: &'a Arc<Inner>,
    id: FetchId,
    /// The request, as the ledger knows it, and in whose name it is made.
    row: i64,
    owner: String,
    /// The ledger knows that there is a large page in hand.
    noted: bool,
    stop: CancellationToken,
    pages: u64,
    bytes: u64,
    left_out: u64,
    copies: u64,
    /// Why the answer may not be all of it.
    more: Option<String>,
    /// Of the bodies, to know an answer of several pages again.
    hash: Xxh3,
    records: Records,
    parts: Parts,
    /// The row as filters see it.
    this: Val,
    /// Keys of the pages so far, and one that came on two of them.
    came: HashSet<Key>,
    again: Option<Key>,
}

impl Series<'_> {
    async fn all(&mut self, parent: &Parent) -> Result<ParentOutcome, PageFault> {
        let inner = self.inner;
        let fetch = inner.catalog.fetch(self.id);
        let each = fetch.field_fetch.as_ref().ok_or(PageFault::Internal)?;
        let source = inner.sources.get(fetch.source.index()).ok_or(PageFault::Internal)?;
        let this = this(inner.catalog.entity(each.parent), each, parent);
        let maker = maker(inner, fetch, source, &this);
        let first = match maker.request(&Position::first(&fetch.paging.advance)) {
            Ok(request) => request,
            // A row without the value that the path names has nothing to ask for, and so leads
            // nowhere.
            Err(_) if lacks_a_value(fetch, parent) => return self.read(None, String::new()).await,
            Err(fault) => return Err(fault),
        };
        let first = Request {
            identity: identity(fetch, &first, &this),
            ..first
        };
        self.this = this.clone();
        let before = parent.before.clone().filter(|before| before.request == first.identity);
        if matches!(fetch.paging.advance, Advance::Single) {
            return self.single(fetch, source, &first, before).await;
        }
        self.paged(fetch, source, &maker, first, before).await
    }

    /// One page: what is remembered of it can save its body.
    async fn single(
        &mut self,
        fetch: &Fetch,
        source: &SourceHandle,
        request: &Request,
        before: Option<RequestState>,
    ) -> Result<ParentOutcome, PageFault> {
        let page = match page_of(fetch, source, request, before, None).await {
            Ok((page, _)) => page,
            // No content is an answer: there is nothing.
            Err(PageFault::Status { status: 204, .. }) => return self.read(None, String::new()).await,
            Err(fault) => return Err(fault),
        };
        self.pages += 1;
        if let Content::Unchanged { bytes, .. } = page.content {
            self.bytes += bytes;
            return Ok(ParentOutcome::Same(page.state));
        }
        let state = page.state.clone();
        let mut pager = Pager::new(fetch, &Place::first(&fetch.paging.advance), 0, 0);
        self.page(page, &mut pager).await?;
        pager.check_total()?;
        self.more = pager.seen().more;
        self.read(Some(state), request.place.clone()).await
    }

    /// Several pages are always read whole; their bodies together say whether something changed. Of
    /// an answer that was one page, its validators say whether it still is all.
    async fn paged(
        &mut self,
        fetch: &Fetch,
        source: &SourceHandle,
        maker: &Maker<'_>,
        first: Request,
        before: Option<RequestState>,
    ) -> Result<ParentOutcome, PageFault> {
        let mut state = RequestState {
            request: first.identity.clone(),
            etag: None,
            last_modified: None,
            body_hash: None,
            page: String::new(),
            rows: 0,
        };
        let mut pager = Pager::new(fetch, &Place::first(&fetch.paging.advance), 0, 0);
        let mut request = first;
        let mut at = Position::first(&fetch.paging.advance);
        let mut known = before.as_ref().and_then(|before| alone(fetch, before));
        let mut requests = 0;
        loop {
            requests += 1;
            let page = match page_of(fetch, source, &request, known.take(), None).await {
                Ok((page, _)) => page,
                // No content is the end of the list.
                Err(PageFault::Status { status: 204, .. }) => break,
                Err(PageFault::Status { status, .. }) if is_past(fetch, &at, status, pager.probes()) => {
                    pager.past_the_end();
                    break;
                }
                Err(fault) => return Err(beyond(&at, fault)),
            };
            self.pages += 1;
            if let (Content::Unchanged { bytes, .. }, Some(before)) = (&page.content, &before) {
                self.bytes += bytes;
                return Ok(ParentOutcome::Same(RequestState {
                    body_hash: before.body_hash.clone(),
                    ..page.state
                }));
            }
            (state.etag, state.last_modified) = (page.state.etag.clone(), page.state.last_modified.clone());
            let place = page.request.place.clone();
            let next = self.page(page, &mut pager).await?;
            if pager.place.shifted {
                return Err(PageFault::Shifted { place });
            }
            match next {
                Position::End => break,
                next => {
                    request = maker.request(&next)?;
                    at = next;
                }
            }
        }
        if requests > 1 {
            (state.etag, state.last_modified) = (None, None);
        }
        pager.check_total()?;
        // Links that it does not list would be taken away: it is asked again.
        let seen = pager.seen();
        if let Some(doubt) = seen.gap {
            return Err(PageFault::Doubtful {
                place: request.place,
                doubt,
            });
        }
        // A row that slid over the edge of a page comes twice or not at all.
        let again = self
            .again
            .take()
            .map(|key| format!("{key} came on two pages, so others may be missing"));
        self.more = seen.more.or(again);
        state.body_hash = (!pager.place.open).then(|| hash_text(self.hash.digest()));
        match before.filter(|_| !pager.place.open) {
            Some(before) if before.body_hash == state.body_hash => Ok(ParentOutcome::Same(state)),
            _ => self.read(Some(state), request.place).await,
        }
    }

    /// Reads a page, off the threads that wait for the network, and tells where to go next.
    async fn page(&mut self, page: Page, pager: &mut Pager<'_>) -> Result<Position, PageFault> {
        let Page {
            content,
            request,
            hash,
            link,
            open,
            ..
        } = page;
        let place = request.place;
        pager.place.open |= open;
        if let Content::Bytes(bytes) = &content {
            self.bytes += bytes.len() as u64;
            self.hash.update(bytes);
        }
        self.note(&content, &place).await;
        let too_large = || PageFault::TooLarge { place: place.clone() };
        if self.bytes > BODY_MAX {
            return Err(too_large());
        }
        let (inner, context) = (Arc::clone(self.inner), self.context(place.clone()));
        let (mut info, records, parts) = blocking(move || answer::read(&inner, context, content, link)).await?;
        let secrets = self.inner.secrets(self.inner.catalog.fetch(self.id));
        info.next = info.next.take().map(|next| secrets.reveal(&next));
        self.look_for_repeats(&records);
        self.parts = parts;
        self.records.add(records);
        self.left_out += info.left_out;
        self.check_one(&place)?;
        pager.check_body(hash, info.rows, &place)?;
        let next = pager.advance(&info, &place)?.clone();
        if self.records.links.len() > ANSWER_ROWS_MAX {
            let message = format!("more than {ANSWER_ROWS_MAX} rows for one row; let a type's own @fetch read so many");
            return Err(PageFault::Rows { place, message });
        }
        Ok(next)
    }

    /// Tells the ledger which large page is taken in hand: one that ends the process is not taken
    /// again at once.
    async fn note(&mut self, content: &Content, place: &str) {
        if self.noted || content.bytes() < ASIDE_FROM {
            return;
        }
        self.noted = true;
        let name = self.inner.catalog.fetch_name(self.id);
        let place = self.inner.secrets(self.inner.catalog.fetch(self.id)).mask(place);
        let noted = self.inner.ledger.answering(&name, &self.owner, self.row, &place);
        if let Err(error) = noted.await {
            tracing::debug!(%error, "the answer in hand cannot be noted");
        }
    }

    /// What a page, or the end of the answer, is read with.
    fn context(&mut self, place: String) -> AnswerContext {
        AnswerContext {
            id: self.id,
            place,
            this: self.this.clone(),
            parts: std::mem::take(&mut self.parts),
            stop: self.stop.clone(),
        }
    }

    /// Notes a key of a page that came on an earlier one.
    fn look_for_repeats(&mut self, page: &Records) {
        if matches!(self.inner.catalog.fetch(self.id).paging.advance, Advance::Single) {
            return;
        }
        let again = || page.links.iter().find(|key| self.came.contains(*key)).cloned();
        self.again = self.again.take().or_else(again);
        self.came.extend(page.links.iter().cloned());
    }

    /// Which of several rows a single link leads to is not for us to guess.
    fn check_one(&self, place: &str) -> Result<(), PageFault> {
        let one = self
            .inner
            .catalog
            .fetch(self.id)
            .field_fetch
            .as_ref()
            .filter(|each| each.one);
        let Some(each) = one.filter(|_| self.records.count > 1) else {
            return Ok(());
        };
        let catalog = &self.inner.catalog;
        let target = catalog.entity(each.parent).field(each.field).kind.target();
        let target = target.map_or("", |target| &catalog.entity(target).name);
        let name = catalog.fetch_name(self.id);
        Err(PageFault::Rows {
            place: place.to_owned(),
            message: format!(
                "{name} leads to one row, but there are several; make it a list, `[{target}!]!`, or narrow `rows`"
            ),
        })
    }

    /// The end of an answer whose pages were all read, the last of them at `place`.
    async fn read(&mut self, state: Option<RequestState>, place: String) -> Result<ParentOutcome, PageFault> {
        let fetch = self.inner.catalog.fetch(self.id);
        if fetch.repeats == Repeats::Merge {
            let (inner, context) = (Arc::clone(self.inner), self.context(place.clone()));
            self.records
                .add(blocking(move || answer::whole(&inner, context)).await?);
        }
        let records = std::mem::take(&mut self.records);
        let (others, first) = records.repeats(&self.inner.shaper, fetch.entity);
        if let Some(key) = first.filter(|_| fetch.repeats == Repeats::Fail) {
            let message = format!(
                "the key {key} came more than once in one answer, which `repeats: FAIL` forbids; look at what the upstream \
                 lists, or choose LAST or MERGE"
            );
            return Err(rows_fault(&place, message));
        }
        self.copies = others + records.merged;
        let Records {
            rows, links, refused, ..
        } = records;
        Ok(ParentOutcome::Read {
            rows,
            links,
            // What was refused is looked at again: the same bytes may be read otherwise by then.
            state: state.filter(|_| refused.is_empty()),
            refused,
        })
    }
}

/// What to ask with for an answer that may have pages, and was one page: validators are kept of no
/// other. Where a header leads to the next page, it may come to do so while the body stays.
fn alone(fetch: &Fetch, before: &RequestState) -> Option<RequestState> {
    let validated = before.etag.is_some() || before.last_modified.is_some();
    let in_body = !matches!(fetch.paging.advance, Advance::LinkHeader);
    (validated && in_body).then(|| RequestState {
        // That is of all pages together, and not of this body.
        body_hash: None,
        ..before.clone()
    })
}

/// Does work off the threads that wait for the network.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PageFault> + Send + 'static,
) -> Result<T, PageFault> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "the reading of an answer broke");
        PageFault::Internal
    })?
}

/// Whether the row has no value for something that the path or the body names.
fn lacks_a_value(fetch: &Fetch, parent: &Parent) -> bool {
    let named = parent.this.iter().take(fetch.this_names().len());
    named.into_iter().any(|(_, value)| value.is_null())
}

/// What is known of an answer is good only for a row that still says the same to whoever reads it.
fn identity(fetch: &Fetch, request: &Request, this: &Val) -> String {
    match fetch.rows.uses("this") || fetch.keep.iter().any(|keep| keep.uses("this")) {
        true => format!("{} {:016x}", request.identity, xxh3_64(this.to_string().as_bytes())),
        false => request.identity.clone(),
    }
}

fn maker<'a>(inner: &'a Inner, fetch: &'a Fetch, source: &'a SourceHandle, this: &'a Val) -> Maker<'a> {
    Maker {
        fetch,
        base: &source.base,
        headers: &source.headers,
        who: source.who,
        shown: &source.shown,
        secrets: &source.secrets,
        environment: &inner.environment,
        this: Some(this),
    }
}

/// `$this` as jq sees it: the fields that path and filters name, as they are served.
fn this(entity: &Entity, each: &FieldFetch, parent: &Parent) -> Val {
    let fields = each.this.iter().zip(&parent.this).map(|(field, (scalar, value))| {
        let name = text(&entity.field(*field).name);
        let value = match value {
            Value::Float(_) => Val::Num(Num::Dec(scalar.to_wire_text(value).into())),
            value => jq_value(scalar.to_wire(value)),
        };
        (name, value)
    });
    Val::obj(fields.collect::<Map>())
}

fn text(text: &str) -> Val {
    Val::utf8_str(Bytes::copy_from_slice(text.as_bytes()))
}

fn jq_value(json: Json) -> Val {
    match json {
        Json::Bool(value) => Val::Bool(value),
        Json::String(value) => text(&value),
        Json::Number(number) => match number.as_i64().and_then(|number| isize::try_from(number).ok()) {
            Some(int) => Val::Num(Num::Int(int)),
            None => Val::Num(Num::Dec(number.to_string().into())),
        },
        // Lists and objects cannot stand in a path: the catalog refuses them.
        Json::Null | Json::Array(_) | Json::Object(_) => Val::Null,
    }
}
