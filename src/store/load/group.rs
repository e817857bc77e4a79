//! One transaction for a few page groups: rows that differ, rows seen, change log, quarantine,
//! request state, checkpoint. Knows the order of the steps; the SQL of tables is in `upsert` and
//! what it calls.

use std::collections::{HashSet, VecDeque};

use crate::{
    catalog::EntityId,
    change::Commit,
    store::{
        commit::{self, Evidence},
        context::Context,
        db::{failpoint, retry::retry},
        error::StoreError,
        state::{
            later::Rest,
            print::{self, Print},
            row_set,
            run_memory::RunMemory,
        },
        system::{
            quarantine,
            requests::{self, Remembered},
            row_numbers, run_seen,
            runs::{self, counts::Counts},
        },
        tx::Transaction,
        types::{Group, GroupOutcome, Refused, RequestState, Run, UpsertOutcome},
    },
    value::Key,
};

use super::{
    again,
    batch::{Batch, Item},
    before::{Before, Brought, Page, Part, Sums, ends_page, remember_part},
    deferred,
    key::{KeyOf, distinct},
    page,
    repeats::{self, Split},
    rest, together, turns,
};

/// Commits groups in their order, in one transaction. An error ends the run; what was seen is only
/// what was committed.
pub(crate) async fn commit_groups(context: &Context, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
    let memory = context.runs.of(run)?;
    let mut memory = memory.lock().await;
    match commit(context, run, groups, &mut memory).await {
        // One of them is what is refused: those before it are stored all the same.
        Err(StoreError::Refused(_) | StoreError::Internal(_)) if groups.len() > 1 => {
            let mut outcome = GroupOutcome::default();
            for group in groups {
                outcome.add(&commit(context, run, std::slice::from_ref(group), &mut memory).await?);
            }
            Ok(outcome)
        }
        done => done,
    }
}

async fn commit(
    context: &Context,
    run: &Run,
    groups: &[Group],
    memory: &mut RunMemory,
) -> Result<GroupOutcome, StoreError> {
    let rows = groups.iter().map(|group| group.rows.len()).sum();
    deferred::before(context, run, rows, memory).await?;
    let done = retry!(try_groups(context, run, groups, memory).await)?;
    memory.part += 1;
    memory.written = done.written;
    if let Some(later) = done.brought.later {
        memory.later = later;
    }
    for (group, part) in groups.iter().zip(done.brought.parts) {
        remember_part(memory, group, part);
    }
    commit::announce(context, done.commit);
    deferred::after(context, run, rows).await;
    Ok(done.brought.outcome)
}

/// Groups that are committed.
struct Done {
    brought: Brought,
    /// As in [`RunMemory::written`].
    written: Option<i64>,
    commit: Option<Commit>,
}

/// The transaction of some groups. It may be given up at any step, and so changes nothing but the
/// database.
async fn try_groups(context: &Context, run: &Run, groups: &[Group], memory: &RunMemory) -> Result<Done, StoreError> {
    let mut batch = Batch::begin(context).await?;
    runs::check_fence(&mut batch, run).await?;
    turns::take_turn(&mut batch, run, None).await?;
    failpoint::point("load::fenced");
    let brought = write_groups(&mut batch, run, groups, memory).await?;
    // Groups of rows that are all as they were say only how far the run is: without them pages are
    // read again.
    if batch.changes.is_empty()
        && brought.refused == 0
        && let Some(early) = context.dialect.early_commit()
    {
        batch.plain(early).await?;
    }
    let written = brought.written.map(|before| before + batch.adds_to_written(run.entity));
    let commit = batch.finish(run, Evidence::Part(run, memory.part + 1)).await?;
    Ok(Done {
        brought,
        written,
        commit,
    })
}

/// The same at the end of the run: one whose only page rests looks at no row.
pub(crate) async fn write_last<'a>(
    batch: &mut Batch<'a>,
    run: &Run,
    groups: &[Group],
    memory: &'a RunMemory,
) -> Result<Brought, StoreError> {
    if memory.part == 0 {
        batch.rests = rest::alone(batch, run, groups).await?;
    }
    write_groups(batch, run, groups, memory).await
}

/// Writes groups in a transaction that has the turn of their run.
pub(crate) async fn write_groups<'a>(
    batch: &mut Batch<'a>,
    run: &Run,
    groups: &[Group],
    memory: &'a RunMemory,
) -> Result<Brought, StoreError> {
    if row_numbers::next_row(batch, run.entity).await? == memory.added.next() {
        batch.added = Some((run.entity, &memory.added));
    }
    let written = match memory.written {
        None if rest::begins(memory, groups) => Some(row_numbers::written(batch, run.entity).await?),
        known => known,
    };
    let mut before = Before::new(memory, groups.len());
    let mut sums = Sums::default();
    let mut parts = Vec::with_capacity(groups.len());
    let mut written_ahead = VecDeque::new();
    for (at, group) in groups.iter().enumerate() {
        if written_ahead.is_empty() {
            written_ahead = together::write(batch, run, groups.get(at..).unwrap_or_default()).await?;
        }
        let outcomes = written_ahead.pop_front();
        parts.push(write_group(batch, run, group, outcomes, &mut before, &mut sums).await?);
    }
    batch.remember_pages(run).await?;
    let part = memory.part + 1;
    let mut rows: Vec<i64> = parts.iter().flat_map(|part| &part.rows).copied().collect();
    // Also when there is none: by this part it is known later that the groups were committed.
    run_seen::insert_seen(batch, run, part, &mut rows).await?;
    failpoint::point("load::seen");
    update_run(batch, run, &sums, part).await?;
    failpoint::point("load::checkpoint");
    Ok(Brought {
        refused: sums.refused,
        outcome: sums.outcome,
        parts,
        later: before.into_later(),
        rests: batch.rests.is_some(),
        written,
    })
}

