//! One table with other names and columns: altered in place where the database can, else built anew
//! and filled from the old one. Knows DDL of tables; no indexes.

use crate::{
    layout::{
        Column, EntityTables, HASH_COLUMN, JoinTable, Layout, POSITION_COLUMN, ROW_COLUMN, WORDS_COLUMN,
        steps::{Change, Origin, Reshape, Step, Steps},
    },
    store::{db::dialect::Dialect, ddl::tables, error::StoreError, tx::Transaction},
};

use super::migration::Migration;

/// The name of a table while it is built; types cannot be named so.
const BUILT: &str = "hayloft_rebuilt";

/// One table, whatever it holds: its columns in pairs of what is stored and what they become.
pub(super) struct Columns<'m> {
    pub table: &'m str,
    pub pairs: Vec<(Option<&'m Column>, &'m Column)>,
    pub gone: Vec<&'m str>,
    /// Whether there were words of the rows, and whether there are.
    pub words: (bool, bool),
}

/// Gives a table and its links their new names.
pub(crate) async fn rename(
    tx: &mut Transaction<'_>,
    migration: &Migration<'_>,
    kept: &Reshape,
) -> Result<(), StoreError> {
    let new = migration.new.entity(kept.entity);
    let Some(old) = migration.stored.entities.get(kept.stored) else {
        return Ok(());
    };
    rename_table(tx, &old.table.name, &new.table.name).await?;
    for (join, old) in joins(kept, old, new) {
        rename_table(tx, &old.name, &join.name).await?;
    }
    Ok(())
}

pub(super) async fn rename_table(tx: &mut Transaction<'_>, old: &str, new: &str) -> Result<(), StoreError> {
    if old != new {
        let sql = format!("ALTER TABLE {} RENAME TO {}", tx.quote(old), tx.quote(new));
        tx.run(tx.params(), sql).await?;
        if let Some(sql) = tx.context.dialect.rename_key(old, new) {
            tx.run(tx.params(), sql).await?;
        }
    }
    Ok(())
}

/// Links that stay, new and stored.
pub(super) fn joins<'m>(
    kept: &'m Reshape,
    old: &'m EntityTables,
    new: &'m EntityTables,
) -> impl Iterator<Item = (&'m JoinTable, &'m JoinTable)> {
    let pairs = new.joins.iter().zip(&kept.joins);
    pairs.filter_map(|(join, from)| Some((join, old.joins.get((*from)?)?)))
}

/// Brings the columns of a table and its links to the new layout; the names of the tables are the
/// new ones already.
pub(crate) async fn columns(
    tx: &mut Transaction<'_>,
    migration: &Migration<'_>,
    kept: &Reshape,
) -> Result<(), StoreError> {
    let new = migration.new.entity(kept.entity);
    let Some(old) = migration.stored.entities.get(kept.stored) else {
        return Ok(());
    };
    for (join, stored) in joins(kept, old, new) {
        let own = stored.owner.iter().chain(&stored.targets).map(Some);
        let columns = Columns {
            table: &join.name,
            pairs: own.zip(join.owner.iter().chain(&join.targets)).collect(),
            gone: Vec::new(),
            words: (false, false),
        };
        let build = |name: &str, dialect: &dyn Dialect| tables::join_table(dialect, join, name);
        change(tx, &columns, &[POSITION_COLUMN], build, false).await?;
    }
    let pairs = new.table.columns.iter().zip(&kept.origins);
    let pairs = pairs.map(|(column, origin)| match origin {
        Origin::Stored(from) => (old.table.columns.get(*from), column),
        Origin::Nothing => (None, column),
    });
    let stays = |at: &usize| kept.origins.contains(&Origin::Stored(*at));
    let gone = (0..old.table.columns.len()).filter(|at| !stays(at));
    let columns = Columns {
        table: &new.table.name,
        pairs: pairs.collect(),
        gone: gone
            .filter_map(|at| old.table.columns.get(at))
            .map(|column| column.name.as_str())
            .collect(),
        words: (old.table.is_searched(), new.table.is_searched()),
    };
    let build = |name: &str, dialect: &dyn Dialect| tables::table(dialect, new, name);
    let mut own = vec![ROW_COLUMN, HASH_COLUMN];
    own.extend((old.positioned && new.positioned).then_some(POSITION_COLUMN));
    own.extend((columns.words == (true, true)).then_some(WORDS_COLUMN));
    let moved = old.positioned != new.positioned;
    change(tx, &columns, &own, build, moved).await?;
    Ok(())
}

pub(super) async fn change(
    tx: &mut Transaction<'_>,
    columns: &Columns<'_>,
    own: &[&str],
    build: impl Fn(&str, &dyn Dialect) -> String,
    moved: bool,
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    // A column of our own comes or goes with the rows, so that there is nothing to copy; building
    // anew is then the least.
    if moved || !dialect.alters_columns() && columns.pairs.iter().any(|pair| needs_building(dialect, pair)) {
        return rebuild(tx, columns, own, build).await;
    }
    for statement in alterations(dialect, columns) {
        tx.run(tx.params(), statement).await?;
    }
    Ok(())
}

