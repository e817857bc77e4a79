//! What passes between the stages of a run: pages, where to go next, groups. Plain data.

use std::path::PathBuf;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{
    buffer::Reserved,
    error::PageFault,
    fetch::Links,
    page::{Known, Position, Seen},
    request::Request,
    spool::Spool,
};
use crate::store::{Group, RequestState};

/// A page on its way to the worker.
#[derive(Debug)]
pub(super) struct Page {
    pub content: Content,
    pub request: Request,
    /// What will be remembered of it; `page` and `rows` are filled in here.
    pub state: RequestState,
    /// A hash of the body, to know a repeated page.
    pub hash: Option<u64>,
    /// The `Link` header's next page.
    pub link: Option<String>,
    /// Its body ended with the connection: its last lines may be missing.
    pub open: bool,
    /// What was remembered of an unchanged page.
    pub before: Option<RequestState>,
    /// Its room among what waits, given back once the page is worked off.
    pub reserved: Option<Reserved>,
    /// Told where to go next as soon as the page is read, before its rows are shaped.
    pub reply: oneshot::Sender<Step>,
}

#[derive(Debug)]
pub(super) enum Content {
    Bytes(Bytes),
    /// A large body that is on disk, read by the worker in pieces, and its media type, where that
    /// tells how.
    Spool {
        spool: Spool,
        media: Option<String>,
    },
    /// A file, read by the worker in pieces.
    File(PathBuf),
    /// Nothing changed since `state` was remembered.
    Unchanged {
        /// Received to know that.
        bytes: u64,
        /// What the answer at hand says of the next page.
        links: Links,
    },
    /// The upstream says that there is no such page.
    Past,
}

impl Content {
    /// What there is of a page, wherever it lies.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Content::Spool { spool, .. } => spool.bytes(),
            Content::File(path) => std::fs::metadata(path).map_or(0, |metadata| metadata.len()),
            content => content.bytes_in_memory(),
        }
    }

    /// What it takes in memory.
    pub(super) fn bytes_in_memory(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Spool { .. } | Content::File(_) | Content::Unchanged { .. } | Content::Past => 0,
        }
    }
}

/// Where to go next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub next: Position,
    /// The positions after it, as far as the upstream tells.
    pub known: Option<Known>,
    /// The next page need not be there.
    pub probe: bool,
}

/// A group on its way to the load, with what a watcher is told.
#[derive(Debug)]
pub(super) struct Batch {
    pub group: Group,
    pub pages_total: Option<u64>,
    pub rows_total: Option<u64>,
    /// The size of the file being read.
    pub bytes_total: Option<u64>,
    /// Input of the rows in the group, and of the whole page that it is a part of.
    pub part: u64,
    pub page: u64,
    /// Of a group with an unchanged page: told whether it may stand for its rows. One that may not
    /// is left out, and read in full.
    pub vouches: Option<oneshot::Sender<bool>>,
}

/// Gets a page in full, whatever is remembered of it. Blocks.
pub(super) type Again = Box<dyn Fn(&Request) -> Result<Page, PageFault> + Send>;

/// How the worker ended, when without a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    /// Every page was read.
    Whole(Read),
    /// The other stages stopped first.
    Stopped,
}

/// What the pages of a whole run leave open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Records that were refused without a key that could be read: each may stand for any stored
    /// row.
    pub nameless: u64,
    /// The upstream changed while its pages were read.
    pub shifted: bool,
    /// What its pages say of them all differs from page to page; some of it may be remembered.
    pub contradicted: bool,
    /// Records whose key had come before.
    pub copies: u64,
    /// What the pages say of how much of the upstream was seen.
    pub seen: Seen,
}
