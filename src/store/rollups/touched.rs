//! What a transaction does to the rows that rollups are computed of, gathered while it writes:
//! which rows, and which parents they had before. Changes no row.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::{
    catalog::{Catalog, EntityId, FieldId, Part},
    store::{
        context::Context,
        db::{dialect::scalar_of, pool::get},
        error::StoreError,
        tx::{Transaction, read_value},
    },
    value::Value,
};

use super::{
    computed::{Computed, compiler, kept},
    lists::for_rows,
    named::Named,
    tallied::{Tallied, tallies},
    tally::{Tally, no_number},
};

/// What a transaction has done so far.
#[derive(Clone, Default)]
pub(crate) struct Touched<'a> {
    /// All rollups that are kept right.
    pub(super) alike: Vec<Alike<'a>>,
    /// Rows that have rollups and were not there before: what they become is no change.
    pub(super) new: BTreeMap<EntityId, HashSet<i64>>,
}

/// Rollups of the same rows for the same parents, which are asked for together.
#[derive(Clone)]
pub(super) struct Alike<'a> {
    pub rollups: Vec<Computed<'a>>,
    /// Rows that they are computed of, new ones and those whose parents before are known.
    pub rows: HashSet<i64>,
    /// What new rows are for the parents that they name, where the values at hand tell it.
    pub named: Option<Named>,
    /// Some are computed anew of all rows of a parent, whatever happens to one of them.
    pub anew: bool,
    pub parents: Parents,
}

/// The rows that may have other values of some rollups.
#[derive(Clone, Default)]
pub(super) struct Parents {
    /// Those that are to be computed anew in any case.
    pub whole: BTreeSet<i64>,
    /// Those that rows had which were written.
    pub lost: BTreeMap<i64, Tally>,
    /// Those that such rows have in the end.
    pub gained: BTreeMap<i64, Tally>,
}

/// When rows are counted for their parents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Before,
    End,
}

impl<'a> Alike<'a> {
    fn of(computed: Computed<'a>, context: &Context) -> Alike<'a> {
        Alike {
            named: Named::of(&computed, context),
            anew: computed.is_anew(context),
            rollups: vec![computed],
            rows: HashSet::new(),
            parents: Parents::default(),
        }
    }

    /// Any of them: all have the same rows and parents.
    pub(super) fn one(&self) -> Option<&Computed<'a>> {
        self.rollups.first()
    }

