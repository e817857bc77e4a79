//! The indexes that the database has, as a reader sees them. Only asks.

use crate::store::{context::Context, db::pool::ResultRow, error::StoreError};

/// The indexes that the database has, as a reader sees them.
pub(crate) async fn there(context: &Context) -> Result<Vec<ResultRow>, StoreError> {
    let reader = context.own.take().await?;
    reader.fetch(context.params().query(context.dialect.indexes())).await
}
