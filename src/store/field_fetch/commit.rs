//! Commits the answers of a field fetch: rows of the target, links of the rows asked about,
//! and what is remembered of each request. Many answers share one transaction, which costs more
//! than their rows. Knows the order of the steps.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
};

use crate::{
    catalog::{EntityId, FetchId, FieldFetch},
    store::{
        bulk::{delete_where, named},
        commit::{self, Evidence},
        context::{self, Context},
        db::{failpoint, rows::Rows},
        error::StoreError,
        load::{
            again,
            batch::{Batch, Item},
            key::distinct,
            links::{self, insert_links},
            single_links,
            turns::take_turn,
        },
        state::later::{Later, Rest},
        system::{
            change_log::Op,
            field_requests::{
                self,
                answers::{self, Kept, NOTED_KINDS},
            },
            runs::{self, counts::Counts},
        },
        tx::Transaction,
        types::{GroupOutcome, ParentAnswer, ParentOutcome, RequestState, Run},
    },
    value::{Key, Row, Value},
};

use super::{
    brought::{self, Brought},
    refused,
};

/// What one request becomes.
struct Noted<'a> {
    answer: &'a ParentAnswer,
    state: &'static str,
    /// Of a good answer: what the next one is compared with.
    good: Option<Option<&'a RequestState>>,
    /// The rows that it stands for. None: it is read in full next time.
    brought: Option<&'a Brought>,
    /// It says that nothing changed, and something has: it is asked again at once, as if nothing
    /// was known of it.
    stale: bool,
    error: Option<&'a str>,
    again_in: Option<i64>,
    /// The next run asks again and reads all of it: the value that stood in a row's way may be free
    /// by then.
    unfit: bool,
}

/// Writes the answers whose claims are still `owner`'s; others have been asked again elsewhere and
/// are left out.
pub(crate) async fn commit_field_answers(
    context: &Context,
    run: &Run,
    fetch: FetchId,
    owner: &str,
    answers: &[ParentAnswer],
) -> Result<GroupOutcome, StoreError> {
    // A process that only helps has none: there the next run tries again.
    let memory = context.runs.of(run).unwrap_or_default();
    let mut memory = memory.lock().await;
    let mut batch = Batch::begin(context).await?;
    runs::check_fence(&mut batch, run).await?;
    let each = context::field_fetch(context, fetch)?;
    // What an answer says is written beside its parent, or into it: who deletes parents, or writes
    // them, waits, or is waited for.
    take_turn(&mut batch, run, Some(each.parent)).await?;
    // A deletion that just ended could not see requests that were being planned meanwhile.
    field_requests::forget_orphans(&mut batch, run, fetch, owner).await?;
    let answers = claimed(&mut batch, run, owner, answers).await?;
    let mut known = brought::known(&mut batch, run, &answers).await?;
    let Targets {
        outcome,
        refused,
        unfit,
        rest,
        brought,
    } = write_targets(&mut batch, run, &answers, &memory.later).await?;
    failpoint::point("parents::rows");
    match each.one {
        true => single_links::relink(&mut batch, each, &answers).await?,
        false => relink(&mut batch, each, &answers).await?,
    }
    failpoint::point("parents::links");
    let signature = context.catalog.signature(fetch);
    known.brought.extend(brought);
    let noted = answers.iter().map(|answer| noted(answer, &unfit, &known)).collect();
    note_answers(&mut batch, run, &signature, noted).await?;
    failpoint::point("parents::noted");
    count(&mut batch, run, &answers, &outcome, refused).await?;
    let commit = batch.finish(run, Evidence::None).await?;
    memory.later.add(rest);
    commit::announce(context, commit);
    Ok(outcome)
}

/// The answers that are still waited for. The rows of their requests stay locked, so that a
/// deletion of their parents waits.
async fn claimed<'a>(
    tx: &mut Transaction<'_>,
    run: &Run,
    owner: &str,
    answers: &'a [ParentAnswer],
) -> Result<Vec<&'a ParentAnswer>, StoreError> {
    let rows: Vec<i64> = answers.iter().map(|answer| answer.parent.row).collect();
    let locked = field_requests::lock(tx, &run.fetch, &rows, Some((run.id, owner))).await?;
    let mut seen = HashSet::with_capacity(answers.len());
    // A row may come twice, when this process was so slow that it claimed its own request again.
    let waited = |answer: &&ParentAnswer| locked.contains(&answer.parent.row) && seen.insert(answer.parent.row);
    Ok(answers.iter().filter(waited).collect())
}

/// What became of the rows that answers brought.
struct Targets {
    outcome: GroupOutcome,
    refused: u64,
    /// Rows asked about whose answers had a row that the database refused.
    unfit: HashSet<i64>,
    /// What the run tries again at its end.
    rest: Rest,
    /// What is remembered of the others.
    brought: HashMap<i64, Brought>,
}