    fn is_of(&self, which: impl Fn(&Computed<'a>) -> bool) -> bool {
        self.one().is_some_and(which)
    }

    /// Whether a transaction did anything that they may go by.
    pub(super) fn is_met(&self) -> bool {
        let names = self.named.as_ref().is_some_and(|named| !named.is_empty());
        names || !self.rows.is_empty() || !self.parents.whole.is_empty()
    }

    /// Finds the parents that new rows name.
    pub(super) async fn find_named(&mut self, tx: &mut Transaction<'_>) -> Result<(), StoreError> {
        let (Some(named), Some(one)) = (self.named.take(), self.rollups.first()) else {
            return Ok(());
        };
        for (row, tally) in named.parents(tx, one.parent).await? {
            self.parents.gained.entry(row).or_default().add(tally);
        }
        Ok(())
    }

    /// Their rows in one order, the same each time.
    pub(super) fn in_order(&self) -> Vec<i64> {
        let mut rows: Vec<i64> = self.rows.iter().copied().collect();
        rows.sort_unstable();
        rows
    }

    /// Whether any of them goes by one of these parts.
    pub(super) fn goes_by(&self, catalog: &Catalog, parts: &BTreeSet<Part>) -> bool {
        let mut all = self.rollups.iter();
        all.any(|computed| !computed.goes_by(catalog).is_disjoint(parts))
    }

    /// The same where no row comes or goes.
    fn goes_by_values(&self, catalog: &Catalog, parts: &BTreeSet<Part>) -> bool {
        let mut all = self.rollups.iter();
        all.any(|computed| {
            let rows = Part::rows(computed.child());
            computed
                .goes_by(catalog)
                .iter()
                .any(|part| *part != rows && parts.contains(part))
        })
    }

    /// Counts rows for the parents that they have at this moment.
    pub(super) async fn count(&mut self, tx: &mut Transaction<'_>, rows: &[i64], at: At) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut compiler = compiler(tx.context);
        let extremes = at == At::Before;
        let tallies = tallies(&self.rollups, &mut compiler, extremes)?;
        let (head, tail) = (&tallies.head, &tallies.tail);
        let statement = |list: &str| format!("{head}{list}{tail}");
        let parents = match at {
            At::Before => &mut self.parents.lost,
            At::End => &mut self.parents.gained,
        };
        for line in for_rows(tx, &compiler.binds, rows, statement).await? {
            let tally = parents.entry(get(&line, 0)?).or_default();
            tally.rows += get::<i64>(&line, 1)?;
            tally.counts.resize(self.rollups.len(), 0);
            tally.sums.resize(self.rollups.len(), None);
            tally.extremes.resize(self.rollups.len(), Vec::new());
            for (column, (at, what)) in tallies.of.iter().enumerate() {
                let column = column + 2;
                match what {
                    Tallied::Count => {
                        let count = tally.counts.get_mut(*at);
                        let more: i64 = get(&line, column)?;
                        count.into_iter().for_each(|count| *count += more);
                    }
                    Tallied::Sum => {
                        let sum = tally.sums.get_mut(*at);
                        if let (Some(sum), Some(more)) = (sum, get::<Option<String>>(&line, column)?) {
                            let known = sum.get_or_insert_default().add(&more);
                            known.then_some(()).ok_or_else(no_number)?;
                        }
                    }
                    Tallied::Extreme(kind) => {
                        let value = read_value(&line, column, scalar_of(*kind))?;
                        let values = tally.extremes.get_mut(*at);
                        values.into_iter().for_each(|values| values.push(value.clone()));
                    }
                }
            }
        }
        Ok(())
    }
}

impl<'a> Touched<'a> {
    pub(crate) fn of(context: &'a Context) -> Touched<'a> {
        let mut all: Vec<Alike<'a>> = Vec::new();
        for computed in kept(&context.catalog) {
            let is_like = |alike: &&mut Alike<'a>| alike.is_of(|one| one.is_like(&computed));
            match all.iter_mut().find(is_like) {
                Some(alike) => {
                    if let Some(named) = &mut alike.named {
                        named.add(&computed, context);
                    }
                    alike.anew |= computed.is_anew(context);
                    alike.rollups.push(computed);
                }
                None => all.push(Alike::of(computed, context)),
            }
        }
        Touched {
            alike: all,
            ..Touched::default()
        }
    }

    /// Before stored rows, or links of theirs, become others, or are deleted: which a savepoint may
    /// take back. `changed` are the parts that may have become others so far, with these, where
    /// that is known: rollups that go by none of them are let alone.
    pub(crate) async fn before(
        &mut self,
        tx: &mut Transaction<'_>,
        entity: EntityId,
        rows: &[i64],
        changed: Option<&BTreeSet<Part>>,
    ) -> Result<(), StoreError> {
        let catalog = &tx.context.catalog;
        let of_other = |computed: &Computed<'_>| computed.parent == entity && computed.is_by_other_than_key(catalog);
        for alike in self.alike.iter_mut().filter(|alike| alike.is_of(of_other)) {
            alike.parents.whole.extend(rows);
        }
        let feeds = |alike: &&mut Alike<'_>| {
            alike.is_of(|computed| computed.child() == entity)
                && changed.is_none_or(|parts| alike.goes_by_values(catalog, parts))
        };
        for alike in self.alike.iter_mut().filter(feeds) {
            let known = &mut alike.rows;
            let first: Vec<i64> = rows.iter().copied().filter(|row| known.insert(*row)).collect();
            alike.count(tx, &first, At::Before).await?;
        }
        Ok(())
    }

    /// Notes rows that were not there before, with the values of their columns.
    pub(crate) fn added<'v>(
        &mut self,
        entity: EntityId,
        new: impl Iterator<Item = (i64, &'v [Value])>,
    ) -> Result<(), StoreError> {
        let has = self.alike.iter().any(|alike| alike.is_of(|one| one.parent == entity));
        let mut feeds = self
            .alike
            .iter_mut()
            .filter(|alike| alike.is_of(|one| one.child() == entity))
            .peekable();
        if !has && feeds.peek().is_none() {
            return Ok(());
        }
        let new: Vec<(i64, &[Value])> = new.collect();
        let rows = || new.iter().map(|(row, _)| *row);
        for alike in feeds {
            match &mut alike.named {
                Some(named) => new.iter().try_for_each(|(_, values)| named.tally(values))?,
                None => alike.rows.extend(rows()),
            }
        }
        if has {
            self.new.entry(entity).or_default().extend(rows());
            let rows: Vec<i64> = rows().collect();
            self.anew(entity, &rows, |_| true);
        }
        Ok(())
    }

    /// The types whose rows may have to be gone through: not where rows only came.
    pub(crate) fn read_anew(&self) -> Vec<EntityId> {
        let is_read = |alike: &&Alike<'_>| {
            let Parents { whole, lost, .. } = &alike.parents;
            !whole.is_empty() || !lost.is_empty() || alike.anew && alike.is_met()
        };
        let read = self.alike.iter().filter(is_read);
        read.filter_map(|alike| alike.one().map(Computed::child)).collect()
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
        let is_meant = |computed: &Computed<'a>| computed.parent == entity && which(computed);
        for alike in self.alike.iter_mut().filter(|alike| alike.is_of(is_meant)) {
            alike.parents.whole.extend(rows);
        }
    }
}
