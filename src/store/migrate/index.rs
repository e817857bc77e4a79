//! Indexes: which go, which are missing, and which are built later because their table is large.
//! Knows the database's own list of them, so that a build that was cut off is found and done again.

use std::collections::BTreeSet;

use crate::{
    catalog::EntityId,
    layout::{
        EntityTables, IndexKind, Layout,
        steps::{Origin, Reshape},
    },
    store::{
        context::Context,
        db::{
            dialect::Dialect,
            pool::{ResultRow, get},
        },
        ddl::tables::{self, IndexPlan},
        error::{StoreError, failed},
        tx::Transaction,
    },
};

use super::migration::{Carried, Migration};

/// Rows, by the planner's estimate, from which on an index is not built in the transaction, during
/// which nobody could write: this many take about a second. Tests reach a smaller number sooner.
const LARGE_ROWS: i64 = if cfg!(test) { 1_000 } else { 100_000 };

/// An index as the database has it.
pub(crate) struct Found {
    name: String,
    table: String,
    columns: String,
    unique: bool,
}

impl Found {
    fn read(row: &ResultRow) -> Result<Found, StoreError> {
        Ok(Found {
            name: get(row, 0)?,
            table: get(row, 1)?,
            columns: get::<Option<String>>(row, 2)?.unwrap_or_default(),
            unique: get::<i64>(row, 3)? == 1,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it does what is planned, whatever it is called.
    fn does(&self, dialect: &dyn Dialect, plan: &IndexPlan) -> bool {
        let columns: Vec<_> = plan.columns.iter().map(|name| dialect.name(name)).collect();
        self.table == dialect.name(&plan.table) && self.columns == columns.join(",") && self.unique == plan.is_unique()
    }

    pub(crate) fn is(&self, dialect: &dyn Dialect, plan: &IndexPlan) -> bool {
        self.name == plan.name && self.does(dialect, plan)
    }

    /// The same under the name that older versions gave, which the index of another table could
    /// have.
    fn was(&self, dialect: &dyn Dialect, plan: &IndexPlan) -> bool {
        self.name == plan.former && self.does(dialect, plan)
    }
}

/// Reads what [`Dialect::indexes`] gave.
pub(crate) fn found(rows: &[ResultRow]) -> Result<Vec<Found>, StoreError> {
    rows.iter().map(Found::read).collect()
}

/// The indexes that the database has.
pub(crate) async fn there(tx: &mut Transaction<'_>) -> Result<Vec<Found>, StoreError> {
    let sql = tx.context.dialect.indexes().to_owned();
    found(&tx.all(tx.params(), sql).await?)
}

/// Gives the indexes of older databases the names that they have now.
pub(crate) async fn come_over(tx: &mut Transaction<'_>, stored: &Layout) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    let there = there(tx).await?;
    for plan in missing(dialect, stored, &there) {
        if !there.iter().any(|found| found.was(dialect, &plan)) {
            continue;
        }
        for statement in dialect.rename_index(&plan.former, &plan.name, &plan.sql) {
            tx.run(tx.params(), statement).await?;
        }
    }
    Ok(())
}

/// Takes out of a stored layout what it says to be unique and no index keeps so: then it is a step
/// to make it so, with all that comes of that. Gives whether there was any.
pub(crate) fn forget_missing(dialect: &dyn Dialect, stored: &mut Layout, there: &[Found]) -> bool {
    let mut forgotten = false;
    for tables in &mut stored.entities {
        let table = &tables.table;
        let kept = |set: &[usize]| {
            let plan = tables::unique(dialect, table, set);
            there
                .iter()
                .any(|found| found.is(dialect, &plan) || found.was(dialect, &plan))
        };
        let mut indexes = table.indexes.clone();
        indexes.retain(|index| index.kind != IndexKind::Unique || kept(&index.columns));
        forgotten |= indexes.len() < table.indexes.len();
        tables.table.indexes = indexes;
    }
    forgotten
}

/// Drops the indexes of tables that stay when the new layout has no such index, or their columns
/// change under them.
pub(crate) async fn drop_old(
    tx: &mut Transaction<'_>,
    migration: &Migration<'_>,
    carried: &[Carried],
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    for kept in &migration.steps.kept {
        let Some(old) = migration.stored.entities.get(kept.stored) else {
            continue;
        };
        let new = migration.new.entity(kept.entity);
        let wanted = tables::indexes(dialect, new);
        let dropped = dropped_tables(kept, old);
        let same = same_columns(kept, old, new);
        for index in tables::indexes(dialect, old) {
            let untouched =
                index.table != old.table.name || index.columns.iter().all(|name| same.contains(name.as_str()));
            let goes_over = carried.iter().any(|carried| carried.before.is_same(&index));
            if dropped.contains(&index.table)
                || goes_over
                || wanted.iter().any(|wanted| wanted.is_same(&index)) && untouched
            {
                continue;
            }
            for name in index.names() {
                let sql = format!("DROP INDEX IF EXISTS {}", tx.quote(name));
                tx.run(tx.params(), sql).await?;
            }
        }
    }
    Ok(())
}

/// Join tables whose indexes went with them.
fn dropped_tables(kept: &Reshape, old: &EntityTables) -> BTreeSet<String> {
    let joins = old.joins.iter().enumerate();
    joins
        .filter(|(at, _)| !kept.joins.contains(&Some(*at)))
        .map(|(_, join)| join.name.clone())
        .collect()
}

/// Stored columns that stay under their name with their type.
fn same_columns<'m>(kept: &Reshape, old: &'m EntityTables, new: &EntityTables) -> BTreeSet<&'m str> {
    let pairs = new.table.columns.iter().zip(&kept.origins);
    let mut same: BTreeSet<&str> = pairs
        .filter_map(|(column, origin)| match origin {
            Origin::Stored(from) => {
                let stored = old.table.columns.get(*from)?;
                (stored.name == column.name).then_some(stored.name.as_str())
            }
            Origin::Nothing => None,
        })
        .collect();
    if old.positioned && new.positioned {
        same.insert(crate::layout::POSITION_COLUMN);
    }
    if old.table.is_searched() && new.table.is_searched() {
        same.insert(crate::layout::WORDS_COLUMN);
    }
    same
}

/// Creates the indexes that are missing, but for those of large tables that only make answers
/// quicker. What has to be unique is so from the beginning: the run that follows would bring
/// repeated values back. So is what rollups go by, which are computed next: without it, each of
/// them would go through the whole table. What another one does for can wait.
pub(crate) async fn create_missing(tx: &mut Transaction<'_>, layout: &Layout) -> Result<(), StoreError> {
    let there = there(tx).await?;
    for index in missing(tx.context.dialect, layout, &there) {
        let waits = stands_in(tx.context.dialect, &index, &there).is_some();
        let counted = || layout.entities.iter().any(|of| of.is_counted(index.subject.as_deref()));
        if index.is_unique() || !waits && (counted() || !is_large(tx, &index).await?) {
            create(tx, &index).await?;
        }
    }
    Ok(())
}

/// Creates the indexes of a type by which rollups find its rows, where a load has left them for its
/// end.
pub(crate) async fn create_counted(tx: &mut Transaction<'_>, entity: EntityId) -> Result<(), StoreError> {
    let there = there(tx).await?;
    let of = tx.context.layout.entity(entity);
    for index in tables::indexes(tx.context.dialect, of) {
        let is_there = there.iter().any(|found| found.is(tx.context.dialect, &index));
        if of.is_counted(index.subject.as_deref()) && !is_there {
            create(tx, &index).await?;
        }
    }
    Ok(())
}

/// Creates what rows are told apart by, where an older version lost it to an index of the same
/// name.
pub(crate) async fn restore(tx: &mut Transaction<'_>, layout: &Layout, there: &[Found]) -> Result<(), StoreError> {
    let missing = missing(tx.context.dialect, layout, there);
    for index in missing.iter().filter(|index| index.is_unique()) {
        create(tx, index).await?;
    }
    Ok(())
}

pub(crate) async fn create(tx: &mut Transaction<'_>, index: &IndexPlan) -> Result<(), StoreError> {
    // One of that name can be there: a build that was cut off leaves it invalid.
    let sql = format!("DROP INDEX IF EXISTS {}", tx.quote(&index.name));
    tx.run(tx.params(), sql).await?;
    tx.run(tx.params(), index.sql.clone()).await?;
    for statement in statistics(tx.context.dialect, index) {
        tx.run(tx.params(), statement).await?;
    }
    Ok(())
}

/// What makes the statistics that an index brings with it.
pub(crate) fn statistics(dialect: &dyn Dialect, index: &IndexPlan) -> Vec<String> {
    match index.computed {
        true => dialect.analyze(&[dialect.quote(&index.table)]),
        false => Vec::new(),
    }
}

fn missing(dialect: &dyn Dialect, layout: &Layout, there: &[Found]) -> Vec<IndexPlan> {
    let all = layout
        .entities
        .iter()
        .flat_map(|tables| tables::indexes(dialect, tables));
    all.filter(|index| !there.iter().any(|found| found.is(dialect, index)))
        .collect()
}

async fn is_large(tx: &mut Transaction<'_>, index: &IndexPlan) -> Result<bool, StoreError> {
    let Some(sql) = tx.context.dialect.rows_estimate(&index.table) else {
        return Ok(false);
    };
    let rows = tx.all(tx.params(), sql).await?;
    let rows: i64 = rows.first().map_or(Ok(0), |row| get(row, 0))?;
    Ok(rows > LARGE_ROWS)
}

/// The index that does for another one until that is there.
fn stands_in<'f>(dialect: &dyn Dialect, index: &IndexPlan, there: &'f [Found]) -> Option<&'f Found> {
    let shorter = index.shorter.as_ref()?;
    there
        .iter()
        .find(|found| found.is(dialect, shorter) || found.was(dialect, shorter))
}