/// Upserts the rows that the answers brought; of a row that comes in several of them the last
/// counts, of parts of it all.
async fn write_targets(
    batch: &mut Batch<'_>,
    run: &Run,
    answers: &[&ParentAnswer],
    later: &Later,
) -> Result<Targets, StoreError> {
    let rows = together(batch, run.entity, answers.iter().flat_map(|answer| rows_of(answer)));
    let items: Vec<Item<'_>> = rows.iter().map(|row| Item { row, position: 0 }).collect();
    let (items, _) = distinct(batch, run.entity, items);
    let mut outcome = GroupOutcome::default();
    let mut kept_out: HashSet<Key> = HashSet::new();
    let outcomes = batch.upsert(run.entity, &items).await?;
    let mut written: HashMap<Key, (&Row, i64)> = HashMap::with_capacity(items.len());
    for (item, upserted) in items.iter().zip(&outcomes) {
        outcome.count(*upserted);
        if let Some(row) = upserted.row() {
            written.insert(Key(batch.key_of(run.entity, *item)), (item.row, row));
        }
        if !batch.is_whole(run.entity, *upserted) {
            kept_out.insert(Key(batch.key_of(run.entity, *item)));
        }
    }
    let mut rest = again::left(batch, run.entity, &items, &outcomes, later);
    let mut unfit = HashSet::new();
    for answer in answers.iter().filter(|_| !kept_out.is_empty()) {
        let key = |row| Key(batch.key_of(run.entity, Item { row, position: 0 }));
        if rows_of(answer).iter().any(|row| kept_out.contains(&key(row))) {
            unfit.insert(answer.parent.row);
        }
    }
    let brought = brought::of_answers(batch, run, answers, &written).await?;
    let stored = std::mem::take(&mut batch.refused);
    Ok(Targets {
        outcome,
        refused: refused::replace(batch, run, answers, &stored, &mut rest).await?,
        unfit,
        rest,
        brought,
    })
}

/// The rows, those parts of one row put together that are of the same.
fn together<'r>(batch: &Batch<'_>, entity: EntityId, rows: impl Iterator<Item = &'r Row>) -> Vec<Cow<'r, Row>> {
    let apart = batch.tables(entity).apart();
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut all: Vec<Cow<'r, Row>> = Vec::new();
    for row in rows {
        if row.part.is_some() {
            match places.entry(Key(batch.key_of(entity, Item { row, position: 0 }))) {
                Entry::Occupied(place) => {
                    if let Some(older) = all.get_mut(*place.get()) {
                        *older = Cow::Owned(row.over(older, &apart));
                    }
                    continue;
                }
                Entry::Vacant(place) => {
                    place.insert(all.len());
                }
            }
        }
        all.push(Cow::Borrowed(row));
    }
    all
}

fn rows_of(answer: &ParentAnswer) -> &[Row] {
    match &answer.outcome {
        ParentOutcome::Read { rows, .. } => rows,
        _ => &[],
    }
}

fn list(answer: &ParentAnswer) -> Option<(&[Value], &[Key])> {
    match &answer.outcome {
        ParentOutcome::Read { links, .. } => Some((&answer.parent.key[..], &links[..])),
        _ => None,
    }
}

/// Replaces the links of those parents whose lists differ, and notes these as changed.
async fn relink(batch: &mut Batch<'_>, each: &FieldFetch, answers: &[&ParentAnswer]) -> Result<(), StoreError> {
    let Some(join) = batch.tables(each.parent).join_of(each.field) else {
        return Err(StoreError::Internal("a fetched field has no table of links".to_owned()));
    };
    let lists: Vec<(&[Value], &[Key])> = answers.iter().filter_map(|answer| list(answer)).collect();
    let stored = links::stored_links(batch, join, &lists).await?;
    let differing: Vec<(&[Value], &[Key])> = lists
        .into_iter()
        .filter(|(owner, links)| stored.get(&Key(owner.to_vec())).map_or(&[][..], Vec::as_slice) != *links)
        .collect();
    let owners: Vec<Vec<Value>> = differing.iter().map(|(owner, _)| owner.to_vec()).collect();
    let rows = answers.iter().filter(|answer| owners.contains(&answer.parent.key));
    let rows: Vec<i64> = rows.map(|answer| answer.parent.row).collect();
    batch
        .before_links(each.parent, each.field, rows.iter().copied())
        .await?;
    delete_where(batch, &join.name, &named(&join.owner), &owners).await?;
    let mut lines: Vec<(Vec<Value>, i64, &[Value])> = Vec::new();
    for (owner, links) in &differing {
        let numbered = (0..).zip(*links);
        lines.extend(numbered.map(|(position, link)| (owner.to_vec(), position, link.0.as_slice())));
    }
    insert_links(batch, join, lines).await?;
    if !owners.is_empty() {
        batch.touch(each.parent, each.field);
    }
    for owner in &owners {
        batch.note(each.parent, Op::Changed, owner.iter());
    }
    Ok(())
}