/// Writes one of the groups of a transaction, or only notes of it what became of its rows where
/// they were written before.
async fn write_group<'g>(
    batch: &mut Batch<'_>,
    run: &Run,
    group: &'g Group,
    outcomes: Option<Vec<UpsertOutcome>>,
    before: &mut Before<'_>,
    sums: &mut Sums<'g>,
) -> Result<Part, StoreError> {
    // A row that an earlier page left open may be whole now.
    batch.open.clear();
    if group.unchanged.is_some() {
        batch.remember_pages(run).await?;
    }
    let mut written = write_rows(batch, run, group, outcomes, before).await?;
    failpoint::point("load::rows");
    let stored = std::mem::take(&mut batch.refused);
    let mut page_refused = None;
    for record in &group.refused {
        let number = quarantine::insert_refused(batch, run, record).await?;
        page_refused.get_or_insert(number);
    }
    for record in &stored {
        let number = quarantine::insert_refused(batch, run, record).await?;
        page_refused.get_or_insert(number);
        written.rest.tell(number, record);
    }
    match &written.added {
        // Rows of this transaction are no part of what the run has added before it.
        Some((hashes, _)) => batch.fresh.extend(hashes),
        None => batch.added = None,
    }
    let mut part = Part {
        rows: written.rows,
        print: written.print,
        copied: written.copied,
        unfit: written.unfit,
        page_refused,
        added: written.added,
        rest: written.rest,
    };
    before.add(&mut part);
    let page = ends_page(group).then(|| before.end_page());
    match (&group.request, &group.unchanged, page) {
        (Some(request), None, Some(page)) => end_page(batch, run, request, page).await?,
        (Some(request), Some(_), _) => requests::refresh(batch, run, request).await?,
        _ => {}
    }
    batch.step += 1;
    let refused = written.refused + (group.refused.len() + stored.len()) as u64;
    sums.add(group, &written.outcome, refused);
    Ok(part)
}

/// What a group wrote or found.
struct Written {
    outcome: GroupOutcome,
    /// Every stored row that the group stands for.
    rows: Vec<i64>,
    /// Of those of its own, as they are stored now: what others write from here on is not the
    /// page's.
    print: Print,
    /// The page is to be read in full by the next run: the database refused a row, or a row nested
    /// in one, or one waits for its last copy.
    unfit: bool,
    /// Rows that came before in the run.
    copied: Vec<i64>,
    /// Records of an unchanged page that were refused when it was read.
    refused: u64,
    /// As in [`Part`].
    added: Option<(Vec<u64>, i64)>,
    rest: Rest,
}