async fn as_written(context: &Context) -> Result<Vec<Found>, StoreError> {
    let sql = context.params().query(context.dialect.indexes());
    found(&context.writer()?.fetch_all(sql).await.map_err(failed)?)
}

/// The indexes that answers wait for; with `of`, those of these types.
pub(crate) async fn postponed(context: &Context, of: Option<&[EntityId]>) -> Result<Vec<IndexPlan>, StoreError> {
    let there = as_written(context).await?;
    let dialect = context.dialect;
    let mut missing = missing(dialect, &context.layout, &there);
    let wanted = of.map(|of| secondary(dialect, &context.layout, of));
    missing.retain(|index| {
        let is_of_these = wanted.as_ref().is_none_or(|wanted| wanted.contains(index));
        is_of_these && !index.is_unique() && stands_in(dialect, index, &there).is_none()
    });
    Ok(missing)
}

/// All indexes that are still to be built, those for which no other one does first: a build that
/// fails ends the rest.
pub(crate) async fn unbuilt(context: &Context) -> Result<Vec<IndexPlan>, StoreError> {
    let there = as_written(context).await?;
    let mut missing = missing(context.dialect, &context.layout, &there);
    missing.retain(|index| !index.is_unique());
    missing.sort_by_key(|index| stands_in(context.dialect, index, &there).is_some());
    Ok(missing)
}

