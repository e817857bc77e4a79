//! One transaction for a few page groups: rows that differ, rows seen, change log, quarantine, request state, checkpoint.
//! Knows the order of the steps; the SQL of tables is in `work` and `write`.

use std::sync::Arc;

use crate::{
    catalog::EntityId,
    change::Commit,
    layout::Layout,
    store::{
        Inner,
        cluster::follow,
        commit::{self, Trace},
        db::{failpoint, pool::get, retry::in_line},
        error::StoreError,
        runs::finish::{LEASE_SECONDS, RunMemory, check_fence},
        state::row_set,
        system::row_numbers,
        types::{Checkpoint, Group, GroupOutcome, Refused, RequestState, Run},
    },
    value::Key,
};

use super::{
    again::Rest,
    batch::{Fate, Item, Work},
    before::{Before, Brought, Page, Part, Sums, ends_page, remember_part},
    deferred,
    key::{KeyOf, distinct},
    log, page,
    print::{self, Print},
    repeats::{self, Split},
    rest,
};

/// Commits groups in their order, in one transaction. An error ends the run; what was seen is only what was committed.
pub(crate) async fn commit_groups(inner: &Inner, run: &Run, groups: &[Group]) -> Result<GroupOutcome, StoreError> {
    let memory = inner.memory(run)?;
    let mut memory = memory.lock().await;
    match commit(inner, run, groups, &mut memory).await {
        // One of them is what is refused: those before it are stored all the same.
        Err(StoreError::Refused(_)) if groups.len() > 1 => {
            let mut outcome = GroupOutcome::default();
            for group in groups {
                outcome.add(&commit(inner, run, std::slice::from_ref(group), &mut memory).await?);
            }
            Ok(outcome)
        }
        done => done,
    }
}

async fn commit(
    inner: &Inner,
    run: &Run,
    groups: &[Group],
    memory: &mut RunMemory,
) -> Result<GroupOutcome, StoreError> {
    let rows = groups.iter().map(|group| group.rows.len()).sum();
    deferred::before(inner, run, rows, memory).await?;
    let done = in_line!(try_groups(inner, run, groups, memory).await)?;
    memory.part += 1;
    if let Some(later) = done.brought.later {
        memory.later = later;
    }
    for (group, part) in groups.iter().zip(done.brought.parts) {
        remember_part(memory, group, part);
    }
    announce(inner, done.commit);
    deferred::after(inner, run, rows).await;
    Ok(done.brought.outcome)
}

/// Groups that are committed.
struct Done {
    brought: Brought,
    commit: Option<Commit>,
}

/// The transaction of some groups. It may be given up at any step, and so changes nothing but the database.
async fn try_groups(inner: &Inner, run: &Run, groups: &[Group], memory: &RunMemory) -> Result<Done, StoreError> {
    let mut work = Work::in_force_load(inner).await?;
    check_fence(&mut work, run).await?;
    take_turn(&mut work, run, None).await?;
    failpoint::point("load::fenced");
    let brought = write_groups(&mut work, run, groups, memory).await?;
    // Groups of rows that are all as they were say only how far the run is: without them pages are read again.
    if work.changes.is_empty()
        && brought.refused == 0
        && let Some(early) = inner.dialect.early_commit()
    {
        work.run(work.params(), early.to_owned()).await?;
    }
    let commit = finish(work, run, Trace::Part(run, memory.part + 1)).await?;
    Ok(Done { brought, commit })
}

/// The same at the end of the run: one whose only page rests looks at no row.
pub(crate) async fn write_last<'a>(
    work: &mut Work<'a>,
    run: &Run,
    groups: &[Group],
    memory: &'a RunMemory,
) -> Result<Brought, StoreError> {
    if memory.part == 0 {
        work.rests = rest::alone(work, run, groups).await?;
    }
    write_groups(work, run, groups, memory).await
}

