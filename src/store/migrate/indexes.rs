//! The indexes that are still to be built at a start: of large tables, and those that a load left for its end; and figures that are not
//! there yet. Knows which are missing; how they are built is told in `migrate`.

use crate::store::{context::Context, db::pool::Line, error::StoreError};

/// The indexes that the database has, as a reader sees them.
pub(crate) async fn there(inner: &Context) -> Result<Vec<Line>, StoreError> {
    let reader = inner.own.take().await?;
    reader.fetch(inner.params().query(inner.dialect.indexes())).await
}
