//! The indexes that are still to be built at a start: of large tables, and those that a load left for its end; and figures that are not
//! there yet. Knows which are missing; how they are built is told in `migrate`.

use super::{
    Inner, Store, StoreError,
    driver::Line,
    migrate::{self, Turn},
    statistics,
};

impl Store {
    /// Builds the indexes that were too large to be built at opening, beside whoever reads and writes. What fails is tried
    /// again at the next start.
    pub async fn finish_indexes(&self) -> Result<(), StoreError> {
        let waiting = self.inner.deferred.waiting();
        for index in migrate::postponed(&self.inner, None).await? {
            if !migrate::build(&self.inner, &index, Turn::IfFree).await? {
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
        let there = migrate::found(&there(&self.inner).await?)?;
        Ok(migrate::waiting(self.inner.dialect, &self.inner.layout, &there))
    }
}

/// The indexes that the database has, as a reader sees them.
pub(super) async fn there(inner: &Inner) -> Result<Vec<Line>, StoreError> {
    let reader = inner.own.take().await?;
    reader.fetch(inner.params().query(inner.dialect.indexes())).await
}
