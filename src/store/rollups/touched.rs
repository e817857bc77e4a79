//! What a transaction does to the rows that rollups are computed of, gathered while it writes:
//! which rows, and which parents they had before. Changes no row.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    catalog::{Catalog, EntityId, FieldId},
    store::{db::pool::get, error::StoreError, tx::Transaction},
    value::Total,
};

use super::{
    computed::{Computed, compiler, kept},
    lists::for_rows,
};

/// What a transaction has done so far.
#[derive(Clone, Default)]
pub(crate) struct Touched<'a> {
    /// All rollups that are kept right, with the rows that may have other values of theirs.
    pub(super) rollups: Vec<(Computed<'a>, Parents)>,
    /// Rows that rollups are computed of, new ones and those whose parents before are known.
    pub(super) rows: BTreeMap<EntityId, HashSet<i64>>,
    /// Rows that have rollups and were not there before: what they become is no change.
    pub(super) new: BTreeMap<EntityId, HashSet<i64>>,
}

/// The rows of one rollup that may have another value of it.
#[derive(Clone, Default)]
pub(super) struct Parents {
    /// Those that are to be computed anew in any case.
    pub whole: BTreeSet<i64>,
    /// Those that rows had which were written, with how many of these each had.
    pub lost: BTreeMap<i64, i64>,
    /// Those that such rows have in the end, with how many of these each has.
    pub gained: BTreeMap<i64, i64>,
    /// What such rows add up to, where sums are kept by adding.
    pub added: BTreeMap<i64, Total>,
}

/// When rows are counted for their parents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Before,
    End,
}

impl<'a> Touched<'a> {
    pub(crate) fn of(catalog: &'a Catalog) -> Touched<'a> {
        let rollups = kept(catalog).into_iter();
        Touched {
            rollups: rollups.map(|computed| (computed, Parents::default())).collect(),
            ..Touched::default()
        }
    }

    fn feeds(&self, entity: EntityId) -> bool {
        self.rollups.iter().any(|(computed, _)| computed.child() == entity)
    }

    /// Before stored rows, or links of theirs, become others, or are deleted: which a savepoint may
    /// take back.
    pub(crate) async fn before(
        &mut self,
        tx: &mut Transaction<'_>,
        entity: EntityId,
        rows: impl Iterator<Item = i64> + Send,
    ) -> Result<(), StoreError> {
        let Touched { rollups, .. } = self;
        let of_other = rollups
            .iter_mut()
            .filter(|(computed, _)| computed.parent == entity && computed.is_by_other_than_key(&tx.context.catalog));
        let of_other: Vec<&mut Parents> = of_other.map(|(_, parents)| parents).collect();
        let rows: Vec<i64> = rows.collect();
        for parents in of_other {
            parents.whole.extend(&rows);
        }
        if !self.feeds(entity) {
            return Ok(());
        }
        let known = self.rows.entry(entity).or_default();
        let first: Vec<i64> = rows.into_iter().filter(|row| known.insert(*row)).collect();
        self.count(tx, entity, &first, At::Before).await
    }

    /// Notes rows that were not there before.
    pub(crate) fn added(&mut self, entity: EntityId, rows: impl Iterator<Item = i64>) {
        let has = self.rollups.iter().any(|(computed, _)| computed.parent == entity);
        let feeds = self.feeds(entity);
        if !has && !feeds {
            return;
        }
        let rows: Vec<i64> = rows.collect();
        if feeds {
            self.rows.entry(entity).or_default().extend(&rows);
        }
        if has {
            self.new.entry(entity).or_default().extend(&rows);
            self.anew(entity, &rows, |_| true);
        }
    }

    /// Notes rows whose links in a field become others.
    pub(crate) fn relinked(&mut self, entity: EntityId, field: FieldId, rows: impl Iterator<Item = i64>) {
        let rows: Vec<i64> = rows.collect();
        self.anew(entity, &rows, |computed| computed.is_of_links(field));
    }

    /// Notes rows that lose what was computed of them.
    pub(crate) fn lost(&mut self, entity: EntityId, rows: impl Iterator<Item = i64>) {
        let rows: Vec<i64> = rows.collect();
        self.anew(entity, &rows, |_| true);
    }

    fn anew(&mut self, entity: EntityId, rows: &[i64], which: impl Fn(&Computed<'a>) -> bool) {
        let of = self.rollups.iter_mut();
        for (_, parents) in of.filter(|(computed, _)| computed.parent == entity && which(computed)) {
            parents.whole.extend(rows);
        }
    }

    /// Counts rows for the parents that they have at this moment.
    pub(super) async fn count(
        &mut self,
        tx: &mut Transaction<'_>,
        entity: EntityId,
        rows: &[i64],
        at: At,
    ) -> Result<(), StoreError> {
        for (computed, parents) in &mut self.rollups {
            if computed.child() == entity {
                parents_of(tx, computed, rows, at, parents).await?;
            }
        }
        Ok(())
    }
}

async fn parents_of(
    tx: &mut Transaction<'_>,
    computed: &Computed<'_>,
    rows: &[i64],
    at: At,
    parents: &mut Parents,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut compiler = compiler(tx.context);
    let (head, tail) = computed.parents(&mut compiler)?;
    let statement = |list: &str| format!("{head}{list}{tail}");
    for line in for_rows(tx, &compiler.binds, rows, statement).await? {
        let (parent, count): (i64, i64) = (get(&line, 0)?, get(&line, 1)?);
        let counts = match at {
            At::Before => &mut parents.lost,
            At::End => &mut parents.gained,
        };
        *counts.entry(parent).or_default() += count;
        if let (At::End, Some(sum)) = (at, get::<Option<String>>(&line, 2)?) {
            let total = parents.added.entry(parent).or_default();
            if !total.add(&sum) {
                return Err(StoreError::Internal("a sum is no number".to_owned()));
            }
        }
    }
    Ok(())
}
