//! The system tables as SeaORM sees them, an entity each, and how they are asked where speed does
//! not matter. Knows their columns, which a test compares with those that the migrations make; what
//! their rows mean is said in the tables' files.

#[cfg(test)]
use sea_orm::{
    DbBackend, Schema,
    sea_query::{Alias, TableCreateStatement},
};
use sea_orm::{EntityTrait, FromQueryResult, QueryTrait, Select};

use crate::store::{context::Context, db::pool::ResultRow, error::StoreError, tx::Transaction};

/// Names the entities once.
macro_rules! entities {
    (asked: $($asked:ident)*; compared: $($name:ident)*) => {
        $(pub(crate) mod $asked;)*
        $(
            #[cfg_attr(not(test), allow(dead_code, reason = "described here, and compared with its table; asked by SQL"))]
            pub(crate) mod $name;
        )*

        /// The statement that would make each table, under another name.
        #[cfg(test)]
        pub(crate) fn tables(backend: DbBackend, prefix: &str) -> Vec<(&'static str, TableCreateStatement)> {
            vec![
                $(table_of($asked::Entity, backend, prefix),)*
                $(table_of($name::Entity, backend, prefix),)*
            ]
        }
    };
}

entities!(
    asked: held process quarantine;
    compared: applied_layout change_pack fan_out feed_head fetch figures history layout_lock place reading refill
        request_state row_number run run_seen version
);

#[cfg(test)]
fn table_of<E: EntityTrait>(entity: E, backend: DbBackend, prefix: &str) -> (&'static str, TableCreateStatement) {
    let name = E::default().table_name();
    let mut made = Schema::new(backend).create_table_from_entity(entity);
    made.table(Alias::new(format!("{prefix}{name}")));
    (name, made)
}

/// All that a select finds, on a reader.
pub(crate) async fn all<E: EntityTrait>(context: &Context, select: Select<E>) -> Result<Vec<E::Model>, StoreError> {
    let statement = select.build(context.dialect.backend());
    let mut params = context.params();
    params.values(statement.values)?;
    let rows = context.own.take().await?.fetch(params.query(statement.sql)).await?;
    rows.into_iter().map(read::<E>).collect()
}

/// The same within a transaction.
pub(crate) async fn all_within<E: EntityTrait>(
    tx: &mut Transaction<'_>,
    select: Select<E>,
) -> Result<Vec<E::Model>, StoreError> {
    let statement = select.build(tx.context.dialect.backend());
    let mut params = tx.params();
    params.values(statement.values)?;
    let rows = tx.all(params, statement.sql).await?;
    rows.into_iter().map(read::<E>).collect()
}

fn read<E: EntityTrait>(row: ResultRow) -> Result<E::Model, StoreError> {
    E::Model::from_query_result(&row.into_result(), "").map_err(|error| StoreError::Database(Box::new(error)))
}
