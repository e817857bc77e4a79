//! What a run brings, page by page, and what became of it. Plain data.

use crate::value::{Key, Row};

/// Where to go on. `next` is the harvest's own JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checkpoint {
    pub next: String,
    pub pages: u64,
    pub rows: u64,
}

/// A page, or a part of a large one; a transaction writes one or more of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub rows: Vec<Row>,
    /// The request (as in [`RequestState::request`]) whose stored rows are all seen again: an
    /// unchanged page, for which [`crate::store::Store::vouches`] said that it may stand for them.
    pub unchanged: Option<String>,
    pub refused: Vec<Refused>,
    /// Records that the definition's `keep` left out.
    pub left_out: u64,
    /// No key may come twice in the run: the group is refused otherwise.
    pub once: bool,
    /// Records that were put together with others of their key, and so are no rows of their own.
    pub copies: u64,
    /// Bytes received since the last group.
    pub bytes: u64,
    /// Pages finished with this group: 0 or 1.
    pub pages: u64,
    /// Remembers this request's validators and the rows of all its groups; given with the last
    /// group of a page. With an unchanged page: what its headers say anew.
    pub request: Option<RequestState>,
    /// Where a resumed run would go on after this group; none in the middle of a page.
    pub checkpoint: Option<Checkpoint>,
}

/// What is remembered of a request, so that an unchanged page costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RequestState {
    /// The request's identity: its URL after placeholders, or the file's path.
    pub request: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// A hash of the body.
    pub body_hash: Option<String>,
    /// What paging took from the page; the harvest's own JSON.
    pub page: String,
    /// Rows of the page, refused ones included.
    pub rows: u64,
}

/// A record that did not become a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refused {
    /// The key, as far as it could be read, to be shown.
    pub key: Option<String>,
    /// The whole key of a record that stands for a row of the fetched type: what is stored under it
    /// stays as it was.
    pub id: Option<Key>,
    /// `price: expected a Float (a finite number), found the text "cheap"`.
    pub reason: String,
    /// The record as JSON, cut at 64 KiB (the reason then says so).
    pub record: String,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct GroupOutcome {
    pub new: u64,
    pub changed: u64,
    pub same: u64,
    /// Rows that an earlier page of this run brought already: pages that shifted while being read.
    pub repeated: u64,
    /// Records whose key came before in this run, on whatever page.
    pub copies: u64,
}
