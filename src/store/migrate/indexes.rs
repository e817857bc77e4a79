//! The indexes that are still to be built at a start: of large tables, and those that a load left for its end; and figures that are not
//! there yet. Knows which are missing; how they are built is told in `migrate`.

use crate::store::{Inner, Store, db::pool::Line, error::StoreError, figures::statistics};

use super::{
    build::{self, Turn},
    index,
};

impl Store {
    /// Builds the indexes that were too large to be built at opening, beside whoever reads and writes. What fails is tried
    /// again at the next start.
    pub async fn finish_indexes(&self) -> Result<(), StoreError> {
        let waiting = self.inner.deferred.waiting();
        for index in index::postponed(&self.inner, None).await? {
            if !build::build(&self.inner, &index, Turn::IfFree).await? {
                tracing::info!("another process builds the indexes");
                return Ok(());
            }
        }
        self.inner.deferred.end(&waiting);
        statistics::complete(&self.inner).await;
        Ok(())
    }

    /// What waits for its index to be built, as in `Item.price`. Answers are right without it, and slower.
    pub async fn waiting_indexes(&self) -> Result<Vec<String>, StoreError> {
        let there = index::found(&there(&self.inner).await?)?;
        Ok(index::waiting(self.inner.dialect, &self.inner.layout, &there))
    }
}

/// The indexes that the database has, as a reader sees them.
pub(crate) async fn there(inner: &Inner) -> Result<Vec<Line>, StoreError> {
    let reader = inner.own.take().await?;
    reader.fetch(inner.params().query(inner.dialect.indexes())).await
}
