//! How one page is got, from an upstream or a file, or known to be as it was. Knows requests and
//! their answers; knows nothing of what is in them.

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::oneshot;

use super::{
    charset,
    error::{PageFault, file_fault},
    fetch::{Call, Fetched, Head, How, Links, Text, hash_text},
    format, glob,
    inner::SourceHandle,
    limits::BODY_MAX,
    packed,
    request::{Request, Target},
    spool::Spools,
    stage::{Content, Page, Step},
};
use crate::{catalog::Fetch, store::RequestState};

/// Gets one page; `before` is what is remembered of its last known form. With spools a page may be
/// large that is read record by record.
pub(super) async fn page_of(
    fetch: &Fetch,
    source: &SourceHandle,
    request: &Request,
    before: Option<RequestState>,
    spools: Option<&Arc<Spools>>,
) -> Result<(Page, oneshot::Receiver<Step>), PageFault> {
    let decoder = format::of(fetch.format);
    let from = decoder.in_pieces_from(fetch).filter(|_| spools.is_some());
    let media = fetch.charset.as_deref().map(charset::said);
    let how = How {
        spools: spools.filter(|_| from.is_some()),
        ends_by_itself: decoder.ends_by_itself(),
        media: media.as_deref(),
        web_page: fetch.format.is_web_page(),
    };
    match &request.target {
        Target::Http(call) => http(source, call, request, before, how).await,
        Target::File(path) => file(path, None, request, before, from, media.as_deref()).await,
        Target::Files { folder, pattern, name } => {
            let turn = turn(folder, pattern, name.as_deref(), &request.place).await?;
            let path = folder.join(&turn.name);
            let request = Request {
                place: format!("FILE {}", turn.name),
                ..request.clone()
            };
            let mut got = file(&path, Some(&turn.name), &request, before, from, media.as_deref()).await?;
            if let Content::Unchanged { links, .. } = &mut got.0.content {
                *links = Links::Next(turn.next.clone());
            }
            got.0.link = turn.next;
            Ok(got)
        }
    }
}

/// A page that the upstream says it does not have.
pub(super) fn page_past(request: &Request) -> (Page, oneshot::Receiver<Step>) {
    page(request, fresh(request), Content::Past, None)
}

async fn http(
    source: &SourceHandle,
    call: &Call,
    request: &Request,
    before: Option<RequestState>,
    how: How<'_>,
) -> Result<(Page, oneshot::Receiver<Step>), PageFault> {
    let upstream = source.upstream.as_ref().ok_or(PageFault::Internal)?;
    let got = upstream.get(call, &request.place, before.as_ref(), how).await?;
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

/// Which file of a pattern is read, and what comes next.
async fn turn(folder: &Path, pattern: &str, name: Option<&str>, place: &str) -> Result<glob::Turn, PageFault> {
    let (of, wanted, named) = (folder.to_owned(), pattern.to_owned(), name.map(str::to_owned));
    let listing = tokio::task::spawn_blocking(move || glob::turn(&of, &wanted, named.as_deref()));
    let listed = listing.await.map_err(|error| {
        tracing::error!(%error, "the listing of files broke");
        PageFault::Internal
    })?;
    listed
        .map_err(|error| file_fault(place, &error))?
        .ok_or_else(|| PageFault::File {
            place: place.to_owned(),
            message: "no file in the source's folder has such a name".to_owned(),
        })
}

/// A file: its size and time are its validator. The worker reads it where it lies when it has so
/// many bytes; else it is read here as a whole.
async fn file(
    path: &Path,
    name: Option<&str>,
    request: &Request,
    before: Option<RequestState>,
    in_pieces_from: Option<u64>,
    media: Option<&str>,
) -> Result<(Page, oneshot::Receiver<Step>), PageFault> {
    let fault = |error: std::io::Error| file_fault(&request.place, &error);
    let metadata = tokio::fs::metadata(path).await.map_err(fault)?;
    if !metadata.is_file() {
        return Err(fault(std::io::ErrorKind::IsADirectory.into()));
    }
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let nanos = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    // The first file of a pattern may be another one by now.
    let name = name.map_or(String::new(), |name| format!("{name} "));
    let validator = format!("{name}{}-{nanos}", metadata.len());
    if let Some(state) = before.filter(|before| before.etag.as_ref() == Some(&validator)) {
        return Ok(unchanged(request, state, Same::File));
    }
    let mut state = fresh(request);
    state.etag = Some(validator);
    // What is small may be packed, and large once it is unpacked.
    if let Some(from) = in_pieces_from
        && (metadata.len() >= from || packed::is_packed_file(path))
    {
        return Ok(page(request, state, Content::File(path.to_owned()), None));
    }
    if metadata.len() > BODY_MAX {
        return Err(PageFault::TooLarge {
            place: request.place.clone(),
        });
    }
    let bytes = tokio::fs::read(path).await.map_err(fault)?;
    let text = charset::utf8(packed::unpacked(bytes.into(), &request.place).await?, media);
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
        reserved: None,
        reply,
    };
    (page, answer)
}
