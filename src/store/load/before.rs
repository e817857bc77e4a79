//! What a transaction of several groups keeps in mind: what came before each of them, and what each
//! of them leaves. Knows pages and numbers of rows; no SQL.

use std::{borrow::Cow, collections::HashSet};

use crate::store::{
    state::{
        later::{Later, Rest},
        print::Print,
        row_set::RowSet,
        run_memory::{REPEATING_MAX, RunMemory},
    },
    types::{Checkpoint, Group, GroupOutcome},
};

/// What one of the groups of a transaction left.
pub(crate) struct Part {
    pub rows: Vec<i64>,
    /// Of its rows as they were stored when it brought them.
    pub print: Print,
    /// Rows that came before in the run.
    pub copied: Vec<i64>,
    pub unfit: bool,
    /// The first entry of the group in the quarantine.
    pub page_refused: Option<i64>,
    /// The keys of its rows, and the number after theirs, where the run knows all keys of the
    /// table.
    pub added: Option<(Vec<u64>, i64)>,
    /// What the run tries again at its end.
    pub rest: Rest,
}

/// What the groups of a transaction left.
pub(crate) struct Brought {
    pub outcome: GroupOutcome,
    pub refused: u64,
    pub parts: Vec<Part>,
    /// What waits for the end of the run, as all groups but the last left it.
    pub later: Option<Later>,
    /// The only page of the run stands for its rows without a look at them.
    pub rests: bool,
    /// As in [`RunMemory::written`], without what this transaction writes.
    pub written: Option<i64>,
}

/// What a run knows at its end.
pub(crate) struct Ended {
    pub seen: RowSet,
    pub later: Later,
    /// As in [`RunMemory::copied`].
    pub copied: Vec<i64>,
    /// As in [`Brought::rests`]: then nothing is known to be seen, and all is.
    pub rests: bool,
    /// As in [`Brought::written`].
    pub written: Option<i64>,
}

impl Ended {
    /// Of what is committed, and of the last groups, which are written together with the end.
    pub(crate) fn of(memory: &RunMemory, last: Option<Brought>) -> Ended {
        let mut ended = Ended {
            seen: memory.seen.clone(),
            later: memory.later.clone(),
            copied: memory.copied.clone(),
            rests: last.as_ref().is_some_and(|last| last.rests),
            written: last.as_ref().map_or(memory.written, |last| last.written),
        };
        ended.see(&memory.page_rows);
        if let Some(last) = last {
            ended.later = last.later.unwrap_or(ended.later);
            for part in last.parts {
                ended.see(&part.rows);
                ended.later.add(part.rest);
                ended.copied.extend(part.copied);
            }
        }
        ended.copied.truncate(REPEATING_MAX);
        ended
    }

    fn see(&mut self, rows: &[i64]) {
        for row in rows {
            self.seen.insert(*row);
        }
    }
}

/// What came before a group: in earlier transactions, and in this one. It says of each group what
/// it would say if the groups before it were committed already.
pub(crate) struct Before<'m> {
    memory: &'m RunMemory,
    /// Rows of the pages that ended in this transaction.
    seen: HashSet<i64>,
    /// Rows of the page under way, from groups of this transaction.
    here: HashSet<i64>,
    /// The page under way.
    page: Page,
    /// Some page ended in this transaction.
    ended: bool,
    /// Groups after this one.
    left: usize,
    /// What waits for the end of the run.
    later: Cow<'m, Later>,
}