/// Writes groups in a transaction that has the turn of their run.
pub(crate) async fn write_groups<'a>(
    work: &mut Work<'a>,
    run: &Run,
    groups: &[Group],
    memory: &'a RunMemory,
) -> Result<Brought, StoreError> {
    if work.next_row(run.entity).await? == memory.added.next() {
        work.added = Some((run.entity, &memory.added));
    }
    let mut before = Before::new(memory, groups.len());
    let mut sums = Sums::default();
    let mut parts = Vec::with_capacity(groups.len());
    for group in groups {
        parts.push(write_group(work, run, group, &mut before, &mut sums).await?);
    }
    let part = memory.part + 1;
    let mut rows: Vec<i64> = parts.iter().flat_map(|part| &part.rows).copied().collect();
    // Also when there is none: by this part it is known later that the groups were committed.
    insert_seen(work, run, part, &mut rows).await?;
    failpoint::point("load::seen");
    update_run(work, run, &sums, part).await?;
    failpoint::point("load::checkpoint");
    Ok(Brought {
        refused: sums.refused,
        outcome: sums.outcome,
        parts,
        later: before.into_later(),
        rests: work.rests.is_some(),
    })
}

/// Writes one of the groups of a transaction.
async fn write_group<'g>(
    work: &mut Work<'_>,
    run: &Run,
    group: &'g Group,
    before: &mut Before<'_>,
    sums: &mut Sums<'g>,
) -> Result<Part, StoreError> {
    // A row that an earlier page left open may be whole now.
    work.open.clear();
    let mut written = write_rows(work, run, group, before).await?;
    failpoint::point("load::rows");
    let stored = std::mem::take(&mut work.refused);
    let mut page_refused = None;
    for record in &group.refused {
        let number = insert_refused(work, run, record).await?;
        page_refused.get_or_insert(number);
    }
    for record in &stored {
        let number = insert_refused(work, run, record).await?;
        page_refused.get_or_insert(number);
        written.rest.tell(number, record);
    }
    match &written.added {
        // Rows of this transaction are no part of what the run has added before it.
        Some((hashes, _)) => work.fresh.extend(hashes),
        None => work.added = None,
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
        (Some(request), None, Some(page)) => end_page(work, run, request, page).await?,
        (Some(request), Some(_), _) => page::refresh(work, run, request).await?,
        _ => {}
    }
    work.step += 1;
    let refused = written.refused + (group.refused.len() + stored.len()) as u64;
    sums.add(group, &written.outcome, refused);
    Ok(part)
}

/// What a group wrote or found.
struct Written {
    outcome: GroupOutcome,
    /// Every stored row that the group stands for.
    rows: Vec<i64>,
    /// Of those that it wrote or found to be the same.
    print: Print,
    /// The page is to be read in full by the next run: the database refused a row, or a row nested in one, or one waits for its last copy.
    unfit: bool,
    /// Rows that came before in the run.
    copied: Vec<i64>,
    /// Records of an unchanged page that were refused when it was read.
    refused: u64,
    /// As in [`Part`].
    added: Option<(Vec<u64>, i64)>,
    rest: Rest,
}

