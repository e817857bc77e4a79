//! Past versions of rows, over from one layout to the next: their tables are altered as those of
//! the rows are, and in the end it is kept what the steps did to the rows. Knows which; their SQL
//! is in `store::ddl::history` and `store::history`.

use std::collections::BTreeSet;

use crate::{
    catalog::EntityId,
    layout::{
        BEGIN_COLUMN, Column, EntityTables, FROM_COLUMN, GONE_COLUMN, JoinTable, POSITION_COLUMN, ROW_COLUMN,
        UNTIL_COLUMN, history_name,
        steps::{Change, Origin, Reshape},
    },
    store::{db::dialect::Dialect, ddl::history, error::StoreError, history::keep, system::histories, tx::Transaction},
};

use super::{
    items::stays,
    migration::Migration,
    reshape::{self, Columns},
};

/// What becomes of the past.
pub(super) struct Past<'m> {
    migration: &'m Migration<'m>,
    /// The types whose versions go over.
    over: Vec<(&'m Reshape, &'m EntityTables)>,
    /// The types whose past begins now.
    new: BTreeSet<EntityId>,
}

impl<'m> Past<'m> {
    pub(super) fn of(migration: &'m Migration<'m>) -> Past<'m> {
        let kept = migration.steps.kept.iter();
        let over = kept.filter(|kept| kept.past);
        let over = over.filter_map(|kept| Some((kept, migration.stored.entities.get(kept.stored)?)));
        let over: Vec<(&Reshape, &EntityTables)> = over.collect();
        let has_past = |id: &EntityId| migration.new.entity(*id).history;
        let goes_over = |id: &EntityId| over.iter().any(|(kept, _)| kept.entity == *id);
        let kept = migration.steps.kept.iter().map(|kept| kept.entity);
        let all = migration.steps.created.iter().copied().chain(kept);
        let new = all.filter(|id| has_past(id) && !goes_over(id)).collect();
        Past { migration, over, new }
    }

    /// Drops what does not go over, and the indexes of what changes.
    pub(super) async fn drop_old(&self, tx: &mut Transaction<'_>) -> Result<(), StoreError> {
        for (at, old) in self.migration.stored.entities.iter().enumerate() {
            if !old.history {
                continue;
            }
            let over = self.over.iter().find(|(kept, _)| kept.stored == at);
            let mut gone: Vec<&str> = Vec::new();
            for (place, join) in old.joins.iter().enumerate() {
                let stays = over.is_some_and(|(kept, _)| kept.joins.contains(&Some(place)));
                gone.extend((!stays).then_some(join.name.as_str()));
            }
            match over {
                None => gone.push(&old.table.name),
                Some((kept, _)) if stays(self.migration, kept) => {}
                Some(_) => {
                    for (name, _) in history::indexes(tx.context.dialect, old) {
                        let sql = format!("DROP INDEX IF EXISTS {}", tx.quote(&name));
                        tx.run(tx.params(), sql).await?;
                    }
                }
            }
            for table in gone {
                let sql = format!("DROP TABLE {}", tx.quote(&history_name(table)));
                tx.run(tx.params(), sql).await?;
            }
        }
        Ok(())
    }

    /// Brings what goes over to the new names and columns, and makes what is new.
    pub(super) async fn reshape(&self, tx: &mut Transaction<'_>) -> Result<(), StoreError> {
        // All names before any columns, as of the rows.
        for (kept, old) in &self.over {
            let new = self.migration.new.entity(kept.entity);
            let tables = reshape::joins(kept, old, new).map(|(join, old)| (&old.name, &join.name));
            for (old, new) in tables.chain([(&old.table.name, &new.table.name)]) {
                reshape::rename_table(tx, &history_name(old), &history_name(new)).await?;
            }
        }
        for (kept, old) in &self.over {
            if !stays(self.migration, kept) {
                self.columns(tx, kept, old).await?;
            }
        }
        for id in &self.new {
            let tables = self.migration.new.entity(*id);
            let sql = history::table(tx.context.dialect, tables, &history_name(&tables.table.name));
            tx.run(tx.params(), sql).await?;
            for join in &tables.joins {
                self.new_links(tx, join).await?;
            }
        }
        for (kept, _) in &self.over {
            let joins = self.migration.new.entity(kept.entity).joins.iter().zip(&kept.joins);
            for (join, _) in joins.filter(|(_, from)| from.is_none()) {
                self.new_links(tx, join).await?;
            }
        }
        let changed = self.over.iter().filter(|(kept, _)| !stays(self.migration, kept));
        let changed = changed.map(|(kept, _)| kept.entity).chain(self.new.iter().copied());
        for id in changed {
            for (_, sql) in history::indexes(tx.context.dialect, self.migration.new.entity(id)) {
                tx.run(tx.params(), sql).await?;
            }
        }
        Ok(())
    }

    async fn new_links(&self, tx: &mut Transaction<'_>, join: &JoinTable) -> Result<(), StoreError> {
        let sql = history::join_table(tx.context.dialect, join, &history_name(&join.name));
        tx.run(tx.params(), sql).await.map(|_| ())
    }

    async fn columns(&self, tx: &mut Transaction<'_>, kept: &Reshape, old: &EntityTables) -> Result<(), StoreError> {
        let new = self.migration.new.entity(kept.entity);
        for (join, stored) in reshape::joins(kept, old, new) {
            let [was, is] = [stored, join].map(|join| optional(join.owner.iter().chain(&join.targets)));
            let table = history_name(&join.name);
            let columns = Columns {
                table: &table,
                pairs: was.iter().map(Some).zip(&is).collect(),
                gone: Vec::new(),
                words: (false, false),
            };
            let build = |name: &str, dialect: &dyn Dialect| history::join_table(dialect, join, name);
            let own = [POSITION_COLUMN, FROM_COLUMN, UNTIL_COLUMN];
            reshape::change(tx, &columns, &own, build, false).await?;
        }
        let table = history_name(&new.table.name);
        let (was, is) = (optional(old.table.columns.iter()), optional(new.table.columns.iter()));
        let pairs = is
            .iter()
            .zip(&kept.origins)
            .filter(|(column, _)| column.rollup.is_none());
        let pairs = pairs.map(|(column, origin)| match origin {
            Origin::Stored(from) => (was.get(*from), column),
            Origin::Nothing => (None, column),
        });
        let stays = |at: usize| kept.origins.contains(&Origin::Stored(at));
        let gone = was.iter().enumerate();
        let gone = gone.filter(|(at, column)| !stays(*at) && column.rollup.is_none());
        let columns = Columns {
            table: &table,
            pairs: pairs.collect(),
            gone: gone.map(|(_, column)| column.name.as_str()).collect(),
            words: (false, false),
        };
        let build = |name: &str, dialect: &dyn Dialect| history::table(dialect, new, name);
        let mut own = vec![ROW_COLUMN, FROM_COLUMN, UNTIL_COLUMN, BEGIN_COLUMN, GONE_COLUMN];
        own.extend(new.positioned.then_some(POSITION_COLUMN));
        reshape::change(tx, &columns, &own, build, false).await
    }

    /// Keeps what the steps did to the rows, and since when the past of each type is known.
    pub(super) async fn keep(&self, tx: &mut Transaction<'_>) -> Result<(), StoreError> {
        let is_of_index = |change: &Change| {
            matches!(
                change,
                Change::NewIndex | Change::RemovedIndex | Change::RemovedListIndex
            )
        };
        let steps = &self.migration.steps.steps;
        let types = self
            .new
            .iter()
            .copied()
            .chain(self.over.iter().map(|(kept, _)| kept.entity));
        let types: Vec<EntityId> = types.collect();
        let had = self.migration.stored.entities.iter().any(|tables| tables.history);
        if !had && types.is_empty() || steps.iter().all(|step| is_of_index(&step.change)) {
            return Ok(());
        }
        let moment = histories::moment(tx).await?;
        keep::keep_all(tx, types, &moment, |entity| self.new.contains(&entity)).await?;
        let known = histories::all(tx).await?;
        for (name, _) in &known {
            histories::end(tx, name).await?;
        }
        for (kept, old) in &self.over {
            let began = known.iter().find(|(name, _)| *name == old.name);
            let began = began.map_or(moment.as_str(), |(_, began)| began.as_str());
            histories::begin(tx, &self.migration.new.entity(kept.entity).name, began).await?;
        }
        for id in &self.new {
            histories::begin(tx, &self.migration.new.entity(*id).name, &moment).await?;
        }
        Ok(())
    }
}

/// Columns as versions have them: without a value where there was none.
fn optional<'c>(columns: impl Iterator<Item = &'c Column>) -> Vec<Column> {
    let columns = columns.map(|column| Column {
        nullable: true,
        ..column.clone()
    });
    columns.collect()
}