/// Drops the indexes that did for others until those were there.
pub(crate) async fn drop_shorter(context: &Context) -> Result<(), StoreError> {
    let there = as_written(context).await?;
    let dialect = context.dialect;
    let all = context
        .layout
        .entities
        .iter()
        .flat_map(|tables| tables::indexes(dialect, tables));
    let all: Vec<IndexPlan> = all.collect();
    let built = all
        .iter()
        .filter(|index| there.iter().any(|found| found.is(dialect, index)));
    for found in built.filter_map(|index| stands_in(dialect, index, &there)) {
        if all.iter().any(|wanted| found.is(dialect, wanted)) {
            continue;
        }
        let name = dialect.quote(found.name());
        let drop = match dialect.build_beside(&name, "") {
            Some([drop, _]) => drop,
            None => format!("DROP INDEX IF EXISTS {name}"),
        };
        let drop = context.params().query(drop);
        context.writer()?.execute(drop).await.map_err(failed)?;
        tracing::info!(index = %found.name(), "an index was dropped, as one with more columns is there now");
    }
    Ok(())
}

/// The indexes of these types that only make answers quicker. What rollups go by is more than that,
/// but where one process writes alone, which can tell when it needs them ([`create_counted`]).
pub(crate) fn secondary(dialect: &dyn Dialect, layout: &Layout, of: &[EntityId]) -> Vec<IndexPlan> {
    let all = of.iter().map(|entity| layout.entity(*entity)).flat_map(|of| {
        tables::indexes(dialect, of)
            .into_iter()
            .filter(|index| dialect.exclusive() || !of.is_counted(index.subject.as_deref()))
    });
    all.filter(|index| !index.is_unique()).collect()
}

/// The same as a person knows them: `Item.price`.
pub(crate) fn waiting(dialect: &dyn Dialect, layout: &Layout, there: &[Found]) -> Vec<String> {
    let missing = missing(dialect, layout, there).into_iter();
    let waits = |index: &IndexPlan| {
        let is_there = there.iter().any(|found| found.was(dialect, index));
        !index.is_unique() && !is_there && stands_in(dialect, index, there).is_none()
    };
    missing
        .filter(waits)
        .map(|index| index.subject.unwrap_or(index.table))
        .collect()
}