/// Writes what differs and collects what was seen; `before` tells what earlier pages of the run brought.
async fn write_rows(work: &mut Work<'_>, run: &Run, group: &Group, before: &Before<'_>) -> Result<Written, StoreError> {
    let items: Vec<Item<'_>> = group.rows.iter().map(|row| Item { row, position: 0 }).collect();
    let (items, dropped) = distinct(work, run.entity, items);
    let mut rows = Vec::with_capacity(items.len());
    let mut print = Print::default();
    let mut refused = 0;
    let hashes = work.added.map(|_| hashes(work, run.entity, &items));
    work.fits(run.entity, &items)?;
    let found = work.find(run.entity, &items).await?;
    let copied = repeats::copied(&found, before);
    if group.once && (dropped > 0 || !copied.is_empty()) {
        return Err(repeats::twice(work, run.entity, group, &items, &found, before));
    }
    let mut outcome = GroupOutcome {
        copies: group.copies + dropped + copied.len() as u64,
        ..GroupOutcome::default()
    };
    let Split { items, found, held } = repeats::split(items, found, before);
    rows.extend(held.iter().map(|(_, row)| *row));
    let fates = work.put(run.entity, &items, found).await?;
    let taken = fates.iter().any(|fate| matches!(fate, Fate::Refused(_)));
    let whole = fates.iter().all(|fate| work.is_whole(run.entity, *fate));
    for (item, fate) in items.iter().zip(&fates) {
        outcome.count(*fate);
        // What is stored of a part of a row is not known here.
        if item.row.part.is_none() && work.is_whole(run.entity, *fate) {
            print.add(item.row.hash);
        }
        rows.extend(fate.row());
    }
    let mut rest = Rest::of(work, run.entity, &items, &fates, before.later());
    let waiting: Vec<Item<'_>> = held.iter().map(|(item, _)| *item).collect();
    rest.hold(work, run.entity, &waiting);
    match (&group.unchanged, work.rests) {
        (Some(request), Some(same)) => {
            refused = page::take_over(work, run, request).await?;
            outcome.same += same;
        }
        (Some(request), None) => {
            let (kept, still) = page::unchanged(work, run, request).await?;
            refused = still;
            outcome.same += kept.len() as u64;
            rows.extend(kept);
        }
        (None, _) => {}
    }
    rows.extend(stays(work, run, &group.refused).await?);
    let added = match hashes {
        // The number of a row that was refused is handed out again by one database, and not by the other.
        Some(hashes) if !taken => Some((hashes, work.next_row(run.entity).await?)),
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

fn hashes(work: &Work<'_>, entity: EntityId, items: &[Item<'_>]) -> Vec<u64> {
    let tables = work.tables(entity);
    let hash = |item: &Item<'_>| KeyOf::new(tables, *item).hash64();
    items.iter().map(hash).collect()
}

impl GroupOutcome {
    /// Counts what became of a row.
    pub(crate) fn count(&mut self, fate: Fate) {
        match fate {
            Fate::New(_) => self.new += 1,
            Fate::Changed(_) => self.changed += 1,
            Fate::Same(_) | Fate::Open(_) => self.same += 1,
            Fate::Refused(_) => {}
        }
    }
}

/// At the end of a page: what is remembered of its request.
async fn end_page(work: &mut Work<'_>, run: &Run, request: &RequestState, mut brought: Page) -> Result<(), StoreError> {
    // A page with a refused row is read again in full: the value that stood in its way may be free by then.
    if brought.unfit {
        page::forget(work, run, &request.request).await?;
    } else {
        let seen = row_set::pack(&mut brought.rows);
        // A row that came twice was counted twice, and one that stays was not written.
        let print = match brought.print.is_of(brought.rows.len()) {
            true => brought.print,
            false => work.print(run.entity, &print::spans(&brought.rows)).await?,
        };
        page::remember(work, run, request, seen, print).await?;
    }
    if let Some(first) = brought.refused {
        name_refused(work, run, first, &request.request).await?;
    }
    Ok(())
}

/// Takes the turn of this run among all that write the same types, `beside` included; others wait until the transaction ends.
pub(crate) async fn take_turn(work: &mut Work<'_>, run: &Run, beside: Option<EntityId>) -> Result<(), StoreError> {
    if work.inner.dialect.exclusive() {
        return Ok(());
    }
    let mut written = family(&work.inner.layout, run.entity);
    written.extend(beside);
    row_numbers::lock(work, written).await
}

/// An entity and all that is nested in it: what a run of its fetch may write.
pub(crate) fn family(layout: &Layout, entity: EntityId) -> Vec<EntityId> {
    let mut all = vec![entity];
    let mut at = 0;
    // Nesting has no circles: each type has one owner.
    while let Some(next) = all.get(at) {
        let nested = &layout.entity(*next).nested;
        all.extend(nested.iter().map(|nested| nested.child));
        at += 1;
    }
    all
}

/// The stored rows that refused records stand for: their last good versions, which are not absent.
async fn stays(work: &mut Work<'_>, run: &Run, refused: &[Refused]) -> Result<Vec<i64>, StoreError> {
    let keys: Vec<&Key> = refused.iter().filter_map(|refused| refused.id.as_ref()).collect();
    work.rows_of(run.entity, &keys).await
}

async fn insert_seen(work: &mut Work<'_>, run: &Run, part: i64, rows: &mut Vec<i64>) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.id)?;
    params.add(part)?;
    params.add(row_set::pack(rows))?;
    work.run(
        params,
        "INSERT INTO hayloft_run_seen(run,part,rows) VALUES ($1,$2,$3)".to_owned(),
    )
    .await?;
    Ok(())
}

/// The number of the new entry.
pub(crate) async fn insert_refused(work: &mut Work<'_>, run: &Run, refused: &Refused) -> Result<i64, StoreError> {
    let mut params = work.params();
    params.add(run.id)?;
    params.add(run.fetch.clone())?;
    params.add(refused.key.clone())?;
    params.add(refused.reason.clone())?;
    params.add(refused.record.clone())?;
    let now = work.inner.dialect.now(0);
    let sql = format!(
        "INSERT INTO hayloft_quarantine(run,\"fetch\",row_key,reason,record,at) VALUES ($1,$2,$3,$4,$5,{now}) RETURNING id"
    );
    work.all(params, sql).await?.first().map_or(Ok(0), |row| get(row, 0))
}

/// Notes which request brought the refused records of a page, from the first of them on.
async fn name_refused(work: &mut Work<'_>, run: &Run, first: i64, request: &str) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(request.to_owned())?;
    params.add(first)?;
    params.add(run.id)?;
    let sql = "UPDATE hayloft_quarantine SET request=$1 WHERE id>=$2 AND run=$3";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}

async fn update_run(work: &mut Work<'_>, run: &Run, sums: &Sums<'_>, part: i64) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.id)?;
    let outcome = &sums.outcome;
    for count in [
        sums.pages,
        sums.bytes,
        outcome.new,
        outcome.changed,
        outcome.same,
        sums.refused,
        sums.left_out,
        outcome.copies,
    ] {
        params.add(count.cast_signed())?;
    }
    let mut sql = format!(
        "UPDATE hayloft_run SET pages=pages+$2,bytes=bytes+$3,new_rows=new_rows+$4,changed_rows=changed_rows+$5,\
         same_rows=same_rows+$6,refused_rows=refused_rows+$7,left_out_rows=left_out_rows+$8,\
         repeated_rows=repeated_rows+$9,heartbeat_at={},lease_until={}",
        work.inner.now(0),
        work.inner.now(LEASE_SECONDS)
    );
    if let Some(Checkpoint { next, pages, rows }) = sums.checkpoint {
        params.add(next.clone())?;
        params.add(pages.cast_signed())?;
        params.add(rows.cast_signed())?;
        params.add(part)?;
        sql.push_str(",checkpoint=$10,checkpoint_pages=$11,checkpoint_rows=$12,checkpoint_part=$13");
    }
    sql.push_str(" WHERE id=$1");
    work.run(params, sql).await?;
    Ok(())
}