/// Remembers what became of each request.
async fn note_answers(
    tx: &mut Transaction<'_>,
    run: &Run,
    signature: &str,
    answers: Vec<Noted<'_>>,
) -> Result<(), StoreError> {
    let mut alike: BTreeMap<(Kept, Option<i64>), Vec<Noted<'_>>> = BTreeMap::new();
    for noted in answers {
        let kept = match &noted {
            Noted { stale: true, .. } => Kept::Answer,
            Noted { good: Some(_), .. } if noted.is_same() => Kept::Told,
            Noted { good: Some(_), .. } => Kept::Nothing,
            _ => Kept::All,
        };
        alike.entry((kept, noted.again_in)).or_default().push(noted);
    }
    for ((kept, again_in), noted) in alike {
        let mut from = 0;
        for size in tx.context.dialect.row_sizes(noted.len(), NOTED_KINDS.len()) {
            let mut rows = Rows::new(tx.params(), &NOTED_KINDS, size);
            for noted in noted.iter().skip(from).take(size) {
                noted.bind(&mut rows, run, signature)?;
            }
            from += size;
            let sql = answers::note(tx, size, kept, again_in);
            tx.run(rows.bind()?, sql).await?;
        }
    }
    Ok(())
}

impl<'a> Noted<'a> {
    fn bind(&self, row: &mut Rows<'a>, run: &'a Run, signature: &'a str) -> Result<(), StoreError> {
        row.text(run.fetch.as_str())?;
        row.int(self.answer.parent.row)?;
        row.int(run.id)?;
        row.text(self.state)?;
        row.int(self.good.filter(|_| !self.unfit).map(|_| self.answer.parent.hash))?;
        row.text(self.good.map(|_| signature))?;
        let state = self.good.flatten().filter(|_| !self.unfit && self.brought.is_some());
        row.text(state.map(|state| state.request.as_str()))?;
        row.text(state.and_then(|state| state.etag.as_deref()))?;
        row.text(state.and_then(|state| state.last_modified.as_deref()))?;
        row.text(state.and_then(|state| state.body_hash.as_deref()))?;
        row.text(self.brought.map(|brought| brought.rows.as_str()))?;
        row.int(self.brought.map(|brought| brought.print))?;
        row.int(self.error.map_or(0, |_| i64::from(self.answer.parent.tries) + 1))?;
        row.text(self.error)?;
        row.text(self.answer.doubt.as_deref())?;
        row.int(self.answer.copies.cast_signed())?;
        row.int(i64::from(self.answer.outcome.leads_on()))
    }

    fn is_same(&self) -> bool {
        matches!(self.answer.outcome, ParentOutcome::Same(_))
    }
}

fn noted<'a>(answer: &'a ParentAnswer, unfit: &HashSet<i64>, known: &'a brought::Known) -> Noted<'a> {
    let row = answer.parent.row;
    let stale = known.stale.contains(&row);
    let (state, good, error, again_in) = match &answer.outcome {
        ParentOutcome::Same(_) if stale => ("due", None, None, None),
        ParentOutcome::Same(state) => ("done", Some(Some(state)), None, None),
        ParentOutcome::Read { state, .. } => ("done", Some(state.as_ref()), None, None),
        ParentOutcome::Failed { error, again_in, .. } => {
            let state = if again_in.is_some() { "due" } else { "failed" };
            (state, None, Some(error.as_str()), *again_in)
        }
    };
    Noted {
        answer,
        state,
        good,
        brought: known.brought.get(&row),
        stale,
        error,
        again_in,
        unfit: unfit.contains(&row),
    }
}

/// Adds to the run's counts. Its lease is left alone: that is for the process that holds it.
async fn count(
    tx: &mut Transaction<'_>,
    run: &Run,
    answers: &[&ParentAnswer],
    outcome: &GroupOutcome,
    refused: u64,
) -> Result<(), StoreError> {
    let sum = |of: fn(&ParentAnswer) -> u64| answers.iter().map(|answer| of(answer)).sum();
    let counts = Counts {
        pages: sum(|answer| answer.pages),
        bytes: sum(|answer| answer.bytes),
        new: outcome.new,
        changed: outcome.changed,
        same: outcome.same,
        refused,
        left_out: sum(|answer| answer.left_out),
        repeated: sum(|answer| answer.copies),
    };
    runs::counts::count(tx, run, counts).await
}