impl<'m> Before<'m> {
    /// Before the first of so many groups.
    pub(crate) fn new(memory: &'m RunMemory, groups: usize) -> Before<'m> {
        Before {
            memory,
            seen: HashSet::new(),
            here: HashSet::new(),
            page: Page::default(),
            ended: false,
            left: groups,
            later: Cow::Borrowed(&memory.later),
        }
    }

    /// Whether an earlier page of the run brought a row.
    pub(crate) fn has_seen(&self, row: i64) -> bool {
        self.memory.seen.contains(row) || self.seen.contains(&row)
    }

    /// The same, or an earlier group of this page.
    pub(crate) fn came(&self, row: i64) -> bool {
        self.has_seen(row) || self.is_on_page(row)
    }

    /// Whether an earlier group of this page brought it.
    pub(crate) fn is_on_page(&self, row: i64) -> bool {
        let began_before = !self.ended && self.memory.page.contains(row);
        began_before || self.here.contains(&row)
    }

    /// Whether any row came several times in the last run.
    pub(crate) fn any_repeats(&self) -> bool {
        self.memory.repeating.len() > 0
    }

    /// Whether this one did.
    pub(crate) fn repeats(&self, row: i64) -> bool {
        self.memory.repeating.contains(row)
    }

    pub(crate) fn later(&self) -> &Later {
        &self.later
    }

    /// The page under way with what a group adds to it.
    pub(crate) fn add(&mut self, part: &mut Part) {
        self.left = self.left.saturating_sub(1);
        self.page.rows.extend(&part.rows);
        self.page.print.plus(part.print);
        self.page.unfit |= part.unfit;
        self.page.refused = self.page.refused.or(part.page_refused);
        if self.left == 0 {
            return;
        }
        self.here.extend(&part.rows);
        // What the last one leaves is added after the commit, and a run of one group a transaction
        // copies nothing.
        if !part.rest.is_empty() {
            self.later.to_mut().add(std::mem::take(&mut part.rest));
        }
    }

    /// All of the page that ends now, and the next one begins.
    pub(crate) fn end_page(&mut self) -> Page {
        let mut page = std::mem::take(&mut self.page);
        if !std::mem::replace(&mut self.ended, true) {
            page.rows.extend(&self.memory.page_rows);
            page.print.plus(self.memory.page_print);
            page.unfit |= self.memory.unfit;
            page.refused = self.memory.page_refused.or(page.refused);
        }
        self.here.clear();
        if self.left > 0 {
            self.seen.extend(&page.rows);
        }
        page
    }

    /// What waits after all groups but the last, where they added something.
    pub(crate) fn into_later(self) -> Option<Later> {
        match self.later {
            Cow::Owned(later) => Some(later),
            Cow::Borrowed(_) => None,
        }
    }
}

/// What a page brought, in all its groups.
#[derive(Default)]
pub(crate) struct Page {
    pub rows: Vec<i64>,
    /// Of its rows as they were stored when it brought them.
    pub print: Print,
    /// The database refused a row.
    pub unfit: bool,
    /// Its first entry in the quarantine.
    pub refused: Option<i64>,
}

/// What all groups of a transaction add to their run.
#[derive(Default)]
pub(crate) struct Sums<'g> {
    pub pages: u64,
    pub bytes: u64,
    pub refused: u64,
    pub left_out: u64,
    pub outcome: GroupOutcome,
    pub checkpoint: Option<&'g Checkpoint>,
}

impl<'g> Sums<'g> {
    /// Adds a group; `refused` counts what its page, the definition and the database refused of it.
    pub(crate) fn add(&mut self, group: &'g Group, outcome: &GroupOutcome, refused: u64) {
        self.pages += group.pages;
        self.bytes += group.bytes;
        self.refused += refused;
        self.left_out += group.left_out;
        self.outcome.add(outcome);
        self.checkpoint = group.checkpoint.as_ref().or(self.checkpoint);
    }
}

impl GroupOutcome {
    /// What a further commit did is added to it.
    pub(crate) fn add(&mut self, more: &GroupOutcome) {
        self.new += more.new;
        self.changed += more.changed;
        self.same += more.same;
        self.repeated += more.repeated;
        self.copies += more.copies;
    }
}

/// What a run remembers of a group that is committed.
pub(crate) fn remember_part(memory: &mut RunMemory, group: &Group, part: Part) {
    memory.unfit |= part.unfit;
    memory.page_refused = memory.page_refused.or(part.page_refused);
    for row in &part.rows {
        memory.page.insert(*row);
    }
    memory.page_rows.extend(part.rows);
    memory.page_print.plus(part.print);
    memory.copied.extend(part.copied);
    memory.copied.truncate(REPEATING_MAX);
    memory.later.add(part.rest);
    match &part.added {
        Some((hashes, next)) => memory.added.add(hashes, *next),
        None => memory.added.lose_track(),
    }
    if ends_page(group) {
        memory.end_page();
        memory.page_refused = None;
        memory.unfit = false;
    }
}

/// Whether what comes after a group belongs to another page.
pub(crate) fn ends_page(group: &Group) -> bool {
    group.request.is_some() || group.checkpoint.is_some()
}
