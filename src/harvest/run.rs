//! One run: claim, pages, groups, end. Knows how the stages are joined; each stage knows its own work.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, SourceHandle,
    ahead::Fetching,
    charset,
    ending::ending,
    error::{HarvestError, PageFault, file_fault},
    fan_out,
    fetch::{Fetched, Head, Links, Text, hash_text},
    lease::Lease,
    limits::{BODY_MAX, GROUP_QUEUE, LONG_FROM, PAGE_QUEUE},
    load::{Last, Load},
    packed,
    page::Place,
    progress::{Progress, RunReport},
    refusal::all_refused,
    request::{Request, Target},
    secrets::Secrets,
    spool::Spools,
    stage::{Content, Page, Read, Step, Worked},
    work::Job,
};
use crate::{
    catalog::{Fetch, FetchId, Format},
    store::{AllRefused, Finish, GroupOutcome, RequestState, Run, RunSummary, StoreError},
};

/// How the pages of a run ended.
pub(super) enum Outcome {
    Whole(Read, Last),
    Failed(PageFault),
    Interrupted,
}

/// Harvests one fetch within a claimed run, and ends the run in the ledger.
pub(super) async fn execute(
    inner: &Arc<Inner>,
    id: FetchId,
    run: Run,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<RunReport, HarvestError> {
    let started = Instant::now();
    let lease = Lease::new(inner.ledger.as_ref(), &run);
    let fetch = inner.catalog.fetch(id);
    let ended = AssertUnwindSafe(work(inner, id, &run, &lease, progress, cancel)).catch_unwind();
    // One that broke ends like any that failed: it would be nobody's until its lease is over.
    let ended = ended.await.unwrap_or_else(|_| {
        tracing::error!(fetch = run.fetch, "a run broke");
        Ok(Ended::Not(failed(inner, fetch, &PageFault::Internal)))
    });
    let finish = match ended {
        Ok(Ended::Complete(summary)) => return report(inner, fetch, &run, started, *summary).await,
        Ok(Ended::Not(finish)) => finish,
        // Whoever took the run over ends it.
        Err(StoreError::Fenced) => return Err(StoreError::Fenced.into()),
        Err(StoreError::Replaced) => return Err(give_up(inner, &run).await.into()),
        // The store has waited for as long as a lease holds; nothing is wrong with the run, which goes on when the database is back.
        Err(StoreError::Unreachable | StoreError::Crowded) => Finish::Interrupted,
        Err(error) => Finish::Failed {
            error: error.to_string(),
        },
    };
    lease.sure().await?;
    let summary = match inner.ledger.finish_run(&run, finish).await {
        Err(StoreError::Replaced) => return Err(give_up(inner, &run).await.into()),
        ended => ended?,
    };
    report(inner, fetch, &run, started, summary).await
}

/// Where a run stands when its work is done.
enum Ended {
    /// It is complete in the ledger, too.
    Complete(Box<RunSummary>),
    /// It is still to be ended so.
    Not(Finish),
}

/// Gets the pages, and ends the run in the ledger if it has seen all of them.
async fn work(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    lease: &Lease<'_>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Ended, StoreError> {
    let fetch = inner.catalog.fetch(id);
    Ok(
        match pages_with_heartbeat(inner, id, run, lease, progress, cancel).await? {
            Outcome::Whole(read, last) => {
                let summary = complete(inner, fetch, run, (read, last), lease, progress).await?;
                Ended::Complete(Box::new(summary))
            }
            Outcome::Failed(fault) => Ended::Not(failed(inner, fetch, &fault)),
            Outcome::Interrupted => Ended::Not(Finish::Interrupted),
        },
    )
}

fn failed(inner: &Inner, fetch: &Fetch, fault: &PageFault) -> Finish {
    Finish::Failed {
        error: inner.masked(fetch, fault),
    }
}

async fn report(
    inner: &Inner,
    fetch: &Fetch,
    run: &Run,
    started: Instant,
    summary: RunSummary,
) -> Result<RunReport, HarvestError> {
    let requests = match &fetch.each {
        Some(_) => Some(inner.ledger.parent_counts(&run.fetch, Some(run.id)).await?),
        None => None,
    };
    let elapsed = started.elapsed();
    Ok(RunReport {
        summary,
        elapsed,
        requests,
    })
}

/// Leaves a run to the processes whose definition is in force, and gives the reason.
async fn give_up(inner: &Inner, run: &Run) -> StoreError {
    match inner.ledger.finish_run(run, Finish::Interrupted).await {
        Ok(_) | Err(StoreError::Fenced) => {}
        Err(error) => tracing::warn!(%error, "a run could not be given up; its lease ends by itself"),
    }
    StoreError::Replaced
}

/// Ends a run that read every page, together with its last groups, and says what a person should know of it.
async fn complete(
    inner: &Inner,
    fetch: &Fetch,
    run: &Run,
    (read, last): (Read, Last),
    lease: &Lease<'_>,
    progress: &dyn Progress,
) -> Result<RunSummary, StoreError> {
    let Last { groups, mut done } = last;
    lease.sure().await?;
    let before = done.outcome.clone();
    let secrets = inner.secrets(fetch);
    let rule = |outcome: &GroupOutcome, refused: Option<&AllRefused>| {
        // A run that got records and could use none of them has failed.
        if let Some(refused) = refused {
            return Finish::Failed {
                error: secrets.mask(&all_refused(refused, &run.fetch).to_string()),
            };
        }
        let mut all = before.clone();
        all.add(outcome);
        // A row that comes again has moved to a later page: others may have moved to earlier ones, past the reader.
        let shifted = read.shifted || all.repeated > 0;
        ending(
            fetch,
            run,
            &secrets,
            Read {
                shifted,
                copies: all.copies,
                ..read.clone()
            },
        )
    };
    let (summary, outcome) = inner.ledger.complete_run(run, &groups, &rule).await?;
    if !groups.is_empty() {
        done.outcome.add(&outcome);
        progress.committed(&done);
    }
    for text in summary.told.doubt.iter().chain(&summary.told.notes) {
        tracing::warn!(fetch = run.fetch, "{}: {text}", run.fetch);
        progress.message(text);
    }
    Ok(summary)
}

/// The pages beside a heartbeat, which ends them when another process has taken the run; a newer definition in force does, too.
async fn pages_with_heartbeat(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    lease: &Lease<'_>,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Outcome, StoreError> {
    // A child token: the end of this run stops its worker, and no other run.
    let stop = cancel.child_token();
    let _guard = stop.clone().drop_guard();
    tokio::select! {
        outcome = stages(inner, id, run, lease, progress, &stop) => outcome,
        error = lease.keep() => Err(error),
        () = inner.ledger.replaced() => Err(StoreError::Replaced),
    }
}

/// Joins the three stages by bounded queues and waits for all of them.
async fn stages(
    inner: &Arc<Inner>,
    id: FetchId,
    run: &Run,
    lease: &Lease<'_>,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Outcome, StoreError> {
    let fetch = inner.catalog.fetch(id);
    if fetch.each.is_some() {
        return fan_out::run(inner, id, run, progress, stop).await;
    }
    let secrets = inner.secrets(fetch);
    let (pages, rows, start) = match start_of(fetch, run, &secrets) {
        Ok(start) => start,
        Err(fault) => return Ok(Outcome::Failed(fault)),
    };
    if pages > 0 {
        progress.message(&format!("goes on after {pages} pages of an interrupted run"));
    }
    let (page_sender, page_receiver) = mpsc::channel(PAGE_QUEUE);
    let (group_sender, group_receiver) = mpsc::channel(GROUP_QUEUE);
    let fetching = Fetching {
        inner: Arc::clone(inner),
        id,
        run: run.clone(),
    };
    let job = Job {
        catalog: Arc::clone(&inner.catalog),
        shaper: Arc::clone(&inner.shaper),
        filter_time: inner.filter_time,
        filter_memory: inner.filter_memory,
        secrets,
        fetch: id.index(),
        start: start.clone(),
        pages,
        rows,
        input: page_receiver,
        output: group_sender,
        again: fetching.clone().again(stop.clone()),
        cancel: stop.clone(),
    };
    let worker = tokio::task::spawn_blocking(move || job.work());
    let fetched = async {
        tokio::select! {
            fetched = fetching.all(start.position, page_sender) => fetched,
            () = stop.cancelled() => Ok(()),
        }
    };
    let mut load = Load::new(run, inner.ledger.as_ref(), lease, progress, pages, rows);
    let (fetched, drained) = tokio::join!(fetched, load.all(group_receiver, stop));
    // A stopped worker is not waited for: a filter may still be at a large page, and nobody takes what it makes of it.
    let worked = tokio::select! {
        biased;
        worked = worker => worked,
        () = stop.cancelled() => Ok(Ok(Worked::Stopped)),
    };
    let worked = worked.unwrap_or_else(|error| {
        tracing::error!(%error, "the worker of a run broke");
        Err(PageFault::Internal)
    });
    // Groups that were left behind by a stop are no part of the run, whatever the worker says of its own end.
    let drained = drained?;
    let outcome = match (fetched, worked) {
        _ if !drained => Outcome::Interrupted,
        (Err(fault), _) | (Ok(()), Err(fault)) => Outcome::Failed(fault),
        (Ok(()), Ok(Worked::Whole(read))) => return Ok(Outcome::Whole(read, load.last())),
        (Ok(()), Ok(Worked::Stopped)) => Outcome::Interrupted,
    };
    load.commit().await?;
    Ok(outcome)
}

/// Where a run begins: at the first page, or where its checkpoint says.
fn start_of(fetch: &Fetch, run: &Run, secrets: &Secrets) -> Result<(u64, u64, Place), PageFault> {
    let Some(checkpoint) = &run.checkpoint else {
        return Ok((0, 0, Place::first(&fetch.paging.advance)));
    };
    let place = serde_json::from_str(&secrets.reveal(&checkpoint.next)).map_err(|error| {
        tracing::error!(%error, "a checkpoint cannot be read");
        PageFault::Internal
    })?;
    Ok((checkpoint.pages, checkpoint.rows, place))
}

/// Gets one page; `before` is what is remembered of its last known form. With spools a page may be large that is read record by
/// record.
pub(super) async fn page_of(
    fetch: &Fetch,
    source: &SourceHandle,
    request: &Request,
    before: Option<RequestState>,
    spools: Option<&Arc<Spools>>,
) -> Result<(Page, oneshot::Receiver<Step>), PageFault> {
    let by_record = fetch.format == Format::NdJson || fetch.items().is_some();
    let spools = spools.filter(|_| by_record);
    match &request.target {
        Target::Http(url) => http(source, url, request, before, (spools, fetch.format)).await,
        Target::File(path) => file(fetch, path, request, before, spools.is_some()).await,
    }
}

/// A page that the upstream says it does not have.
pub(super) fn page_past(request: &Request) -> (Page, oneshot::Receiver<Step>) {
    page(request, fresh(request), Content::Past, None)
}

async fn http(
    source: &SourceHandle,
    url: &url::Url,
    request: &Request,
    before: Option<RequestState>,
    how: (Option<&Arc<Spools>>, Format),
) -> Result<(Page, oneshot::Receiver<Step>), PageFault> {
    let upstream = source.upstream.as_ref().ok_or(PageFault::Internal)?;
    let got = upstream.get(url, &request.place, before.as_ref(), how).await?;
    match (got, before) {
        (Fetched::NotModified(head), Some(before)) => Ok(unchanged(request, before, Same::Kept(head))),
        (Fetched::Same { bytes, head }, Some(before)) => Ok(unchanged(request, before, Same::Sent(bytes, head))),
        (Fetched::NotModified(_) | Fetched::Same { .. }, None) => Err(PageFault::Internal),
        (Fetched::Body(body), _) => {
            let mut state = fresh(request);
            // What may be a part of an answer is no form of it that could be unchanged.
            if !body.head.open {
                state.etag = body.head.etag;
                state.last_modified = body.head.last_modified;
                state.body_hash = Some(hash_text(body.hash));
            }
            let content = match body.text {
                Text::Memory(bytes) => Content::Bytes(bytes),
                Text::Spool(spool, media) => Content::Spool { spool, media },
            };
            let mut page = page(request, state, content, Some(body.hash));
            page.0.link = body.head.links.next();
            page.0.open = body.head.open;
            Ok(page)
        }
    }
}

/// A file: its size and time are its validator. NDJSON is read by the worker in pieces, and so is JSON that may be read record by
/// record; other JSON here as a whole.
async fn file(
    fetch: &Fetch,
    path: &std::path::Path,
    request: &Request,
    before: Option<RequestState>,
    by_record: bool,
) -> Result<(Page, oneshot::Receiver<Step>), PageFault> {
    let fault = |error: std::io::Error| file_fault(&request.place, &error);
    let metadata = tokio::fs::metadata(path).await.map_err(fault)?;
    if !metadata.is_file() {
        return Err(fault(std::io::ErrorKind::IsADirectory.into()));
    }
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let nanos = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let validator = format!("{}-{nanos}", metadata.len());
    if let Some(state) = before.filter(|before| before.etag.as_ref() == Some(&validator)) {
        return Ok(unchanged(request, state, Same::File));
    }
    let mut state = fresh(request);
    state.etag = Some(validator);
    if fetch.format == Format::NdJson {
        return Ok(page(request, state, Content::Lines(path.to_owned()), None));
    }
    // What is small may be packed, and large once it is unpacked.
    if by_record && (metadata.len() >= LONG_FROM as u64 || packed::is_packed_file(path)) {
        return Ok(page(request, state, Content::File(path.to_owned()), None));
    }
    if metadata.len() > BODY_MAX {
        return Err(PageFault::TooLarge {
            place: request.place.clone(),
        });
    }
    let bytes = tokio::fs::read(path).await.map_err(fault)?;
    let text = charset::utf8(packed::unpacked(bytes.into(), &request.place).await?, None);
    Ok(page(request, state, Content::Bytes(text), None))
}

fn fresh(request: &Request) -> RequestState {
    RequestState {
        request: request.identity.clone(),
        etag: None,
        last_modified: None,
        body_hash: None,
        page: String::new(),
        rows: 0,
    }
}

/// How it is known that a page is as it was.
enum Same {
    /// By its validator; the body was not sent.
    Kept(Head),
    /// By the bytes that were sent, so many.
    Sent(u64, Head),
    File,
}

/// A page with what is remembered of it, but for what the headers at hand say anew.
fn unchanged(request: &Request, before: RequestState, same: Same) -> (Page, oneshot::Receiver<Step>) {
    let mut state = before.clone();
    let (bytes, links) = match same {
        Same::File => (0, Links::Silent),
        Same::Kept(head) => {
            // A 304 repeats what it pleases.
            state.etag = head.etag.or(state.etag);
            state.last_modified = head.last_modified.or(state.last_modified);
            (0, head.links)
        }
        Same::Sent(bytes, head) => {
            (state.etag, state.last_modified) = (head.etag, head.last_modified);
            (bytes, Links::Next(head.links.next()))
        }
    };
    let hash = state
        .body_hash
        .as_deref()
        .and_then(|hash| u64::from_str_radix(hash, 16).ok());
    let mut page = page(request, state, Content::Unchanged { bytes, links }, hash);
    page.0.before = Some(before);
    page
}

fn page(
    request: &Request,
    state: RequestState,
    content: Content,
    hash: Option<u64>,
) -> (Page, oneshot::Receiver<Step>) {
    let (reply, answer) = oneshot::channel();
    let page = Page {
        content,
        request: request.clone(),
        state,
        hash,
        link: None,
        open: false,
        before: None,
        held: None,
        reply,
    };
    (page, answer)
}