/// Writes the change log, whose numbers are taken as the last step, and commits.
pub(crate) async fn finish(mut work: Work<'_>, run: &Run, trace: Trace<'_>) -> Result<Option<Commit>, StoreError> {
    row_numbers::keep(&mut work).await?;
    let (entities, counts) = (work.touched(), work.counts());
    let logged = log::write(&mut work, run).await?;
    let own = match &logged {
        Some(logged) => follow::tell(&mut work, logged.after, logged.head).await?,
        None => None,
    };
    failpoint::point("commit::before");
    let (inner, era) = (work.inner, work.era);
    commit::commit(work, trace).await?;
    if let Some(own) = own {
        own.committed();
        if let Some(logged) = &logged {
            inner.ground.saw(era, logged.head);
        }
    }
    failpoint::point("commit::after");
    inner.changed.note(&counts);
    Ok(logged.map(|logged| Commit {
        head: logged.head,
        entities: Arc::new(entities),
    }))
}

/// Tells the listeners of a commit that changed something.
pub(crate) fn announce(inner: &Inner, commit: Option<Commit>) {
    if let Some(commit) = commit {
        inner.bus.announce(commit);
    }
}

/// Forgets the pages that a complete run did not visit: they may list rows that are gone now, which their validators would
/// hide, and pages that are never asked for again would pile up. `all` forgets those that it did visit, too.
pub(crate) async fn forget_unvisited(work: &mut Work<'_>, run: &Run, all: bool) -> Result<(), StoreError> {
    let mut params = work.params();
    params.add(run.fetch.clone())?;
    params.add(run.id)?;
    params.add(all)?;
    let sql = "DELETE FROM hayloft_request_state WHERE \"fetch\"=$1 AND (run<>$2 OR $3)";
    work.run(params, sql.to_owned()).await?;
    Ok(())
}