/// Writes what differs, unless that was done, and collects what was seen; `before` tells what
/// earlier pages of the run brought.
async fn write_rows(
    batch: &mut Batch<'_>,
    run: &Run,
    group: &Group,
    outcomes: Option<Vec<UpsertOutcome>>,
    before: &Before<'_>,
) -> Result<Written, StoreError> {
    let items: Vec<Item<'_>> = group.rows.iter().map(|row| Item { row, position: 0 }).collect();
    let (items, dropped) = distinct(batch, run.entity, items);
    let mut rows = Vec::with_capacity(items.len());
    let mut print = Print::default();
    let mut refused = 0;
    let hashes = batch.added.map(|_| hashes(batch, run.entity, &items));
    batch.fits(run.entity, &items)?;
    let found = match &outcomes {
        Some(_) => vec![None; items.len()],
        None => batch.find(run.entity, &items).await?,
    };
    let copied = repeats::copied(&found, before);
    if group.once && (dropped > 0 || !copied.is_empty()) {
        return Err(repeats::twice(batch, run.entity, group, &items, &found, before));
    }
    let mut outcome = GroupOutcome {
        copies: group.copies + dropped + copied.len() as u64,
        ..GroupOutcome::default()
    };
    let Split { items, found, held } = repeats::split(items, found, before);
    rows.extend(held.iter().map(|(_, row)| *row));
    // Of a row that comes again on its page the last form counts.
    let again = found.iter().flatten().map(|found| found.row);
    let again: Vec<i64> = again.filter(|row| before.is_on_page(*row)).collect();
    print.minus(print_of(batch, run, again).await?);
    let outcomes = match outcomes {
        Some(outcomes) => outcomes,
        None => batch.put(run.entity, &items, found).await?,
    };
    let taken = outcomes
        .iter()
        .any(|upserted| matches!(upserted, UpsertOutcome::Refused(_)));
    let whole = outcomes.iter().all(|upserted| batch.is_whole(run.entity, *upserted));
    // What is stored of a part of a row is not known here, nor of a row that stays.
    let mut unknown = Vec::new();
    for (item, upserted) in items.iter().zip(&outcomes) {
        outcome.count(*upserted);
        match item.row.part {
            None if batch.is_whole(run.entity, *upserted) => print.add(item.row.hash),
            None => {}
            Some(_) => unknown.extend(upserted.row()),
        }
        rows.extend(upserted.row());
    }
    let stay = stays(batch, run, &group.refused).await?;
    if !stay.is_empty() {
        let here: HashSet<i64> = rows.iter().copied().collect();
        let new = |row: &&i64| !here.contains(*row) && !before.is_on_page(**row);
        unknown.extend(stay.iter().filter(new));
        rows.extend(stay);
    }
    print.plus(print_of(batch, run, unknown).await?);
    let mut rest = again::left(batch, run.entity, &items, &outcomes, before.later());
    let waiting: Vec<Item<'_>> = held.iter().map(|(item, _)| *item).collect();
    again::hold(&mut rest, batch, run.entity, &waiting);
    match (&group.unchanged, batch.rests) {
        (Some(request), Some(same)) => {
            refused = requests::take_over(batch, run, request).await?;
            outcome.same += same;
        }
        (Some(request), None) => {
            let (kept, still) = page::unchanged(batch, run, request).await?;
            refused = still;
            outcome.same += kept.len() as u64;
            rows.extend(kept);
        }
        (None, _) => {}
    }
    let added = match hashes {
        // The number of a row that was refused is handed out again by one database, and not by the
        // other.
        Some(hashes) if !taken => Some((hashes, row_numbers::next_row(batch, run.entity).await?)),
        _ => None,
    };
    // What comes twice on one page is the upstream's own way: the page is of one moment.
    outcome.repeated = rows.iter().filter(|row| before.has_seen(**row)).count() as u64;
    // What waits for its last copy is not stored as this page says.
    let unfit = !whole || !held.is_empty();
    Ok(Written {
        outcome,
        rows,
        print,
        unfit,
        refused,
        copied,
        added,
        rest,
    })
}

/// The print of some rows as they are stored at this moment.
async fn print_of(batch: &mut Batch<'_>, run: &Run, mut rows: Vec<i64>) -> Result<Print, StoreError> {
    rows.sort_unstable();
    rows.dedup();
    batch.print(run.entity, &print::spans(&rows)).await
}

fn hashes(batch: &Batch<'_>, entity: EntityId, items: &[Item<'_>]) -> Vec<u64> {
    let tables = batch.tables(entity);
    let hash = |item: &Item<'_>| KeyOf::new(tables, *item).hash64();
    items.iter().map(hash).collect()
}

impl GroupOutcome {
    /// Counts what became of a row.
    pub(crate) fn count(&mut self, upserted: UpsertOutcome) {
        match upserted {
            UpsertOutcome::New(_) => self.new += 1,
            UpsertOutcome::Changed(_) => self.changed += 1,
            UpsertOutcome::Same(_) | UpsertOutcome::Open(_) => self.same += 1,
            UpsertOutcome::Refused(_) => {}
        }
    }
}

/// At the end of a page: what is remembered of its request.
async fn end_page(
    batch: &mut Batch<'_>,
    run: &Run,
    request: &RequestState,
    mut brought: Page,
) -> Result<(), StoreError> {
    let seen = row_set::pack(&mut brought.rows);
    // A page with a refused row is read again in full: the value that stood in its way may be free
    // by then.
    match brought.unfit {
        true => {
            batch.remember_pages(run).await?;
            requests::forget(batch, run, &request.request).await?;
        }
        false => batch.end_page(Remembered {
            state: request.clone(),
            seen,
            print: brought.print,
        }),
    }
    if let Some(first) = brought.refused {
        quarantine::name_refused(batch, run, first, &request.request).await?;
    }
    Ok(())
}

/// The stored rows that refused records stand for: their last good versions, which are not absent.
async fn stays(batch: &mut Batch<'_>, run: &Run, refused: &[Refused]) -> Result<Vec<i64>, StoreError> {
    let keys: Vec<&Key> = refused.iter().filter_map(|refused| refused.id.as_ref()).collect();
    batch.rows_of(run.entity, &keys).await
}

async fn update_run(tx: &mut Transaction<'_>, run: &Run, sums: &Sums<'_>, part: i64) -> Result<(), StoreError> {
    let outcome = &sums.outcome;
    let counts = Counts {
        pages: sums.pages,
        bytes: sums.bytes,
        new: outcome.new,
        changed: outcome.changed,
        same: outcome.same,
        refused: sums.refused,
        left_out: sums.left_out,
        repeated: outcome.copies,
    };
    let checkpoint = sums.checkpoint.as_ref().map(|checkpoint| (&**checkpoint, part));
    runs::counts::note_group(tx, run, counts, checkpoint).await
}