/// Whether the database goes through all rows of a type for this step, and lets nobody read them
/// until the steps are done: a column that gets another type is written anew with its table, one
/// that becomes required is looked at; words are found, rollups computed and
/// versions begun in all rows.
pub(crate) fn holds_up(dialect: &dyn Dialect, stored: &Layout, new: &Layout, steps: &Steps, step: &Step) -> bool {
    match step.change {
        _ if !dialect.alters_columns() => return false,
        Change::Cast { .. } | Change::Required => {}
        // A new type has no rows yet.
        Change::Searched { .. }
        | Change::SearchedIn { .. }
        | Change::NewRollup
        | Change::Recomputed
        | Change::History
        | Change::HistoryAnew => {
            let mut kept = steps.kept.iter();
            return kept.any(|kept| new.entity(kept.entity).name == step.entity);
        }
        _ => return false,
    }
    let goes_through = |kept: &Reshape| {
        let tables = new.entity(kept.entity);
        let Some(old) = stored.entities.get(kept.stored) else {
            return false;
        };
        let mut pairs = tables.table.columns.iter().zip(&kept.origins);
        tables.name == step.entity
            && pairs.any(|(column, origin)| {
                let Origin::Stored(from) = origin else { return false };
                let own = tables.fields.get(column.field.index()) == step.field.as_ref();
                let altered = |old: &Column| is_cast(dialect, old, column) || old.nullable && !column.nullable;
                own && old.table.columns.get(*from).is_some_and(altered)
            })
    };
    steps.kept.iter().any(goes_through)
}

fn is_cast(dialect: &dyn Dialect, old: &Column, new: &Column) -> bool {
    dialect.column_type(old.kind) != dialect.column_type(new.kind)
}

/// Whether a column cannot be added or altered where `ALTER TABLE` knows little.
fn needs_building(dialect: &dyn Dialect, (old, new): &(Option<&Column>, &Column)) -> bool {
    match old {
        Some(old) => is_cast(dialect, old, new) || old.nullable != new.nullable,
        None => !new.nullable && tables::begins(new).is_none(),
    }
}

/// Columns are dropped before others take their names, and renamed before others are added.
fn alterations(dialect: &dyn Dialect, columns: &Columns<'_>) -> Vec<String> {
    let table = dialect.quote(columns.table);
    let mut out = Vec::new();
    let mut alter = |what: String| out.push(format!("ALTER TABLE {table} {what}"));
    match columns.words {
        (true, false) => alter(format!("DROP COLUMN {}", dialect.quote(WORDS_COLUMN))),
        (false, true) => {
            let (name, ty) = (dialect.quote(WORDS_COLUMN), tables::words_type(dialect));
            alter(format!("ADD COLUMN {name} {ty}"));
        }
        _ => {}
    }
    for name in &columns.gone {
        alter(format!("DROP COLUMN {}", dialect.quote(name)));
    }
    for (old, new) in &columns.pairs {
        let Some(old) = old else { continue };
        if old.name != new.name {
            alter(format!(
                "RENAME COLUMN {} TO {}",
                dialect.quote(&old.name),
                dialect.quote(&new.name)
            ));
        }
    }
    for (old, new) in &columns.pairs {
        let name = dialect.quote(&new.name);
        let ty = dialect.column_type(new.kind);
        match old {
            None => {
                let null = if new.nullable { "" } else { " NOT NULL" };
                let begins = tables::begins(new).map_or(String::new(), |begins| format!(" DEFAULT {begins}"));
                alter(format!("ADD COLUMN {name} {ty}{null}{begins}"));
            }
            Some(old) => {
                if is_cast(dialect, old, new) {
                    alter(format!(
                        "ALTER COLUMN {name} TYPE {ty} USING {}",
                        cast(dialect, &new.name, new)
                    ));
                }
                match (old.nullable, new.nullable) {
                    (true, false) => alter(format!("ALTER COLUMN {name} SET NOT NULL")),
                    (false, true) => alter(format!("ALTER COLUMN {name} DROP NOT NULL")),
                    _ => {}
                }
            }
        }
    }
    out
}

/// A stored value as one of another type; what the casts may be is decided in `layout::steps`.
fn cast(dialect: &dyn Dialect, stored: &str, new: &Column) -> String {
    let ty = dialect.column_type(new.kind);
    let ty = ty.split(" COLLATE").next().unwrap_or(ty);
    format!("CAST({} AS {ty})", dialect.quote(stored))
}

/// Builds the table anew and fills it from the old one.
async fn rebuild(
    tx: &mut Transaction<'_>,
    columns: &Columns<'_>,
    own: &[&str],
    build: impl Fn(&str, &dyn Dialect) -> String,
) -> Result<(), StoreError> {
    let dialect = tx.context.dialect;
    tx.run(tx.params(), build(BUILT, dialect)).await?;
    let (built, table) = (tx.quote(BUILT), tx.quote(columns.table));
    let mut into: Vec<String> = own.iter().map(|name| tx.quote(name)).collect();
    let mut from = into.clone();
    for (old, new) in &columns.pairs {
        let Some(old) = old else { continue };
        into.push(tx.quote(&new.name));
        from.push(match is_cast(dialect, old, new) {
            true => cast(dialect, &old.name, new),
            false => tx.quote(&old.name),
        });
    }
    let (into, from) = (into.join(","), from.join(","));
    // A column that is required and has no values is only there when all rows were removed.
    let copied = columns
        .pairs
        .iter()
        .all(|(old, new)| old.is_some() || new.nullable || tables::begins(new).is_some());
    if copied {
        tx.run(
            tx.params(),
            format!("INSERT INTO {built}({into}) SELECT {from} FROM {table}"),
        )
        .await?;
    }
    for statement in dialect.keep_row_numbers(columns.table, BUILT) {
        tx.run(tx.params(), statement).await?;
    }
    tx.run(tx.params(), format!("DROP TABLE {table}")).await?;
    rename_table(tx, BUILT, columns.table).await
}
